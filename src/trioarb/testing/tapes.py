"""Market data from a list of rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import islice

from trioarb.api import (
    SECOND_NS,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NoSettings,
    RowBatch,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
)
from trioarb.testing.plugins import plugin_of

__all__ = ["ScriptedRow", "ScriptedTape", "batches_of", "listing", "scripted_market"]

#: (seconds since the tape's start, symbol, bid, bid_size, ask, ask_size)
ScriptedRow = tuple[float, str, float, float, float, float]

_BATCH_ROWS = 1_000
_NUMBERS = ("bid", "bid_size", "ask", "ask_size")


class ScriptedTape(Tape):
    """Market data from a list of rows.

    Rows are passed on as they are, also those that the engine refuses. Several rows of one time are played in the
    order of the list. ``rules`` hold for every symbol; without them the venue's own do. Without ``columns`` the engine
    can't pass over rows that change nothing.

    Raises:
        ValueError: times fall, or a row's symbol is not among ``listings``.
    """

    def __init__(
        self,
        rows: Sequence[ScriptedRow],
        *,
        listings: Sequence[Listing],
        rules: TradingRules | None = None,
        start_ns: int | None = None,
        columns: bool = True,
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
        self._has_columns = columns

    @property
    def start_ns(self) -> int | None:
        return self._start_ns

    def listings(self) -> Sequence[Listing]:
        return self._listings

    def rules(self, symbol: str) -> TradingRules | None:
        return self._rules

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        first_ns = start_ns if self._start_ns is None else self._start_ns
        for order, (seconds, symbol, bid, bid_size, ask, ask_size) in enumerate(self._rows):
            if symbol in symbols:
                yield first_ns + round(seconds * SECOND_NS), order, symbol, bid, bid_size, ask, ask_size

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        return batches_of(self.rows(symbols, start_ns), tuple(symbols)) if self._has_columns else None


def batches_of(rows: Iterator[TapeRow], names: Sequence[str]) -> Iterator[RowBatch]:
    """Return rows of the symbols ``names`` as columns: what `Tape.batches` of a tape that has an end may return."""
    import numpy as np

    while some := list(islice(rows, _BATCH_ROWS)):
        ts_ns, order, symbol, *numbers = zip(*some, strict=True)
        prices = {name: np.array(column, dtype=float) for name, column in zip(_NUMBERS, numbers, strict=True)}
        yield RowBatch(
            ts_ns=np.array(ts_ns, dtype=np.int64),
            order=np.array(order, dtype=np.int64),
            symbol=np.array([names.index(one) for one in symbol]),
            names=names,
            **prices,
        )


def listing(base: str, quote: str = "USDT", *, volume_24h_quote: Decimal | None = None) -> Listing:
    """Return a listing whose symbol is the two assets' names in a row."""
    return Listing(symbol=base + quote, base=base, quote=quote, volume_24h_quote=volume_24h_quote)


def scripted_market(markets: Mapping[str, MarketData]) -> object:
    """Return a plugin with market data ``scripted``, ``markets`` by venue, and a source ``scripted`` of its symbols."""

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
            for one in market.listings():
                found.setdefault(one.symbol, one)
        return list(found.values())
