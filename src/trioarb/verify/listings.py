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
    """A symbol's assets, the value of its quote asset, and how each venue lists it; some quote it in another asset.

    ``is_valued``: the quote asset has a rate. What has none can be gone through by a loop, and else not be traded.
    """

    base: str
    quote: str
    usd_per_quote: Decimal
    at: dict[str, InstrumentListed | InstrumentChanged] = attrs.field(factory=dict)
    is_valued: bool = True

    def quote_at(self, venue: str) -> str:
        """Return in which asset a venue quotes it."""
        one = self.at.get(venue)
        return self.quote if one is None else one.quote

    def converted_at(self, venue: str) -> str | None:
        """Return that asset where it isn't the symbol's own, and needs a rate."""
        one = self.at.get(venue)
        return None if one is None or one.counts_as is None else one.quote

    def is_contract_at(self, venue: str) -> bool:
        instrument = self.at.get(venue)
        return instrument is not None and instrument.leverage is not None


class Listings(Folding):
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.fx: Mapping[str, Decimal] = {}
        self.symbols: dict[str, Listed] = {}
        #: The symbols of contracts, by venue and what they are called among its assets.
        self.contracts: dict[tuple[str, str], str] = {}

    def _open(self, event: CampaignOpened, record: Record) -> None:
        self.fx = event.fx

    def _list(self, event: InstrumentListed | InstrumentChanged, record: Record) -> None:
        listed, quote = self.symbols.get(event.symbol), event.counts_as or event.quote
        if listed is None:
            listed = Listed(event.base, quote, self.fx.get(quote, _ONE), is_valued=quote in self.fx)
            self.symbols[event.symbol] = listed
        elif (listed.base, listed.quote) != (event.base, quote):
            self._findings.add(Check.INTENTS, record, f"lists other assets than {listed.base} and {listed.quote}")
        if isinstance(event, InstrumentChanged) and event.venue not in listed.at:
            self._findings.add(Check.INTENTS, record, "changes what was not listed there")
        listed.at[event.venue] = event
        if event.leverage is not None:
            self.contracts[event.venue, f"{event.symbol}-PERP"] = event.symbol
            if event.leverage <= 0 or event.maintenance_margin_bps is None:
                self._findings.add(Check.INTENTS, record, "lists a contract without a margin")
