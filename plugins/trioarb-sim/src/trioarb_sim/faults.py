"""Faults on request: what a venue does wrong from now on, how often, to which market."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import inf

import attrs

__all__ = ["Fault", "Faults"]


class Fault(Enum):
    """What may go wrong. Those marked *standing* last until they are cleared; others happen so many times."""

    LOST_ACKNOWLEDGEMENT = "lost_acknowledgement"
    """An order is taken, and the connection closed without an answer."""
    LATE_FILL = "late_fill"
    """A fill is told to the account a second late."""
    GAP = "gap"
    """A change of a book is told to nobody."""
    SILENT = "silent"
    """Standing: a market's books and trades are told to nobody; the connection stays."""
    CUT = "cut"
    """Every socket is cut."""
    CUT_PRIVATE = "cut_private"
    """Every socket that hears an account is cut."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """A request is answered by 429, with the time to wait."""
    BANNED = "banned"
    """A request is answered by 418, with the time to wait."""
    SERVER_ERROR = "server_error"
    """A request is answered by 503, before anything was done."""
    DUPLICATE = "duplicate"
    """Standing: whatever an account is told, it is told twice."""
    SKEWED_CLOCK = "skewed_clock"
    """Standing: the venue's clock is an hour ahead."""
    SHUTDOWN = "shutdown"
    """A shutdown is announced; a second later every socket is closed."""
    RETIRED = "retired"
    """Standing: every endpoint that reads a market's book is gone."""
    UNKNOWN = "unknown"
    """Standing: messages have fields, and sockets events, that nobody knows."""
    SLOW = "slow"
    """Standing: every answer takes a second longer."""
    MALFORMED = "malformed"
    """A request is answered by half a message."""
    HALVED = "halved"
    """Standing: every limit is half of what it was, of requests, orders, messages and connections."""


STANDING = {Fault.SILENT, Fault.DUPLICATE, Fault.SKEWED_CLOCK, Fault.RETIRED, Fault.UNKNOWN, Fault.SLOW, Fault.HALVED}


@attrs.define
class Faults:
    """Which faults are switched on; ``happened`` counts those that came to pass, by name."""

    _on: dict[tuple[Fault, str], float] = attrs.field(factory=dict)
    happened: dict[str, int] = attrs.field(factory=dict)

    def switch_on(self, fault: Fault, *, times: int = 1, market: str = "") -> None:
        """Let it happen so many times; a standing one until it is cleared. ``market``: only there."""
        self._on[fault, market] = inf if fault in STANDING else times

    def switch_off(self, fault: Fault, *, market: str = "") -> None:
        """Let it happen no more."""
        self._on.pop((fault, market), None)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._on.clear()

    def happens(self, fault: Fault, market: str = "") -> bool:
        """Return whether it happens now; if so, it was one of its times."""
        key = next((key for key in ((fault, market), (fault, "")) if self._on.get(key, 0) > 0), None)
        if key is None:
            return False
        self._on[key] -= 1
        self.happened[fault.value] = self.happened.get(fault.value, 0) + 1
        return True

    @property
    def share(self) -> float:
        """How much of its usual limits the venue allows now."""
        if not self._on.get((Fault.HALVED, "")):
            return 1.0
        self.happened[Fault.HALVED.value] = 1
        return 0.5

    @classmethod
    def of(cls, times: Mapping[Fault, int]) -> Faults:
        """Return faults that are on from the start."""
        made = cls()
        for fault, many in times.items():
            made.switch_on(fault, times=many)
        return made
