"""Funding and interest: each by its rate, for all that was held, once."""

from __future__ import annotations

from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.contract import ChargeKind
from trioarb.model.event import FundingPaid, Record
from trioarb.model.number import BPS, ZERO, text
from trioarb.model.seen import SeenIds
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings
from trioarb.verify.pairs import Pairs

__all__ = ["Funding"]

#: Venues round what they pay, and parts of it are cut.
_ROUNDED = Decimal("1e-8")


class Funding(Folding):
    """Folds what was paid for holding; comes after the books. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings, books: Books, pairs: Pairs) -> None:
        self._findings = findings
        self._listings = listings
        self._books = books
        self._pairs = pairs
        self._ids = SeenIds()
        #: The charge whose parts come now: its last event, what was held, and what its parts come to.
        self._charge: tuple[Record, FundingPaid, Decimal, Decimal] | None = None
        self.pnl_usd = ZERO

    def _fund(self, event: FundingPaid, record: Record) -> None:
        add, listed = self._findings.add, self._listings.symbols.get(event.symbol)
        before = self._charge
        if before is None or (before[1].venue, before[1].charge_id) != (event.venue, event.charge_id):
            self.settle()
            if not self._ids.add(f"{event.venue} {event.charge_id}"):
                add(Check.LEDGER, record, "is charged a second time")
            self._charge = record, event, self._held(event), event.quantity
        else:
            self._charge = record, event, before[2], before[3] + event.quantity
        value = event.quantity * event.mark * event.rate_bps / BPS
        due = -value if event.kind is ChargeKind.FUNDING else -abs(value)
        if abs(event.amount - due) > _ROUNDED:
            add(Check.LEDGER, record, f"moves {text(event.amount)} {event.asset}; rate and mark come to {text(due)}")
        if listed is None or event.asset != listed.quote:
            add(Check.LEDGER, record, "is paid in another asset than its symbol is quoted in")
        elif event.amount_usd != event.amount * listed.usd_per_quote:
            add(Check.PNL, record, f"is {text(event.amount_usd)} USD instead of {event.amount * listed.usd_per_quote}")
        self.pnl_usd += event.amount_usd
        if event.trade_id is not None:
            trade = self._pairs.trades.get(event.trade_id)
            if trade is None or not trade.quantity:
                add(Check.POSITIONS, record, "belongs to a trade without an open position")
            else:
                trade.pnl_usd += event.amount_usd
                trade.realised += event.amount

    def settle(self) -> None:
        """Hold the last charge against what was held."""
        charge, self._charge = self._charge, None
        if charge is not None and charge[2] != charge[3]:
            what = f"completes a charge for {text(charge[3])}, but {text(charge[2])} were held"
            self._findings.add(Check.LEDGER, charge[0], what)

    def _held(self, event: FundingPaid) -> Decimal:
        if event.kind is ChargeKind.FUNDING:
            return self._books.count(event.venue, event.symbol)
        listed = self._listings.symbols.get(event.symbol)
        return ZERO if listed is None else self._books.held(event.venue, listed.base)
