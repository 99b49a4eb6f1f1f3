"""Loops through three symbols of one venue: which there are, what they earn, and how much of one can be traded.

It is gone around in two ways: buy at home and sell through the bridge, or buy through the bridge and sell at home.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

import msgspec

from trioarb.model.market import Listing, Route, Triangle
from trioarb.model.number import BPS, EXACT, ZERO, floor_to
from trioarb.model.order import Side
from trioarb.model.trade import LegPlan, Opportunity, OrderSize
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized

__all__ = ["LoopLegs", "loop_edge_bps", "size_loop", "triangles_in"]

_STEP = Decimal("1e-6")


def triangles_in(listings: Iterable[Listing]) -> tuple[Triangle, ...]:
    """Return all triangles, in order of their names. Two markets of a symbol's base, and one between their quotes."""
    by_assets = {(one.base, one.quote): one.symbol for one in listings}
    found = [
        Triangle(home=home, cross=cross, other=by_assets[bridge, money])
        for (base, money), home in by_assets.items()
        for (crossed, bridge), cross in by_assets.items()
        if crossed == base and bridge != money and (bridge, money) in by_assets
    ]
    return tuple(sorted(found))


def loop_edge_bps(home: float, cross: float, other: float, kept: float, *, buys_home: bool) -> float:
    """Return what going around earns, in bps, net of fees.

    Prices are those that are traded at: asks where it buys, bids where it sells. ``kept``: the product of what each fee
    leaves: 1 − fee of a sale, 1 ÷ (1 + fee) of a purchase.
    """
    through = cross * other
    ratio = through / home if buys_home else home / through
    return 1e4 * (ratio * kept - 1.0)


class LoopLegs(msgspec.Struct, frozen=True, kw_only=True):
    """The three legs of a loop at a venue as they stand now, each on the side on which the loop trades it."""

    home: Leg
    cross: Leg
    other: Leg

    @property
    def buys_home(self) -> bool:
        return self.home.side is Side.BUY

    @property
    def all(self) -> tuple[Leg, Leg, Leg]:
        return self.home, self.cross, self.other


def size_loop(
    legs: LoopLegs, wanted: OrderSize, *, entry_bps: Decimal, dust: Mapping[str, Decimal]
) -> Opportunity | NotSized:
    """Return the loop with the numbers that would be sent, or what is in the way.

    All three legs go out together, each paid from stock of what it spends. The cross leg's quantity is the least of
    what is wanted (in USD: of what may be left one-sided, which is about twice what goes around), displayed, and can be
    paid; the others follow from it, to the nearest lot, so that nothing but a
    crumb of a lot is left of any asset but the money: ``dust`` says by asset what earlier loops left (below zero: what
    they lack), which this one takes up. The edge is checked with all of these numbers; what it leaves counts at its
    limit.
    """
    home, cross, other = (leg.entering for leg in legs.all)
    for leg in (home, cross, other):
        if not leg.is_priced:
            return NotSized(f"no_price.{leg.instrument.symbol}")
        if leg.limit <= 0:
            return NotSized(f"tick_size.{leg.instrument.symbol}")
    plan = LoopLegs(home=home, cross=cross, other=other)
    bounds = _bounds(plan, wanted, dust)
    least = min(bounds.values())
    scarce = min(name for name, bound in bounds.items() if bound == least)
    quantities = _quantities(plan, cross.lots(least), dust)
    for leg, quantity in zip(plan.all, quantities, strict=True):
        if not leg.takes(quantity, leg.limit):
            return NotSized(f"{scarce}.below_minimum")
    with localcontext(EXACT):
        earned, paid = _result(plan, quantities)
        through = cross.limit * other.limit
    edge = (BPS * (earned / paid)).quantize(_STEP)
    if edge < entry_bps:
        return NotSized("edge_after_rounding")
    symbol, venue = home.instrument.symbol, home.venue
    return Opportunity(
        route=Route(symbol=symbol, buy_venue=venue, sell_venue=venue),
        quantity=quantities[0],
        buy_limit=home.limit if legs.buys_home else through,
        sell_limit=through if legs.buys_home else home.limit,
        edge_bps=edge,
        notional_usd=_most_one_sided_usd(plan, quantities),
        legs=tuple(
            LegPlan(symbol=leg.instrument.symbol, side=leg.side, quantity=quantity, limit=leg.limit)
            for leg, quantity in zip((home, cross, other), quantities, strict=True)
        ),
    )


def _bounds(legs: LoopLegs, wanted: OrderSize, dust: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what bounds the quantity of the cross leg, by the name under which it is counted.

    What is displayed and can be paid at home and on the other symbol has room for the dust that they take up, and for
    the lot to which they are rounded.
    """
    home, cross, other = legs.all
    lot, left = home.instrument.rules.lot, abs(dust.get(home.instrument.base, ZERO))
    is_whole = lot == cross.instrument.rules.lot and not left % lot
    at_home = left if is_whole else left + lot
    elsewhere = other.instrument.rules.lot + abs(dust.get(other.instrument.base, ZERO))
    bridge = cross.limit * (BPS + abs(cross.instrument.taker_fee_bps)) / BPS
    bounds = {
        f"displayed_size.{home.instrument.symbol}": home.displayed - at_home,
        f"displayed_size.{cross.instrument.symbol}": cross.displayed,
        f"displayed_size.{other.instrument.symbol}": (other.displayed - elsewhere) / bridge,
        _balance(home): home.payable(home.limit) - at_home,
        _balance(cross): cross.payable(cross.limit),
        _balance(other): (other.payable(other.limit) - elsewhere) / bridge,
    }
    if wanted.usd is not None:
        rest = wanted.usd / home.usd_per_quote - at_home * home.limit - elsewhere * other.limit
        bounds["order_size"] = rest / (home.limit + bridge * other.limit)
    if wanted.base is not None:
        bounds["order_size"] = min(wanted.base, bounds.get("order_size", wanted.base))
    return bounds


def _balance(leg: Leg) -> str:
    instrument = leg.instrument
    return f"balance.{leg.venue}.{instrument.quote if leg.side is Side.BUY else instrument.base}"


def _quantities(legs: LoopLegs, crossed: Decimal, dust: Mapping[str, Decimal]) -> tuple[Decimal, Decimal, Decimal]:
    """Return the quantities of home, cross and other leg."""
    home, cross, other = legs.all
    base, bridge = home.instrument.base, other.instrument.base
    fee = cross.instrument.taker_fee_bps / BPS
    value = crossed * cross.limit
    if legs.buys_home:  # sells on the cross, whose proceeds in the bridge are sold
        needed = crossed - dust.get(base, ZERO)
        brought = value * (1 - fee) + dust.get(bridge, ZERO)
    else:
        needed = crossed + dust.get(base, ZERO)
        brought = value * (1 + fee) - dust.get(bridge, ZERO)
    return _nearest(needed, home), crossed, _nearest(brought, other)


def _nearest(quantity: Decimal, leg: Leg) -> Decimal:
    """Return the nearest size in whole lots."""
    lot = leg.instrument.rules.lot
    return floor_to(max(quantity, ZERO) + lot / 2, lot)


def _result(legs: LoopLegs, quantities: tuple[Decimal, Decimal, Decimal]) -> tuple[Decimal, Decimal]:
    """Return what the loop earns in money at its limits, what it leaves included, and what it pays. Exact."""
    home, _, other = legs.all
    worth = {home.instrument.base: home.limit, other.instrument.base: other.limit, home.instrument.quote: Decimal(1)}
    earned = ZERO
    for leg, quantity in zip(legs.all, quantities, strict=True):
        instrument, value = leg.instrument, quantity * leg.limit
        fee = value * instrument.taker_fee_bps / BPS
        sign = 1 if leg.side is Side.BUY else -1
        earned += sign * quantity * worth[instrument.base] - (sign * value + fee) * worth[instrument.quote]
    paid = quantities[0] * home.limit if legs.buys_home else quantities[2] * other.limit
    return earned, paid


def _most_one_sided_usd(legs: LoopLegs, quantities: tuple[Decimal, Decimal, Decimal]) -> Decimal:
    """Return the most that may be left: of what is traded at home, and of the bridge."""
    home, _, other = legs.all
    money = EXACT.add(EXACT.multiply(quantities[0], home.limit), EXACT.multiply(quantities[2], other.limit))
    return EXACT.multiply(money, home.usd_per_quote)
