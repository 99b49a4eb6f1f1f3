"""Orders, and what their venues said of them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from decimal import Context, Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
    OrderUnknown,
    Record,
)
from trioarb.model.number import ZERO, text
from trioarb.model.order import Side
from trioarb.model.seen import SeenIds
from trioarb.verify.books import Books, Lock
from trioarb.verify.findings import Check, Findings
from trioarb.verify.flow import Flow
from trioarb.verify.pair import Pair
from trioarb.verify.pairs import Pairs

__all__ = ["Order", "Orders"]

#: Quotients are no exact numbers: a share of a fee is cut here.
_QUOTIENT, _SHARE = Context(prec=60), Decimal("1e-15")
#: For how long an order that is done may be taken up again.
_REMEMBERED_NS = 20 * 60 * 1_000_000_000


@attrs.define(eq=False)
class Order:
    """An order without a last word. ``late``: what it filled after its pair had ended without it."""

    submitted: OrderSubmitted
    submitted_ns: int
    pair: Pair | None
    unfilled: Decimal
    lock: Lock
    fill_ids: set[str] = attrs.field(factory=set)
    late: Flow | None = None


class Orders(Folding):
    """Folds orders and fills. Decimal arithmetic has to be exact around it.

    ``earned`` is cash less fees of all fills, by quote asset. ``late`` holds orders that were heard of after their
    pair had ended, until the residual that stood for them is resolved.
    """

    def __init__(self, findings: Findings, books: Books, pairs: Pairs) -> None:
        self._findings = findings
        self._books = books
        self._pairs = pairs
        self._ids = SeenIds()
        self.open: dict[str, Order] = {}
        self._done: OrderedDict[str, Order] = OrderedDict()
        self.late: dict[str, Order] = {}
        self.earned: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.without_journal = 0

    @property
    def locks(self) -> Iterator[Lock]:
        return (order.lock for order in self.open.values())

    def submitted(self, client_order_id: str) -> OrderSubmitted | None:
        """Return an order that was submitted, and not done long ago."""
        order = self.open.get(client_order_id) or self._done.get(client_order_id)
        return None if order is None else order.submitted

    def _submit(self, event: OrderSubmitted, record: Record) -> None:
        if not self._ids.add(event.client_order_id):
            self._findings.add(Check.INTENTS, record, "submits an order that there was already")
        if event.quantity <= 0 or event.limit_price <= 0 or event.locked < 0:
            self._findings.add(Check.INTENTS, record, "orders nothing, or at no price")
        self.without_journal += not event.durable
        pair = self._pairs.send(record, event)
        lock = self._books.lock(event)
        self.open[event.client_order_id] = Order(event, record.ts_ns, pair, event.quantity, lock)
        while self._done and record.ts_ns - next(iter(self._done.values())).submitted_ns > _REMEMBERED_NS:
            self._done.popitem(last=False)

    def _acknowledge(self, event: OrderAcknowledged | OrderUnknown, record: Record) -> None:
        self._heard_of(record, event.client_order_id)

    def _fill(self, event: OrderFilled, record: Record) -> None:
        order = self._heard_of(record, event.client_order_id)
        if order is None:
            return
        submitted, add = order.submitted, self._findings.add
        quantity, price, is_buy = event.quantity, event.price, event.side is Side.BUY
        if event.symbol != submitted.symbol or event.venue != submitted.venue or event.side is not submitted.side:
            add(Check.ANSWERS, record, "fills another order than was submitted")
        if quantity <= 0 or quantity > order.unfilled:
            what = f"fills {text(quantity)}, but {text(order.unfilled)} of {text(submitted.quantity)} were open"
            add(Check.ANSWERS, record, what)
        if price <= 0 or (price > submitted.limit_price if is_buy else price < submitted.limit_price):
            what = f"fills at {text(price)}, which is worse than the limit {text(submitted.limit_price)}"
            add(Check.ANSWERS, record, what)
        if event.fill_id in order.fill_ids:
            add(Check.ANSWERS, record, "is counted a second time")
        order.fill_ids.add(event.fill_id)
        value = quantity * price
        fee = self._fee_of(event, record, price)
        self._books.fill(order.lock, event, value)
        pair = order.pair
        common = event.quote
        if event.fx_rate is not None:
            common, value, fee = pair.listed.quote if pair else "", value * event.fx_rate, fee * event.fx_rate
        self.earned[common] += (-value if is_buy else value) - fee
        if pair is not None:
            listed = pair.listed_as(event.symbol)
            quote = listed.quote_at(event.venue)
            if (event.base, event.quote) != (listed.base, quote):
                add(Check.ANSWERS, record, f"moves other assets than {listed.base} and {quote}")
            if not pair.has_ended and event.client_order_id in pair.offered:
                quantity, value, fee = self._take_along(order, pair, event, fee)
            flow = order.late if pair.has_ended else pair.flow(event.symbol, event.venue)
            if flow is not None:
                flow.add(is_buy=is_buy, quantity=quantity, value=value, fee=fee)
                if not (pair.has_ended or pair.is_entry):
                    pair.trade.exits.add(is_buy=is_buy, quantity=quantity, value=value, fee=fee)
        order.unfilled -= event.quantity
        if not order.unfilled:
            self._finish(order)

    def _take_along(
        self, order: Order, pair: Pair, event: OrderFilled, fee: Decimal
    ) -> tuple[Decimal, Decimal, Decimal]:
        """Count what a fill brings beyond what its pair wants; return quantity, value and fee of the pair's part."""
        offered = pair.offered[event.client_order_id].quantity
        own_before = order.unfilled - offered
        own = max(ZERO, min(event.quantity, own_before))
        beyond, price = event.quantity - own, event.price if event.fx_rate is None else event.price * event.fx_rate
        if not beyond:
            return own, own * price, fee
        paid = fee
        if own:
            paid = _QUOTIENT.divide(fee * beyond, event.quantity).quantize(_SHARE, context=_QUOTIENT)
        flow = pair.taken.setdefault(event.venue, Flow())
        flow.add(is_buy=event.side is Side.BUY, quantity=beyond, value=beyond * price, fee=paid)
        return own, own * price, fee - paid

    def _fee_of(self, event: OrderFilled, record: Record, price: Decimal) -> Decimal:
        """Return what a fee is worth in quote asset; one in a third asset, as it was booked."""
        if event.fee_asset == event.quote or event.fee_asset == event.base:
            if event.fee_value is not None:
                self._findings.add(Check.PNL, record, f"values a fee in {event.fee_asset}, which is traded here")
            return event.fee * price if event.fee_asset == event.base else event.fee
        value = ZERO if event.fee_value is None else event.fee_value
        if (value > 0) != (event.fee > 0) and event.fee_value is not None:
            self._findings.add(Check.PNL, record, f"values a fee of {text(event.fee)} at {text(value)}")
        return value

    def _cancel(self, event: OrderCancelled | OrderExpired, record: Record) -> None:
        order = self._heard_of(record, event.client_order_id)
        if order is not None:
            if event.unfilled != order.unfilled:
                what = f"cancels {text(event.unfilled)}, but {text(order.unfilled)} were not filled"
                self._findings.add(Check.ANSWERS, record, what)
            self._finish(order)

    def _reject(self, event: OrderRejected, record: Record) -> None:
        order = self._heard_of(record, event.client_order_id)
        if order is not None:
            if order.unfilled != order.submitted.quantity:
                self._findings.add(Check.ANSWERS, record, "rejects an order that has filled")
            self._finish(order)

    def _reopen(self, event: OrderReopened, record: Record) -> None:
        """Take up an order that was done: what comes of it now is late, if its pair has ended."""
        order = self._done.pop(event.client_order_id, None)
        if order is None:
            what = "is under way" if event.client_order_id in self.open else "was not done lately"
            self._findings.add(Check.ANSWERS, record, f"takes up an order that {what}")
            return
        submitted, pair = order.submitted, order.pair
        trade_id = event.trade_id if pair is None else pair.opened.trade_id
        if (event.pair_id, event.trade_id, event.venue, event.symbol, event.side, event.unfilled) != (
            submitted.pair_id,
            trade_id,
            submitted.venue,
            submitted.symbol,
            submitted.side,
            order.unfilled,
        ):
            self._findings.add(Check.ANSWERS, record, "takes up an order as another than was submitted")
        self.open[event.client_order_id] = order
        if pair is not None and not pair.has_ended:
            pair.undone[event.client_order_id] = submitted
        elif pair is not None:
            order.late = Flow()
            self.late[event.client_order_id] = order
            self._pairs.left[event.pair_id] = pair  # what comes of it is a residual that its pair left

    def _heard_of(self, record: Record, order_id: str) -> Order | None:
        """Return the order that an answer is about, if there can be one."""
        order = self.open.get(order_id)
        if order is None:
            why = "is done already" if order_id in self._ids else "was never submitted"
            self._findings.add(Check.ANSWERS, record, f"is about an order that {why}")
        elif order.late is None and order.pair is not None and order.pair.has_ended:
            order.late = Flow()
            self.late[order_id] = order
        return order

    def _finish(self, order: Order) -> None:
        order_id = order.submitted.client_order_id
        del self.open[order_id]
        if order.pair is not None:
            order.pair.undone.pop(order_id, None)
        self._books.release(order.lock)
        order.lock.amount = ZERO
        self._done[order_id] = order
