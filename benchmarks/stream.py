"""Measure market data over a WebSocket session: message → decoded → book → edge, plain and over TLS.

The server is a process of its own on loopback, so that a machine with two cores gives one to each. Messages are changes
of a book as Binance spot sends them, one price a side. First as many as can be read, then 20,000 a second, where each
says when it was given to the server's socket. Beside it the library's own way to read.

Usage: python benchmarks/stream.py [MESSAGES]
"""

from __future__ import annotations

import multiprocessing
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import trio
import trio.lowlevel
import trustme
from figures import Figures, quantile
from websockets.frames import Frame, Opcode
from websockets.trio.client import connect
from websockets.trio.server import ServerConnection, serve

from trioarb.venue import BookOutcome, Change, Endpoint, OrderBook, WebSocketSession, numbered, tls_context

MESSAGES = 200_000
A_SECOND, SECONDS = 20_000, 5
#: What is due goes out together, a few messages every fraction of a millisecond, as a busy venue's does.
BURST, PAUSE_SECONDS = 100, 0.000_2
KEEPS = 1.0 - 10 / 10_000


class Data(msgspec.Struct):
    E: int
    s: str
    U: int
    u: int
    b: list[Change]
    a: list[Change]


class Streamed(msgspec.Struct):
    data: Data


def message(number: int, sent_ns: int = 0) -> bytes:
    bid, ask = f"{61_837 - number % 5}.63000000", f"{61_838 + number % 3}.64000000"
    sizes = f"{number % 7 + 1}.78826000", f"{number % 5}.54698000"
    data = {
        "e": "depthUpdate",
        "E": sent_ns,
        "s": "BTCUSDT",
        "U": number,
        "u": number,
        "b": [[bid, sizes[0]]],
        "a": [[ask, sizes[1]]],
    }
    text = msgspec.json.encode({"stream": "btcusdt@depth", "data": data})
    return bytes(Frame(Opcode.TEXT, text).serialize(mask=False))


async def answer(flood: list[bytes], connection: ServerConnection) -> None:
    """Send what is asked for: as many as go, or so many a second."""
    if await connection.recv() == "flood":
        for chunk in flood:
            await connection.stream.send_all(chunk)
    else:
        began, number = time.monotonic_ns(), 0
        while number < A_SECOND * SECONDS:
            due = min(A_SECOND * SECONDS, (time.monotonic_ns() - began) * A_SECOND // 1_000_000_000)
            framed = [message(one, time.monotonic_ns()) for one in range(number + 1, min(due, number + BURST) + 1)]
            number += len(framed)
            await connection.stream.send_all(b"".join(framed))
            await trio.sleep(PAUSE_SECONDS)
    await connection.wait_closed()


def run_server(messages: int, tls: ssl.SSLContext | None, port: Pipe) -> None:
    framed = [message(number) for number in range(1, messages + 1)]
    flood = [b"".join(framed[start : start + 50]) for start in range(0, messages, 50)]

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port.send(listeners[0].socket.getsockname()[1])
        await serve(partial(answer, flood), listeners=listeners, ssl=tls, compression=None, ping_interval=None)

    trio.run(main)


class Market:
    """A book, and the edges of both routes against a second venue, of each message."""

    def __init__(self, messages: int) -> None:
        self.book = OrderBook(numbered)
        self.book.snapshot([], [], last=0, received_ns=0)
        self.decode = msgspec.json.Decoder(Streamed, strict=False).decode
        self.left = messages
        self.done = trio.Event()
        self.began = self.took = self.worked = 0.0
        self.late_ns: list[int] = []
        self.chances = 0

    def sink(
        self, bid: float, bid_size: float, ask: float, ask_size: float, at: int, of: object = None, more: object = None
    ) -> None:
        if bid * KEEPS > 61_838.0 or ask < 61_837.0 * KEEPS:
            self.chances += 1

    def on_message(self, text: bytes, received_ns: int) -> str:
        if not self.began:
            self.began, self.worked = time.perf_counter(), time.process_time()
        data = self.decode(text).data
        outcome = self.book.change(data.b, data.a, first=data.U, last=data.u, received_ns=received_ns)
        if outcome is BookOutcome.APPLIED:
            self.book.tell(self.sink)
        if data.E:
            self.late_ns.append(time.monotonic_ns() - data.E)
        self.left -= 1
        if not self.left:
            self.took = time.perf_counter() - self.began
            self.worked = time.process_time() - self.worked
            self.done.set()
        return data.s


async def by_session(endpoint: Endpoint, ask: str, market: Market) -> None:
    session = WebSocketSession(
        endpoint=endpoint,
        keys={"BTCUSDT": 10.0},
        subscribe=lambda _: [ask],
        on_message=market.on_message,
        on_connected=lambda: None,
        on_disconnected=lambda why: print(why, file=sys.stderr),
        now_ns=time.time_ns,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(session.run)
        await market.done.wait()
        nursery.cancel_scope.cancel()


async def by_library(endpoint: Endpoint, ask: str, market: Market) -> None:
    async with connect(endpoint.url, ssl=endpoint.tls, compression=None, proxy=None) as connection:
        await connection.send(ask)
        while not market.done.is_set():
            market.on_message(await connection.recv(decode=False), time.time_ns())


def measure(figures: Figures, messages: int, endpoint: Endpoint, how: str) -> None:
    goal = "≥ 40,000" if endpoint.tls else "≥ 100,000"
    ways: dict[str, Callable[[Endpoint, str, Market], object]] = {"session": by_session, "library": by_library}
    for name, way in ways.items():
        market = Market(messages)
        trio.run(way, endpoint, "flood", market)  # type: ignore[arg-type]
        is_ours = name == "session"
        figures.add(f"{how}, {name}: messages a second", messages / market.took, "/s", goal if is_ours else "")
        figures.add("    … of processor time", messages / market.worked, "/s")
    market = Market(A_SECOND * SECONDS)
    trio.run(by_session, endpoint, "paced", market)
    late = [ns / 1_000 for ns in market.late_ns[A_SECOND:]]
    figures.add(f"{how}, 20,000 a second: socket to edge, median", quantile(late, 0.5), "µs", "≤ 80")
    figures.add("    … of a hundred, one takes longer than", quantile(late, 0.99), "µs", "≤ 400")


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    figures = Figures("stream")
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    with TemporaryDirectory() as folder:
        authority.cert_pem.write_to_path(str(Path(folder) / "ca.pem"))
        ours = tls_context(Path(folder) / "ca.pem")
    fork = multiprocessing.get_context("fork")
    for how, scheme, tls in (("plain", "ws", None), ("TLS", "wss", server_tls)):
        here, there = fork.Pipe()
        server = fork.Process(target=run_server, args=(messages, tls, there), daemon=True)
        server.start()
        endpoint = Endpoint(url=f"{scheme}://localhost:{here.recv()}", tls=ours if tls else None)
        measure(figures, messages, endpoint, how)
        server.terminate()
        server.join()
    figures.store()


if __name__ == "__main__":
    main()
