"""The rows of exported tables, as they follow from a journal's events."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

import attrs
from msgspec import structs

from trioarb.journal.fold import Folding, Projection
from trioarb.model.event import (
    Decided,
    DecisionsRepeated,
    EquityStated,
    Event,
    FillsMarkedOut,
    FunnelCounted,
    Intent,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderShadowed,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    RouteCounted,
    TradeCorrected,
    TransferArrived,
    TransferSent,
)
from trioarb.model.market import Level
from trioarb.model.number import EXACT, ZERO
from trioarb.model.trade import PairKind
from trioarb.report.schema import TABLES
from trioarb.state.attribution import Attributed, Attributions, late_usd_of
from trioarb.state.ledger import Ledger
from trioarb.state.markouts import gains_of, in_bps
from trioarb.state.missed import Missed
from trioarb.state.shadow import error_of
from trioarb.state.trades import KNOWN_FOR_NS

__all__ = ["Rows"]

#: Takes a table's name and a row of it, by column.
Put = Callable[[str, Mapping[str, Any]], None]

#: Why a trade is over that opened no position.
_UNWOUND = "unwound"
#: Quotients and what was multiplied by one have as many digits.
_BPS_STEP, _USD_STEP, _ROUNDED = Decimal("1e-4"), Decimal("1e-12"), Context(prec=60)
_NAMES = {table.name: [column.name for column in table.columns] for table in TABLES}


@attrs.define
class _Order:
    """An order without a last word, as far as it is known."""

    submitted: OrderSubmitted
    seq: int
    ts_ns: int
    trade_id: str
    venue_order_id: str | None = None
    filled: Decimal = ZERO
    reason: str | None = None
    status: str = "open"


class Rows(Folding):
    """Folds events into rows, which are put out as soon as they are complete; what is open is all that is kept."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._trade_of_pair: dict[str, str] = {}
        #: The entries in flight, and since when.
        self._entries: dict[str, tuple[Intent, int]] = {}
        #: What pairs left: orders that work it off belong to them, too.
        self._residuals: dict[str, ResidualLeft] = {}
        self._orders: dict[str, _Order] = {}
        #: Those that may be reopened: done lately.
        self._done: OrderedDict[str, _Order] = OrderedDict()
        self._opened: dict[str, PositionOpened] = {}
        #: Rows of trades that are over, until what pairs left is known too; and what they were made of.
        self._over: dict[str, dict[str, Any]] = {}
        #: Those that may be corrected: over lately, and when; or with an order without a last word.
        self._told: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()
        self._attributed: dict[str, Attributed] = {}
        #: The transfers under way.
        self._moved: dict[str, dict[str, Any]] = {}
        self._missed = Missed()
        attributions = Attributions(lambda trade: self._attributed.update({trade.trade_id: trade}))
        #: To be folded in this order.
        self.projections: Sequence[Projection] = (attributions, self._missed, self)

    def finish(self, ledger: Ledger) -> None:
        """Put out what has no last word, and the balances."""
        for order in tuple(self._orders.values()):
            self._end(order, order.status, None)
        for trade_id in tuple(self._over):
            self._end_trade(trade_id, 0)
        for _, row in self._told.values():
            self._put_trade(row)
        for row in self._moved.values():
            self._put("transfers", row)
        for (route, reason), one in sorted(self._missed.edges.items()):
            self._put("missed", structs.asdict(route) | attrs.asdict(one) | _row(reason=reason))
        for venue, assets in ledger.balances().items():
            for asset, balance in assets.items():
                free = ledger.free(venue, asset)
                locked = EXACT.subtract(balance.final, free)
                self._put("balances", attrs.asdict(balance) | _row(venue=venue, asset=asset, free=free, locked=locked))

    def _open_pair(self, opened: Intent, record: Record) -> None:
        self._trade_of_pair[opened.pair_id] = opened.trade_id
        if opened.kind is PairKind.ENTRY:
            self._entries[opened.trade_id] = opened, record.ts_ns
        if isinstance(opened, PairOpened):
            return
        for place, leg in enumerate(opened.legs):
            ours = _row(seq=record.seq, time=record.ts_ns, pair_id=opened.pair_id, trade_id=opened.trade_id, leg=place)
            self._put("legs", structs.asdict(leg) | ours)

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        self._trade_of_pair.pop(ended.pair_id, None)
        entry = self._entries.pop(ended.trade_id, None)
        if entry is not None and ended.trade_id not in self._opened and ended.trade_id not in self._over:
            opened, opened_ns = entry
            ours = _row(seq=record.seq, opened=opened_ns, closed=record.ts_ns, quantity=ZERO, reason=_UNWOUND)
            self._over[ended.trade_id] = _fields(opened, "trades") | _fields(ended, "trades") | ours
        self._end_trade(ended.trade_id, record.ts_ns)

    def _end_trade(self, trade_id: str, ts_ns: int) -> None:
        """Keep the row of a trade, if it is over, as long as it may be corrected; put out those that can't be."""
        row, attributed = self._over.pop(trade_id, None), self._attributed.pop(trade_id, None)
        if row is not None:
            known = {} if attributed is None else attrs.asdict(attributed)
            known = {name: known[name] for name in _NAMES["trades"] if known.get(name) is not None}
            self._told[trade_id] = ts_ns, known | row
        awaited = {left.trade_id for left in self._residuals.values() if left.unknown}
        while self._told:
            told_id, (told_ns, told) = next(iter(self._told.items()))
            if ts_ns - told_ns <= KNOWN_FOR_NS:
                return
            del self._told[told_id]
            if told_id in awaited:
                self._told[told_id] = ts_ns, told
            else:
                self._put_trade(told)

    def _put_trade(self, row: dict[str, Any]) -> None:
        if row["reason"] != _UNWOUND or row["pnl_usd"]:
            self._put("trades", row)

    def _correct(self, corrected: TradeCorrected, _: Record) -> None:
        told = self._told.get(corrected.trade_id)
        if told is not None:
            row = told[1]
            late = EXACT.add(row.get("late_usd", ZERO), late_usd_of(corrected))
            row.update(_fields(corrected, "trades") | _row(late_usd=late))

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        self._told.pop(paired.trade_id, None)
        for residual_id, rest, *_others in paired.rests:
            if not rest:
                self._residuals.pop(residual_id, None)

    def _leave(self, left: ResidualLeft, _: Record) -> None:
        self._residuals[left.residual_id] = left

    def _resolve(self, resolved: ResidualResolved, _: Record) -> None:
        self._residuals.pop(resolved.residual_id, None)

    def _take(self, taken: ResidualTaken, _: Record) -> None:
        if not taken.rest and taken.residual_id is not None:
            self._residuals.pop(taken.residual_id, None)

    def _net(self, netted: ResidualsNetted, _: Record) -> None:
        for residual_id, rest, *_others in netted.rests:
            if not rest:
                self._residuals.pop(residual_id, None)

    def _submit(self, order: OrderSubmitted, record: Record) -> None:
        trade_id = self._trade_of_pair.get(order.pair_id)
        if trade_id is None:
            trade_id = next(left.trade_id for left in self._residuals.values() if left.pair_id == order.pair_id)
        self._orders[order.client_order_id] = _Order(order, record.seq, record.ts_ns, trade_id)

    def _acknowledge(self, acknowledged: OrderAcknowledged, _: Record) -> None:
        self._orders[acknowledged.client_order_id].venue_order_id = acknowledged.venue_order_id

    def _miss(self, unknown: OrderUnknown, _: Record) -> None:
        order = self._orders[unknown.client_order_id]
        order.status, order.reason = "unknown", unknown.reason

    def _fill(self, fill: OrderFilled, record: Record) -> None:
        order = self._orders[fill.client_order_id]
        order.filled = EXACT.add(order.filled, fill.quantity)
        ours = _row(seq=record.seq, time=record.ts_ns, pair_id=order.submitted.pair_id, trade_id=order.trade_id)
        self._put("fills", _fields(fill, "fills") | ours)
        if order.filled == order.submitted.quantity:
            self._end(order, "filled", record.ts_ns)

    def _cancel(self, cancelled: OrderCancelled, record: Record) -> None:
        order = self._orders[cancelled.client_order_id]
        order.reason = cancelled.reason or order.reason
        self._end(order, "cancelled", record.ts_ns)

    def _expire(self, expired: OrderExpired, record: Record) -> None:
        self._end(self._orders[expired.client_order_id], "expired", record.ts_ns)

    def _reopen(self, reopened: OrderReopened, record: Record) -> None:
        """Begin another row of an order: what it fills from now on."""
        order = self._done.pop(reopened.client_order_id)
        self._orders[reopened.client_order_id] = attrs.evolve(
            order,
            submitted=structs.replace(order.submitted, quantity=reopened.unfilled),
            seq=record.seq,
            ts_ns=record.ts_ns,
            filled=ZERO,
            reason=None,
            status="open",
        )

    def _reject(self, rejected: OrderRejected, record: Record) -> None:
        order = self._orders[rejected.client_order_id]
        order.reason = rejected.reason
        self._end(order, "rejected", record.ts_ns)

    def _end(self, order: _Order, status: str, done_ns: int | None) -> None:
        del self._orders[order.submitted.client_order_id]
        self._done[order.submitted.client_order_id] = order
        while order.ts_ns - next(iter(self._done.values())).ts_ns > KNOWN_FOR_NS:
            self._done.popitem(last=False)
        reason = order.reason if status in ("rejected", "unknown") else None
        ours = _row(
            seq=order.seq,
            time=order.ts_ns,
            done=done_ns,
            venue_order_id=order.venue_order_id,
            trade_id=order.trade_id,
            filled=order.filled,
            status=status,
            reason=reason,
        )
        self._put("orders", _fields(order.submitted, "orders") | ours)

    def _open_position(self, opened: PositionOpened, record: Record) -> None:
        self._opened[opened.trade_id] = opened
        self._change(opened, record, "opened")

    def _reduce_position(self, reduced: PositionReduced, record: Record) -> None:
        self._change(reduced, record, "reduced")

    def _close_position(self, closed: PositionClosed, record: Record) -> None:
        ours = _row(seq=record.seq, opened=closed.opened_at_ns, closed=record.ts_ns)
        self._over[closed.trade_id] = _fields(closed, "trades") | ours
        self._change(closed, record, "closed", quantity=ZERO)
        self._opened.pop(closed.trade_id, None)
        if closed.trade_id not in self._trade_of_pair.values():  # its entry had ended before
            self._end_trade(closed.trade_id, record.ts_ns)

    def _mark(self, marked: PositionMarked, record: Record) -> None:
        self._change(marked, record, "marked")

    def _change(
        self,
        event: PositionOpened | PositionReduced | PositionClosed | PositionMarked,
        record: Record,
        change: str,
        **more: Any,
    ) -> None:
        opened = self._opened.get(event.trade_id)
        entry = (
            {}
            if opened is None
            else _row(
                symbol=opened.symbol,
                buy_venue=opened.buy_venue,
                sell_venue=opened.sell_venue,
                buy_price=opened.buy_price,
                sell_price=opened.sell_price,
            )
        )
        place = _row(seq=record.seq, time=record.ts_ns, change=change)
        self._put("positions", entry | _fields(event, "positions") | place | more)

    def _send(self, sent: TransferSent, record: Record) -> None:
        self._moved[sent.transfer_id] = _fields(sent, "transfers") | _row(seq=record.seq, time=record.ts_ns)

    def _arrive(self, arrived: TransferArrived, record: Record) -> None:
        self._put("transfers", self._moved.pop(arrived.transfer_id) | _row(arrived=record.ts_ns))

    def _decide(self, decided: Decided, record: Record) -> None:
        self._put("decisions", _fields(decided, "decisions") | _row(seq=record.seq, time=record.ts_ns, count=1))

    def _repeat(self, repeated: DecisionsRepeated, record: Record) -> None:
        ours = _row(seq=record.seq, time=record.ts_ns, repeats=repeated.decision_seq)
        self._put("decisions", _fields(repeated, "decisions") | ours)

    def _state_equity(self, stated: EquityStated, record: Record) -> None:
        self._put("equity", _fields(stated, "equity") | _row(seq=record.seq, time=record.ts_ns))

    def _mark_out(self, marked: FillsMarkedOut, record: Record) -> None:
        gains = {f"bps_{seconds}s": in_bps(gain, marked.value) for seconds, gain in gains_of(marked).items()}
        ours = _row(seq=record.seq, time=record.ts_ns, filled=marked.filled_ns)
        self._put("markouts", _fields(marked, "markouts") | gains | ours)

    def _shadow(self, shadowed: OrderShadowed, record: Record) -> None:
        order = _fields(shadowed, "shadow") | _row(seq=record.seq, time=record.ts_ns, sent=shadowed.sent_ns)
        order |= _total(shadowed.fills, "filled", "value")
        if not shadowed.looks:
            self._put("shadow", order)
        for look in shadowed.looks:
            error, rate = error_of(shadowed, look), shadowed.usd_rate
            seen = {name: value for name in ("taken", "beyond") if (value := getattr(look, name)) is not None}
            if error is not None:
                seen |= _total(look.levels, "book_filled", "book_value") | _row(error=error.cost)
                seen |= {} if rate is None else _row(error_usd=_rounded(EXACT.multiply(error.cost, rate), _USD_STEP))
                seen |= {} if error.price_bps is None else _row(price_error_bps=_rounded(error.price_bps))
            elif look.unmeasured is not None:
                seen |= _row(unmeasured=look.unmeasured.value)
            self._put("shadow", order | seen | _row(at=look.at, after_ns=look.after_ns))

    def _count(self, counted: FunnelCounted, record: Record) -> None:
        ours = _row(seq=record.seq, time=record.ts_ns, not_sized=json.dumps(dict(counted.not_sized)))
        self._put("funnel", _fields(counted, "funnel") | ours)

    def _count_route(self, counted: RouteCounted, record: Record) -> None:
        ours = _row(seq=record.seq, time=record.ts_ns, not_sized=json.dumps(dict(counted.not_sized)))
        self._put("routes", _fields(counted, "routes") | ours)


def _row(**values: Any) -> dict[str, Any]:
    return values


def _rounded(number: Decimal, step: Decimal = _BPS_STEP) -> Decimal:
    return _ROUNDED.quantize(number, step)


def _total(levels: Sequence[Level], filled: str, value: str) -> dict[str, Decimal]:
    """Return what levels sum to, and are worth, by these names."""
    total, worth = ZERO, ZERO
    for price, size in levels:
        total, worth = EXACT.add(total, size), EXACT.add(worth, EXACT.multiply(price, size))
    return {filled: total, value: worth}


def _fields(event: Event, table: str) -> dict[str, Any]:
    """Return the event's fields that the table has columns of."""
    return {name: value for name in _NAMES[table] if (value := getattr(event, name, None)) is not None}
