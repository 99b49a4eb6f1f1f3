"""All books of a campaign together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Protocol

from recount.equity import Equity
from recount.exact import NONE, Event, number
from recount.flow import counted_price
from recount.funnel import Funnel
from recount.holding import Holdings
from recount.ledger import Ledger
from recount.left import Left
from recount.listing import Listings
from recount.moved import Moved
from recount.pairs import Pairs
from recount.postings import Postings
from recount.sent import Sent

__all__ = ["Recount", "recount"]

#: After these the capital that is used is looked at.
_USES = (
    "pair_opened",
    "transaction_opened",
    "pair_ended",
    "residual_resolved",
    "residual_taken",
    "residuals_netted",
    "residuals_paired",
)


class Books(Protocol):
    def apply(self, event: Event) -> None:
        """Count an event."""


class Recount:
    """``problems``: what events say of themselves, and that isn't so."""

    def __init__(self) -> None:
        self.listings = Listings()
        self.holdings = Holdings()
        self.ledger = Ledger(self.listings)
        self.postings = Postings()
        self.pairs = Pairs(self.listings, self.holdings, self.postings)
        self.left = Left(self.listings, self.holdings, self.postings, self.pairs)
        self.moved = Moved(self.listings, self.postings)
        self.sent = Sent(self.listings, self.postings, self.pairs)
        self.equity = Equity(self.listings, self.ledger, self.holdings)
        self.funnel = Funnel()
        self._books: Sequence[Books] = (
            self.listings,
            self.ledger,
            self.moved,
            self.pairs,
            self.left,
            self.sent,
            self.equity,
            self.funnel,
        )
        self.peak_exposure_usd = self.drawdown_usd = self._highest = self.turnover_usd = NONE
        self.last_ns = 0

    def apply(self, event: Event) -> None:
        self.last_ns = event["ts_ns"]
        self.postings.begin(event)
        for books in self._books:
            books.apply(event)
        if event["type"] == "order_filled":
            usd = self.listings.usd_of(event["symbol"], event["venue"]) or NONE
            self.turnover_usd += number(event["quantity"]) * counted_price(event) * usd
        if event["type"] in _USES:
            self.peak_exposure_usd = max(self.peak_exposure_usd, self.exposure_usd)
        elif event["type"] == "markets_marked":
            # As told: between a residual that is resolved and the one that it leaves, fills alone would miss it.
            told = sum(self.postings.told_usd.values(), NONE)
            worth = told + sum(map(self.equity.unrealised_usd, self.holdings.symbols), NONE)
            self._highest = max(self._highest, worth)
            self.drawdown_usd = max(self.drawdown_usd, self._highest - worth)

    @property
    def exposure_usd(self) -> Fraction:
        """What is at risk, and under way."""
        return self.holdings.exposure_usd() + self.ledger.in_transit_usd

    @property
    def pnl_usd(self) -> Fraction:
        return self.postings.total_usd

    @property
    def problems(self) -> list[str]:
        self.funnel.problems.clear()
        self.funnel.finish()
        told, ours = self.postings.told_usd, self.postings.pnl_usd
        sums = [
            f"{symbol}: events say {float(told[symbol])} USD, its fills {float(ours[symbol])}"
            for symbol in sorted({*told, *ours})
            if told[symbol] != ours[symbol]
        ]
        carried: dict[tuple[str, str], Fraction] = {}
        for (symbol, venue), contract in self.ledger.contracts.items():
            place = venue, self.listings.of[symbol, venue]["quote"]
            carried[place] = carried.get(place, NONE) - contract.cost
        costs = [
            f"{place} carries {float(self.ledger.accounts[place].carried)}, and its contracts cost {float(-cost)}"
            for place, cost in carried.items()
            if self.ledger.accounts[place].carried != cost
        ]
        return [*self.postings.problems, *self.equity.problems, *self.funnel.problems, *sums, *costs]


def recount(events: Iterable[Event]) -> Recount:
    """Count a campaign's events, as `trioarb events` prints them."""
    books = Recount()
    for event in events:
        books.apply(event)
    return books
