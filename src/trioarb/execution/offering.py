"""What was left at a venue is offered to the next leg there: its order is so much larger, and trades it away along.

What no venue takes alone would stay for ever otherwise. The pair's own quantity is filled first, so its figures are
what they would have been without.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

from trioarb.execution.working import is_workable
from trioarb.model.event import ResidualLeft, ResidualTaken
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.order import Side
from trioarb.state.trades import Flow, PairFlows, Trades
from trioarb.strategy.leg import Leg

__all__ = ["is_offered", "offer", "taken_along"]


def offer(trades: Trades, leg: Leg, limit: Decimal, quantity: Decimal) -> Decimal:
    """Return how much a leg's order of this quantity can trade away, besides, of what was left at its venue.

    It is whole lots there, displayed within the limit, and can be paid beyond the quantity.
    """
    symbol, venue = leg.instrument.symbol, leg.venue
    wanted = ZERO
    for one in trades.residuals.values():
        if (one.symbol, one.venue) == (symbol, venue) and is_workable(one) and _fits(one.quantity, leg.side):
            wanted = EXACT.add(wanted, abs(one.quantity))
    dust = trades.dust.get((symbol, venue))
    if dust is not None and dust.quantity and _fits(dust.quantity, leg.side):
        wanted = EXACT.add(wanted, abs(dust.quantity))
    if not wanted:
        return ZERO
    room = EXACT.subtract(leg.displayed_within(limit), quantity)
    return leg.lots(min(wanted, room, leg.payable(limit)))


def is_offered(trades: Trades, residual: ResidualLeft) -> bool:
    """Return whether a pair in flight is to trade away what was left at a residual's venue."""
    return any(
        offered.symbol == residual.symbol and offered.venue == residual.venue
        for pair in trades.pairs.values()
        for offered in pair.offered.values()
    )


def taken_along(trades: Trades, flows: PairFlows, usd_per_quote: Decimal) -> Iterator[ResidualTaken]:
    """Yield what a pair that ends has traded away of what was left at its venues: residuals as they came, then dust."""
    for venue, flow in flows.taken.items():
        yield from _shares(trades, flows, venue, flow, usd_per_quote)


def _shares(
    trades: Trades, flows: PairFlows, venue: str, flow: Flow, usd_per_quote: Decimal
) -> Iterator[ResidualTaken]:
    """Share what was traded at a venue among what was left there; the last one gets the remainder of the money."""
    opened, side = flows.opened, Side.SELL if flow.sold else Side.BUY
    quantity, value, fees = abs(flow.net), flow.cash, flow.fees
    left: list[tuple[str | None, Decimal, Decimal, Decimal]] = [
        (one.residual_id, one.quantity, one.booked_value, one.cost_usd)
        for one in trades.residuals.values()
        if (one.symbol, one.venue) == (opened.symbol, venue) and is_workable(one) and _fits(one.quantity, side)
    ]
    dust = trades.dust.get((opened.symbol, venue))
    if dust is not None and dust.quantity and _fits(dust.quantity, side):
        left.append((None, dust.quantity, dust.booked_value, dust.cost_usd.copy_abs()))
    for residual_id, held, booked, cost_usd in left:
        part = min(quantity, abs(held))
        if not part:
            return
        with localcontext(EXACT):
            brought, paid = share(value, part, quantity), share(fees, part, quantity)
            quantity, value, fees = quantity - part, value - brought, fees - paid
            rest = held - part.copy_sign(held)
            booked_rest = booked - share(booked, part, abs(held))
            yield ResidualTaken(
                pair_id=opened.pair_id,
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                venue=venue,
                residual_id=residual_id,
                quantity=part.copy_sign(held),
                rest=rest,
                value=brought,
                fees=paid,
                booked_value=booked_rest,
                cost_usd=cost_usd - share(cost_usd, part, abs(held)),
                pnl_usd=(brought - paid + booked_rest - booked) * usd_per_quote,
                fees_usd=paid * usd_per_quote,
            )
    if quantity:
        raise AssertionError(f"{opened.pair_id} traded away {quantity} at {venue} that was not left there")


def _fits(quantity: Decimal, side: Side) -> bool:
    """Return whether an order of a side trades away a long or (below zero) short quantity."""
    return (quantity > 0) == (side is Side.SELL)
