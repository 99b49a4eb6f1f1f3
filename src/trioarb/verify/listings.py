"""What each symbol is made of, as the campaign listed it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, InstrumentChanged, InstrumentListed, Record
from trioarb.verify.findings import Check, Findings

__all__ = ["Listed", "Listings"]

_ONE = Decimal(1)


@attrs.define
class Listed:
    """A symbol's assets, the value of its quote asset, and how each venue lists it.

    ``is_valued``: the quote asset has a rate. What has none can be gone through by a loop, and else not be traded.
    """

    base: str
    quote: str
    usd_per_quote: Decimal
    at: dict[str, InstrumentListed | InstrumentChanged] = attrs.field(factory=dict)
    is_valued: bool = True


class Listings(Folding):
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.fx: Mapping[str, Decimal] = {}
        self.symbols: dict[str, Listed] = {}

    def _open(self, event: CampaignOpened, record: Record) -> None:
        self.fx = event.fx

    def _list(self, event: InstrumentListed | InstrumentChanged, record: Record) -> None:
        listed = self.symbols.get(event.symbol)
        if listed is None:
            listed = Listed(event.base, event.quote, self.fx.get(event.quote, _ONE), is_valued=event.quote in self.fx)
            self.symbols[event.symbol] = listed
        elif (listed.base, listed.quote) != (event.base, event.quote):
            self._findings.add(Check.INTENTS, record, f"lists other assets than {listed.base} and {listed.quote}")
        if isinstance(event, InstrumentChanged) and event.venue not in listed.at:
            self._findings.add(Check.INTENTS, record, "changes what was not listed there")
        listed.at[event.venue] = event
