"""How sources and market data of Binance are opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from urllib.parse import urlsplit

from trioarb.api import MarketContext, MarketData, MarketDataError, SourceContext, SymbolSource, VenueError
from trioarb.venue import Limits, Request, open_limits
from trioarb_binance.asking import Ask, open_asking
from trioarb_binance.budget import limit_rules
from trioarb_binance.dialect import Dialect
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.settings import BinanceMarketSettings, BinanceSourceSettings
from trioarb_binance.source import BinanceSource
from trioarb_binance.wire.limits import VenueLimit

__all__ = ["limits_of", "open_market", "open_source"]


@asynccontextmanager
async def open_market(
    dialect: Dialect, settings: BinanceMarketSettings, context: MarketContext
) -> AsyncIterator[MarketData]:
    """Ask what is traded, and give the feed of it.

    Raises:
        MarketDataError: it isn't known.
        VenueError: the budget of its limits, or ``ca_file``, can't be used.
    """
    url = settings.rest_url or dialect.rest_url
    with limits_of(dialect, url) as limits:
        async with _asking(settings, url, limits) as ask:
            try:
                listed = await dialect.listed(ask)
            except VenueError as error:
                raise MarketDataError(f"Binance: its symbols aren't known: {error}") from error
    any_market = next(iter(listed.markets.values()), None)
    about_limits = None if any_market is None else dialect.about_limits(any_market.native_id)
    with limits_of(dialect, url, listed.limits) as limits:
        async with _asking(settings, url, limits, about_limits) as ask:
            yield BinanceFeed(
                dialect,
                listed,
                ask,
                stream_url=settings.stream_url or dialect.stream_url,
                depth=context.depth,
                silent_seconds=float(settings.silent_seconds),
                ca_file=settings.ca_file,
                proxy=settings.proxy,
                now_ns=context.time.now_ns,
            )


@asynccontextmanager
async def open_source(
    dialect: Dialect, settings: BinanceSourceSettings, context: SourceContext
) -> AsyncIterator[SymbolSource]:
    """Give the source; it asks when it is asked."""
    url = settings.rest_url or dialect.rest_url
    with limits_of(dialect, url) as limits:
        async with _asking(settings, url, limits) as ask:
            yield BinanceSource(dialect, ask)


def limits_of(
    dialect: Dialect, url: str, told: Iterable[VenueLimit] = (), *, api_key: str = ""
) -> AbstractContextManager[Limits]:
    """Open the limits of an address, as Binance told them, else as its documents have them.

    Weight is shared by all on this machine that ask there, unfilled orders by those of a key.

    Raises:
        VenueError: the budget that they share can't be used.
    """
    return open_limits(dialect.name, limit_rules(told), address=urlsplit(url).netloc, api_key=api_key)


def _asking(
    settings: BinanceSourceSettings, url: str, limits: Limits, about_limits: Request | None = None
) -> AbstractAsyncContextManager[Ask]:
    return open_asking(url, ca_file=settings.ca_file, proxy=settings.proxy, limits=limits, about_limits=about_limits)
