"""The maker-taker strategy: a post-only order rests at one venue, and is hedged at another as it fills."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
from msgspec import structs

from trioarb.api import (
    BPS,
    Bps,
    Loosens,
    NonNegativeBps,
    Offer,
    OrderSize,
    PositiveMilliseconds,
    Quoting,
    Route,
    SizedSettings,
    Strategy,
    StrategyContext,
    StrategySpec,
    TrioarbError,
    hookimpl,
    seconds_to_ns,
    setting,
    text,
)

__all__ = ["MakerTakerSettings", "MakerTakerStrategy"]


@attrs.frozen(kw_only=True)
class MakerTakerSettings(SizedSettings):
    maker: str | None = setting(
        None, doc="the venue where orders rest; absent: the first one that takes them post-only"
    )
    entry_bps: Bps = setting(
        Decimal(5),
        doc="what the hedge has to earn at the other venue's touch, maker and taker fee paid; the price of the order "
        "that rests follows from it",
        concerns="entry_edge",
        loosens=Loosens.LESS,
    )
    reach_bps: NonNegativeBps = setting(
        Decimal(20), doc="no order rests further than this from what its venue asks a buyer or bids a seller"
    )
    requote_bps: NonNegativeBps = setting(
        Decimal(1), doc="an order is withdrawn once the price that it should have differs by more than this"
    )
    min_requote_ms: PositiveMilliseconds = setting(
        Decimal(500), doc="but not sooner after it was placed, nor is the next one placed sooner"
    )
    max_quote_age_ms: PositiveMilliseconds = setting(
        Decimal(2_000), doc="older quotes are not acted upon, and nothing rests on them", concerns="quote_age"
    )


class MakerTakerStrategy(Strategy):
    """Quotes on every route that begins or ends at the maker venue, the one with the best edge first."""

    holds = False

    def __init__(self, settings: MakerTakerSettings, context: StrategyContext) -> None:
        self._context = context
        self._maker = settings.maker or next((venue for venue in context.venues if venue in context.rests_at), "")
        self.retune(settings)

    def retune(self, settings: MakerTakerSettings) -> None:
        self.entry_bps = settings.entry_bps
        self.max_quote_age_ns = seconds_to_ns(settings.max_quote_age_ms / 1000)
        quoting = Quoting(
            venue=self._maker,
            entry_bps=settings.entry_bps,
            reach_bps=settings.reach_bps,
            requote_bps=settings.requote_bps,
            least_ns=seconds_to_ns(settings.min_requote_ms / 1000),
        )
        self._wanted = structs.replace(settings.order_size, quoting=quoting)
        self._least = self._least_edge(settings, self._context)

    def _least_edge(self, settings: MakerTakerSettings, context: StrategyContext) -> float:
        """Return from which edge of a taker on a quote is within reach, a little less for the rounding."""
        instrument = context.instruments.get(self._maker)
        if instrument is None:
            return float("inf")
        maker, taker = float(instrument.maker_fee_bps / BPS), float(instrument.taker_fee_bps / BPS)
        entry, reach = float(settings.entry_bps / BPS), float(settings.reach_bps / BPS)
        bought = (1 + entry) * (1 + maker) * (1 - reach) / (1 + taker)
        sold = (1 + entry) * (1 - taker) / ((1 - maker) * (1 + reach))
        return 10_000 * (min(bought, sold) - 1) - 0.001

    def needs(self, venue: str) -> frozenset[Offer]:
        return frozenset({Offer.GTC, Offer.POST_ONLY}) if venue == self._maker else frozenset()

    def entry_from_bps(self, route: Route) -> float:
        return self._least if self._maker in (route.buy_venue, route.sell_venue) else float("inf")

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return self._wanted if edge_bps >= self.entry_from_bps(route) else None


def _warnings(settings: MakerTakerSettings) -> Iterable[str]:
    if settings.entry_bps < 0:
        yield f"entry_bps = {text(settings.entry_bps)}: what a quote fills costs more than its hedge brings"
    if settings.requote_bps > settings.entry_bps:
        yield (
            f"requote_bps = {text(settings.requote_bps)} is above entry_bps = {text(settings.entry_bps)}: by the time "
            "that it is withdrawn, what rests may cost more than its hedge brings"
        )


@asynccontextmanager
async def _open(settings: MakerTakerSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    if settings.maker is not None and settings.maker not in context.rests_at:
        known = ", ".join(sorted(context.rests_at)) or "none; choose venues whose exchange plugins offer them"
        raise TrioarbError(
            f"maker = {settings.maker!r} takes no post-only orders for {context.symbol}; those that do: {known}"
        )
    if not context.rests_at:
        raise TrioarbError(
            f"no venue of {context.symbol} takes post-only orders: choose an exchange plugin that offers them"
        )
    yield MakerTakerStrategy(settings, context)


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="maker_taker",
            doc="a post-only order at one venue, hedged at another as it fills; no exit",
            settings=MakerTakerSettings,
            open=_open,
            warnings=_warnings,
            example={"order_size_usd": 500, "entry_bps": 5},
        )
    ]
