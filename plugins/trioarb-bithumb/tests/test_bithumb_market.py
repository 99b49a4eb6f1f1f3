"""Bithumb's market data over loopback, in real time; what it shares with Upbit's is tried there."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import trio
from rest_server import Asked, http, rest_server
from stopped import StoppedTime
from venue_server import venue_server
from websockets.trio.server import ServerConnection

from trioarb.api import Feed, MarketContext, SourceContext, SymbolSource
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import MarketDataSpec, SymbolSourceSpec
from trioarb_bithumb import plugin
from trioarb_upbit.settings import MarketSettings

SOURCE, MARKET, _ = plugin.trioarb_venues()[0].parts()
NAMES = ["KRW-BTC", *(f"KRW-C{number}" for number in range(120)), "BTC-XRP"]


async def answer(asked: Asked) -> bytes:
    """Answer as Bithumb would of a venue with 122 markets."""
    return http(200, json.dumps(body_of(asked.target)).encode())


def body_of(target: str) -> object:
    asked = urlsplit(target)
    if asked.path == "/v1/market/all":
        return [{"market": name, "korean_name": name, "english_name": name, "market_warning": "NONE"} for name in NAMES]
    if asked.path == "/v1/ticker":
        (names,) = parse_qs(asked.query)["markets"]
        return [
            {
                "market": name,
                "trade_price": 100,
                "timestamp": 1,
                "acc_trade_price_24h": 1000.5,
                "acc_trade_volume_24h": 10,
            }
            for name in names.split(",")
        ]
    raise AssertionError(f"{target} is asked for")


@attrs.define
class Shown:
    quotes: list[tuple[Any, ...]] = attrs.field(factory=list)
    shown: trio.Event = attrs.field(factory=trio.Event)

    def __call__(self, *quote: Any) -> None:
        self.quotes.append(quote)
        self.shown.set()


async def show_book(connection: ServerConnection, message: str | bytes) -> None:
    unit = {"ap": 101.0, "bp": 100.0, "as": 1.0, "bs": 2.0}
    await connection.send(json.dumps({"ty": "orderbook", "cd": "KRW-BTC", "tms": 5, "obu": [unit], "st": "SNAPSHOT"}))


async def test_books_are_shown_and_asked_for_by_the_markets_own_names() -> None:
    async with venue_server(show_book) as stream, rest_server(answer) as rest:
        spec = MARKET
        settings = MarketSettings(rest_url=rest.url, stream_url=stream.url)
        async with spec.open(settings, MarketContext(venue="bithumb", seed=1, depth=5, time=StoppedTime(77))) as feed:
            assert isinstance(feed, Feed)
            assert len(await feed.listings()) == 122
            assert {one.volume_24h_quote for one in await feed.listings()} == {Decimal("1000.5")}
            won = feed.rules("BTCKRW")
            assert won is not None
            assert won.tick_at(Decimal(90_000_000)) == Decimal(1000)
            sink = Shown()
            async with trio.open_nursery() as nursery:
                with trio.fail_after(10):
                    await nursery.start(feed.run, {"BTCKRW": sink})
                    await sink.shown.wait()
                nursery.cancel_scope.cancel()
        assert sink.quotes[0][:5] == (100.0, 2.0, 101.0, 1.0, 77)
        (asked,) = stream.messages()
        assert json.loads(asked)[1] == {"type": "orderbook", "codes": ["KRW-BTC"]}
        assert [one.target.partition("?")[0] for one in rest.asked] == ["/v1/market/all", "/v1/ticker", "/v1/ticker"]


async def test_the_source_lists_all_markets() -> None:
    async with rest_server(answer) as rest:
        spec = SOURCE
        async with spec.open(MarketSettings(rest_url=rest.url), SourceContext(markets={})) as source:
            assert isinstance(source, SymbolSource)
            assert len(await source.listings()) == 122


def test_the_plugins_are_there_by_their_name() -> None:
    known = load_plugins()
    for kind in (MarketDataSpec, SymbolSourceSpec):
        assert known.get(kind, "bithumb", key="here").live
