"""How a residual is traded away, as a pure function of what the venues show."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from trioarb.execution.pair import Send
from trioarb.model.event import ResidualLeft
from trioarb.model.number import BPS, ZERO
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Account
from trioarb.strategy.leg import Leg

__all__ = ["enlarge", "is_workable", "side_of", "work_off"]


def is_workable(residual: ResidualLeft) -> bool:
    """Return whether it is known, and no order is to trade it away already."""
    return residual.client_order_id is None and not residual.unknown


def side_of(residual: ResidualLeft) -> Side:
    """Return the side that trades it away."""
    return Side.SELL if residual.quantity > 0 else Side.BUY


def enlarge(residual: ResidualLeft, leg: Leg, *, slippage_bps: Decimal, dust_usd: Decimal) -> Send | None:
    """Return the order that makes a residual large enough to be traded away whole; ``None``: it can't, or needn't be.

    ``leg``: its own venue, on the side that trades it away. At the touch, both orders cost less than ``dust_usd``.
    """
    more = leg.reversed
    if not leg.is_priced or not more.is_priced:
        return None
    limit, away = more.limit, leg.limit_beyond(slippage_bps)
    if limit <= 0 or away <= 0 or leg.takes(leg.lots(abs(residual.quantity)), away):
        return None
    quantity = leg.instrument.rules.least(min(limit, away))
    fees = (leg.price + more.price) * max(leg.instrument.taker_fee_bps, ZERO) / BPS
    cost_usd = quantity * (abs(leg.price - more.price) + fees) * leg.usd_per_quote
    if cost_usd >= dust_usd or quantity > min(more.payable(limit), more.displayed, leg.displayed):
        return None
    return Send(venue=leg.venue, side=more.side, quantity=quantity, limit_price=limit, purpose=Purpose.WORK)


def work_off(residual: ResidualLeft, legs: Iterable[Leg], *, slippage_bps: Decimal) -> Send | None:
    """Return the order that trades away most of a residual, within so much of the touch; ``None``: no venue can.

    ``legs``: its side at the venues whose quotes are fresh. Its own venue comes first. Another one may sell what it
    holds, or buy, if it doesn't have to borrow for it: the stock is then at the other venue.
    """
    side, wanted = side_of(residual), abs(residual.quantity)
    for leg in sorted(legs, key=lambda leg: (leg.venue != residual.venue, leg.venue)):
        is_elsewhere = leg.venue != residual.venue
        if not leg.is_priced or (is_elsewhere and leg.account is not Account.SPOT):
            continue
        limit = leg.limit_beyond(slippage_bps)
        leg = leg.entering if is_elsewhere else leg
        quantity = leg.lots(min(wanted, leg.payable(limit)))
        if leg.takes(quantity, limit):
            return Send(venue=leg.venue, side=side, quantity=quantity, limit_price=limit, purpose=Purpose.WORK)
    return None
