"""Whether a campaign's market data can be screened, and its columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import attrs
import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.engine.screened import ScreenedMarket
from trioarb.engine.watch import MarketWatch
from trioarb.errors import MarketDataError, PluginFault, TrioarbError, describe
from trioarb.plugin.contract import ALWAYS, RowBatch, Stored, Tape
from trioarb.quotes import cache as quote_cache
from trioarb.quotes.align import Aligned, align
from trioarb.quotes.cache_folder import root
from trioarb.quotes.columns import SILENCE_NS, QuoteBlock, QuoteColumns, Refused, VenueTimes

__all__ = ["Columns", "can_be_screened", "columns_of", "play_screened"]

_SAY_EVERY_SECONDS = 5


@attrs.frozen(kw_only=True)
class Columns:
    """The recorded quotes by symbol, and when those of each venue come."""

    by_symbol: Mapping[str, QuoteColumns]
    times: Mapping[str, VenueTimes]


def can_be_screened(campaign: Campaign) -> bool:
    """Return whether there is a symbol that need not be shown every quote, and nothing else that has to be."""
    world, session = campaign.world, campaign.config.session
    if session.loop_interval_ms or not world.time.jumps or not campaign.screened:
        return False
    deciders = [task.bands() for task in campaign.symbols.values()]
    return not any(one is not None and ALWAYS in one.entry_from.values() for one in deciders)


async def columns_of(campaign: Campaign) -> Columns | None:
    """Return the campaign's market data, aligned; ``None`` if a market can't give columns, or if a side is missing.

    A quote that is not whole changes what is on the board for quotes of other venues: those are shown one by one.

    What was aligned is kept on disk, if all markets say where their rows come from, and found there the next time.

    Raises:
        MarketDataError: a market's data can't be read; names its venue.
    """
    world, symbols = campaign.world, tuple(sorted(campaign.symbols))
    tapes = {venue: market for venue, market in world.markets.items() if isinstance(market, Tape)}
    traded = {venue: tuple(symbol for symbol in symbols if venue in world.instruments[symbol]) for venue in tapes}

    def read() -> list[Iterator[RowBatch] | None]:
        return [_batches(venue, tape, traded[venue], world.start_ns) for venue, tape in tapes.items()]

    if len(tapes) < len(world.markets) or None in read():
        return None

    times = {venue: VenueTimes() for venue in tapes}
    stored = [one for tape in tapes.values() if (one := tape.stored()) is not None]
    cache = root()
    if cache is not None and len(stored) == len(tapes):
        folder = cache / quote_cache.key_of([one.fingerprint for one in stored], list(traded.values()), world.start_ns)
        found = quote_cache.load(folder)
        if found is None:
            await _keep(folder, read, symbols, tuple(tapes), stored)
            found = quote_cache.load(folder)
        if found is not None:
            if any(len(columns.refused.ts_ns) for columns in found[0].values()):
                return None
            return Columns(by_symbol=found[0], times=dict(zip(tapes, found[1], strict=True)))
    blocks: dict[str, list[QuoteBlock]] = {symbol: [] for symbol in symbols}
    refused: dict[str, list[Refused]] = {symbol: [] for symbol in symbols}

    def add(one: Aligned) -> None:
        if one.block is not None:
            blocks[one.symbol].append(one.block)
        if one.refused is not None:
            refused[one.symbol].append(one.refused)

    await _align(read(), symbols, list(times.values()), add)
    if any(refused.values()):
        return None
    columns = {symbol: QuoteColumns(blocks[symbol], Refused.joined(refused[symbol])) for symbol in symbols}
    return Columns(by_symbol=columns, times=times)


async def _keep(
    folder: Path,
    read: Callable[[], list[Iterator[RowBatch] | None]],
    symbols: tuple[str, ...],
    venues: tuple[str, ...],
    stored: list[Stored],
) -> None:
    """Align the rows into the cache; say so where that can't be done."""
    rows, sources = sum(one.rows for one in stored), [one.source for one in stored]
    log = structlog.get_logger("trioarb.quotes")
    started = time.monotonic()
    times = [VenueTimes() for _ in venues]
    try:
        with quote_cache.save(folder, venues=venues, sources=sources, symbols=symbols, rows=rows) as writer:
            await _align(read(), symbols, times, writer.add)
            writer.close(times)
    except quote_cache.StoreError as error:
        log.warning("aligned quotes are not kept", because=str(error))
    else:
        log.info("aligned quotes are kept", rows=rows, seconds=round(time.monotonic() - started, 1), folder=str(folder))


async def _align(
    tapes: list[Iterator[RowBatch] | None],
    symbols: tuple[str, ...],
    times: list[VenueTimes],
    add: Callable[[Aligned], None],
) -> None:
    log = structlog.get_logger("trioarb.quotes")
    rows, say_at = 0, time.monotonic() + _SAY_EVERY_SECONDS
    with closing(align([tape for tape in tapes if tape is not None], symbols, times)) as aligned:
        for one in aligned:
            add(one)
            rows += len(one.block) if one.block is not None else 0
            if time.monotonic() > say_at:
                log.info("aligning quotes", rows=rows)
                say_at += _SAY_EVERY_SECONDS
            await trio.lowlevel.checkpoint()


async def play_screened(campaign: Campaign, columns: Columns, watch: MarketWatch) -> None:
    """Play what of the columns can change anything."""
    market = ScreenedMarket(
        columns.by_symbol,
        campaign.symbols,
        ends={venue: times.last for venue, times in columns.times.items() if times.last is not None},
        time=campaign.parts.time,
    )
    campaign.parts.journal.attach(observers=[market.observe])
    if watch.stale_ns >= SILENCE_NS:
        watch.listen({venue: times.heard_ns for venue, times in columns.times.items()}, campaign.parts.time)
    for venue, times in columns.times.items():
        if times.last is None:
            watch.end(venue)
    await market.play(watch.end)


def _batches(venue: str, tape: Tape, symbols: tuple[str, ...], start_ns: int) -> Iterator[RowBatch] | None:
    try:
        batches = tape.batches(symbols, start_ns)
    except Exception as error:
        raise _blamed(venue, error) from error
    return None if batches is None else _of_venue(venue, batches)


def _of_venue(venue: str, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
    try:
        yield from batches
    except Exception as error:
        raise _blamed(venue, error) from error


def _blamed(venue: str, error: Exception) -> TrioarbError:
    if isinstance(error, MarketDataError | PluginFault):
        return error
    return MarketDataError(f"[exchanges.{venue}.market]: {describe(error)}")
