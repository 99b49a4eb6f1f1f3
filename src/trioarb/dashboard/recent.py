"""What happened last: orders, fills, events that people want to hear of, and how each venue stands."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    EntriesHeld,
    EntriesReleased,
    MarketDown,
    MarketStale,
    MarketUp,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    PairOpened,
    Record,
    TransactionOpened,
    UpdatesDown,
    UpdatesUp,
)
from trioarb.model.number import EXACT, ZERO

__all__ = ["RECENT", "Recent", "RecentOrder", "VenueStands"]

#: So many orders, fills and events are kept.
RECENT = 60
_PAIRS = 1_000


@attrs.define
class RecentOrder:
    """An order, how it stands since ``at_ns``, and what of it has filled."""

    submitted: OrderSubmitted
    trade_id: str
    at_ns: int
    state: str = "submitted"
    filled: Decimal = ZERO
    reason: str = ""


@attrs.define
class VenueStands:
    """How a venue stands, since when and why; ``held``: what denies entries there; counts of its orders."""

    state: str = "unknown"
    since_ns: int | None = None
    reason: str = ""
    held: dict[str, str] = attrs.field(factory=dict)
    counts: Counter[str] = attrs.field(factory=Counter)


class Recent(Folding):
    """Folds a journal in bounded memory."""

    def __init__(self) -> None:
        self.orders: OrderedDict[str, RecentOrder] = OrderedDict()
        self.fills: deque[tuple[int, OrderFilled]] = deque(maxlen=RECENT)
        self.venues: dict[str, VenueStands] = {}
        self._trade_of: OrderedDict[str, str] = OrderedDict()

    def of(self, venue: str) -> VenueStands:
        found = self.venues.get(venue)
        if found is None:
            found = self.venues[venue] = VenueStands()
        return found

    def _open_pair(self, opened: PairOpened | TransactionOpened, _: Record) -> None:
        self._trade_of[opened.pair_id] = opened.trade_id
        if len(self._trade_of) > _PAIRS:
            self._trade_of.popitem(last=False)

    def _submit(self, order: OrderSubmitted, record: Record) -> None:
        self.of(order.venue).counts["orders"] += 1
        trade_id = self._trade_of.get(order.pair_id, "")
        self.orders[order.client_order_id] = RecentOrder(order, trade_id, record.ts_ns)
        if len(self.orders) > RECENT:
            self.orders.popitem(last=False)

    def _fill(self, fill: OrderFilled, record: Record) -> None:
        self.fills.append((record.ts_ns, fill))
        self.of(fill.venue).counts["fills"] += 1
        if (order := self.orders.get(fill.client_order_id)) is not None:
            order.filled, order.at_ns = EXACT.add(order.filled, fill.quantity), record.ts_ns
            order.state = "filled" if order.filled >= order.submitted.quantity else "partially filled"

    def _acknowledge(self, event: OrderAcknowledged, record: Record) -> None:
        if (order := self.orders.get(event.client_order_id)) is not None and order.state == "submitted":
            order.state, order.at_ns = "acknowledged", record.ts_ns

    def _end_order(self, event: OrderCancelled | OrderExpired | OrderRejected | OrderUnknown, record: Record) -> None:
        order = self.orders.get(event.client_order_id)
        if order is None:
            return
        order.state, order.at_ns = _ENDS[type(event)], record.ts_ns
        order.reason = "" if isinstance(event, OrderExpired) else event.reason
        if isinstance(event, OrderRejected | OrderUnknown):
            self.of(order.submitted.venue).counts["errors"] += 1

    def _market(self, event: MarketUp | MarketStale | MarketDown, record: Record) -> None:
        one = self.of(event.venue)
        one.state, one.since_ns = _MARKETS[type(event)], record.ts_ns
        one.reason = event.reason if isinstance(event, MarketDown) else ""

    def _updates(self, event: UpdatesDown | UpdatesUp, _: Record) -> None:
        held = self.of(event.venue).held
        if isinstance(event, UpdatesDown):
            held["order updates"] = event.reason
        else:
            held.pop("order updates", None)

    def _hold(self, event: EntriesHeld | EntriesReleased, _: Record) -> None:
        held = self.of(event.venue).held
        if isinstance(event, EntriesHeld):
            held[event.by.value] = event.reason
        else:
            held.pop(event.by.value, None)


_ENDS = {
    OrderCancelled: "cancelled",
    OrderExpired: "expired",
    OrderRejected: "rejected",
    OrderUnknown: "unknown",
}
_MARKETS = {MarketUp: "up", MarketStale: "stale", MarketDown: "down"}
