"""Open a connection to a venue's host: over a proxy where there is one, with TLS where the address says so."""

from __future__ import annotations

import socket
import ssl

import trio

from trioarb import __version__
from trioarb.venue.host import Host

__all__ = ["dial"]

_CHUNK = 65_536
_MAX_GREETING = 65_536


async def dial(host: Host) -> trio.abc.Stream:
    """Return an open connection. Cancelled or failed, nothing is left open.

    Raises:
        OSError: a name can't be resolved, or nobody answers there.
        trio.BrokenResourceError: it broke, or TLS failed; the cause says why.
    """
    name, port = host.proxy_address or (host.name, host.port)
    connected = await trio.open_tcp_stream(name, port)
    _keep_alive(connected)
    stream: trio.abc.Stream = connected
    try:
        if host.proxy is not None:
            if host.proxy.startswith("https:"):
                stream = await _secured(stream, host.tls, name)
            await _tunnel(stream, host)
        if host.is_secure:
            stream = await _secured(stream, host.tls, host.name)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


def _keep_alive(stream: trio.SocketStream) -> None:
    """Have the system ask now and then whether the other side is there.

    What stands in between forgets a silent connection without a word: an order would be sent into nothing.
    """
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS has another name for the first.
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPALIVE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _secured(stream: trio.abc.Stream, tls: ssl.SSLContext | None, name: str) -> trio.abc.Stream:
    assert tls is not None  # a host sees to it
    secured = trio.SSLStream(stream, tls, server_hostname=name, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secured)
        raise
    return secured


async def _tunnel(stream: trio.abc.Stream, host: Host) -> None:
    """Ask a proxy for a tunnel (RFC 9110, 9.3.6)."""
    import h11

    name = f"[{host.name}]" if ":" in host.name else host.name
    target = f"{name}:{host.port}"
    headers = [("Host", target), ("User-Agent", f"trioarb/{__version__}")]
    if host.proxy_authorization is not None:
        headers.append(("Proxy-Authorization", host.proxy_authorization))
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_GREETING)
    sent = connection.send(h11.Request(method="CONNECT", target=target, headers=headers))
    assert sent is not None
    await stream.send_all(sent + (connection.send(h11.EndOfMessage()) or b""))
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise trio.BrokenResourceError(f"the proxy's answer can't be read: {error}") from None
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
        elif isinstance(event, h11.Response):
            if not 200 <= event.status_code < 300:
                raise trio.BrokenResourceError(f"the proxy refuses with status {event.status_code}")
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise trio.BrokenResourceError("the proxy closed the connection")
