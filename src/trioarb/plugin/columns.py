"""Rows of a tape as columns: what is made of rows that come one by one, and the order in which they have to come."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from trioarb.errors import MarketDataError
from trioarb.plugin.answer import check_levels
from trioarb.plugin.contract import Levels, RowBatch, TapeRow

__all__ = ["ahead", "batched", "column_of", "in_order"]

#: Rows that are made columns at first, so that a slow tape begins at once; then twice as many, up to a limit.
_FIRST_ROWS, _MOST_ROWS = 64, 8_192

_NAMES = ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size")


def batched(rows: Iterator[TapeRow], names: Sequence[str], beyond: int = 0) -> Generator[RowBatch, None, None]:
    """Yield rows of the symbols ``names`` as columns, few at first and then more at a time, with ``beyond`` levels
    after the best one.

    What the rows raise, or what one of them can't be taken for, is raised after the rows before it.
    """
    codes = {name: code for code, name in enumerate(names)}
    most, error = _FIRST_ROWS, None
    while error is None:
        some: list[TapeRow] = []
        try:
            some.extend(islice(rows, most))  # what came before it raises stays in the list
        except Exception as raised:
            error = raised
        if not some and error is None:
            return
        try:
            yield _columns(some, names, codes, beyond)
        except (TypeError, ValueError, LookupError, OverflowError):
            good, error = _good(some, names, codes, beyond)
            yield _columns(some[:good], names, codes, beyond)
        most = min(2 * most, _MOST_ROWS)
    raise error


def _columns(rows: Sequence[TapeRow], names: Sequence[str], codes: Mapping[str, int], beyond: int) -> RowBatch:
    import numpy as np

    levels = None
    if any(len(row) > len(_NAMES) for row in rows):
        if any(len(row) > len(_NAMES) + 1 for row in rows):
            raise ValueError("too many values")
        levels = _levels([row[7] if len(row) == 8 else None for row in rows], beyond)
        rows = [row[:7] for row in rows]
    ts_ns, order, symbol, *numbers = zip(*rows, strict=True) if rows else ((),) * len(_NAMES)
    # Arrays of the standard library take no text for a number, and no fraction for a whole one.
    bid, bid_size, ask, ask_size = (np.frombuffer(array("d", column)) for column in numbers)
    return RowBatch(
        ts_ns=np.frombuffer(array("q", ts_ns), dtype=np.int64),
        order=np.frombuffer(array("q", order), dtype=np.int64),
        symbol=np.array([codes[one] for one in symbol], dtype=np.intp),
        names=names,
        bid=bid,
        bid_size=bid_size,
        ask=ask,
        ask_size=ask_size,
        levels=levels,
    )


def _levels(rows: Sequence[Levels | None], beyond: int) -> Any:
    """Return the levels of some rows as a column; ``None`` if none are wanted."""
    if not beyond:
        return None
    checked = [None if levels is None else check_levels(levels, beyond, "levels") for levels in rows]
    return column_of(checked, beyond)


def column_of(rows: Sequence[Levels | None], beyond: int) -> Any:
    """Return the levels of some quotes as a column of so many, NaN where there are no more."""
    import numpy as np

    column = np.full((4, beyond, len(rows)), np.nan)
    for row, levels in enumerate(rows):
        for part, numbers in enumerate(() if levels is None else levels):
            shown = numbers[:beyond]
            column[part, : len(shown), row] = shown
    return column


def _good(
    rows: Sequence[TapeRow], names: Sequence[str], codes: Mapping[str, int], beyond: int
) -> tuple[int, Exception]:
    """Return how many rows come before the first that can't be taken for one, and why it can't."""
    for number, row in enumerate(rows):
        try:
            _columns([row], names, codes, beyond)
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            return number, error
    raise AssertionError("one of the rows can't be taken for one")


def ahead(batches: Iterator[RowBatch]) -> Generator[RowBatch, None, None]:
    """Yield them; a thread reads the next one meanwhile."""
    with ThreadPoolExecutor(1, "trioarb tape") as reader:
        reading = reader.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, batches, None)
            yield batch


def _first(batch: RowBatch, rows: int) -> RowBatch:
    columns = {name: getattr(batch, name)[:rows] for name in _NAMES}
    levels = None if batch.levels is None else batch.levels[:, :, :rows]
    return RowBatch(names=batch.names, levels=levels, **columns)


def in_order(batches: Iterator[RowBatch], most: int) -> Iterator[RowBatch]:
    """Pass batches on. Rows are numbered from 0.

    Raises:
        MarketDataError: a row comes before the one before it, or after more than ``most`` without time going on, as if
            time stood still, or more than ``most`` batches have none; all before that row was yielded.
    """
    import numpy as np

    empty = rows = first = 0  # batches without a row in turn; rows passed on; the first of those of the last time
    newest_ns: int | None = None
    for batch in batches:
        ts_ns = batch.ts_ns
        empty = 0 if len(ts_ns) else empty + 1
        if empty > most:
            raise MarketDataError(f"row {rows:,}: it does not come; {most:,} batches before it hold no row at all")
        falls = (ts_ns[1:] < ts_ns[:-1]).any() or (len(ts_ns) and newest_ns is not None and ts_ns[0] < newest_ns)
        if len(ts_ns) and not falls and rows + len(ts_ns) - first <= most:  # as a rule
            if ts_ns[-1] != newest_ns:
                first, newest_ns = rows + int(ts_ns.searchsorted(ts_ns[-1])), int(ts_ns[-1])
        elif len(ts_ns):
            steps_ns = np.diff(ts_ns, prepend=ts_ns[0] - 1 if newest_ns is None else newest_ns)
            fallen = (steps_ns < 0).nonzero()[0][:1]
            firsts = np.concatenate(([first], rows + (steps_ns > 0).nonzero()[0], [rows + len(ts_ns)]))
            stands = (firsts[:-1] + most)[np.diff(firsts) > most][:1] - rows
            if len(fallen) or len(stands):
                at = int(min([*fallen, *stands]))
                yield _first(batch, at)
                before_ns = newest_ns if at == 0 else int(ts_ns[at - 1])
                if at in fallen:
                    raise MarketDataError(
                        f"row {rows + at:,}: it comes at {int(ts_ns[at])} ns, the row before it at {before_ns} ns; "
                        "a tape's rows must be in order of time"
                    )
                raise MarketDataError(
                    f"row {rows + at:,}: time has stood still at {before_ns} ns for {most:,} rows before it; "
                    "mend the data, or raise engine.max_rows_of_one_time"
                )
            first, newest_ns = int(firsts[-2]), int(ts_ns[-1])
        rows += len(ts_ns)
        yield batch
