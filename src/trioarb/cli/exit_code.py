"""Which exit code an error has that kept a campaign from beginning."""

from __future__ import annotations

from trioarb.errors import (
    ConfigError,
    JournalError,
    MarketDataError,
    MissingPackage,
    PluginError,
    TrioarbError,
    UniverseError,
)

__all__ = ["exit_code"]

#: What the user can mend.
_USAGE = (ConfigError, JournalError, PluginError, UniverseError, MarketDataError, MissingPackage)


def exit_code(error: TrioarbError) -> int:
    """Return 2 for usage and configuration, 1 for everything else."""
    return 2 if isinstance(error, _USAGE) else 1
