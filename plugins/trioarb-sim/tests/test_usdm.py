"""Contracts of Binance: what the simulated venue tells of them, and what the plugin makes of it over a socket."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
import trio
from simulated import Board, opened_market
from websockets.exceptions import InvalidStatus
from websockets.trio.client import connect

from trioarb_sim.faults import Fault
from trioarb_sim.simulator import Simulator, open_simulator

pytest.importorskip("trioarb_binance")

Shown = tuple[float, float, float, float]


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  what is waited for happens at the venue
            await trio.sleep(0.01)


@asynccontextmanager
async def hearing(depth: int) -> AsyncIterator[tuple[Simulator, Board, list[str]]]:
    async with open_simulator("binance_usdm", every_seconds=0.05) as simulator:
        async with opened_market(simulator, depth=depth) as feed, trio.open_nursery() as nursery:
            board, symbols = Board(), [one.symbol for one in await feed.listings()]
            await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
            yield simulator, board, symbols
            nursery.cancel_scope.cancel()
        assert simulator.violations == {}


def best(simulator: Simulator, symbol: str) -> Shown:
    _, bids, asks = simulator.venue.book(symbol, 1)
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    return float(bid), float(bid_size), float(ask), float(ask_size)


def is_same(simulator: Simulator, board: Board, symbols: list[str]) -> bool:
    return board.has_all(symbols) and all(board.quoted[symbol] == best(simulator, symbol) for symbol in symbols)


@pytest.mark.parametrize("depth", [1, 5, 30])
async def test_what_is_quoted_is_what_the_venue_has(depth: int) -> None:
    async with hearing(depth) as (simulator, board, symbols):
        assert len(symbols) == 7  # the contract that ends is none of them
        await until(lambda: is_same(simulator, board, symbols))
        await until(lambda: min(board.told.values()) > 10)
        await until(lambda: is_same(simulator, board, symbols))


@pytest.mark.parametrize("fault", [Fault.GAP, Fault.CUT])
async def test_after_a_fault_it_is_so_again(fault: Fault) -> None:
    async with hearing(30) as (simulator, board, symbols):
        await until(lambda: is_same(simulator, board, symbols))
        asked = simulator.traffic.requests
        simulator.faults.switch_on(fault, times=2 if fault is Fault.GAP else 1)
        await until(lambda: not board.has_all(symbols))
        await until(lambda: is_same(simulator, board, symbols))
        assert simulator.traffic.requests > asked


async def read(simulator: Simulator, path: str, **params: Any) -> Any:
    async with httpx.AsyncClient(base_url=simulator.rest_url) as client:
        answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_mark_prices_and_fundings_are_told_and_decoded() -> None:
    from trioarb_binance.wire import streams
    from trioarb_binance.wire.listing_body import PremiumIndex
    from trioarb_binance.wire.market_message import MarketDecoder, MarkPrice, Streamed

    async with open_simulator("binance_usdm", every_seconds=0) as simulator:
        simulator.venue.show("BTCUSDT", [(Decimal(59_999), Decimal(1))], [(Decimal(60_001), Decimal(1))])
        url = f"{simulator.socket_url}/market/stream?streams={streams.mark_price('BTCUSDT')}"
        with trio.fail_after(10):
            async with connect(url, proxy=None) as socket:
                told = MarketDecoder(is_usdm=True).decode(await socket.recv(decode=False))
        assert isinstance(told, Streamed)
        assert isinstance(told.data, MarkPrice)
        assert (told.data.symbol, told.data.mark, told.data.funding_bps) == ("BTCUSDT", 60_000.0, 1.0)
        (premium,) = [one for one in await read(simulator, "/fapi/v1/premiumIndex") if one["symbol"] == "BTCUSDT"]
        decoded = msgspec.convert(premium, PremiumIndex, strict=False)
        assert decoded.next_funding_time == told.data.next_funding_ms
        assert told.data.next_funding_ms % (8 * 3_600_000) == 0


async def test_each_change_names_the_one_before() -> None:
    async with open_simulator("binance_usdm", every_seconds=0) as simulator:
        url = f"{simulator.socket_url}/public/ws/btcusdt@depth@100ms"
        events: list[dict[str, Any]] = []
        with trio.fail_after(10):
            async with connect(url, proxy=None) as socket:
                for size in range(1, 4):
                    simulator.venue.show("BTCUSDT", [(Decimal(59_999), Decimal(size))], [(Decimal(60_001), Decimal(1))])
                    events.append(msgspec.json.decode(await socket.recv()))
        assert [one["pu"] for one in events[1:]] == [one["u"] for one in events[:-1]]
        # Numbers have holes.
        assert all(later["U"] > earlier["u"] + 1 for earlier, later in itertools.pairwise(events))
        book = await read(simulator, "/fapi/v1/depth", symbol="BTCUSDT", limit=5)
        assert book["lastUpdateId"] == events[-1]["u"]
        assert book["bids"] == [["59999", "3"]]


@pytest.mark.parametrize("path", ["/ws/btcusdt@bookTicker", "/stream?streams=btcusdt@bookTicker"])
async def test_paths_of_before_are_served_until_they_are_retired(path: str) -> None:
    async with open_simulator("binance_usdm", every_seconds=0.05) as simulator:
        with trio.fail_after(10):
            async with connect(simulator.socket_url + path, proxy=None) as socket:
                assert b"bookTicker" in await socket.recv(decode=False)
            simulator.faults.switch_on(Fault.RETIRED, market="legacy")
            with pytest.raises(InvalidStatus, match="404"):
                async with connect(simulator.socket_url + path, proxy=None):
                    pass
            async with connect(f"{simulator.socket_url}/public{path}", proxy=None) as socket:
                assert b"bookTicker" in await socket.recv(decode=False)
