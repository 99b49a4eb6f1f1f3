"""The second table of a recording: price levels beyond the best, in a Parquet file beside that of the quotes.

Row for row it belongs to the quotes, whose ``ts_ns`` it repeats. Its other columns are doubles: ``bid_2``,
``bid_size_2``, ``ask_2`` and ``ask_size_2`` of the second level, and so on; NaN where a quote has no more. Columns of
their own are read in two thirds of the time that lists take (``benchmarks/depth.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trioarb.errors import MarketDataError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["LevelsFile", "column_names", "is_levels_file", "levels_path"]

_SUFFIX = ".levels.parquet"
_PARTS = ("bid", "bid_size", "ask", "ask_size")
_NAME = re.compile(r"(bid|bid_size|ask|ask_size)_([0-9]+)")
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 1 << 20


def levels_path(quotes: Path) -> Path:
    """Return where the levels of a file of quotes are, if it has any."""
    return quotes.with_name(quotes.name.removesuffix(".parquet") + _SUFFIX)


def is_levels_file(path: Path) -> bool:
    return path.name.endswith(_SUFFIX)


def column_names(beyond: int) -> Sequence[str]:
    """Return the columns of so many levels, side by side as in a column of levels."""
    return [f"{part}_{number}" for part in _PARTS for number in range(2, beyond + 2)]


class LevelsFile:
    """An open file of levels, read from its first row on. ``beyond``: so many levels it has.

    Raises:
        MarketDataError: it can't be read, or isn't what its name says; always on one line.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        with self._translated():
            schema = pq.read_schema(path)
            self._parquet = pq.ParquetFile(
                path, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            )
        self.rows: int = self._parquet.metadata.num_rows
        self.beyond = self._beyond(schema)
        self._batches: Iterator[Any] | None = None
        self._batch: Any = None
        self._used = 0

    def close(self) -> None:
        self._parquet.close()

    def take(self, ts_ns: Array, beyond: int, index: Array | None) -> Array | None:
        """Read on: of the next rows, whose times are ``ts_ns``, return those at ``index`` as a column of ``beyond``
        levels; with ``None`` pass them over.

        Raises:
            MarketDataError: they are damaged, or belong to other quotes.
        """
        import numpy as np

        if self._batches is None:
            shown = min(beyond, self.beyond)
            with self._translated():
                names = ["ts_ns", *column_names(shown)]
                self._batches = self._parquet.iter_batches(batch_size=_BATCH_ROWS, columns=names)
        pieces = list(self._next(len(ts_ns)))
        times = np.concatenate([piece.column("ts_ns") for piece in pieces]) if pieces else np.empty(0, np.int64)
        if not np.array_equal(times, ts_ns):
            raise self.error("its times are not those of the quotes beside it; record both again, or delete it")
        if index is None:
            return None
        found, shown = np.full((4, beyond, len(index)), np.nan), min(beyond, self.beyond)
        for number, name in enumerate(column_names(shown)):
            with self._translated():
                columns = [piece.column(name).to_numpy(zero_copy_only=False) for piece in pieces]
            found[number // shown, number % shown] = np.concatenate(columns)[index]
        found.flags.writeable = False  # so it needs no copy
        return found

    def _next(self, rows: int) -> Iterator[Any]:
        """Yield the next rows, in pieces; fewer if there are no more."""
        assert self._batches is not None
        while rows:
            if self._batch is None or self._used == self._batch.num_rows:
                with self._translated():
                    self._batch, self._used = next(self._batches, None), 0
                if self._batch is None:
                    return
            piece = self._batch.slice(self._used, rows)
            self._used += piece.num_rows
            rows -= piece.num_rows
            yield piece

    def error(self, what: str) -> MarketDataError:
        return MarketDataError(f"{self.path}: {what}")

    def _beyond(self, schema: Any) -> int:
        """Return how many levels it has, whose columns are all there."""
        import pyarrow as pa

        found = [int(match[2]) for name in schema.names if (match := _NAME.fullmatch(name))]
        beyond = max(found, default=1) - 1
        wanted = {"ts_ns": pa.int64(), **dict.fromkeys(column_names(beyond), pa.float64())}
        wrong = [
            name for name, kind in wanted.items() if schema.names.count(name) != 1 or schema.field(name).type != kind
        ]
        if wrong or not beyond:
            raise self.error(
                f"lacks the column {wrong[0] if wrong else 'bid_2'}, or has it as another type; levels are ts_ns "
                "(int64) and, from 2 on, bid_N, bid_size_N, ask_N and ask_size_N (double)"
            )
        return beyond

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # pyarrow answers damage with whatever error it runs into.
        try:
            yield
        except Exception as error:
            said = str(error).strip().split("\n", 1)[0].rstrip(".") or type(error).__name__
            raise self.error(f"damaged Parquet file ({said}); record it again, or delete it") from error
