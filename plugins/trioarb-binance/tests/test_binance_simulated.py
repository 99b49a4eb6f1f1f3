"""Market data of the simulated Binance, which was written from the documents and knows nothing of this plugin."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from binance_asking import open_asking
from stopped import StoppedTime

from trioarb.api import Levels, LevelsLater, MarketContext, MarketDataError
from trioarb.venue import Backoff
from trioarb_binance.dialect import SPOT
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.plugin import trioarb_venues
from trioarb_binance.settings import BinanceMarketSettings

simulated = pytest.importorskip("trioarb_sim.simulator", reason="trioarb-sim is not installed")
faults = pytest.importorskip("trioarb_sim.faults")

_, MARKET, _ = trioarb_venues()[0].parts()
QUICK = Backoff(first_seconds=0.05, longest_seconds=0.3)
Side = list[tuple[float, float]]


@attrs.define
class Board:
    """The last that each sink was told, and how many times."""

    last: dict[str, tuple[Side, Side]] = attrs.field(factory=dict)
    told: dict[str, int] = attrs.field(factory=dict)
    withdrawn: dict[str, int] = attrs.field(factory=dict)
    crossed: int = 0
    received_ns: set[int] = attrs.field(factory=set)

    def sink(self, symbol: str) -> Callable[..., None]:
        def take(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Levels | LevelsLater | None = None,
        ) -> None:
            more = (levels() if callable(levels) else levels) or ((), (), (), ())
            self.last[symbol] = (
                [(bid, bid_size), *zip(more[0], more[1], strict=True)],
                [(ask, ask_size), *zip(more[2], more[3], strict=True)],
            )
            self.told[symbol] = self.told.get(symbol, 0) + 1
            self.withdrawn[symbol] = self.withdrawn.get(symbol, 0) + math.isnan(bid)
            self.crossed += bid >= ask
            self.received_ns.add(received_ns)

        return take


@asynccontextmanager
async def hearing(depth: int, every_seconds: float = 0.02, **settings: Any) -> AsyncIterator[tuple[Any, Board]]:
    """Run a venue with wandering prices, and a feed of all its symbols."""
    async with simulated.open_simulator("binance", every_seconds=every_seconds) as venue:
        async with open_asking(venue.rest_url) as ask:
            listed = await SPOT.listed(ask)
            feed = BinanceFeed(SPOT, listed, ask, stream_url=venue.socket_url, depth=depth, backoff=QUICK, **settings)
            board = Board()
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in listed.markets})
                    yield venue, board
                    nursery.cancel_scope.cancel()
        assert venue.violations == {}


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at the venue
            await trio.sleep(0.01)


def shown(venue: Any, symbol: str, depth: int) -> tuple[Side, Side]:
    _, bids, asks = venue.venue.book(symbol, depth)
    return [(float(p), float(s)) for p, s in bids], [(float(p), float(s)) for p, s in asks]


def is_same(venue: Any, board: Board, depth: int) -> bool:
    return len(board.told) == len(venue.venue.markets) and all(
        board.last.get(symbol) == shown(venue, symbol, depth) for symbol in board.told
    )


@pytest.mark.parametrize("depth", [1, 5, 30])
async def test_what_is_told_is_what_the_venue_has(depth: int) -> None:
    async with hearing(depth) as (venue, board):
        await until(lambda: len(board.told) == len(venue.venue.markets) and min(board.told.values()) > 5)
        # Now and then, between two changes, both agree on all of it.
        await until(lambda: is_same(venue, board, depth))
        assert board.crossed == 0


@pytest.mark.parametrize(
    ("fault", "times", "depth"),
    [("GAP", 3, 30), ("CUT", 2, 1), ("CUT", 2, 5), ("CUT", 2, 30), ("SHUTDOWN", 1, 1), ("SHUTDOWN", 1, 30)],
)
async def test_after_a_fault_it_is_again_what_the_venue_has(fault: str, times: int, depth: int) -> None:
    async with hearing(depth) as (venue, board):
        await until(lambda: len(board.told) == len(venue.venue.markets) and min(board.told.values()) > 2)
        venue.faults.switch_on(faults.Fault[fault], times=times)
        await until(lambda: venue.faults.happened.get(fault.lower()) == times)
        before = dict(board.told)
        await until(lambda: all(board.told[symbol] > before[symbol] + 20 for symbol in before))
        await until(lambda: is_same(venue, board, depth))
        assert board.crossed == 0
        if fault in ("CUT", "GAP"):
            assert sum(board.withdrawn.values()) > 0
        if fault == "SHUTDOWN":
            # Another connection took over before this one was cut: nothing was missing.
            assert sum(board.withdrawn.values()) == 0


async def test_a_symbol_that_falls_silent_is_withdrawn_and_the_others_go_on() -> None:
    async with hearing(1, silent_seconds=0.5) as (venue, board):
        await until(lambda: len(board.told) == len(venue.venue.markets))
        venue.faults.switch_on(faults.Fault.SILENT, market="BTCUSDT")
        await until(lambda: board.withdrawn.get("BTCUSDT"))
        before = board.told["ETHUSDT"]
        await until(lambda: board.told["ETHUSDT"] > before + 5)
        assert board.withdrawn["ETHUSDT"] == 0
        venue.faults.clear()
        await until(lambda: not math.isnan(board.last["BTCUSDT"][0][0][0]))


async def test_what_nobody_knows_does_no_harm() -> None:
    """V-7."""
    async with hearing(30) as (venue, board):
        venue.faults.switch_on(faults.Fault.UNKNOWN)
        await until(lambda: venue.faults.happened.get("unknown", 0) > 20)
        await until(lambda: is_same(venue, board, 30))
        assert sum(board.withdrawn.values()) == 0


async def test_an_endpoint_that_is_retired_closes_its_book_and_no_other() -> None:
    """V-7."""
    async with hearing(30) as (venue, board):
        await until(lambda: is_same(venue, board, 30))
        venue.faults.switch_on(faults.Fault.RETIRED, market="BTCUSDT")
        venue.faults.switch_on(faults.Fault.GAP, market="BTCUSDT")
        await until(lambda: venue.faults.happened.get("retired", 0) >= 2)
        before = board.told["ETHUSDT"]
        await until(lambda: board.told["ETHUSDT"] > before + 10)
        assert math.isnan(board.last["BTCUSDT"][0][0][0])
        assert board.withdrawn["ETHUSDT"] == 0


async def test_snapshots_that_are_refused_are_asked_for_again() -> None:
    context = MarketContext(venue="a", seed=1, depth=30, time=StoppedTime(77))
    async with simulated.open_simulator("binance", every_seconds=0.02) as venue:
        settings = BinanceMarketSettings(rest_url=venue.rest_url, stream_url=venue.socket_url)
        async with MARKET.open(settings, context) as market:
            assert isinstance(market, BinanceFeed)
            for fault in ("SERVER_ERROR", "MALFORMED"):
                venue.faults.switch_on(faults.Fault[fault], times=3)
            board = Board()
            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    await nursery.start(market.run, {"BTCUSDT": board.sink("BTCUSDT")})
                    await until(lambda: board.last and not math.isnan(board.last["BTCUSDT"][0][0][0]))
                    nursery.cancel_scope.cancel()
        assert board.received_ns == {77}
        assert venue.faults.happened == {"server_error": 3, "malformed": 3}
        assert venue.violations == {}


async def test_a_listing_that_is_cut_off_is_asked_for_again() -> None:
    async with simulated.open_simulator("binance", every_seconds=0) as venue:
        settings = BinanceMarketSettings(rest_url=venue.rest_url, stream_url=venue.socket_url)
        context = MarketContext(venue="a", seed=1)
        venue.faults.switch_on(faults.Fault.MALFORMED, times=2)
        async with MARKET.open(settings, context) as market:
            assert isinstance(market, BinanceFeed)
            assert len(await market.listings()) == len(venue.venue.markets)
        venue.faults.switch_on(faults.Fault.MALFORMED, times=3)
        with pytest.raises(MarketDataError, match="its symbols aren't known"):
            async with MARKET.open(settings, context):
                pass


async def test_over_tls_with_an_authority_of_its_own(tmp_path: Any) -> None:
    async with simulated.open_simulator("binance", every_seconds=0.02, tls=True) as venue:
        ca_file = tmp_path / "ca.pem"
        venue.authority.write(ca_file)
        settings = BinanceMarketSettings(rest_url=venue.rest_url, stream_url=venue.socket_url, ca_file=ca_file)
        async with MARKET.open(settings, MarketContext(venue="a", seed=1)) as market:
            assert isinstance(market, BinanceFeed)
            board = Board()
            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    await nursery.start(market.run, {"BTCUSDT": board.sink("BTCUSDT")})
                    await until(lambda: board.told.get("BTCUSDT", 0) > 3)
                    nursery.cancel_scope.cancel()
