"""Upbit's market data over loopback, in real time: sockets don't wait for a virtual clock."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from rest_server import Asked, RestServer, http, rest_server
from stopped import StoppedTime
from venue_server import VenueServer, venue_server
from websockets.trio.server import ServerConnection

from trioarb.api import (
    Exchange,
    ExchangeContext,
    Feed,
    MarketContext,
    MarketData,
    MarketDataError,
    Order,
    Side,
    SourceContext,
    SymbolSource,
    VenueContext,
    VenueError,
)
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import MarketDataSpec, SymbolSourceSpec
from trioarb.testing import run_real
from trioarb.venue import LimitReached, Limits, NotSent, Priority, Response
from trioarb_upbit import plugin, wire
from trioarb_upbit.client import open_client
from trioarb_upbit.feed import BookFeed
from trioarb_upbit.settings import AccountSettings, ConnectionSettings, MarketSettings

SOURCE, MARKET, ACCOUNT = plugin.trioarb_venues()[0].parts()
MARKETS = [
    {"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"},
    {"market": "BTC-XRP", "korean_name": "리플", "english_name": "XRP"},
]
PRICES = [
    {
        "market": "KRW-BTC",
        "trade_price": 90_000_000,
        "timestamp": 1,
        "acc_trade_price_24h": 125_000_000_000.5,
        "acc_trade_volume_24h": 1388.8,
    }
]


async def answer(asked: Asked) -> bytes:
    """Answer as Upbit would of a venue with two markets."""
    path = asked.target.partition("?")[0]
    known: dict[str, object] = {
        "/v1/market/all": MARKETS,
        "/v1/ticker/all": PRICES,
        "/v1/orderbook/instruments": [{"market": "KRW-BTC", "quote_currency": "KRW", "tick_size": "500"}],
    }
    return http(200, json.dumps(known[path]).encode())


def frame(market: str, bid: float, ask: float, **changes: object) -> bytes:
    unit = {"ap": ask, "bp": bid, "as": 1.0, "bs": 2.0}
    deeper = {"ap": ask * 2, "bp": bid / 2, "as": 3.0, "bs": 4.0}
    return json.dumps(
        {"ty": "orderbook", "cd": market, "tms": 5, "obu": [unit, deeper], "st": "REALTIME"} | changes
    ).encode()


@attrs.define
class Shown:
    """A sink that keeps what it is shown, and wakes who waits for it."""

    quotes: list[tuple[Any, ...]] = attrs.field(factory=list)
    changed: trio.Event = attrs.field(factory=trio.Event)

    def __call__(self, *quote: Any) -> None:
        self.quotes.append(quote)
        self.changed.set()

    @property
    def is_withdrawn(self) -> bool:
        return all(math.isnan(number) for number in self.quotes[-1][:4])

    async def until(self, is_there: Callable[[Shown], bool]) -> None:
        with trio.fail_after(10):
            while not (self.quotes and is_there(self)):
                await self.changed.wait()
                self.changed = trio.Event()


async def show_books(connection: ServerConnection, message: str | bytes) -> None:
    await connection.send(frame("KRW-BTC", 90_000_000.0, 90_001_000.0))
    await connection.send(frame("BTC-XRP.5", 0.00002, 0.00003))


@asynccontextmanager
async def running(
    respond: Callable[[ServerConnection, str | bytes], Any] = show_books, silent_seconds: Decimal = Decimal(60)
) -> AsyncIterator[tuple[Feed, VenueServer, RestServer, dict[str, Shown]]]:
    """Run a feed of both markets against a venue that answers subscriptions as told."""
    async with venue_server(respond) as stream, rest_server(answer) as rest:
        settings = MarketSettings(rest_url=rest.url, stream_url=stream.url, silent_seconds=silent_seconds)
        spec = MARKET
        sinks = {"BTCKRW": Shown(), "XRPBTC": Shown()}
        async with spec.open(settings, MarketContext(venue="upbit", seed=1, depth=3, time=StoppedTime(77))) as feed:
            assert isinstance(feed, Feed)
            async with trio.open_nursery() as nursery:
                with trio.fail_after(10):
                    await nursery.start(feed.run, sinks)
                yield feed, stream, rest, sinks
                nursery.cancel_scope.cancel()


async def test_books_are_shown_as_they_come_with_the_levels_beyond() -> None:
    async with running() as (_, stream, _, sinks):
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 1)
        await sinks["XRPBTC"].until(lambda one: len(one.quotes) == 1)
        bid, bid_size, ask, ask_size, received_ns, venue_ns, levels = sinks["BTCKRW"].quotes[0]
        assert received_ns == 77
        assert (bid, bid_size, ask, ask_size) == (90_000_000.0, 2.0, 90_001_000.0, 1.0)
        assert venue_ns == 5_000_000
        assert levels == ((45_000_000.0,), (4.0,), (180_002_000.0,), (3.0,))
        assert sinks["XRPBTC"].quotes[0][:3] == (0.00002, 2.0, 0.00003)
        (asked,) = stream.messages()
        assert json.loads(asked)[1:] == [
            {"type": "orderbook", "codes": ["KRW-BTC.5", "BTC-XRP.5"]},
            {"format": "SIMPLE"},
        ]


async def test_markets_come_with_volumes_steps_and_least_orders() -> None:
    async with running() as (feed, stream, rest, _):
        assert [(one.symbol, one.volume_24h_quote) for one in await feed.listings()] == [
            ("BTCKRW", Decimal("125000000000.5")),
            ("XRPBTC", None),
        ]
        won = feed.rules("BTCKRW")
        assert won is not None
        assert won.tick_at(Decimal(90_000_000)) == Decimal(500)
        assert won.min_notional == Decimal(5000)
        assert feed.rules("ETHKRW") is None
        assert [(one.method, one.target) for one in rest.asked] == [
            ("GET", "/v1/market/all?is_details=true"),
            ("GET", "/v1/ticker/all?quote_currencies=KRW%2CBTC%2CUSDT"),
            ("GET", "/v1/orderbook/instruments?markets=KRW-BTC%2CBTC-XRP"),
        ]
        assert all("origin" not in {name.lower() for name in one.headers} for one in rest.asked)
        assert all("Origin" not in request.headers for request in stream.requests)


async def test_a_lost_connection_withdraws_all_and_the_next_shows_them_again() -> None:
    async with running() as (_, stream, _, sinks):
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 1)
        await stream.open[0].aclose()
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 3)
        await sinks["XRPBTC"].until(lambda one: len(one.quotes) == 3)
        for sink in sinks.values():
            lost = sink.quotes[1]
            assert all(math.isnan(number) for number in lost[:4])
            assert not sink.is_withdrawn
        assert len(stream.messages()) == 2


async def test_a_silent_market_is_withdrawn_and_everything_is_asked_for_again() -> None:
    asked_again = trio.Event()

    async def show_one(connection: ServerConnection, message: str | bytes) -> None:
        await connection.send(frame("KRW-BTC", 90_000_000.0, 90_001_000.0))
        if len(stream.messages()) == 2:
            asked_again.set()

    async with running(show_one, silent_seconds=Decimal("0.3")) as (_, stream, _, sinks):
        await sinks["XRPBTC"].until(lambda one: one.is_withdrawn)
        with trio.fail_after(10):
            await asked_again.wait()
        first, again = (json.loads(message) for message in stream.messages()[:2])
        assert again[1:] == first[1:]
        assert again[0] != first[0]


async def test_what_is_not_known_or_cannot_be_read_is_counted_and_the_feed_goes_on() -> None:
    async def show_all_sorts(connection: ServerConnection, message: str | bytes) -> None:
        await connection.send('{"status":"UP"}')
        await connection.send('{"ty":"candle.1s","cd":"KRW-BTC"}')
        await connection.send("PONG")
        await connection.send(b'{"ty":"orderbook"}')
        await connection.send(frame("KRW-ETH", 1.0, 2.0))
        await connection.send(frame("KRW-BTC", 90_000_000.0, 90_001_000.0))

    async with running(show_all_sorts) as (feed, _, _, sinks):
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 1)
        assert isinstance(feed, BookFeed)
        assert feed.unknown == {"candle.1s": 1}
        assert feed.unreadable == 2


async def test_a_book_that_cannot_be_is_withdrawn_and_the_next_is_shown() -> None:
    async def show_nonsense(connection: ServerConnection, message: str | bytes) -> None:
        await connection.send(frame("KRW-BTC", -1.0, 2.0))
        await connection.send(frame("KRW-BTC", 1.0, 2.0))

    async with running(show_nonsense) as (feed, _, _, sinks):
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 2)
        assert all(math.isnan(number) for number in sinks["BTCKRW"].quotes[0][:4])
        assert not sinks["BTCKRW"].is_withdrawn
        assert isinstance(feed, BookFeed)
        assert feed.unreadable == 1


async def test_a_withdrawn_side_is_none() -> None:
    async def show_asks(connection: ServerConnection, message: str | bytes) -> None:
        unit = {"ap": 2.0, "bp": 0.0, "as": 1.0, "bs": 0.0}
        await connection.send(frame("KRW-BTC", 1.0, 2.0, obu=[unit]))

    async with running(show_asks) as (_, _, _, sinks):
        await sinks["BTCKRW"].until(lambda one: len(one.quotes) == 1)
        bid, _, ask, ask_size, *_ = sinks["BTCKRW"].quotes[0]
        assert math.isnan(bid)
        assert (ask, ask_size) == (2.0, 1.0)


async def test_a_subscription_that_is_refused_is_an_error_that_names_it() -> None:
    async def refuse(connection: ServerConnection, message: str | bytes) -> None:
        await connection.send('{"error":{"name":"NO_CODES","message":"there are none"}}')

    spec = MARKET
    async with venue_server(refuse) as stream, rest_server(answer) as rest:
        settings = MarketSettings(rest_url=rest.url, stream_url=stream.url)
        async with spec.open(settings, MarketContext(venue="upbit", seed=1)) as feed:
            assert isinstance(feed, Feed)
            with trio.fail_after(10), pytest.raises(MarketDataError, match=r"NO_CODES \(there are none\)"):
                await feed.run({"BTCKRW": Shown()})


@pytest.mark.parametrize("can_trade", [False, True])
async def test_source_market_and_account_ask_by_one_client_and_the_account_alone_says_who_it_is(
    can_trade: bool,
) -> None:
    async def answer_all(asked: Asked) -> bytes:
        if asked.target == "/v1/accounts":
            return http(200, json.dumps([{"currency": "KRW", "balance": "5", "locked": "0"}]).encode())
        return await answer(asked)

    (venue,) = plugin.trioarb_venues()
    assert venue.source is not None
    assert venue.market is not None
    assert venue.exchange is not None
    async with rest_server(answer_all) as rest:
        settings = AccountSettings(rest_url=rest.url, api_key="the-key", api_secret="the-secret")
        async with venue.open(settings, VenueContext(venue="upbit", can_trade=can_trade)) as session:
            opening = venue.market(session, MarketContext(venue="upbit", seed=1))
            assert not isinstance(opening, MarketData)
            async with opening as feed:
                source = venue.source(session, SourceContext(markets={}))
                assert isinstance(source, SymbolSource)
                exchange = venue.exchange(session, exchange_context(can_trade))
                assert isinstance(exchange, Exchange)
                assert await source.listings() == await feed.listings()
                assert await exchange.balances() == {"KRW": Decimal(5)}
                # One of all that is read, and those for orders, which wait open.
                assert len({one.connection for one in rest.asked}) == 1
        told = {one.target.partition("?")[0]: "authorization" in map(str.lower, one.headers) for one in rest.asked}
        assert [path for path, is_signed in told.items() if is_signed] == ["/v1/accounts"]


def exchange_context(can_trade: bool) -> ExchangeContext:
    return ExchangeContext(
        venue="upbit",
        seed=1,
        time=StoppedTime(77),
        touch=lambda symbol: None,
        book=lambda symbol: None,
        watch=lambda symbol, see: None,
        market_rules=lambda symbol: None,
        fx={},
        can_trade=can_trade,
    )


async def test_the_source_lists_all_markets() -> None:
    async with rest_server(answer) as rest:
        spec = SOURCE
        async with spec.open(MarketSettings(rest_url=rest.url), SourceContext(markets={})) as source:
            assert isinstance(source, SymbolSource)
            assert [one.symbol for one in await source.listings()] == ["BTCKRW", "XRPBTC"]


async def test_a_venue_that_refuses_or_is_not_there_is_an_error_that_names_what_was_asked() -> None:
    spec = MARKET
    context = MarketContext(venue="upbit", seed=1)

    async def refuse(asked: Asked) -> bytes:
        return http(429, b'{"error":{"name":"too_many_requests"}}')

    async with rest_server(refuse) as rest:
        with pytest.raises(VenueError, match="the markets: too_many_requests"):
            async with spec.open(MarketSettings(rest_url=rest.url), context):
                pass
    with pytest.raises(VenueError, match="Upbit: GET /v1/market/all: no answer"):
        async with spec.open(MarketSettings(rest_url=rest.url), context):
            pass


async def test_requests_go_no_faster_than_the_venue_and_its_answers_say(autojump_clock: trio.abc.Clock) -> None:
    limits = Limits("Upbit", wire.LIMITS)
    for _ in range(8):
        with await limits.acquire(wire.cancel_order(uuid="a"), Priority.CANCEL, patience=0):
            pass
    order = wire.place_order(BUY, "KRW-BTC", identifier=None)
    for _ in range(8):
        with await limits.acquire(order, Priority.HEDGE, patience=0):
            pass
    with pytest.raises(LimitReached):
        await limits.acquire(order, Priority.HEDGE, patience=0)
    began = trio.current_time()
    with await limits.acquire(order, Priority.HEDGE) as permit:
        assert trio.current_time() - began >= 1
        limits.hear(permit, Response(status=201, headers={"remaining-req": "group=order; min=0; sec=0"}))
    with pytest.raises(LimitReached):
        await limits.acquire(order, Priority.HEDGE, patience=0)


BUY = Order(
    client_order_id="18e3a-0f00ba-7",
    venue="upbit",
    symbol="BTCKRW",
    side=Side.BUY,
    quantity=Decimal("0.5"),
    limit_price=Decimal(90_000_000),
)


async def test_nothing_that_changes_something_can_be_sent() -> None:
    async with (
        rest_server(answer) as rest,
        open_client(ConnectionSettings(rest_url=rest.url), wire.MAIN_URL, "Upbit", wire.LIMITS) as client,
    ):
        with pytest.raises(NotSent, match="may only read"):
            await client.send(wire.cancel_order(uuid="a"))
        assert rest.asked == []


@pytest.mark.parametrize("url", ["ws://localhost", "https://localhost/v1", "localhost"])
async def test_an_address_that_is_none_is_an_error_that_says_so(url: str) -> None:
    with pytest.raises(VenueError, match="the address of a host is"):
        async with open_client(ConnectionSettings(rest_url=url), wire.MAIN_URL, "Upbit", wire.LIMITS):
            pass


def test_the_plugins_are_there_by_their_name() -> None:
    known = load_plugins()
    for kind in (MarketDataSpec, SymbolSourceSpec):
        assert known.get(kind, "upbit", key="here").live


@contextmanager
def venue_in_a_thread(bid: float) -> Iterator[tuple[str, str]]:
    """Run a venue beside a campaign, which has Trio's loop for itself; give its two addresses."""
    found: list[tuple[str, str]] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def show(connection: ServerConnection, message: str | bytes) -> None:
        for number in range(200):
            await connection.send(frame("KRW-BTC", bid - number % 2, bid + 1000.0))
            await trio.sleep(0.02)

    async def serve() -> None:
        async with venue_server(show) as stream, rest_server(answer) as rest:
            found.append((rest.url, stream.url))
            is_up.set()
            await trio.to_thread.run_sync(is_over.wait, abandon_on_cancel=True)

    thread = threading.Thread(target=partial(trio.run, serve))
    thread.start()
    try:
        assert is_up.wait(10)
        yield found[0]
    finally:
        is_over.set()
        thread.join(10)


def test_a_campaign_trades_on_paper_what_two_such_venues_show() -> None:
    with venue_in_a_thread(90_000_000.0) as (url, stream_url), venue_in_a_thread(92_000_000.0) as (other, other_stream):
        market = {"plugin": "upbit", "rest_url": url, "stream_url": stream_url}
        paper = {"plugin": "paper", "taker_fee_bps": 5, "balances": {"KRW": "100000000", "BTC": "1"}}
        table = {
            "universe": {"source": "upbit", "mode": "SINGLE", "symbol": "BTCKRW", "settings": {"rest_url": url}},
            "fx": {"KRW": {"rate": "0.0007"}},
            "exchanges": {
                "here": {**paper, "market": market},
                "there": {**paper, "market": {**market, "rest_url": other, "stream_url": other_stream}},
            },
            "strategy": {"plugin": "spread", "order_size_usd": 100, "entry_bps": 20, "exit_bps": 5},
        }
        result = run_real(table, seconds=3)
    filled = [one for one in result.events if one["type"] == "order_filled"]
    assert {one["venue"] for one in filled[:2]} == {"here", "there"}
    assert {one["quote"] for one in filled} == {"KRW"}
