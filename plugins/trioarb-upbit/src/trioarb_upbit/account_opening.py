"""How an account at a venue of this dialect is opened: to be asked only, or to trade as well."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, VenueError
from trioarb.venue import Credentials, Endpoint, LimitRules, tls_context
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.client import open_client
from trioarb_upbit.settings import AccountSettings, account_warnings

__all__ = ["account_spec"]


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
            yield kind(
                client,
                credentials,
                stream,
                venue=context.venue,
                new_nonce=lambda: str(uuid.uuid4()),
                now_ns=context.time.now_ns,
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


def _stream(venue: str, settings: AccountSettings, usual_url: str) -> Endpoint:
    url = settings.private_stream_url or usual_url
    try:
        return Endpoint(
            url=url, tls=tls_context(settings.ca_file) if url.startswith("wss:") else None, proxy=settings.proxy
        )
    except ValueError as error:
        raise VenueError(f"{venue}: private_stream_url: {error}") from None
