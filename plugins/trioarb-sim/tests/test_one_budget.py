"""A venue's source, market data and account count in one budget of its limits, in whichever process they are."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import trio
from simulated import KEY, opened_account, spec_of

from trioarb.api import Listing, MarketContext, MarketDataSpec, Order, Side, SourceContext, SymbolSourceSpec
from trioarb.venue import Ledger, runtime_folder
from trioarb_sim.simulator import Simulator, open_simulator

#: Opens a source in a process of its own, and asks it once.
ASKS = """
import sys, trio
from trioarb.api import SourceContext, SymbolSourceSpec
from trioarb.plugin.registry import load_plugins

async def main():
    spec = load_plugins().get(SymbolSourceSpec, sys.argv[1])
    async with spec.open(spec.settings(rest_url=sys.argv[2]), SourceContext(markets={})) as source:
        print(len(await source.listings()))

trio.run(main)
"""
LISTED = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def used(simulator: Simulator, venue: str, bucket: str, seconds: float, api_key: str = "") -> int:
    """Return what all together have used of a limit, as whoever comes next sees it."""
    ledger = Ledger.of_key(runtime_folder(), f"{venue} {simulator.host}", api_key)
    try:
        return ledger.used(bucket, seconds)
    finally:
        ledger.close()


async def test_of_binance_source_market_and_account_share_the_weight_of_an_address() -> None:
    pytest.importorskip("trioarb_binance")
    async with open_simulator("binance", every_seconds=0, key=KEY) as simulator:
        weight = partial(used, simulator, "Binance", "weight", 60)
        source = spec_of(SymbolSourceSpec, simulator.name)
        async with source.open(source.settings(rest_url=simulator.rest_url), SourceContext(markets={})) as opened:
            await opened.listings()
        assert 100 <= weight() <= 120  # a little is taken ahead
        command = [sys.executable, "-c", ASKS, "binance", simulator.rest_url]
        process = await trio.run_process(command, capture_stdout=True)
        assert process.stdout == b"7\n"
        assert 200 <= weight() <= 240
        market = spec_of(MarketDataSpec, simulator.name)
        settings = market.settings(rest_url=simulator.rest_url, stream_url=simulator.socket_url)
        async with market.open(settings, MarketContext(venue="a", seed=1, depth=30)):
            assert 300 <= weight() <= 360
        async with opened_account(simulator) as exchange:
            before = weight()
            for _ in range(5):
                await exchange.balances()
            assert before + 80 <= weight() <= before + 120
        assert simulator.violations == {}


async def test_of_binance_the_accounts_of_a_key_share_its_orders() -> None:
    pytest.importorskip("trioarb_binance")
    async with open_simulator("binance", every_seconds=0, key=KEY) as simulator:
        orders = partial(used, simulator, "Binance", "orders", 10)
        async with opened_account(simulator, can_trade=True) as one, opened_account(simulator, can_trade=True) as other:
            await one.instruments([LISTED])
            await other.instruments([LISTED])
            for number, exchange in enumerate((one, other, one)):
                await exchange.place(order(number))
        assert orders(api_key=KEY.api_key) == 3
        assert orders() == 0


@pytest.mark.parametrize(("name", "bucket"), [("upbit", "market"), ("bithumb", "public-other")])
async def test_of_upbit_and_bithumb_processes_share_what_is_counted_by_address(name: str, bucket: str) -> None:
    pytest.importorskip(f"trioarb_{name}")
    async with open_simulator(name, every_seconds=0, key=KEY) as simulator:
        began = time.monotonic()
        source = spec_of(SymbolSourceSpec, simulator.name)
        async with source.open(source.settings(rest_url=simulator.rest_url), SourceContext(markets={})) as opened:
            for _ in range(3):
                await opened.listings()
        found = used(simulator, name.title(), bucket, 1.0)
        if time.monotonic() - began > 0.9:
            pytest.skip("the machine is too slow for a window of a second")
        assert found >= 3


async def test_of_upbit_the_accounts_of_a_key_share_its_requests() -> None:
    pytest.importorskip("trioarb_upbit")
    async with open_simulator("upbit", every_seconds=0, key=KEY) as simulator:
        async with opened_account(simulator) as exchange:
            began = time.monotonic()
            for _ in range(3):
                await exchange.balances()
            found = used(simulator, "Upbit", "default", 1.0, KEY.api_key)
            if time.monotonic() - began > 0.9:
                pytest.skip("the machine is too slow for a window of a second")
        assert found >= 3
        assert used(simulator, "Upbit", "default", 1.0) == 0


def order(number: int) -> Order:
    return Order(
        client_order_id=f"1816687ec0570000-90d316-{number + 1}",
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal("0.001"),
        limit_price=Decimal(50_000),
    )
