"""Requests for what anybody may read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

from trioarb.venue import Limits, Priority, Request, Response, RestClient, WireError
from trioarb_binance.budget import told_of_limits
from trioarb_binance.wire.body import decode
from trioarb_binance.wire.failure import Meaning, failure_of
from trioarb_binance.wire.limits import limits_of
from trioarb_binance.wire.listing_body import RateLimits

__all__ = ["Ask", "asking", "read"]

T = TypeVar("T")

#: Sends a request, and returns the answer if it is a success; else raises `VenueError`.
Ask = Callable[[Request], Awaitable[Response]]

_TRIES = 3
#: Who is asked to be left alone for longer says so.
_PATIENCE_SECONDS = 90.0
_AGAIN_SECONDS = 0.5

log = structlog.get_logger(__name__)


def asking(rest: RestClient, limits: Limits, about_limits: Request | None = None) -> Ask:
    """Return what sends reads by a client that keeps to these limits.

    ``about_limits`` is asked after Binance refused more: its limits may be others now.
    """
    refusals = 0

    async def ask(request: Request) -> Response:
        nonlocal refusals
        tries = 0
        while True:
            tries, known = tries + 1, refusals
            response = await rest.send(request, patience=_PATIENCE_SECONDS)
            if response.is_success:
                return response
            failure = failure_of(response)
            # The limits let the next one wait for as long as Binance said.
            if failure.meaning is not Meaning.LIMITED or tries == _TRIES:
                raise failure.of_request()
            if about_limits is not None and known == refusals:  # once for all that were refused together
                refusals += 1
                # Before all that wait for what it tells.
                answer = await rest.send(about_limits, Priority.HEDGE, patience=_PATIENCE_SECONDS)
                if answer.is_success:
                    limits.learn(*told_of_limits(limits_of(decode(RateLimits, answer.body).rate_limits)))

    return ask


async def read(ask: Ask, request: Request, decoded: Callable[[bytes], T]) -> T:
    """Ask, and decode the answer; what can't be decoded, as it was cut off perhaps, is asked for again.

    Raises:
        VenueError: there is no answer that can be used.
    """
    tries = 0
    while True:
        tries += 1
        response = await ask(request)
        try:
            return decoded(response.body)
        except WireError as error:
            if tries == _TRIES:
                raise
            log.warning(
                "an answer of Binance's can't be read, and is asked for again", path=request.path, why=str(error)
            )
        await trio.sleep(_AGAIN_SECONDS)
