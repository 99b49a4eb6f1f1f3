"""Which symbols are traded, and that no other is entered."""

from __future__ import annotations

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, Intent, Record, UniverseRefreshed
from trioarb.model.market import InstrumentStatus
from trioarb.model.trade import PairKind
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Universe"]


class Universe(Folding):
    """The symbols that were chosen last, and whether their instruments trade."""

    def __init__(self, findings: Findings, listings: Listings) -> None:
        self._listings = listings
        self._findings = findings
        self._symbols = frozenset[str]()

    def _open(self, event: CampaignOpened, record: Record) -> None:
        self._symbols = frozenset(event.symbols)

    def _refresh(self, event: UniverseRefreshed, record: Record) -> None:
        before, now = self._symbols, frozenset(event.symbols)
        if len(now) != len(event.symbols):
            self._findings.add(Check.PHASES, record, "names a symbol twice")
        if frozenset(event.added) != now - before or frozenset(event.dropped) != before - now:
            self._findings.add(Check.PHASES, record, "adds or drops others than follow from the symbols before it")
        self._symbols = now

    def _enter(self, event: Intent, record: Record) -> None:
        if event.kind is not PairKind.ENTRY:
            return
        if event.symbol not in self._symbols:
            self._findings.add(Check.ENTRIES, record, "enters a symbol that is not among those that were chosen")
        listed = self._listings.symbols.get(event.symbol)
        for venue in (event.buy_venue, event.sell_venue) if listed is not None else ():
            at = listed.at.get(venue) if listed is not None else None
            if at is not None and at.status is InstrumentStatus.HALTED:
                self._findings.add(Check.ENTRIES, record, f"enters at {venue}, where the symbol is halted")
