"""Strategies that quote or go around loops answer nothing outside of their bands, whatever their settings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Instrument, Listing, Route, StrategyContext, TradingRules, Triangle
from trioarb.builtin.maker_taker import MakerTakerSettings, MakerTakerStrategy
from trioarb.builtin.triangular import TriangularSettings, TriangularStrategy
from trioarb.testing import listing
from trioarb.testing.conformance.strategy_asking import expect_entry_in_band

BPS = st.decimals(-100, 100, places=1)
POSITIVE = st.decimals(0, 100, places=1)
FAR = st.lists(st.floats(-200, 200), max_size=5)


def context(own: Listing, maker_fee_bps: Decimal, triangles: Sequence[Triangle] = ()) -> StrategyContext:
    instruments = {
        venue: Instrument(
            symbol=own.symbol,
            venue=venue,
            native_id=own.symbol,
            base=own.base,
            quote=own.quote,
            rules=TradingRules(),
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=Decimal(5),
        )
        for venue in "ab"
    }
    return StrategyContext(
        symbol=own.symbol,
        venues=("a", "b"),
        touch=lambda venue: None,
        stock=lambda venue: Decimal(1),
        triangles=triangles,
        instruments=instruments,
        rests_at=frozenset("ab"),
    )


@given(
    entry=BPS,
    reach=POSITIVE,
    maker_fee=st.decimals(-5, 20, places=1),
    maker=st.sampled_from(["a", "b", None]),
    edges=FAR,
)
def test_maker_taker_enters_within_its_band_only(
    entry: Decimal, reach: Decimal, maker_fee: Decimal, maker: str | None, edges: list[float]
) -> None:
    settings = MakerTakerSettings(entry_bps=entry, reach_bps=reach, maker=maker)
    strategy = MakerTakerStrategy(settings, context(listing("BTC"), maker_fee))
    for buy, sell in (("a", "b"), ("b", "a"), ("b", "c")):
        expect_entry_in_band(strategy, Route(symbol="BTCUSDT", buy_venue=buy, sell_venue=sell), 0, edges)


@given(entry=BPS, edges=FAR)
def test_triangular_enters_within_its_band_only(entry: Decimal, edges: list[float]) -> None:
    triangles = [Triangle(home="ETHUSDT", cross="ETHBTC", other="BTCUSDT")]
    strategy = TriangularStrategy(TriangularSettings(entry_bps=entry), context(listing("ETH"), Decimal(0), triangles))
    expect_entry_in_band(strategy, Route(symbol="ETHUSDT", buy_venue="a", sell_venue="a"), 0, edges)
