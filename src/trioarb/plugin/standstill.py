"""A tape whose time stands still: its rows would be played for ever, all at one time."""

from __future__ import annotations

from collections.abc import Iterator

from trioarb.errors import MarketDataError
from trioarb.plugin.contract import RowBatch, TapeRow

__all__ = ["Standstill"]


class Standstill:
    """Counts a tape's rows of one time, that of the highest so far; rows are numbered from 0.

    Raises (both methods):
        MarketDataError: more than ``most`` rows came without time going on.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._last_ns: int | None = None
        self._first = self._number = 0  # the first row of the last time, and the next row's number

    def rows(self, rows: Iterator[TapeRow]) -> Iterator[TapeRow]:
        """Pass rows on."""
        last_ns, first, most = None, 0, self._most
        for number, row in enumerate(rows):
            if last_ns is None or row[0] > last_ns:
                last_ns, first = row[0], number
            elif number - first >= most:
                raise self._error(number, last_ns)
            yield row

    def see(self, batch: RowBatch) -> None:
        """Count a batch's rows."""
        import numpy as np

        if not len(batch.ts_ns):
            return
        start, self._number = self._number, self._number + len(batch.ts_ns)
        before_ns = batch.ts_ns[0] - 1 if self._last_ns is None else self._last_ns
        highest_ns = np.maximum.accumulate(np.concatenate(([before_ns], batch.ts_ns)))
        steps = start + (highest_ns[1:] > highest_ns[:-1]).nonzero()[0]
        firsts = np.concatenate(([self._first], steps, [self._number]))
        too_long = np.diff(firsts) > self._most
        if too_long.any():
            number = int(firsts[too_long.argmax()]) + self._most
            raise self._error(number, int(highest_ns[number - start + 1]))
        self._first, self._last_ns = int(firsts[-2]), int(highest_ns[-1])

    def _error(self, number: int, at_ns: int) -> MarketDataError:
        return MarketDataError(
            f"row {number:,}: time has stood still at {at_ns} ns for {self._most:,} rows before it; "
            "mend the data, or raise engine.max_rows_of_one_time"
        )
