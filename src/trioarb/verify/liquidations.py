"""Contracts that venues closed by force: for a reason, once, and all of it booked."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignEnded, ContractsLiquidated, Intent, OrderFilled, OrderSubmitted, Record
from trioarb.model.number import text
from trioarb.model.order import Purpose, Side
from trioarb.model.seen import SeenIds
from trioarb.model.trade import ExitReason
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.orders import Orders

__all__ = ["Liquidations"]


@attrs.define(eq=False)
class _Told:
    """What a liquidation told of, and what of it the fills that follow don't account for."""

    record: Record
    event: ContractsLiquidated
    quantity: Decimal
    value: Decimal
    fees: Decimal


class Liquidations(Folding):
    """Comes before the pairs, and the books. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, books: Books, orders: Orders) -> None:
        self._findings = findings
        self._books = books
        self._orders = orders
        self._ids = SeenIds()
        self._told: _Told | None = None
        #: The orders that account for it.
        self._ours: set[str] = set()

    def _liquidate(self, event: ContractsLiquidated, record: Record) -> None:
        self.settle()
        add = self._findings.add
        if not self._ids.add(f"{event.venue} {event.liquidation_id}"):
            add(Check.LEDGER, record, "is liquidated a second time")
        if event.balance is not None and event.maintenance is not None and event.balance >= event.maintenance:
            what = f"liquidates an account worth {text(event.balance)}, of which {text(event.maintenance)} are needed"
            add(Check.LEDGER, record, what)
        held = self._books.contracts(event.venue, event.symbol)
        closes = -held if event.side is Side.BUY else held
        is_certain = all(order.submitted.venue != event.venue for order in self._orders.open.values())
        if event.quantity <= 0 or (is_certain and event.quantity > closes):
            what = f"closes {text(event.quantity)} contracts by a {event.side.value}, of {text(held)} that were held"
            add(Check.LEDGER, record, what)
        self._told = _Told(record, event, event.quantity, event.value, event.fees)

    def _open(self, event: Intent, record: Record) -> None:
        told = self._told
        if event.reason is not ExitReason.LIQUIDATED:
            return
        if told is None or told.event.symbol != event.symbol:
            self._findings.add(Check.INTENTS, record, "is liquidated, and no contracts_liquidated tells of it")

    def _submit(self, event: OrderSubmitted, record: Record) -> None:
        if event.purpose is not Purpose.LIQUIDATION:
            return
        self._ours = {event.client_order_id}
        told = self._told
        if told is None or (event.venue, event.symbol, event.side) != (
            told.event.venue,
            told.event.symbol,
            told.event.side,
        ):
            self._findings.add(Check.INTENTS, record, "is an order of a liquidation that nothing tells of")

    def _fill(self, event: OrderFilled, _: Record) -> None:
        told = self._told
        if told is not None and event.client_order_id in self._ours:
            told.quantity -= event.quantity
            told.value -= event.quantity * event.price
            told.fees -= event.fee
            if not told.quantity:
                self.settle()

    def _end(self, _: CampaignEnded, __: Record) -> None:
        self.settle()

    def settle(self) -> None:
        """Hold the last liquidation against the fills that followed it."""
        told, self._told = self._told, None
        if told is not None and (told.quantity or told.value or told.fees):
            what = (
                f"closes contracts, of which {text(told.quantity)}, worth {text(told.value)} with fees of "
                f"{text(told.fees)}, no fill accounts for"
            )
            self._findings.add(Check.LEDGER, told.record, what)
