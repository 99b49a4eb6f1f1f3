"""Account for a pair that has ended: the position it opened or closed, what it realised, what it left.

Every quote-asset amount of a pair is either kept with the open position or realised, so over a trade's life
realised PnL = Σ cash flows − fees (+ residuals and dust at their mark), to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext

import msgspec
from msgspec.structs import replace

from trioarb.execution.left import Left, cost_usd, side_of, still_possible
from trioarb.execution.pair import Finish
from trioarb.model.event import (
    Event,
    Intent,
    PairEnded,
    PositionClosed,
    PositionOpened,
    PositionReduced,
)
from trioarb.model.market import Instrument
from trioarb.model.number import EXACT, ZERO, per_unit, share
from trioarb.model.order import Order
from trioarb.model.trade import ExitReason, PairOutcome, Position
from trioarb.quotes.board import Touch
from trioarb.state.trades import Flow, PairFlows, TradeTotals
from trioarb.strategy.leg import least

__all__ = ["EndedLeg", "closed_at_once", "settle"]

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
        return side_of(self.touch(self.venue), quantity)

    def last_mark(self, quantity: Decimal) -> Decimal | None:
        """Return at what it could be traded away when that was known last, if it isn't known now."""
        return side_of(self.last_touch(self.venue), quantity) if self.mark(quantity) is None else None

    def kept(self, quantity: Decimal) -> tuple[Decimal, Decimal]:
        """Return the cash and the fees, as the pair counts them, of what an entry's leg keeps with a position."""
        flow = self.flow
        if self.sign > 0:
            cash, fees = -share(flow.buy_value, quantity, flow.bought), share(flow.buy_fees, quantity, flow.bought)
        else:
            cash, fees = share(flow.sell_value, quantity, flow.sold), share(flow.sell_fees, quantity, flow.sold)
        return self.counted(cash), self.counted(fees)

    def beyond(self, hedged: Decimal) -> Left | None:
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
        return Left(
            symbol=self.instrument.symbol,
            venue=self.venue,
            asset=self.instrument.base,
            quantity=quantity,
            price=price,
            mark=self.mark(quantity),
            last_mark=self.last_mark(quantity),
            usd_per_quote=self.usd_per_quote,
        )


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
    gives_up: bool = False,
) -> list[Event]:
    """Return the events that end a pair, in the order in which they are to be recorded.

    ``legs``: the long one first. ``position`` is what an exit was to close, ``None`` for an entry; ``totals`` are those
    of its trade. ``unknown``: orders whose fate could not be learnt; with one no further exit can be sent safely, and
    whatever an exit is not known to have closed becomes residuals, one for each leg; so it does where it ``gives_up``.
    A hedged quantity that no venue would take, and that is worth less than ``dust_usd``, is dust on both legs, not a
    position. An entry that holds nothing closes its position at once (``now_ns``), however small: it earned what its
    legs differ by.
    """
    opened, outcome = flows.opened, finish.outcome
    hedged = ZERO
    if position is None or not (unknown or gives_up):
        hedged = max(ZERO, min(leg.held if leg.sign > 0 else -leg.held for leg in legs))
    worth_usd = (
        cost_usd(hedged, max(leg.counted(leg.limit_counted) for leg in legs), usd_per_quote) if opened.holds else ZERO
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
                pnl_usd, fees_usd = _multiply(realised, usd_per_quote), _multiply(totals.fees, usd_per_quote)
                events.append(closed_at_once(entered, pnl_usd=pnl_usd, fees_usd=fees_usd, now_ns=now_ns))
        if not kept and outcome is PairOutcome.HEDGED:
            outcome = PairOutcome.FLAT
    else:
        events = _left_open(flows, legs, position, totals, kept, kept_cash, kept_fees, realised, usd_per_quote)
    if left and not finish.is_dust:
        outcome = PairOutcome.RESIDUAL
        events += (
            one.residual(f"{opened.pair_id}.{number}", opened, usd_per_quote) for number, one in enumerate(left, 1)
        )
    events += (one.dust(opened, usd_per_quote) for one in crumbs)
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
        exposure_usd=cost_usd(quantity, max(long.counted(buy_price), short.counted(sell_price)), usd_per_quote),
    )


def closed_at_once(position: PositionOpened, *, pnl_usd: Decimal, fees_usd: Decimal, now_ns: int) -> PositionClosed:
    """Return the end of a position that has no exit."""
    return PositionClosed(
        trade_id=position.trade_id,
        symbol=position.symbol,
        buy_venue=position.buy_venue,
        sell_venue=position.sell_venue,
        quantity=position.quantity,
        entry_buy_price=position.buy_price,
        entry_sell_price=position.sell_price,
        fees_usd=fees_usd,
        pnl_usd=pnl_usd,
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
            exposure_usd=cost_usd(
                rest, max(long.counted(position.buy_price), short.counted(position.sell_price)), usd_per_quote
            ),
        )
    ]


def _reason(flows: PairFlows) -> ExitReason:
    if flows.opened.reason is None:
        raise AssertionError(f"{flows.opened.pair_id} is an exit without a reason")
    return flows.opened.reason


def _with_unknown(left: Iterable[Left], unknown: Sequence[Order], legs: Sequence[EndedLeg]) -> list[Left]:
    """Return what is left, with what orders of unknown fate may have changed.

    An order at a venue where something is left was to take that away: what is left there waits for its fate. Of
    further orders there each has a residual of its own.
    """
    result = list(left)
    for order in unknown:
        at = next((at for at, one in enumerate(result) if one.venue == order.venue and not one.client_order_id), None)
        if at is None:
            rates = (leg.usd_per_quote for leg in legs if leg.venue == order.venue)
            possible = still_possible(order, legs[0].instrument.base)
            result.append(replace(possible, usd_per_quote=next(rates, None)))
        else:
            result[at] = replace(result[at], client_order_id=order.client_order_id)
    return result


def _crumbs(legs: Sequence[EndedLeg], quantity: Decimal) -> list[Left]:
    """Return so much on every leg, at what it would bring, long at the bid and short at the ask; 0 without a mark."""
    found = [(leg, _multiply(quantity, leg.sign)) for leg in legs]
    marks = [leg.mark(held) for leg, held in found]
    known = None not in marks
    return [
        Left(
            symbol=leg.instrument.symbol,
            venue=leg.venue,
            asset=leg.instrument.base,
            quantity=held,
            price=leg.price or leg.average or leg.limit_counted,
            mark=mark,
            possible=not known,
            usd_per_quote=leg.usd_per_quote,
        )
        for (leg, held), mark in zip(found, marks, strict=True)
    ]


def _average(value: Decimal, quantity: Decimal) -> Decimal | None:
    return per_unit(value, quantity) if quantity else None
