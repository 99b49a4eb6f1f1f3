"""What a venue's book has for an order: within its limit, and not taken by earlier orders of ours."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import attrs

from trioarb.model.market import Level
from trioarb.model.number import EXACT, ZERO, floor_to
from trioarb.model.order import Side
from trioarb.quotes.board import Touch

__all__ = ["Found", "Taken", "facing", "find", "is_within"]

#: Of so many prices of a side it is kept in mind what was taken there: the latest ones.
_MOST_PRICES = 256


@attrs.frozen(kw_only=True)
class Found:
    """What an order would have got of a book; fields as in `Look`."""

    levels: tuple[Level, ...]
    taken: Decimal | None
    beyond: Decimal | None


def facing(side: Side, touch: Touch) -> Iterator[Level]:
    """Yield the levels that an order takes from, best first."""
    return touch.asks() if side is Side.BUY else touch.bids()


def is_within(price: Decimal, side: Side, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def find(
    levels: Iterable[Level],
    side: Side,
    limit: Decimal,
    quantity: Decimal,
    *,
    lot: Decimal,
    taken_of: Callable[[Level], Decimal] = lambda level: ZERO,
) -> Found:
    """Walk a book as an immediate order does: all of its quantity, or the whole lots of what there is.

    ``taken_of``: how much of a level doesn't count, since it is ours already.
    """
    free, total, taken = list[Level](), ZERO, ZERO
    beyond: Decimal | None = None
    for level in levels:
        beyond = level.price
        if total >= quantity or not is_within(level.price, side, limit):
            break
        ours = min(level.size, taken_of(level))
        taken = EXACT.add(taken, ours)
        if ours < level.size:
            free.append(Level(level.price, EXACT.subtract(level.size, ours)))
            total = EXACT.add(total, free[-1].size)
    rest = quantity if total >= quantity else floor_to(total, lot)
    walked = list[Level]()
    for price, size in free:
        if (part := min(rest, size)) > 0:
            walked.append(Level(price, part))
            rest = EXACT.subtract(rest, part)
    return Found(levels=tuple(walked), taken=taken or None, beyond=None if total >= quantity else beyond)


@attrs.define
class _AtPrice:
    """What orders took at one price: by the number of each, how much; and how much was displayed there last."""

    displayed: Decimal
    by_order: dict[int, Decimal] = attrs.field(factory=dict)


class Taken:
    """What the paper model has filled immediate orders with, by venue, symbol, side and price.

    Nothing was sent, so the venue displays it on; a real order would have found it gone. It counts as gone until the
    size displayed at that price differs by more than what was taken from what was displayed then, or the price is
    displayed no more. That is looked at when somebody asks: a size that changed and came back in between stays gone.
    """

    def __init__(self) -> None:
        self._prices: defaultdict[tuple[str, str, Side], OrderedDict[Decimal, _AtPrice]] = defaultdict(OrderedDict)

    def note(self, place: tuple[str, str, Side], number: int, price: Decimal, quantity: Decimal, touch: Touch) -> None:
        """Take note of a fill of the order with this number, at a price that ``touch`` displays."""
        displayed = next((level.size for level in facing(place[2], touch) if level.price == price), None)
        if displayed is None:
            return
        prices = self._prices[place]
        at_price = prices.pop(price, None) or _AtPrice(displayed)
        at_price.displayed = displayed
        at_price.by_order[number] = EXACT.add(at_price.by_order.get(number, ZERO), quantity)
        prices[price] = at_price
        if len(prices) > _MOST_PRICES:
            prices.popitem(last=False)

    def before(self, place: tuple[str, str, Side], number: int, level: Level) -> Decimal:
        """Return how much of a level counts as taken by orders with a lower number."""
        prices = self._prices.get(place)
        at_price = prices.get(level.price) if prices else None
        if prices is None or at_price is None:
            return ZERO
        change = abs(EXACT.subtract(level.size, at_price.displayed))
        if change > sum(at_price.by_order.values(), ZERO):
            del prices[level.price]
            return ZERO
        return sum((amount for other, amount in at_price.by_order.items() if other < number), ZERO)

    def forget_gone(self, place: tuple[str, str, Side], touch: Touch) -> None:
        """Forget what was taken at prices that are displayed no more, though the levels reach as far."""
        prices = self._prices.get(place)
        if not prices:
            return
        displayed = [level.price for level in facing(place[2], touch)]
        for price in [one for one in prices if one not in displayed]:
            if displayed and is_within(price, place[2], displayed[-1]):
                del prices[price]
