"""Requests for what anybody may read, by HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trioarb.api import VenueError
from trioarb.venue import Backoff, Request, Response, tls_context
from trioarb_binance.wire.failure import Meaning, failure_of

__all__ = ["Ask", "open_asking"]

#: Sends a request, and returns the answer if it is a success; else raises `VenueError`.
Ask = Callable[[Request], Awaitable[Response]]

_SECONDS = 30.0
#: A listing of some thousand symbols takes ten of these.
_MOST_BYTES = 64 * 2**20
_TRIES = 3
_LONGEST_WAIT_SECONDS = 30.0


@asynccontextmanager
async def open_asking(url: str, *, ca_file: Path | None = None, proxy: str | None = None) -> AsyncIterator[Ask]:
    """Give what sends requests to an address. Reads are tried three times, unless Binance asks to be left alone for
    longer than half a minute. Cancelled: the connection is closed.

    Raises:
        VenueError: ``ca_file`` can't be used.
    """
    import httpx

    async def once(client: httpx.AsyncClient, request: Request) -> Response:
        body = bytearray()
        try:
            with trio.move_on_after(_SECONDS) as scope:
                async with client.stream(
                    request.method, request.target, headers=dict(request.headers), content=request.body or None
                ) as answer:
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > _MOST_BYTES:
                            scope.cancel()  # and go on, so that the client closes what it reads from
                    headers = {name.lower(): value for name, value in answer.headers.items()}
                    return Response(status=answer.status_code, headers=headers, body=bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise VenueError(f"{url}{request.path}: {type(error).__name__}: {error}") from None
        if len(body) > _MOST_BYTES:
            raise VenueError(f"{url}{request.path}: the answer has more than {_MOST_BYTES:,} bytes")
        raise VenueError(f"{url}{request.path}: no answer within {_SECONDS:g} s")

    async with httpx.AsyncClient(
        base_url=url, verify=tls_context(ca_file), proxy=proxy, trust_env=False, timeout=_SECONDS
    ) as client:
        backoff = Backoff()

        async def ask(request: Request) -> Response:
            tries = _TRIES if request.is_read else 1
            number = 0
            while True:
                number += 1
                wait = backoff.wait_seconds(number)
                try:
                    response = await once(client, request)
                except VenueError:
                    if number >= tries:
                        raise
                else:
                    if response.is_success:
                        return response
                    failure = failure_of(response)
                    wait = max(wait, failure.retry_after_seconds or 0)
                    may_pass = failure.meaning in (Meaning.UNKNOWN, Meaning.LIMITED)
                    if not may_pass or number >= tries or wait > _LONGEST_WAIT_SECONDS:
                        raise failure.of_request()
                await trio.sleep(wait)

        yield ask
