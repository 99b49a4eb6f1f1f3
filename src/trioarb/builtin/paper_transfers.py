"""What a paper venue let go to others and took in from them, each once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from trioarb.api import ZERO, VenueError, text

__all__ = ["Moved", "PaperTransfers"]


class Moved(msgspec.Struct, tag="moved", frozen=True):
    """What left (below zero) or arrived."""

    transfer_id: str
    asset: str
    amount: Decimal


class PaperTransfers:
    """``free(asset)`` is what no order locks, ``credit`` changes what is held, ``remember`` writes it down."""

    def __init__(
        self,
        venue: str,
        *,
        free: Callable[[str], Decimal],
        credit: Callable[[str, Decimal], None],
        remember: Callable[[Moved], None],
    ) -> None:
        self._venue = venue
        self._free = free
        self._credit = credit
        self._remember = remember
        self._known: set[tuple[str, bool]] = set()

    def book(self, moved: Moved) -> None:
        """Book a transfer; one that was booked before changes nothing.

        Raises:
            VenueError: less is free than is to leave.
        """
        if (moved.transfer_id, moved.amount > 0) in self._known:
            return
        if moved.amount < 0 and self._free(moved.asset) + moved.amount < ZERO:
            free, wanted = text(self._free(moved.asset)), text(-moved.amount)
            raise VenueError(f"{self._venue}: {wanted} {moved.asset} are to leave, and {free} are free")
        self.take_up(moved)
        self._remember(moved)

    def take_up(self, moved: Moved) -> None:
        """Take up what it remembers."""
        self._known.add((moved.transfer_id, moved.amount > 0))
        self._credit(moved.asset, moved.amount)
