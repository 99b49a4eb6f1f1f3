"""Funding of contracts: at each of its times, for all that were held, and no more."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.contract import ChargeKind
from trioarb.model.event import (
    CampaignEnded,
    CampaignResumed,
    FundingPaid,
    InstrumentChanged,
    InstrumentListed,
    OrderFilled,
    OrderReopened,
    Record,
)
from trioarb.model.number import ZERO, text
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.orders import Orders

__all__ = ["FundingTimes"]

_HOUR_NS = 3_600 * 10**9
#: How much later than its time a venue may say that it booked.
_LATE_NS = 60 * 10**9


@attrs.define(eq=False)
class _Place:
    """A contract at a venue. ``held``: by the times that are not settled yet, what was held then; ``paid``: for how
    many contracts was paid.
    """

    interval_ns: int
    looked_ns: int
    held: dict[int, Decimal] = attrs.field(factory=dict)
    paid: dict[int, Decimal] = attrs.field(factory=dict)


class FundingTimes(Folding):
    """Comes before the orders and the books, which it asks what was held before an event. Decimal arithmetic has to be
    exact around it.

    What was held is uncertain while an order has no last word; and what fell due while a campaign was cut off, or that
    it had no time to hear of before, a venue may have booked or not.
    """

    def __init__(self, findings: Findings, books: Books, orders: Orders) -> None:
        self._findings = findings
        self._books = books
        self._orders = orders
        self._places: dict[tuple[str, str], _Place] = {}

    def _list(self, event: InstrumentListed | InstrumentChanged, record: Record) -> None:
        key, hours = (event.venue, event.symbol), event.funding_interval_hours
        interval_ns = 0 if hours is None else int(hours * _HOUR_NS)
        known = self._places.get(key)
        if not interval_ns:
            self._places.pop(key, None)
        elif known is None or known.interval_ns != interval_ns:
            self._places[key] = _Place(interval_ns, record.ts_ns)

    def _fill(self, event: OrderFilled, record: Record) -> None:
        if self._places:
            self._look(event.venue, event.symbol, record.ts_ns)

    def _reopen(self, event: OrderReopened, record: Record) -> None:
        place = self._places.get((event.venue, event.symbol))
        if place is not None:  # it has filled at some time or other
            place.looked_ns = record.ts_ns
            place.held.clear()

    def _fund(self, event: FundingPaid, record: Record) -> None:
        place = self._look(event.venue, event.symbol, record.ts_ns)
        if place is None or event.kind is not ChargeKind.FUNDING:
            return
        at_ns, late_ns = event.charged_at_ns, event.charged_at_ns % place.interval_ns
        if late_ns > _LATE_NS:
            self._findings.add(Check.LEDGER, record, "is funding at a time at which none is due")
            return
        at_ns -= late_ns
        self._settle(record, event.venue, event.symbol, before_ns=at_ns)
        place.paid[at_ns] = place.paid.get(at_ns, ZERO) + event.quantity

    def _resume(self, _: CampaignResumed, record: Record) -> None:
        for (venue, symbol), place in self._places.items():
            for at_ns in [at_ns for at_ns in place.held if at_ns not in place.paid]:
                del place.held[at_ns]
            self._settle(record, venue, symbol, before_ns=record.ts_ns)
            place.looked_ns = record.ts_ns

    def _end(self, event: CampaignEnded, record: Record) -> None:
        for venue, symbol in self._places:
            place = self._look(venue, symbol, record.ts_ns)
            if place is not None and not event.error and not event.problems:
                self._settle(record, venue, symbol, before_ns=record.ts_ns + 1)

    def _look(self, venue: str, symbol: str, now_ns: int) -> _Place | None:
        """Note what was held at the times that have come since the last look."""
        place = self._places.get((venue, symbol))
        if place is None:
            return None
        first = place.looked_ns // place.interval_ns + 1
        count = self._books.contracts(venue, symbol)
        if count:
            for number in range(first, now_ns // place.interval_ns + 1):
                at_ns = number * place.interval_ns
                if not self._is_uncertain(venue, symbol, at_ns):
                    place.held[at_ns] = count
        place.looked_ns = now_ns
        return place

    def _is_uncertain(self, venue: str, symbol: str, at_ns: int) -> bool:
        return any(
            (order.submitted.venue, order.submitted.symbol) == (venue, symbol) and order.submitted_ns <= at_ns
            for order in self._orders.open.values()
        )

    def _settle(self, record: Record, venue: str, symbol: str, *, before_ns: int) -> None:
        """Hold what was held at earlier times against what was paid for."""
        place = self._places[venue, symbol]
        for at_ns in [at_ns for at_ns in place.held if at_ns < before_ns]:
            count, paid = place.held.pop(at_ns), place.paid.pop(at_ns, ZERO)
            if paid != count:
                what = (
                    f"comes after the funding of {at_ns}, when {text(count)} {symbol} contracts were held at {venue}; "
                    f"it was of {text(paid)}"
                )
                self._findings.add(Check.LEDGER, record, what)
        for at_ns in [at_ns for at_ns in place.paid if at_ns < before_ns]:
            del place.paid[at_ns]
