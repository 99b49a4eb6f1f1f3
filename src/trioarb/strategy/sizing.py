"""The border between quotes and money: how much to trade, at which limits, and why not."""

from __future__ import annotations

from decimal import Decimal, localcontext

import attrs

from trioarb.model.market import Instrument, Route
from trioarb.model.number import BPS, EXACT, ZERO, ceil_to, floor_to
from trioarb.model.order import Side
from trioarb.model.trade import Account, Opportunity, OrderSize
from trioarb.quotes.board import Touch
from trioarb.strategy.edge import exact_edge_bps

__all__ = [
    "LegMarket",
    "NotSized",
    "affordable",
    "both_tradable",
    "common_lots",
    "common_step",
    "funds_needed",
    "leg_lots",
    "size_entry",
    "size_exit",
    "tradable",
]


@attrs.frozen(kw_only=True)
class LegMarket:
    """One venue of a route: its instrument, its prices, and what can be spent there."""

    instrument: Instrument
    touch: Touch
    free_base: Decimal
    free_quote: Decimal
    account: Account
    max_borrow_usd: Decimal


@attrs.frozen
class NotSized:
    """Why an edge over the threshold could not be sized; ``reason`` is a key to count under."""

    reason: str


def size_entry(
    route: Route, wanted: OrderSize, buy: LegMarket, sell: LegMarket, *, entry_bps: Decimal, usd_per_quote: Decimal
) -> Opportunity | NotSized:
    """Return the opportunity with the numbers that would be sent, or what is in the way.

    Quantity is the least of what is wanted, displayed, and can be paid; rounded down to both venues' lots. The buy
    limit is rounded down to the tick and the sell limit up, and the edge is checked again at these limits.
    """
    buy_limit = floor_to(buy.touch.ask, buy.instrument.rules.tick_size)
    sell_limit = ceil_to(sell.touch.bid, sell.instrument.rules.tick_size)
    if buy_limit <= 0:
        return NotSized("tick_size")
    edge = exact_edge_bps(
        sell_price=sell_limit,
        sell_fee_bps=sell.instrument.taker_fee_bps,
        buy_price=buy_limit,
        buy_fee_bps=buy.instrument.taker_fee_bps,
    )
    if edge < entry_bps:
        return NotSized("edge_after_rounding")
    higher = max(buy_limit, sell_limit)
    bounds = [
        (buy.touch.ask_size, f"displayed_size.{route.buy_venue}"),
        (sell.touch.bid_size, f"displayed_size.{route.sell_venue}"),
        (affordable(buy.instrument, buy.free_quote, buy_limit), f"balance.{route.buy_venue}.{buy.instrument.quote}"),
        (_sellable(sell, higher * usd_per_quote), f"balance.{route.sell_venue}.{sell.instrument.base}"),
    ]
    if wanted.usd is not None:
        bounds.append((wanted.usd / (higher * usd_per_quote), "order_size"))
    if wanted.base is not None:
        bounds.append((wanted.base, "order_size"))
    available, scarce = min(bounds)
    quantity = common_lots(available, buy.instrument, sell.instrument)
    if not tradable(quantity, buy_limit, buy.instrument) or not tradable(quantity, sell_limit, sell.instrument):
        return NotSized(f"{scarce}.below_minimum")
    return Opportunity(
        route=route,
        quantity=quantity,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=edge,
        notional_usd=EXACT.multiply(EXACT.multiply(quantity, higher), usd_per_quote),
        ask=buy.touch.ask,
        ask_size=buy.touch.ask_size,
        bid=sell.touch.bid,
        bid_size=sell.touch.bid_size,
    )


def size_exit(quantity: Decimal, buy: LegMarket, sell: LegMarket, *, slippage_bps: Decimal | None) -> Opportunity:
    """Return how to close ``quantity``, or what of it can be paid for: buy back on one venue, sell on the other.

    At the touch, or with ``slippage_bps`` up to that far beyond it. At most what both venues display, so that the
    legs fill equally; unless the rest would be too small to close. A part is whole lots of both venues; all of it is
    as it is, and each leg of it goes down to its own venue's lot (`leg_lots`). The plan itself may be too small for
    the venues, see `both_tradable`.
    """
    route = Route(symbol=buy.instrument.symbol, buy_venue=buy.instrument.venue, sell_venue=sell.instrument.venue)
    buy_rules, sell_rules = buy.instrument.rules, sell.instrument.rules
    if slippage_bps is None:
        buy_limit = floor_to(buy.touch.ask, buy_rules.tick_size)
        sell_limit = ceil_to(sell.touch.bid, sell_rules.tick_size)
    else:
        buy_limit = ceil_to(buy.touch.ask * (BPS + slippage_bps) / BPS, buy_rules.tick_size)
        sell_limit = floor_to(sell.touch.bid * (BPS - slippage_bps) / BPS, sell_rules.tick_size)
    payable = min(quantity, affordable(buy.instrument, buy.free_quote, buy_limit))
    if sell.account is Account.SPOT:
        payable = min(payable, sell.free_base)
    part = common_lots(payable, buy.instrument, sell.instrument)
    quantity = part if part and payable < quantity else payable
    displayed = common_lots(min(buy.touch.ask_size, sell.touch.bid_size), buy.instrument, sell.instrument)
    if displayed < quantity and all(
        tradable(leg_lots(part, side.instrument), price, side.instrument)
        for part in (displayed, quantity - displayed)
        for price, side in ((buy_limit, buy), (sell_limit, sell))
    ):
        quantity = displayed
    return Opportunity(
        route=route,
        quantity=quantity,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=exact_edge_bps(
            sell_price=sell_limit,
            sell_fee_bps=sell.instrument.taker_fee_bps,
            buy_price=buy_limit,
            buy_fee_bps=buy.instrument.taker_fee_bps,
        ),
        notional_usd=ZERO,
    )


def both_tradable(plan: Opportunity, buy: LegMarket, sell: LegMarket) -> bool:
    """Return whether both venues would take their leg of the plan."""
    legs = ((buy.instrument, plan.buy_limit), (sell.instrument, plan.sell_limit))
    return all(tradable(leg_lots(plan.quantity, instrument), limit, instrument) for instrument, limit in legs)


def funds_needed(instrument: Instrument, side: Side, *, quantity: Decimal, limit_price: Decimal) -> tuple[str, Decimal]:
    """Return what an order locks until it is done: the asset, and how much of it (a buy's fee included)."""
    if side is Side.SELL:
        return instrument.base, quantity
    fee = EXACT.divide(max(instrument.taker_fee_bps, ZERO), BPS)
    value = EXACT.multiply(quantity, limit_price)
    return instrument.quote, EXACT.multiply(value, EXACT.add(1, fee))


def leg_lots(quantity: Decimal, instrument: Instrument) -> Decimal:
    """Return the largest quantity, not above the given one, that is whole lots on one venue."""
    return floor_to(max(quantity, ZERO), instrument.rules.lot_size)


def common_lots(quantity: Decimal, first: Instrument, second: Instrument) -> Decimal:
    """Return the largest quantity, not above the given one, that is whole lots on both venues."""
    return floor_to(max(quantity, ZERO), common_step(first, second))


def common_step(first: Instrument, second: Instrument) -> Decimal:
    """Return the least common multiple of both venues' lots."""
    a, b = first.rules.lot_size, second.rules.lot_size
    with localcontext(EXACT):
        x, y = a, b
        while y:
            x, y = y, x % y
        return a * (b / x).to_integral_value()


def affordable(instrument: Instrument, free_quote: Decimal, price: Decimal) -> Decimal:
    """Return how much base asset the quote asset pays for at a price, fee included."""
    if price <= 0:
        return ZERO
    return free_quote * BPS / (price * (BPS + max(instrument.taker_fee_bps, ZERO)))


def _sellable(side: LegMarket, usd_per_base: Decimal) -> Decimal:
    if side.account is Account.SPOT:
        return side.free_base
    return side.free_base + side.max_borrow_usd / usd_per_base


def tradable(quantity: Decimal, price: Decimal, instrument: Instrument) -> bool:
    """Return whether a venue takes an order of this size at this price."""
    return quantity > 0 and price > 0 and quantity * price >= instrument.rules.min_notional
