"""Upbit as a venue: what it lists, its market data, and accounts there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

from trioarb.api import (
    Listing,
    MarketContext,
    MarketData,
    SourceContext,
    SymbolSource,
    TradingRules,
    VenueSpec,
    hookimpl,
)
from trioarb.venue import RestClient
from trioarb_upbit import wire
from trioarb_upbit.client import read
from trioarb_upbit.dialect.market import Price
from trioarb_upbit.exchange import UpbitExchange
from trioarb_upbit.feed import BookFeed
from trioarb_upbit.session import Session
from trioarb_upbit.venue import venue_spec

__all__ = ["trioarb_venues"]

_QUOTES = ("KRW", "BTC", "USDT")
#: So many markets are asked for at once: their names stand in the address of the request.
_PER_REQUEST = 100


class UpbitSource(SymbolSource):
    """All markets of Upbit, with what was traded there in 24 hours."""

    def __init__(self, session: Session, context: SourceContext) -> None:
        self._session = session

    async def listings(self) -> Sequence[Listing]:
        listed, _ = await _listings(self._session.client)
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
async def _market(session: Session, context: MarketContext) -> AsyncIterator[MarketData]:
    listed, prices = await _listings(session.client)
    yield BookFeed(
        session.settings,
        wire.PUBLIC_STREAM_URL,
        known=listed,
        rules=await _rules(session.client, listed, prices),
        decode=wire.decode,
        code_of=partial(wire.orderbook_code, depth=context.depth),
        connects=wire.CONNECTS,
        messages=wire.MESSAGES,
        now_ns=context.time.now_ns,
    )


@hookimpl
def trioarb_venues() -> Sequence[VenueSpec]:
    return [venue_spec("upbit", UpbitExchange, wire, source=UpbitSource, market=_market)]
