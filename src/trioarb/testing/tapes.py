"""Market data from a list of rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from trioarb.api import (
    SECOND_NS,
    Levels,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NoSettings,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
)
from trioarb.testing.plugins import plugin_of

__all__ = ["ScriptedRow", "ScriptedTape", "listing", "scripted_market"]

#: (seconds since the tape's start, symbol, bid, bid_size, ask, ask_size), and perhaps the levels beyond.
ScriptedRow = tuple[float, str, float, float, float, float] | tuple[float, str, float, float, float, float, Levels]


class ScriptedTape(Tape):
    """Market data from a list of rows.

    Rows are passed on as they are, also those that the engine refuses. Several rows of one time are played in the order
    of the list.

    Args:
        rows: See `ScriptedRow`, in the order of their times.
        listings: What is listed; rows of symbols that aren't among them are an error.
        rules: Hold for every symbol; without them the venue's own do.
        start_ns: Campaign time of second 0; ``None``: whenever the campaign begins.

    Raises:
        ValueError: Times fall, or a row's symbol is not among ``listings``.
    """

    def __init__(
        self,
        rows: Sequence[ScriptedRow],
        *,
        listings: Sequence[Listing],
        rules: TradingRules | None = None,
        start_ns: int | None = None,
    ) -> None:
        known = {one.symbol for one in listings}
        for number, row in enumerate(rows):
            if row[1] not in known:
                raise ValueError(f"row {number}: {row[1]!r} is not among the listings {sorted(known)}")
            if number and row[0] < rows[number - 1][0]:
                raise ValueError(f"row {number}: at {row[0]} s, but the row before it is at {rows[number - 1][0]} s")
        self._rows = tuple(rows)
        self._listings = tuple(listings)
        self._rules = rules
        self._start_ns = start_ns

    @property
    def start_ns(self) -> int | None:
        return self._start_ns

    async def listings(self) -> Sequence[Listing]:
        return self._listings

    def rules(self, symbol: str) -> TradingRules | None:
        return self._rules

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        first_ns = start_ns if self._start_ns is None else self._start_ns
        for order, (seconds, symbol, *quote) in enumerate(self._rows):
            if symbol in symbols:
                row: Any = (first_ns + round(seconds * SECOND_NS), order, symbol, *quote)
                yield row


def listing(base: str, quote: str = "USDT", *, volume_24h_quote: Decimal | None = None) -> Listing:
    """Return a listing whose symbol is the two assets' names in a row.

    Args:
        base: What is bought and sold.
        quote: What it is priced in.
        volume_24h_quote: What was traded of it in 24 hours, in quote asset; ``None``: unknown.
    """
    return Listing(symbol=base + quote, base=base, quote=quote, volume_24h_quote=volume_24h_quote)


def scripted_market(markets: Mapping[str, MarketData]) -> object:
    """Return a plugin with market data ``scripted``, and a source ``scripted`` of its symbols.

    Args:
        markets: What is quoted, by venue.
    """

    @asynccontextmanager
    async def open_market(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        if context.venue not in markets:
            raise MarketDataError(f"nothing is scripted for the venue {context.venue!r}, only for {sorted(markets)}")
        yield markets[context.venue]

    @asynccontextmanager
    async def open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
        yield _MarketSource(context.markets)

    return plugin_of(
        MarketDataSpec(name="scripted", doc="rows from a list", open=open_market),
        SymbolSourceSpec(name="scripted", doc="the symbols of the venues' markets", open=open_source),
    )


class _MarketSource(SymbolSource):
    def __init__(self, markets: Mapping[str, MarketData]) -> None:
        self._markets = markets

    async def listings(self) -> Sequence[Listing]:
        found: dict[str, Listing] = {}
        for market in self._markets.values():
            for one in await market.listings():
                found.setdefault(one.symbol, one)
        return list(found.values())
