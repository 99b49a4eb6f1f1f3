"""A server of HTTP/1.1 on loopback that does what a test wants of it, and notes what it was asked."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import h11
import trio
import trustme


@attrs.frozen
class Asked:
    """A request as it came over the wire. ``connection`` is the number of the connection, from 0."""

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    stream: trio.abc.Stream


#: Returns bytes to be sent; ``None``: the connection is closed without an answer.
Answer = Callable[[Asked], Awaitable[bytes | None]]


def http(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return "\r\n".join((*lines, "", "")).encode() + body


async def well(asked: Asked) -> bytes | None:
    return http()


@attrs.define
class RestServer:
    port: int = 0
    scheme: str = "http"
    connections: int = 0
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    asked: list[Asked] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    async def serve_one(self, answer: Answer, stream: trio.abc.Stream) -> None:
        number, self.connections = self.connections, self.connections + 1
        self.streams.append(stream)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            while await self._serve_request(answer, stream, number):
                pass
        await trio.aclose_forcefully(stream)

    async def _serve_request(self, answer: Answer, stream: trio.abc.Stream, number: int) -> bool:
        connection = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(65_536))
                if not data and head is None:
                    return False
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        asked = Asked(number, head.method.decode(), head.target.decode(), headers, body, stream)
        self.asked.append(asked)
        said = await answer(asked)
        if said is None:
            return False
        await stream.send_all(said)
        return True


@asynccontextmanager
async def rest_server(
    answer: Answer = well, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[RestServer]:
    server = RestServer(scheme="https" if tls is not None else "http")
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        server.port = listeners[0].socket.getsockname()[1]
        served: list[trio.abc.Listener[trio.abc.Stream]] = [
            listener if tls is None else trio.SSLListener(listener, tls, https_compatible=True)
            for listener in listeners
        ]
        await nursery.start(partial(trio.serve_listeners, partial(server.serve_one, answer), served))
        try:
            yield server
        finally:
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def proxy_server(*, refuses: bool = False) -> AsyncIterator[RestServer]:
    """Run a proxy that tunnels, whatever it is asked for, to that port of this machine."""

    async def pump(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)

    async def tunnel(asked: Asked) -> bytes | None:
        if refuses:
            return http(407, b"")
        async with await trio.open_tcp_stream("127.0.0.1", int(asked.target.rpartition(":")[2])) as onward:
            await asked.stream.send_all(b"HTTP/1.1 200 Connected\r\n\r\n")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, onward, asked.stream)
                await pump(asked.stream, onward)
                nursery.cancel_scope.cancel()
        return None

    async with rest_server(tunnel) as server:
        yield server


def server_tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context
