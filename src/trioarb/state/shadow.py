"""How far the paper model is from what the venues' books showed afterwards, in shadow mode."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Context, Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import Look, OrderShadowed, Record
from trioarb.model.market import Level
from trioarb.model.number import BPS, EXACT, ZERO, per_unit
from trioarb.model.order import Side

__all__ = ["Compared", "LookError", "Rested", "Shadow", "error_of", "outcome_of", "rested_of"]

#: Price errors are kept by how often each came: to a hundredth of a basis point.
_STEP, _ROUNDED = Decimal("0.01"), Context(prec=40)


@attrs.frozen(kw_only=True)
class LookError:
    """How far the model was from one look: above zero, it was too good.

    ``price_bps``: by how much the book's average price was worse over the quantity that both have; absent where there
    is none. ``cost``: in quote asset, what it would have taken more to get from the book what the model claims, as much
    as its limit allows and the rest at the next price; before fees.
    """

    price_bps: Decimal | None
    cost: Decimal


def error_of(shadowed: OrderShadowed, look: Look) -> LookError | None:
    """Return the model's error at a look; ``None`` where nothing was measured.

    With s = +1 for a buy and −1 for a sell, Q what the model filled, C(q) what the first q of the book's levels cost,
    and M(q) what the first q of the model's fills did: q = min(Q, what the levels hold), ``price_bps`` = 10⁴ · s ·
    (C(q) − M(q)) ÷ M(q), and ``cost`` = s · (C(q) + (Q − q) · beyond − M(Q)).
    """
    if look.unmeasured is not None:
        return None
    claimed, there = _sum(shadowed.fills), _sum(look.levels)
    both = min(claimed, there)
    book, model = _cost(look.levels, both), _cost(shadowed.fills, both)
    worse = _signed(shadowed.side, EXACT.subtract(book, model))
    price_bps = BPS * per_unit(worse, model) if both else None
    rest = EXACT.subtract(claimed, both)
    beyond = ZERO if look.beyond is None else look.beyond
    needed = EXACT.add(book, EXACT.multiply(rest, beyond))
    return LookError(
        price_bps=price_bps,
        cost=_signed(shadowed.side, EXACT.subtract(needed, _cost(shadowed.fills, claimed))),
    )


def outcome_of(filled: Iterable[Level], quantity: Decimal) -> str:
    """Return whether all of an order is filled by levels, a part, or nothing."""
    total = _sum(filled)
    return "full" if total == quantity else "part" if total else "none"


@attrs.define
class Compared:
    """Looks of one kind, at orders of one venue or of all.

    ``same``: the book would have filled the order as the model did: fully, partly, or not at all. ``model_share`` and
    ``book_share``: Σ of the share of each order that was filled. ``after_ns`` is a sum, too. ``errors``: how often
    which price error came, in bps; ``errors_bps``: their exact sum. ``cost_usd`` above zero: the model earned more than
    it would have; ``value_usd``: of what the model filled; both of the orders whose quote asset had a rate.
    """

    looks: int = 0
    after_ns: int = 0
    same: int = 0
    taken: int = 0
    model_share: Decimal = ZERO
    book_share: Decimal = ZERO
    errors: Counter[Decimal] = attrs.field(factory=Counter)
    errors_bps: Decimal = ZERO
    cost_usd: Decimal = ZERO
    value_usd: Decimal = ZERO
    unvalued: int = 0
    unmeasured: Counter[str] = attrs.field(factory=Counter)

    def add(self, shadowed: OrderShadowed, look: Look) -> None:
        error = error_of(shadowed, look)
        if error is None:
            assert look.unmeasured is not None
            self.unmeasured[look.unmeasured.value] += 1
            return
        quantity = shadowed.quantity
        self.looks += 1
        self.after_ns += look.after_ns
        self.same += outcome_of(shadowed.fills, quantity) == outcome_of(look.levels, quantity)
        self.taken += look.taken is not None
        self.model_share += per_unit(_sum(shadowed.fills), quantity)
        self.book_share += per_unit(_sum(look.levels), quantity)
        if error.price_bps is not None:
            self.errors_bps += error.price_bps
            self.errors[_ROUNDED.quantize(error.price_bps, _STEP)] += 1
        if shadowed.usd_rate is None:
            self.unvalued += 1
        else:
            value = _cost(shadowed.fills, _sum(shadowed.fills))
            self.cost_usd = EXACT.add(self.cost_usd, EXACT.multiply(error.cost, shadowed.usd_rate))
            self.value_usd = EXACT.add(self.value_usd, EXACT.multiply(value, shadowed.usd_rate))

    @property
    def mean_bps(self) -> Decimal | None:
        """The mean price error, to four digits; ``None`` without any."""
        count = self.errors.total()
        return _ROUNDED.quantize(per_unit(self.errors_bps, Decimal(count)), Decimal("0.0001")) if count else None

    def percentile_bps(self, percent: int) -> Decimal | None:
        """Return the least price error that so many percent of all don't exceed; ``None`` without any."""
        wanted, seen = -(-self.errors.total() * percent // 100), 0
        for error in sorted(self.errors):
            seen += self.errors[error]
            if seen >= wanted:
                return error
        return None

    @property
    def worst_bps(self) -> Decimal | None:
        return max(self.errors, default=None)


@attrs.define
class Rested:
    """Orders that rested at one venue, in USD at their limits: what the model filled, and whether the book agrees.

    ``confirmed``: the other side had come to their limit with so much. ``uncertain``: it depends on the place in the
    queue, which no book tells. ``contradicted``: nobody can have traded at their price. ``missed``: would have filled,
    and the model didn't. ``unvalued`` orders are in none of these.
    """

    orders: int = 0
    confirmed_usd: Decimal = ZERO
    uncertain_usd: Decimal = ZERO
    contradicted_usd: Decimal = ZERO
    missed_usd: Decimal = ZERO
    unvalued: int = 0

    def add(self, shadowed: OrderShadowed) -> None:
        self.orders += 1
        if shadowed.usd_rate is None:
            self.unvalued += 1
            return
        usd = EXACT.multiply(shadowed.limit_price, shadowed.usd_rate)
        for name, amount in rested_of(shadowed).items():
            setattr(self, f"{name}_usd", EXACT.add(getattr(self, f"{name}_usd"), EXACT.multiply(amount, usd)))


def rested_of(shadowed: OrderShadowed) -> dict[str, Decimal]:
    """Return how much of what the model filled of an order at rest is ``confirmed``, ``uncertain`` and
    ``contradicted``, and how much it ``missed``, in base asset.
    """
    claimed, reached = _sum(shadowed.fills), shadowed.reached or ZERO
    confirmed = min(claimed, reached)
    rest = EXACT.subtract(claimed, confirmed)
    uncertain = min(rest, shadowed.uncertain or ZERO)
    return {
        "confirmed": confirmed,
        "uncertain": uncertain,
        "contradicted": EXACT.subtract(rest, uncertain),
        "missed": EXACT.subtract(reached, confirmed),
    }


class Shadow(Folding):
    """Folds compared orders: by venue and look, those at rest by venue. Empty in other modes than shadow.

    ``orders`` were compared, by venue; ``refused`` are those among them that the model's venues rejected, so that there
    was nothing to compare.
    """

    def __init__(self) -> None:
        self.compared: defaultdict[str, defaultdict[str, Compared]] = defaultdict(lambda: defaultdict(Compared))
        self.overall: defaultdict[str, Compared] = defaultdict(Compared)
        self.rested: defaultdict[str, Rested] = defaultdict(Rested)
        self.orders: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def _shadow(self, shadowed: OrderShadowed, _: Record) -> None:
        self.orders[shadowed.venue] += 1
        if shadowed.is_refused:
            self.refused[shadowed.venue] += 1
        elif shadowed.rests:
            self.rested[shadowed.venue].add(shadowed)
        else:
            by_look = self.compared[shadowed.venue]
            for look in shadowed.looks:
                by_look[look.at].add(shadowed, look)
                self.overall[look.at].add(shadowed, look)


def _sum(levels: Iterable[Level]) -> Decimal:
    return sum((level.size for level in levels), ZERO)


def _cost(levels: Iterable[Level], quantity: Decimal) -> Decimal:
    """Return what the first so much of some levels costs."""
    total, rest = ZERO, quantity
    for price, size in levels:
        part = min(size, rest)
        total = EXACT.add(total, EXACT.multiply(part, price))
        rest = EXACT.subtract(rest, part)
    return total


def _signed(side: Side, amount: Decimal) -> Decimal:
    return amount if side is Side.BUY else EXACT.minus(amount)
