"""Equity, computed again: what the verification's own books hold, at the prices that were recorded."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import Deposited, EquityStated, InstrumentListed, MarketsMarked, OrderFilled, Record
from trioarb.model.number import ZERO, text
from trioarb.model.order import Side
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings
from trioarb.verify.marks import Marks
from trioarb.verify.residuals import Residuals
from trioarb.verify.transfers import Transfers

__all__ = ["Equity"]


class Equity(Folding):
    """Folds what is put in, and what is stated. Comes after the marks. Decimal arithmetic has to be exact around it."""

    def __init__(
        self,
        findings: Findings,
        listings: Listings,
        books: Books,
        marks: Marks,
        residuals: Residuals,
        transfers: Transfers,
    ) -> None:
        self._findings = findings
        self._listings = listings
        self._books = books
        self._marks = marks
        self._residuals = residuals
        self._transfers = transfers
        self._venues: list[str] = []
        #: By venue and asset: what was put in and had a price, worth it then; and how much had none yet.
        self._start: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        #: Quote assets that are converted, and into which; what trades brought and fees took of them, by venue and
        #: asset, in USD at the rates of the moments.
        self._common: dict[str, str] = {}
        self._traded: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._paid: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._waiting: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def _list(self, event: InstrumentListed, _: Record) -> None:
        if event.venue not in self._venues:
            self._venues.append(event.venue)
        if event.counts_as is not None:
            self._common[event.quote] = event.counts_as

    def _fill(self, event: OrderFilled, _: Record) -> None:
        if event.fx_rate is not None and event.quote in self._common:
            usd = event.fx_rate * self._listings.fx[self._common[event.quote]]
            value = event.quantity * event.price * usd
            self._traded[event.venue, event.quote] += value if event.side is Side.SELL else -value
            if event.fee_asset == event.quote:
                self._paid[event.venue, event.quote] += event.fee * usd

    def _deposit(self, event: Deposited, _: Record) -> None:
        self._waiting[event.venue, event.asset] += event.amount
        self._settle()

    def _mark(self, _: MarketsMarked, __: Record) -> None:
        self._settle()

    def _settle(self) -> None:
        for (venue, asset), amount in tuple(self._waiting.items()):
            price = self._price(venue, asset, amount)
            if price is not None:
                self._start[venue, asset] += amount * price
                del self._waiting[venue, asset]

    def _state(self, event: EquityStated, record: Record) -> None:
        start = now = arbitrage = inventory = fees = funding = fx = ZERO
        for (venue, asset), held, traded, paid, put_in, got in self._books.holdings():
            price = self._price(venue, asset, held)
            if price is None:
                continue
            begun = self._start[venue, asset] + self._waiting.get((venue, asset), ZERO) * price
            start, now = start + begun, now + held * price
            funding += got * price
            if asset in self._common:
                brought, took = self._traded[venue, asset], self._paid[venue, asset]
                arbitrage, fees = arbitrage + brought, fees - took
                fx += held * price - begun - brought + took - got * price
                continue
            arbitrage, fees = arbitrage + traded * price, fees - paid * price
            inventory += put_in * price - begun
        for asset, venue, amount in self._transfers.under_way():
            price = self._price(venue, asset, amount)
            if price is not None:
                now, inventory = now + amount * price, inventory + amount * price
        left = self._left()
        ours = {
            "start_usd": start,
            "now_usd": now,
            "arbitrage_usd": arbitrage - left,
            "inventory_usd": inventory,
            "fees_usd": fees,
            "funding_usd": funding,
            "residuals_usd": left,
            "fx_usd": fx,
        }
        for name, amount in ours.items():
            said: Decimal = getattr(event, name) or ZERO
            if said != amount:
                what = f"says that {name} is {text(said)}; the books come to {text(amount)}"
                self._findings.add(Check.EQUITY, record, what)
        parts = event.arbitrage_usd + event.inventory_usd + event.fees_usd + event.funding_usd + event.residuals_usd
        parts += event.fx_usd or ZERO
        if event.now_usd - event.start_usd != parts:
            what = f"changes by {text(event.now_usd - event.start_usd)} USD, its parts by {text(parts)}"
            self._findings.add(Check.EQUITY, record, what)

    def _left(self) -> Decimal:
        """Return how open residuals and dust stand against what they cost."""
        total = ZERO
        for one in self._residuals.open.values():
            price = self._marks.price(one.symbol, one.venue, one.quantity)
            if price is not None and not one.possible:
                usd = self._listings.symbols[one.symbol].usd_per_quote
                total += one.quantity * (price - one.average_price) * usd
        for (symbol, venue), (quantity, booked) in self._marks.dust.items():
            price = self._marks.price(symbol, venue, quantity)
            if price is not None:
                total += (quantity * price - booked) * self._listings.symbols[symbol].usd_per_quote
        return total

    def _price(self, venue: str, asset: str, quantity: Decimal) -> Decimal | None:
        """Return USD for one unit, at its venue or at the first that shows a price."""
        known = self._listings.fx.get(asset)
        if known is not None:
            return known
        if asset in self._common:
            rate = self._marks.rate(asset, quantity)
            return None if rate is None else rate * self._listings.fx[self._common[asset]]
        symbol = self._listings.contracts.get((venue, asset))
        if symbol is not None:
            price = self._marks.price(symbol, venue, quantity if quantity else Decimal(1))
            return None if price is None else price * self._listings.symbols[symbol].usd_per_quote
        for at in (venue, *self._venues):
            for symbol, listed in self._listings.symbols.items():
                if listed.base == asset and listed.is_valued:
                    price = self._marks.price(symbol, at, quantity if quantity else Decimal(1))
                    if price is not None:
                        return price * listed.usd_per_quote
        return None
