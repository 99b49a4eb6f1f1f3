"""Open a connection to a venue's host: over a proxy where there is one, with TLS where the address says so."""

from __future__ import annotations

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
    stream: trio.abc.Stream = await trio.open_tcp_stream(name, port)
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
