"""Serve the dashboard with hypercorn's trio worker, on a socket that was had before; and end it in order."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from pathlib import Path
from typing import cast

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H2CProtocolRequiredError, H2ProtocolAssumedError, H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from starlette.types import ASGIApp

from trioarb.errors import ConfigError, TrioarbError, leaves
from trioarb.settings.problem import Problem

__all__ = ["DashboardError", "listen", "serve", "tls_of"]

_BACKLOG = 512
_LAST_PORT = 65_535
#: Who takes nothing of what is sent for so long is gone; a request may take so long to come.
_STUCK_SECONDS, _REQUEST_SECONDS = 10.0, 20
_END_SECONDS = 1.0
_LARGEST_HEAD = 16 * 1024


class DashboardError(TrioarbError):
    """The dashboard can't be served."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any that is free.

    Raises:
        DashboardError: it can't be had; says what to do.
    """
    if not 0 <= port <= _LAST_PORT:  # the system would take another in its place
        raise DashboardError(f"--port {port}: there is no such port; choose one from 0 to {_LAST_PORT}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise DashboardError(f"--host {host}: no address to listen at: {said}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        remedy = "choose another by --port" if error.errno != 99 else "name one of this machine by --host"
        raise DashboardError(f"{host} port {port} can't be had: {error.strerror or error}; {remedy}") from None
    return listening


def tls_of(certfile: Path, keyfile: Path) -> ssl.SSLContext:
    """Return what TLS is made of.

    Raises:
        ConfigError: a file can't be read, or they are no certificate and its key.
    """
    for flag, path in (("--certfile", certfile), ("--keyfile", keyfile)):
        why = _why_unreadable(path)
        if why:
            problem = Problem(file=flag, message=f"can't be read: {why}", value=str(path), remedy="name another")
            raise ConfigError([problem])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certfile, keyfile, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        said = getattr(error, "reason", None) or str(error)
        problem = Problem(
            file="--certfile, --keyfile",
            message=f"are no certificate and its key without a password, both in PEM ({said})",
            value=f"{certfile}, {keyfile}",
        )
        raise ConfigError([problem]) from None
    return context


def _why_unreadable(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device may be endless
            return "it is no file"
        path.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class _Patient(trio.abc.HalfCloseableStream):
    """A connection that is given up once its other end has taken nothing for some seconds."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with trio.move_on_after(_STUCK_SECONDS) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("nothing is taken")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Server(TCPServer):
    """Serves one connection by HTTP/1.1 alone: one of HTTP/2, which any client may begin, hypercorn never ends."""

    @property  # type: ignore[override]  # hypercorn's has a wrapper in its place, which switches
    def protocol(self) -> H11Protocol:
        return self._protocol

    @protocol.setter
    def protocol(self, wrapper: ProtocolWrapper) -> None:
        assert isinstance(wrapper.protocol, H11Protocol)
        self._protocol = wrapper.protocol


class _Listener(trio.abc.Listener[_Patient]):
    def __init__(self, listening: socket.socket) -> None:
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))

    async def accept(self) -> _Patient:
        return _Patient(await self._listener.accept())

    async def aclose(self) -> None:
        await self._listener.aclose()


async def serve(
    app: ASGIApp,
    listening: socket.socket,
    tls: ssl.SSLContext | None,
    *,
    until: trio.Event,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until an event is set, and then to the end of what is being answered, for a second at most.

    Event streams have to be ended by then: hypercorn would cut them. Cancelled, it ends at once.
    """
    config = Config()
    config.include_server_header = False
    config.h11_max_incomplete_size = _LARGEST_HEAD
    config.read_timeout = None
    config.keep_alive_timeout = _REQUEST_SECONDS
    config.ssl_handshake_timeout = _REQUEST_SECONDS
    config.accesslog = None
    config.errorlog = None
    context = WorkerContext(None)
    listener: trio.abc.Listener[trio.abc.Stream] = _Listener(listening)
    if tls is not None:
        listener = trio.SSLListener(listener, tls, https_compatible=True)
    connected = partial(_Server, ASGIWrapper(cast("ASGIFramework", app)), config, context, ConnectionState({}))

    async def handler(stream: trio.abc.Stream) -> None:
        try:
            await connected(stream)  # type: ignore[arg-type]  # of TLS or not, it takes both
        except Exception as error:
            if all(isinstance(one, H2ProtocolAssumedError | H2CProtocolRequiredError) for one in leaves(error)):
                return
            # One connection must not end the others, whatever its other end did to it.
            structlog.get_logger("trioarb.dashboard").warning("a connection failed", exc_info=True)

    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as accepting:
            await accepting.start(partial(trio.serve_listeners, handler, [listener], handler_nursery=connections))
            task_status.started()
            await until.wait()
            accepting.cancel_scope.cancel()
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + _END_SECONDS
