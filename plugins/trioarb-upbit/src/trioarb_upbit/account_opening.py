"""How an account at a venue of this dialect is opened: to be asked only, or to trade as well."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, VenueError
from trioarb.venue import (
    ClockRules,
    Credentials,
    Endpoint,
    LimitRules,
    Priority,
    RestClient,
    VenueClock,
    date_ms,
    run_beside,
    tls_context,
)
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.client import open_client
from trioarb_upbit.settings import AccountSettings, account_warnings

__all__ = ["account_spec"]

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


def account_spec(name: str, kind: type[AccountExchange], wire: Wire) -> ExchangeSpec:
    """Return the exchange plugin of a venue of this dialect."""

    @asynccontextmanager
    async def open_exchange(settings: AccountSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        stream = _stream(kind.name, settings, wire.PRIVATE_STREAM_URL)
        credentials = Credentials(api_key=settings.api_key, secret=settings.api_secret)
        async with open_client(
            settings,
            wire.MAIN_URL,
            kind.name,
            wire.LIMITS,
            can_trade=context.can_trade,
            api_key=settings.api_key,
        ) as client:
            clock = _clock(kind, client)
            async with run_beside(*([clock.run] if clock is not None else [])):
                yield kind(
                    client,
                    credentials,
                    stream,
                    venue=context.venue,
                    new_nonce=lambda: str(uuid.uuid4()),
                    now_ns=context.time.now_ns,
                    clock=clock,
                    submitted_ns=context.submitted_ns,
                )

    return ExchangeSpec(
        name=name,
        doc=f"an account at {kind.name}",
        settings=AccountSettings,
        open=open_exchange,
        warnings=account_warnings,
        live=True,
        real=True,
    )


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


def _stream(venue: str, settings: AccountSettings, usual_url: str) -> Endpoint:
    url = settings.private_stream_url or usual_url
    try:
        return Endpoint(
            url=url, tls=tls_context(settings.ca_file) if url.startswith("wss:") else None, proxy=settings.proxy
        )
    except ValueError as error:
        raise VenueError(f"{venue}: private_stream_url: {error}") from None
