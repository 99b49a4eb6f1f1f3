"""Reads a venue's public data by HTTP: within its limits, without a key, and again where an answer was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from trioarb.api import VenueError
from trioarb.venue import Backoff, LimitRules, Limits, Request, Response, WireError, tls_context
from trioarb_upbit.settings import ConnectionSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["Reader", "open_reader"]

_TIMEOUT_SECONDS = 10.0
#: How long the limits may keep a request waiting.
_PATIENCE_SECONDS = 30.0
_TRIES = 3
#: A list of some hundred markets takes a hundredth of it.
_MOST_BYTES = 16 * 2**20


class Reader:
    """Sends reads that need no signature. Nothing that changes something passes here."""

    def __init__(self, client: httpx.AsyncClient, venue: str, rules: LimitRules) -> None:
        self._client = client
        self._limits = Limits(venue, rules)
        self._backoff = Backoff()

    async def read(self, request: Request) -> Response:
        """Return what the venue answers, whatever that is, once its limits allow to ask; tried three times where it
        fails. Cancelled: nothing is sent any more.

        Raises:
            VenueError: it can't be reached, didn't answer in time, or wants to be left alone for longer than half a
                minute.
            WireError: the answer is longer than any can be.
            ValueError: the request is no read.
        """
        if not request.is_read:
            raise ValueError(f"{request.method} {request.path} changes something; public data is only read")
        for number in range(1, _TRIES):
            try:
                response = await self._once(request)
            except WireError:
                raise  # it would be as long again
            except VenueError:
                await trio.sleep(self._backoff.wait_seconds(number))
                continue
            if response.status < 500 and response.status != 429:
                return response
            await trio.sleep(self._backoff.wait_seconds(number))
        return await self._once(request)

    async def _once(self, request: Request) -> Response:
        with await self._limits.acquire(request, patience=_PATIENCE_SECONDS) as permit:
            response = await self._answer(request)
            self._limits.hear(permit, response)
            return response

    async def _answer(self, request: Request) -> Response:
        import httpx

        what = f"{self._client.base_url.host}: {request.path}"
        body = bytearray()
        with trio.move_on_after(_TIMEOUT_SECONDS) as scope:
            try:
                async with self._client.stream(
                    request.method, request.target, headers=dict(request.headers), content=request.body or None
                ) as answer:
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > _MOST_BYTES:
                            scope.cancel()  # and go on, so that the client closes what it reads from
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise VenueError(f"{what} has no answer: {str(error) or type(error).__name__}") from error
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(status=answer.status_code, headers=headers, body=bytes(body))
        if len(body) > _MOST_BYTES:
            raise WireError(f"{what} has an answer of more than {_MOST_BYTES:,} bytes")
        raise VenueError(f"{what} has no answer within {_TIMEOUT_SECONDS:g} s")


@asynccontextmanager
async def open_reader(
    settings: ConnectionSettings, usual_url: str, venue: str, rules: LimitRules
) -> AsyncIterator[Reader]:
    """Give a reader; its connections are closed at the end.

    Raises:
        VenueError: ``ca_file`` can't be used.
    """
    import httpx

    # Nothing is taken from the environment: a proxy is what the settings say.
    async with httpx.AsyncClient(
        base_url=settings.url or usual_url,
        verify=tls_context(settings.ca_file),
        proxy=settings.proxy,
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    ) as client:
        yield Reader(client, venue, rules)
