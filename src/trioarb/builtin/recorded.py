"""The recorded market: quotes from Parquet files, and the symbols that such files hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.api import (
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    NoSettings,
    Recording,
    RowBatch,
    SourceContext,
    Stored,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TradingRules,
    UniverseError,
    hookimpl,
    setting,
)

__all__ = ["RecordedSettings", "trioarb_market_data", "trioarb_symbol_sources"]


#: The paper venue's own tick and lot.
_USUAL_STEP = Decimal("1e-8")


@attrs.frozen(kw_only=True)
class RecordedSettings:
    """Settings of the recorded market."""

    path: Path = setting(doc="Parquet file of quotes, sorted by ts_ns; or a folder that holds such files")
    more: tuple[Path, ...] = setting((), doc="further files or folders; one of the venue's files follows the other")
    exchange: str = setting(
        doc="which rows are this venue's: the value of the files' exchange column", concerns="operator"
    )


class _RecordedTape(Tape):
    """The rows of one exchange in files of quotes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._steps = {one.symbol: one.price_step for one in recording.listings()}

    @property
    def start_ns(self) -> int:
        return self._recording.start_ns

    async def listings(self) -> Sequence[Listing]:
        return self._recording.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        """Return rules whose tick fits the prices, where they are finer than any that a venue would assume."""
        step = self._steps.get(symbol)
        if step is None or step >= _USUAL_STEP:
            return None
        return TradingRules(tick_size=step, lot_size=_USUAL_STEP, min_notional=Decimal(5))

    def stored(self) -> Stored:
        return self._recording.stored()

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        """Yield the rows of ``symbols``; ``order`` is the row's place in the files, so tapes of the same files merge in
        their order. A symbol that the files don't hold has no rows.

        Raises:
            MarketDataError: while iterating; a part of a file is damaged.
        """
        return self._recording.batches(symbols, start_ns)


class _RecordedSource(SymbolSource):
    """Whatever the venues' markets can quote."""

    def __init__(self, markets: Mapping[str, MarketData]) -> None:
        self._markets = markets

    async def listings(self) -> Sequence[Listing]:
        """Return the symbols of all venues in the venues' order, each once; volumes are unknown."""
        found: dict[str, Listing] = {}
        for market in self._markets.values():
            for listing in await market.listings():
                found.setdefault(listing.symbol, attrs.evolve(listing, volume_24h_quote=None))
        return list(found.values())


@asynccontextmanager
async def _open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    if not context.markets:
        raise UniverseError(
            'the source "recorded" lists what the exchanges\' markets hold, and no market is configured; '
            'add exchanges with market = { plugin = "recorded", path = …, exchange = … }'
        )
    yield _RecordedSource(context.markets)


@asynccontextmanager
async def _open_market(settings: RecordedSettings, context: MarketContext) -> AsyncIterator[MarketData]:
    yield _RecordedTape(Recording([settings.path, *settings.more], settings.exchange, depth=context.depth))


@hookimpl
def trioarb_symbol_sources() -> Sequence[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="recorded", doc="the symbols that the venues' markets hold", open=_open_source)]


@hookimpl
def trioarb_market_data() -> Sequence[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="recorded",
            doc="quotes from Parquet files, in file order; rules and fees come from the venue",
            open=_open_market,
            settings=RecordedSettings,
        )
    ]
