"""Account for a pair that has ended: the position it opened or closed, what it realised, what it left.

Every quote-asset amount of a pair is either kept with the open position or realised, so over a trade's life
realised PnL = Σ cash flows − fees (+ residuals and dust at their mark), to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import attrs

from trioarb.execution.pair import Finish
from trioarb.model.event import (
    Event,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ResidualLeft,
    ResidualResolved,
)
from trioarb.model.number import EXACT, ZERO, per_unit, share
from trioarb.model.order import Order, Side
from trioarb.model.trade import ExitReason, PairOutcome, Position
from trioarb.state.trades import OpenOrder, PairFlows, TradeTotals

__all__ = ["Marks", "settle_entry", "settle_exit", "settle_late"]


@attrs.frozen(kw_only=True)
class Marks:
    """Where a one-sided quantity could be traded away now: the touch of each venue (bid and ask), if known."""

    buy_bid: Decimal | None
    buy_ask: Decimal | None
    sell_bid: Decimal | None
    sell_ask: Decimal | None


@attrs.frozen(kw_only=True)
class _Left:
    """A one-sided quantity: long on one venue if positive, short if negative; and what it is worth.

    ``unknown``: an order there never got an answer. ``possible``: it may not even exist, and has no value.
    """

    venue: str
    quantity: Decimal
    average_price: Decimal
    mark: Decimal | None
    unknown: bool = False
    possible: bool = False
    client_order_id: str | None = None

    @property
    def value(self) -> Decimal:
        if self.possible:
            return ZERO
        return EXACT.multiply(self.quantity, self.average_price if self.mark is None else self.mark)


@attrs.frozen(kw_only=True)
class _Booked:
    """What a pair realised and paid, and the dust it left; amounts in quote asset."""

    realised: Decimal
    fees: Decimal
    dust: Decimal
    dust_value: Decimal


def settle_entry(
    flows: PairFlows,
    finish: Finish,
    marks: Marks,
    *,
    unknown: Sequence[Order],
    least_tradable: Decimal,
    base: str,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return the events that end an entry, in the order in which they are to be recorded.

    ``unknown``: orders whose fate could not be learnt. A hedged quantity below ``least_tradable`` could never be
    closed: it is dust on both legs, not a position.
    """
    opened, buy, sell = flows.opened, flows.buy, flows.sell
    hedged, dust = max(ZERO, min(flows.bought, flows.sold)), ZERO
    if hedged < least_tradable:
        hedged, dust = ZERO, hedged
    left = _with_unknown(_entry_left(flows, marks), unknown)
    with localcontext(EXACT):
        kept_cash = kept_fees = ZERO
        if hedged:
            kept_cash = share(sell.sell_value, hedged, sell.sold) - share(buy.buy_value, hedged, buy.bought)
            kept_fees = share(sell.sell_fees, hedged, sell.sold) + share(buy.buy_fees, hedged, buy.bought)
        fees = buy.fees + sell.fees
        dust_value = _hedged_value(dust, bid=marks.buy_bid, ask=marks.sell_ask)
        left_value = sum((one.value for one in left), ZERO)
        realised = (buy.cash + sell.cash - fees) - (kept_cash - kept_fees) + dust_value + left_value
        dust_value += left_value if finish.is_dust else ZERO
    events: list[Event] = []
    if hedged:
        buy_price = per_unit(buy.buy_value, buy.bought)
        sell_price = per_unit(sell.sell_value, sell.sold)
        events.append(
            PositionOpened(
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                buy_venue=opened.buy_venue,
                sell_venue=opened.sell_venue,
                quantity=hedged,
                buy_price=buy_price,
                sell_price=sell_price,
                cash=kept_cash,
                fees=kept_fees,
                realised=realised,
                exposure_usd=_exposure(hedged, max(buy_price, sell_price), usd_per_quote),
            )
        )
    booked = _Booked(realised=realised, fees=fees, dust=dust, dust_value=dust_value)
    return [*events, *_ending(flows, finish, left, base, usd_per_quote, booked)]


def settle_exit(
    position: Position,
    totals: TradeTotals,
    flows: PairFlows,
    finish: Finish,
    marks: Marks,
    *,
    unknown: Sequence[Order],
    least_tradable: Decimal,
    base: str,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return the events that end an exit.

    A rest below ``least_tradable`` is closed with it, as dust on both legs. With an order of ``unknown`` fate no
    further exit can be sent safely: whatever is not known to be closed becomes residuals, one for each leg.
    """
    buy, sell = flows.buy, flows.sell
    if unknown:
        closed = position.quantity
        long, short = EXACT.subtract(position.quantity, flows.sold), EXACT.subtract(flows.bought, position.quantity)
        left = _with_unknown(_legs_left(position, long=long, short=short, marks=marks), unknown)
    else:
        closed = max(flows.bought, flows.sold)
        left = _legs_left(position, long=max(finish.imbalance, ZERO), short=min(finish.imbalance, ZERO), marks=marks)
    rest = EXACT.subtract(position.quantity, closed)
    dust = ZERO
    if rest < least_tradable:
        rest, dust, closed = ZERO, rest, position.quantity
    with localcontext(EXACT):
        closed_cash = share(position.cash, closed, position.quantity)
        closed_fees = share(position.fees, closed, position.quantity)
        fees = buy.fees + sell.fees
        dust_value = _hedged_value(dust, bid=marks.sell_bid, ask=marks.buy_ask)
        left_value = sum((one.value for one in left), ZERO)
        realised = closed_cash - closed_fees + buy.cash + sell.cash - fees + dust_value + left_value
        dust_value += left_value if finish.is_dust else ZERO
        realised_so_far = position.realised + realised
    events: list[Event] = []
    if rest and closed:
        events.append(
            PositionReduced(
                trade_id=position.trade_id,
                quantity=rest,
                cash=EXACT.subtract(position.cash, closed_cash),
                fees=EXACT.subtract(position.fees, closed_fees),
                realised=realised_so_far,
                exposure_usd=_exposure(rest, max(position.buy_price, position.sell_price), usd_per_quote),
            )
        )
    elif not rest:
        events.append(
            PositionClosed(
                trade_id=position.trade_id,
                symbol=position.route.symbol,
                buy_venue=position.route.buy_venue,
                sell_venue=position.route.sell_venue,
                quantity=position.opened_quantity,
                entry_buy_price=position.buy_price,
                entry_sell_price=position.sell_price,
                exit_buy_price=_average(totals.exit_buy.buy_value, totals.exit_buy.bought),
                exit_sell_price=_average(totals.exit_sell.sell_value, totals.exit_sell.sold),
                fees_usd=EXACT.multiply(totals.fees, usd_per_quote),
                pnl_usd=EXACT.multiply(realised_so_far, usd_per_quote),
                opened_at_ns=position.opened_ns,
                reason=_reason(flows),
            )
        )
    booked = _Booked(realised=realised, fees=fees, dust=dust, dust_value=dust_value)
    return [*events, *_ending(flows, finish, left, base, usd_per_quote, booked)]


def settle_late(
    order: OpenOrder, residual: ResidualLeft | None, marks: Marks, *, base: str, usd_per_quote: Decimal
) -> list[Event]:
    """Return what changes once the fate of an order is known whose pair had ended without it.

    ``order`` has its late fills by now. ``residual`` is what was left for its sake: it is resolved, and what really is
    left of it takes its place.
    """
    late, submitted = order.late, order.submitted
    held = residual.quantity if residual is not None and not residual.possible else ZERO
    quantity = EXACT.add(held, late.net)
    if residual is None:
        if not quantity:
            return []
        raise AssertionError(f"{submitted.client_order_id} filled late, but no residual stands for it")
    price = residual.average_price if held else _average(EXACT.abs(late.cash), abs(late.net)) or residual.average_price
    mark = marks.buy_bid if quantity > 0 else marks.buy_ask
    left = _Left(venue=submitted.venue, quantity=quantity, average_price=price, mark=mark)
    with localcontext(EXACT):
        realised = late.cash - late.fees + left.value - residual.booked_value
    events: list[Event] = [
        ResidualResolved(
            residual_id=residual.residual_id,
            symbol=submitted.symbol,
            reason="the fate of its order was learnt",
            pnl_usd=EXACT.multiply(realised, usd_per_quote),
            fees_usd=EXACT.multiply(late.fees, usd_per_quote),
        )
    ]
    if quantity:
        events.append(_residual(left, f"{residual.residual_id}.late", order.pair.opened, base, usd_per_quote))
    return events


def _reason(flows: PairFlows) -> ExitReason:
    if flows.opened.reason is None:
        raise AssertionError(f"{flows.opened.pair_id} is an exit without a reason")
    return flows.opened.reason


def _residual(left: _Left, residual_id: str, opened: PairOpened, base: str, usd_per_quote: Decimal) -> ResidualLeft:
    return ResidualLeft(
        residual_id=residual_id,
        pair_id=opened.pair_id,
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        venue=left.venue,
        asset=base,
        quantity=left.quantity,
        average_price=left.average_price,
        mark_price=left.mark,
        cost_usd=_exposure(abs(left.quantity), left.average_price, usd_per_quote),
        unknown=left.unknown,
        possible=left.possible,
        booked_value=left.value,
        client_order_id=left.client_order_id,
    )


def _entry_left(flows: PairFlows, marks: Marks) -> list[_Left]:
    """Return what an entry left at its two venues beyond what is hedged; long is positive.

    At one venue, as a rule. After a crash an order may have filled that was meant to undo another whose fate isn't
    known: then a venue can be on the wrong side.
    """
    opened, hedged = flows.opened, max(ZERO, min(flows.bought, flows.sold))
    venues = (
        (opened.buy_venue, flows.buy, EXACT.subtract(flows.bought, hedged), marks.buy_bid, marks.buy_ask),
        (opened.sell_venue, flows.sell, EXACT.subtract(hedged, flows.sold), marks.sell_bid, marks.sell_ask),
    )
    return [
        _Left(
            venue=venue,
            quantity=amount,
            average_price=per_unit(flow.buy_value, flow.bought) if amount > 0 else per_unit(flow.sell_value, flow.sold),
            mark=bid if amount > 0 else ask,
        )
        for venue, flow, amount, bid, ask in venues
        if amount
    ]


def _legs_left(position: Position, *, long: Decimal, short: Decimal, marks: Marks) -> list[_Left]:
    """Return what an exit left of the position's long leg (positive) and of its short leg (negative).

    The exit sells on the position's buy venue and buys back on its sell venue.
    """
    route = position.route
    legs = (
        (route.buy_venue, long, position.buy_price, marks.sell_bid),
        (route.sell_venue, short, position.sell_price, marks.buy_ask),
    )
    return [
        _Left(venue=venue, quantity=quantity, average_price=price, mark=mark)
        for venue, quantity, price, mark in legs
        if quantity
    ]


def _with_unknown(left: Sequence[_Left], unknown: Sequence[Order]) -> list[_Left]:
    """Return what is left, with what orders of unknown fate may have changed.

    An order at a venue where something is left was to take that away: what is left there waits for its fate. Of
    further orders there each has a residual of its own.
    """
    result = list(left)
    for order in unknown:
        at = next((at for at, one in enumerate(result) if one.venue == order.venue and not one.unknown), None)
        if at is None:
            result.append(_possible(order))
        else:
            result[at] = attrs.evolve(result[at], unknown=True, client_order_id=order.client_order_id)
    return result


def _possible(order: Order) -> _Left:
    quantity = order.quantity if order.side is Side.BUY else -order.quantity
    return _Left(
        venue=order.venue,
        quantity=quantity,
        average_price=order.limit_price,
        mark=None,
        unknown=True,
        possible=True,
        client_order_id=order.client_order_id,
    )


def _ending(
    flows: PairFlows,
    finish: Finish,
    left: Sequence[_Left],
    base: str,
    usd_per_quote: Decimal,
    booked: _Booked,
) -> list[Event]:
    opened, outcome = flows.opened, finish.outcome
    if booked.dust and outcome is PairOutcome.HEDGED:
        outcome = PairOutcome.FLAT
    if left and not finish.is_dust:
        outcome = PairOutcome.RESIDUAL
    events: list[Event] = [
        _residual(one, f"{opened.pair_id}.{number}", opened, base, usd_per_quote)
        for number, one in enumerate(left, 1)
        if not finish.is_dust
    ]
    events.append(
        PairEnded(
            pair_id=opened.pair_id,
            trade_id=opened.trade_id,
            symbol=opened.symbol,
            kind=opened.kind,
            outcome=outcome,
            bought=flows.bought,
            sold=flows.sold,
            pnl_usd=EXACT.multiply(booked.realised, usd_per_quote),
            fees_usd=EXACT.multiply(booked.fees, usd_per_quote),
            dust=EXACT.add(abs(finish.imbalance), booked.dust) if finish.is_dust else booked.dust,
            dust_value_usd=EXACT.multiply(booked.dust_value, usd_per_quote),
        )
    )
    return events


def _hedged_value(quantity: Decimal, *, bid: Decimal | None, ask: Decimal | None) -> Decimal:
    """Return what a long and a short leg would bring together, at the long one's bid and the short one's ask."""
    if bid is None or ask is None:
        return ZERO
    return EXACT.multiply(quantity, EXACT.subtract(bid, ask))


def _average(value: Decimal, quantity: Decimal) -> Decimal | None:
    return per_unit(value, quantity) if quantity else None


def _exposure(quantity: Decimal, price: Decimal, usd_per_quote: Decimal) -> Decimal:
    return EXACT.multiply(EXACT.multiply(quantity, price), usd_per_quote)
