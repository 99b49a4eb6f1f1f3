"""Mark out fills: record where the market stood one, ten and sixty seconds after each."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import attrs

from trioarb.engine.campaign import Campaign
from trioarb.model.event import (
    Event,
    FillsMarkedOut,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    Record,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Purpose
from trioarb.model.trade import HORIZONS
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["mark_out_periodically"]

_ORDER = Turn.SERVICE.order(number=6)
_HALF = Decimal("0.5")


@attrs.define
class _Fills:
    """The fills of an order that came at one moment, and the mids of its venue that were seen since."""

    first: OrderFilled
    purpose: Purpose
    rests: bool
    filled_ns: int
    quantity: Decimal = ZERO
    value: Decimal = ZERO
    mids: list[Decimal | None] = attrs.field(factory=list)


class _Pending:
    """Fills by the horizon that they wait for; those of each come in the order of time."""

    def __init__(self, campaign: Campaign) -> None:
        self._parts, self._boards = campaign.parts, campaign.world.boards
        self._waiting: tuple[deque[_Fills], ...] = tuple(deque() for _ in HORIZONS)
        self._last: _Fills | None = None
        #: The orders without a last word: one that rests for long is forgotten elsewhere as soon as it is filled.
        self._orders: dict[str, OrderSubmitted] = {}

    def hear(self, event: Event, now_ns: int) -> bool:
        """Note orders that come and go, and what they fill; say whether somebody has to look earlier than before."""
        match event:
            case OrderSubmitted():
                self._orders[event.client_order_id] = event
            case OrderCancelled() | OrderExpired() | OrderRejected():
                self._orders.pop(event.client_order_id, None)
            case OrderFilled():
                order = self._parts.trades.order(event.client_order_id)
                submitted = self._orders.get(event.client_order_id) or (order.submitted if order else None)
                if order is None or order.is_done:
                    self._orders.pop(event.client_order_id, None)
                if submitted is not None:
                    due_ns = self.due_ns
                    self._add(event, submitted, now_ns)
                    return due_ns is None or due_ns > now_ns + HORIZONS[0] * SECOND_NS
        return False

    @property
    def due_ns(self) -> int | None:
        """When somebody has to look next; ``None``: nothing is waited for."""
        return min(
            (
                waiting[0].filled_ns + seconds * SECOND_NS
                for seconds, waiting in zip(HORIZONS, self._waiting, strict=True)
                if waiting
            ),
            default=None,
        )

    def _add(self, fill: OrderFilled, order: OrderSubmitted, now_ns: int) -> None:
        fills = self._last
        if fills is None or fills.filled_ns != now_ns or fills.first.client_order_id != fill.client_order_id:
            fills = self._last = _Fills(fill, order.purpose, order.rests, now_ns)
            self._waiting[0].append(fills)
        fills.quantity = EXACT.add(fills.quantity, fill.quantity)
        fills.value = EXACT.add(fills.value, EXACT.multiply(fill.quantity, fill.price))

    def look(self, now_ns: int) -> None:
        """Take the mids that are due, and record the fills that have all of theirs."""
        # The longest first, so that nothing is looked at twice at one moment.
        for index in reversed(range(len(HORIZONS))):
            waiting = self._waiting[index]
            while waiting and waiting[0].filled_ns + HORIZONS[index] * SECOND_NS <= now_ns:
                fills = waiting.popleft()
                fills.mids.append(self._mid(fills.first))
                if index + 1 < len(HORIZONS):
                    self._waiting[index + 1].append(fills)
                else:
                    self._record(fills)

    def end(self) -> None:
        """Record what was seen of the fills whose time hasn't come."""
        for fills in sorted((one for waiting in self._waiting for one in waiting), key=lambda one: one.filled_ns):
            if any(mid is not None for mid in fills.mids):
                self._record(fills)

    def _mid(self, fill: OrderFilled) -> Decimal | None:
        touch = self._boards[fill.symbol].touch(fill.venue)
        if touch is None or touch.bid is None or touch.ask is None:
            return None
        return EXACT.multiply(EXACT.add(touch.bid, touch.ask), _HALF)

    def _record(self, fills: _Fills) -> None:
        first = fills.first
        mids = [*fills.mids, *[None] * len(HORIZONS)]
        self._parts.journal.record(
            FillsMarkedOut(
                client_order_id=first.client_order_id,
                venue=first.venue,
                symbol=first.symbol,
                side=first.side,
                purpose=fills.purpose,
                rests=fills.rests,
                filled_ns=fills.filled_ns,
                quantity=fills.quantity,
                value=fills.value,
                mid_1s=mids[0],
                mid_10s=mids[1],
                mid_60s=mids[2],
            )
        )


async def mark_out_periodically(campaign: Campaign) -> None:
    """Look at the market after each fill, if the configuration wants it.

    What still waits at the end is recorded as it is. Nothing is done for a quote: the boards are looked at when a
    horizon of a fill has come.
    """
    if not campaign.config.engine.markouts:
        return
    time, pending = campaign.parts.time, _Pending(campaign)
    bell = time.bell(_ORDER)

    def observe(record: Record) -> None:
        if pending.hear(record.event, record.ts_ns):
            bell.ring()

    campaign.parts.journal.attach(observers=[observe])
    try:
        while True:
            await bell.wait(pending.due_ns)
            pending.look(time.now_ns())
    finally:
        pending.end()
