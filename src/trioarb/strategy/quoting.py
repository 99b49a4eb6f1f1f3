"""Entries that are quoted: at which price an order rests, how much of it, and whether it still should."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.market import Route
from trioarb.model.number import BPS, EXACT
from trioarb.model.order import Side
from trioarb.model.trade import Opportunity, OrderSize, Quoting
from trioarb.strategy.edge import exact_edge_bps
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized, common_lots

__all__ = ["has_moved", "quote_price", "size_quote"]


def quote_price(quoting: Quoting, buy: Leg, sell: Leg) -> Decimal | NotSized:
    """Return the price that a quote should have now, or why there is none.

    A buyer's is rounded down to the tick and stays below what its venue asks, a seller's up and above what it bids.
    """
    own, other = (buy, sell) if quoting.venue == buy.venue else (sell, buy)
    if not other.is_priced:
        return NotSized(f"no_price_to_hedge.{other.venue}")
    if not own.is_priced:
        return NotSized(f"no_price_to_quote.{own.venue}")
    rules, taken = own.instrument.rules, own.price
    maker, taker = own.instrument.maker_fee_bps, other.instrument.taker_fee_bps
    if own.side is Side.BUY:
        earned = other.price * (BPS - taker) * BPS / ((BPS + quoting.entry_bps) * (BPS + maker))
        price = min(rules.floor_price(earned), rules.floor_price(taken - rules.tick_at(taken)))
        is_within = price * BPS >= taken * (BPS - quoting.reach_bps)
    else:
        earned = other.price * (BPS + taker) * (BPS + quoting.entry_bps) / (BPS * (BPS - maker))
        price = max(rules.ceil_price(earned), rules.ceil_price(taken + rules.tick_at(taken)))
        is_within = price * BPS <= taken * (BPS + quoting.reach_bps)
    if price <= 0:
        return NotSized("tick_size")
    return price if is_within else NotSized("out_of_reach")


def has_moved(quoting: Quoting, price: Decimal, limit: Decimal) -> bool:
    """Return whether the price that a quote should have is too far from the one that it has."""
    return abs(price - limit) * BPS > quoting.requote_bps * limit


def size_quote(
    route: Route, wanted: OrderSize, quoting: Quoting, buy: Leg, sell: Leg, *, slippage_bps: Decimal
) -> Opportunity | NotSized:
    """Return the entry that rests at one venue and is hedged at the other, or what is in the way.

    Its quantity is the least of what is wanted, what the other venue displays at its touch, and what both can pay, the
    hedge up to ``slippage_bps`` beyond the touch; rounded down to both venues' lots.
    """
    buy, sell = buy.entering, sell.entering
    if quoting.venue not in (buy.venue, sell.venue):
        return NotSized(f"no_venue.{quoting.venue}")
    price = quote_price(quoting, buy, sell)
    if isinstance(price, NotSized):
        return price
    is_bought = quoting.venue == buy.venue
    other = sell if is_bought else buy
    limit = other.limit_beyond(slippage_bps)
    if limit <= 0:
        return NotSized("tick_size")
    buy_limit, sell_limit = (price, limit) if is_bought else (limit, price)
    higher_usd = EXACT.multiply(max(buy_limit, sell_limit), buy.usd_per_quote)
    bounds = {
        f"displayed_size.{other.venue}": other.displayed,
        f"balance.{buy.venue}.{buy.instrument.quote}": buy.payable(buy_limit),
        f"balance.{sell.venue}.{sell.instrument.base}": sell.payable(sell_limit),
    }
    sizes = [wanted.usd / higher_usd] if wanted.usd is not None else []
    bounds["order_size"] = min([*sizes, *([wanted.base] if wanted.base is not None else [])])
    quantity = common_lots(min(bounds.values()), buy.instrument, sell.instrument)
    if not buy.takes(quantity, buy_limit) or not sell.takes(quantity, sell_limit):
        return NotSized(f"{min(bounds, key=lambda name: (bounds[name], name))}.below_minimum")
    earns = {
        "buy_price": price if is_bought else buy.price,
        "buy_fee_bps": buy.instrument.maker_fee_bps if is_bought else buy.instrument.taker_fee_bps,
        "sell_price": sell.price if is_bought else price,
        "sell_fee_bps": sell.instrument.taker_fee_bps if is_bought else sell.instrument.maker_fee_bps,
    }
    return Opportunity(
        route=route,
        quantity=quantity,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=exact_edge_bps(**earns),
        notional_usd=EXACT.multiply(quantity, higher_usd),
        ask=buy.price,
        ask_size=buy.displayed,
        bid=sell.price,
        bid_size=sell.displayed,
        quoting=quoting,
    )
