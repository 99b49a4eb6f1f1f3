"""Merge the rows of several tapes, and lay each symbol's quotes of all venues side by side."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.quotes.columns import NEVER, SILENCE_NS, QuoteBlock, Refused, VenueTimes, acceptable

if TYPE_CHECKING:
    import numpy.typing as npt

    from trioarb.plugin.contract import RowBatch

    Array = npt.NDArray[Any]

__all__ = ["BLOCK_ROWS", "Aligned", "Merged", "align", "merge"]

#: Rows of a full block: its columns of prices fit a processor's cache.
BLOCK_ROWS = 32_768
#: Rows that wait for their blocks to be full, over all symbols, before blocks that aren't are closed.
_MOST_WAITING = 4_000_000

_NAMES = ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size")


@attrs.frozen
class Merged:
    """Rows of all tapes in order. ``ended``: the tapes that end here, and their last row among these, −1 if none.

    ``columns``: ``ts_ns``, ``symbol`` (its place among the symbols), ``tape``, ``bid``, ``bid_size``, ``ask``,
    ``ask_size``.
    """

    columns: dict[str, Array]
    tapes: int
    ended: Sequence[tuple[int, int]]


@attrs.frozen
class Aligned:
    """What comes out of it: a block of a symbol, or rows that its board would refuse."""

    symbol: str
    block: QuoteBlock | None = None
    refused: Refused | None = None


def align(
    tapes: Sequence[Iterator[RowBatch]], symbols: Sequence[str], times: Sequence[VenueTimes]
) -> Generator[Aligned, None, None]:
    """Yield the blocks of all symbols, each symbol's in order; memory doesn't grow with the tapes.

    Rows are merged by time, then by their ``order``, then by the tapes' order, as `play` does it; a row's rank is its
    place in that. The tapes' order is that of the venues. ``times``, one for each tape, are filled in meanwhile.
    """
    import numpy as np

    waiting = {symbol: _Waiting(symbol, len(tapes)) for symbol in symbols}
    rank = count = 0
    with closing(merge(tapes, symbols)) as pieces:
        for piece in pieces:
            merged = piece.columns
            rows = len(merged["ts_ns"])
            merged["rank"] = np.arange(rank, rank + rows, dtype=np.int64)
            rank += rows
            accepted = acceptable(merged)
            for number, one in enumerate(times):
                _note_times(one, merged, merged["tape"] == number, accepted)
            by_symbol = np.argsort(merged["symbol"], kind="stable")
            until = np.cumsum(np.bincount(merged["symbol"], minlength=len(symbols)))
            for code, symbol in enumerate(symbols):
                index = by_symbol[until[code - 1] if code else 0 : until[code]]
                if not len(index):
                    continue
                good = accepted[index]
                if not good.all():
                    bad = index[~good]
                    yield Aligned(symbol, refused=Refused(merged["ts_ns"][bad], merged["rank"][bad]))
                    index = index[good]
                rest = waiting[symbol]
                rest.add({name: column[index] for name, column in merged.items()})
                count += len(index)
                while rest.rows >= BLOCK_ROWS:
                    count -= BLOCK_ROWS
                    yield Aligned(symbol, rest.take(BLOCK_ROWS))
            if count > _MOST_WAITING:
                yield from _rest(waiting)
                count = 0
    yield from _rest(waiting)
    for one in times:
        if one.first_ns != NEVER:
            one.silences.append((one.newest_ns, NEVER))


def _note_times(times: VenueTimes, merged: Mapping[str, Array], here: Array, accepted: Array) -> None:
    """Note what of the merged rows a venue's times are made of."""
    import numpy as np

    rows = here.nonzero()[0]
    if not len(rows):
        return
    times.last = int(merged["rank"][rows[-1]]), int(merged["ts_ns"][rows[-1]])
    came_ns = merged["ts_ns"][rows[accepted[rows]]]
    if not len(came_ns):
        return
    if times.first_ns == NEVER:
        times.first_ns = times.newest_ns = int(came_ns[0])
    came_ns = np.concatenate([np.array([times.newest_ns], dtype=np.int64), came_ns])
    for place in (np.diff(came_ns) >= SILENCE_NS).nonzero()[0]:
        times.silences.append((int(came_ns[place]), int(came_ns[place + 1])))
    times.newest_ns = int(came_ns[-1])


def _rest(waiting: Mapping[str, _Waiting]) -> Iterator[Aligned]:
    for symbol, one in waiting.items():
        if one.rows:
            yield Aligned(symbol, one.take(one.rows))


def _ahead(batches: Iterator[RowBatch]) -> Generator[RowBatch, None, None]:
    """Yield them; a thread reads the next one meanwhile."""
    with ThreadPoolExecutor(1, "trioarb tape") as reader:
        reading = reader.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, batches, None)
            yield batch


class _Source:
    """One tape, read batch by batch. ``columns`` are rows that were read and not merged yet."""

    def __init__(self, number: int, batches: Iterator[RowBatch], codes: Mapping[str, int]) -> None:
        self.number = number
        self._batches = _ahead(batches)
        self._codes = codes
        self.columns: dict[str, Array] = {}
        self.is_over = False
        self.error: Exception | None = None
        self._is_told = False

    def __len__(self) -> int:
        return len(self.columns["ts_ns"]) if self.columns else 0

    def fill(self, until: int) -> None:
        """Read on until there is a row that comes later than ``until``, or no more. What it raises is kept."""
        while not self.is_over and (not len(self) or int(self.columns["ts_ns"][-1]) <= until):
            try:
                batch = next(self._batches, None)
            except Exception as error:
                batch, self.error = None, error
            if batch is None:
                self.is_over = True
            else:
                self._add(batch)

    def _add(self, batch: RowBatch) -> None:
        import numpy as np

        columns: dict[str, Array] = {name: getattr(batch, name) for name in _NAMES}
        small = np.min_scalar_type(len(self._codes))  # is sorted several times as fast
        columns["symbol"] = np.array([self._codes[name] for name in batch.names], dtype=small)[batch.symbol]
        columns["tape"] = np.full(len(batch.ts_ns), self.number, dtype=np.uint8)
        if len(self):
            columns = {name: np.concatenate([self.columns[name], column]) for name, column in columns.items()}
        self.columns = columns

    def take(self, until: int) -> dict[str, Array]:
        """Return the rows before a time, and leave the others."""
        count = int(self.columns["ts_ns"].searchsorted(until))
        taken = {name: column[:count] for name, column in self.columns.items()}
        self.columns = {name: column[count:] for name, column in self.columns.items()}
        return taken

    def end(self, tape: Array) -> tuple[int, int] | None:
        """Tell once that all rows were taken: which tape it is, and its last row, given which tape each row is of."""
        if self._is_told or not self.is_over or len(self):
            return None
        self._is_told = True
        rows = (tape == self.number).nonzero()[0]
        return self.number, int(rows[-1]) if len(rows) else -1

    def close(self) -> None:
        """End the thread that reads."""
        self._batches.close()


def merge(tapes: Sequence[Iterator[RowBatch]], symbols: Sequence[str]) -> Generator[Merged, None, None]:
    """Yield the rows of all tapes in order, some thousands at a time: by time, ``order``, and the tapes' order.

    If no tape has a row, nothing is yielded. What a tape raises is raised after its last row. Close it if it is not
    iterated to its end: tapes are read in threads.
    """
    import numpy as np

    codes = {symbol: code for code, symbol in enumerate(symbols)}
    sources = [_Source(number, tape, codes) for number, tape in enumerate(tapes)]
    try:
        for source in sources:
            source.fill(-1)
            if source.error is not None and not len(source):
                raise source.error
        while any(len(source) for source in sources):
            # Before this time no tape has anything more to say. So a last row waits until it is known to be that.
            until = min((int(one.columns["ts_ns"][-1]) for one in sources if not one.is_over), default=NEVER)
            parts = [one.take(until) for one in sources if len(one)]
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            if len(columns["ts_ns"]):
                if sum(len(part["ts_ns"]) > 0 for part in parts) > 1:
                    order = np.lexsort((columns["tape"], columns["order"], columns["ts_ns"]))
                    columns = {name: column[order] for name, column in columns.items()}
                del columns["order"]
                ended = [end for one in sources if (end := one.end(columns["tape"])) is not None]
                errors = [(last, error) for tape, last in ended if (error := sources[tape].error) is not None]
                if errors:
                    last, error = min(errors, key=itemgetter(0))
                    columns = {name: column[: last + 1] for name, column in columns.items()}
                    yield Merged(columns, len(sources), [one for one in ended if one[1] < last])
                    raise error
                yield Merged(columns, len(sources), ended)
            for source in sources:
                source.fill(until)
    finally:
        for source in sources:
            source.close()


def _best_ratio(bid: Array, ask: Array) -> float:
    import numpy as np

    ratio = bid / ask
    return float(np.fmax.reduce(ratio))  # NaN only if all are


class _Waiting:
    """The accepted rows of a symbol that are in no block yet, and each venue's latest quote before them."""

    def __init__(self, symbol: str, venues: int) -> None:
        self.symbol = symbol
        self.rows = 0
        self._parts: list[dict[str, Array]] = []
        self._first = 0
        self._latest = [-1] * venues
        self._latest_ns = [0] * venues
        self._numbers = [0] * venues
        self._bid = [float("nan")] * venues
        self._ask = [float("nan")] * venues

    def add(self, columns: dict[str, Array]) -> None:
        self._parts.append(columns)
        self.rows += len(columns["ts_ns"])

    def take(self, count: int) -> QuoteBlock:
        """Make a block of the first rows."""
        import numpy as np

        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        self._parts = [{name: column[count:] for name, column in columns.items()}]
        self.rows -= count
        ts, venue = columns["ts_ns"][:count], columns["tape"][:count]
        places = np.arange(count)
        venues = len(self._latest)
        bid, ask = np.empty((venues, count)), np.empty((venues, count))
        latest, number = np.empty((venues, count), dtype=np.int32), np.empty(count, dtype=np.int32)
        oldest_ns = []
        for one in range(venues):
            here = venue == one
            filled = np.maximum.accumulate(np.where(here, places, -1))
            known, before = np.maximum(filled, 0), filled < 0
            bid[one] = np.where(before, self._bid[one], columns["bid"][known])
            ask[one] = np.where(before, self._ask[one], columns["ask"][known])
            latest[one] = np.where(before, self._latest[one], filled + self._first)
            number[here] = np.arange(self._numbers[one] + 1, self._numbers[one] + 1 + int(here.sum()))
            if latest[one][0] < 0:
                oldest_ns.append(NEVER)
            else:
                came = np.where(before, self._latest_ns[one], ts[known])
                oldest_ns.append(int((ts - came).max()))
            if filled[-1] >= 0:
                self._latest[one] = int(filled[-1]) + self._first
                self._latest_ns[one] = int(ts[filled[-1]])
                self._numbers[one] = int(number[filled[-1]])
                self._bid[one], self._ask[one] = float(bid[one][-1]), float(ask[one][-1])
        block = QuoteBlock(
            first=self._first,
            ts_ns=ts,
            rank=columns["rank"][:count],
            venue=venue,
            number=number,
            bid_size=columns["bid_size"][:count],
            ask_size=columns["ask_size"][:count],
            bid=bid,
            ask=ask,
            latest=latest,
            oldest_ns=tuple(oldest_ns),
            best_ratio=tuple(tuple(_best_ratio(sold, bought) for bought in ask) for sold in bid),
        )
        self._first += count
        return block
