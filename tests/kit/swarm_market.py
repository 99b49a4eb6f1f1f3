"""A market that walks at random: calm for long, then bursts in which the venues' prices part and meet again."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

import attrs

from trioarb.api import (
    SECOND_NS,
    Bps,
    Count,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    NonNegativeBps,
    NoSettings,
    PositiveCount,
    PositiveMoney,
    PositiveSeconds,
    Probability,
    RowBatch,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
    seconds_to_ns,
    setting,
)
from trioarb.plugin.columns import batched
from trioarb.testing import plugin_of

__all__ = ["PRICES", "PLUGIN", "WalkSettings"]

#: Where prices begin, by base asset.
PRICES = {"AAA": 61_234.5, "BBB": 97.31, "CCC": 1.0137, "DDD": 0.0004127}

_LISTINGS = tuple(Listing(symbol=f"{base}USDT", base=base, quote="USDT", volume_24h_quote=None) for base in PRICES)
#: Beyond this factor, up or down, a price walks no further.
_WALK_LIMIT = 3.0
_NONSENSE = (
    (math.nan, 1.0, 1.0, 1.0),
    (1.0, 1.0, math.inf, 1.0),
    (2.0, 1.0, 1.0, 1.0),
    (1.0, 0.0, 1.1, 1.0),
    (-1.0, 1.0, 1.0, 1.0),
)


@attrs.frozen(kw_only=True)
class WalkSettings:
    """What has to be equal at all venues is the first half; the rest is a venue's own."""

    start_ns: Count = setting(doc="when the tape begins")
    calm_seconds: PositiveSeconds = setting(doc="time between two moments of a calm")
    burst_seconds: PositiveSeconds = setting(doc="time between two moments of a burst")
    calm_moments: PositiveCount = setting(doc="mean length of a calm")
    burst_moments: PositiveCount = setting(doc="mean length of a burst")
    volatility_bps: NonNegativeBps = setting(doc="how far the common price moves in a moment (standard deviation)")
    basis_bps: NonNegativeBps = setting(doc="how far the venue parts from the common price (standard deviation)")
    lean_bps: Bps = setting(Decimal(0), doc="where the venue stands on the average")
    reversion: Probability = setting(Decimal("0.3"), doc="share of the basis that is gone with each moment")
    spread_bps: NonNegativeBps = setting(Decimal(2), doc="mean distance of ask and bid")
    size_usd: PositiveMoney = setting(Decimal(1_000), doc="mean size at the touch")
    silence: Probability = setting(Decimal(0), doc="share of the moments at which the venue doesn't quote a symbol")
    nonsense: Probability = setting(Decimal(0), doc="share of the quotes that no engine may accept")
    ends_after_seconds: PositiveSeconds | None = setting(None, doc="the tape is at its end then; absent: never")
    columns: bool = setting(False, doc="the tape gives columns, not rows")


class _Walk(Tape):
    def __init__(self, settings: WalkSettings, context: MarketContext) -> None:
        self._settings = settings
        self._venue = context.venue
        self._seed = context.seed

    @property
    def start_ns(self) -> int | None:
        return self._settings.start_ns

    async def listings(self) -> Sequence[Listing]:
        return _LISTINGS

    def rules(self, symbol: str) -> TradingRules | None:
        return None

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        return batched(self.rows(symbols, start_ns), symbols) if self._settings.columns else None

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield what follows from (seed, venue, symbols, start) alone."""
        settings = self._settings
        common, own = Random(f"{self._seed}/{start_ns}"), Random(f"{self._seed}/{self._venue}/{start_ns}")
        silence, nonsense = float(settings.silence), float(settings.nonsense)
        volatility, basis_sd = float(settings.volatility_bps) / 1e4, float(settings.basis_bps) / 1e4
        lean, keep = float(settings.lean_bps) / 1e4, 1 - float(settings.reversion)
        half_spread, size_usd = float(settings.spread_bps) / 2e4, float(settings.size_usd)
        end_ns = None
        if settings.ends_after_seconds is not None:
            end_ns = settings.start_ns + seconds_to_ns(settings.ends_after_seconds)
        prices = {symbol: PRICES[symbol.removesuffix("USDT")] for symbol in symbols}
        first = dict(prices)
        basis = dict.fromkeys(symbols, 0.0)
        lag_ns = int(own.random() * float(settings.burst_seconds) * SECOND_NS)
        for at_ns, is_burst in self._moments(common, start_ns):
            if end_ns is not None and at_ns + lag_ns > end_ns:
                return
            for order, symbol in enumerate(symbols):
                moved = prices[symbol] * (1 + volatility * _normal(common))
                if first[symbol] / _WALK_LIMIT < moved < first[symbol] * _WALK_LIMIT:
                    prices[symbol] = moved
                stirred = basis_sd * _normal(own) * (1.0 if is_burst else 0.3)
                basis[symbol] = keep * basis[symbol] + stirred
                draws = own.random(), own.random(), own.random(), own.random(), own.random()
                if draws[0] < silence:
                    continue
                if draws[1] < nonsense:
                    yield (at_ns + lag_ns, order, symbol, *_NONSENSE[int(draws[1] / nonsense * len(_NONSENSE))])
                    continue
                middle = prices[symbol] * (1 + lean + basis[symbol])
                half = half_spread * (0.5 + draws[2]) + 1e-7
                size = size_usd / middle
                yield (
                    at_ns + lag_ns,
                    order,
                    symbol,
                    float(f"{middle * (1 - half):.7g}"),
                    float(f"{size * (0.05 + 2.8 * draws[3] * draws[3]):.4g}"),
                    float(f"{middle * (1 + half):.7g}"),
                    float(f"{size * (0.05 + 2.8 * draws[4] * draws[4]):.4g}"),
                )

    def _moments(self, common: Random, start_ns: int) -> Iterator[tuple[int, bool]]:
        """Yield when prices move, without an end, and whether it is in a burst."""
        settings, at_ns, is_burst = self._settings, start_ns, True
        while True:
            pause_ns = seconds_to_ns(settings.burst_seconds if is_burst else settings.calm_seconds)
            moments = settings.burst_moments if is_burst else settings.calm_moments
            for _ in range(common.randint(1, 2 * moments)):
                yield at_ns, is_burst
                at_ns += 1 + int(pause_ns * (0.5 + common.random()))
            is_burst = not is_burst


class _WalkSource(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return _LISTINGS


def _normal(random: Random) -> float:
    """Return a number of variance 1, near enough to normal."""
    return 2 * (random.random() + random.random() + random.random() - 1.5)


@asynccontextmanager
async def _open_market(settings: WalkSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    yield _Walk(settings, context)


@asynccontextmanager
async def _open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    yield _WalkSource()


#: Market data and source ``walk``.
PLUGIN = plugin_of(
    MarketDataSpec(name="walk", doc="bursts and calms at random", open=_open_market, settings=WalkSettings),
    SymbolSourceSpec(name="walk", doc="the symbols of the market data walk", open=_open_source),
)
