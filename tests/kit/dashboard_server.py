"""A dashboard on a loopback socket, in the test's own Trio run, and one who looks at it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import msgspec
import trio

from trioarb.dashboard.key import Token
from trioarb.dashboard.server import Dashboard
from trioarb.plugin.registry import load_plugins

__all__ = ["RIGHT", "TOKEN", "Shown", "dashboard", "until_true"]

TOKEN = "a-token-that-nobody-guesses"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
_PATIENCE_SECONDS = 30


@attrs.define
class Events:
    """What comes of an event stream, each send of which is one chunk."""

    _stream: trio.SocketStream
    _rest: bytes = b""

    async def next(self) -> tuple[str, Any] | None:
        """Return the next event's type and message; ``None`` at the end."""
        kind = ""
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if not found:
                if not (chunk := await self._stream.receive_some(1 << 20)):
                    return None
                self._rest += chunk
                continue
            self._rest = rest
            if line.startswith(b"event: "):
                kind = line.removeprefix(b"event: ").decode()
            elif line.startswith(b"data: "):
                return kind, msgspec.json.decode(line.removeprefix(b"data: "))


@attrs.define
class Shown:
    """A dashboard that is served, a client of it, and how it is ended."""

    server: Dashboard
    client: httpx.AsyncClient
    until: trio.Event

    async def get(self, path: str, **options: Any) -> Any:
        """Return the JSON of a page that has to be there."""
        answer = await self.client.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator[Events]:
        """Read an event stream meanwhile."""
        port = int(self.server.address.rsplit(":", 1)[1].rstrip("/"))
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            yield Events(stream)

    async def folded(self, name: str = "a") -> Any:
        """Return the view of a campaign once its journal has been read."""
        return await until_true(partial(self._if_folded, name))

    async def _if_folded(self, name: str) -> Any:
        view = await self.get(f"/api/campaigns/{name}")
        return view if view["row"]["state"] != "folding" else None


@asynccontextmanager
async def dashboard(
    places: Sequence[Path],
    host: str = "127.0.0.1",
    *,
    tls: ssl.SSLContext | None = None,
    verify: ssl.SSLContext | bool = False,
    **options: Any,
) -> AsyncIterator[Shown]:
    """Serve journals meanwhile; at the end it has to end by itself."""
    server = Dashboard.at(
        host, 0, places=places, plugins=load_plugins(), token=Token(TOKEN.encode(), "a file"), tls=tls, **options
    )
    until = trio.Event()
    address = server.address.replace("0.0.0.0", "127.0.0.1")
    with trio.fail_after(_PATIENCE_SECONDS * 2):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(server.run, until=until))
            async with httpx.AsyncClient(base_url=address, verify=verify, timeout=_PATIENCE_SECONDS) as client:
                yield Shown(server, client, until)
            until.set()


async def until_true(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look over and over until there is something; return it."""
    with trio.fail_after(_PATIENCE_SECONDS):
        while True:
            if found := await look():
                return found
            await trio.sleep(0.02)
