"""What Upbit lists, its market data, and accounts there: the hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

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
from trioarb_upbit import wire
from trioarb_upbit.account_opening import account_spec
from trioarb_upbit.client import open_client, read
from trioarb_upbit.dialect.market import Price
from trioarb_upbit.exchange import UpbitExchange
from trioarb_upbit.feed import BookFeed
from trioarb_upbit.settings import ConnectionSettings, MarketSettings

__all__ = ["trioarb_exchanges", "trioarb_market_data", "trioarb_symbol_sources"]

_QUOTES = ("KRW", "BTC", "USDT")
#: So many markets are asked for at once: their names stand in the address of the request.
_PER_REQUEST = 100


class UpbitSource(SymbolSource):
    """All markets of Upbit, with what was traded there in 24 hours."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def listings(self) -> Sequence[Listing]:
        listed, _ = await _listings(self._client)
        return listed


async def _listings(client: RestClient) -> tuple[tuple[Listing, ...], tuple[Price, ...]]:
    """Return all markets and their last prices, in two requests."""
    markets = await read(client, wire.get_markets(), wire.markets)
    prices = await read(client, wire.get_all_prices(_QUOTES), wire.prices)
    return wire.listings(markets, prices), prices


async def _rules(client: RestClient, listed: Iterable[Listing], prices: Iterable[Price]) -> dict[str, TradingRules]:
    """Return the rules of all markets whose price step is known, by symbol."""
    by_market = {f"{one.quote}-{one.base}": one for one in listed}
    last = {one.market: one.trade_price for one in prices}
    steps = dict[str, Decimal]()
    for some in _in_parts(list(by_market)):
        steps |= await read(client, wire.get_ticks(some), wire.ticks)
    found = dict[str, TradingRules]()
    for market, listing in by_market.items():
        rules = wire.trading_rules(listing.quote, tick_size=steps.get(market), price=last.get(market))
        if rules is not None:
            found[listing.symbol] = rules
    return found


def _in_parts(markets: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(markets), _PER_REQUEST):
        yield markets[start : start + _PER_REQUEST]


@asynccontextmanager
async def _open_source(settings: ConnectionSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    async with open_client(settings, wire.MAIN_URL, "Upbit", wire.LIMITS) as client:
        yield UpbitSource(client)


@asynccontextmanager
async def _open_market(settings: MarketSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    async with open_client(settings, wire.MAIN_URL, "Upbit", wire.LIMITS) as client:
        listed, prices = await _listings(client)
        rules = await _rules(client, listed, prices)
    yield BookFeed(
        settings,
        wire.PUBLIC_STREAM_URL,
        known=listed,
        rules=rules,
        decode=wire.decode,
        code_of=partial(wire.orderbook_code, depth=context.depth),
        connects=wire.CONNECTS,
        messages=wire.MESSAGES,
        now_ns=context.time.now_ns,
    )


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [
        SymbolSourceSpec(
            name="upbit",
            doc="all markets of Upbit with their volumes",
            open=_open_source,
            settings=ConnectionSettings,
            live=True,
        )
    ]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="upbit",
            doc="books of Upbit as they come, with its price steps and least orders",
            open=_open_market,
            settings=MarketSettings,
            live=True,
        )
    ]


@hookimpl
def trioarb_exchanges() -> Sequence[ExchangeSpec]:
    return [account_spec("upbit", UpbitExchange, wire)]
