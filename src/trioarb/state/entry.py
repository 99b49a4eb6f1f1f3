"""What a trade's entry was to bring as it was decided upon, and what its orders brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

import attrs

from trioarb.model.event import OrderFilled, OrderSubmitted, ResidualTaken, TransactionLeg
from trioarb.model.market import Level
from trioarb.model.number import BPS, ZERO, per_unit, share
from trioarb.model.order import Purpose, Side
from trioarb.state.trades import fee_of, value_of

__all__ = ["EntryLeg", "EntryOfLoop", "EntryOfTwo"]

_BPS_STEP, _ROUNDED = Decimal("0.000001"), Context(prec=40)


@attrs.define
class EntryLeg:
    """What a leg was to trade, at which levels, and what its orders did. Amounts in the entry's own asset.

    ``rate``: by which the leg's prices were converted, when it was decided; absent where they are in that asset.
    ``value`` is what its orders traded at that rate, ``counted`` the same at the rate of each fill, as are ``fees``.
    ``net`` is what was traded in its direction where it trades, remedies included.
    """

    leg: TransactionLeg
    levels: Sequence[Level]
    fee_bps: Decimal
    rate: Decimal | None = None
    filled: Decimal = ZERO
    value: Decimal = ZERO
    counted: Decimal = ZERO
    fees: Decimal = ZERO
    net: Decimal = ZERO
    #: What each of its orders filled, and its best price.
    orders: dict[str, tuple[Decimal, Decimal]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, leg: TransactionLeg, levels: Sequence[Level], rate: Decimal | None, *, fee_bps: Decimal) -> EntryLeg:
        """Return a leg that was decided upon at these levels, or at its limit, where it was to rest."""
        if leg.post_only and leg.limit is not None:
            levels = (Level(leg.limit, leg.quantity),)
        return cls(leg, levels, fee_bps, rate)

    @property
    def is_buy(self) -> bool:
        return self.leg.side is Side.BUY

    def is_own(self, order: OrderSubmitted) -> bool:
        """Return whether an order at its place is the leg's own; any other is to even out."""
        return order.purpose is Purpose.LEG or (order.purpose is Purpose.HEDGE and self.leg.after is not None)

    def fill(self, order: OrderSubmitted, fill: OrderFilled) -> None:
        self.net += fill.quantity if fill.side is self.leg.side else -fill.quantity
        if not self.is_own(order):
            return
        self.filled += fill.quantity
        self.value += self.at_decision(fill.quantity * fill.price)
        self.counted += value_of(fill)
        self.fees += fee_of(fill)
        filled, best = self.orders.get(order.client_order_id, (ZERO, fill.price))
        best = min(best, fill.price) if self.is_buy else max(best, fill.price)
        self.orders[order.client_order_id] = filled + fill.quantity, best

    def take(self, quantity: Decimal, counted: Decimal, fee: Decimal) -> None:
        """Leave out what of its fills was none of its own, of its last orders first."""
        self.net -= quantity
        self.filled -= quantity
        self.value -= counted if self.rate is None else share(self.value, counted, self.counted)
        self.counted -= counted
        self.fees -= fee
        for order_id, (filled, best) in reversed(self.orders.items()):
            part = min(filled, quantity)
            self.orders[order_id] = filled - part, best
            quantity -= part

    def at_decision(self, amount: Decimal) -> Decimal:
        """Return an amount of what its prices are in as it was worth then."""
        return amount if self.rate is None else amount * self.rate

    def promised(self, quantity: Decimal) -> Decimal:
        """Return what so much would bring (a buy: less than zero) at the levels that were decided upon."""
        value, left = ZERO, quantity
        for level in self.levels[:-1]:
            part = min(left, level.size)
            value += part * level.price
            left -= part
        value = self.at_decision(value + left * self.levels[-1].price)
        return -value if self.is_buy else value

    @property
    def latency(self) -> Decimal:
        """What the way of the best price brought until each of its orders arrived."""
        decided = self.levels[0].price
        moved = sum((filled * (best - decided) for filled, best in self.orders.values()), ZERO)
        moved = self.at_decision(moved)
        return -moved if self.is_buy else moved

    @property
    def slippage(self) -> Decimal:
        """What its orders brought beyond that."""
        return self.brought - self.promised(self.filled) - self.latency

    @property
    def brought(self) -> Decimal:
        """What its orders brought, below zero of a buy, at the rate of the decision."""
        return -self.value if self.is_buy else self.value

    @property
    def moved(self) -> Decimal:
        """What the way of the rate brought until its orders filled."""
        moved = self.counted - self.value
        return -moved if self.is_buy else moved

    @property
    def limit(self) -> Decimal:
        """The worst price that it was reckoned with, in the entry's own asset."""
        return self.at_decision(self.leg.limit or ZERO)

    @property
    def with_fee(self) -> Decimal:
        """What a unit costs, or brings, times 10,000."""
        return BPS + self.fee_bps if self.is_buy else BPS - self.fee_bps

    @property
    def with_fees(self) -> Decimal:
        """What its orders paid or received, in what its fills are counted in."""
        return self.counted + self.fees if self.is_buy else self.counted - self.fees


class EntryOfTwo:
    """Two legs in one symbol, one that buys and one that sells. ``is_known``: what they were to bring is."""

    def __init__(self, legs: Sequence[EntryLeg], is_known: bool) -> None:
        self.is_known = is_known
        self._quantity = legs[0].leg.quantity
        self._legs = {one.leg.venue: one for one in legs}
        self._buy, self._sell = sorted(legs, key=lambda one: not one.is_buy)
        self._remedies = self._remedies_moved = ZERO

    def fill(self, order: OrderSubmitted, fill: OrderFilled) -> None:
        leg = self._legs.get(fill.venue)
        if leg is None:
            return
        leg.fill(order, fill)
        if not leg.is_own(order):
            value, counted = leg.at_decision(fill.quantity * fill.price), value_of(fill)
            self._remedies += -value if fill.side is Side.BUY else value
            self._remedies_moved += value - counted if fill.side is Side.BUY else counted - value

    def take(self, taken: ResidualTaken) -> None:
        leg = self._legs.get(taken.venue)
        if leg is not None:
            leg.take(abs(taken.quantity), abs(taken.value), taken.fees)

    @property
    def sent_bps(self) -> Decimal | None:
        if self._buy.leg.post_only or self._sell.leg.post_only:
            return None  # what hedges it goes out later, each order at a limit of its own
        return _edge_bps(self._buy.limit * self._buy.with_fee, self._sell.limit * self._sell.with_fee)

    @property
    def filled_bps(self) -> Decimal | None:
        buy, sell = self._buy, self._sell
        if not buy.filled or not sell.filled:
            return None
        return _edge_bps(buy.with_fees * sell.filled, sell.with_fees * buy.filled)

    def parts(self) -> Mapping[str, Decimal]:
        """Return what became of the edge that was decided upon, until both legs were even."""
        buy, sell = self._buy, self._sell
        quantity, held = self._quantity, max(ZERO, min(buy.net, sell.net))
        # As a rule all three are one quantity, and a million trades are many.
        decided = buy.promised(quantity) + sell.promised(quantity)
        even = decided if held == quantity else buy.promised(held) + sell.promised(held)
        is_even = buy.filled == sell.filled == held
        filled = even if is_even else buy.promised(buy.filled) + sell.promised(sell.filled)
        latency = buy.latency + sell.latency
        parts = {
            "decided": decided,
            "unfilled": even - decided,
            "latency": latency,
            "slippage": buy.brought + sell.brought - filled - latency,
            "uneven": filled - even + self._remedies,
        }
        if buy.rate is not None or sell.rate is not None:
            parts["fx"] = buy.moved + sell.moved + self._remedies_moved
        return parts


class EntryOfLoop:
    """Three legs at one venue: home, cross and other one, in the money of the first and the last.

    What the cross leg trades for the bridge is worth what that was decided to be traded at.
    """

    is_known = True

    def __init__(self, legs: Sequence[TransactionLeg], fees_bps: Sequence[Decimal]) -> None:
        rates = None, legs[2].limit or ZERO, None
        self._home, self._cross, self._other = self._legs = tuple(
            EntryLeg(leg, (Level(leg.limit or ZERO, leg.quantity),), fee, rate)
            for leg, fee, rate in zip(legs, fees_bps, rates, strict=True)
        )
        #: What was paid and received in money, and what the bridge paid in fees is worth: those are no part of it.
        self._cash = ZERO

    def fill(self, order: OrderSubmitted, fill: OrderFilled) -> None:
        leg = next((one for one in self._legs if one.leg.symbol == fill.symbol), None)
        if leg is None:
            return
        leg.fill(order, fill)
        if leg is self._cross:
            self._cash += leg.at_decision(fee_of(fill))
        else:
            self._cash += -value_of(fill) if fill.side is Side.BUY else value_of(fill)

    def take(self, taken: ResidualTaken) -> None:
        """A loop is sized for its own quantities."""

    @property
    def sent_bps(self) -> Decimal:
        home, cross, other = self._legs
        through = cross.limit * cross.with_fee * other.with_fee
        return self._edge(home.limit * home.with_fee * BPS, through)

    @property
    def filled_bps(self) -> Decimal | None:
        home, cross, other = self._legs
        if not home.filled or not cross.filled or not other.filled:
            return None
        through = cross.with_fees * other.with_fees * home.filled
        return self._edge(home.with_fees * cross.filled * other.filled, through)

    def _edge(self, at_home: Decimal, through: Decimal) -> Decimal:
        return _edge_bps(at_home, through) if self._home.is_buy else _edge_bps(through, at_home)

    def parts(self) -> Mapping[str, Decimal]:
        """Return what became of the edge that was decided upon, until nothing but what was left was uneven."""
        home, cross, other = self._legs
        quantity = cross.leg.quantity
        around = share(quantity, other.net, other.leg.quantity)
        promised = home.promised(quantity) + cross.promised(quantity)
        even = share(promised, max(ZERO, min(home.net, cross.net, around)), quantity)
        latency = home.latency + cross.latency + other.latency
        slippage = home.slippage + cross.slippage + other.slippage
        return {
            "decided": promised,
            "unfilled": even - promised,
            "latency": latency,
            "slippage": slippage,
            "uneven": self._cash - even - latency - slippage,
        }


def _edge_bps(paid: Decimal, received: Decimal) -> Decimal:
    return _ROUNDED.quantize(BPS * (per_unit(received, paid) - 1), _BPS_STEP)
