"""A WebSocket server on loopback that does what a test wants of it, and notes what it is sent."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.trio.server import ServerConnection, serve

Answer = Callable[[ServerConnection, str | bytes], Awaitable[None]]


@attrs.define
class VenueServer:
    """``connected`` and ``sent`` hold the times (Trio's) at which clients connected and sent something."""

    port: int = 0
    scheme: str = "ws"
    connected: list[float] = attrs.field(factory=list)
    requests: list[Request] = attrs.field(factory=list)
    #: (number of the connection, time, message)
    sent: list[tuple[int, float, str | bytes]] = attrs.field(factory=list)
    open: list[ServerConnection] = attrs.field(factory=list)
    #: Those of the open ones that have sent something.
    subscribed: list[ServerConnection] = attrs.field(factory=list)
    most_open: int = 0
    #: With which codes clients left.
    farewells: list[int | None] = attrs.field(factory=list)
    #: How the next handshakes are answered, before all others succeed.
    refusals: list[Response] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/ws/some-secret-path"

    def messages(self, number: int | None = None) -> list[str | bytes]:
        return [message for of, _, message in self.sent if number in (None, of)]

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return self.refusals.pop(0) if self.refusals else None

    async def serve_one(self, answer: Answer | None, connection: ServerConnection) -> None:
        number = len(self.connected)
        self.connected.append(trio.current_time())
        self.open.append(connection)
        self.most_open = max(self.most_open, len(self.open))
        try:
            while True:
                message = await connection.recv()
                self.sent.append((number, trio.current_time(), message))
                if connection not in self.subscribed:
                    self.subscribed.append(connection)
                if answer is not None:
                    await answer(connection, message)
        except ConnectionClosed:
            self.farewells.append(connection.close_code)
        finally:
            self.open.remove(connection)
            if connection in self.subscribed:
                self.subscribed.remove(connection)


@asynccontextmanager
async def venue_server(
    answer: Answer | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    compression: str | None = None,
) -> AsyncIterator[VenueServer]:
    """Run a server whose connections give each message that they are sent to ``answer``."""
    server = VenueServer(scheme="wss" if tls is not None else "ws")
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host=host)
        server.port = listeners[0].socket.getsockname()[1]
        await nursery.start(
            partial(
                serve,
                partial(server.serve_one, answer),
                listeners=listeners,
                ssl=tls,
                process_request=server.refuse,
                ping_interval=None,
                compression=compression,
            )
        )
        try:
            yield server
        finally:
            nursery.cancel_scope.cancel()
