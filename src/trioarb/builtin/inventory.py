"""The inventory strategy: buy where it is cheap and sell where it is dear, once, from stock held on both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
from msgspec import structs

from trioarb.api import (
    Bps,
    Loosens,
    NonNegativeBps,
    OrderSize,
    PositiveMilliseconds,
    Route,
    SizedSettings,
    Strategy,
    StrategyContext,
    StrategySpec,
    exact_decimal,
    hookimpl,
    seconds_to_ns,
    setting,
    text,
)

__all__ = ["InventorySettings", "InventoryStrategy"]


@attrs.frozen(kw_only=True)
class InventorySettings(SizedSettings):
    entry_bps: Bps = setting(
        Decimal(10),
        doc="least edge, net of both taker fees, while both sides hold as much",
        concerns="entry_edge",
        loosens=Loosens.LESS,
    )
    skew_bps: NonNegativeBps = setting(
        Decimal(0),
        doc="how much more is asked of a trade that buys where everything is held already, and how much less of one "
        "that sells there; in between in proportion",
        loosens=Loosens.NOTHING,
    )
    least_entry_bps: Bps = setting(Decimal(1), doc="the skew goes no lower than this", loosens=Loosens.LESS)
    max_quote_age_ms: PositiveMilliseconds = setting(
        Decimal(2_000), doc="older quotes are not acted upon", concerns="quote_age"
    )


class InventoryStrategy(Strategy):
    """What a trade earns is kept; stock drifts by it, so a trade that would drift further has to earn more.

    The edge that is asked of a route is ``entry_bps + skew_bps · (b − s) ÷ (b + s)``, where b and s are what of the
    base asset the buy and the sell venue hold.
    """

    holds = False

    def __init__(self, settings: InventorySettings, context: StrategyContext) -> None:
        self._stock = context.stock
        self.retune(settings)

    def retune(self, settings: InventorySettings) -> None:
        self.entry_bps = settings.entry_bps
        self.max_quote_age_ns = seconds_to_ns(settings.max_quote_age_ms / 1000)
        self._size = settings.order_size
        self._entry, self._skew = float(settings.entry_bps), float(settings.skew_bps)
        self._least = min(float(settings.least_entry_bps), self._entry)

    def entry_from_bps(self, route: Route) -> float:
        if not self._skew:
            return self._entry
        bought, sold = float(self._stock(route.buy_venue)), float(self._stock(route.sell_venue))
        both = bought + sold
        # Borrowed stock would turn the sign around; without any there is nothing to lean to.
        if bought < 0 or sold < 0 or not both:
            return self._entry
        return max(self._entry + self._skew * (bought - sold) / both, self._least)

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        least = self.entry_from_bps(route)
        if edge_bps < least:
            return None
        return structs.replace(self._size, entry_bps=exact_decimal(least))


def _warnings(settings: InventorySettings) -> Iterable[str]:
    if settings.least_entry_bps < 0 or settings.entry_bps < 0:
        yield (
            f"entry_bps = {text(settings.entry_bps)}, least_entry_bps = {text(settings.least_entry_bps)}: trades may "
            "lose, below zero they cost more than they bring"
        )
    if settings.skew_bps and settings.least_entry_bps > settings.entry_bps:
        yield "least_entry_bps is above entry_bps: the skew asks less of no trade"


@asynccontextmanager
async def _open(settings: InventorySettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    yield InventoryStrategy(settings, context)


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="inventory",
            doc="buy low and sell high once, from stock on every venue; no exit",
            settings=InventorySettings,
            open=_open,
            warnings=_warnings,
            example={"order_size_usd": 500, "entry_bps": 10, "skew_bps": 5},
        )
    ]
