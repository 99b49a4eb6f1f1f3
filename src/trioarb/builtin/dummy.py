"""The dummy market: sample symbols, and quotes computed from the seed. Needs no network, and never ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs

from trioarb.api import (
    Bps,
    Count,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NonNegativeBps,
    NoSettings,
    PositiveDecimal,
    PositiveMilliseconds,
    PositiveMoney,
    PositiveSeconds,
    RowBatch,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TradingRules,
    hookimpl,
    setting,
)
from trioarb.builtin.dummy_samples import SAMPLE_OF, SAMPLES
from trioarb.builtin.dummy_tape import Shape, batches

__all__ = ["DummySettings", "trioarb_market_data", "trioarb_symbol_sources"]

_LONGEST_STEP_MS = 86_400_000
_MS_NS = 1_000_000


@attrs.frozen(kw_only=True)
class DummySettings:
    """Settings of the dummy market."""

    step_ms: PositiveMilliseconds = setting(Decimal(250), doc="time between two quotes of a symbol; at most a day")
    volatility_bps: NonNegativeBps = setting(
        Decimal(1),
        doc="how far the price common to all venues moves in a second (standard deviation, scaled per symbol); "
        "venues with different values drift apart",
    )
    basis_bps: NonNegativeBps = setting(
        Decimal(10), doc="how far the venue's price stands from the common one (standard deviation)"
    )
    basis_half_life_seconds: PositiveSeconds = setting(
        Decimal("2.5"), doc="time in which half of the distance from the common price is gone"
    )
    dislocations_per_hour: Count = setting(
        0, doc="how often a venue's price of a symbol leaves the others' at once, up or down; 0: never"
    )
    dislocation_bps: NonNegativeBps = setting(Decimal(9), doc="how far it leaves them at least")
    dislocation_excess_bps: NonNegativeBps = setting(
        Decimal("5.3"), doc="how much further on average; the excess is distributed exponentially"
    )
    dislocation_half_life_seconds: PositiveSeconds = setting(
        Decimal("1.5"), doc="time in which half of a dislocation is gone"
    )
    spread_bps: NonNegativeBps = setting(Decimal(1), doc="mean distance of ask and bid; at least one tick")
    size_usd: PositiveMoney = setting(Decimal(4000), doc="mean size at the best bid and at the best ask")
    level_bps: NonNegativeBps = setting(
        Decimal(1), doc="engine.depth above 1: mean distance of a level to the one before it; at least one tick"
    )
    level_growth: PositiveDecimal = setting(
        Decimal("1.25"), doc="engine.depth above 1: mean size of a level, in sizes of the one before it"
    )
    premium_bps: Bps | None = setting(
        None,
        doc="a symbol quoted in KRW, such as BTCKRW, costs what BTCUSDT and USDTKRW make of it, and so much more, but "
        "for its own basis and dislocations; absent: its price is its own",
    )
    crosses: bool = setting(
        False,
        doc="a symbol between two assets that are both sold for USDT, such as ETHBTC, costs what those two make of it, "
        "but for its own basis and dislocations; false: its price is its own",
    )


class _DummySource(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return [sample.listing for sample in SAMPLES]


class _DummyTape(Tape):
    """Quotes of every sample symbol at every step, without an end."""

    def __init__(self, settings: DummySettings, context: MarketContext) -> None:
        self._settings = settings
        self._venue = context.venue
        self._seed = context.seed
        self._depth = context.depth

    async def listings(self) -> Sequence[Listing]:
        return [sample.listing for sample in SAMPLES]

    def rules(self, symbol: str) -> TradingRules | None:
        sample = SAMPLE_OF.get(symbol)
        return None if sample is None else sample.rules

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        """Yield one row per symbol and step, for ever."""
        settings = attrs.asdict(self._settings)
        step_ns = max(1, int(settings.pop("step_ms") * _MS_NS))
        return batches(
            Shape(step_ns=step_ns, **settings),
            seed=self._seed,
            venue=self._venue,
            symbols=symbols,
            start_ns=start_ns,
            beyond=self._depth - 1,
        )


@asynccontextmanager
async def _open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    yield _DummySource()


@asynccontextmanager
async def _open_market(settings: DummySettings, context: MarketContext) -> AsyncIterator[MarketData]:
    # The common price is walked step by step: a longer step would only be a long wait.
    if settings.step_ms > _LONGEST_STEP_MS:
        raise MarketDataError(
            f"dummy market of {context.venue}: step_ms = {settings.step_ms} is more than a day; "
            f"set it to {_LONGEST_STEP_MS} or less"
        )
    yield _DummyTape(settings, context)


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="dummy", doc="fixed sample symbols with fixed volumes", open=_open_source)]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="dummy",
            doc="prices computed from the seed: a common random walk, and a mean-reverting basis of each venue",
            open=_open_market,
            settings=DummySettings,
            example={  # made after recordings of real venues; docs/performance.md says which
                "basis_bps": Decimal("0.4"),
                "basis_half_life_seconds": Decimal(1),
                "dislocations_per_hour": 85,
                "dislocation_half_life_seconds": Decimal("0.2"),
            },
        )
    ]
