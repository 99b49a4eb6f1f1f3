"""What sends market data to whoever is measured: a process of its own that is Binance spot for a few requests.

It listens on loopback and has what a feed needs to begin: symbols, volumes and snapshots of books by HTTP, streams by
WebSocket. Orders, by HTTP or by WebSocket, it takes with an empty answer. A connection that subscribed gets its share
of the messages, as fast as it takes them or so many a second, where ``E`` is the microsecond (of the clock that this
machine's processes share) at which it was given to the socket. Over TLS each message is a record of its own, as a venue
sends it that tells each change at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import trustme

__all__ = ["Job", "Server", "serving", "trusted"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: So many messages are given to the socket at once, where as many go out as can.
_TOGETHER = 100
#: More messages are made as they are sent.
_MOST_KEPT = 1_000_000
#: What is due goes out together, so many times a second: a few messages at 20,000 of them, as of a busy venue.
_PAUSE_SECONDS = 0.000_2
_LEVELS = 100


@attrs.frozen(kw_only=True)
class Job:
    """What is sent. ``messages``: by all connections together; ``a_second``: the same, absent: as many as are taken.

    ``kind``: ``best`` (bookTicker) or ``changes`` (depthUpdate, ``levels`` prices a side). ``chance_every``: of so many
    messages, one bids 1 % more than any other venue asks, until the symbol's next.
    """

    kind: str
    messages: int
    connections: int = 1
    symbols: int = 10
    a_second: int | None = None
    levels: int = 1
    chance_every: int | None = None

    @property
    def names(self) -> list[str]:
        return [f"C{number}USDT" for number in range(self.symbols)]


@attrs.frozen(kw_only=True)
class Server:
    """Where it listens; ``ca_file`` is there where it speaks TLS."""

    port: int
    ca_file: Path | None

    @property
    def rest_url(self) -> str:
        return f"{'https' if self.ca_file else 'http'}://localhost:{self.port}"

    @property
    def stream_url(self) -> str:
        return f"{'wss' if self.ca_file else 'ws'}://localhost:{self.port}"


@attrs.frozen
class Trusted:
    ca_file: Path
    context: ssl.SSLContext


@contextmanager
def trusted() -> Iterator[Trusted]:
    """Give a server's certificate, and a file that names whoever signed it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(path))
        yield Trusted(path, context)


@contextmanager
def serving(job: Job, tls: Trusted | None = None) -> Iterator[Server]:
    """Run a sender in a process of its own."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=_run, args=(job, tls.context if tls else None, there), daemon=True)
    process.start()
    try:
        yield Server(port=here.recv(), ca_file=tls.ca_file if tls else None)
    finally:
        process.kill()
        process.join()


def _run(job: Job, tls: ssl.SSLContext | None, port: Pipe) -> None:
    sender = _Sender(job)
    listener = socket.create_server(("localhost", 0))
    port.send(listener.getsockname()[1])
    while True:
        connected, _ = listener.accept()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=sender.serve, args=(_Line(connected, tls),), daemon=True).start()


class _Line:
    """A connection, encrypted or not."""

    def __init__(self, connected: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._socket, self._tls = connected, None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if tls is not None:
            self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def send(self, pieces: list[bytes]) -> None:
        """Send pieces at once; over TLS each is a record."""
        if self._tls is None:
            self._socket.sendall(b"".join(pieces))
            return
        for piece in pieces:
            self._tls.write(piece)
        self._socket.sendall(self._outgoing.read())

    def receive(self) -> bytes:
        """Return what comes next; nothing at the end."""
        if self._tls is None:
            return self._socket.recv(65_536)
        while True:
            try:
                found = self._tls.read(65_536)
            except ssl.SSLWantReadError:
                found = None
            except ssl.SSLError:
                return b""
            if waiting := self._outgoing.read():
                self._socket.sendall(waiting)
            if found is not None:
                return found
            data = self._socket.recv(65_536)
            if not data:
                return b""
            self._incoming.write(data)

    def close(self) -> None:
        self._socket.close()


class _Sender:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._share = job.messages // job.connections
        self._snapshots = threading.Semaphore(0)
        self._frames: list[bytes] = []
        if job.a_second is None and job.messages <= _MOST_KEPT:
            self._frames = [framed(message(job, number)) for number in range(1, self._share + 1)]

    def serve(self, line: _Line) -> None:
        """Answer requests, or send what was subscribed to."""
        try:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    if not (more := line.receive()):
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                _, target, _ = head.split(b" ", 2)
                rows = [row.partition(b":") for row in head.split(b"\r\n")[1:]]
                headers = {name.strip().lower(): value.strip() for name, _, value in rows}
                if b"sec-websocket-key" in headers:
                    self._stream(line, target, headers[b"sec-websocket-key"], data)
                    return
                body = json.dumps(self._answer(target.decode())).encode()
                line.send([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body])
        except OSError:
            return
        finally:
            line.close()

    def _answer(self, target: str) -> object:
        path = target.partition("?")[0]
        if path.endswith("/exchangeInfo"):
            limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
            return {"rateLimits": [limit], "symbols": [_symbol(name) for name in self._job.names]}
        if path.endswith("/ticker/24hr"):
            volume = {"volume": "9000", "quoteVolume": "900000.5", "lastPrice": "100"}
            return [{"symbol": name, **volume} for name in self._job.names]
        if path.endswith("/depth"):
            self._snapshots.release()
            steps = [number / 100 for number in range(1, _LEVELS + 1)]
            return {
                "lastUpdateId": 0,
                "bids": [[f"{100 - step:.8f}", "1.50000000"] for step in steps],
                "asks": [[f"{100 + step:.8f}", "1.50000000"] for step in steps],
            }
        return {}

    def _stream(self, line: _Line, target: bytes, key: bytes, data: bytes) -> None:
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        line.send(
            [
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            ]
        )
        if b"ws-api" in target:
            while True:
                text, data = _unmasked(line, data)
                line.send([framed(json.dumps({"id": json.loads(text)["id"], "status": 200, "result": {}}).encode())])
        if b"streams=" not in target:
            asked = json.loads(_unmasked(line, data)[0])
            line.send([framed(json.dumps({"result": None, "id": asked["id"]}).encode())])
        if self._job.kind == "changes":
            self._begin_books(line)
        if self._job.a_second is None:
            for start in range(0, self._share, _TOGETHER):
                stop = min(start + _TOGETHER, self._share)
                made = self._frames[start:stop]
                line.send(made or [framed(message(self._job, number)) for number in range(start + 1, stop + 1)])
        else:
            self._send_paced(line, self._job.a_second / self._job.connections)
        while line.receive():
            pass

    def _begin_books(self, line: _Line) -> None:
        """Send a first change of each book, and wait until snapshots were asked for."""
        line.send([framed(message(self._job, -number)) for number in range(self._job.symbols)])
        for _ in range(self._job.symbols):
            self._snapshots.acquire(timeout=5.0)
        time.sleep(0.5)

    def _send_paced(self, line: _Line, a_second: float) -> None:
        began, sent = time.monotonic(), 0
        while sent < self._share:
            due = min(self._share, int((time.monotonic() - began) * a_second))
            if due > sent:
                now_us = time.monotonic_ns() // 1_000
                line.send([framed(message(self._job, number, now_us)) for number in range(sent + 1, due + 1)])
                sent = due
            time.sleep(_PAUSE_SECONDS)


def message(job: Job, number: int, sent_us: int | None = None) -> bytes:
    """Return a message; numbers go on from one to the next. Of books, those up to 0 change nothing."""
    at = (number - 1) % job.symbols if number > 0 else -number
    name = job.names[at] if job.symbols <= 1_000 else f"C{at}USDT"
    turn = max(0, (number - 1) // job.symbols + 1)
    bid = 99.90 + turn % 7 / 100
    if job.chance_every is not None and number > 0 and number % job.chance_every == 0:
        bid = 101.0
    if job.kind == "best":
        stamp = b"" if sent_us is None else b',"E":%d' % sent_us
        return (
            b'{"stream":"%s@bookTicker","data":{"u":%d,"s":"%s","b":"%.8f","B":"%d.78826000","a":"%.8f",'
            b'"A":"1.60520000"%s}}'
            % (name.lower().encode(), 50_093_239_219 + number, name.encode(), bid, turn % 7 + 1, bid + 0.02, stamp)
        )
    # Prices come and go near the best ones, which stay between 99.9 and 100.1.
    step = turn % 9 / 100
    bids = ",".join(f'["{99.98 - step - n / 50:.8f}","{turn % 4}.50000000"]' for n in range(job.levels))
    asks = ",".join(f'["{100.02 + step + n / 50:.8f}","{(turn + 1) % 4}.50000000"]' for n in range(job.levels))
    if number <= 0:
        bids = asks = ""
    return (
        f'{{"stream":"{name.lower()}@depth@100ms","data":{{"e":"depthUpdate","E":{sent_us or 1_723_161_262_626},'
        f'"s":"{name}","U":{turn},"u":{turn},"b":[{bids}],"a":[{asks}]}}}}'
    ).encode()


def framed(text: bytes) -> bytes:
    """Return a text as a frame of a server."""
    size = len(text)
    return (bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + text


def _unmasked(line: _Line, data: bytes) -> tuple[bytes, bytes]:
    """Return the next message of a client, and what came after it.

    Raises:
        OSError: there is none.
    """
    while len(data) < 2 or len(data) < _size(data):
        if not (more := line.receive()):
            raise ConnectionError
        data += more
    size = _size(data)
    start = 4 if data[1] & 0x7F == 126 else 2
    mask, text = data[start : start + 4], data[start + 4 : size]
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)), data[size:]


def _size(data: bytes) -> int:
    length = data[1] & 0x7F
    if length == 126:
        return 8 + (int.from_bytes(data[2:4], "big") if len(data) >= 4 else 65_536)
    return 6 + length


def _symbol(name: str) -> dict[str, Any]:
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": name.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        ],
        "isSpotTradingAllowed": True,
    }
