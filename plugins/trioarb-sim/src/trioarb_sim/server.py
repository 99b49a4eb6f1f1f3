"""One port for all that a venue speaks: HTTP/1.1 and WebSocket, plain or over TLS, on loopback."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import attrs
import h11
import trio
import wsproto
from wsproto.extensions import PerMessageDeflate

from trioarb_sim.traffic import Traffic

__all__ = ["App", "HttpRequest", "HttpResponse", "Socket", "SocketClosed", "serve"]

_RECEIVE_BYTES = 65_536
_MAX_BODY_BYTES = 1_048_576
#: How long a peer may keep a connection without asking anything.
_IDLE_SECONDS = 120


@attrs.frozen(kw_only=True)
class HttpRequest:
    """``query`` is as it came, percent-encoded. Names of ``headers`` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""


@attrs.frozen(kw_only=True)
class HttpResponse:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def json(cls, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        return cls(status=status, body=body, headers={"content-type": "application/json", **(headers or {})})


class SocketClosed(Exception):
    """The peer, or a fault, closed the socket."""


class App(Protocol):
    """What a venue says to what it is asked."""

    async def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request; ``None``: close the connection without an answer."""

    def accept(self, request: HttpRequest) -> Callable[[Socket], Awaitable[None]] | HttpResponse:
        """Say who talks to a WebSocket that is asked for, or refuse it."""


class Socket:
    """One WebSocket. Sends may come from several tasks; one task receives."""

    def __init__(self, stream: trio.abc.Stream, connection: wsproto.WSConnection, traffic: Traffic) -> None:
        self._stream = stream
        self._connection = connection
        self._traffic = traffic
        self._sending = trio.Lock()
        self._events: list[wsproto.events.Event] = []
        self._parts: list[str | bytes] = []
        self._is_closed = False
        #: Since they were last set to 0; ``all_pongs``: since it was opened.
        self.pongs = 0
        self.pings = 0
        self.all_pongs = 0

    async def send(self, message: str | bytes) -> None:
        """Send one message, text or binary.

        Raises:
            SocketClosed: nobody hears it any more.
        """
        self._traffic.told += 1
        event = (
            wsproto.events.BytesMessage(message) if isinstance(message, bytes) else wsproto.events.TextMessage(message)
        )
        await self._send(event)

    async def ping(self, payload: bytes) -> None:
        await self._send(wsproto.events.Ping(payload))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, and close."""
        if not self._is_closed:
            await self._send(wsproto.events.CloseConnection(code, reason))
            await self.cut()

    async def cut(self) -> None:
        """Close the connection without a word, as a broken line does."""
        self._is_closed = True
        await trio.aclose_forcefully(self._stream)

    async def receive(self) -> str | bytes:
        """Return the next message. Pings are answered here.

        Raises:
            SocketClosed: there is no more.
        """
        while True:
            while self._events:
                event = self._events.pop(0)
                match event:
                    case wsproto.events.Message(data=data, message_finished=is_finished):
                        self._parts.append(bytes(data) if not isinstance(data, str) else data)
                        if is_finished:
                            self._traffic.heard += 1
                            return self._whole()
                    case wsproto.events.Ping():
                        self.pings += 1
                        await self._send(event.response())
                    case wsproto.events.Pong():
                        self.pongs += 1
                        self.all_pongs += 1
                    case wsproto.events.CloseConnection():
                        await self._send(event.response())
                        self._is_closed = True
                        raise SocketClosed
            await self._read()

    async def _read(self) -> None:
        try:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SocketClosed from None
        if not data:
            self._is_closed = True
            raise SocketClosed
        self.feed(bytes(data))

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises:
            SocketClosed: it is no WebSocket traffic.
        """
        try:
            self._connection.receive_data(data)
            self._events += self._connection.events()
        except wsproto.utilities.RemoteProtocolError:
            self._is_closed = True
            raise SocketClosed from None

    async def _send(self, event: wsproto.events.Event) -> None:
        if self._is_closed:
            raise SocketClosed
        try:
            async with self._sending:
                await self._stream.send_all(self._connection.send(event))
        except (trio.BrokenResourceError, trio.ClosedResourceError, wsproto.utilities.LocalProtocolError):
            raise SocketClosed from None

    def _whole(self) -> str | bytes:
        parts, self._parts = self._parts, []
        if isinstance(parts[0], str):
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))


async def serve(
    app: App,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    traffic: Traffic | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an app on 127.0.0.1 until cancelled; ``started(port)`` once it listens, 0 being any free port.

    A connection ends with what it serves; cancelling this closes all of them. ``traffic``: where it is counted.

    Raises:
        OSError: the port is taken.
    """

    counted = traffic or Traffic()

    async def talk(stream: trio.SocketStream) -> None:
        peer = str(stream.socket.getpeername()[0])
        if tls is None:
            await _talk(app, stream, peer, counted)
            return
        secure = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        try:
            await _talk(app, secure, peer, counted)
        except (trio.BrokenResourceError, ssl.SSLError):
            await trio.aclose_forcefully(secure)

    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, talk, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])


async def _talk(app: App, stream: trio.abc.Stream, peer: str, traffic: Traffic) -> None:
    """Answer the requests of one connection, one after the other, until one asks for a WebSocket."""
    connection = h11.Connection(h11.SERVER)
    async with stream:
        while True:
            request = None
            with trio.move_on_after(_IDLE_SECONDS):
                request = await _request(connection, stream, peer)
            if request is None:
                return
            if request.headers.get("upgrade", "").lower() == "websocket":
                traffic.connects += 1
                found = app.accept(request)
                if not isinstance(found, HttpResponse):
                    await _upgrade(found, request, stream, connection.trailing_data[0], traffic)
                    return
                answer: HttpResponse | None = found
            else:
                traffic.requests += 1
                answer = await app.answer(request)
            if answer is None:
                await trio.aclose_forcefully(stream)
                return
            traffic.answered(answer.status)
            await _respond(connection, stream, answer, is_head=request.method == "HEAD")
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _request(connection: h11.Connection, stream: trio.abc.Stream, peer: str) -> HttpRequest | None:
    """Read one request; ``None``: the peer went away, or doesn't speak HTTP."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        match event:
            case h11.NEED_DATA:
                try:
                    connection.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
                except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
                    return None
            case h11.Request():
                head = event
            case h11.Data():
                body += event.data
                if len(body) > _MAX_BODY_BYTES:
                    return None
            case h11.EndOfMessage() | h11.PAUSED:
                break
            case _:
                return None
    if head is None:
        return None
    target = head.target.decode("utf-8", "replace")
    path, _, query = target.partition("?")
    return HttpRequest(
        method=head.method.decode("ascii"),
        path=path,
        query=query,
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers},
        body=bytes(body),
        peer=peer,
    )


async def _respond(connection: h11.Connection, stream: trio.abc.Stream, answer: HttpResponse, *, is_head: bool) -> None:
    headers = [*answer.headers.items(), ("content-length", str(len(answer.body)))]
    sent = connection.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    if not is_head:
        sent += connection.send(h11.Data(data=answer.body)) or b""
    sent += connection.send(h11.EndOfMessage()) or b""
    try:
        await stream.send_all(sent)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def _upgrade(
    talk: Callable[[Socket], Awaitable[None]],
    request: HttpRequest,
    stream: trio.abc.Stream,
    trailing: bytes,
    traffic: Traffic,
) -> None:
    handshake = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    try:
        handshake.initiate_upgrade_connection(headers, request.path)
        for _ in handshake.events():
            pass
    except wsproto.utilities.RemoteProtocolError:
        return  # it asks for something else than a WebSocket
    accepted = handshake.send(wsproto.events.AcceptConnection(extensions=[PerMessageDeflate()]))
    socket = Socket(stream, handshake, traffic)
    try:
        await stream.send_all(accepted)
        if trailing:
            socket.feed(trailing)
        await talk(socket)
        await socket.close()
    except* (SocketClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # whoever went away has nothing to be told
