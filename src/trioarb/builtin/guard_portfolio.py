"""The portfolio tier: every symbol may use its share of the capital, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs

from trioarb.api import (
    EXACT,
    Fraction,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    Instrument,
    Loosens,
    Opportunity,
    PositiveDecimal,
    PositiveMoney,
    Record,
    Refusal,
    event,
    hookimpl,
    setting,
    text,
)

__all__ = ["PortfolioSettings", "PortfolioTier"]


@attrs.frozen(kw_only=True)
class PortfolioSettings:
    total_capital_usd: PositiveMoney = setting(
        Decimal(10_000),
        doc="capital, divided by the symbols of the universe, according to their weights",
        concerns="allocation",
        loosens=Loosens.MORE,
    )
    max_symbol_allocation_pct: Fraction = setting(
        Decimal("0.30"), doc="largest share of the capital for one symbol, as a fraction", loosens=Loosens.MORE
    )
    reduce: bool = setting(
        False,
        doc="an entry that would go beyond its symbol's allocation is made smaller instead of being denied",
        loosens=Loosens.MORE,
    )
    weights: Mapping[str, PositiveDecimal] = setting(
        factory=dict, doc="weight per symbol; a symbol that isn't named weighs 1", names="symbols"
    )


class PortfolioTier(GuardTier):
    """Allocation = min(capital × w ÷ Σw, capital × ``max_symbol_allocation_pct``); unknown symbols have none."""

    folds = frozenset({event.UniverseRefreshed})

    def __init__(self, settings: PortfolioSettings, context: GuardContext) -> None:
        self._settings = settings
        self._risk = context.risk
        self._unknown = sorted(set(settings.weights) - set(context.symbols))
        self._allocations = self._allocate(context.symbols)

    def retune(self, settings: PortfolioSettings, settings_of: object) -> None:
        self._settings = settings
        self._allocations = self._allocate(tuple(self._allocations))

    def _allocate(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        settings = self._settings
        weights = {symbol: settings.weights.get(symbol, Decimal(1)) for symbol in symbols}
        total = sum(weights.values(), Decimal(0))
        cap = settings.total_capital_usd * settings.max_symbol_allocation_pct
        return {symbol: min(settings.total_capital_usd * weight / total, cap) for symbol, weight in weights.items()}

    def apply(self, record: Record) -> None:
        if isinstance(record.event, event.UniverseRefreshed):
            self._allocations = self._allocate(record.event.symbols)

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        symbol = opportunity.route.symbol
        allocation = self._allocations.get(symbol, Decimal(0))
        exposed = self._risk.exposure_usd(symbol)
        exposure = EXACT.add(exposed, opportunity.notional_usd)
        if exposure <= allocation:
            return None
        left = EXACT.subtract(allocation, exposed) if self._settings.reduce else None
        return Refusal.beyond("allocation", exposure, allocation, left_usd=left)

    def warnings(self, instruments: Sequence[Instrument]) -> Iterable[str]:
        for symbol in self._unknown:
            yield f"weights.{symbol}: this symbol is not in the universe; its weight has no effect"
        least: dict[str, Decimal] = {}
        for instrument in instruments:
            least[instrument.symbol] = max(
                least.get(instrument.symbol, Decimal(0)), instrument.rules.min_notional or Decimal(0)
            )
        short = [
            f"{symbol} ({allocation:.2f} of {text(least[symbol])})"
            for symbol, allocation in self._allocations.items()
            if allocation < least.get(symbol, Decimal(0))
        ]
        if short:
            yield (
                f"less is allocated than the smallest order takes, so these can never trade: {', '.join(short)}; "
                "raise total_capital_usd or max_symbol_allocation_pct, or take fewer symbols"
            )

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {
            "total_allocated_capital": sum(self._allocations.values(), Decimal(0)),
            "symbol_allocations": dict(self._allocations),
        }


@asynccontextmanager
async def _open(settings: PortfolioSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield PortfolioTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="portfolio",
            doc="each symbol's share of the capital",
            settings=PortfolioSettings,
            open=_open,
            rank=200,
        )
    ]
