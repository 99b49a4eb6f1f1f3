"""What was recorded of rates: the last one of each asset, how it was, and premiums over time."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, FxRated, InstrumentListed, OrderFilled, Record
from trioarb.model.fx import FxState
from trioarb.model.number import EXACT, ZERO, per_unit

__all__ = ["Fx", "Premium", "RateFigures"]


@attrs.define
class Premium:
    """How far a venue's converted price stood above the others', in bps, each time it was recorded."""

    first: Decimal
    last: Decimal
    least: Decimal
    most: Decimal
    total: Decimal = ZERO
    count: int = 0

    @property
    def mean(self) -> Decimal:
        return per_unit(self.total, Decimal(self.count))

    def add(self, bps: Decimal) -> None:
        self.last, self.least, self.most = bps, min(self.least, bps), max(self.most, bps)
        self.total, self.count = EXACT.add(self.total, bps), self.count + 1


@attrs.define
class RateFigures:
    """``last``: the rate as it was recorded last, absent of constants. ``ns``: for how long it was in each state.

    ``fills``: how many orders were filled with it, ``doubtful`` those while entries could not have relied on it.
    """

    common: str
    last: FxRated | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    since_ns: int = 0
    ns: Counter[FxState] = attrs.field(factory=Counter)
    fills: int = 0
    doubtful: int = 0


class Fx(Folding):
    """``rates`` by asset: of each quote asset that is converted. ``premiums`` by symbol and venue, ``SYMBOL@VENUE``."""

    def __init__(self) -> None:
        self.rates: dict[str, RateFigures] = {}
        self.premiums: dict[str, Premium] = {}
        self._usd: dict[str, Decimal] = {}

    def constant(self, asset: str) -> Decimal | None:
        """Return what a unit is worth whose rate was set, in the asset that it counts as."""
        rate, usd = self.rates.get(asset), self._usd.get(asset)
        return None if rate is None or usd is None else per_unit(usd, self._usd[rate.common])

    def usd_of(self, asset: str, amount: Decimal) -> Decimal | None:
        """Return what an amount of a converted asset is worth in USD, at the rate that was recorded last; ``None``: it
        has none. Below zero it has to be bought.
        """
        rate = self.rates.get(asset)
        if rate is None:
            return None
        if rate.last is None:
            constant = self._usd.get(asset)
            return None if constant is None else EXACT.multiply(amount, constant)
        price = rate.last.ask if amount < 0 else rate.last.bid
        return None if price is None else EXACT.multiply(EXACT.multiply(amount, price), self._usd[rate.common])

    def _begin(self, opened: CampaignOpened, _: Record) -> None:
        self._usd = dict(opened.fx)

    def _list(self, listed: InstrumentListed, _: Record) -> None:
        if listed.counts_as is not None:
            self.rates.setdefault(listed.quote, RateFigures(listed.counts_as))

    def _rate(self, rated: FxRated, record: Record) -> None:
        figures = self.rates.setdefault(rated.asset, RateFigures(rated.common))
        if figures.last is not None:
            figures.ns[figures.last.state] += record.ts_ns - figures.since_ns
        figures.last, figures.since_ns = rated, record.ts_ns
        if rated.bid is not None and rated.ask is not None:
            lowest, highest = figures.lowest, figures.highest
            figures.lowest = rated.bid if lowest is None else min(lowest, rated.bid)
            figures.highest = rated.ask if highest is None else max(highest, rated.ask)
        for place, bps in rated.premiums.items():
            self.premiums.setdefault(place, Premium(bps, bps, bps, bps)).add(bps)

    def _fill(self, fill: OrderFilled, _: Record) -> None:
        if fill.fx_rate is not None and (figures := self.rates.get(fill.quote)) is not None:
            figures.fills += 1
            figures.doubtful += fill.fx_state is not None
