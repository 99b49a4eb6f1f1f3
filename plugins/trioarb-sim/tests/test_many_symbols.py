"""Hundreds of symbols at once, within the limits that the venues' documents have."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import Feed, Levels, MarketContext
from trioarb_sim.listing import binance_markets, upbit_markets
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.recorded_listing import recorded_markets
from trioarb_sim.simulator import Simulator, open_simulator
from trioarb_sim.upbit.dialect import BITHUMB, UPBIT

CAPTURES = Path(__file__).parents[3].parent / "shared" / "data" / "captures"
RECORDED = {"binance": "binance/spot_20211012.listing.jsonl.gz", "upbit": "upbit/spot_20210417.listing.jsonl.gz"}
VENUES = ("binance", "upbit", "bithumb")
#: More than Binance takes messages of a connection for in a second, 100 symbols in each.
COUNTS = {"binance": 1_000, "upbit": 500, "bithumb": 500}
#: Each book is told by the streams of best prices (1), of best levels (20), or of changes, on snapshots.
DEPTHS = (1, 20)


def many(venue: str, count: int) -> list[MarketRules]:
    """Return so many markets, all of them like one that there is."""
    if venue == "binance":
        like, name = binance_markets()[0], "{}USDT"
    else:
        like, name = upbit_markets(UPBIT if venue == "upbit" else BITHUMB)[0], "KRW-{}"
    bases = [f"C{number}" for number in range(count)]
    return [attrs.evolve(like, name=name.format(base), base=base, volume=Decimal(1000)) for base in bases]


@attrs.define
class Board:
    """Which symbols are quoted."""

    quoted: dict[str, bool] = attrs.field(factory=dict)

    def sink(self, symbol: str) -> Callable[..., None]:
        def take(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Levels | None = None,
        ) -> None:
            self.quoted[symbol] = not math.isnan(bid)

        return take

    def has_all(self, symbols: Iterable[str]) -> bool:
        return all(self.quoted.get(symbol) for symbol in symbols)


@asynccontextmanager
async def opened(simulator: Simulator, depth: int) -> AsyncIterator[Feed]:
    """Open a plugin's market data as the engine does."""
    module = {"binance": "trioarb_binance.plugin"}.get(simulator.name, f"trioarb_{simulator.name}.plugin")
    (spec,) = import_module(module).trioarb_market_data()
    settings: Any = spec.settings(rest_url=simulator.rest_url, stream_url=simulator.socket_url)
    async with spec.open(settings, MarketContext(venue="a", seed=1, depth=depth)) as market:
        assert isinstance(market, Feed)
        yield market


async def seconds_to_quote_all(simulator: Simulator, depth: int) -> float:
    """List everything, subscribe to it, and return how long it took until all of it was quoted."""
    began = time.monotonic()
    async with opened(simulator, depth) as feed:
        symbols = [one.symbol for one in feed.listings()]
        trading = [one for one in simulator.venue.markets if one.state is MarketState.TRADING]
        assert len(symbols) == len(trading)
        board = Board()
        async with trio.open_nursery() as nursery:
            await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
            while not board.has_all(symbols):  # noqa: ASYNC110  what is waited for happens at the venue
                await trio.sleep(0.05)
            took = time.monotonic() - began
            nursery.cancel_scope.cancel()
    return took


async def show(simulator: Simulator) -> None:
    """Have each market show something else, from now on, some at a time."""
    number = 0
    while True:
        number += 1
        for index, market in enumerate(simulator.venue.markets):
            tick = market.ticks[-1][1]
            middle = tick * (10_000 + number % 7)
            simulator.venue.show(market.name, [(middle, Decimal(number))], [(middle + tick, Decimal(number))])
            if index % 100 == 99:
                await trio.sleep(0.02)
        await trio.sleep(0.2)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("venue", VENUES)
async def test_500_symbols_and_more_are_listed_and_subscribed_to_within_the_limits(venue: str, depth: int) -> None:
    pytest.importorskip(f"trioarb_{venue}")
    async with open_simulator(venue, markets=many(venue, COUNTS[venue]), every_seconds=0) as simulator:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(show, simulator)
            with trio.fail_after(60):
                await seconds_to_quote_all(simulator, depth)
            nursery.cancel_scope.cancel()
        assert simulator.violations == {}
        assert simulator.traffic.refused == 0
        assert set(simulator.traffic.statuses) <= {200}
        assert simulator.traffic.connects == 1


@pytest.mark.parametrize("venue", RECORDED)
async def test_so_is_everything_that_a_venue_listed_once(venue: str) -> None:
    pytest.importorskip(f"trioarb_{venue}")
    path = CAPTURES / RECORDED[venue]
    if not path.is_file():
        pytest.skip("no recorded listing beside this checkout")
    markets = recorded_markets(venue, [path])
    async with open_simulator(venue, markets=markets, every_seconds=0.1) as simulator:
        with trio.fail_after(60):
            await seconds_to_quote_all(simulator, 1)
        assert simulator.violations == {}
        assert simulator.traffic.refused == 0
