"""The plugins named ``binance`` and ``binance_usdm``: symbol sources, and market data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from trioarb.api import (
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    VenueError,
    hookimpl,
)
from trioarb_binance.asking import Ask, open_asking
from trioarb_binance.dialect import SPOT, USDM, Dialect
from trioarb_binance.feed import BinanceFeed
from trioarb_binance.settings import BinanceMarketSettings, BinanceSourceSettings, market_warnings
from trioarb_binance.source import BinanceSource

__all__ = ["trioarb_market_data", "trioarb_symbol_sources"]


def _asking(dialect: Dialect, settings: BinanceSourceSettings) -> AbstractAsyncContextManager[Ask]:
    return open_asking(settings.rest_url or dialect.rest_url, ca_file=settings.ca_file, proxy=settings.proxy)


@asynccontextmanager
async def _open_market(
    dialect: Dialect, settings: BinanceMarketSettings, context: MarketContext
) -> AsyncIterator[MarketData]:
    async with _asking(dialect, settings) as ask:
        try:
            listed = await dialect.listed(ask)
        except VenueError as error:
            raise MarketDataError(f"Binance: its symbols aren't known: {error}") from error
        yield BinanceFeed(
            dialect,
            listed,
            ask,
            stream_url=settings.stream_url or dialect.stream_url,
            ca_file=settings.ca_file,
            proxy=settings.proxy,
            depth=context.depth,
            silent_seconds=float(settings.silent_seconds),
        )


@asynccontextmanager
async def _open_source(
    dialect: Dialect, settings: BinanceSourceSettings, context: SourceContext
) -> AsyncIterator[SymbolSource]:
    async with _asking(dialect, settings) as ask:
        yield BinanceSource(dialect, ask)


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name=name,
            doc=doc,
            settings=BinanceMarketSettings,
            open=partial(_open_market, dialect),
            warnings=market_warnings,
            live=True,
        )
        for name, doc, dialect in (
            ("binance", "best prices and books of Binance spot", SPOT),
            ("binance_usdm", "best prices and books of Binance's USDT-margined perpetual contracts", USDM),
        )
    ]


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [
        SymbolSourceSpec(
            name=name, doc=doc, settings=BinanceSourceSettings, open=partial(_open_source, dialect), live=True
        )
        for name, doc, dialect in (
            ("binance", "all symbols that Binance spot trades, with their volumes", SPOT),
            ("binance_usdm", "all USDT-margined perpetual contracts of Binance, with their volumes", USDM),
        )
    ]
