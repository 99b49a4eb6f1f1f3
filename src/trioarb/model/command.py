"""What somebody may tell a campaign while it runs."""

from __future__ import annotations

from enum import Enum

__all__ = ["Command"]


class Command(Enum):
    PAUSE = "pause"
    """No entries; exits and hedges go on."""
    RESUME = "resume"
    """Lifts a pause, and nothing else that denies entries."""
    FLATTEN = "flatten"
    """Every position is closed, and no entry made until `RESUME`."""
    END = "end"
    """The campaign ends in its usual order."""
    BLACKLIST = "blacklist"
    """No entries of a symbol; its positions are closed as those of a campaign that ends."""
    UNBLACKLIST = "unblacklist"
    SET = "set"
    """Another value of a setting."""
    PANIC = "panic"
    """Everything is closed, and the campaign ends, within seconds."""
