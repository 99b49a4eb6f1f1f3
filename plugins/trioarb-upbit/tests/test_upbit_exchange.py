"""An account at Upbit over loopback: a venue that keeps orders, checks tokens, and loses answers when told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
import trio
from rest_server import Asked, http, rest_server
from token_requests import claims_of
from venue_server import VenueServer, venue_server
from websockets.trio.server import ServerConnection

from trioarb.api import (
    Exchange,
    Fill,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Side,
    TimeInForce,
    VenueError,
)
from trioarb.venue import Credentials, Endpoint, Request
from trioarb_upbit import wire
from trioarb_upbit.client import open_client
from trioarb_upbit.exchange import UpbitExchange
from trioarb_upbit.settings import ConnectionSettings

KEY = Credentials(api_key="the-key", secret="the-secret")
OURS = "18e3a-0f00ba-7"
DAY_MS = 24 * 3_600_000
BITCOIN = Listing(symbol="BTCKRW", base="BTC", quote="KRW")
CHANCE = {
    "bid_fee": "0.0005",
    "ask_fee": "0.0005",
    "market": {
        "id": "KRW-BTC",
        "bid": {"currency": "KRW", "min_total": "5000"},
        "ask": {"currency": "BTC", "min_total": "5000"},
        "state": "active",
    },
}


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": OURS,
        "venue": "upbit",
        "symbol": "BTCKRW",
        "side": Side.BUY,
        "quantity": Decimal("0.5"),
        "limit_price": Decimal(90_000_000),
        "time_in_force": TimeInForce.GTC,
    }
    return Order(**(values | changes))


@attrs.define
class Venue:
    """``orders`` by identifier; ``loses``: answers to so many orders; ``arrives``: whether those get here."""

    orders: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)
    nonces: set[str] = attrs.field(factory=set)
    loses: int = 0
    arrives: bool = True
    closed_by_request: Callable[[dict[str, str]], list[dict[str, Any]]] = lambda query: []

    async def answer(self, asked: Asked) -> bytes | None:
        parts = urlsplit(asked.target)
        self.asked.append(f"{asked.method} {parts.path}")
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if parts.path not in ("/v1/market/all", "/v1/orderbook/instruments", "/v1/ticker"):
            self.check(headers, Request(method=asked.method, path=parts.path, query=parts.query, body=asked.body))
        query = dict(parse_qsl(parts.query))
        if asked.method == "POST":
            return self.take(json.loads(asked.body))
        return self.said(asked.method, parts.path, query)

    def check(self, headers: dict[str, str], request: Request) -> None:
        claims = claims_of({"Authorization": headers["authorization"]})
        assert wire.signed(request, KEY, nonce=claims["nonce"]).headers["Authorization"] == headers["authorization"]
        assert claims["nonce"] not in self.nonces
        self.nonces.add(claims["nonce"])

    def take(self, body: dict[str, Any]) -> bytes | None:
        is_lost = self.loses > 0
        self.loses -= is_lost
        if not is_lost or self.arrives:
            self.orders[body["identifier"]] = {
                **{name: body.get(name) for name in ("market", "side", "ord_type", "price", "volume", "identifier")},
                "uuid": f"order-{len(self.orders)}",
                "time_in_force": body.get("time_in_force"),
                "state": "wait",
                "created_at": f"2026-11-29T12:00:{len(self.orders):02}+09:00",
                "executed_volume": "0",
                "remaining_volume": body.get("volume"),
                "paid_fee": "0",
                "trades": [],
            }
        return None if is_lost else http(201, json.dumps(self.orders[body["identifier"]]).encode())

    def said(self, method: str, path: str, query: dict[str, str]) -> bytes:
        known: dict[str, Any] = {
            "/v1/market/all": [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}],
            "/v1/orderbook/instruments": [{"market": "KRW-BTC", "quote_currency": "KRW", "tick_size": "1000"}],
            "/v1/ticker": [
                {
                    "market": "KRW-BTC",
                    "trade_price": 90_000_000,
                    "timestamp": 1,
                    "acc_trade_price_24h": 1,
                    "acc_trade_volume_24h": 1,
                }
            ],
            "/v1/orders/chance": CHANCE,
            "/v1/accounts": [{"currency": "KRW", "balance": "1000000", "locked": "500"}],
        }
        if path in known:
            return http(200, json.dumps(known[path]).encode())
        if path == "/v1/orders/open":
            start = (int(query["page"]) - 1) * 100
            waiting = [one for one in self.orders.values() if one["state"] in ("wait", "watch")]
            return http(200, json.dumps(waiting[start : start + 100]).encode())
        if path == "/v1/orders/closed":
            return http(200, json.dumps(self.closed_by_request(query)).encode())
        found = self.orders.get(query["identifier"])
        if found is None:
            return http(404, b'{"error":{"name":"order_not_found","message":"there is none"}}')
        if method == "DELETE":
            found["state"] = "cancel"
        return http(200, json.dumps(found).encode())


async def quiet(connection: ServerConnection, message: str | bytes) -> None:
    """Say nothing."""


@asynccontextmanager
async def account(
    venue: Venue,
    respond: Callable[[ServerConnection, str | bytes], Any] = quiet,
    *,
    can_trade: bool = True,
    now_ms: int = 30 * DAY_MS,
    submitted_ns: Callable[[str], int | None] = lambda client_order_id: None,
) -> AsyncIterator[tuple[Exchange, VenueServer]]:
    numbers = count(1)
    async with (
        rest_server(venue.answer) as rest,
        venue_server(respond) as stream,
        open_client(
            ConnectionSettings(rest_url=rest.url), wire.MAIN_URL, "Upbit", wire.LIMITS, can_trade=can_trade
        ) as client,
    ):
        exchange = UpbitExchange(
            client,
            KEY,
            Endpoint(url=stream.url),
            venue="upbit",
            new_nonce=lambda: f"nonce-{next(numbers)}",
            now_ns=lambda: now_ms * 1_000_000,
            submitted_ns=submitted_ns,
        )
        with trio.fail_after(20):
            await exchange.instruments([BITCOIN, Listing(symbol="XYZKRW", base="XYZ", quote="KRW")])
            yield exchange, stream


async def test_markets_have_the_accounts_fees_and_balances_what_is_locked() -> None:
    venue = Venue()
    async with account(venue) as (exchange, _):
        found = await exchange.instruments([BITCOIN])
        assert found["BTCKRW"].taker_fee_bps == Decimal(5)
        assert found["BTCKRW"].rules.tick_at(Decimal(90_000_000)) == Decimal(1000)
        assert await exchange.balances() == {"KRW": Decimal(1_000_500)}


async def test_an_order_is_placed_asked_for_and_cancelled_by_our_id() -> None:
    venue = Venue()
    async with account(venue) as (exchange, _):
        assert await exchange.place(order()) == OrderReport(
            client_order_id=OURS, venue_order_id="order-0", status=OrderStatus.OPEN
        )
        assert await exchange.open_orders(["BTCKRW"]) == [
            OrderUpdate(client_order_id=OURS, venue_order_id="order-0", filled=Decimal(0))
        ]
        assert await exchange.open_orders(["ETHKRW"]) == []
        await exchange.cancel(OURS)
        report = await exchange.order(OURS)
        assert report is not None
        assert (report.status, report.fills) == (OrderStatus.CANCELLED, ())
        await exchange.cancel(OURS)
        assert await exchange.order("18e3a-0f00ba-8") is None


async def test_of_a_market_that_is_not_there_nothing_is_sent() -> None:
    venue = Venue()
    async with account(venue) as (exchange, _):
        with pytest.raises(OrderRejected, match="no market XYZKRW"):
            await exchange.place(order(symbol="XYZKRW"))
        assert "POST /v1/orders" not in venue.asked


async def test_an_account_that_may_only_read_sends_no_order() -> None:
    venue = Venue()
    async with account(venue, can_trade=False) as (exchange, _):
        with pytest.raises(OrderRejected, match="may only read"):
            await exchange.place(order())
        with pytest.raises(VenueError, match="may only read"):
            await exchange.cancel(OURS)
        assert await exchange.order(OURS) is None
        assert not {"POST /v1/orders", "DELETE /v1/order"} & {*venue.asked}


async def test_an_order_whose_answer_is_lost_is_never_sent_again_and_found_by_our_id() -> None:
    venue = Venue(loses=1)
    async with account(venue) as (exchange, _):
        with pytest.raises(VenueError) as caught:
            await exchange.place(order())
        assert not isinstance(caught.value, OrderRejected)
        report = await exchange.order(OURS)
        assert report is not None
        assert report.status is OrderStatus.OPEN
        assert venue.asked.count("POST /v1/orders") == 1


async def test_that_there_is_no_such_order_is_not_believed_while_it_may_arrive() -> None:
    venue = Venue(loses=1, arrives=False)
    async with account(venue) as (exchange, _):
        with pytest.raises(VenueError):
            await exchange.place(order())
        with pytest.raises(VenueError, match="may still arrive"):
            await exchange.order(OURS)
        assert isinstance(exchange, UpbitExchange)
        later_ns = exchange.now_ns() + 30 * 10**9
        exchange.now_ns = lambda: later_ns
        assert await exchange.order(OURS) is None


async def test_what_an_earlier_process_sent_may_still_arrive() -> None:
    now_ns = 30 * DAY_MS * 1_000_000
    submitted = {"18e3a-0f00ba-7": now_ns - 25 * 10**9, "18e3a-0f00ba-8": now_ns - 35 * 10**9}
    async with account(Venue(), submitted_ns=submitted.get) as (exchange, _):
        with pytest.raises(VenueError, match="may still arrive"):
            await exchange.order("18e3a-0f00ba-7")
        assert await exchange.order("18e3a-0f00ba-8") is None
        assert await exchange.order("18e3a-0f00ba-9") is None


async def test_open_orders_come_page_after_page() -> None:
    venue = Venue()
    for number in range(101):
        venue.take(
            {"market": "KRW-BTC", "side": "bid", "ord_type": "limit", "price": "1", "volume": "1"}
            | {"identifier": wire.CLIENT_IDS.encode(f"18e3a-0f00ba-{number + 1}")}
        )
    async with account(venue) as (exchange, _):
        found = await exchange.open_orders(["BTCKRW"])
        assert [one.client_order_id for one in found] == [f"18e3a-0f00ba-{number + 1}" for number in range(101)]


async def test_orders_of_the_past_are_asked_for_week_by_week_and_told_in_their_order() -> None:
    spans = list[tuple[int, int]]()

    def closed(query: dict[str, str]) -> list[dict[str, Any]]:
        spans.append((int(query["start_time"]), int(query["end_time"])))
        number = len(spans)
        return [
            {
                "uuid": f"closed-{number}",
                "market": market,
                "side": "bid",
                "ord_type": "limit",
                "price": "1",
                "volume": "1",
                "state": "cancel",
                "executed_volume": "0",
                "created_at": f"2026-11-{28 - number}T12:00:00+09:00",
            }
            for market in ("KRW-BTC", "KRW-ETH")
        ]

    venue = Venue(closed_by_request=closed)
    async with account(venue) as (exchange, _):
        await exchange.place(order())
        found = await exchange.orders(["BTCKRW"], 20 * DAY_MS * 1_000_000)
    assert spans == [(20 * DAY_MS, 27 * DAY_MS), (27 * DAY_MS, 30 * DAY_MS)]
    assert [one.order.client_order_id for one in found] == ["closed-2", "closed-1", OURS]


async def test_more_orders_than_the_venue_lists_are_not_taken_for_all() -> None:
    many = {"uuid": "a", "market": "KRW-BTC", "side": "bid", "ord_type": "limit", "state": "done"}
    venue = Venue(closed_by_request=lambda query: [many] * 1000)
    async with account(venue) as (exchange, _):
        with pytest.raises(VenueError, match="1,000 closed orders at once"):
            await exchange.orders(["BTCKRW"], 29 * DAY_MS * 1_000_000)


TRADE = {
    "type": "myOrder",
    "code": "KRW-BTC",
    "uuid": "order-0",
    "ask_bid": "BID",
    "order_type": "limit",
    "state": "trade",
    "trade_uuid": "trade-1",
    "price": 90_000_000,
    "volume": 0.1,
    "trade_fee": 4_500,
    "executed_volume": 0.1,
    "remaining_volume": 0.4,
    "identifier": wire.CLIENT_IDS.encode(OURS),
}


async def test_the_accounts_stream_tells_of_its_orders() -> None:
    async def tell(connection: ServerConnection, message: str | bytes) -> None:
        await connection.send('{"status":"UP"}')
        await connection.send(json.dumps(TRADE).encode())

    heard = list[OrderUpdate]()
    is_heard = trio.Event()

    def sink(update: OrderUpdate) -> None:
        heard.append(update)
        is_heard.set()

    async with account(Venue(), tell) as (exchange, stream), trio.open_nursery() as nursery:
        await nursery.start(exchange.updates, sink)
        await is_heard.wait()
        nursery.cancel_scope.cancel()
    (update,) = heard
    assert update.client_order_id == OURS
    assert update.fills == (
        Fill(
            fill_id="trade-1",
            quantity=Decimal("0.1"),
            price=Decimal(90_000_000),
            fee=Decimal(4500),
            fee_asset="KRW",
        ),
    )
    (asked,) = stream.messages()
    assert json.loads(asked)[1:] == [{"type": "myOrder"}, {"format": "DEFAULT"}]
    (handshake,) = stream.requests
    claims = claims_of({"Authorization": handshake.headers["Authorization"]})
    assert claims.keys() == {"access_key", "nonce"}
    assert "Origin" not in handshake.headers


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"error":{"name":"INVALID_AUTH","message":"no"}}', "INVALID_AUTH"),
        ('{"type":"myOrder"}', "can't be read"),
        (None, "was cut"),
    ],
)
async def test_a_stream_that_is_cut_refused_or_unreadable_ends_with_an_error(said: str | None, why: str) -> None:
    async def spoil(connection: ServerConnection, message: str | bytes) -> None:
        if said is None:
            await connection.aclose()
        else:
            await connection.send(said)

    async with account(Venue(), spoil) as (exchange, _):
        with pytest.raises(VenueError, match=why):
            await exchange.updates(lambda update: None)
