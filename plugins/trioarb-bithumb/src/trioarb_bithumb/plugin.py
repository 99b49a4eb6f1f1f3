"""Bithumb as a venue: what it lists, its market data, and accounts there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

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
from trioarb_bithumb import wire
from trioarb_bithumb.exchange import BithumbExchange
from trioarb_upbit.client import read
from trioarb_upbit.dialect.market import Price
from trioarb_upbit.feed import BookFeed
from trioarb_upbit.session import Session
from trioarb_upbit.venue import venue_spec

__all__ = ["trioarb_venues"]

#: So many markets are asked for at once: their names stand in the address of the request.
_PER_REQUEST = 100


class BithumbSource(SymbolSource):
    """All markets of Bithumb, with what was traded there in 24 hours."""

    def __init__(self, session: Session, context: SourceContext) -> None:
        self._session = session

    async def listings(self) -> Sequence[Listing]:
        return await _listings(self._session.client)


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
async def _market(session: Session, context: MarketContext) -> AsyncIterator[MarketData]:
    listed = await _listings(session.client)
    yield BookFeed(
        session.settings,
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
def trioarb_venues() -> Sequence[VenueSpec]:
    return [venue_spec("bithumb", BithumbExchange, wire, source=BithumbSource, market=_market)]
