"""The simulated Upbit and Bithumb, asked as a client asks, by their documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest
import trio
import trio.testing
from websockets.exceptions import InvalidStatus
from websockets.trio.client import ClientConnection, connect

from trioarb_sim.connects import Connects
from trioarb_sim.faults import Fault
from trioarb_sim.limits import Limit
from trioarb_sim.simulator import Simulator, open_simulator

D = Decimal
BIDS, ASKS = [(D(83_999_000), D(1)), (D(83_990_000), D(2))], [(D(84_001_000), D(1)), (D(84_010_000), D(2))]
NONCES = count()


@asynccontextmanager
async def quiet(name: str = "upbit", **options: Any) -> AsyncIterator[Simulator]:
    async with open_simulator(name, every_seconds=0, **options) as simulator:
        simulator.venue.show("KRW-BTC", BIDS, ASKS)
        yield simulator


def token(simulator: Simulator, signed: str = "", **claims: object) -> str:
    claims = {"access_key": simulator.key.api_key, "nonce": f"n{next(NONCES)}", **claims}
    if simulator.name == "bithumb":
        claims.setdefault("timestamp", time.time_ns() // 1_000_000)
    if signed:
        claims |= {"query_hash": hashlib.sha512(signed.encode()).hexdigest(), "query_hash_alg": "SHA512"}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signature = hmac.digest(simulator.key.secret.encode(), b".".join(parts), "sha256")
    parts.append(base64.urlsafe_b64encode(signature).rstrip(b"="))
    return "Bearer " + b".".join(parts).decode()


async def ask(
    simulator: Simulator, method: str, path: str, body: Mapping[str, str] | None = None, **params: str
) -> httpx.Response:
    query = urlencode(params)
    signed = "&".join(f"{name}={value}" for name, value in body.items()) if body else unquote(query)
    headers = {"authorization": token(simulator, signed)}
    async with httpx.AsyncClient(base_url=simulator.rest_url, headers=headers) as client:
        return await client.request(method, path, params=params or None, json=body)


def order(simulator: Simulator, **change: str) -> dict[str, str]:
    kind = "ord_type" if simulator.name == "upbit" else "order_type"
    wanted = {"market": "KRW-BTC", "side": "bid", kind: "limit", "price": "84001000", "volume": "0.1", **change}
    return {name: value for name, value in wanted.items() if value}


@pytest.mark.parametrize(("name", "version", "state"), [("upbit", "v1", "cancel"), ("bithumb", "v2", "done")])
async def test_an_order_is_placed_filled_and_found(name: str, version: str, state: str) -> None:
    async with quiet(name) as simulator:
        wanted = order(simulator, volume="1.1", time_in_force="ioc")
        placed = await ask(simulator, "POST", f"/{version}/orders", wanted)
        found = await ask(simulator, "GET", "/v1/order", uuid=placed.json()["uuid"])
        krw = next(one for one in (await ask(simulator, "GET", "/v1/accounts")).json() if one["currency"] == "KRW")
        rate = simulator.venue.rules("KRW-BTC").taker_fee

    assert placed.status_code == 201
    body = found.json()
    assert (body["state"], body["executed_volume"], body["remaining_volume"]) == (state, "1", "0.1")
    assert [one["price"] for one in body["trades"]] == ["84001000"]
    assert D(body["paid_fee"]) == 84_001_000 * rate
    assert D(krw["balance"]) == 100_000_000 - 84_001_000 - D(body["paid_fee"])
    assert krw["locked"] == "0"
    # Of the two, Upbit says what is left.
    assert placed.headers.get("remaining-req", "").startswith("group=order; ") is (name == "upbit")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"price": "84001500"}, 400, "invalid_price_bid"),
        ({"volume": "0.00001"}, 400, "under_min_total_bid"),
        ({"volume": "9"}, 400, "insufficient_funds_bid"),
        ({"side": "ask", "volume": "9"}, 400, "insufficient_funds_ask"),
        ({"market": "KRW-NOSUCH"}, 404, "notfoundmarket"),
        ({"side": "buy"}, 400, "validation_error"),
        ({"volume": ""}, 400, "invalid_parameter"),
        ({"time_in_force": "day"}, 400, "invalid_parameter"),
        ({"ord_type": "price"}, 400, "invalid_parameter"),
    ],
)
async def test_what_breaks_a_rule_has_upbits_name(change: dict[str, str], status: int, said: str) -> None:
    async with quiet() as simulator:
        answer = await ask(simulator, "POST", "/v1/orders", order(simulator, **change))
        assert (answer.status_code, answer.json()["error"]["name"]) == (status, said)
        assert simulator.venue.orders("main") == []


async def test_an_identifier_is_taken_once_for_ever_and_post_only_never_takes() -> None:
    async with quiet() as simulator:
        wanted = order(simulator, price="83000000", identifier="mine")
        first = await ask(simulator, "POST", "/v1/orders", wanted)
        cancelled = await ask(simulator, "DELETE", "/v1/order", identifier="mine")
        again = await ask(simulator, "POST", "/v1/orders", wanted)
        maker = await ask(simulator, "POST", "/v1/orders", order(simulator, time_in_force="post_only"))
        unknown = await ask(simulator, "GET", "/v1/order", identifier="other")
        closed = await ask(simulator, "GET", "/v1/orders/closed", limit="1")
        none = await ask(simulator, "GET", "/v1/orders/closed", limit="0")
    assert (first.json()["state"], cancelled.json()["state"]) == ("wait", "cancel")
    assert again.status_code == 400
    assert (maker.json()["state"], maker.json()["executed_volume"]) == ("cancel", "0")
    assert [one["uuid"] for one in closed.json()] == [maker.json()["uuid"]]
    assert (none.status_code, none.json()["error"]["name"]) == (400, "validation_error")
    assert (unknown.status_code, unknown.json()["error"]["name"]) == (404, "order_not_found")


async def test_tokens_are_checked() -> None:
    async with quiet() as simulator, httpx.AsyncClient(base_url=simulator.rest_url) as client:
        used = token(simulator)
        tokens = {
            "invalid_access_key": token(simulator, access_key="other"),
            "jwt_verification": used[:-4] + "AAAA",
            "nonce_used": used,
            "invalid_query_payload": token(simulator, "market=KRW-ETH"),
        }
        path = "/v1/orders/chance?market=KRW-BTC"
        await client.get("/v1/accounts", headers={"authorization": used})
        said = {
            name: (await client.get(path, headers={"authorization": one})).json()["error"]["name"]
            for name, one in tokens.items()
        }
        nobody = await client.get(path)
    assert said == {name: name for name in tokens}
    assert nobody.status_code == 401
    async with quiet("bithumb") as simulator, httpx.AsyncClient(base_url=simulator.rest_url) as client:
        late = token(simulator, timestamp=time.time_ns() // 1_000_000 - 60_000)
        assert (await client.get("/v1/accounts", headers={"authorization": late})).json()["error"][
            "name"
        ] == "invalid_jwt"


async def receive(socket: ClientConnection) -> Any:
    with trio.fail_after(5):
        message = await socket.recv()
    assert isinstance(message, bytes)
    return json.loads(message)


async def test_books_come_whole_and_a_subscription_replaces_the_one_before() -> None:
    async with quiet() as simulator, connect(f"{simulator.socket_url}/websocket/v1") as socket:
        books = {"type": "orderbook", "codes": ["KRW-BTC.1"]}
        await socket.send(json.dumps([{"ticket": "t"}, books]))
        snapshot = await receive(socket)
        simulator.venue.show("KRW-BTC", BIDS[1:], ASKS)
        news = await receive(socket)
        await socket.send(json.dumps([{"ticket": "t"}, {"type": "trade", "codes": ["KRW-BTC"]}, {"format": "SIMPLE"}]))
        await socket.send("PING")
        up = await receive(socket)
        await ask(simulator, "POST", "/v1/orders", order(simulator))
        trade = await receive(socket)
        await socket.send("[]")
        wrong = await receive(socket)
    assert (snapshot["stream_type"], news["stream_type"]) == ("SNAPSHOT", "REALTIME")
    assert snapshot["orderbook_units"] == [
        {"ask_price": 84_001_000.0, "bid_price": 83_999_000.0, "ask_size": 1.0, "bid_size": 1.0}
    ]
    assert news["orderbook_units"][0]["bid_price"] == 83_990_000.0
    assert up == {"status": "UP"}
    assert (trade["ty"], trade["tv"], trade["ab"]) == ("trade", 0.1, "BID")
    assert wrong["error"]["name"] == "NO_TICKET"


async def test_an_account_hears_of_its_orders_and_assets() -> None:
    async with quiet() as simulator:
        url = f"{simulator.socket_url}/websocket/v1/private"
        with pytest.raises(InvalidStatus):
            await connect(url).__aenter__()
        async with connect(url, additional_headers={"authorization": token(simulator)}) as socket:
            await socket.send(json.dumps([{"ticket": "t"}, {"type": "myOrder"}, {"type": "myAsset"}]))
            await trio.sleep(0.1)
            simulator.faults.switch_on(Fault.DUPLICATE)
            await ask(simulator, "POST", "/v1/orders", order(simulator, identifier="mine"))
            told = [await receive(socket) for _ in range(8)]
    orders = [(one["state"], one["executed_volume"], one["identifier"]) for one in told if one["type"] == "myOrder"]
    assert orders == [
        one for one in (("wait", 0.0, "mine"), ("trade", 0.1, "mine"), ("done", 0.1, "mine")) for _ in "ab"
    ]
    assert [one["type"] for one in told][-1] == "myAsset"


async def test_who_asks_too_often_or_names_an_origin_is_turned_away() -> None:
    async with quiet() as simulator, httpx.AsyncClient(base_url=simulator.rest_url) as client:
        answers = [await client.get("/v1/orderbook?markets=KRW-BTC") for _ in range(25)]
        assert 429 in {one.status_code for one in answers}
        origin = {"origin": "https://somewhere"}
        named = [await client.get("/v1/market/all", headers=origin) for _ in range(2)]
    assert [one.status_code for one in named] == [200, 429]
    assert set(simulator.violations) == {"requests of orderbook", "requests with an Origin"}


@pytest.mark.parametrize(("name", "most"), [("upbit", 5), ("bithumb", 10), ("binance", 300)])
async def test_who_connects_too_often_is_turned_away(name: str, most: int) -> None:
    path = "/ws" if name == "binance" else "/websocket/v1"
    async with open_simulator(name, every_seconds=0) as simulator:
        # As many as there may be, in no time at all: sockets would take some.
        simulator.app.connects.are_too_many("127.0.0.1")
        assert [simulator.app.connects.are_too_many("127.0.0.1") for _ in range(most)] == [False] * (most - 1) + [True]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{simulator.socket_url}{path}").__aenter__()
    assert refused.value.response.status_code == 429
    assert simulator.violations == {"connects": 1}


async def test_connections_of_long_ago_do_not_count(autojump_clock: trio.testing.MockClock) -> None:
    connects = Connects(Limit(most=2, seconds=1))
    found = []
    for _ in range(4):
        found.append(connects.are_too_many("here"))
        await trio.sleep(0.4)
    assert found == [False, False, True, False]
    assert not connects.are_too_many("there")
