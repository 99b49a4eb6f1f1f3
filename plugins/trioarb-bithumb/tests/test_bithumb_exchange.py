"""An account at Bithumb over loopback, as far as it differs from one at Upbit."""

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

from trioarb.api import Exchange, Listing, Order, OrderReport, OrderStatus, OrderUpdate, Side, TimeInForce, VenueError
from trioarb.venue import Credentials, Endpoint, Request
from trioarb_bithumb import wire
from trioarb_bithumb.exchange import BithumbExchange
from trioarb_upbit.client import open_client
from trioarb_upbit.settings import ConnectionSettings

KEY = Credentials(api_key="the-key", secret="the-secret")
NOW_MS = 1_790_000_000_123
OURS = "18e3a-0f00ba-7"
ORDER = Order(
    client_order_id=OURS,
    venue="bithumb",
    symbol="BTCKRW",
    side=Side.BUY,
    quantity=Decimal("0.5"),
    limit_price=Decimal(90_000_000),
    time_in_force=TimeInForce.GTC,
)


def listed(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "order_id": f"C{number}",
        "client_order_id": wire.CLIENT_IDS.encode(f"18e3a-0f00ba-{number}"),
        "market": "KRW-BTC",
        "side": "bid",
        "order_type": "limit",
        "price": "90000000",
        "volume": "0.5",
        "state": "wait",
        "executed_volume": "0",
        "created_at": f"2026-11-29T12:00:{number:02}+09:00",
    } | changes


@attrs.define
class Venue:
    """Checks tokens, and answers what is asked of it."""

    asked: list[str] = attrs.field(factory=list)

    async def answer(self, asked: Asked) -> bytes:
        parts = urlsplit(asked.target)
        self.asked.append(f"{asked.method} {parts.path}")
        query = dict(parse_qsl(parts.query))
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if "authorization" in headers:
            claims = claims_of({"Authorization": headers["authorization"]})
            request = Request(method=asked.method, path=parts.path, query=parts.query, body=asked.body)
            again = wire.signed(request, KEY, nonce=claims["nonce"], now_ms=NOW_MS)
            assert again.headers["Authorization"] == headers["authorization"]
        status, body = self.said(f"{asked.method} {parts.path}", query)
        return http(status, json.dumps(body).encode())

    def said(self, what: str, query: dict[str, str]) -> tuple[int, object]:
        match what:
            case "GET /v1/market/all":
                return 200, [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}]
            case "GET /v1/ticker":
                price = {"trade_price": 90_000_000, "acc_trade_price_24h": 1, "acc_trade_volume_24h": 1}
                return 200, [{"market": "KRW-BTC", "timestamp": 1, **price}]
            case "GET /v1/orders/chance":
                sides = {side: {"currency": "KRW", "price_unit": "500", "min_total": "5000"} for side in ("bid", "ask")}
                fees = {"bid_fee": "0.0004", "ask_fee": "0.0004"}
                return 200, {**fees, "market": {"id": "KRW-BTC", "state": "active", **sides}}
            case "GET /v1/accounts":
                return 200, [{"currency": "KRW", "balance": "10", "locked": "5"}]
            case "POST /v2/orders":
                return 201, {"order_id": "C7"}
            case "DELETE /v2/order":
                return 200, {"order_id": "C7"}
            case "GET /v2/orders/pending" if query.get("state") == "watch":
                return 200, {"data": [listed(3, state="watch")], "has_next": False}
            case "GET /v2/orders/pending":
                number = int(query.get("next_key", "1"))
                return 200, {"data": [listed(number)], "has_next": number < 2, "next_key": "2"}
            case "GET /v2/orders/history":
                closed = listed(4, state="cancel"), listed(9, state="done", market="KRW-ETH")
                return 200, {"data": closed, "has_next": False}
            case "GET /v1/order":
                return 422, {"error": {"name": "order_not_ready", "message": "soon"}}
        raise AssertionError(f"{what} is asked for")


async def quiet(connection: ServerConnection, message: str | bytes) -> None:
    """Say nothing."""


@asynccontextmanager
async def account(
    venue: Venue, respond: Callable[[ServerConnection, str | bytes], Any] = quiet
) -> AsyncIterator[tuple[Exchange, VenueServer]]:
    numbers = count(1)
    async with (
        rest_server(venue.answer) as rest,
        venue_server(respond) as stream,
        open_client(
            ConnectionSettings(rest_url=rest.url), wire.MAIN_URL, "Bithumb", wire.LIMITS, can_trade=True
        ) as client,
    ):
        exchange = BithumbExchange(
            client,
            KEY,
            Endpoint(url=stream.url),
            venue="bithumb",
            new_nonce=lambda: f"nonce-{next(numbers)}",
            now_ns=lambda: NOW_MS * 1_000_000,
        )
        with trio.fail_after(20):
            found = await exchange.instruments([Listing(symbol="BTCKRW", base="BTC", quote="KRW")])
            assert found["BTCKRW"].taker_fee_bps == Decimal(4)
            assert found["BTCKRW"].rules.tick_at(Decimal(90_000_000)) == Decimal(500)
            yield exchange, stream


async def test_orders_are_placed_cancelled_and_listed_page_after_page() -> None:
    venue = Venue()
    async with account(venue) as (exchange, _):
        assert await exchange.balances() == {"KRW": Decimal(15)}
        assert await exchange.place(ORDER) == OrderReport(
            client_order_id=OURS, venue_order_id="C7", status=OrderStatus.OPEN
        )
        await exchange.cancel(OURS)
        with pytest.raises(VenueError, match="order_not_ready"):
            await exchange.order(OURS)
        assert [one.venue_order_id for one in await exchange.open_orders(["BTCKRW"])] == ["C1", "C2", "C3"]
        past = await exchange.orders(["BTCKRW"], (NOW_MS - 1000) * 1_000_000)
        assert [one.order.client_order_id for one in past] == [f"18e3a-0f00ba-{number}" for number in (1, 2, 3, 4)]


def told(state: str, executed: str, paid: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "myOrder",
        "code": "KRW-BTC",
        "order_id": "C7",
        "client_order_id": wire.CLIENT_IDS.encode(OURS),
        "side": "buy",
        "order_type": "limit",
        "state": state,
        "order_quantity": 0.5,
        "executed_quantity": float(executed),
        "paid_fee": float(paid),
    } | more


def traded(number: int, quantity: float, executed: str, paid: str) -> dict[str, Any]:
    trade = {"trade_id": f"T{number}", "trade_price": 90_000_000, "trade_quantity": quantity}
    return told("trade", executed, paid, **trade)


async def heard(*messages: dict[str, Any]) -> list[OrderUpdate]:
    """Return what a stream is heard of that says this."""
    found = list[OrderUpdate]()
    is_all = trio.Event()

    async def tell(connection: ServerConnection, message: str | bytes) -> None:
        for one in messages:
            await connection.send(json.dumps(one).encode())

    def sink(update: OrderUpdate) -> None:
        found.append(update)
        if len(found) == len(messages):
            is_all.set()

    async with account(Venue(), tell) as (exchange, stream), trio.open_nursery() as nursery:
        await nursery.start(exchange.updates, sink)
        await is_all.wait()
        nursery.cancel_scope.cancel()
    claims = claims_of({"Authorization": stream.requests[0].headers["Authorization"]})
    assert claims["timestamp"] == NOW_MS
    return found


async def test_what_each_trade_cost_is_what_was_paid_since_the_message_before() -> None:
    found = await heard(
        told("wait", "0", "0"),
        traded(1, 0.25, "0.25", "9000"),
        traded(2, 0.25, "0.5", "18000.5"),
        told("done", "0.5", "18000.5"),
    )
    assert [one.filled for one in found] == [0, Decimal("0.25"), Decimal("0.5"), Decimal("0.5")]
    assert [fill.fee for one in found for fill in one.fills] == [Decimal(9000), Decimal("9000.5")]
    assert found[-1].status is OrderStatus.FILLED


async def test_an_orders_first_trade_needs_no_message_before() -> None:
    (update,) = await heard(traded(1, 0.25, "0.25", "9000"))
    assert [fill.fee for fill in update.fills] == [Decimal(9000)]


async def test_a_trade_after_one_that_was_missed_is_counted_and_the_next_is_told() -> None:
    found = await heard(traded(2, 0.125, "0.25", "9000"), traded(3, 0.25, "0.5", "18000"))
    assert [one.filled for one in found] == [Decimal("0.25"), Decimal("0.5")]
    assert [[fill.fill_id for fill in one.fills] for one in found] == [[], ["T3"]]
