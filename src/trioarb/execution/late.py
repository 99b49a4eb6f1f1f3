"""Account for what is learnt of an order once its pair has ended without it: what is left, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext

from msgspec.structs import replace

from trioarb.execution.left import still_possible
from trioarb.execution.netting import less
from trioarb.execution.settle import EndedLeg, closed_at_once
from trioarb.model.event import (
    Event,
    OrderSubmitted,
    PositionOpened,
    ResidualLeft,
    ResidualResolved,
    ResidualsPaired,
    TradeCorrected,
)
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO, per_unit, share
from trioarb.model.order import Purpose
from trioarb.model.trade import PairKind, Position
from trioarb.quotes.board import Touch
from trioarb.state.trades import OpenOrder, PairFlows
from trioarb.strategy.leg import least

__all__ = ["correct", "pair_up", "residual_of_reopened", "settle_late"]

_add, _subtract, _multiply, _divide = EXACT.add, EXACT.subtract, EXACT.multiply, EXACT.divide


def settle_late(
    order: OpenOrder,
    residual: ResidualLeft | None,
    instrument: Instrument,
    touch: Callable[[str], Touch | None],
    last_touch: Callable[[str], Touch | None],
    *,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return what changes once the fate of an order is known whose pair had ended without it.

    ``order`` has its late fills by now. ``residual`` is what was left for its sake: it is resolved, and what really is
    left of it takes its place.
    """
    late, submitted = order.late, order.submitted
    reason = "the fate of its order was learnt"
    if submitted.purpose is Purpose.WORK:
        reason = "it was traded away" if late.net else "the order to trade it away filled nothing"
        if residual is not None and late.net * residual.quantity > 0:
            reason = "it was made large enough to be traded away"
    if residual is None:
        if not late.net:
            return []
        raise AssertionError(f"{submitted.client_order_id} filled late, but no residual stands for it")
    before = ZERO if residual.possible else residual.quantity
    leg = EndedLeg(
        instrument=instrument,
        sign=1,
        flow=late,
        limit=submitted.limit_price,
        touch=touch,
        last_touch=last_touch,
        before=before,
        price=residual.average_price,
    )
    left = leg.beyond(ZERO)
    if left and left.mark is None and left.last_mark is None and left.quantity * residual.quantity > 0:
        # After a resume nothing else is known of a side that was withdrawn.
        left = replace(left, last_mark=residual.last_price if residual.mark_price is None else residual.mark_price)
    with localcontext(EXACT):
        realised = late.cash - late.fees + (left.value if left else ZERO) - residual.booked_value
    events: list[Event] = [
        ResidualResolved(
            residual_id=residual.residual_id,
            symbol=submitted.symbol,
            reason=reason,
            pnl_usd=_multiply(realised, usd_per_quote),
            fees_usd=_multiply(late.fees, usd_per_quote),
        )
    ]
    if left:
        next_id = _next_id(residual, submitted)
        events.append(replace(left, symbol=residual.symbol).residual(next_id, order.pair.opened, usd_per_quote))
    return events


def _next_id(residual: ResidualLeft, submitted: OrderSubmitted) -> str:
    """Return the id of what is left of a residual once the last word of an order has come."""
    if submitted.purpose is not Purpose.WORK:
        return f"{residual.residual_id}.late"
    return f"{residual.residual_id.partition('.w')[0]}.w{submitted.client_order_id.rpartition('-')[2]}"


def residual_of_reopened(
    order: OpenOrder, base: str, usd_per_quote: Decimal, fx_rate: Decimal | None = None
) -> ResidualLeft:
    """Return what stands for an order that its venue took up again after its pair had ended, until its last word.

    ``fx_rate``: what a unit of its quote asset is in the symbol's, if that is another.
    """
    submitted, opened = order.submitted, order.pair.opened
    left = still_possible(submitted, base)
    price = left.price if fx_rate is None else _multiply(left.price, fx_rate)
    left = replace(left, quantity=order.unfilled.copy_sign(left.quantity), price=price)
    number = submitted.client_order_id.rpartition("-")[2]
    return left.residual(f"{opened.pair_id}.{number}.{order.reopened}", opened, usd_per_quote)


def correct(
    order: OpenOrder, resolved: ResidualResolved, position: Position | None, usd_per_quote: Decimal
) -> TradeCorrected | None:
    """Return what the trade of an order comes to with what was learnt of it; ``None``: as much as before.

    ``resolved`` was recorded. ``position`` is the one of that trade which is still open. What it earns then counts as
    realised.
    """
    opened, totals = order.pair.opened, order.pair.totals
    if order.submitted.purpose is Purpose.WORK or not (resolved.pnl_usd or resolved.fees_usd):
        return None
    before_usd, realised = totals.pnl_usd, None
    if position is not None:
        realised = _add(position.realised, _divide(resolved.pnl_usd, usd_per_quote))
        before_usd = _multiply(position.realised, usd_per_quote)
    bought, sold = totals.exit_buy, totals.exit_sell
    return TradeCorrected(
        trade_id=opened.trade_id,
        pair_id=opened.pair_id,
        symbol=opened.symbol,
        client_order_id=order.submitted.client_order_id,
        before_usd=before_usd,
        pnl_usd=_add(before_usd, resolved.pnl_usd),
        fees_usd=_add(totals.fees_usd, resolved.fees_usd),
        late_fees_usd=resolved.fees_usd,
        exit_buy_price=per_unit(bought.buy_value, bought.bought) if bought.bought else None,
        exit_sell_price=per_unit(sold.sell_value, sold.sold) if sold.sold else None,
        had_position=totals.had_position,
        realised=realised,
    )


def pair_up(
    flows: PairFlows,
    residuals: Iterable[ResidualLeft],
    instruments: tuple[Instrument, Instrument],
    *,
    now_ns: int,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return the position that an entry turns out to have opened; nothing, if it hasn't.

    ``residuals``: those that it left, as far as they are known and nobody trades them away. A long one where it buys
    and a short one where it sells are what it wanted. ``instruments``: of the venue where it buys, and of the other.
    """
    opened, totals = flows.opened, flows.totals
    if opened.kind is not PairKind.ENTRY or totals.had_position:
        return []
    known = [one for one in residuals if one.symbol == opened.symbol]
    long = next((one for one in known if one.venue == opened.buy_venue and one.quantity > 0), None)
    short = next((one for one in known if one.venue == opened.sell_venue and one.quantity < 0), None)
    if long is None or short is None:
        return []
    quantity = min(long.quantity, EXACT.minus(short.quantity))
    limits = opened.buy_limit, opened.sell_limit
    if opened.holds and any(quantity < least(one, limit) for one, limit in zip(instruments, limits, strict=True)):
        return []  # nobody would take it when it is to be closed
    buy, sell = flows.in_all(opened.symbol, opened.buy_venue), flows.in_all(opened.symbol, opened.sell_venue)
    with localcontext(EXACT):
        cash = share(sell.sell_value, quantity, sell.sold) - share(buy.buy_value, quantity, buy.bought)
        fees = share(sell.sell_fees, quantity, sell.sold) + share(buy.buy_fees, quantity, buy.bought)
        long_booked, long_cost = less(long, quantity)
        short_booked, short_cost = less(short, quantity)
        change = long_booked + short_booked - long.booked_value - short.booked_value
        kept = cash - fees
        realised = totals.pnl_usd / usd_per_quote + change - kept
        pnl_usd = (change - kept if opened.holds else change) * usd_per_quote
    buy_price, sell_price = per_unit(buy.buy_value, buy.bought), per_unit(sell.sell_value, sell.sold)
    position = PositionOpened(
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        buy_venue=opened.buy_venue,
        sell_venue=opened.sell_venue,
        quantity=quantity,
        buy_price=buy_price,
        sell_price=sell_price,
        cash=cash,
        fees=fees,
        realised=realised,
        exposure_usd=_multiply(_multiply(quantity, max(buy_price, sell_price)), usd_per_quote),
    )
    paired = ResidualsPaired(
        trade_id=opened.trade_id,
        pair_id=opened.pair_id,
        symbol=opened.symbol,
        long_id=long.residual_id,
        short_id=short.residual_id,
        quantity=quantity,
        long_rest=_subtract(long.quantity, quantity),
        long_booked_value=long_booked,
        long_cost_usd=long_cost,
        short_rest=_add(short.quantity, quantity),
        short_booked_value=short_booked,
        short_cost_usd=short_cost,
        before_usd=totals.pnl_usd,
        pnl_usd=pnl_usd,
    )
    if opened.holds:
        return [paired, position]
    earned_usd = _add(totals.pnl_usd, paired.pnl_usd)
    return [
        paired,
        position,
        closed_at_once(position, pnl_usd=earned_usd, fees_usd=totals.fees_usd, now_ns=now_ns),
    ]
