"""A venue of this dialect as one plugin: its session, and what is made of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from trioarb.api import ExchangeContext, MarketContext, MarketData, SourceContext, SymbolSource, VenueError, VenueSpec
from trioarb.venue import Credentials, Endpoint, tls_context
from trioarb_upbit.account_exchange import AccountExchange
from trioarb_upbit.session import Session, Wire, open_session
from trioarb_upbit.settings import AccountSettings, MarketSettings, account_warnings

__all__ = ["venue_spec"]


def venue_spec(
    name: str,
    kind: type[AccountExchange],
    wire: Wire,
    *,
    source: Callable[[Session, SourceContext], SymbolSource],
    market: Callable[[Session, MarketContext], AbstractAsyncContextManager[MarketData]],
) -> VenueSpec:
    """Return the plugin of a venue whose accounts are of this ``kind``."""
    return VenueSpec(
        name=name,
        doc=f"{kind.name}: all its markets with their volumes, its books, and an account there",
        settings=MarketSettings,
        account=AccountSettings,
        open=partial(open_session, kind, wire),
        source=source,
        market=market,
        exchange=partial(_exchange, kind, wire),
        warnings=account_warnings,
        live=True,
        real=True,
        example={
            "api_key": {"env": f"{name.upper()}_API_KEY"},
            "api_secret": {"env": f"{name.upper()}_API_SECRET"},
            "same_as": {"KRW": "USDT"},
            "paper": {"taker_fee_bps": 5, "latency_ms": 60, "balances": {"KRW": "28000000"}},
        },
    )


def _exchange(kind: type[AccountExchange], wire: Wire, session: Session, context: ExchangeContext) -> AccountExchange:
    settings = session.settings
    assert isinstance(settings, AccountSettings)
    return kind(
        session.client,
        Credentials(api_key=settings.api_key, secret=settings.api_secret),
        _stream(kind.name, settings, wire.PRIVATE_STREAM_URL),
        venue=context.venue,
        new_nonce=lambda: str(uuid.uuid4()),
        now_ns=context.time.now_ns,
        clock=session.clock,
        submitted_ns=context.submitted_ns,
    )


def _stream(venue: str, settings: AccountSettings, usual_url: str) -> Endpoint:
    url = settings.private_stream_url or usual_url
    try:
        return Endpoint(
            url=url, tls=tls_context(settings.ca_file) if url.startswith("wss:") else None, proxy=settings.proxy
        )
    except ValueError as error:
        raise VenueError(f"{venue}: private_stream_url: {error}") from None
