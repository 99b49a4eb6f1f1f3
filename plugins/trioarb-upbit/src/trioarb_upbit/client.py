"""Opens what a venue of this dialect is asked by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog
import trio

from trioarb.api import VenueError
from trioarb.venue import (
    Host,
    LimitRules,
    Request,
    Response,
    RestClient,
    WireError,
    open_limits,
    open_rest,
    tls_context,
)
from trioarb_upbit.settings import ConnectionSettings

__all__ = ["open_client", "read"]

T = TypeVar("T")

_TRIES, _AGAIN_SECONDS = 3, 0.5
#: So long a read waits for the limits, as in a ban: less than a plugin may take to open, so that it says why.
_PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def open_client(
    settings: ConnectionSettings,
    usual_url: str,
    venue: str,
    rules: LimitRules,
    *,
    can_trade: bool = False,
    api_key: str = "",
) -> AsyncIterator[RestClient]:
    """Give a client that keeps to the venue's limits; without ``can_trade`` it sends reads and nothing else.

    It keeps to them together with all of this machine that ask the venue; of what is counted by account, with those
    of the same ``api_key``.

    Raises:
        VenueError: an address, ``ca_file`` or the budget of the limits can't be used.
    """
    url = settings.rest_url or usual_url
    needs_tls = any((address or "").startswith("https:") for address in (url, settings.proxy))
    try:
        host = Host(url=url, tls=tls_context(settings.ca_file) if needs_tls else None, proxy=settings.proxy)
    except ValueError as error:
        raise VenueError(f"{venue}: {error}") from None
    with open_limits(venue, rules, address=host.authority, api_key=api_key) as limits:
        async with open_rest(venue, host, limits=limits, can_trade=can_trade) as client:
            yield client


async def read(client: RestClient, request: Request, decoded: Callable[[Response], T]) -> T:
    """Ask, and decode the answer; what can't be decoded, as it was cut off perhaps, is asked for again.

    Raises:
        VenueError: there is no answer that can be used.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return decoded(await client.send(request, patience=_PATIENCE_SECONDS))
        except WireError as error:
            if tries == _TRIES:
                raise
            structlog.get_logger("trioarb.venue").warning(
                "an answer can't be read, and is asked for again", path=request.path, why=str(error)
            )
        await trio.sleep(_AGAIN_SECONDS)
