"""Where a WebSocket connection leads, and how it is opened."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import attrs

__all__ = ["Endpoint"]


def _is_address(endpoint: object, attribute: object, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        raise ValueError("the address of an endpoint begins with ws:// or wss:// and names a host")


def _no_headers() -> Mapping[str, str]:
    return {}


@attrs.frozen(kw_only=True)
class Endpoint:
    """An address of a venue's, and how to get there.

    Args:
        url: ``wss://…``, or ``ws://…`` for what runs beside. It may hold a key, so only its host is ever shown.
        headers: asked for the headers of each handshake, which a venue may want signed anew each time.
        tls: of `tls_context`; needed for ``wss``.
        proxy: ``http://…``, ``https://…``, or ``socks5h://…`` where the package ``python-socks[trio]`` is installed.
        max_message_bytes: a longer message, or one that becomes longer when it is unpacked, ends the connection.
        is_compressed: whether messages may come compressed. It costs more time than it saves on a good line.
        open_seconds: how long the way to the end of the handshake may take.
        close_seconds: how long the other side has to answer a farewell.
    """

    url: str = attrs.field(repr=False, validator=_is_address)
    headers: Callable[[], Mapping[str, str]] = attrs.field(default=_no_headers, repr=False)
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False)
    max_message_bytes: int = 4 * 2**20
    is_compressed: bool = False
    open_seconds: float = 10.0
    close_seconds: float = 1.0

    def __attrs_post_init__(self) -> None:
        if (self.tls is None) is self.url.startswith("wss:"):
            raise ValueError("an endpoint has a context for TLS if its address begins with wss://, and only then")

    @property
    def host(self) -> str:
        """Host and port, to be shown."""
        return urlsplit(self.url).netloc.rpartition("@")[2]
