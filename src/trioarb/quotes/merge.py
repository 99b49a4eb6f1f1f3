"""Merge the rows of several tapes: columns in, columns out, some thousands of rows at a time."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.errors import MarketDataError, PluginFault, TrioarbError, describe
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.contract import RowBatch

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["NEVER", "Merged", "TapeFailed", "joined", "merge", "read"]

#: A time that never comes.
NEVER = 2**63 - 1

_NAMES = ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size")
_LEVELS = "levels"


@attrs.frozen
class Merged:
    """Rows of all tapes in order. ``ended``: the tapes that end here, and their last row among these, −1 if none.

    ``columns``: ``ts_ns``, ``symbol`` (its place among the symbols), ``tape``, ``bid``, ``bid_size``, ``ask``,
    ``ask_size``, and ``levels`` if any tape has some.
    """

    columns: dict[str, Array]
    tapes: int
    ended: Sequence[tuple[int, int]]


class TapeFailed(Exception):
    """A venue's tape raised. ``error`` is what the campaign is told: an error that names the venue."""

    def __init__(self, venue: str, error: TrioarbError) -> None:
        super().__init__(venue, error)
        self.venue = venue
        self.error = error


def read(
    venue: str, tape: CheckedTape, symbols: Sequence[str], start_ns: int, *, after_ns: int = -1
) -> Generator[RowBatch, None, None]:
    """Yield a tape's rows as columns; those up to ``after_ns`` are passed over.

    Raises:
        TapeFailed: it raised, or its rows aren't what they have to be; what came before is yielded before.
    """
    try:
        with closing(tape.columns(symbols, start_ns)) as batches:
            for batch in batches:
                first = int(batch.ts_ns.searchsorted(after_ns, "right"))
                if first == 0:
                    yield batch
                elif first < len(batch.ts_ns):
                    yield _from_row(batch, first)
    except Exception as error:
        if isinstance(error, MarketDataError | PluginFault):
            raise TapeFailed(venue, error) from error
        raise TapeFailed(venue, MarketDataError(f"[exchanges.{venue}.market]: {describe(error)}")) from error


def _from_row(batch: RowBatch, first: int) -> RowBatch:
    columns = {name: getattr(batch, name)[first:] for name in _NAMES}
    levels = None if batch.levels is None else batch.levels[:, :, first:]
    return attrs.evolve(batch, levels=levels, **columns)


class _Source:
    """One tape, read batch by batch. ``columns`` are rows that were read and not merged yet."""

    def __init__(self, number: int, batches: Generator[RowBatch, None, None], codes: Mapping[str, int]) -> None:
        self.number = number
        self._batches = batches
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
        if batch.levels is not None:
            columns[_LEVELS] = batch.levels
        self.columns = joined([self.columns, columns]) if len(self) else columns

    def take(self, until: int) -> dict[str, Array]:
        """Return the rows before a time, and leave the others."""
        count = int(self.columns["ts_ns"].searchsorted(until))
        taken = {name: column[..., :count] for name, column in self.columns.items()}
        self.columns = {name: column[..., count:] for name, column in self.columns.items()}
        return taken

    def end(self, tape: Array) -> tuple[int, int] | None:
        """Tell once that all rows were taken: which tape it is, and its last row, given which tape each row is of."""
        if self._is_told or not self.is_over or len(self):
            return None
        self._is_told = True
        rows = (tape == self.number).nonzero()[0]
        return self.number, int(rows[-1]) if len(rows) else -1

    def close(self) -> None:
        """End the reading; a thread may do it."""
        self._batches.close()


def joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the rows of all parts, one after the other; where one has no levels and others do, there are none."""
    import numpy as np

    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != _LEVELS}
    shape = next((part[_LEVELS].shape for part in parts if _LEVELS in part), None)
    if shape is not None:
        levels = [part.get(_LEVELS, np.full((*shape[:2], len(part["ts_ns"])), np.nan)) for part in parts]
        columns[_LEVELS] = np.concatenate(levels, axis=-1)
    return columns


def _in_order(columns: Mapping[str, Array], order: Array) -> dict[str, Array]:
    """Return rows by time, ``order``, and the tapes' order."""
    import numpy as np

    rows = columns["ts_ns"].argsort(kind="stable")
    ts_ns = columns["ts_ns"].take(rows)
    if (ts_ns[1:] == ts_ns[:-1]).any():
        rows = np.lexsort((columns["tape"], order, columns["ts_ns"]))
    return {name: column.take(rows, axis=-1) for name, column in columns.items()}


def merge(tapes: Sequence[Generator[RowBatch, None, None]], symbols: Sequence[str]) -> Generator[Merged, None, None]:
    """Yield the rows of all tapes in order, some thousands at a time: by time, ``order``, and the tapes' order.

    If no tape has a row, nothing is yielded. What a tape raises is raised after its last row. Close it if it is not
    iterated to its end: tapes are read in threads.
    """
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
            columns = joined(parts)
            if len(columns["ts_ns"]):
                order = columns.pop("order")
                if sum(len(part["ts_ns"]) > 0 for part in parts) > 1:
                    columns = _in_order(columns, order)
                ended = [end for one in sources if (end := one.end(columns["tape"])) is not None]
                errors = [(last, error) for tape, last in ended if (error := sources[tape].error) is not None]
                if errors:
                    last, error = min(errors, key=itemgetter(0))
                    columns = {name: column[..., : last + 1] for name, column in columns.items()}
                    yield Merged(columns, len(sources), [one for one in ended if one[1] < last])
                    raise error
                yield Merged(columns, len(sources), ended)
            for source in sources:
                source.fill(until)
    finally:
        for source in sources:
            source.close()
