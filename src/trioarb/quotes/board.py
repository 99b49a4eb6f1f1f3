"""The latest quote of one symbol at every venue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import nan
from typing import Any, Protocol

import attrs

from trioarb.model.market import Book, Level, Quote
from trioarb.model.number import exact_decimal
from trioarb.plugin.contract import Levels, See
from trioarb.quotes.followed import Followed
from trioarb.quotes.levels import InColumn, looked_up, up_to_the_last

__all__ = ["QuoteBoard", "Touch"]


@attrs.frozen(kw_only=True)
class Touch:
    """Best prices and sizes as exact decimals; the price of a side that was withdrawn is absent, its size 0.

    ``levels`` beyond the best are made exact where somebody walks them.
    """

    bid: Decimal | None
    bid_size: Decimal
    ask: Decimal | None
    ask_size: Decimal
    levels: Levels | None = attrs.field(default=None, eq=False)

    def asks(self) -> Iterator[Level]:
        """Yield the levels to buy from, best first."""
        if self.ask is not None:
            yield Level(self.ask, self.ask_size)
            yield from _levels(2, self.levels)

    def bids(self) -> Iterator[Level]:
        """Yield the levels to sell to, best first."""
        if self.bid is not None:
            yield Level(self.bid, self.bid_size)
            yield from _levels(0, self.levels)


def _levels(side: int, levels: Levels | None) -> Iterator[Level]:
    if levels is not None:
        for price, size in zip(*up_to_the_last(levels[side], levels[side + 1]), strict=True):
            yield Level(exact_decimal(price), exact_decimal(size))


class LooksBack(Protocol):
    """Where the quotes of a board come from."""

    def look_back(self, venue: int) -> None:
        """Tell the board's watch of a venue what came and was not told."""

    def put(self) -> None:
        """See to it that the board holds what came up to now."""


class QuoteBoard:
    """Columns of the latest accepted quotes, by index of the venue. A quote costs no object; ``serial`` is set last.

    A side that is not there has the price NaN and the size 0: before a venue's first quote, once it was withdrawn, and
    after a quote that can't be.

    ``levels`` beyond the best are those of one quote, or where they can be looked up (see `quotes.levels`): of what is
    not looked at no more than that is done. Whoever keeps columns in use says so by `hold_levels` before they go.

    The columns themselves are up to date in a symbol's turn, and whoever asks by a method gets what is.

    ``watches`` are told of the quotes of their venue: of each by who puts it here, or of those that were passed over by
    ``source``, when somebody looks.
    """

    __slots__ = (
        "_touches",
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "followed",
        "levels",
        "received_ns",
        "serial",
        "source",
        "venues",
        "watches",
    )

    def __init__(self, venues: Sequence[str]) -> None:
        count = len(venues)
        self.venues: tuple[str, ...] = tuple(venues)
        self.followed: Followed = Followed()
        self.bid: list[float] = [nan] * count
        self.bid_size: list[float] = [0.0] * count
        self.ask: list[float] = [nan] * count
        self.ask_size: list[float] = [0.0] * count
        self.received_ns: list[int] = [-1] * count
        self.serial: list[int] = [0] * count
        self.levels: list[Levels | InColumn | None] = [None] * count
        self.watches: list[See | None] = [None] * count
        self.source: LooksBack | None = None
        #: The touch that was asked for last, and the serial of its quote.
        self._touches: list[tuple[int, Touch | None]] = [(0, None)] * count

    def quote(self, venue: int) -> Quote | None:
        """Return the latest quote of a venue, or ``None`` before the first."""
        self._come_up()
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

    def book(self, venue: int) -> Book | None:
        """Return the latest levels of a venue, or ``None`` before the first quote."""
        self._come_up()
        if not self.serial[venue]:
            return None
        bid, ask = self.bid[venue], self.ask[venue]
        self.hold_levels(venue)
        beyond: Any = self.levels[venue] or ((), (), (), ())
        bids, bid_sizes = up_to_the_last(*beyond[:2])
        asks, ask_sizes = up_to_the_last(*beyond[2:])
        return Book(
            bids=(bid, *bids) if bid > 0.0 else (),
            bid_sizes=(self.bid_size[venue], *bid_sizes) if bid > 0.0 else (),
            asks=(ask, *asks) if ask > 0.0 else (),
            ask_sizes=(self.ask_size[venue], *ask_sizes) if ask > 0.0 else (),
            received_ns=self.received_ns[venue],
            serial=self.serial[venue],
        )

    def book_at(self, venue: str) -> Book | None:
        """Return the latest levels of a venue, having told its watch of what came up to now."""
        index = self.venues.index(venue)
        self._look_back(index)
        return self.book(index)

    def watch(self, venue: str, see: See) -> None:
        """Let a watch be told of the quotes that come from now on, instead of another one."""
        index = self.venues.index(venue)
        self._look_back(index)
        self.watches[index] = see

    def tell(
        self,
        venue: int,
        bids: Sequence[float],
        bid_sizes: Sequence[float],
        asks: Sequence[float],
        ask_sizes: Sequence[float],
    ) -> None:
        """Tell a venue's watch of quotes; forget it, if it wants no more."""
        see = self.watches[venue]
        if see is not None and not see(bids, bid_sizes, asks, ask_sizes):
            self.watches[venue] = None

    def _come_up(self) -> None:
        if self.source is not None:
            self.source.put()

    def _look_back(self, venue: int) -> None:
        if self.source is not None:
            self.source.look_back(venue)

    def hold_levels(self, venue: int) -> None:
        """Take a venue's levels out of the column that they are in, or whatever has them."""
        self.levels[venue] = looked_up(self.levels[venue], self.bid[venue], self.ask[venue])

    def touch(self, venue: str) -> Touch | None:
        """Return the latest quote in exact decimals, or ``None`` before the first."""
        self._come_up()
        index = self.venues.index(venue)
        known, touch = self._touches[index]
        serial = self.serial[index]
        if serial != known:
            touch = Touch(
                bid=_price(self.bid[index]),
                bid_size=exact_decimal(self.bid_size[index]),
                ask=_price(self.ask[index]),
                ask_size=exact_decimal(self.ask_size[index]),
                levels=looked_up(self.levels[index], self.bid[index], self.ask[index]),
            )
            self._touches[index] = serial, touch
        return touch

    def newest_ns(self, venue: str) -> int:
        """Return when a venue's latest quote was received; -1 before the first."""
        self._come_up()
        return self.received_ns[self.venues.index(venue)]

    def is_whole(self, venue: int) -> bool:
        """Return whether both sides are there."""
        return self.bid[venue] <= self.ask[venue]

    def put(
        self,
        venue: int,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        received_ns: int,
        serial: int,
        levels: InColumn | None = None,
    ) -> None:
        """Put a venue's latest quote on the board: the one that came then and is its ``serial``-th, or what is left."""
        self.levels[venue] = levels
        self.bid[venue] = bid
        self.bid_size[venue] = bid_size
        self.ask[venue] = ask
        self.ask_size[venue] = ask_size
        self.received_ns[venue] = received_ns
        if serial == self.serial[venue]:  # something was refused after it
            self._touches[venue] = (0, None)
        self.serial[venue] = serial

    def put_all(
        self,
        bid: list[float],
        bid_size: list[float],
        ask: list[float],
        ask_size: list[float],
        received_ns: list[int],
        serial: list[int],
    ) -> None:
        """Put the latest quotes of all venues on the board, but for levels beyond the best: the lists are its own now.

        Nobody holds the ones before: sinks do, and a symbol either has sinks or is played to.
        """
        self.bid, self.bid_size, self.ask, self.ask_size = bid, bid_size, ask, ask_size
        self.received_ns, self.serial = received_ns, serial

    def forget_touch(self, venue: int) -> None:
        """Make a venue's touch anew when it is asked for: something was refused after its quote."""
        self._touches[venue] = (0, None)

    def take_off(self, venue: int) -> None:
        """Let a venue's quote leave the board; when it came, and its number, stay as they are."""
        self.bid[venue] = self.ask[venue] = nan
        self.bid_size[venue] = self.ask_size[venue] = 0.0
        self.levels[venue] = None
        self._touches[venue] = (0, None)


def _price(price: float) -> Decimal | None:
    return exact_decimal(price) if price > 0 else None
