"""Who may ask for what: hosts, origins, the token; and the headers that every answer has."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

import attrs
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trioarb.dashboard.key import Token
from trioarb.dashboard.message import Failure, encoded

__all__ = ["Gate", "failed", "hosts_of", "is_loopback"]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
#: Says nothing of any campaign.
_OPEN = frozenset({"/healthz", "/readyz"})
#: Needs the token only where reading does.
_GUARDED = ("/api/", "/metrics")

#: A name, or an address of which one of IPv6 is in brackets; and a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::[0-9]*)?")


def is_loopback(host: str) -> bool:
    """Say whether an address to listen at can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the names that the server may be called by, beside addresses where it listens at others than loopback."""
    names = {host.lower(), *_LOCAL, *(one.lower() for one in allowed)}
    return frozenset(names if is_loopback(host) else names | {socket.gethostname().lower()})


def failed(status: int, error: str) -> Response:
    return Response(encoded(Failure(error=error)), status, media_type="application/json")


@attrs.frozen
class Gate:
    """Lets requests through to ``site``. ``reads_need_token``: so it is wherever others can reach the server."""

    site: ASGIApp
    token: Token
    hosts: frozenset[str]
    reads_need_token: bool
    scheme: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith(_GUARDED) else "no-cache")
            await send(message)

        refused = self._refused(scope)
        await (refused or self.site)(scope, receive, send_with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        """Return why a request goes no further."""
        path, headers = scope["path"], Headers(scope=scope)
        if path in _OPEN:
            return None
        host = headers.get("host", "")
        if not self._is_ours(host):
            return failed(403, "the dashboard isn't called by this name; if it should be: --allow-host NAME")
        acts = scope["method"] not in ("GET", "HEAD")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{self.scheme}://{host.lower()}":
            return failed(403, "requests of pages of other origins are refused")
        guarded = path.startswith(_GUARDED)
        if (acts or guarded) and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return failed(403, "requests of pages of other sites are refused")
        if (acts or (guarded and self.reads_need_token)) and not self.token.is_held_by(
            headers.get("authorization", "")
        ):
            refused = failed(401, f"the token is missing or wrong: Authorization: Bearer TOKEN ({self.token.source})")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        return None

    def _is_ours(self, host: str) -> bool:
        """Say whether a ``Host`` is one of ours: a name that anybody may give an address of ours is not."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found[1] or found[2]
        if name in self.hosts:
            return True
        if not self.reads_need_token:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
