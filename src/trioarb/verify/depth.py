"""Entries that take more of a book than its best level: the levels, the limits, and the edge of the averages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from trioarb.journal.fold import Folding
from trioarb.model.event import Decided, InstrumentChanged, InstrumentListed, Intent, Record
from trioarb.model.market import Level
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Depths"]

#: An edge is written with six digits after its point.
_ROUNDED = Fraction(1, 10**6)
_BPS = 10_000


class Depths(Folding):
    """Recomputes what was decided on several levels, from the levels that the decision names."""

    def __init__(self, findings: Findings, listings: Listings) -> None:
        self._findings = findings
        self._listings = listings
        #: The limits that a pair has to have that was allowed on several levels.
        self._limits: dict[str, tuple[Fraction, Fraction]] = {}

    def _decide(self, event: Decided, record: Record) -> None:
        asks, bids = event.asks, event.bids
        if asks is None and bids is None:
            return
        what = _problem(event)
        if what:
            self._findings.add(Check.ENTRIES, record, what)
            return
        buying = self._prices(event, event.buy_venue, asks or _best(event.ask, event.ask_size), is_buy=True)
        selling = self._prices(event, event.sell_venue, bids or _best(event.bid, event.bid_size), is_buy=False)
        if buying is None or selling is None:
            return  # of a venue that doesn't list the symbol; other rules say so
        quantity, (buy_fee, bought), (sell_fee, sold) = Fraction(event.quantity or 0), buying, selling
        for levels in (bought, sold):
            sizes = [size for _, size in levels]
            if not sum(sizes[:-1]) < quantity <= sum(sizes):
                self._findings.add(Check.ENTRIES, record, "names other levels than its quantity takes")
                return
        received = _value(sold, quantity) * (_BPS - sell_fee) * Fraction(event.sell_fx or 1)
        edge = _BPS * (received / (_value(bought, quantity) * (_BPS + buy_fee) * Fraction(event.buy_fx or 1)) - 1)
        if event.edge_bps is None or abs(Fraction(event.edge_bps) - edge) > _ROUNDED:
            self._findings.add(Check.ENTRIES, record, f"its levels have an edge of {float(edge):.6f} bps")
        if event.pair_id is not None:
            self._limits[event.pair_id] = bought[-1][0], sold[-1][0]

    def _open(self, event: Intent, record: Record) -> None:
        limits = self._limits.pop(event.pair_id, None)
        if limits is not None and limits != (Fraction(event.buy_limit), Fraction(event.sell_limit)):
            self._findings.add(Check.ENTRIES, record, "has other limits than the last levels that were decided on")

    def _prices(
        self, event: Decided, venue: str | None, levels: Sequence[Level], *, is_buy: bool
    ) -> tuple[Fraction, list[tuple[Fraction, Fraction]]] | None:
        """Return a venue's fee, and levels at prices that an order may have there."""
        listed = self._listings.symbols.get(event.symbol)
        instrument = None if listed is None or venue is None else listed.at.get(venue)
        if instrument is None:
            return None
        to_tick = floor if is_buy else ceil
        prices = [
            ((tick := _tick(instrument, price)) * to_tick(Fraction(price) / tick), Fraction(size))
            for price, size in levels
        ]
        return Fraction(instrument.taker_fee_bps), prices


def _tick(instrument: InstrumentListed | InstrumentChanged, price: Decimal) -> Fraction:
    """Return the step of a venue's prices at a price; where it has no rule, one that is finer than any price."""
    steps = {Decimal(at_least): step for at_least, step in (instrument.ticks or {}).items()}
    if begun := [at_least for at_least in steps if at_least <= price]:
        return Fraction(steps[max(begun)])
    return Fraction(instrument.tick_size or Decimal("1e-12"))


def _problem(event: Decided) -> str:
    for levels, best, rises in (
        (event.asks, (event.ask, event.ask_size), True),
        (event.bids, (event.bid, event.bid_size), False),
    ):
        if levels is None:
            continue
        prices = [price for price, _ in levels]
        if tuple(levels[:1]) != (best,):
            return "names levels that don't begin with the best"
        if prices != sorted(set(prices), reverse=not rises) or min(size for _, size in levels) <= 0:
            return "names levels that can't be"
    return ""


def _best(price: Decimal | None, size: Decimal | None) -> Sequence[Level]:
    return (Level(price or Decimal(0), size or Decimal(0)),)


def _value(levels: Sequence[tuple[Fraction, Fraction]], quantity: Fraction) -> Fraction:
    value, rest = Fraction(0), quantity
    for price, size in levels:
        part = min(rest, size)
        value, rest = value + price * part, rest - part
    return value
