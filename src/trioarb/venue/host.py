"""Where a venue answers requests, and how it is reached."""

from __future__ import annotations

import ssl
from base64 import b64encode
from functools import cached_property
from urllib.parse import unquote, urlsplit

import attrs

from trioarb import __version__
from trioarb.venue.request import Request

__all__ = ["Host"]

_PORTS = {"http": 80, "https": 443}


def _is_origin(host: object, attribute: object, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError("the address of a host is https://NAME or http://NAME, with a port if need be, and no more")


def _is_proxy(host: object, attribute: object, url: str | None) -> None:
    if url is not None and (urlsplit(url).scheme not in _PORTS or not urlsplit(url).hostname):
        raise ValueError(
            "a proxy for requests is http://NAME:PORT or https://NAME:PORT, with USER:PASSWORD@ if need be"
        )


@attrs.frozen(kw_only=True)
class Host:
    """A venue's host for requests.

    Args:
        url: ``https://api.example.com``; ``http://…`` for what runs beside.
        tls: of `tls_context`; needed for ``https``, of the host or of the proxy.
        proxy: ``http://…`` or ``https://…``; a password in it is never shown.
        connect_seconds: how long the way to an open connection may take, TLS included.
        answer_seconds: how long the whole answer to a request may take.
        max_body_bytes: a longer body is refused, unpacked or not.
    """

    url: str = attrs.field(validator=_is_origin)
    tls: ssl.SSLContext | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default=None, repr=False, validator=_is_proxy)
    connect_seconds: float = 5.0
    answer_seconds: float = 10.0
    max_body_bytes: int = 64 * 2**20

    def __attrs_post_init__(self) -> None:
        if self.tls is None and (self.is_secure or (self.proxy or "").startswith("https:")):
            raise ValueError("a host with https:// needs a context for TLS")

    @property
    def is_secure(self) -> bool:
        """Whether it is reached by TLS."""
        return self.url.startswith("https:")

    @property
    def name(self) -> str:
        """Its name, without the port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port, that of the protocol unless the address has one."""
        return _port(self.url)

    @cached_property
    def authority(self) -> str:
        """Name and port, as the ``Host`` header has them."""
        return urlsplit(self.url).netloc

    @property
    def proxy_address(self) -> tuple[str, int] | None:
        """Name and port of the proxy."""
        return (urlsplit(self.proxy).hostname or "", _port(self.proxy)) if self.proxy is not None else None

    @property
    def proxy_authorization(self) -> str | None:
        """What the proxy knows the user by, as the header has it."""
        parts = urlsplit(self.proxy or "")
        if parts.username is None:
            return None
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return f"Basic {b64encode(user.encode()).decode('ascii')}"

    def headers(self, request: Request, *, encoding: str) -> list[tuple[str, str]]:
        """Return what a request is sent with; never an ``Origin``.

        Args:
            request: What is sent.
            encoding: How the answer may be packed.
        """
        own = {name.lower() for name in request.headers}
        ours = [("Host", self.authority), ("User-Agent", f"trioarb/{__version__}"), ("Accept-Encoding", encoding)]
        if request.body or request.method in ("POST", "PUT"):
            ours.append(("Content-Length", str(len(request.body))))
        if request.body:
            ours.append(("Content-Type", "application/json"))
        return [
            *(header for header in ours if header[0].lower() not in own),
            *((name, value) for name, value in request.headers.items() if name.lower() != "origin"),
        ]


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]
