"""Write rows of quotes, in order of their times, to one Parquet file or to a folder of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trioarb.quotes.part import DAY_NS, WRITE_OPTIONS, quote_schema, stem_of
from trioarb_data.conversion.column import ABSENT_NS
from trioarb_data.conversion.rows import NUMBERS

__all__ = ["GROUP_ROWS", "DayWriter", "FileWriter"]

#: So many rows at least are written at a time: they are compressed together.
GROUP_ROWS = 262_144


class FileWriter:
    """Writes one file. ``pairs`` are exchange and symbol of each code; it may grow meanwhile."""

    def __init__(self, path: Path, pairs: Sequence[tuple[str, str]]) -> None:
        self.path = path
        self._pairs = pairs
        self._writer = pq.ParquetWriter(path, quote_schema(), **WRITE_OPTIONS)

    def write(self, rows: Any) -> None:
        """Write an array of `ROW`, none earlier than those before.

        Raises:
            OSError: it can't be written.
        """
        exchanges, symbols = (pa.array(names, pa.string()) for names in zip(*self._pairs, strict=True))
        codes = pa.array(rows["pair"])
        venue_ts_ns = np.ascontiguousarray(rows["venue_ts_ns"])
        columns = {
            "ts_ns": np.ascontiguousarray(rows["ts_ns"]),
            "exchange": exchanges.take(codes),
            "symbol": symbols.take(codes),
            **{name: np.ascontiguousarray(rows[name]) for name in NUMBERS},
            "venue_ts_ns": pa.array(venue_ts_ns, mask=venue_ts_ns == ABSENT_NS),
        }
        self._writer.write_table(pa.table(columns, schema=quote_schema()))

    def close(self) -> None:
        """Bring all of it to the disk.

        Raises:
            OSError: it can't be written.
        """
        self._writer.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())


class DayWriter:
    """Writes a folder as recordings are: ``<folder>/<UTC day>/<venue>.<time of the first row>.parquet``."""

    def __init__(self, folder: Path, pairs: Sequence[tuple[str, str]]) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._pairs = pairs
        self._day = 0
        self._writers: dict[str, FileWriter] = {}

    def write(self, rows: Any) -> None:
        """Write an array of `ROW`, none earlier than those before.

        Raises:
            OSError: it can't be written.
        """
        days = rows["ts_ns"] // DAY_NS
        for day in np.unique(days):
            if day != self._day:
                self.close()
                self._day = int(day)
            of_day = rows[days == day]
            exchanges = np.array([exchange for exchange, _ in self._pairs])[of_day["pair"]]
            for exchange in np.unique(exchanges):
                self._write(str(exchange), of_day[exchanges == exchange])

    def close(self) -> None:
        """Finish the files of the day.

        Raises:
            OSError: they can't be written.
        """
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write(self, exchange: str, rows: Any) -> None:
        writer = self._writers.get(exchange)
        if writer is None:
            stem = stem_of(self._folder, exchange, int(rows["ts_ns"][0]))
            stem.parent.mkdir(parents=True, exist_ok=True)
            writer = self._writers[exchange] = FileWriter(stem.with_name(f"{stem.name}.parquet"), self._pairs)
            self.paths.append(writer.path)
        writer.write(rows)
