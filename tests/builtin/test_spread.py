"""The spread strategy answers nothing outside of its bands, whatever its settings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Route
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.testing.conformance.strategy_asking import expect_entry_in_band, expect_exit_in_band, positions

ROUTE = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")
BPS = st.decimals(-100, 100, places=1)
POSITIVE = st.none() | st.decimals("0.1", 100, places=1)
FAR = st.floats(-200, 200)


@st.composite
def strategies(draw: st.DrawFn) -> SpreadStrategy:
    return SpreadStrategy(
        SpreadSettings(
            entry_bps=draw(BPS),
            exit_bps=draw(BPS),
            take_profit_bps=draw(POSITIVE),
            stop_loss_bps=draw(POSITIVE),
            max_holding_seconds=draw(POSITIVE),
        )
    )


@given(strategy=strategies(), edges=st.lists(FAR, max_size=5))
def test_it_enters_within_its_band_only(strategy: SpreadStrategy, edges: list[float]) -> None:
    expect_entry_in_band(strategy, ROUTE, 0, edges)


@given(strategy=strategies(), edges=st.lists(FAR, max_size=5))
def test_it_leaves_within_its_band_only(strategy: SpreadStrategy, edges: list[float]) -> None:
    for position in positions([ROUTE]):
        expect_exit_in_band(strategy, position, edges)
