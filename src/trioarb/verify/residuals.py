"""Residuals: what was left, and what became of it."""

from __future__ import annotations

from decimal import Decimal

import attrs
from msgspec.structs import replace

from trioarb.journal.fold import Folding
from trioarb.model.event import OrderSubmitted, Record, ResidualLeft, ResidualResolved, ResidualWorked
from trioarb.model.number import ZERO, text
from trioarb.model.order import Side
from trioarb.verify.findings import Check, Findings
from trioarb.verify.flow import Flow
from trioarb.verify.listings import Listings
from trioarb.verify.loop import Loop
from trioarb.verify.orders import Orders
from trioarb.verify.pairs import Pairs

__all__ = ["Residuals"]


@attrs.define
class _Resolution:
    """A residual that was resolved, and what is found to be left of it by the events that follow at once."""

    record: Record
    event: ResidualResolved
    residual: ResidualLeft
    usd_per_quote: Decimal
    late: Flow
    #: The loop whose cross order it stood for: what that moved is left of two assets, and brought no money.
    loop: Loop | None = None
    #: By symbol.
    left: dict[str, Decimal] = attrs.field(factory=dict)
    value: Decimal = ZERO

    @property
    def left_by_fills(self) -> dict[str, Decimal]:
        """What there has to be left, by symbol."""
        if self.loop is not None:
            by_symbol = self.loop.left_by(self.late)
        else:
            before = ZERO if self.residual.possible else self.residual.quantity
            by_symbol = {self.residual.symbol: before + self.late.net}
        return {symbol: quantity for symbol, quantity in by_symbol.items() if quantity}

    @property
    def symbols(self) -> tuple[str, ...]:
        return (self.residual.symbol,) if self.loop is None else self.loop.homes

    @property
    def earned_usd(self) -> Decimal:
        brought = self.late.earned if self.loop is None else ZERO
        return (brought + self.value - self.residual.booked_value) * self.usd_per_quote

    @property
    def fees_usd(self) -> Decimal:
        return self.late.fees * self.usd_per_quote if self.loop is None else self.loop.fees_usd_of(self.late)


class Residuals(Folding):
    """Folds residuals; ``pnl_usd`` is the sum over the resolved ones. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings, pairs: Pairs, orders: Orders) -> None:
        self._findings = findings
        self._listings = listings
        self._pairs = pairs
        self._orders = orders
        self._ids: set[str] = set()
        self.open: dict[str, ResidualLeft] = {}
        self.pnl_usd = ZERO
        self.pending: _Resolution | None = None

    def _leave(self, event: ResidualLeft, record: Record) -> None:
        add, pair, pending = self._findings.add, self._pairs.in_flight.get(event.pair_id), self.pending
        if event.residual_id in self._ids:
            add(Check.RESIDUALS, record, "leaves a residual that there was already")
        self._ids.add(event.residual_id)
        self.open[event.residual_id] = event
        listed = self._listings.symbols.get(event.symbol)
        if pair is not None:
            pair.residuals.append(event)
            opened = pair.opened
            symbols = (opened.symbol,) if pair.loop is None else pair.loop.homes
            if event.trade_id != opened.trade_id or event.symbol not in symbols:
                add(Check.RESIDUALS, record, f"belongs to another trade than {opened.pair_id}")
            if event.venue not in (opened.buy_venue, opened.sell_venue):
                add(Check.RESIDUALS, record, f"is at another venue than {opened.pair_id} traded at")
            if event.unknown and not _can_come_of(event, pair.undone.get(event.client_order_id or "")):
                add(Check.RESIDUALS, record, "can't come of an order that is under way")
        elif self._stands_for_reopened(event):
            pass
        elif pending is not None and pending.residual.pair_id == event.pair_id:
            pending.left[event.symbol] = pending.left.get(event.symbol, ZERO) + event.quantity
            pending.value += event.booked_value
            if event.venue != pending.residual.venue or event.symbol not in pending.symbols:
                add(Check.RESIDUALS, record, f"is elsewhere than {pending.residual.residual_id}, of which it is left")
        else:
            add(Check.RESIDUALS, record, f"belongs to no pair: {self._pairs.why_not_in_flight(event.pair_id)}")
        marks = (mark for mark in (event.mark_price, event.last_price) if mark is not None)
        price = next(marks, event.average_price)
        value = ZERO if event.possible else event.quantity * price
        if event.booked_value != value:
            add(Check.PNL, record, f"is booked at {text(event.booked_value)} instead of {text(value)}")
        if not event.quantity or listed is None or event.asset != listed.base:
            add(Check.RESIDUALS, record, "leaves nothing, or an asset that its symbol does not trade")
        cost_usd = abs(event.quantity) * event.average_price * (listed.usd_per_quote if listed else ZERO)
        if event.cost_usd != cost_usd:
            add(Check.EXPOSURE, record, f"counts {text(event.cost_usd)} USD of exposure instead of {text(cost_usd)}")

    def _stands_for_reopened(self, event: ResidualLeft) -> bool:
        """Whether it may come of an order that its venue took up again after its pair had ended."""
        order = self._orders.open.get(event.client_order_id or "")
        if order is None or order.pair is None or order.submitted.pair_id != event.pair_id:
            return False
        return order.pair.has_ended and event.possible and event.unknown and _can_come_of(event, order.submitted)

    def _work(self, event: ResidualWorked, record: Record) -> None:
        residual = self.open.get(event.residual_id)
        if residual is None or residual.client_order_id is not None:
            self._findings.add(Check.RESIDUALS, record, "works off a residual that isn't there, or waits for an order")
            return
        self.open[event.residual_id] = replace(residual, client_order_id=event.client_order_id)
        self._pairs.worked[event.client_order_id] = residual

    def _resolve(self, event: ResidualResolved, record: Record) -> None:
        self.settle()
        self.pnl_usd += event.pnl_usd
        residual = self.open.pop(event.residual_id, None)
        if residual is None:
            why = "was resolved already" if event.residual_id in self._ids else "was never left"
            self._findings.add(Check.RESIDUALS, record, f"resolves a residual that {why}")
            return
        order_id = residual.client_order_id or ""
        if order_id in self._orders.open:
            self._findings.add(Check.RESIDUALS, record, f"resolves a residual while {order_id} has no last word")
        order = self._orders.late.pop(order_id, None)
        listed = self._listings.symbols.get(residual.symbol)
        loop = None if order is None or order.pair is None else order.pair.loop
        if loop is not None and order is not None and order.submitted.symbol in loop.homes:
            loop = None
        self.pending = _Resolution(
            record,
            event,
            residual,
            listed.usd_per_quote if listed else ZERO,
            (order.late if order else None) or Flow(),
            loop,
        )

    def awaited_usd(self) -> Decimal:
        """Settle the last resolution. Return what is left of it, if the journal breaks off before it says so."""
        pending = self.pending
        if pending is None or pending.left == pending.left_by_fills:
            self.settle()
            return ZERO
        return pending.event.pnl_usd - pending.earned_usd

    def settle(self) -> None:
        """Hold the last resolution against what followed it."""
        pending, self.pending = self.pending, None
        if pending is None:
            return
        event, left, pnl_usd = pending.event, pending.left_by_fills, pending.earned_usd
        if pending.left != left:
            told, there = (text(sum(one.values(), ZERO)) for one in (pending.left, left))
            what = f"leaves {told}, but {there} of it were not traded away"
            self._findings.add(Check.RESIDUALS, pending.record, what)
        fees_usd = pending.fees_usd
        if (event.pnl_usd, event.fees_usd) != (pnl_usd, fees_usd):
            what = (
                f"says a PnL of {text(event.pnl_usd)} and fees of {text(event.fees_usd)} USD; late fills and what is "
                f"left come to {text(pnl_usd)} and {text(fees_usd)}"
            )
            self._findings.add(Check.PNL, pending.record, what)


def _can_come_of(left: ResidualLeft, order: OrderSubmitted | None) -> bool:
    if order is None or left.venue != order.venue:
        return False
    return not left.possible or (left.quantity > 0) == (order.side is Side.BUY)
