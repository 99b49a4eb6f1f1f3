"""The plugins named ``faulty``: an exchange, and market data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Feed,
    MarketContext,
    MarketData,
    MarketDataSpec,
    Tape,
    hookimpl,
)
from trioarb_faults.chance import layer_around
from trioarb_faults.exchange import FaultyExchange
from trioarb_faults.market import FaultyFeed, FaultyTape
from trioarb_faults.memory import Memory
from trioarb_faults.settings import (
    FaultyExchangeSettings,
    FaultyMarketSettings,
    exchange_warnings,
    market_warnings,
)

__all__ = ["trioarb_exchanges", "trioarb_market_data"]


@asynccontextmanager
async def _open_exchange(settings: FaultyExchangeSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    state, layer = context.state, layer_around(context.inner, FaultyExchange)
    memory = Memory(None if state is None else state.with_name(f"{state.name}.faulty{layer}"))
    if context.resumed:
        memory.resume()
    try:
        yield FaultyExchange(settings, context, memory)
    finally:
        memory.close()


@asynccontextmanager
async def _open_market(settings: FaultyMarketSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    if isinstance(context.inner, Feed):
        yield FaultyFeed(settings, context, context.inner)
    else:
        assert isinstance(context.inner, Tape)
        yield FaultyTape(settings, context, context.inner)


@hookimpl
def trioarb_exchanges() -> list[ExchangeSpec]:
    return [
        ExchangeSpec(
            name="faulty",
            doc="another exchange, whose orders and answers meet faults by chance or by script",
            settings=FaultyExchangeSettings,
            open=_open_exchange,
            warnings=exchange_warnings,
            wraps=True,
        )
    ]


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="faulty",
            doc="other market data, whose quotes go stale, missing, crossed or late by chance",
            settings=FaultyMarketSettings,
            open=_open_market,
            warnings=market_warnings,
            wraps=True,
        )
    ]
