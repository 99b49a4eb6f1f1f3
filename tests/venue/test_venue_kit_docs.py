"""The feed in docs/venue-kit.md keeps books that are the venue's, or withdrawn, whatever happens to it."""

from __future__ import annotations

import re
import time
import types
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import isnan
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio
from venue_server import VenueServer, venue_server
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection

import trioarb.venue
from trioarb.api import Listing, MarketDataError
from trioarb.errors import VenueError
from trioarb.venue import Endpoint

PAGE = (Path(__file__).parents[2] / "docs" / "venue-kit.md").read_text()
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture(scope="module")
def page() -> types.ModuleType:
    """The module that the page shows."""
    code = next(iter(re.findall(r"```python\n(# src/acme_venue/feed\.py\n.*?)```", PAGE, re.DOTALL)))
    module = types.ModuleType("acme_venue.feed")
    exec(compile(code, "docs/venue-kit.md", "exec", dont_inherit=True), module.__dict__)
    return module


Quote = tuple[float, float, float, float]


@attrs.define
class Venue:
    """Books that change all the time, told by all connections that have subscribed, and all they ever were."""

    server: VenueServer
    levels: dict[str, dict[float, float]] = attrs.field(factory=lambda: {one: {} for one in SYMBOLS})
    at: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(SYMBOLS, 0))
    #: Every best bid, with its size and those of the next, that a book ever had.
    been: set[tuple[Any, ...]] = attrs.field(factory=set)
    lost: int = 0
    fetched: int = 0
    failing: int = 0

    async def go_on(self) -> None:
        while True:
            for symbol in SYMBOLS:
                event = self.change(symbol)
                if self.lost:
                    self.lost -= 1
                    continue
                for connection in tuple(self.server.subscribed):
                    with suppress(ConnectionClosed):
                        await connection.send(event)
            await trio.sleep(0.002)

    def change(self, symbol: str) -> str:
        self.at[symbol] += 1
        number = self.at[symbol]
        price, size = 100.0 + number * 7 % 11, float(number % 4)
        if size:
            self.levels[symbol][price] = size + number / 1_000_000
        else:
            self.levels[symbol].pop(price, None)
        self.been.add((symbol, *self.best(symbol)))
        changes = [[f"{price:.8f}", f"{self.levels[symbol].get(price, 0.0):.8f}"]]
        event = {"symbol": symbol, "first": number, "last": number, "bids": changes, "asks": []}
        return msgspec.json.encode(event).decode()

    def best(self, symbol: str) -> tuple[float, ...]:
        bids = sorted(self.levels[symbol].items(), reverse=True)[:5]
        return tuple(number for level in bids for number in level)

    async def snapshot(self, page: types.ModuleType, symbol: str) -> Any:
        self.fetched += 1
        snapshot = page.Snapshot(self.at[symbol], list(self.levels[symbol].items()), [])
        await trio.sleep(0.01)
        if self.failing:
            self.failing -= 1
            raise VenueError("503 from the venue")
        return snapshot


@attrs.define
class Told:
    """What sinks were told of each symbol; each quote is held against all that the venue's book ever was."""

    venue: Venue
    quotes: dict[str, list[tuple[float, ...]]] = attrs.field(factory=lambda: {one: [] for one in SYMBOLS})

    def sink(self, symbol: str) -> Callable[..., None]:
        def on_quote(bid: float, size: float, ask: float, ask_size: float, at: int, of: Any, levels: Any) -> None:
            if levels is not None:
                levels = levels()
                told = (bid, size, *(one for level in zip(levels[0], levels[1], strict=True) for one in level))
                assert (symbol, *told) in self.venue.been
            self.quotes[symbol].append((bid, size))
            assert abs(time.time_ns() - at) < 5_000_000_000

        return on_quote

    def is_shown(self, *symbols: str) -> bool:
        return all(self.quotes[symbol] and not isnan(self.quotes[symbol][-1][0]) for symbol in symbols or SYMBOLS)

    def is_withdrawn(self, symbol: str) -> bool:
        return bool(self.quotes[symbol]) and isnan(self.quotes[symbol][-1][0])


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at a server
            await trio.sleep(0.001)


@asynccontextmanager
async def fed(page: types.ModuleType) -> AsyncIterator[tuple[Venue, Told]]:
    async with venue_server() as server, trio.open_nursery() as nursery:
        venue = Venue(server)
        told = Told(venue)
        listings = [Listing(symbol=one, base=one[:3], quote="USDT") for one in SYMBOLS]
        feed = page.AcmeFeed(
            Endpoint(url=server.url), listings, lambda symbol: venue.snapshot(page, symbol), time.time_ns
        )
        assert [listing.symbol for listing in await feed.listings()] == list(SYMBOLS)
        nursery.start_soon(venue.go_on)
        await nursery.start(feed.run, {symbol: told.sink(symbol) for symbol in SYMBOLS})
        await until(told.is_shown)
        assert venue.fetched == 2
        yield venue, told
        nursery.cancel_scope.cancel()


async def test_books_are_shown_after_a_snapshot(page: types.ModuleType) -> None:
    async with fed(page) as (venue, told):
        seen = len(told.quotes["BTCUSDT"])
        await until(lambda: len(told.quotes["BTCUSDT"]) > seen + 100)
        assert told.is_shown()
        assert venue.fetched == 2


async def test_a_gap_is_mended(page: types.ModuleType) -> None:
    async with fed(page) as (venue, told):
        venue.lost = 2
        await until(lambda: told.is_withdrawn("BTCUSDT") or told.is_withdrawn("ETHUSDT"))
        await until(lambda: venue.fetched == 4 and told.is_shown())


async def test_a_snapshot_that_fails_is_asked_for_again(page: types.ModuleType) -> None:
    async with fed(page) as (venue, told):
        venue.failing, venue.lost = 1, 1
        await until(lambda: told.is_withdrawn("BTCUSDT") or told.is_withdrawn("ETHUSDT"))
        await until(lambda: venue.fetched == 4 and told.is_shown())


async def test_after_a_cut_books_begin_anew(page: types.ModuleType) -> None:
    async with fed(page) as (venue, told):
        await trio.aclose_forcefully(venue.server.open[0].stream)
        await until(lambda: told.is_withdrawn("BTCUSDT") and told.is_withdrawn("ETHUSDT"))
        await until(told.is_shown)
        assert venue.fetched == 4


async def test_what_is_no_message_is_counted_and_changes_nothing(page: types.ModuleType) -> None:
    async with fed(page) as (venue, told):
        connection: ServerConnection = venue.server.open[0]
        for message in ("", "[]", "nonsense", '{"symbol":"OTHER","first":1,"last":1,"bids":[],"asks":[]}'):
            await connection.send(message)
        await connection.send('{"symbol":"BTCUSDT","first":0,"last":999999999,"bids":[["nan","1"]],"asks":[]}')
        await until(lambda: told.is_withdrawn("BTCUSDT"))
        await until(lambda: venue.fetched == 3 and told.is_shown())


async def test_a_feed_that_can_never_connect_is_an_error(page: types.ModuleType) -> None:
    feed = page.AcmeFeed(Endpoint(url="ws://localhost:1", proxy="none://x"), [], None, time.time_ns)
    with trio.fail_after(5), pytest.raises(ExceptionGroup) as caught:
        await feed.run({})
    assert caught.group_contains(MarketDataError, match="proxy of localhost:1 can't be used")


def test_the_page_names_what_there_is() -> None:
    section = PAGE.split("## ")[0]
    named = [name for name in re.findall(r"`(\w+)`", section) if name not in ("trioarb",)]
    assert len(named) > 12
    assert not [name for name in named if not hasattr(trioarb.venue, name)]


def test_all_that_is_exported_is_there_in_order() -> None:
    names = trioarb.venue.__all__
    assert list(names) == sorted(names)
    assert not [name for name in names if not hasattr(trioarb.venue, name)]
