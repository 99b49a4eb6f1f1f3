"""Whether a campaign's market data can be screened, and its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import trio

from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.screened import ScreenedMarket
from trioarb.engine.watch import MarketWatch
from trioarb.errors import MarketDataError
from trioarb.market.align import align
from trioarb.market.columns import SILENCE_NS, QuoteBlock, QuoteColumns, Refused, VenueTimes
from trioarb.plugin.contract import RowBatch, Screen, Tape

__all__ = ["Columns", "columns_of", "play_screened", "screens_of"]


class Columns:
    """The recorded quotes ``of`` all symbols, and the ``times`` of those of each venue."""

    def __init__(self, batches: Mapping[str, Iterator[RowBatch]], symbols: tuple[str, ...]) -> None:
        self._batches = batches
        self._symbols = symbols
        self.of: dict[str, QuoteColumns] = {}
        self.times = {venue: VenueTimes() for venue in batches}

    async def read(self) -> None:
        """Read and align all of it."""
        import numpy as np

        blocks: dict[str, list[QuoteBlock]] = {symbol: [] for symbol in self._symbols}
        refused: dict[str, list[Refused]] = {symbol: [] for symbol in self._symbols}
        for one in align(list(self._batches.values()), self._symbols, list(self.times.values())):
            if one.block is not None:
                blocks[one.symbol].append(one.block)
            if one.refused is not None:
                refused[one.symbol].append(one.refused)
            await trio.lowlevel.checkpoint()
        none = np.empty(0, dtype=np.int64)
        for symbol in self._symbols:
            parts = refused[symbol]
            times, ranks = ([part.ts_ns for part in parts], [part.rank for part in parts])
            self.of[symbol] = QuoteColumns(
                blocks[symbol], Refused(np.concatenate([none, *times]), np.concatenate([none, *ranks]))
            )


def screens_of(campaign: Campaign) -> Mapping[str, Screen] | None:
    """Return each symbol's screen; ``None`` if something has to be shown every quote."""
    world, session = campaign.world, campaign.config.session
    if session.loop_interval_ms or not world.time.jumps:
        return None
    screens = {symbol: task.strategy.screen() for symbol, task in campaign.symbols.items()}
    found = {symbol: screen for symbol, screen in screens.items() if screen is not None}
    return found if len(found) == len(screens) else None


def columns_of(campaign: Campaign) -> Columns | None:
    """Return the columns of the campaign's market data, yet to be read; ``None`` if a market has none."""
    symbols = tuple(campaign.symbols)
    batches: dict[str, Iterator[RowBatch]] = {}
    for venue, market in campaign.world.markets.items():
        found = market.batches(symbols, campaign.world.start_ns) if isinstance(market, Tape) else None
        if found is None:
            return None
        batches[venue] = _blamed(venue, found)
    return Columns(batches, symbols)


async def play_screened(
    campaign: Campaign, columns: Columns, screens: Mapping[str, Screen], watch: MarketWatch
) -> None:
    """Read the columns, and play what of them can change anything."""
    await columns.read()
    market = ScreenedMarket(
        columns.of,
        campaign.symbols,
        screens,
        ends={venue: times.last for venue, times in columns.times.items() if times.last is not None},
        time=campaign.parts.time,
        trades=campaign.parts.trades,
    )
    campaign.parts.journal.attach(observers=[market.observe])
    if watch.stale_ns >= SILENCE_NS:
        watch.listen({venue: times.heard_ns for venue, times in columns.times.items()}, campaign.parts.time)
    for venue, times in columns.times.items():
        if times.last is None:
            watch.end(venue)
    await market.play(watch.end)


def _blamed(venue: str, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
    try:
        yield from batches
    except Exception as error:
        detail = str(error) if isinstance(error, MarketDataError) else describe(error)
        raise MarketDataError(f"[exchanges.{venue}.market]: {detail}") from error
