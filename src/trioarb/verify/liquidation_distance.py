"""How far contracts would have been from their liquidation, where a guard refused an entry by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Context, Decimal

from trioarb.journal.fold import Folding
from trioarb.model.event import Decided, Record, TransactionOpened
from trioarb.model.number import BPS, ZERO, share, text
from trioarb.verify.books import Books
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listed, Listings
from trioarb.verify.marks import Marks
from trioarb.verify.pairs import Pairs

__all__ = ["LiquidationDistance"]

_SAID = re.compile(r"(-?[0-9.]+) at (\S+)")
_RULE = "liquidation_distance"
#: Distances are said to so much, and limits are rounded to ticks.
_ROUNDED = Decimal("0.02")
_QUOTIENT = Context(prec=40)


class LiquidationDistance(Folding):
    """Computes it again from the books, at the marks that were recorded with the answer.

    That is as far as the journal tells: of symbols that have a position open, since only those are marked then; and not
    where entries are quoted or go around, whose limits a decision doesn't name.
    """

    def __init__(self, findings: Findings, listings: Listings, books: Books, pairs: Pairs, marks: Marks) -> None:
        self._findings = findings
        self._listings = listings
        self._books = books
        self._pairs = pairs
        self._marks = marks
        self._is_plain = True

    def _open(self, _: TransactionOpened, __: Record) -> None:
        self._is_plain = False

    def _decide(self, event: Decided, record: Record) -> None:
        said = _SAID.match(event.value or "") if event.rule == _RULE and self._is_plain else None
        if said is None or event.quantity is None or not self._marks.is_marked:
            return
        venue, is_buy = said[2], said[2] == event.buy_venue
        levels, touch = (event.asks, event.ask) if is_buy else (event.bids, event.bid)
        price = levels[-1].price if levels else touch
        listed = self._listings.symbols.get(event.symbol)
        if price is None or listed is None or not listed.is_contract_at(venue):
            return
        nearest = self._nearest(listed, venue, event.symbol, event.quantity if is_buy else -event.quantity, price)
        if nearest is not None and abs(nearest - Decimal(said[1])) > _ROUNDED:
            what = f"refuses for a distance of {said[1]} % to liquidation; the books come to {text(nearest)}"
            self._findings.add(Check.ENTRIES, record, what)

    def _nearest(self, listed: Listed, venue: str, symbol: str, opens: Decimal, price: Decimal) -> Decimal | None:
        """Return the least distance of all contracts of the account, as percent; ``None``: the journal doesn't tell."""
        quote, marked = listed.quote_at(venue), {trade.entry.symbol for _, trade in self._pairs.positions()}
        held: dict[str, tuple[Decimal, Decimal]] = {}
        for other, (count, carried) in self._books.contracts_at(venue).items():
            if count and self._listings.symbols[other].quote_at(venue) == quote:
                held[other] = count, carried
        if symbol not in marked or not held.keys() <= marked:
            return None
        marks = {other: self._middle(other, venue) for other in (*held, symbol)}
        if None in marks.values():
            return None
        wallet = self._books.wallet(venue, quote)
        count, carried = held.get(symbol, (ZERO, ZERO))
        held[symbol], realised = _traded(count, carried, opens, price)
        rates = {other: self._rate(other, venue) for other in held}
        found = [
            distance
            for other in held
            if (distance := _distance(other, held, marks, rates, wallet + realised)) is not None
        ]
        return min(found, default=None)

    def _middle(self, symbol: str, venue: str) -> Decimal | None:
        bid, ask = (self._marks.price(symbol, venue, Decimal(sign)) for sign in (1, -1))
        return None if bid is None or ask is None else (bid + ask) / 2

    def _rate(self, symbol: str, venue: str) -> Decimal:
        kept = self._listings.symbols[symbol].at[venue].maintenance_margin_bps
        return ZERO if kept is None else kept / BPS


def _traded(
    count: Decimal, carried: Decimal, opens: Decimal, price: Decimal
) -> tuple[tuple[Decimal, Decimal], Decimal]:
    """Return contracts and what is carried for them after a fill, and what that realised."""
    paid = ZERO
    if count * opens < 0:
        closed = min(abs(opens), abs(count))
        paid = share(carried, closed, abs(count)) + price * (closed if opens < 0 else -closed)
    return (count + opens, carried - opens * price - paid), paid


def _distance(
    symbol: str,
    held: Mapping[str, tuple[Decimal, Decimal]],
    marks: Mapping[str, Decimal | None],
    rates: Mapping[str, Decimal],
    wallet: Decimal,
) -> Decimal | None:
    """Return by how many percent a contract's mark may move; ``None``: no mark is low or high enough."""
    count, carried = held[symbol]
    mark = marks[symbol]
    if not count or mark is None:
        return None
    backing = wallet
    for other, (more, of_more) in held.items():
        at = marks[other]
        if other != symbol and at is not None:
            backing += more * at + of_more - abs(more) * at * rates[other]
    # backing + count · p + carried = |count| · p · rate
    changes = count - abs(count) * rates[symbol]
    price = _QUOTIENT.divide(-(backing + carried), changes) if changes else ZERO
    if price <= 0:
        return None
    away = mark - price if count > 0 else price - mark
    return _QUOTIENT.divide(away * 100, mark)
