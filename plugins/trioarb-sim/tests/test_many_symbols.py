"""Hundreds of symbols at once, within the limits that the venues' documents have."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from simulated import Board, many, opened_market

from trioarb_sim.faults import Fault
from trioarb_sim.market import MarketState
from trioarb_sim.recorded_listing import recorded_markets
from trioarb_sim.simulator import Simulator, open_simulator

CAPTURES = Path(__file__).parents[3].parent / "shared" / "data" / "captures"
RECORDED = {"binance": "binance/spot_20211012.listing.jsonl.gz", "upbit": "upbit/spot_20210417.listing.jsonl.gz"}
VENUES = ("binance", "upbit", "bithumb")
#: More than Binance takes messages of a connection for in a second, 100 symbols in each.
COUNTS = {"binance": 1_000, "upbit": 500, "bithumb": 500}
#: Each book is told by the streams of best prices (1), of best levels (20), or of changes, on snapshots.
DEPTHS = (1, 20)


async def seconds_to_quote_all(simulator: Simulator, depth: int) -> float:
    """List everything, subscribe to it, and return how long it took until all of it was quoted."""
    began = time.monotonic()
    async with opened_market(simulator, depth=depth) as feed:
        symbols = [one.symbol for one in await feed.listings()]
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


@pytest.mark.parametrize("venue", VENUES)
async def test_a_listing_that_is_cut_off_is_asked_for_again(venue: str) -> None:
    pytest.importorskip(f"trioarb_{venue}")
    async with open_simulator(venue, every_seconds=0) as simulator:
        simulator.faults.switch_on(Fault.MALFORMED, times=2)
        async with opened_market(simulator) as feed:
            assert len(await feed.listings()) == len(simulator.venue.markets)
        assert simulator.faults.happened == {"malformed": 2}
