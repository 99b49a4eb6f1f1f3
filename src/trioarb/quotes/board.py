"""The latest quote of one symbol at every venue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from trioarb.model.market import Quote
from trioarb.model.number import exact_decimal

__all__ = ["QuoteBoard", "Touch"]


@attrs.frozen(kw_only=True)
class Touch:
    """Best prices and sizes as exact decimals."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


class QuoteBoard:
    """Columns of the latest accepted quotes, by index of the venue. A quote costs no object; ``serial`` is set last.

    Where quotes that change nothing are passed over, the board may be behind: ``catch_up`` brings it up to now. What
    is asked for by venue does so itself; who reads the columns, calls it before.
    """

    __slots__ = ("_touches", "ask", "ask_size", "bid", "bid_size", "catch_up", "received_ns", "serial", "venues")

    def __init__(self, venues: Sequence[str]) -> None:
        count = len(venues)
        self.catch_up: Callable[[], None] = _up_to_date
        self.venues = tuple(venues)
        self.bid = [0.0] * count
        self.bid_size = [0.0] * count
        self.ask = [0.0] * count
        self.ask_size = [0.0] * count
        self.received_ns = [-1] * count
        self.serial = [0] * count
        #: The touch that was asked for last, and the serial of its quote.
        self._touches: list[tuple[int, Touch | None]] = [(0, None)] * count

    def quote(self, venue: int) -> Quote | None:
        """Return the latest quote of a venue, or ``None`` before the first."""
        self.catch_up()
        if not self.serial[venue]:
            return None
        return Quote(
            bid=self.bid[venue],
            bid_size=self.bid_size[venue],
            ask=self.ask[venue],
            ask_size=self.ask_size[venue],
            received_ns=self.received_ns[venue],
            serial=self.serial[venue],
        )

    def quote_at(self, venue: str) -> Quote | None:
        return self.quote(self.venues.index(venue))

    def touch(self, venue: str) -> Touch | None:
        """Return the latest quote in exact decimals, or ``None`` before the first."""
        self.catch_up()
        index = self.venues.index(venue)
        known, touch = self._touches[index]
        serial = self.serial[index]  # read first, since the live view asks from another thread
        if serial != known:
            touch = Touch(
                bid=exact_decimal(self.bid[index]),
                bid_size=exact_decimal(self.bid_size[index]),
                ask=exact_decimal(self.ask[index]),
                ask_size=exact_decimal(self.ask_size[index]),
            )
            self._touches[index] = serial, touch
        return touch

    def newest_ns(self, venue: str) -> int:
        """Return when a venue's latest quote was received; -1 before the first."""
        self.catch_up()
        return self.received_ns[self.venues.index(venue)]

    def is_quoted(self, venue: str) -> bool:
        self.catch_up()
        return self.serial[self.venues.index(venue)] > 0


def _up_to_date() -> None:
    pass
