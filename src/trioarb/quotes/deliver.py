"""Deliver tapes row by row, each at its time, as a feed brings its quotes.

For whoever needs every quote, or real time: a recorder, and tapes beside a feed. What is played in virtual time goes by
windows (`trioarb.quotes.player`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

import trio

from trioarb.errors import TrioarbError
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.contract import QuoteSink
from trioarb.quotes.levels import at_row, each_row
from trioarb.quotes.merge import Merged, TapeFailed, merge, read
from trioarb.quotes.validity import have_sound_levels
from trioarb.time.campaign_time import CampaignTime, Turn

__all__ = ["deliver"]

#: Rows between two looks at signals and other tasks, should the tape never have to wait.
_BURST = 512


async def deliver(
    tapes: Mapping[str, CheckedTape],
    sinks: Mapping[str, Mapping[str, QuoteSink]],
    *,
    time: CampaignTime,
    start_ns: int,
    after_ns: int = -1,
    on_end: Callable[[str], None] = lambda venue: None,
    on_failure: Callable[[str, TrioarbError], None] = lambda venue, error: None,
) -> None:
    """Call ``sinks[venue][symbol]`` with the rows of all ``tapes`` (by venue), merged by time and file order.

    Rows up to ``after_ns`` are passed over.

    ``on_end`` is told of a venue's end, right after its last row, ``on_failure`` of what its tape raised.

    Raises:
        MarketDataError: a tape raised; names its venue.

    Returns at the end of the last tape. In virtual time rows are delivered without a checkpoint as long as nothing
    else is due before them, but for one now and then.
    """
    venues, symbols = tuple(tapes), tuple(dict.fromkeys(chain(*sinks.values())))
    sink_of = [sinks[venue].get(symbol, _nowhere) for venue in venues for symbol in symbols]
    batches = [read(venue, tape, tuple(sinks[venue]), start_ns, after_ns=after_ns) for venue, tape in tapes.items()]
    silent = list(venues)

    def end(venue: str) -> None:
        silent.remove(venue)
        on_end(venue)

    try:
        with closing(merge(batches, symbols)) as pieces:
            for merged in pieces:
                first = 0
                for tape, last in sorted(merged.ended, key=itemgetter(1)):
                    await _play(merged, first, last + 1, sink_of, len(symbols), time)
                    first = last + 1
                    end(venues[tape])
                await _play(merged, first, len(merged.columns["ts_ns"]), sink_of, len(symbols), time)
    except TapeFailed as failed:
        on_failure(failed.venue, failed.error)
        raise failed.error from failed.__cause__
    for venue in silent:  # of whom there was no row at all
        on_end(venue)


async def _play(
    merged: Merged, first: int, end: int, sink_of: list[QuoteSink], symbols: int, time: CampaignTime
) -> None:
    for start in range(first, end, _BURST):
        for ts_ns, sink, levels, bid, bid_size, ask, ask_size in _rows(
            merged, start, min(start + _BURST, end), sink_of, symbols
        ):
            if not time.reach(ts_ns):
                await time.sleep_until(ts_ns, Turn.MARKET.order())
                time.reach(ts_ns)
            sink(bid, bid_size, ask, ask_size, ts_ns, None, levels)
        await trio.lowlevel.checkpoint()


def _rows(
    merged: Merged, start: int, end: int, sink_of: list[QuoteSink], symbols: int
) -> Iterator[tuple[int, QuoteSink, Any, float, float, float, float]]:
    cut = {name: column[..., start:end] for name, column in merged.columns.items()}
    places = cut["tape"].astype(int) * symbols + cut["symbol"]
    prices = (cut[name].tolist() for name in ("bid", "bid_size", "ask", "ask_size"))
    sinks = map(sink_of.__getitem__, places.tolist())
    levels = _levels(cut, places) if "levels" in cut else repeat(None, end - start)
    return zip(cut["ts_ns"].tolist(), sinks, levels, *prices, strict=True)


def _levels(columns: Mapping[str, Any], places: Any) -> Iterator[Any]:
    """Yield each row's levels as our own sinks take them: judged together, and looked at by whom they concern. Those
    that can't be are given as a feed gives them, for the sink to refuse.
    """
    import numpy as np

    is_last = np.zeros(len(places), dtype=bool)  # of a venue and symbol: no other of these rows takes its place
    is_last[len(places) - 1 - np.unique(places[::-1], return_index=True)[1]] = True
    is_sound = have_sound_levels(columns).tolist()
    rows = zip(each_row(columns["levels"], is_last), is_sound, strict=True)
    return (levels if sound else at_row(*levels) for levels, sound in rows)


def _nowhere(*quote: object) -> None:
    pass
