"""The dummy market: sample symbols, and quotes computed from the seed. Needs no network, and never ends.

Every price follows from (seed, venue, symbol, step) alone. Random streams are seeded by text, each step takes a fixed
number of draws from them, and floats meet only + − × ÷, so that every machine computes the same rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Context, Decimal
from itertools import chain
from random import Random

import attrs

from trioarb.api import (
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
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
    hookimpl,
    setting,
)
from trioarb.builtin.dummy_depth import deepened
from trioarb.builtin.dummy_samples import SAMPLE_OF, SAMPLES, Sample

__all__ = ["DummySettings", "trioarb_market_data", "trioarb_symbol_sources"]

#: The price that all venues share moves on this grid, whatever the venues' own steps: they agree about it.
_COMMON_STEP_NS = 250_000_000
_LONGEST_STEP_MS = 86_400_000
_MS_NS = 1_000_000
_HOUR_NS = 3_600_000_000_000
_BPS = 0.0001
#: How far the common price may walk from where it began, up or down.
_WALK_LIMIT = 20.0

_LN_2 = Decimal("0.693147180559945309417232121458")
#: exp and sqrt of a decimal are rounded alike everywhere; those of a float are the C library's.
_PORTABLE = Context(prec=28)

#: Worth of the quote assets, for sizes only.
_QUOTE_USD = {"USDT": 1.0, "BTC": 65_000.0, "EUR": 1.08, "KRW": 0.00072}


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

    def listings(self) -> Sequence[Listing]:
        return [sample.listing for sample in SAMPLES]

    def rules(self, symbol: str) -> TradingRules | None:
        sample = SAMPLE_OF.get(symbol)
        return None if sample is None else sample.rules

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        """Yield one row per symbol and step, for ever; a symbol that isn't in the table has no rows.

        Every symbol of a venue has a phase of its own within the step: real venues don't quote in unison.
        """
        step_ns = max(1, int(self._settings.step_ms * _MS_NS))
        phases = sorted(
            (int(Random(f"{self._seed}/{self._venue}/{symbol}/phase").random() * step_ns), order, symbol)
            for order, symbol in enumerate(symbols)
            if symbol in SAMPLE_OF
        )
        streams = [
            self._deep(
                SAMPLE_OF[symbol], self._stream(SAMPLE_OF[symbol], order, start_ns, start_ns + phase_ns, step_ns)
            )
            for phase_ns, order, symbol in phases
        ]
        return chain.from_iterable(zip(*streams, strict=False))

    def _deep(self, sample: Sample, rows: Iterator[TapeRow]) -> Iterator[TapeRow]:
        if self._depth == 1:
            return rows
        return deepened(
            rows,
            draw=Random(f"{self._seed}/{self._venue}/{sample.symbol}/levels").random,
            beyond=self._depth - 1,
            distance=float(self._settings.level_bps) * _BPS,
            growth=float(self._settings.level_growth),
            size_quote=float(self._settings.size_usd) / _QUOTE_USD[sample.quote],
            tick=_ratio(sample.tick),
            lot=_ratio(sample.lot),
        )

    def _stream(self, sample: Sample, order: int, start_ns: int, first_ns: int, step_ns: int) -> Iterator[TapeRow]:
        # Millions of rows a campaign: everything the loop needs is a local, and it calls `random` and `int` only.
        symbol = sample.symbol
        settings = self._settings
        common_draw = Random(f"{self._seed}/{symbol}").random
        venue_draw = Random(f"{self._seed}/{self._venue}/{symbol}").random

        first_price = float(sample.price)
        lowest, highest = first_price / _WALK_LIMIT, first_price * _WALK_LIMIT
        # Uniforms are summed three at a time: variance 1/4, near enough to normal.
        walk_sd = float(settings.volatility_bps) * _BPS * sample.volatility
        walk_scale = walk_sd * 2 * float(_PORTABLE.sqrt(Decimal(_COMMON_STEP_NS).scaleb(-9)))
        keep, stir = _decay(Decimal(step_ns).scaleb(-9), settings.basis_half_life_seconds)
        basis_scale = float(settings.basis_bps) * _BPS * sample.basis * 2
        stir_scale = basis_scale * stir
        half_spread = float(settings.spread_bps) * _BPS / 2
        size_quote = float(settings.size_usd) / _QUOTE_USD[sample.quote]
        # A whole number over a whole number is the float nearest to the price; a product of floats is not.
        tick_up, tick_down = _ratio(sample.tick)
        lot_up, lot_down = _ratio(sample.lot)
        ticks_per_quote, lots_per_base = tick_down / tick_up, lot_down / lot_up

        dislocate = self._dislocations(sample, step_ns)
        price = first_price
        basis = basis_scale * (venue_draw() + venue_draw() + venue_draw() - 1.5)
        ts_ns = first_ns
        next_move_ns = start_ns + _COMMON_STEP_NS
        while True:
            while ts_ns >= next_move_ns:
                moved = price * (1.0 + walk_scale * (common_draw() + common_draw() + common_draw() - 1.5))
                if lowest < moved < highest:
                    price = moved
                next_move_ns += _COMMON_STEP_NS

            middle = price * (1.0 + basis if dislocate is None else 1.0 + (basis + dislocate()))
            half = half_spread * (0.5 + venue_draw())
            bid_ticks = int(middle * (1.0 - half) * ticks_per_quote + 0.5)
            if bid_ticks < 1:
                bid_ticks = 1
            ask_ticks = int(middle * (1.0 + half) * ticks_per_quote + 0.5)
            if ask_ticks <= bid_ticks:
                ask_ticks = bid_ticks + 1
            # 0.1 + 2.7 u² has mean 1: mostly small sizes, some large.
            lots = size_quote / price * lots_per_base
            draw = venue_draw()
            bid_lots = int(lots * (0.1 + 2.7 * draw * draw)) + 1
            draw = venue_draw()
            ask_lots = int(lots * (0.1 + 2.7 * draw * draw)) + 1
            yield (
                ts_ns,
                order,
                symbol,
                bid_ticks * tick_up / tick_down,
                bid_lots * lot_up / lot_down,
                ask_ticks * tick_up / tick_down,
                ask_lots * lot_up / lot_down,
            )
            ts_ns += step_ns
            basis = keep * basis + stir_scale * (venue_draw() + venue_draw() + venue_draw() - 1.5)

    def _dislocations(self, sample: Sample, step_ns: int) -> Callable[[], float] | None:
        """Return what says, step by step, how far dislocations move the price; ``None`` if there are none.

        Most steps draw one number: whether one begins.
        """
        settings = self._settings
        chance = settings.dislocations_per_hour * step_ns / _HOUR_NS
        if not chance:
            return None
        draw = Random(f"{self._seed}/{self._venue}/{sample.symbol}/dislocation").random
        least, excess = (float(bps) * _BPS for bps in (settings.dislocation_bps, settings.dislocation_excess_bps))
        keep, _ = _decay(Decimal(step_ns).scaleb(-9), settings.dislocation_half_life_seconds)
        moved = 0.0

        def dislocate() -> float:
            nonlocal moved
            moved *= keep
            if draw() < chance:
                size = least - excess * float(_PORTABLE.ln(Decimal(1.0 - draw())))
                moved += size if draw() < 0.5 else -size
            return moved

        return dislocate


def _decay(step_seconds: Decimal, half_life_seconds: Decimal) -> tuple[float, float]:
    """Return what is kept of a basis over a step, and the share of its standard deviation that is drawn anew.

    An Ornstein-Uhlenbeck process seen at equal steps: b' = a·b + √(1 − a²)·z with a = 2^(−step / half-life).
    """
    keep = _PORTABLE.exp(_PORTABLE.divide(_PORTABLE.multiply(-_LN_2, step_seconds), half_life_seconds))
    stir = _PORTABLE.sqrt(_PORTABLE.subtract(Decimal(1), _PORTABLE.multiply(keep, keep)))
    return float(keep), float(stir)


def _ratio(step: str) -> tuple[int, int]:
    return Decimal(step).as_integer_ratio()


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
        )
    ]
