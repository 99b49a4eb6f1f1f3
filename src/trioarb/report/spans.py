"""Trades as spans of a trace: what was decided, sent and filled, when, and what followed from what.

A span is made of events alone, its ids included: whoever makes them again gets the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b

import attrs

from trioarb.journal.fold import Folding, Folds
from trioarb.model.event import (
    CampaignOpened,
    Decided,
    Intent,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
)
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.trade import Answer

__all__ = ["Happened", "Span", "spans_of"]

Attributes = Mapping[str, str | int]


@attrs.frozen
class Happened:
    """Something within a span."""

    name: str
    at_ns: int
    attributes: Attributes


@attrs.frozen(kw_only=True)
class Span:
    """One stretch of a trade: the trade itself, a pair, an order, or its position. Numbers are exact texts.

    ``problem`` says what went wrong, empty if nothing did. ``is_whole``: its end was seen.
    """

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    happened: tuple[Happened, ...]
    problem: str
    is_whole: bool


def spans_of(records: Iterable[Record]) -> Iterator[Span]:
    """Yield the spans of trades, each trade's when it is over; of those that are not, at the end.

    In memory is what is open. What is learnt of an order after its trade is over is in none of it.
    """
    maker = _Maker()
    folds = Folds([maker])
    for record in records:
        folds.apply(record)
        maker.last_ns = record.ts_ns
        yield from maker.done
        maker.done.clear()
    maker.finish()
    yield from maker.done


@attrs.define
class _Open:
    """A span that has begun."""

    name: str
    key: str
    parent: str | None
    start_ns: int
    attributes: dict[str, str | int] = attrs.field(factory=dict)
    happened: list[Happened] = attrs.field(factory=list)
    problem: str = ""
    end_ns: int | None = None


@attrs.define
class _Trade:
    """``spans`` by a name within the trade: the trade itself has none."""

    trade_id: str
    spans: dict[str, _Open] = attrs.field(factory=dict)
    pairs: set[str] = attrs.field(factory=set)
    is_held: bool = False

    def end(self, key: str, at_ns: int) -> _Open | None:
        span = self.spans.get(key)
        if span is not None and span.end_ns is None:
            span.end_ns = at_ns
        return span


class _Maker(Folding):
    def __init__(self) -> None:
        self.done: list[Span] = []
        self.last_ns = 0
        self._campaign = ""
        self._trades: dict[str, _Trade] = {}
        self._of_pair: dict[str, _Trade] = {}
        self._of_order: dict[str, tuple[_Trade, OrderSubmitted]] = {}
        self._filled: dict[str, Decimal] = {}
        #: The ALLOW of which a pair was not opened yet.
        self._allowed: dict[str, tuple[Decided, int]] = {}

    def finish(self) -> None:
        """End what is not over."""
        for trade in list(self._trades.values()):
            self._emit(trade)

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._campaign = opened.campaign_id

    def _decide(self, decided: Decided, record: Record) -> None:
        if decided.answer is Answer.ALLOW and decided.pair_id is not None:
            self._allowed = {decided.pair_id: (decided, record.ts_ns)}

    def _open_pair(self, opened: Intent, record: Record) -> None:
        now_ns = record.ts_ns
        trade = self._trades.get(opened.trade_id)
        if trade is None:
            trade = self._trades[opened.trade_id] = _Trade(opened.trade_id)
            trade.spans[""] = _Open(f"trade {opened.symbol}", "", None, now_ns, _of_trade(opened, self._campaign))
        pair = _Open(f"{opened.kind.value} {opened.symbol}", opened.pair_id, "", now_ns)
        pair.attributes |= {"trioarb.pair": opened.pair_id, "trioarb.quantity": text(opened.quantity)}
        if opened.reason is not None:
            pair.attributes["trioarb.reason"] = opened.reason.value
        allowed = self._allowed.pop(opened.pair_id, None)
        if allowed is not None:
            decided, at_ns = allowed
            pair.happened.append(Happened("allowed", at_ns, _of_decision(decided)))
        trade.spans[opened.pair_id] = pair
        trade.pairs.add(opened.pair_id)
        self._of_pair[opened.pair_id] = trade

    def _submit(self, order: OrderSubmitted, record: Record) -> None:
        trade = self._of_pair.get(order.pair_id)
        if trade is None:
            return  # it works off what a trade left that is over
        span = _Open(f"{order.side.value} {order.venue}", order.client_order_id, order.pair_id, record.ts_ns)
        span.attributes |= {
            "trioarb.order": order.client_order_id,
            "trioarb.venue": order.venue,
            "trioarb.symbol": order.symbol,
            "trioarb.side": order.side.value,
            "trioarb.purpose": order.purpose.value,
            "trioarb.quantity": text(order.quantity),
            "trioarb.limit_price": text(order.limit_price),
        }
        trade.spans[order.client_order_id] = span
        self._of_order[order.client_order_id] = trade, order
        self._filled[order.client_order_id] = ZERO

    def _acknowledge(self, event: OrderAcknowledged, record: Record) -> None:
        if (span := self._order(event.client_order_id)) is not None:
            span.happened.append(Happened("acknowledged", record.ts_ns, {"trioarb.venue_order": event.venue_order_id}))

    def _fill(self, fill: OrderFilled, record: Record) -> None:
        found, span = self._of_order.get(fill.client_order_id), self._order(fill.client_order_id)
        if found is None or span is None:
            return
        trade, order = found
        figures = {"trioarb.quantity": text(fill.quantity), "trioarb.price": text(fill.price)}
        if fill.fee:
            figures |= {"trioarb.fee": text(fill.fee), "trioarb.fee_asset": fill.fee_asset}
        span.happened.append(Happened("filled", record.ts_ns, figures))
        filled = EXACT.add(self._filled[fill.client_order_id], fill.quantity)
        self._filled[fill.client_order_id] = filled
        span.attributes["trioarb.filled"] = text(filled)
        if filled >= order.quantity:
            trade.end(fill.client_order_id, record.ts_ns)

    def _end_order(self, event: OrderCancelled | OrderExpired | OrderRejected, record: Record) -> None:
        found = self._of_order.get(event.client_order_id)
        if found is None:
            return
        span = found[0].end(event.client_order_id, record.ts_ns)
        if span is not None and isinstance(event, OrderRejected):
            span.problem = f"rejected: {event.reason}"

    def _miss(self, event: OrderUnknown, record: Record) -> None:
        if (span := self._order(event.client_order_id)) is not None:
            span.happened.append(Happened("no answer", record.ts_ns, {"trioarb.reason": event.reason}))
            span.problem = f"no answer: {event.reason}"

    def _leave(self, left: ResidualLeft, record: Record) -> None:
        trade = self._trades.get(left.trade_id)
        if trade is not None:
            figures = {"trioarb.venue": left.venue, "trioarb.quantity": text(left.quantity)}
            trade.spans[""].happened.append(Happened("residual left", record.ts_ns, figures))
            trade.spans[""].problem = f"{text(left.quantity)} {left.asset} left at {left.venue}"

    def _hold(self, opened: PositionOpened, record: Record) -> None:
        trade = self._trades.get(opened.trade_id)
        if trade is not None:
            trade.is_held = True
            span = trade.spans["position"] = _Open("position", "position", "", record.ts_ns)
            span.attributes["trioarb.quantity"] = text(opened.quantity)

    def _close(self, closed: PositionClosed, record: Record) -> None:
        trade = self._trades.get(closed.trade_id)
        if trade is None:
            return
        trade.is_held = False
        trade.end("position", record.ts_ns)
        trade.spans[""].attributes |= {
            "trioarb.pnl_usd": text(closed.pnl_usd),
            "trioarb.fees_usd": text(closed.fees_usd),
            "trioarb.exit": closed.reason.value,
        }
        self._end_if_over(trade, record.ts_ns)

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        trade = self._of_pair.pop(ended.pair_id, None)
        if trade is None:
            return
        trade.pairs.discard(ended.pair_id)
        span = trade.end(ended.pair_id, record.ts_ns)
        if span is not None:
            span.attributes |= {"trioarb.outcome": ended.outcome.value, "trioarb.pnl_usd": text(ended.pnl_usd)}
        trade.spans[""].attributes.setdefault("trioarb.pnl_usd", text(ended.pnl_usd))
        self._end_if_over(trade, record.ts_ns)

    def _order(self, order_id: str) -> _Open | None:
        found = self._of_order.get(order_id)
        return None if found is None else found[0].spans.get(order_id)

    def _end_if_over(self, trade: _Trade, at_ns: int) -> None:
        if not trade.pairs and not trade.is_held:
            trade.end("", at_ns)
            self._emit(trade)

    def _emit(self, trade: _Trade) -> None:
        """Let a trade's spans go; what has no end yet is as long as the trade."""
        del self._trades[trade.trade_id]
        end_ns = trade.spans[""].end_ns or self.last_ns
        trace_id = _number(16, self._campaign, trade.trade_id)

        def span_id(key: str) -> int:
            return _number(8, self._campaign, trade.trade_id, key)

        for key, one in trade.spans.items():
            self._of_order.pop(key, None)
            self._of_pair.pop(key, None)
            self._filled.pop(key, None)
            self.done.append(
                Span(
                    trace_id=trace_id,
                    span_id=span_id(key),
                    parent_id=None if one.parent is None else span_id(one.parent),
                    name=one.name,
                    start_ns=one.start_ns,
                    end_ns=end_ns if one.end_ns is None else one.end_ns,
                    attributes=one.attributes,
                    happened=tuple(one.happened),
                    problem=one.problem,
                    is_whole=one.end_ns is not None,
                )
            )


def _of_trade(opened: Intent, campaign: str) -> dict[str, str | int]:
    return {
        "trioarb.campaign": campaign,
        "trioarb.trade": opened.trade_id,
        "trioarb.symbol": opened.symbol,
        "trioarb.buy_venue": opened.buy_venue,
        "trioarb.sell_venue": opened.sell_venue,
    }


def _of_decision(decided: Decided) -> dict[str, str | int]:
    figures = {
        "trioarb.edge_bps": decided.edge_bps,
        "trioarb.ask": decided.ask,
        "trioarb.bid": decided.bid,
        "trioarb.notional_usd": decided.notional_usd,
    }
    return {name: text(value) for name, value in figures.items() if value is not None}


def _number(size: int, *names: str) -> int:
    """Return an id that is never 0, of so many bytes."""
    return int.from_bytes(blake2b("\0".join(names).encode(), digest_size=size).digest(), "big") or 1
