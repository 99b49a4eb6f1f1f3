"""The spread strategy answers nothing outside of its bands."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Position, Route
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.quotes.band import Held, Path, edge_bps, exit_asked, net_bps

ROUTE = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")
BPS = st.decimals(-100, 100, places=1)
POSITIVE = st.none() | st.decimals("0.1", 100, places=1)
OPENED_NS = 1_000_000_000


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


@given(strategy=strategies(), edge=st.floats(-200, 200) | BPS.map(float))
def test_it_enters_within_its_band_only(strategy: SpreadStrategy, edge: float) -> None:
    if edge < strategy.entry_from_bps(ROUTE):
        assert strategy.entry(ROUTE, edge, 0) is None


@given(
    strategy=strategies(),
    bid=st.integers(9_500, 10_500).map(lambda cents: cents / 100),
    ask=st.integers(9_500, 10_500).map(lambda cents: cents / 100),
    later_ns=st.integers(0, 200_000_000_000),
)
def test_it_leaves_within_its_band_only(strategy: SpreadStrategy, bid: float, ask: float, later_ns: int) -> None:
    position = Position(
        trade_id="t1",
        route=ROUTE,
        opened_quantity=Decimal("0.5"),
        quantity=Decimal("0.5"),
        buy_price=Decimal(100),
        sell_price=Decimal("100.5"),
        cash=Decimal("0.25"),
        fees=Decimal("0.1"),
        realised=Decimal(0),
        opened_ns=OPENED_NS,
    )
    out = Path(route=ROUTE.reversed, buy=1, sell=0, cost_buy=1.0004, keep_sell=0.9996)
    held, now_ns = Held.of(position, strategy.exit_band(position), out), OPENED_NS + later_ns
    is_due = held.band.from_ns is not None and now_ns >= held.band.from_ns
    if not is_due and not exit_asked(held, bid, ask):
        edge = edge_bps(bid, out.keep_sell, ask, out.cost_buy)
        assert strategy.exit(position, edge, net_bps(held, bid, ask), now_ns) is None
