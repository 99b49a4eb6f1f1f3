"""Funding and interest: each by its rate, once."""

from __future__ import annotations

from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.contract import ChargeKind
from trioarb.model.event import FundingPaid, Record
from trioarb.model.number import BPS, ZERO, text
from trioarb.model.seen import SeenIds
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings
from trioarb.verify.pairs import Pairs

__all__ = ["Funding"]

#: Venues round what they pay, and parts of it are cut.
_ROUNDED = Decimal("1e-8")


class Funding(Folding):
    """Folds what was paid for holding. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings, pairs: Pairs) -> None:
        self._findings = findings
        self._listings = listings
        self._pairs = pairs
        self._ids = SeenIds()
        #: The charge whose parts come now.
        self._charge: tuple[str, str] | None = None
        self.pnl_usd = ZERO

    def _fund(self, event: FundingPaid, record: Record) -> None:
        add, listed = self._findings.add, self._listings.symbols.get(event.symbol)
        charge = event.venue, event.charge_id
        if charge != self._charge and not self._ids.add(" ".join(charge)):
            add(Check.LEDGER, record, "is charged a second time")
        self._charge = charge
        value = event.quantity * event.mark * event.rate_bps / BPS
        due = -value if event.kind is ChargeKind.FUNDING else value
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
