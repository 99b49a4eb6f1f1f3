"""Measure how long it takes from the call that sends an order to its bytes at the socket, on connections kept open.

All ways are measured in one run, in turns, over loopback to a server of this process: what the order's own connection
takes, the whole of what a plugin calls (limits, priority and connection), httpcore and httpx. The end is when Trio's
stream is given the bytes; over TLS, encrypted. Building and signing the request isn't counted.

Usage: python benchmarks/rest.py [REQUESTS]
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import h11
import httpcore
import httpx
import trio
import trustme
from figures import Figures, quantile

from trioarb.venue import Host, Limit, LimitRules, Limits, Priority, Request, open_rest, tls_context
from trioarb.venue.line import Line

ORDER = Request(
    method="POST",
    path="/api/v3/order",
    query="symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=0.01000000&price=64000.10000000"
    "&newClientOrderId=t1-0123456789ab-1&timestamp=1764374400000&signature=" + "0" * 64,
    headers={"X-MBX-APIKEY": "0" * 64},
    group="order",
)
#: As Binance has them.
RULES = LimitRules(
    buckets={
        "weight": [Limit(count=10_000_000, seconds=60)],
        "requests": [Limit(count=30_000_000, seconds=300)],
        "orders": [Limit(count=5_000_000, seconds=10), Limit(count=16_000_000, seconds=86_400)],
    },
    costs=lambda request: {"weight": request.weight, "requests": 1, "orders": 1},
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Call = Callable[[], Awaitable[object]]


async def serve(stream: trio.abc.Stream) -> None:
    """Answer each request, as far as benchmarks send them: a head and no body."""
    connection = h11.Connection(h11.SERVER)
    try:
        while data := bytes(await stream.receive_some(65_536)):
            connection.receive_data(data)
            while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
                if isinstance(event, h11.EndOfMessage):
                    await stream.send_all(ANSWER)
                    connection = h11.Connection(h11.SERVER)
                    break
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return


class Wire:
    """Notes when one of Trio's sockets is given the first bytes of a request; a context manager."""

    def __init__(self) -> None:
        self.at = 0.0
        self._send_all = trio.SocketStream.send_all

    def __enter__(self) -> Wire:
        async def noted(stream: trio.SocketStream, data: bytes) -> None:
            self.at = self.at or time.perf_counter()
            await self._send_all(stream, data)

        trio.SocketStream.send_all = noted  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *error: object) -> None:
        trio.SocketStream.send_all = self._send_all  # type: ignore[method-assign]


async def measured(calls: dict[str, Call], requests: int) -> dict[str, list[float]]:
    """Return how long each took, in seconds, every time; the first hundred don't count."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    with Wire() as wire:
        for number in range(requests + 100):
            for name, call in calls.items():
                wire.at = 0.0
                began = time.perf_counter()
                await call()
                if number >= 100:
                    took[name].append(wire.at - began)
    return took


async def ways(stack: AsyncExitStack, nursery: trio.Nursery, host: Host) -> dict[str, Call]:
    """Return what is measured, each with its connection open."""
    verify: ssl.SSLContext | bool = host.tls or False
    line = Line("bench", host)
    await nursery.start(line.run)
    rest = await stack.enter_async_context(open_rest("bench", host, limits=Limits("bench", RULES), can_trade=True))
    pool = await stack.enter_async_context(httpcore.AsyncConnectionPool(ssl_context=host.tls))
    client = await stack.enter_async_context(httpx.AsyncClient(verify=verify, base_url=host.url, trust_env=False))
    headers = dict(ORDER.headers)
    address = f"{host.url}{ORDER.target}"
    return {
        "the order's connection (h11)": partial(line.request, ORDER),
        "  with limits and priority, as plugins call it": partial(rest.send, ORDER, Priority.ENTRY, patience=0.0),
        "httpcore": partial(pool.request, "POST", address, headers=headers),
        "httpx": partial(client.request, "POST", ORDER.target, headers=headers),
    }


async def measure(figures: Figures, requests: int, *, over_tls: bool) -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(path))
        tls = tls_context(path)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    host = Host(url=f"https://localhost:{port}" if over_tls else f"http://localhost:{port}", tls=tls)
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        serving = trio.SSLListener(listener, server_tls, https_compatible=True) if over_tls else listener
        nursery.start_soon(trio.serve_listeners, serve, [serving])
        took = await measured(await ways(stack, nursery, host), requests)
        for name, durations in took.items():
            what = f"{name}, {'over TLS' if over_tls else 'plain'}"
            figures.add(what, median(durations) * 1e6, "µs")
            if "plugins" in name:
                figures.add("    of a hundred, one takes longer than", quantile(durations, 0.99) * 1e6, "µs")
        nursery.cancel_scope.cancel()


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    figures = Figures("rest")
    for over_tls in (False, True):
        trio.run(partial(measure, figures, requests, over_tls=over_tls))
    figures.store()


if __name__ == "__main__":
    main()
