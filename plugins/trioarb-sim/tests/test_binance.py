"""The simulated Binance, asked as a client asks: over a socket, with signatures, by its documents."""

from __future__ import annotations

import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection, connect

from trioarb_sim.faults import Fault
from trioarb_sim.limits import Limit
from trioarb_sim.simulator import Simulator, open_simulator

D = Decimal
BIDS, ASKS = [(D(59_999), D(1)), (D(59_990), D(2))], [(D(60_001), D(1)), (D(60_010), D(2))]


@asynccontextmanager
async def quiet(**options: Any) -> AsyncIterator[Simulator]:
    """A venue where strangers show what the test says."""
    async with open_simulator("binance", every_seconds=0, **options) as simulator:
        simulator.venue.show("BTCUSDT", BIDS, ASKS)
        yield simulator


def signed(simulator: Simulator, params: Mapping[str, object]) -> str:
    query = urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
    return f"{query}&signature={hmac.digest(simulator.key.secret.encode(), query.encode(), 'sha256').hex()}"


async def ask(
    simulator: Simulator, method: str, path: str, query: str = "", *, key: str | None = None
) -> httpx.Response:
    headers = {"X-MBX-APIKEY": simulator.key.api_key if key is None else key}
    async with httpx.AsyncClient(base_url=simulator.rest_url, headers=headers) as client:
        return await client.request(method, f"{path}?{query}" if query else path)


async def account(simulator: Simulator, method: str, path: str, **params: object) -> httpx.Response:
    return await ask(simulator, method, path, signed(simulator, params))


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC", "quantity": "0.5", "price": "60001"}


async def test_an_order_is_placed_filled_and_found() -> None:
    async with quiet() as simulator:
        placed = await account(simulator, "POST", "/api/v3/order", **ORDER, newClientOrderId="mine-1")
        found = await account(simulator, "GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine-1")
        trades = await account(simulator, "GET", "/api/v3/myTrades", symbol="BTCUSDT")

    body = placed.json()
    assert (body["status"], body["executedQty"], body["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.50000000",
        "30000.50000000",
    )
    assert body["fills"] == [
        {
            "price": "60001.00000000",
            "qty": "0.50000000",
            "commission": "0.00050000",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]
    assert found.json()["orderId"] == body["orderId"]
    assert [one["id"] for one in trades.json()] == [1]
    assert placed.headers["x-mbx-order-count-10s"] == "0"  # what fills doesn't count


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "60001.001"}, -1013),
        ({"quantity": "0.000001"}, -1013),
        ({"quantity": "0.00001"}, -1013),
        ({"quantity": "9"}, -2010),
        ({"symbol": "NOSUCH"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "STOP_LOSS"}, -1116),
        ({"timeInForce": "DAY"}, -1115),
        ({"price": ""}, -1102),
        ({"price": "1e5"}, -1100),
        ({"newClientOrderId": "no spaces"}, -1100),
        ({"type": "LIMIT_MAKER"}, -1106),
        ({"recvWindow": "60001"}, -1131),
        ({"recvWindow": "nan"}, -1100),
        ({"recvWindow": "-1"}, -1100),
    ],
)
async def test_what_breaks_a_rule_has_binances_code(change: dict[str, str], code: int) -> None:
    async with quiet() as simulator:
        answer = await account(simulator, "POST", "/api/v3/order", **{**ORDER, **change})
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
        assert simulator.venue.orders("main") == []


async def test_keys_signatures_and_times_are_checked() -> None:
    async with quiet() as simulator:
        late = urlencode({"timestamp": time.time_ns() // 1_000_000 - 6000})
        signature = hmac.digest(simulator.key.secret.encode(), late.encode(), "sha256").hex()
        path = "/api/v3/account"
        codes = {
            "nobody": await ask(simulator, "GET", path, signed(simulator, {}), key=""),
            "unknown": await ask(simulator, "GET", path, signed(simulator, {}), key="other"),
            "unsigned": await ask(simulator, "GET", path, late),
            "forged": await ask(simulator, "GET", path, f"{late}&signature=00"),
            "late": await ask(simulator, "GET", path, f"{late}&signature={signature}"),
        }
        simulator.faults.switch_on(Fault.SKEWED_CLOCK)
        codes["skewed"] = await account(simulator, "GET", path)
    assert {name: answer.json()["code"] for name, answer in codes.items()} == {
        "nobody": -2014,
        "unknown": -2015,
        "unsigned": -1102,
        "forged": -1022,
        "late": -1021,
        "skewed": -1021,
    }


async def receive(socket: ClientConnection) -> Any:
    with trio.fail_after(5):
        return json.loads(await socket.recv())


async def test_a_book_made_of_its_stream_is_the_venues() -> None:
    """A snapshot and what changed since, by the documented steps."""
    async with quiet() as simulator, connect(f"{simulator.socket_url}/ws/btcusdt@depth@100ms") as socket:
        events, book = [], {"b": dict[Decimal, Decimal](), "a": dict[Decimal, Decimal]()}
        for step in range(1, 6):
            moved = (
                [(price + step, size) for price, size in BIDS],
                [(price + step, size + step) for price, size in ASKS],
            )
            simulator.venue.show("BTCUSDT", *moved)
            events.append(await receive(socket))
            if step == 2:
                snapshot = (await ask(simulator, "GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000")).json()
        for side, name in (("b", "bids"), ("a", "asks")):
            book[side] = {D(price): D(size) for price, size in snapshot[name]}
        last = snapshot["lastUpdateId"]
        for event in events:
            if event["u"] <= last:
                continue
            assert event["U"] == last + 1
            last = event["u"]
            for side in ("b", "a"):
                book[side] |= {D(price): D(size) for price, size in event[side]}
        _, bids, asks = simulator.venue.book("BTCUSDT")
    assert sorted((p, s) for p, s in book["b"].items() if s) == sorted(bids)
    assert sorted((p, s) for p, s in book["a"].items() if s) == sorted(asks)


async def test_a_combined_stream_names_what_it_tells() -> None:
    async with quiet() as simulator:
        url = f"{simulator.socket_url}/stream?streams=btcusdt@bookTicker/btcusdt@trade"
        async with connect(url) as socket:
            await account(simulator, "POST", "/api/v3/order", **ORDER)
            told = [await receive(socket) for _ in range(2)]
    assert {one["stream"] for one in told} == {"btcusdt@bookTicker", "btcusdt@trade"}
    data = {one["stream"]: one["data"] for one in told}
    assert (data["btcusdt@trade"]["q"], data["btcusdt@bookTicker"]["A"]) == ("0.50000000", "0.50000000")


def request(simulator: Simulator, method: str, **params: object) -> str:
    params |= {"apiKey": simulator.key.api_key, "timestamp": time.time_ns() // 1_000_000}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    params["signature"] = hmac.digest(simulator.key.secret.encode(), payload.encode(), "sha256").hex()
    return json.dumps({"id": 1, "method": method, "params": params})


async def test_the_socket_api_takes_orders_and_tells_the_account() -> None:
    async with quiet() as simulator, connect(f"{simulator.socket_url}/ws-api/v3") as socket:
        await socket.send(request(simulator, "userDataStream.subscribe.signature"))
        subscribed = await receive(socket)
        order = {**ORDER, "timeInForce": "GTC", "quantity": "1.5", "newClientOrderId": "mine"}
        await socket.send(request(simulator, "order.place", **order))
        told = [await receive(socket) for _ in range(4)]
        cancel = {"symbol": "BTCUSDT", "origClientOrderId": "mine", "newClientOrderId": "off"}
        await socket.send(request(simulator, "order.cancel", **cancel))
        told += [await receive(socket) for _ in range(3)]

    assert subscribed["result"] == {"subscriptionId": 0}
    events = [one["event"] for one in told if "event" in one]
    answers = [one for one in told if "event" not in one]
    reports = [(one["x"], one["X"], one["z"]) for one in events if one["e"] == "executionReport"]
    assert reports == [
        ("NEW", "NEW", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "1.00000000"),
        ("CANCELED", "CANCELED", "1.00000000"),
    ]
    (cancelled,) = [one for one in events if one.get("x") == "CANCELED"]
    assert (cancelled["c"], cancelled["C"]) == ("off", "mine")
    assert [one["status"] for one in answers] == [200, 200]
    assert {one["rateLimitType"] for one in answers[0]["rateLimits"]} >= {"REQUEST_WEIGHT", "ORDERS"}
    positions = [one["B"] for one in events if one["e"] == "outboundAccountPosition"]
    assert positions[0][1] == {"a": "USDT", "f": "9998.50000000", "l": "30000.50000000"}


async def test_who_asks_too_often_is_turned_away_and_then_banned() -> None:
    async with quiet(weight=Limit(most=40, seconds=60)) as simulator:
        answers = [await ask(simulator, "GET", "/api/v3/exchangeInfo") for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        for _ in range(11):
            last = await ask(simulator, "GET", "/api/v3/ping")
        assert last.status_code == 418
        assert simulator.violations["request weight"] > 0


async def test_a_socket_that_says_too_much_is_closed() -> None:
    async with quiet() as simulator, connect(f"{simulator.socket_url}/ws") as socket:
        for _ in range(6):
            await socket.send('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
        for _ in range(5):
            assert (await receive(socket))["result"] == []
        with pytest.raises(ConnectionClosed) as closed:
            await receive(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    assert simulator.violations == {"messages on a socket": 1}


async def test_an_acknowledgement_is_lost_but_not_the_order() -> None:
    async with quiet(faults={Fault.LOST_ACKNOWLEDGEMENT: 1}) as simulator:
        with pytest.raises(httpx.RemoteProtocolError):
            await account(simulator, "POST", "/api/v3/order", **ORDER, newClientOrderId="lost")
        found = await account(simulator, "GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="lost")
    assert found.json()["status"] == "FILLED"


async def test_faults_of_streams_happen_on_request() -> None:
    async with quiet() as simulator:
        async with connect(f"{simulator.socket_url}/ws/btcusdt@depth@100ms") as socket:
            simulator.faults.switch_on(Fault.GAP)
            for step in range(1, 4):
                simulator.venue.show("BTCUSDT", [(price + step, size) for price, size in BIDS], ASKS)
                await trio.sleep(0.15)
            first, second = await receive(socket), await receive(socket)
            assert first["U"] > 5  # the change before it was told to nobody
            assert second["U"] == first["u"] + 1
            simulator.faults.switch_on(Fault.SHUTDOWN)
            assert (await receive(socket))["e"] == "serverShutdown"
            with pytest.raises(ConnectionClosed):
                await receive(socket)
        async with connect(f"{simulator.socket_url}/ws/btcusdt@bookTicker") as socket:
            simulator.faults.switch_on(Fault.SILENT, market="BTCUSDT")
            simulator.venue.show("BTCUSDT", BIDS[1:], ASKS)
            with trio.move_on_after(0.2) as scope:
                await socket.recv()
            assert scope.cancelled_caught
    assert simulator.faults.happened["gap"] == 1


async def test_strangers_move_the_market_over_tls(tmp_path: Any) -> None:
    async with open_simulator("binance", tls=True, every_seconds=0.05) as simulator:
        assert simulator.authority is not None
        simulator.authority.write(tmp_path / "ca.pem")
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with httpx.AsyncClient(base_url=simulator.rest_url, verify=trusted) as client:
            books = []
            for _ in range(3):
                books.append((await client.get("/api/v3/depth?symbol=ETHUSDT")).json())
                await trio.sleep(0.1)
    assert len({one["lastUpdateId"] for one in books}) == 3
    for one in books:
        bids, asks = ([float(price) for price, _ in one[side]] for side in ("bids", "asks"))
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert 0 < bids[0] < asks[0]
