"""Play tapes: deliver every row at its time, in one task for all venues."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice, repeat
from operator import itemgetter

import trio

from trioarb.errors import MarketDataError, PluginFault, TrioarbError, describe
from trioarb.plugin.contract import QuoteSink, RowBatch, Tape, TapeRow
from trioarb.quotes.align import Merged, merge
from trioarb.time.campaign_time import CampaignTime, Turn

__all__ = ["play"]

#: Rows between two looks at signals and other tasks, should the tape never have to wait.
_BURST = 512

#: Time, order, number of the tape, sink, bid, bid size, ask, ask size. Two tapes' rows differ in the first three.
_Row = tuple[int, int, int, QuoteSink, float, float, float, float]

_Bursts = Generator[Iterable[_Row], None, None]


async def play(
    tapes: Mapping[str, Tape],
    sinks: Mapping[str, Mapping[str, QuoteSink]],
    *,
    time: CampaignTime,
    start_ns: int,
    on_end: Callable[[str], None] = lambda venue: None,
    on_failure: Callable[[str, Exception], None] = lambda venue, error: None,
) -> None:
    """Call ``sinks[venue][symbol]`` with the rows of all ``tapes`` (by venue), merged by time and file order.

    ``on_end`` is told of a venue's end, right after its last row, ``on_failure`` of what its tape raised.

    Raises:
        MarketDataError: a tape raised; names its venue.

    Returns at the end of the last tape. In virtual time rows are delivered without a checkpoint as long as nothing
    else is due before them, but for one now and then.
    """
    tracked = _Tracked(tapes, sinks, start_ns, on_end, on_failure)
    with closing(tracked.by_columns() or tracked.by_rows()) as bursts:
        for rows in bursts:
            for ts_ns, _, _, sink, bid, bid_size, ask, ask_size in rows:
                if not time.reach(ts_ns):
                    await time.sleep_until(ts_ns, Turn.MARKET.order())
                    time.reach(ts_ns)
                sink(bid, bid_size, ask, ask_size, ts_ns)
            await trio.lowlevel.checkpoint()


class _Tracked:
    """The rows of all tapes in order, some at a time; who has to know is told of ends and failures on the way."""

    def __init__(
        self,
        tapes: Mapping[str, Tape],
        sinks: Mapping[str, Mapping[str, QuoteSink]],
        start_ns: int,
        on_end: Callable[[str], None],
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self._tapes = tapes
        self._sinks = sinks
        self._start_ns = start_ns
        self._on_end = on_end
        self._on_failure = on_failure

    def by_rows(self) -> _Bursts:
        """Merge row by row, which every tape can do."""
        merged = heapq.merge(*(self._rows(number, venue) for number, venue in enumerate(self._tapes)))
        while (first := next(merged, None)) is not None:
            yield chain((first,), islice(merged, _BURST - 1))

    def _rows(self, number: int, venue: str) -> Iterator[_Row]:
        sinks = self._sinks[venue]
        rows: Iterator[TapeRow] = iter(())
        try:
            rows = self._tapes[venue].rows(tuple(sinks), self._start_ns)
            for ts_ns, order, symbol, bid, bid_size, ask, ask_size in rows:
                yield ts_ns, order, number, sinks[symbol], bid, bid_size, ask, ask_size
        except Exception as error:
            raise self._failed(venue, _said_of(rows, error)) from error
        self._on_end(venue)

    def by_columns(self) -> _Bursts | None:
        """Merge whole columns; ``None`` if a tape can't give any."""
        batches = {venue: self._batches(venue) for venue in self._tapes}
        known = [one for one in batches.values() if one is not None]
        return self._columns(known) if len(known) == len(batches) else None

    def _batches(self, venue: str) -> Iterator[RowBatch] | None:
        try:
            batches = self._tapes[venue].batches(tuple(self._sinks[venue]), self._start_ns)
        except Exception as error:
            raise self._failed(venue, error) from error
        return None if batches is None else _of_venue(venue, batches)

    def _columns(self, batches: Sequence[Iterator[RowBatch]]) -> _Bursts:
        silent = list(self._tapes)
        venues, symbols = tuple(self._tapes), tuple(dict.fromkeys(chain(*self._sinks.values())))
        sinks = [self._sinks[venue].get(symbol, _nowhere) for venue in venues for symbol in symbols]
        try:
            with closing(merge(batches, symbols)) as pieces:
                for merged in pieces:
                    first = 0
                    for tape, last in sorted(merged.ended, key=itemgetter(1)):
                        yield from _bursts(merged, sinks, first, last + 1)
                        first = last + 1
                        silent.remove(venues[tape])
                        self._on_end(venues[tape])
                    yield from _bursts(merged, sinks, first, len(merged.columns["ts_ns"]))
        except _TapeError as failed:
            raise self._failed(failed.venue, failed.error) from failed.error
        for venue in silent:
            self._on_end(venue)

    def _failed(self, venue: str, error: Exception) -> TrioarbError:
        self._on_failure(venue, error)
        if isinstance(error, MarketDataError | PluginFault):
            return error
        return MarketDataError(f"[exchanges.{venue}.market]: {describe(error)}")


class _TapeError(Exception):
    """What a venue's tape raised, in the thread that reads it."""

    def __init__(self, venue: str, error: Exception) -> None:
        super().__init__(venue, error)
        self.venue = venue
        self.error = error


def _of_venue(venue: str, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
    try:
        yield from batches
    except Exception as error:
        raise _TapeError(venue, error) from error


def _bursts(merged: Merged, sinks: Sequence[QuoteSink], first: int, end: int) -> Iterator[Iterable[_Row]]:
    """Yield some of the merged rows; ``sinks`` of every tape and symbol, symbol by symbol."""
    columns, symbols = merged.columns, len(sinks) // merged.tapes
    for start in range(first, end, _BURST):
        cut = {name: column[start : min(start + _BURST, end)] for name, column in columns.items()}
        places = cut["tape"].astype(int) * symbols + cut["symbol"]
        prices = (cut[name].tolist() for name in ("bid", "bid_size", "ask", "ask_size"))
        sink_of_row = map(sinks.__getitem__, places.tolist())
        yield zip(cut["ts_ns"].tolist(), repeat(0), repeat(0), sink_of_row, *prices, strict=False)


def _nowhere(*quote: object) -> None:
    pass


def _said_of(rows: Iterator[TapeRow], error: Exception) -> Exception:
    """Return what the border, through which rows come, says of an error: a row of another shape is the tape's fault."""
    if isinstance(rows, Generator):
        try:
            rows.throw(error)
        except Exception as said:
            return said
    return error
