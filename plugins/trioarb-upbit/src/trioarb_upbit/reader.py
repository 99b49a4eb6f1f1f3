"""Reads a venue's public data: one request after the other, within its limits, without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from trioarb.api import VenueError
from trioarb.venue import Pace, Request, Response, tls_context
from trioarb_upbit.dialect.limit import Limit
from trioarb_upbit.settings import ConnectionSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["Reader", "open_reader"]

_TIMEOUT_SECONDS = 10.0


class Reader:
    """Sends reads that need no signature. Nothing that changes something passes here."""

    def __init__(self, client: httpx.AsyncClient, paces: Mapping[str, Pace]) -> None:
        self._client = client
        self._paces = paces

    async def read(self, request: Request) -> Response:
        """Return what the venue answers, whatever that is, once the limits allow to ask.

        Raises:
            VenueError: it can't be reached, or didn't answer in time.
            ValueError: the request is no read.
        """
        import httpx

        if not request.is_read:
            raise ValueError(f"{request.method} {request.path} changes something; public data is only read")
        if request.group in self._paces:
            await self._paces[request.group].wait()
        try:
            answer = await self._client.request(
                request.method, request.target, headers=dict(request.headers), content=request.body or None
            )
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise VenueError(f"{self._client.base_url.host}: {request.path} has no answer: {why}") from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status_code, headers=headers, body=answer.content)


@asynccontextmanager
async def open_reader(settings: ConnectionSettings, usual_url: str, limits: Iterable[Limit]) -> AsyncIterator[Reader]:
    """Give a reader; its connections are closed at the end."""
    import httpx

    by_group = dict[str, list[tuple[int, float]]]()
    for limit in limits:
        by_group.setdefault(limit.group, []).append((limit.requests, limit.seconds))
    # Nothing is taken from the environment: a proxy is what the settings say.
    async with httpx.AsyncClient(
        base_url=settings.url or usual_url,
        verify=tls_context(settings.ca_file),
        proxy=settings.proxy,
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    ) as client:
        yield Reader(client, {group: Pace(*counts) for group, counts in by_group.items()})
