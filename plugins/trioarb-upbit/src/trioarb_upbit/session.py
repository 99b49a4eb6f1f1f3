"""What all parts of a venue of this dialect share: a client that keeps to its limits, and its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import attrs

from trioarb.api import VenueContext, VenueError
from trioarb.venue import ClockRules, LimitRules, Priority, RestClient, VenueClock, date_ms, run_beside
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.client import open_client
from trioarb_upbit.settings import AccountSettings, MarketSettings

__all__ = ["Session", "Wire", "open_session"]

_PATIENCE_SECONDS = 5.0
#: A time that is told in whole seconds jumps by one.
_WHOLE_SECONDS = ClockRules(tolerance_ms=2_000, jump_ms=1_500)


class Wire(Protocol):
    """Of a venue's ``wire``: where it is, and its limits."""

    @property
    def MAIN_URL(self) -> str: ...

    @property
    def PRIVATE_STREAM_URL(self) -> str: ...

    @property
    def LIMITS(self) -> LimitRules: ...


@attrs.frozen(kw_only=True)
class Session:
    """``settings`` are `AccountSettings` where there is an account; ``clock`` runs then, if its tokens have a time."""

    settings: MarketSettings
    client: RestClient
    clock: VenueClock | None = None


@asynccontextmanager
async def open_session(
    kind: type[AccountExchange], wire: Wire, settings: MarketSettings, context: VenueContext
) -> AsyncIterator[Session]:
    """Give what a venue is asked by, whose account would be of this ``kind``.

    Raises:
        VenueError: an address or the budget of its limits can't be used; or its time isn't known, and has to be.
    """
    async with open_client(
        settings,
        wire.MAIN_URL,
        kind.name,
        wire.LIMITS,
        can_trade=context.can_trade,
        api_key=settings.api_key if isinstance(settings, AccountSettings) else "",
    ) as client:
        clock = _clock(kind, client) if isinstance(settings, AccountSettings) else None
        async with run_beside(*([clock.run] if clock is not None else [])):
            yield Session(settings=settings, client=client, clock=clock)


def _clock(kind: type[AccountExchange], client: RestClient) -> VenueClock | None:
    """Return the venue's clock, to be run, if its tokens need one."""
    request = kind.time_request()
    if request is None:
        return None

    async def server_time_ms() -> float:
        response = await client.send(request, Priority.HEDGE, patience=_PATIENCE_SECONDS)
        found = date_ms(response)
        if found is None:
            raise VenueError(f"{kind.name}: its answer has no Date, from which its time would be known")
        return found

    return VenueClock(kind.name, server_time_ms, _WHOLE_SECONDS)
