"""How an account at Binance is opened: to be asked only, or to trade as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from trioarb.api import Exchange, ExchangeContext, VenueError
from trioarb.venue import Credentials, Endpoint, Host, Limits, VenueClock, open_rest, run_beside, tls_context
from trioarb_binance.api_session import ApiSession
from trioarb_binance.asking import open_asking, read
from trioarb_binance.dialect import SPOT
from trioarb_binance.exchange import BinanceExchange, server_time_ms
from trioarb_binance.heard import Heard
from trioarb_binance.opening import limits_of
from trioarb_binance.settings import BinanceExchangeSettings
from trioarb_binance.wire.limits import VenueLimit
from trioarb_binance.wire.limits import limits_of as limits_told
from trioarb_binance.wire.signer import Signer, signer_of

__all__ = ["open_exchange"]

_API_URL = "wss://ws-api.binance.com:443/ws-api/v3"
_RECEIVE_WINDOW_MS = 5_000


@asynccontextmanager
async def open_exchange(settings: BinanceExchangeSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    """Give the account. Where it can't trade, there is no session that an order could be sent by.

    Raises:
        VenueError: Binance can't be reached, refuses the key, or has another time.
    """
    signer, host = _signer(settings), _host(settings)
    told = await _told_limits(settings, host.url)
    with limits_of(SPOT, host.url, told, api_key=settings.api_key) as limits:
        async with _opened(settings, context, signer, host, limits) as exchange:
            yield exchange


def sent_ago(context: ExchangeContext, client_order_id: str) -> float | None:
    """Return how many seconds ago an order was submitted, by an earlier process perhaps; ``None``: long ago."""
    at_ns = context.submitted_ns(client_order_id)
    return None if at_ns is None else (context.time.now_ns() - at_ns) / 1e9


async def _told_limits(settings: BinanceExchangeSettings, url: str) -> Sequence[VenueLimit]:
    with limits_of(SPOT, url) as limits:
        async with open_asking(url, ca_file=settings.ca_file, proxy=settings.proxy, limits=limits) as ask:
            _, told = await read(ask, SPOT.info(), SPOT.read)
    return limits_told(told)


@asynccontextmanager
async def _opened(
    settings: BinanceExchangeSettings, context: ExchangeContext, signer: Signer, host: Host, limits: Limits
) -> AsyncIterator[BinanceExchange]:
    # Orders go over the WebSocket API; nothing but reads goes over this.
    async with open_rest("Binance", host, limits=limits, can_trade=False) as rest:
        clock = VenueClock("Binance", partial(server_time_ms, rest))
        exchange = BinanceExchange(
            context.venue,
            rest,
            signer,
            clock,
            recv_window_ms=_RECEIVE_WINDOW_MS,
            aliases=context.aliases,
            usage=limits.usage,
            sent_ago=partial(sent_ago, context),
            heard=Heard(context.time.now_ns),
        )
        async with run_beside(clock.run):
            if not context.can_trade:
                yield exchange
                return
            session = exchange.session = ApiSession(
                _endpoint(settings),
                signer,
                clock,
                limits,
                recv_window_ms=_RECEIVE_WINDOW_MS,
                on_event=exchange.hear,
                on_down=exchange.down,
                now_ns=context.time.now_ns,
            )
            async with run_beside(session.run):
                yield exchange


def _signer(settings: BinanceExchangeSettings) -> Signer:
    try:
        return signer_of(Credentials(api_key=settings.api_key, secret=settings.api_secret))
    except ValueError as error:
        raise VenueError(str(error)) from None


def _host(settings: BinanceExchangeSettings) -> Host:
    url = settings.rest_url or SPOT.rest_url
    is_secure = any((one or "").startswith("https:") for one in (url, settings.proxy))
    try:
        return Host(url=url, tls=tls_context(settings.ca_file) if is_secure else None, proxy=settings.proxy)
    except ValueError as error:
        raise VenueError(f"Binance: rest_url: {error}") from None


def _endpoint(settings: BinanceExchangeSettings) -> Endpoint:
    url = settings.api_url or _API_URL
    try:
        return Endpoint(
            url=url, tls=tls_context(settings.ca_file) if url.startswith("wss:") else None, proxy=settings.proxy
        )
    except ValueError as error:
        raise VenueError(f"Binance: api_url: {error}") from None
