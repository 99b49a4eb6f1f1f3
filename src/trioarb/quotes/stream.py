"""The windows of a campaign's tapes: those that are kept from the last time, or made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import structlog
import trio

from trioarb.plugin.border import CheckedTape
from trioarb.quotes import cache
from trioarb.quotes.cache_folder import root
from trioarb.quotes.merge import merge, read
from trioarb.quotes.window import Window, gathered, rows_for, windows

__all__ = ["open_windows"]

_SAY_EVERY_SECONDS = 5


async def open_windows(
    tapes: Mapping[str, CheckedTape],
    symbols: Sequence[str],
    symbols_of: Mapping[str, Sequence[str]],
    start_ns: int,
    *,
    after_ns: int = -1,
) -> Generator[Window, None, None]:
    """Return the windows of tapes by venue, whose order is that of the venues, with the ``symbols`` in this order.

    ``symbols_of``: which of them a venue trades. Rows up to ``after_ns`` are passed over. Where all tapes say where
    their rows come from, and none is passed over, windows are kept on disk, and found there the next time; else they
    are made while they are played. Close what is returned.

    Raises:
        TapeFailed: while iterating, and while they are made to be kept; a tape raised.
    """

    def made(*, is_kept: bool = False) -> Generator[Window, None, None]:
        batches = [
            read(venue, tape, tuple(symbols_of[venue]), start_ns, after_ns=after_ns) for venue, tape in tapes.items()
        ]
        with closing(merge(batches, symbols)) as pieces:
            least = rows_for(len(symbols), len(tapes))
            yield from windows(gathered(pieces, least) if is_kept else pieces, len(symbols), len(tapes))

    stored = [one for tape in tapes.values() if (one := tape.stored()) is not None]
    place = root()
    if place is None or len(stored) < len(tapes) or after_ns >= 0:
        return made()
    traded = [list(symbols_of[venue]) for venue in tapes]
    depth = max((tape.depth for tape in tapes.values()), default=1)
    folder = place / cache.key_of([one.fingerprint for one in stored], list(symbols), traded, start_ns, depth)
    kept = cache.load(folder)
    if kept is None:
        rows, sources = sum(one.rows for one in stored), [one.source for one in stored]
        await _keep(
            folder,
            partial(made, is_kept=True),
            venues=tuple(tapes),
            symbols=symbols,
            sources=sources,
            rows=rows,
            depth=depth,
        )
        kept = cache.load(folder)
    return made() if kept is None else kept


async def _keep(
    folder: Path,
    made: Callable[[], Generator[Window, None, None]],
    *,
    venues: Sequence[str],
    symbols: Sequence[str],
    sources: Sequence[str],
    rows: int,
    depth: int,
) -> None:
    """Write the windows into the cache; say so where that can't be done."""
    log = structlog.get_logger("trioarb.quotes")
    started, done, say_at = time.monotonic(), 0, time.monotonic() + _SAY_EVERY_SECONDS
    try:
        with cache.save(folder, venues=venues, sources=sources, symbols=symbols, rows=rows, depth=depth) as writer:
            with closing(made()) as found:
                for window in found:
                    writer.add(window)
                    done += len(window)
                    if time.monotonic() > say_at:
                        log.info("aligning quotes", rows=done)
                        say_at += _SAY_EVERY_SECONDS
                    await trio.lowlevel.checkpoint()
            writer.close()
    except cache.StoreError as error:
        log.warning("aligned quotes are not kept", because=str(error))
    else:
        log.info("aligned quotes are kept", rows=done, seconds=round(time.monotonic() - started, 1), folder=str(folder))
