"""Market data over loopback, in real time: a server that is Binance for a few messages, and answers given by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from math import isnan
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio
from binance_asking import open_asking
from venue_server import VenueServer, venue_server
from websockets.datastructures import Headers
from websockets.http11 import Response as WebResponse
from websockets.trio.server import ServerConnection

from trioarb.api import (
    MarketContext,
    MarketDataError,
    MarketDataSpec,
    OrderRejected,
    SourceContext,
    SymbolSourceSpec,
    UniverseError,
    VenueError,
)
from trioarb.errors import leaves
from trioarb.plugin.registry import load_plugins
from trioarb.venue import Backoff, Request, Response
from trioarb_binance.asking import Ask
from trioarb_binance.dialect import SPOT, USDM, Dialect
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.settings import BinanceExchangeSettings, BinanceMarketSettings, warnings_of
from trioarb_binance.source import BinanceSource
from trioarb_binance.wire import spot
from trioarb_binance.wire.limits import LimitKind, VenueLimit

QUICK = Backoff(first_seconds=0.02, longest_seconds=0.1)
SYMBOL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"}],
    "isSpotTradingAllowed": True,
}
LIMITS = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
INFO = {
    "rateLimits": LIMITS,
    "symbols": [
        SYMBOL,
        {**SYMBOL, "symbol": "ETHUSDT", "baseAsset": "ETH"},
        {**SYMBOL, "symbol": "LUNAUSDT", "baseAsset": "LUNA", "status": "BREAK"},
    ],
}
TICKERS = [{"symbol": "BTCUSDT", "volume": "2", "quoteVolume": "100.5", "lastPrice": "50"}]
CONTRACT = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "contractType": "PERPETUAL",
    "filters": [],
}


@attrs.define
class Answers:
    """Answers requests by their path; notes what was asked."""

    by_path: dict[str, object] = attrs.field(factory=dict)
    snapshots: list[dict[str, object]] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    #: Snapshots are answered once this is set.
    held: trio.Event | None = None

    async def __call__(self, request: Request) -> Response:
        await trio.lowlevel.checkpoint()
        self.asked.append(request.target)
        if request.path.endswith("/depth"):
            if not self.snapshots:
                raise VenueError("no snapshot now")
            answer: object = self.snapshots.pop(0)
            if self.held is not None:
                await self.held.wait()
        else:
            answer = self.by_path[request.path]
        return Response(status=200, body=json.dumps(answer).encode())


def answers() -> Answers:
    return Answers({"/api/v3/exchangeInfo": INFO, "/api/v3/ticker/24hr": TICKERS})


@attrs.define
class Board:
    """What sinks were told, by symbol."""

    told: list[tuple[Any, ...]] = attrs.field(factory=list)

    def sink(self, symbol: str) -> Callable[..., None]:
        return lambda *quote: self.told.append(
            (symbol, *(one() if callable(one) else one for one in quote))  # levels beyond the best
        )

    @property
    def prices(self) -> list[tuple[float, float]]:
        return [(quote[1], quote[3]) for quote in self.told]

    @property
    def is_withdrawn(self) -> bool:
        return bool(self.told) and all(isnan(number) for number in self.told[-1][1:5])


async def confirm(connection: ServerConnection, message: str | bytes) -> None:
    await connection.send(json.dumps({"result": None, "id": json.loads(message)["id"]}))


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens at a server
            await trio.sleep(0.005)


@asynccontextmanager
async def running(
    ask: Answers, *, depth: int, symbols: Sequence[str] = ("BTCUSDT",), dialect: Dialect = SPOT, **settings: Any
) -> AsyncIterator[tuple[VenueServer, Board, BinanceFeed]]:
    """Run a feed of a venue, subscribed."""
    board = Board()
    async with venue_server(confirm) as server:
        listed = await dialect.listed(ask)
        feed = BinanceFeed(
            dialect, listed, ask, stream_url=f"ws://localhost:{server.port}", depth=depth, backoff=QUICK, **settings
        )
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
                await until(lambda: server.subscribed)
                yield server, board, feed
                nursery.cancel_scope.cancel()


async def tell(server: VenueServer, stream: str, data: object) -> None:
    message = {"stream": stream, "data": data}
    await server.subscribed[-1].send(json.dumps(message, separators=(",", ":")))


def best(last_id: int, bid: str = "1.5", ask: str = "1.6") -> dict[str, object]:
    return {"u": last_id, "s": "BTCUSDT", "b": bid, "B": "2", "a": ask, "A": "3"}


def changes(first: int, last: int, bids: list[list[str]], **more: object) -> dict[str, object]:
    return {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": [], **more}


def snapshot(last_id: int, bid: str = "1.50") -> dict[str, object]:
    return {"lastUpdateId": last_id, "bids": [[bid, "1"]], "asks": [["2.00", "1"]]}


def source_of(ask: Ask) -> BinanceSource:
    session: Any = SimpleNamespace(listed=partial(SPOT.listed, ask))
    return BinanceSource(session, SourceContext(markets={}))


async def test_what_is_traded_is_known_by_two_requests() -> None:
    ask = answers()
    listed = await SPOT.listed(ask)
    assert ask.asked == ["/api/v3/exchangeInfo", "/api/v3/ticker/24hr"]
    assert list(listed.markets) == ["BTCUSDT", "ETHUSDT"]
    assert listed.markets["BTCUSDT"].listing.volume_24h_quote == 100.5
    assert listed.markets["ETHUSDT"].listing.volume_24h_quote is None
    assert (await SPOT.ask_info(answers())).limits == (VenueLimit(kind=LimitKind.WEIGHT, seconds=60, count=6_000),)
    assert [one.symbol for one in await source_of(ask).listings()] == ["BTCUSDT", "ETHUSDT"]
    usdm = Answers(
        {
            "/fapi/v1/exchangeInfo": {"rateLimits": [], "symbols": [CONTRACT]},
            "/fapi/v1/ticker/24hr": [{**TICKERS[0], "quoteVolume": "7"}],
        }
    )
    contracts = await USDM.listed(usdm)
    assert contracts.markets["BTCUSDT"].listing.volume_24h_quote == 7


async def test_a_source_that_gets_no_answer_says_so() -> None:
    async def refuse(request: Request) -> Response:
        raise VenueError("closed for today")

    with pytest.raises(UniverseError, match="closed for today"):
        await source_of(refuse).listings()


async def test_best_prices() -> None:
    async with running(answers(), depth=1, symbols=["BTCUSDT", "ETHUSDT"]) as (server, board, feed):
        assert server.requests[0].path == "/stream"
        subscribed = [json.loads(message) for message in server.messages()]
        assert [one["params"] for one in subscribed] == [["btcusdt@bookTicker", "ethusdt@bookTicker"]]
        await tell(server, "btcusdt@bookTicker", best(1))
        await tell(server, "btcusdt@somethingNew", {"e": "new"})
        await tell(server, "btcusdt@bookTicker", best(2, "0.00", "1.7"))
        await until(lambda: len(board.told) == 2)
        assert board.prices == [(1.5, 1.6), (0.0, 1.7)]
        assert feed.refused == 0
        rules = feed.rules("BTCUSDT")
        assert rules is not None
        assert str(rules.tick_size) == "0.01"
        assert feed.rules("ADAUSDT") is None


async def test_an_older_message_of_another_connection_is_passed_over() -> None:
    async with running(answers(), depth=1) as (server, board, _):
        await tell(server, "btcusdt@bookTicker", best(9, "1.5", "1.6"))
        await tell(server, "btcusdt@bookTicker", best(8, "1.1", "1.2"))
        await tell(server, "btcusdt@bookTicker", best(10, "1.4", "1.6"))
        await until(lambda: board.prices[-1:] == [(1.4, 1.6)])
        assert board.prices == [(1.5, 1.6), (1.4, 1.6)]


async def test_quotes_are_withdrawn_while_a_connection_is_cut() -> None:
    async with running(answers(), depth=1) as (server, board, _):
        await tell(server, "btcusdt@bookTicker", best(9))
        await until(lambda: board.told)
        await server.open[0].aclose()
        await until(lambda: board.is_withdrawn)
        await until(lambda: len(server.connected) == 2 and server.subscribed)
        # What the venue counts may begin anew, too.
        await tell(server, "btcusdt@bookTicker", best(1, "1.3"))
        await until(lambda: board.prices[-1] == (1.3, 1.6))


async def test_a_symbol_that_is_silent_is_withdrawn_and_subscribed_to_again() -> None:
    """V-5."""
    async with running(answers(), depth=1, symbols=["BTCUSDT", "ETHUSDT"], silent_seconds=0.3) as (server, board, _):
        async with trio.open_nursery() as nursery:

            async def keep_telling() -> None:
                for number in range(1, 10_000):
                    await tell(server, "btcusdt@bookTicker", best(number))
                    await trio.sleep(0.03)

            await tell(server, "ethusdt@bookTicker", {**best(1), "s": "ETHUSDT"})
            nursery.start_soon(keep_telling)
            await until(lambda: len(server.messages()) == 2)
            nursery.cancel_scope.cancel()
        again = json.loads(server.messages()[1])
        assert (again["method"], again["params"]) == ("SUBSCRIBE", ["ethusdt@bookTicker"])
        assert [quote[0] for quote in board.told if isnan(quote[1])] == ["ETHUSDT"]


async def test_a_shutdown_that_is_announced_leads_to_another_connection_first() -> None:
    async with running(answers(), depth=1) as (server, board, _):
        await tell(server, "btcusdt@bookTicker", best(1))
        await tell(server, "!serverShutdown", {"e": "serverShutdown", "E": 1})
        await until(lambda: len(server.connected) == 2 and len(server.subscribed) == 2)
        await tell(server, "btcusdt@bookTicker", best(2, "1.4"))
        await until(lambda: board.prices[-1] == (1.4, 1.6))
        assert not any(isnan(bid) for bid, _ in board.prices)
        assert server.most_open == 2


async def test_a_message_that_can_not_be_read_withdraws_what_it_was_about() -> None:
    async with running(answers(), depth=1, symbols=["BTCUSDT", "ETHUSDT"]) as (server, board, feed):
        await tell(server, "btcusdt@bookTicker", best(1))
        await until(lambda: board.told)
        await tell(server, "btcusdt@bookTicker", best(2, "nan"))
        await until(lambda: board.is_withdrawn)
        assert board.told[-1][0] == "BTCUSDT"
        await server.subscribed[0].send("{")
        await tell(server, "btcusdt@bookTicker", best(3))
        await until(lambda: board.prices[-1] == (1.5, 1.6))
        assert feed.refused == 2
        assert [quote[0] for quote in board.told] == ["BTCUSDT"] * 3


@pytest.mark.parametrize(("depth", "stream"), [(2, "depth5"), (5, "depth5"), (6, "depth10"), (20, "depth20")])
async def test_some_levels_come_as_books_of_their_own(depth: int, stream: str) -> None:
    ask = answers()
    async with running(ask, depth=depth) as (server, board, _):
        name = f"btcusdt@{stream}@100ms"
        assert json.loads(server.messages()[0])["params"] == [name]
        told = {"lastUpdateId": 5, "bids": [["1.5", "2"], ["1.4", "3"]], "asks": [["1.6", "4"], ["1.7", "5"]]}
        await tell(server, name, told)
        await tell(server, name, {**told, "lastUpdateId": 4, "bids": []})
        await tell(server, name, {**told, "lastUpdateId": 6, "bids": []})
        await until(lambda: len(board.told) == 2)
        assert board.told[0][1:5] == (1.5, 2.0, 1.6, 4.0)
        assert board.told[0][7] == ([1.4], [3.0], [1.7], [5.0])
        assert isnan(board.told[1][1])
        assert board.told[1][3:5] == (1.6, 4.0)
    assert not [target for target in ask.asked if "/depth" in target]


async def test_a_book_is_a_snapshot_and_what_changed_since() -> None:
    """V-8: of one price that stands in a message twice the last counts."""
    ask = answers()
    async with running(ask, depth=50) as (server, board, _):
        assert json.loads(server.messages()[0])["params"] == ["btcusdt@depth@100ms"]
        await tell(server, "btcusdt@depth@100ms", changes(8, 11, [["1.60", "2"]]))
        await trio.sleep(0.1)
        assert not board.told or all(isnan(bid) for bid, _ in board.prices)
        ask.snapshots.append(snapshot(10))
        await until(lambda: board.prices[-1:] == [(1.6, 2.0)])
        await tell(server, "btcusdt@depth@100ms", changes(12, 13, [["1.70", "1"], ["1.70", "0"], ["1.65", "4"]]))
        await until(lambda: board.prices[-1] == (1.65, 2.0))
        assert board.told[-1][6] == 5_000_000
        assert board.told[-1][7] == ([1.6, 1.5], [2.0, 1.0], [], [])
        assert ask.asked[-1] == "/api/v3/depth?symbol=BTCUSDT&limit=1000"


async def test_a_gap_closes_the_book_until_a_snapshot_fits() -> None:
    """V-4."""
    ask = answers()
    ask.snapshots.append(snapshot(10))
    async with running(ask, depth=50) as (server, board, _):
        await until(lambda: board.prices[-1:] == [(1.5, 2.0)])
        for first in (20, 30, 40):
            ask.snapshots.append(snapshot(5))  # older than what it should fit
            await tell(server, "btcusdt@depth@100ms", changes(first, first + 1, [["1.60", "2"]]))
            await until(lambda: board.is_withdrawn)
        await trio.sleep(0.3)
        assert board.is_withdrawn
        asked = sum("/depth" in target for target in ask.asked)
        assert asked < 25  # not a storm
        ask.snapshots.append(snapshot(40, "1.55"))
        await until(lambda: board.prices[-1] == (1.6, 2.0))


async def test_after_a_cut_a_book_begins_anew() -> None:
    """V-3."""
    ask = answers()
    ask.snapshots.append(snapshot(10, "1.90"))
    async with running(ask, depth=50) as (server, board, _):
        await until(lambda: board.prices[-1:] == [(1.9, 2.0)])
        await server.open[0].aclose()
        await until(lambda: board.is_withdrawn)
        ask.snapshots.append(snapshot(10, "1.50"))
        # Nothing is left of the level that went away meanwhile.
        await until(lambda: board.prices[-1] == (1.5, 2.0))
        await until(lambda: len(server.connected) == 2 and server.subscribed)
        await tell(server, "btcusdt@depth@100ms", changes(11, 12, [["1.60", "2"]]))
        await until(lambda: board.prices[-1] == (1.6, 2.0))


async def test_a_snapshot_that_was_asked_for_before_a_cut_is_not_shown_after_it() -> None:
    ask = answers()
    ask.held = held = trio.Event()
    ask.snapshots += [snapshot(10, "1.90"), snapshot(50, "1.50")]
    async with running(ask, depth=50) as (server, board, _):
        await until(lambda: len(ask.snapshots) == 1)
        await server.open[0].aclose()
        await until(lambda: board.is_withdrawn)
        held.set()
        await until(lambda: board.prices[-1] == (1.5, 2.0))
        assert 1.9 not in [bid for bid, _ in board.prices]


async def test_changes_of_contracts_follow_by_the_number_before() -> None:
    ask = Answers(
        {
            "/fapi/v1/exchangeInfo": {"rateLimits": LIMITS, "symbols": [CONTRACT]},
            "/fapi/v1/ticker/24hr": TICKERS,
        },
        [snapshot(10)],
    )
    async with running(ask, depth=50, dialect=USDM) as (server, board, _):
        await until(lambda: board.prices[-1:] == [(1.5, 2.0)])
        await tell(server, "btcusdt@depth@100ms", changes(17, 20, [["1.60", "2"]], pu=10))
        await until(lambda: board.prices[-1] == (1.6, 2.0))
        await tell(server, "btcusdt@depth@100ms", changes(21, 30, [["1.70", "2"]], pu=19))
        await until(lambda: board.prices[-1] == (1.7, 2.0))
        await tell(server, "btcusdt@depth@100ms", changes(31, 40, [["1.80", "2"]], pu=31))
        await until(lambda: board.is_withdrawn)
        assert ask.asked[-1].startswith("/fapi/v1/depth?")


async def test_many_streams_take_more_than_one_connection() -> None:
    ask = answers()
    many = [{**SYMBOL, "symbol": f"C{number}USDT", "baseAsset": f"C{number}"} for number in range(1_300)]
    ask.by_path["/api/v3/exchangeInfo"] = {**INFO, "symbols": many}
    board = Board()
    async with venue_server(confirm) as server:
        listed = await SPOT.listed(ask)
        feed = BinanceFeed(SPOT, listed, ask, stream_url=f"ws://localhost:{server.port}", depth=1, backoff=QUICK)
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in listed.markets})
                await until(lambda: len(server.messages()) == 13)
                nursery.cancel_scope.cancel()
    assert len(server.connected) == 2
    for number in (0, 1):
        sent = [(at, json.loads(message)) for one, at, message in server.sent if one == number]
        assert sum(len(message["params"]) for _, message in sent) <= 1_024
        times = [at for at, _ in sent]
        assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[3:], strict=False))


async def test_an_address_that_refuses_ends_it_with_a_clear_error() -> None:
    ask = answers()
    listed = await SPOT.listed(ask)
    async with venue_server(confirm) as server:
        server.refusals += [WebResponse(403, "Forbidden", Headers({"Content-Length": "0"}))]
        feed = BinanceFeed(SPOT, listed, ask, stream_url=f"ws://localhost:{server.port}", depth=1, backoff=QUICK)
        with trio.fail_after(5), pytest.raises(ExceptionGroup) as raised:
            await feed.run({"BTCUSDT": Board().sink("BTCUSDT")})
        [error] = leaves(raised.value)
        assert isinstance(error, MarketDataError)
        assert "403" in str(error)


# By HTTP


@asynccontextmanager
async def web_server(replies: list[bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a server that gives these replies one after another, and notes what it was asked."""
    asked = list[bytes]()

    async def serve(stream: trio.SocketStream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            part = await stream.receive_some()
            if not part:
                return
            received += part
        asked.append(received)
        await stream.send_all(replies.pop(0) if len(replies) > 1 else replies[0])
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, serve, listeners)
        try:
            yield f"http://127.0.0.1:{port}", asked
        finally:
            nursery.cancel_scope.cancel()


def reply(status: int, body: bytes, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


READ = spot.ticker_24h("BTCUSDT")


async def test_a_read_is_tried_again() -> None:
    good = reply(200, b'{"serverTime":1}', X_MBX_USED_WEIGHT_1M="7")
    async with web_server([reply(502, b"<html>"), good]) as (url, asked), open_asking(url) as ask:
        answer = await ask(READ)
    assert answer.body == b'{"serverTime":1}'
    assert answer.headers["x-mbx-used-weight-1m"] == "7"
    assert len(asked) == 2
    assert asked[0].startswith(b"GET /api/v3/ticker/24hr?symbol=BTCUSDT HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("one", "tries"),
    [
        (reply(400, b'{"code":-1121,"msg":"Invalid symbol."}'), 1),
        (reply(418, b'{"code":-1003,"msg":"banned"}', Retry_After="120"), 1),
        (reply(429, b'{"code":-1003,"msg":"too much"}', Retry_After="120"), 1),
        (reply(429, b'{"code":-1003,"msg":"too much"}', Retry_After="0"), 3),
        (reply(503, b"no"), 3),
        (b"nonsense\r\n\r\n", 3),
    ],
    ids=["refused", "banned", "limited for long", "limited", "server error", "no HTTP"],
)
async def test_what_is_no_answer_is_an_error(one: bytes, tries: int) -> None:
    async with web_server([one]) as (url, asked), open_asking(url) as ask:
        with pytest.raises(VenueError):
            await ask(READ)
    assert len(asked) == tries


async def test_what_changes_something_is_never_sent() -> None:
    async with web_server([reply(200, b"{}")]) as (url, asked), open_asking(url) as ask:
        with pytest.raises(OrderRejected, match="only read"):
            await ask(Request(method="POST", path="/api/v3/order", body=b"a=b", group="orders"))
    assert asked == []


# As plugins


@pytest.mark.parametrize("name", ["binance", "binance_usdm"])
def test_the_plugins_are_found_by_their_names(name: str) -> None:
    plugins = load_plugins()
    for kind in (MarketDataSpec, SymbolSourceSpec):
        assert plugins.get(kind, name).live


async def test_what_a_plugin_opens() -> None:
    listing = reply(200, json.dumps(INFO).encode())
    async with web_server([listing, reply(200, json.dumps(TICKERS).encode())]) as (url, asked):
        settings = BinanceMarketSettings(rest_url=url, stream_url="ws://localhost:1")
        spec = load_plugins().get(MarketDataSpec, "binance")
        async with spec.open(settings, MarketContext(venue="a", seed=1)) as market:
            assert [one.symbol for one in await market.listings()] == ["BTCUSDT", "ETHUSDT"]
    assert len(asked) == 2
    async with web_server([reply(451, b"not from here")]) as (url, _):
        settings = BinanceMarketSettings(rest_url=url, stream_url="ws://localhost:1")
        with pytest.raises(MarketDataError, match="not from here"):
            async with spec.open(settings, MarketContext(venue="a", seed=1)):
                pass


def test_half_an_address_is_questionable() -> None:
    half: dict[str, Any] = {"rest_url": "http://localhost:1"}
    assert [one.split(":")[0] for one in warnings_of(BinanceMarketSettings(**half))] == ["rest_url and stream_url"]
    account = BinanceExchangeSettings(api_key="a", api_secret="b", **half)
    assert [one.split(":")[0] for one in warnings_of(account)] == ["rest_url and stream_url", "rest_url and api_url"]
    assert not list(warnings_of(BinanceMarketSettings()))
