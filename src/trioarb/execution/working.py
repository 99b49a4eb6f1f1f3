"""How a residual is traded away, as a pure function of what the venues show."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from trioarb.execution.pair import Send
from trioarb.model.event import ResidualLeft
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Account
from trioarb.strategy.leg import Leg

__all__ = ["is_workable", "side_of", "work_off"]


def is_workable(residual: ResidualLeft) -> bool:
    """Return whether it is known, and no order is to trade it away already."""
    return residual.client_order_id is None and not residual.unknown


def side_of(residual: ResidualLeft) -> Side:
    """Return the side that trades it away."""
    return Side.SELL if residual.quantity > 0 else Side.BUY


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
