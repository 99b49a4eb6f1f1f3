"""What Bithumb lists, its market data, and accounts there: the hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from trioarb.api import (
    ExchangeSpec,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    TradingRules,
    hookimpl,
)
from trioarb.venue import RestClient
from trioarb_bithumb import wire
from trioarb_bithumb.exchange import BithumbExchange
from trioarb_upbit.account_opening import account_spec
from trioarb_upbit.client import open_client, read
from trioarb_upbit.dialect.market import Price
from trioarb_upbit.feed import BookFeed
from trioarb_upbit.settings import ConnectionSettings, MarketSettings

__all__ = ["trioarb_exchanges", "trioarb_market_data", "trioarb_symbol_sources"]

#: So many markets are asked for at once: their names stand in the address of the request.
_PER_REQUEST = 100


class BithumbSource(SymbolSource):
    """All markets of Bithumb, with what was traded there in 24 hours."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def listings(self) -> Sequence[Listing]:
        return await _listings(self._client)


async def _listings(client: RestClient) -> Sequence[Listing]:
    """Return all markets with their volumes, in a few requests: prices are told of markets by their names only."""
    markets = await read(client, wire.get_markets(), wire.markets)
    names = [one.market for one in markets]
    prices = list[Price]()
    for start in range(0, len(names), _PER_REQUEST):
        prices += await read(client, wire.get_prices(names[start : start + _PER_REQUEST]), wire.prices)
    return wire.listings(markets, prices)


def _rules(listed: Sequence[Listing]) -> dict[str, TradingRules]:
    found = {one.symbol: wire.trading_rules(one.quote) for one in listed}
    return {symbol: rules for symbol, rules in found.items() if rules is not None}


@asynccontextmanager
async def _open_source(settings: ConnectionSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    async with open_client(settings, wire.MAIN_URL, "Bithumb", wire.LIMITS) as client:
        yield BithumbSource(client)


@asynccontextmanager
async def _open_market(settings: MarketSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    async with open_client(settings, wire.MAIN_URL, "Bithumb", wire.LIMITS) as client:
        listed = await _listings(client)
    yield BookFeed(
        settings,
        wire.PUBLIC_STREAM_URL,
        known=listed,
        rules=_rules(listed),
        decode=wire.decode,
        code_of=str,  # there is no way to ask for a depth
        connects=wire.CONNECTS,
        messages=(),
        now_ns=context.time.now_ns,
    )


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [
        SymbolSourceSpec(
            name="bithumb",
            doc="all markets of Bithumb with their volumes",
            open=_open_source,
            settings=ConnectionSettings,
            live=True,
        )
    ]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="bithumb",
            doc="books of Bithumb as they come, with its usual price steps and least orders",
            open=_open_market,
            settings=MarketSettings,
            live=True,
        )
    ]


@hookimpl
def trioarb_exchanges() -> Sequence[ExchangeSpec]:
    return [account_spec("bithumb", BithumbExchange, wire)]
