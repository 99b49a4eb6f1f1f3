"""What is said of orders in shadow mode is held against those orders, and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, Look, OrderFilled, OrderRejected, OrderShadowed, OrderSubmitted, Record
from trioarb.model.market import Level
from trioarb.model.number import ZERO, text
from trioarb.model.order import Purpose, Side
from trioarb.verify.findings import Check, Findings

__all__ = ["Shadow"]


@attrs.define
class _Order:
    submitted: OrderSubmitted
    sent_ns: int
    fills: list[Level] = attrs.field(factory=list)
    is_refused: bool = False


class Shadow(Folding):
    """Folds orders of a campaign in shadow mode. Decimal arithmetic has to be exact around it.

    Each order is compared once: by what was filled of it, and by books that were looked at between its sending and the
    event, of which nothing is taken beyond its limit and its quantity.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._is_on = False
        #: Those that are to be compared still.
        self._orders: dict[str, _Order] = {}

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._is_on = opened.mode == "shadow"

    def _submit(self, event: OrderSubmitted, record: Record) -> None:
        if self._is_on and event.purpose is not Purpose.LIQUIDATION:
            self._orders[event.client_order_id] = _Order(event, record.ts_ns)

    def _fill(self, event: OrderFilled, _: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is not None:
            order.fills.append(Level(event.price, event.quantity))

    def _reject(self, event: OrderRejected, _: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is not None:
            order.is_refused = True

    def _compare(self, event: OrderShadowed, record: Record) -> None:
        order = self._orders.pop(event.client_order_id, None)
        if order is None:
            self._add(record, "compares an order that there was not, that was compared before, or in another mode")
            return
        sent = order.submitted
        if (event.venue, event.symbol, event.side, event.purpose, event.rests, event.quantity, event.limit_price) != (
            sent.venue,
            sent.symbol,
            sent.side,
            sent.purpose,
            sent.rests,
            sent.quantity,
            sent.limit_price,
        ):
            self._add(record, "compares an order as another than was submitted")
        if event.sent_ns != order.sent_ns:
            self._add(record, f"says that the order was sent at {event.sent_ns}; that was at {order.sent_ns}")
        if list(event.fills) != order.fills or event.is_refused != order.is_refused:
            self._add(record, "says that the model did something else with the order than was recorded of it")
        self._check_looks(record, event)
        self._check_rest(record, event)
        if event.usd_rate is not None and event.usd_rate <= 0:
            self._add(record, f"counts a unit of quote asset as {text(event.usd_rate)} USD")

    def _check_looks(self, record: Record, event: OrderShadowed) -> None:
        names = [look.at for look in event.looks]
        times = [look.after_ns for look in event.looks]
        if len(set(names)) < len(names) or times != sorted(times) or any(ns < 0 for ns in times):
            self._add(record, "looks twice at the same, or in another order than that of time")
        if event.rests and event.looks:
            self._add(record, "looks at books as if the order had not rested")
        for look in event.looks:
            if look.unmeasured is None:
                self._check_look(event, look, record)
            elif look.levels or look.taken is not None or look.beyond is not None:
                self._add(record, f"says of a look ({look.at}) that it was none, and what was seen")

    def _check_look(self, event: OrderShadowed, look: Look, record: Record) -> None:
        if record.ts_ns < event.sent_ns + look.after_ns:
            self._add(record, f"can't know yet what the book has {look.after_ns} ns after the order ({look.at})")
        prices = [level.price for level in look.levels]
        filled = sum((level.size for level in look.levels), ZERO)
        best_first = sorted(prices, reverse=event.side is Side.SELL)
        if prices != best_first or any(level.price <= 0 or level.size <= 0 for level in look.levels):
            self._add(record, f"has levels ({look.at}) that no book has")
        if any(self._is_worse(price, event.limit_price, event.side) for price in prices):
            self._add(record, f"takes levels ({look.at}) beyond the limit {text(event.limit_price)}")
        if filled > event.quantity:
            self._add(record, f"takes {text(filled)} of the book ({look.at}) for an order of {text(event.quantity)}")
        if (filled < event.quantity) != (look.beyond is not None):
            self._add(record, f"says ({look.at}) at which price the rest is had where there is none, or doesn't")
        if look.beyond is not None and prices and self._is_worse(prices[-1], look.beyond, event.side):
            self._add(record, f"has the rest ({look.at}) at a better price than what it takes")

    def _check_rest(self, record: Record, event: OrderShadowed) -> None:
        known = event.reached, event.uncertain
        if not event.rests:
            if known != (None, None):
                self._add(record, "says of an order that doesn't rest what was reached of it")
        elif not _are_parts(known, event.quantity):
            self._add(record, "says that more was reached of an order than it is for, or doesn't say how much")

    @staticmethod
    def _is_worse(price: Decimal, limit: Decimal, side: Side) -> bool:
        return price > limit if side is Side.BUY else price < limit

    def _add(self, record: Record, what: str) -> None:
        self._findings.add(Check.MARKS, record, what)


def _are_parts(parts: Sequence[Decimal | None], quantity: Decimal) -> bool:
    known = [part for part in parts if part is not None]
    return len(known) == len(parts) and all(part >= 0 for part in known) and sum(known, ZERO) <= quantity
