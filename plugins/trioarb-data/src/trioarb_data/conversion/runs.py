"""Sort more rows than memory holds: sorted runs in files, then one merge of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from trioarb.quotes.part import in_groups
from trioarb_data.conversion.rows import ROW

__all__ = ["Runs"]

#: Rows that are sorted in memory, and that are read of each run at a time; runs that are merged at a time.
_SORTED_ROWS = 1_000_000
_READ_ROWS = 16_384
_MERGED_RUNS = 64


@attrs.define
class _Run:
    path: Path
    last_ns: int


class Runs:
    """Takes rows in any order, and gives them back by ``ts_ns``; equal times keep the order in which they came.

    Rows that come in order make one run, however many they are; those that don't, one for every million rows. The
    files need about 52 bytes a row in ``folder``.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self._folder = folder
        self._runs: list[_Run] = []
        self._files = 0

    def fill(self, parts: Iterable[Any]) -> None:
        """Take arrays of `ROW`.

        Raises:
            OSError: it can't be written.
        """
        for some in in_groups(parts, _SORTED_ROWS):
            rows = np.concatenate(some)
            if not len(rows):
                continue
            self.rows += len(rows)
            if (rows["ts_ns"][1:] < rows["ts_ns"][:-1]).any():
                rows = rows[np.argsort(rows["ts_ns"], kind="stable")]
            if not self._runs or rows["ts_ns"][0] < self._runs[-1].last_ns:
                self._runs.append(_Run(self._new_path(), 0))
            self._append(self._runs[-1], rows)

    def sorted(self) -> Iterator[Any]:
        """Yield all rows in order, in arrays; call it once.

        Raises:
            OSError: while iterating; what was written can't be read, or no more be written.
        """
        while len(self._runs) > _MERGED_RUNS:
            # Neighbours are merged, so that the order of runs stays that in which their rows came.
            self._runs = [
                self._merge_into_one(self._runs[place : place + _MERGED_RUNS])
                for place in range(0, len(self._runs), _MERGED_RUNS)
            ]
        yield from _merged(self._runs)

    def _new_path(self) -> Path:
        self._files += 1
        return self._folder / f"run-{self._files}"

    def _append(self, run: _Run, rows: Any) -> None:
        with run.path.open("ab") as file:
            file.write(rows.tobytes())
        run.last_ns = int(rows["ts_ns"][-1])

    def _merge_into_one(self, runs: Sequence[_Run]) -> _Run:
        merged = _Run(self._new_path(), 0)
        for rows in _merged(runs):
            self._append(merged, rows)
        for run in runs:
            run.path.unlink()
        return merged


def _merged(runs: Sequence[_Run]) -> Iterator[Any]:
    """Yield the rows of sorted runs in order; at equal times those of an earlier run come first."""
    readers = [_read(run.path) for run in runs]
    heads = [next(reader) for reader in readers]
    while heads:
        # What is still to come can't be earlier than the end of the head that ends first, and no other head is used up.
        first = min(range(len(heads)), key=lambda place: (heads[place]["ts_ns"][-1], place))
        end_ns = heads[first]["ts_ns"][-1]
        ready = []
        for place, head in enumerate(heads):
            count = int(np.searchsorted(head["ts_ns"], end_ns, side="right" if place <= first else "left"))
            ready.append(head[:count])
            heads[place] = head[count:]
        rows = np.concatenate(ready)
        yield rows[np.argsort(rows["ts_ns"], kind="stable")]
        heads[first] = next(readers[first], heads[first])
        if not len(heads[first]):
            del heads[first], readers[first]


def _read(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while len(rows := np.fromfile(file, ROW, _READ_ROWS)):
            yield rows
