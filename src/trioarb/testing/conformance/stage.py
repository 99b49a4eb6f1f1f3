"""What the kit can do at the venue behind a plugin: show prices there, and make it misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.api import Book, Listing, Quote
from trioarb.testing.conformance.case import not_offered

__all__ = ["ChannelStage", "Level", "QuotedStage", "Stage", "Trouble"]

#: A price and a size in base asset.
Level = tuple[Decimal, Decimal]


class Trouble(Enum):
    """What a venue may do wrong. It happens so many times, or, where that is marked *standing*, until `Stage.calm`."""

    LOST_ANSWER = "lose answers"
    """An order is taken, and its answer never comes."""
    SERVER_ERROR = "answer by errors"
    """A request is answered by an error of the venue's own, before anything was done."""
    TOO_MANY = "refuse for too many requests"
    """A request is refused, since there were too many, before anything was done."""
    MALFORMED = "answer by half a message"
    """A request that asks something is answered by what can't be read."""
    CUT = "cut streams"
    """Every stream is cut: of an exchange those of the account, of market data all."""
    SILENT = "fall silent"
    """Standing: streams of market data stay open, and nothing comes by them."""
    GAP = "leave a change out"
    """A change of a book is told to nobody."""
    LATE = "tell of fills late"
    """A fill is told to the account a while after it happened."""
    REPEATED = "tell everything twice"
    """Standing: whatever the account is told, it is told twice."""
    UNKNOWN = "tell what nobody knows"
    """Standing: messages have fields, and streams messages, that no document names."""


class Stage:
    """What stands behind an exchange or market data while it is judged: a simulator, or a venue's own place for trials.

    A class that derives from it says by ``troubles`` what it can make the venue do wrong, and overrides what it can do;
    cases that need more are *not offered*. The account has to have enough of both assets for some orders of a hundred
    units of quote asset, or of forty times the least that the venue takes. Methods are called in Trio's thread, and
    return once the venue has changed.

    Attributes:
        settings: Settings that only the stage knows, such as addresses and keys; they go before those of the test.
        listings: What the plugin is asked about, the first of which is traded; empty: what the test says.
        prices: What a symbol is worth, in quote asset; 100 where it isn't there.
        troubles: What it can make the venue do wrong.
    """

    settings: Mapping[str, Any] = {}
    listings: Sequence[Listing] = ()
    prices: Mapping[str, Decimal] = {}
    troubles: frozenset[Trouble] = frozenset()

    async def show(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Let others show these levels instead of those that they showed; they meet what rests there.

        Args:
            symbol: Of which symbol.
            bids: Prices and sizes, best first.
            asks: The same of the other side.
        """
        not_offered("the stage can't show prices")

    async def halt(self, symbol: str) -> None:
        """Let nothing of a symbol be traded from now on.

        Args:
            symbol: Of which symbol.
        """
        not_offered("the stage can't halt a symbol")

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        """Let the venue do something wrong.

        Args:
            trouble: What; one of ``troubles``.
            times: How often; one that is *standing* lasts until `calm`.
        """
        not_offered(f"the stage can't make the venue {trouble.value}")

    async def calm(self) -> None:
        """Let the venue do nothing wrong any more."""

    def orders(self, symbol: str) -> int | None:
        """Return how many orders the account has sent of a symbol, whatever became of them; ``None``: unknown.

        Args:
            symbol: Of which symbol.
        """
        return None


class ChannelStage(Stage):
    """What stands behind an alert channel while it is judged: somebody who is told.

    Of ``troubles`` matter SERVER_ERROR, TOO_MANY and MALFORMED, by which a message fails, and LOST_ANSWER, by which its
    sender waits for ever.
    """

    def arrived(self) -> Sequence[str] | None:
        """Return the texts of all messages that arrived, whole; ``None``: it can't say."""
        return None


@attrs.define(eq=False)
class QuotedStage(Stage):
    """The stage of an exchange that fills by the quotes of its context, as simulated venues do."""

    now_ns: Callable[[], int]
    listings: Sequence[Listing] = ()
    _books: dict[str, Book] = attrs.field(factory=dict)
    _followers: dict[str, Callable[[], None]] = attrs.field(factory=dict)
    _watches: dict[str, Callable[..., bool]] = attrs.field(factory=dict)

    async def show(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        before = self._books.get(symbol)
        book = self._books[symbol] = Book(
            bids=tuple(float(price) for price, _ in bids),
            bid_sizes=tuple(float(size) for _, size in bids),
            asks=tuple(float(price) for price, _ in asks),
            ask_sizes=tuple(float(size) for _, size in asks),
            received_ns=self.now_ns(),
            serial=1 if before is None else before.serial + 1,
        )
        touch = _touch(book)
        if (see := self._watches.get(symbol)) and not see([touch.bid], [touch.bid_size], [touch.ask], [touch.ask_size]):
            del self._watches[symbol]
        if (told := self._followers.get(symbol)) is not None:
            told()

    def book(self, symbol: str) -> Book | None:
        return self._books.get(symbol)

    def touch(self, symbol: str) -> Quote | None:
        book = self._books.get(symbol)
        return None if book is None else _touch(book)

    def watch(self, symbol: str, see: Callable[..., bool]) -> None:
        self._watches[symbol] = see

    def follow(self, symbol: str, told: Callable[[], None] | None) -> None:
        if told is None:
            self._followers.pop(symbol, None)
        else:
            self._followers[symbol] = told


def _touch(book: Book) -> Quote:
    """Return the best of a book; what isn't there has the price NaN."""
    return Quote(
        bid=book.bids[0] if book.bids else float("nan"),
        bid_size=book.bid_sizes[0] if book.bids else 0.0,
        ask=book.asks[0] if book.asks else float("nan"),
        ask_size=book.ask_sizes[0] if book.asks else 0.0,
        received_ns=book.received_ns,
        serial=book.serial,
    )
