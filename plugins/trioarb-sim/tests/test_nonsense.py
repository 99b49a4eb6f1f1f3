"""Nonsense that a client sends is its own affair: the venue answers, or hangs up, and goes on for everybody else."""

from __future__ import annotations

import json
from itertools import product
from urllib.parse import quote

import httpx
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

from trioarb_sim.simulator import VENUES, Simulator, open_simulator

VALUES = ("", "abc", "-1", "nan", "1e999", "999999999999999999999", "\u00e9", "[]", "\x00")
PATHS = {
    "binance": ("/api/v3/depth", "/api/v3/account", "/api/v3/allOrders", "/api/v3/order", "/api/v3/exchangeInfo"),
    "upbit": ("/v1/orderbook", "/v1/accounts", "/v1/orders/closed", "/v1/order", "/v1/market/all"),
}
NAMES = ("limit", "count", "symbol", "markets", "timestamp", "recvWindow", "signature", "orderId", "uuid", "start_time")
MESSAGES = (
    *("", "{", "[]", "{}", "null", "1", '"x"', "[1]", '["x"]', "[[]]", "\u00e9"),
    *(
        json.dumps({"id": 1, "method": method, "params": params})
        for method, params in product(
            ("SUBSCRIBE", "order.place", "session.logon", ["x"], None), (None, [], {}, 1, "x", [None], {"apiKey": None})
        )
    ),
    *(
        json.dumps([{"ticket": "t"}, {"type": kind, "codes": codes}, {"format": 1}])
        for kind, codes in product(
            ("orderbook", "myOrder", ["x"], None), (None, 1, "x", [1], [None], ["KRW-BTC.\u00b2"], {})
        )
    ),
)
SOCKETS = {"binance": ("/ws", "/ws-api/v3"), "upbit": ("/websocket/v1",), "bithumb": ("/websocket/v1",)}


async def is_well(simulator: Simulator) -> bool:
    path = "/api/v3/time" if simulator.name == "binance" else "/v1/market/all"
    async with httpx.AsyncClient(base_url=simulator.rest_url) as client:
        return (await client.get(path)).status_code < 500  # it may be tired of us


@pytest.mark.parametrize("name", VENUES)
async def test_requests_that_make_no_sense_are_answered(name: str) -> None:
    async with open_simulator(name, every_seconds=0) as simulator:
        headers = {"x-mbx-apikey": simulator.key.api_key, "authorization": "Bearer a.b.c"}
        async with httpx.AsyncClient(base_url=simulator.rest_url, headers=headers) as client:
            for path, key, value in product(PATHS.get(name, PATHS["upbit"]), NAMES, VALUES):
                query = f"markets=KRW-BTC&symbol=BTCUSDT&timestamp=1&signature=x&{key}={quote(value)}"
                assert (await client.get(f"{path}?{query}")).status_code < 500
            for body in (b"{", b"[1]", b"\xff", b'{"market": 1, "side": []}'):
                assert (await client.post("/v1/orders", content=body)).status_code < 500
                assert (await client.post("/api/v3/order", content=body)).status_code < 500
        assert await is_well(simulator)


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in SOCKETS.items() for path in paths])
async def test_messages_that_make_no_sense_are_answered_or_hung_up_on(name: str, path: str) -> None:
    async with open_simulator(name, every_seconds=0) as simulator:
        messages = list(MESSAGES)
        while messages:  # a connection takes a few a second
            some, messages = messages[:4], messages[4:]
            async with connect(f"{simulator.socket_url}{path}") as socket:
                try:
                    for message in some:
                        await socket.send(message)
                    with trio.move_on_after(0.02):
                        await socket.recv()
                except ConnectionClosed:
                    pass
            if name != "binance":
                await trio.sleep(0.2)  # nor may it connect more often
        assert await is_well(simulator)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\xff\xff\xff\xff",
    ],
    ids=["no HTTP", "no handshake", "no frame"],
)
async def test_bytes_that_are_no_protocol_end_their_connection_only(sent: bytes) -> None:
    async with open_simulator("binance", every_seconds=0) as simulator:
        async with await trio.open_tcp_stream("127.0.0.1", simulator.port) as stream:
            await stream.send_all(sent)
            with trio.fail_after(5):
                while await stream.receive_some(65_536):
                    pass
        assert await is_well(simulator)
