"""Transfers: what was sent is what arrived, the fees, and what is under way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import Record, TransferArrived, TransferSent
from trioarb.model.number import ZERO, text
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Transfers"]


@attrs.define(eq=False)
class _Asset:
    """All transfers of an asset."""

    sent: Decimal = ZERO
    fees: Decimal = ZERO
    arrived: Decimal = ZERO


class Transfers(Folding):
    """Posts transfers to the books, and counts what is under way. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings, books: Books) -> None:
        self._findings = findings
        self._listings = listings
        self._books = books
        self._ids: set[str] = set()
        self._assets: defaultdict[str, _Asset] = defaultdict(_Asset)
        self.open: dict[str, TransferSent] = {}

    def _send(self, event: TransferSent, record: Record) -> None:
        add, under_way = self._findings.add, event.amount - event.fee
        if event.transfer_id in self._ids:
            add(Check.LEDGER, record, "sends a transfer that there was already")
        self._ids.add(event.transfer_id)
        if under_way <= 0 or event.fee < 0 or event.source == event.target:
            add(Check.LEDGER, record, "sends nothing, or nowhere")
        if event.arrives_at_ns < record.ts_ns:
            add(Check.LEDGER, record, "sends what was to arrive before")
        if event.amount > self._books.free(event.source, event.asset):
            what = f"sends {text(event.amount)} {event.asset}, more than is free at {event.source}"
            add(Check.LEDGER, record, what)
        if event.symbol is not None:
            listed = self._listings.symbols.get(event.symbol)
            if listed is None or listed.base != event.asset:
                add(Check.EXPOSURE, record, f"counts to {event.symbol}, which {event.asset} is not the base of")
        if event.value_usd < 0 or event.value_usd * event.fee != event.fee_usd * under_way:
            add(Check.EXPOSURE, record, "values what it sends and its fee at different prices")
        one = self._assets[event.asset]
        one.sent += event.amount
        one.fees += event.fee
        self.open[event.transfer_id] = event
        self._books.send(event.source, event.asset, event.amount, event.fee)

    def _arrive(self, event: TransferArrived, record: Record) -> None:
        sent, add = self.open.pop(event.transfer_id, None), self._findings.add
        if sent is None:
            why = "has arrived already" if event.transfer_id in self._ids else "was never sent"
            add(Check.LEDGER, record, f"is the arrival of a transfer that {why}")
        elif (event.asset, event.source, event.target) != (sent.asset, sent.source, sent.target):
            add(Check.LEDGER, record, "arrives as another transfer than was sent")
        elif event.amount != sent.amount - sent.fee:
            what = f"arrives with {text(event.amount)} of {text(sent.amount)}, {text(sent.fee)} of which are the fee"
            add(Check.LEDGER, record, what)
        elif record.ts_ns < sent.arrives_at_ns:
            add(Check.LEDGER, record, "arrives too early")
        self._assets[event.asset].arrived += event.amount
        self._books.arrive(event.target, event.asset, event.amount)

    def exposure_usd(self) -> Decimal:
        """Return what counts as exposure of what is under way."""
        return sum((one.value_usd for one in self.open.values()), ZERO)

    def under_way(self) -> Iterator[tuple[str, str, Decimal]]:
        """Yield asset, venue and amount of what is to arrive."""
        return ((one.asset, one.target, one.amount - one.fee) for one in self.open.values())

    def check(self, record: Record) -> None:
        """Check that of each asset all that was sent has arrived, is a fee, or is under way."""
        coming: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for asset, _, amount in self.under_way():
            coming[asset] += amount
        for asset, one in self._assets.items():
            if one.sent != one.arrived + one.fees + coming[asset]:
                what = (
                    f"leaves {text(one.sent)} {asset} sent, but {text(one.arrived)} arrived, {text(one.fees)} were "
                    f"fees and {text(coming[asset])} are under way"
                )
                self._findings.add(Check.LEDGER, record, what)
