"""Rates between quote assets: what they are made of, and what they were used for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from statistics import median

from trioarb.journal.fold import Folding
from trioarb.model.event import Decided, FxRated, MarketsMarked, OrderFilled, PairOpened, Record
from trioarb.model.fx import FxState
from trioarb.model.order import Side
from trioarb.model.trade import Answer, PairKind
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Rates"]


class Rates(Folding):
    """Folds rates and what is converted by them. Decimal arithmetic has to be exact around it."""

    def __init__(self, findings: Findings, listings: Listings) -> None:
        self._findings = findings
        self._listings = listings
        self._states: dict[str, FxState] = {}
        #: The rates that an entry has to have that was allowed, by its pair.
        self._allowed: dict[str, tuple[Decimal | None, Decimal | None]] = {}

    def _rate(self, event: FxRated, record: Record) -> None:
        self._states[event.asset] = event.state
        if event.bids.keys() != event.asks.keys() or event.bids.keys() & {*event.outliers, *event.old}:
            self._complain(record, "counts sources that it doesn't count, or one without a side")
        if event.state is FxState.GOOD:
            for said, counted, name in ((event.bid, event.bids, "bid"), (event.ask, event.asks, "ask")):
                if said is None or not counted or said != median(counted.values()):
                    self._complain(record, f"has a {name} that isn't the median of its sources")
        for said, other in ((event.bid, event.ask), *((event.bids.get(name), ask) for name, ask in event.asks.items())):
            if said is not None and (other is None or not 0 < said <= other):
                self._complain(record, "has rates that can't be")

    def _decide(self, event: Decided, record: Record) -> None:
        assets = (self._asset(event.symbol, event.buy_venue), self._asset(event.symbol, event.sell_venue))
        self._check(record, assets, (event.buy_fx, event.sell_fx))
        if event.answer is not Answer.ALLOW:
            return
        if event.pair_id is not None and any(assets):
            self._allowed[event.pair_id] = event.buy_fx, event.sell_fx
        for asset in assets:
            state = FxState.GOOD if asset is None else self._states.get(asset)
            if state is not FxState.GOOD and asset not in self._listings.fx:
                why = "isn't known" if state is None else f"is {state.value}"
                self._complain(record, f"allows an entry while the rate of {asset} {why}")

    def _open(self, event: PairOpened, record: Record) -> None:
        assets = (self._asset(event.symbol, event.buy_venue), self._asset(event.symbol, event.sell_venue))
        rates = (event.buy_fx, event.sell_fx)
        self._check(record, assets, rates)
        if event.kind is PairKind.ENTRY and any(assets) and self._allowed.pop(event.pair_id, rates) != rates:
            self._complain(record, "has other rates than it was allowed with")

    def _fill(self, event: OrderFilled, record: Record) -> None:
        asset = self._asset(event.symbol, event.venue)
        self._check(record, (asset,), (event.fx_rate,))
        if asset is None or asset in self._listings.fx:
            return
        state = self._states.get(asset)
        if event.fx_state is not (None if state is FxState.GOOD else state):
            side = "buys" if event.side is Side.BUY else "sells"
            self._complain(record, f"{side} by a rate of {asset} that is something else than it says")

    def _mark(self, event: MarketsMarked, record: Record) -> None:
        bids, asks = event.fx_bids or {}, event.fx_asks or {}
        if bids.keys() != asks.keys() or not all(_can_be(bids, asks, asset) for asset in bids):
            self._complain(record, "marks by rates that can't be")

    def _asset(self, symbol: str, venue: str | None) -> str | None:
        listed = self._listings.symbols.get(symbol)
        return None if listed is None or venue is None else listed.converted_at(venue)

    def _check(self, record: Record, assets: tuple[str | None, ...], rates: tuple[Decimal | None, ...]) -> None:
        for asset, rate in zip(assets, rates, strict=True):
            if (asset is None) != (rate is None) or (rate is not None and rate <= 0):
                self._complain(record, "has a rate where none is needed, or none where one is")

    def _complain(self, record: Record, what: str) -> None:
        self._findings.add(Check.RATES, record, what)


def _can_be(bids: Mapping[str, Decimal], asks: Mapping[str, Decimal], asset: str) -> bool:
    return asset in asks and 0 < bids[asset] <= asks[asset]
