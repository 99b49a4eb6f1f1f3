"""How long each stage of an order's way takes in real time: from the quote to the last word of its venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from time import perf_counter_ns
from typing import Any

import attrs

from trioarb.model.event import (
    Event,
    Intent,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    Record,
    TransactionOpened,
)
from trioarb.model.order import Order, Purpose
from trioarb.time.latency import LatencyHistogram

__all__ = ["Stage", "Stages"]


class Stage(Enum):
    """One after the other; each begins where the one before ends.

    DECIDE: from the receipt of a quote to the end of the evaluation that it led to. JOURNAL: from the decision, which
    opens a pair, until the intents of its orders may be relied upon; of an order that evens out, from its intent. SEND:
    until the venue's plugin has been given the order. ACKNOWLEDGE: until the venue's first word on it. FILL: from there
    to the first fill, of orders that don't rest.
    """

    DECIDE = "decide"
    JOURNAL = "journal"
    SEND = "send"
    ACKNOWLEDGE = "acknowledge"
    FILL = "fill"


@attrs.define
class _Way:
    """Where an order is on its way, and since when."""

    stage: Stage
    since_ns: int
    rests: bool


class Stages:
    """Stamps orders where they go on, by a clock that nothing but this looks at. In real time only.

    It observes the journal, and is told of what no event says. Orders of which it saw no beginning, since another
    process sent them, are in none of it.
    """

    def __init__(self, speed: float = 1.0) -> None:
        """``speed``: how many seconds of the campaign pass in one."""
        self.took: Mapping[Stage, LatencyHistogram] = {stage: LatencyHistogram() for stage in Stage}
        self._speed = speed
        self._opened_ns: dict[str, int] = {}
        self._ways: dict[str, _Way] = {}
        self._takes: Mapping[type[Event], Callable[[Any], None]] = {
            PairOpened: self._open,
            TransactionOpened: self._open,
            PairEnded: self._close,
            OrderSubmitted: self._submit,
            OrderAcknowledged: self._acknowledge,
            OrderFilled: self._fill,
            OrderRejected: self._refuse,
            OrderCancelled: self._end,
            OrderExpired: self._end,
        }

    def observe(self, record: Record) -> None:
        """Take note of an event."""
        take = self._takes.get(type(record.event))
        if take is not None:
            take(record.event)

    def decided(self, campaign_ns: int) -> None:
        """Take note of how much of the campaign's time passed from a quote to the end of its evaluation."""
        self.took[Stage.DECIDE].add(round(campaign_ns / self._speed))

    def durable(self, orders: Iterable[Order]) -> None:
        """Take note that the intents of orders may be relied upon."""
        for order in orders:
            self._go_on(order.client_order_id, Stage.JOURNAL, Stage.SEND)

    def sent(self, order: Order) -> None:
        """Take note that an order is given to its venue's plugin."""
        self._go_on(order.client_order_id, Stage.SEND, Stage.ACKNOWLEDGE)

    def _go_on(self, order_id: str, stage: Stage, following: Stage | None) -> None:
        way = self._ways.get(order_id)
        if way is None or way.stage is not stage:
            return
        now_ns = perf_counter_ns()
        self.took[stage].add(now_ns - way.since_ns)
        if following is None:
            del self._ways[order_id]
        else:
            way.stage, way.since_ns = following, now_ns

    def _open(self, event: Intent) -> None:
        self._opened_ns[event.pair_id] = perf_counter_ns()

    def _close(self, event: PairEnded) -> None:
        self._opened_ns.pop(event.pair_id, None)

    def _submit(self, event: OrderSubmitted) -> None:
        now_ns = perf_counter_ns()
        since_ns = self._opened_ns.get(event.pair_id, now_ns) if event.purpose is Purpose.LEG else now_ns
        self._ways[event.client_order_id] = _Way(Stage.JOURNAL, since_ns, event.rests)

    def _acknowledge(self, event: OrderAcknowledged) -> None:
        self._go_on(event.client_order_id, Stage.ACKNOWLEDGE, Stage.FILL)

    def _fill(self, event: OrderFilled) -> None:
        way = self._ways.get(event.client_order_id)
        if way is not None and not way.rests:
            self._go_on(event.client_order_id, Stage.FILL, None)

    def _refuse(self, event: OrderRejected) -> None:
        self._go_on(event.client_order_id, Stage.ACKNOWLEDGE, None)
        self._ways.pop(event.client_order_id, None)

    def _end(self, event: OrderCancelled | OrderExpired) -> None:
        self._ways.pop(event.client_order_id, None)
