"""What a paper venue displays that is left for us, and what of it an order is matched with. Nothing here waits.

A recording doesn't know of our orders: what we took is displayed on. So a `Matching` keeps in mind how much was taken
at which price, and takes it off what is displayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import attrs

from trioarb.api import EXACT, ZERO, Book, Side, exact_decimal, floor_to

__all__ = ["Consumed", "Level", "Matching", "bought_for", "matched", "own_side", "within"]

#: What rounding could add to a difference of sizes; far more than it does.
_SLACK = 1e-9
#: Of so many prices of a side it is kept in mind what was taken there: the latest ones.
_MOST_PRICES = 256


class Consumed(Enum):
    """How long what we took stays taken, though the venue displays it on."""

    UNTIL_CHANGED = "until_changed"
    UNTIL_NEXT_QUOTE = "until_next_quote"


class Level(NamedTuple):
    """A quantity at a price: what is left of a level for us, or what of it was matched."""

    price: Decimal
    quantity: Decimal


@attrs.define
class _Taken:
    """What we took at a price, and how much was displayed there when we took of it last."""

    quantity: Decimal
    displayed: Decimal

    def is_over(self, now: Decimal) -> bool:
        """Return whether so much being displayed at its price now means that nothing is taken any longer."""
        return abs(EXACT.subtract(now, self.displayed)) > self.quantity


@attrs.define
class _Memory:
    """What we took on one side of a symbol, by price; ``serial``: of the quote that it was taken from last."""

    serial: int = 0
    taken: dict[Decimal, _Taken] = attrs.field(factory=dict)


class Matching:
    """Which quantities of a venue's books are left for us, by symbol and side.

    ``UNTIL_CHANGED``: what we took at a price stays taken until the size displayed at that price differs by more than
    all that we took there from the size that was displayed when we took of it last, or the price is displayed no more
    although the levels reach as far. Then all that is displayed is there again. Less of a difference changes nothing:
    what is left is the size displayed now less what we took. A price beyond the last level, and a side that is
    withdrawn, tell nothing. Whole books are looked at when `left` is asked; in between `see` follows the best prices.

    ``UNTIL_NEXT_QUOTE``: with any later quote of the venue for the symbol, all that is displayed is there again.

    Nothing is left of a book that came more than ``max_age_ns`` ago.
    """

    def __init__(self, consumed: Consumed, max_age_ns: int) -> None:
        self._consumed = consumed
        self._max_age_ns = max_age_ns
        self._memories: dict[tuple[str, Side], _Memory] = {}

    def left(self, symbol: str, side: Side, book: Book | None, now_ns: int) -> Sequence[Level]:
        """Return what an order of this side could be matched with now, best first; levels of which nothing is left
        have the quantity 0.
        """
        if book is None or now_ns - book.received_ns > self._max_age_ns:
            return ()
        levels = _displayed(side, book)
        memory = self._memories.get((symbol, side))
        if memory is None:
            return levels
        self._forget(memory, side, levels, book.serial)
        if not memory.taken:
            return levels
        return [Level(price, _less(size, memory.taken.get(price))) for price, size in levels]

    def has_taken(self, symbol: str, side: Side, book: Book | None, limit: Decimal) -> bool:
        """Return whether a price within a limit is displayed at which less is left than that, since we took of it."""
        memory = self._memories.get((symbol, side))
        if memory is None or book is None:
            return False
        return any(level.price in memory.taken for level in within(_displayed(side, book), side, limit))

    def take(self, symbol: str, side: Side, book: Book, matches: Iterable[Level]) -> None:
        """Keep in mind what was matched with the levels of a book that were ``left``."""
        memory = self._memories.setdefault((symbol, side), _Memory())
        memory.serial = book.serial
        displayed = dict(_displayed(side, book))
        for price, quantity in matches:
            before = memory.taken.pop(price, None)
            taken = quantity if before is None else EXACT.add(before.quantity, quantity)
            memory.taken[price] = _Taken(taken, displayed[price])
        while len(memory.taken) > _MOST_PRICES:
            del memory.taken[next(iter(memory.taken))]

    def see(
        self,
        symbol: str,
        bids: Sequence[float],
        bid_sizes: Sequence[float],
        asks: Sequence[float],
        ask_sizes: Sequence[float],
        /,
    ) -> bool:
        """Follow the best prices and sizes of some quotes, one after the other, NaN where a side isn't there; say
        whether more of them are wanted.
        """
        import numpy as np

        is_wanted = False
        for side, prices, sizes in ((Side.BUY, asks, ask_sizes), (Side.SELL, bids, bid_sizes)):
            memory = self._memories.get((symbol, side))
            if memory is None or not memory.taken:
                continue
            best, displayed = np.asarray(prices), np.asarray(sizes)
            for price, taken in list(memory.taken.items()):
                if _was_over(taken, float(price), best, displayed, side):
                    del memory.taken[price]
            is_wanted = is_wanted or bool(memory.taken)
        return is_wanted

    def _forget(self, memory: _Memory, side: Side, levels: Sequence[Level], serial: int) -> None:
        """Forget what is taken no longer."""
        if self._consumed is Consumed.UNTIL_NEXT_QUOTE:
            if memory.serial != serial:
                memory.taken.clear()
            return
        if not levels:
            return
        displayed, last = dict(levels), levels[-1].price
        for price, taken in list(memory.taken.items()):
            now, is_in_front = displayed.get(price), price <= last if side is Side.BUY else price >= last
            if taken.is_over(now) if now is not None else is_in_front:
                del memory.taken[price]


def _was_over(taken: _Taken, price: float, prices: Any, sizes: Any, side: Side) -> bool:
    """Return whether at one of some quotes a price was displayed no more, or so much of it that it is over."""
    if (prices > price if side is Side.BUY else prices < price).any():
        return True
    # Where floats may be wrong by their last bit, decimals decide.
    differs = abs(sizes - float(taken.displayed)) > float(taken.quantity) * (1 - _SLACK)
    return any(taken.is_over(exact_decimal(size)) for size in sizes[(prices == price) & differs].tolist())


def within(levels: Sequence[Level], side: Side, limit: Decimal) -> Sequence[Level]:
    """Return the levels whose price is no worse than a limit."""
    if side is Side.BUY:
        return [level for level in levels if level.price <= limit]
    return [level for level in levels if level.price >= limit]


def matched(levels: Sequence[Level], quantity: Decimal, lot_size: Decimal) -> Sequence[Level]:
    """Return what a quantity is matched with, walking levels from the first one on: all of it, or the whole lots of
    what there is.
    """
    total = ZERO
    for level in levels:
        total = EXACT.add(total, level.quantity)
    rest = quantity if quantity <= total else floor_to(total, lot_size)
    matches = []
    for price, left in levels:
        part = min(rest, left)
        if part > 0:
            matches.append(Level(price, part))
            rest = EXACT.subtract(rest, part)
    return matches


def bought_for(levels: Sequence[Level], amount: Decimal, lot_size: Decimal) -> Sequence[Level]:
    """Return what an amount of quote asset buys, walking levels from the first one on, in whole lots."""
    matches, rest = [], amount
    for price, left in levels:
        part = min(left, floor_to(rest / price, lot_size))
        if part > 0:
            matches.append(Level(price, part))
            rest = EXACT.subtract(rest, EXACT.multiply(part, price))
        if part < left:
            break
    return matches


def own_side(side: Side, book: Book) -> Sequence[Level]:
    """Return what is displayed on the side on which such an order rests, best first."""
    return _displayed(Side.SELL if side is Side.BUY else Side.BUY, book)


def _displayed(side: Side, book: Book) -> Sequence[Level]:
    prices, sizes = (book.asks, book.ask_sizes) if side is Side.BUY else (book.bids, book.bid_sizes)
    return [Level(exact_decimal(price), exact_decimal(size)) for price, size in zip(prices, sizes, strict=True)]


def _less(displayed: Decimal, taken: _Taken | None) -> Decimal:
    return displayed if taken is None else max(EXACT.subtract(displayed, taken.quantity), ZERO)
