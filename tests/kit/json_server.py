"""An HTTP server on loopback that answers with JSON, and notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import h11
import trio

#: What is asked (method and target) → status and body.
Answer = Callable[[str, str], tuple[int, object]]


@attrs.define
class JsonServer:
    """``asked`` are the requests that came: method and target; ``headers``: the names of their headers."""

    port: int = 0
    asked: list[tuple[str, str]] = attrs.field(factory=list)
    headers: set[str] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def serve_one(self, answer: Answer, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        async with stream:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    asked = event.method.decode(), event.target.decode()
                    self.asked.append(asked)
                    self.headers.update(name.decode().lower() for name, _ in event.headers)
                elif isinstance(event, h11.EndOfMessage):
                    status, body = answer(*asked)
                    data = json.dumps(body).encode()
                    head = h11.Response(
                        status_code=status, headers=[("Content-Length", str(len(data))), ("Connection", "close")]
                    )
                    parts = [
                        connection.send(head),
                        connection.send(h11.Data(data)),
                        connection.send(h11.EndOfMessage()),
                    ]
                    with suppress(trio.BrokenResourceError):  # who asked has left
                        await stream.send_all(b"".join(part for part in parts if part))
                    return
                elif isinstance(event, h11.ConnectionClosed):
                    return


@asynccontextmanager
async def json_server(answer: Answer) -> AsyncIterator[JsonServer]:
    """Run a server that answers each request as ``answer`` says."""
    server = JsonServer()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(server.serve_one, answer), 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        try:
            yield server
        finally:
            nursery.cancel_scope.cancel()
