"""Requests for what anybody may read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from trioarb.venue import Host, Limits, Request, Response, open_rest, tls_context
from trioarb_binance.budget import limit_rules
from trioarb_binance.wire.failure import Meaning, failure_of

__all__ = ["Ask", "open_asking"]

#: Sends a request, and returns the answer if it is a success; else raises `VenueError`.
Ask = Callable[[Request], Awaitable[Response]]

_TRIES = 3
#: Who is asked to be left alone for longer says so.
_PATIENCE_SECONDS = 90.0


@asynccontextmanager
async def open_asking(
    url: str, *, ca_file: Path | None = None, proxy: str | None = None, limits: Limits | None = None
) -> AsyncIterator[Ask]:
    """Give what sends reads to an address, within the limits (absent: those of Binance's documents).

    Raises:
        VenueError: ``ca_file`` can't be used.
    """
    is_secure = any((one or "").startswith("https:") for one in (url, proxy))
    host = Host(url=url, tls=tls_context(ca_file) if is_secure else None, proxy=proxy)
    within = limits or Limits("Binance", limit_rules(()))
    async with open_rest("Binance", host, limits=within, can_trade=False) as rest:

        async def ask(request: Request) -> Response:
            tries = 0
            while True:
                tries += 1
                response = await rest.send(request, patience=_PATIENCE_SECONDS)
                if response.is_success:
                    return response
                failure = failure_of(response)
                # The limits let the next one wait for as long as Binance said.
                if failure.meaning is not Meaning.LIMITED or tries == _TRIES:
                    raise failure.of_request()

        yield ask
