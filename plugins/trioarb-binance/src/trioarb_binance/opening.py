"""What is made of a session: market data, and an account, to be asked only or to trade as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from trioarb.api import Exchange, ExchangeContext, MarketContext, MarketData, MarketDataError, VenueError
from trioarb.venue import Credentials, Endpoint, VenueClock, run_beside, tls_context
from trioarb_binance.api_session import ApiSession
from trioarb_binance.exchange import BinanceExchange
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.heard import Heard
from trioarb_binance.session import Session
from trioarb_binance.settings import BinanceExchangeSettings
from trioarb_binance.wire.signer import Signer, signer_of

__all__ = ["open_exchange", "open_market"]

_API_URL = "wss://ws-api.binance.com:443/ws-api/v3"
_RECEIVE_WINDOW_MS = 5_000


@asynccontextmanager
async def open_market(session: Session, context: MarketContext) -> AsyncIterator[MarketData]:
    """Ask what is traded, and give the feed of it.

    Raises:
        MarketDataError: it isn't known.
    """
    settings = session.settings
    try:
        listed = await session.listed()
    except VenueError as error:
        raise MarketDataError(f"Binance: its symbols aren't known: {error}") from error
    yield BinanceFeed(
        session.dialect,
        listed,
        session.ask,
        stream_url=settings.stream_url or session.dialect.stream_url,
        depth=context.depth,
        silent_seconds=float(settings.silent_seconds),
        ca_file=settings.ca_file,
        proxy=settings.proxy,
        now_ns=context.time.now_ns,
    )


@asynccontextmanager
async def open_exchange(session: Session, context: ExchangeContext) -> AsyncIterator[Exchange]:
    """Give the account. Where it can't trade, there is nothing that an order could be sent by.

    Raises:
        VenueError: Binance can't be reached, or refuses the key.
    """
    settings, clock = session.settings, session.clock
    assert isinstance(settings, BinanceExchangeSettings)
    assert clock is not None
    signer = _signer(settings)
    exchange = BinanceExchange(
        context.venue,
        session.rest,
        signer,
        clock,
        recv_window_ms=_RECEIVE_WINDOW_MS,
        aliases=context.aliases,
        usage=session.limits.usage,
        sent_ago=partial(sent_ago, context),
        heard=Heard(context.time.now_ns),
    )
    if not context.can_trade:
        yield exchange
        return
    trading = exchange.session = _trading(session, settings, signer, clock, exchange, context)
    async with run_beside(trading.run):
        yield exchange


def sent_ago(context: ExchangeContext, client_order_id: str) -> float | None:
    """Return how many seconds ago an order was submitted, by an earlier process perhaps; ``None``: long ago."""
    at_ns = context.submitted_ns(client_order_id)
    return None if at_ns is None else (context.time.now_ns() - at_ns) / 1e9


def _trading(
    session: Session,
    settings: BinanceExchangeSettings,
    signer: Signer,
    clock: VenueClock,
    exchange: BinanceExchange,
    context: ExchangeContext,
) -> ApiSession:
    return ApiSession(
        _endpoint(settings),
        signer,
        clock,
        session.limits,
        recv_window_ms=_RECEIVE_WINDOW_MS,
        on_event=exchange.hear,
        on_down=exchange.down,
        now_ns=context.time.now_ns,
    )


def _signer(settings: BinanceExchangeSettings) -> Signer:
    try:
        return signer_of(Credentials(api_key=settings.api_key, secret=settings.api_secret))
    except ValueError as error:
        raise VenueError(str(error)) from None


def _endpoint(settings: BinanceExchangeSettings) -> Endpoint:
    url = settings.api_url or _API_URL
    try:
        return Endpoint(
            url=url, tls=tls_context(settings.ca_file) if url.startswith("wss:") else None, proxy=settings.proxy
        )
    except ValueError as error:
        raise VenueError(f"Binance: api_url: {error}") from None
