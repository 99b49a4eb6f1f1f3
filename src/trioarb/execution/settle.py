"""Account for a pair that has ended: the position it opened or closed, what it realised, what it left.

Every quote-asset amount of a pair is either kept with the open position or realised, so over a trade's life
realised PnL = Σ cash flows − fees (+ residuals and dust at their mark), to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext

import msgspec
from msgspec.structs import replace

from trioarb.execution.pair import Finish
from trioarb.model.event import (
    DustLeft,
    Event,
    Intent,
    OrderSubmitted,
    PairEnded,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ResidualLeft,
    ResidualResolved,
)
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO, per_unit, share
from trioarb.model.order import Order, Purpose, Side
from trioarb.model.trade import ExitReason, PairOutcome, Position
from trioarb.quotes.board import Touch
from trioarb.state.trades import Flow, OpenOrder, PairFlows, TradeTotals
from trioarb.strategy.leg import least

__all__ = ["EndedLeg", "residual_of_reopened", "settle", "settle_late"]

_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class EndedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg at the end of its pair: what was held before it, what it bought and sold, what that would bring now.

    ``sign``: 1 where the pair's position is long, −1 where it is short. ``limit`` is that of the leg's order.
    ``before`` (below zero: short) was taken at ``price`` on average. ``touch`` returns that of its venue, if there is
    one, ``last_touch`` the last that was known with both sides; asked where something is left only. ``usd_per_quote``:
    of its own quote asset, where that of the legs differs; the pair counts in USD then, of which one is worth 1.
    ``fx_rate``: of its venue's quote asset, where that counts as the symbol's; all but ``limit`` is in that one.
    """

    instrument: Instrument
    sign: int
    flow: Flow
    limit: Decimal
    touch: Callable[[str], Touch | None]
    last_touch: Callable[[str], Touch | None]
    before: Decimal = ZERO
    price: Decimal | None = None
    usd_per_quote: Decimal | None = None
    fx_rate: Decimal | None = None

    @property
    def limit_counted(self) -> Decimal:
        """The limit as the flow's prices are."""
        return self.limit if self.fx_rate is None else _multiply(self.limit, self.fx_rate)

    @property
    def venue(self) -> str:
        return self.instrument.venue

    @property
    def held(self) -> Decimal:
        """What is held now; below zero: short."""
        return _add(self.before, self.flow.net)

    @property
    def average(self) -> Decimal | None:
        """The average price of what the pair traded here in the position's direction."""
        flow = self.flow
        return _average(flow.buy_value, flow.bought) if self.sign > 0 else _average(flow.sell_value, flow.sold)

    def counted(self, amount: Decimal) -> Decimal:
        """Return an amount of its quote asset in what the pair counts in."""
        return amount if self.usd_per_quote is None else _multiply(amount, self.usd_per_quote)

    def mark(self, quantity: Decimal) -> Decimal | None:
        """Return at what a long or (below zero) short quantity could be traded away now."""
        return _side_of(self.touch(self.venue), quantity)

    def last_mark(self, quantity: Decimal) -> Decimal | None:
        """Return at what it could be traded away when that was known last, if it isn't known now."""
        return _side_of(self.last_touch(self.venue), quantity) if self.mark(quantity) is None else None

    def kept(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Return the cash and the fees, as the pair counts them, of what an entry's leg keeps with a position."""
        flow = self.flow
        if self.sign > 0:
            cash, fees = -share(flow.buy_value, quantity, flow.bought), share(flow.buy_fees, quantity, flow.bought)
        else:
            cash, fees = share(flow.sell_value, quantity, flow.sold), share(flow.sell_fees, quantity, flow.sold)
        return self.counted(cash), self.counted(fees)

    def beyond(self, hedged: Decimal) -> _Left | None:
        """Return what is held here beyond what is hedged."""
        quantity = _subtract(self.held, _multiply(hedged, self.sign))
        if not quantity:
            return None
        flow = self.flow
        price = self.price if self.before else None
        if price is not None and abs(self.held) > abs(self.before):
            value = flow.buy_value if quantity > 0 else flow.sell_value
            price = _average(_add(_multiply(abs(self.before), price), value), abs(self.held))
        if price is None:
            price = _average(flow.buy_value, flow.bought) if quantity > 0 else _average(flow.sell_value, flow.sold)
        assert price is not None
        return _Left(
            venue=self.venue,
            quantity=quantity,
            average_price=price,
            mark=self.mark(quantity),
            last_mark=self.last_mark(quantity),
            usd_per_quote=self.usd_per_quote,
        )


class _Left(msgspec.Struct, frozen=True, kw_only=True):
    """A one-sided quantity: long on one venue if positive, short if negative; and what it is worth.

    ``unknown``: an order there never got an answer. ``possible``: it may not even exist, and has no value.
    """

    venue: str
    quantity: Decimal
    average_price: Decimal
    mark: Decimal | None = None
    last_mark: Decimal | None = None
    unknown: bool = False
    possible: bool = False
    client_order_id: str | None = None
    usd_per_quote: Decimal | None = None

    @property
    def value(self) -> Decimal:
        if self.possible:
            return ZERO
        known = (mark for mark in (self.mark, self.last_mark) if mark is not None)
        return _multiply(self.quantity, next(known, self.average_price))

    @property
    def counted(self) -> Decimal:
        """Its value in what the pair counts in."""
        return self.value if self.usd_per_quote is None else _multiply(self.value, self.usd_per_quote)


def settle(
    flows: PairFlows,
    finish: Finish,
    legs: Sequence[EndedLeg],
    *,
    position: Position | None,
    totals: TradeTotals,
    unknown: Sequence[Order],
    now_ns: int,
    usd_per_quote: Decimal,
    dust_usd: Decimal,
) -> list[Event]:
    """Return the events that end a pair, in the order in which they are to be recorded.

    ``legs``: the long one first. ``position`` is what an exit was to close, ``None`` for an entry; ``totals`` are those
    of its trade. ``unknown``: orders whose fate could not be learnt; with one no further exit can be sent safely, and
    whatever an exit is not known to have closed becomes residuals, one for each leg. A hedged quantity that no
    venue would take, and that is worth less than ``dust_usd``, is dust on both legs, not a position. An entry that
    holds nothing closes its position at once (``now_ns``), however small: it earned what its legs differ by.
    """
    opened, outcome = flows.opened, finish.outcome
    hedged = ZERO
    if position is None or not unknown:
        hedged = max(ZERO, min(leg.held if leg.sign > 0 else -leg.held for leg in legs))
    worth_usd = (
        _exposure(hedged, max(leg.counted(leg.limit_counted) for leg in legs), usd_per_quote) if opened.holds else ZERO
    )
    is_dust = 0 < worth_usd < dust_usd and all(hedged < least(leg.instrument, leg.limit) for leg in legs)
    kept, dust = (ZERO, hedged) if is_dust else (hedged, ZERO)
    left = _with_unknown(filter(None, (leg.beyond(hedged) for leg in legs)), unknown, legs)
    if finish.is_dust:  # less than a venue's least order: its last price is not worth a mark of its own
        left = [replace(one, last_mark=None) for one in left]
    with localcontext(EXACT):
        cash = sum(leg.counted(leg.flow.cash) for leg in legs)
        fees = sum(leg.counted(leg.flow.fees) for leg in legs)
        held_cash = held_fees = kept_cash = kept_fees = ZERO
        if position is not None:
            held_cash, held_fees, closed = position.cash, position.fees, position.quantity - kept
            kept_cash = held_cash - share(held_cash, closed, position.quantity)
            kept_fees = held_fees - share(held_fees, closed, position.quantity)
        elif kept:
            kept_cash, kept_fees = (sum(amounts) for amounts in zip(*(leg.kept(kept) for leg in legs), strict=True))
        crumbs = _crumbs(legs, dust) if dust else []
        dust_value = sum((one.counted for one in crumbs), ZERO)
        left_value = sum((one.counted for one in left), ZERO)
        realised = (held_cash - held_fees + cash - fees) - (kept_cash - kept_fees) + dust_value + left_value
        if finish.is_dust:
            crumbs += left
            dust_value += left_value
            dust += abs(finish.imbalance)
    if position is None:
        events: list[Event] = []
        if kept:
            entered = _opened(opened, legs, kept, kept_cash, kept_fees, realised, usd_per_quote)
            events.append(entered)
            if not opened.holds:
                realised = _add(realised, _subtract(kept_cash, kept_fees))
                events.append(_closed_at_once(entered, realised, totals, now_ns, usd_per_quote))
        if not kept and outcome is PairOutcome.HEDGED:
            outcome = PairOutcome.FLAT
    else:
        events = _left_open(flows, legs, position, totals, kept, kept_cash, kept_fees, realised, usd_per_quote)
    if left and not finish.is_dust:
        outcome = PairOutcome.RESIDUAL
        events += (
            _residual(one, f"{opened.pair_id}.{number}", opened, legs[0].instrument.base, usd_per_quote)
            for number, one in enumerate(left, 1)
        )
    events += (_dust(one, opened, legs[0].instrument.base, usd_per_quote) for one in crumbs)
    events.append(
        PairEnded(
            pair_id=opened.pair_id,
            trade_id=opened.trade_id,
            symbol=opened.symbol,
            kind=opened.kind,
            outcome=outcome,
            bought=flows.bought,
            sold=flows.sold,
            pnl_usd=_multiply(realised, usd_per_quote),
            fees_usd=_multiply(fees, usd_per_quote),
            dust=dust,
            dust_value_usd=_multiply(dust_value, usd_per_quote),
        )
    )
    return events


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
        rest = _residual(left, next_id, order.pair.opened, instrument.base, usd_per_quote)
        events.append(replace(rest, symbol=residual.symbol))
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
    left = _possible(submitted)
    price = left.average_price if fx_rate is None else _multiply(left.average_price, fx_rate)
    left = replace(left, quantity=order.unfilled.copy_sign(left.quantity), average_price=price)
    number = submitted.client_order_id.rpartition("-")[2]
    residual = _residual(left, f"{opened.pair_id}.{number}.{order.reopened}", opened, base, usd_per_quote)
    return replace(residual, symbol=submitted.symbol)


def _opened(
    opened: Intent,
    legs: Sequence[EndedLeg],
    quantity: Decimal,
    cash: Decimal,
    fees: Decimal,
    realised: Decimal,
    usd_per_quote: Decimal,
) -> PositionOpened:
    """Return the position that an entry opens. Its event names two legs."""
    long, short = legs
    buy_price, sell_price = long.average, short.average
    assert buy_price is not None
    assert sell_price is not None
    return PositionOpened(
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        buy_venue=long.venue,
        sell_venue=short.venue,
        quantity=quantity,
        buy_price=buy_price,
        sell_price=sell_price,
        cash=cash,
        fees=fees,
        realised=realised,
        exposure_usd=_exposure(quantity, max(long.counted(buy_price), short.counted(sell_price)), usd_per_quote),
    )


def _closed_at_once(
    position: PositionOpened, realised: Decimal, totals: TradeTotals, now_ns: int, usd_per_quote: Decimal
) -> PositionClosed:
    """Return the end of a position that has no exit."""
    return PositionClosed(
        trade_id=position.trade_id,
        symbol=position.symbol,
        buy_venue=position.buy_venue,
        sell_venue=position.sell_venue,
        quantity=position.quantity,
        entry_buy_price=position.buy_price,
        entry_sell_price=position.sell_price,
        fees_usd=_multiply(totals.fees, usd_per_quote),
        pnl_usd=_multiply(realised, usd_per_quote),
        opened_at_ns=now_ns,
        reason=ExitReason.ONCE,
    )


def _left_open(
    flows: PairFlows,
    legs: Sequence[EndedLeg],
    position: Position,
    totals: TradeTotals,
    rest: Decimal,
    cash: Decimal,
    fees: Decimal,
    realised: Decimal,
    usd_per_quote: Decimal,
) -> list[Event]:
    """Return how an exit changed its position: closed, or what is left of it; nothing if it moved nothing."""
    long, short = legs
    realised_so_far = _add(position.realised, realised)
    if not rest:
        return [
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
                fees_usd=_multiply(totals.fees, usd_per_quote),
                pnl_usd=_multiply(realised_so_far, usd_per_quote),
                opened_at_ns=position.opened_ns,
                reason=_reason(flows),
            )
        ]
    if rest == position.quantity and not realised:
        return []
    return [
        PositionReduced(
            trade_id=position.trade_id,
            quantity=rest,
            cash=cash,
            fees=fees,
            realised=realised_so_far,
            exposure_usd=_exposure(
                rest, max(long.counted(position.buy_price), short.counted(position.sell_price)), usd_per_quote
            ),
        )
    ]


def _reason(flows: PairFlows) -> ExitReason:
    if flows.opened.reason is None:
        raise AssertionError(f"{flows.opened.pair_id} is an exit without a reason")
    return flows.opened.reason


def _residual(left: _Left, residual_id: str, opened: Intent, base: str, usd_per_quote: Decimal) -> ResidualLeft:
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
        last_price=left.last_mark,
        cost_usd=_exposure(left.quantity.copy_abs(), left.average_price, left.usd_per_quote or usd_per_quote),
        unknown=left.unknown,
        possible=left.possible,
        booked_value=left.value,
        client_order_id=left.client_order_id,
    )


def _dust(left: _Left, opened: Intent, base: str, usd_per_quote: Decimal) -> DustLeft:
    return DustLeft(
        pair_id=opened.pair_id,
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        venue=left.venue,
        asset=base,
        quantity=left.quantity,
        price=left.average_price,
        booked_value=left.value,
        cost_usd=_exposure(left.quantity.copy_abs(), left.average_price, left.usd_per_quote or usd_per_quote),
    )


def _with_unknown(left: Iterable[_Left], unknown: Sequence[Order], legs: Sequence[EndedLeg]) -> list[_Left]:
    """Return what is left, with what orders of unknown fate may have changed.

    An order at a venue where something is left was to take that away: what is left there waits for its fate. Of
    further orders there each has a residual of its own.
    """
    result = list(left)
    for order in unknown:
        at = next((at for at, one in enumerate(result) if one.venue == order.venue and not one.unknown), None)
        if at is None:
            rates = (leg.usd_per_quote for leg in legs if leg.venue == order.venue)
            result.append(replace(_possible(order), usd_per_quote=next(rates, None)))
        else:
            result[at] = replace(result[at], unknown=True, client_order_id=order.client_order_id)
    return result


def _possible(order: Order | OrderSubmitted) -> _Left:
    quantity = order.quantity if order.side is Side.BUY else -order.quantity
    return _Left(
        venue=order.venue,
        quantity=quantity,
        average_price=order.limit_price,
        unknown=True,
        possible=True,
        client_order_id=order.client_order_id,
    )


def _crumbs(legs: Sequence[EndedLeg], quantity: Decimal) -> list[_Left]:
    """Return so much on every leg, at what it would bring, long at the bid and short at the ask; 0 without a mark."""
    found = [(leg, _multiply(quantity, leg.sign)) for leg in legs]
    marks = [leg.mark(held) for leg, held in found]
    known = None not in marks
    return [
        _Left(
            venue=leg.venue,
            quantity=held,
            average_price=leg.price or leg.average or leg.limit_counted,
            mark=mark,
            possible=not known,
            usd_per_quote=leg.usd_per_quote,
        )
        for (leg, held), mark in zip(found, marks, strict=True)
    ]


def _side_of(touch: Touch | None, quantity: Decimal) -> Decimal | None:
    """Return what a long quantity would be sold at, and a short one bought back."""
    return None if touch is None else touch.bid if quantity > 0 else touch.ask


def _average(value: Decimal, quantity: Decimal) -> Decimal | None:
    return per_unit(value, quantity) if quantity else None


def _exposure(quantity: Decimal, price: Decimal, usd_per_quote: Decimal) -> Decimal:
    return _multiply(_multiply(quantity, price), usd_per_quote)
