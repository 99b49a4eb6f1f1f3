"""How sources and market data of Binance are opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from trioarb.api import MarketContext, MarketData, MarketDataError, SourceContext, SymbolSource, VenueError
from trioarb.venue import Limits
from trioarb_binance.asking import Ask, open_asking
from trioarb_binance.budget import limit_rules
from trioarb_binance.dialect import Dialect
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.settings import BinanceMarketSettings, BinanceSourceSettings
from trioarb_binance.source import BinanceSource

__all__ = ["open_market", "open_source"]


@asynccontextmanager
async def open_market(
    dialect: Dialect, settings: BinanceMarketSettings, context: MarketContext
) -> AsyncIterator[MarketData]:
    """Ask what is traded, and give the feed of it.

    Raises:
        MarketDataError: it isn't known.
    """
    async with _asking(dialect, settings) as ask:
        try:
            listed = await dialect.listed(ask)
        except VenueError as error:
            raise MarketDataError(f"Binance: its symbols aren't known: {error}") from error
    async with _asking(dialect, settings, Limits("Binance", limit_rules(listed.limits))) as ask:
        yield BinanceFeed(
            dialect,
            listed,
            ask,
            stream_url=settings.stream_url or dialect.stream_url,
            depth=context.depth,
            silent_seconds=float(settings.silent_seconds),
            ca_file=settings.ca_file,
            proxy=settings.proxy,
            now_ns=context.now_ns,
        )


@asynccontextmanager
async def open_source(
    dialect: Dialect, settings: BinanceSourceSettings, context: SourceContext
) -> AsyncIterator[SymbolSource]:
    """Give the source; it asks when it is asked."""
    async with _asking(dialect, settings) as ask:
        yield BinanceSource(dialect, ask)


def _asking(
    dialect: Dialect, settings: BinanceSourceSettings, limits: Limits | None = None
) -> AbstractAsyncContextManager[Ask]:
    url = settings.rest_url or dialect.rest_url
    return open_asking(url, ca_file=settings.ca_file, proxy=settings.proxy, limits=limits)
