"""Write quotes to Parquet files, so that a crash costs no more than the last second.

Rows go to a growing part file first (an Arrow stream, readable up to where it breaks off). When the UTC day ends, when
a part has become large, and at the end, it becomes a Parquet file of the format that the recorded market plays.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from trioarb.errors import MarketDataError
from trioarb.model.market import Listing
from trioarb.plugin.contract import QuoteSink

__all__ = ["DAY_NS", "QuoteRecorder", "quote_schema", "recover", "stem_of"]

DAY_NS = 86_400 * 10**9
#: A part file with so many rows becomes a Parquet file.
_ROTATE_ROWS = 5_000_000
#: Rows that may wait to be written; what comes beyond them is lost, and counted.
_MOST_WAITING = 2_000_000
_SUFFIX = ".part"

_Row = tuple[int, str, float, float, float, float]


class QuoteRecorder:
    """Takes quotes from any number of sinks; `flush` writes what has come, from one thread at a time.

    Files are ``<folder>/<UTC day>/<venue>.<time of the first row>.parquet``. ``rows`` counts what was written, by venue
    and symbol; ``lost`` what was not, because the disk could not keep up.
    """

    def __init__(self, folder: Path) -> None:
        self.rows: Counter[tuple[str, str]] = Counter()
        self.lost = 0
        self.files: list[Path] = []
        self._folder = folder
        #: Filled by the sinks, emptied by `flush`, perhaps in another thread: both ends of a deque may be used at once.
        self._waiting: dict[str, deque[_Row]] = {}
        self._parts: dict[str, _Part] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def tap(self, venue: str, listing: Listing, sink: QuoteSink | None = None) -> QuoteSink:
        """Return a sink that records every quote, and passes it on."""
        waiting = self._waiting.setdefault(venue, deque())
        name = f"{listing.base}-{listing.quote}"

        def on_quote(bid: float, bid_size: float, ask: float, ask_size: float, received_ns: int) -> None:
            if len(waiting) < _MOST_WAITING:
                waiting.append((received_ns, name, bid, bid_size, ask, ask_size))
            else:
                self.lost += 1
            if sink is not None:
                sink(bid, bid_size, ask, ask_size, received_ns)

        return on_quote

    def flush(self) -> None:
        """Hand everything that has come to the system.

        Raises:
            MarketDataError: it can't be written.
        """
        for venue, waiting in self._waiting.items():
            for day_rows in _by_day([waiting.popleft() for _ in range(len(waiting))]):
                self._write(venue, day_rows)

    def close(self) -> None:
        """Write what is left, and make Parquet files of all parts.

        Raises:
            MarketDataError: it can't be written.
        """
        self.flush()
        for venue in list(self._parts):
            self._finish(venue)

    def _write(self, venue: str, rows: Sequence[_Row]) -> None:
        part = self._parts.get(venue)
        if part is not None and (part.day != rows[0][0] // DAY_NS or part.rows >= _ROTATE_ROWS):
            self._finish(venue)
            part = None
        try:
            if part is None:
                part = self._parts[venue] = _Part.begin(self._folder, venue, rows[0][0])
            part.write(rows)
        except OSError as error:
            raise MarketDataError(f"{self._folder}: can't be written: {error.strerror or error}") from error
        self.rows.update((venue, row[1]) for row in rows)

    def _finish(self, venue: str) -> None:
        part = self._parts.pop(venue)
        try:
            self.files.append(part.finish())
        except OSError as error:
            raise MarketDataError(f"{self._folder}: can't be written: {error.strerror or error}") from error


@attrs.define
class _Part:
    """A growing file of one venue. ``last_ns``: the time of its last row."""

    path: Path
    venue: str
    day: int
    file: BinaryIO
    stream: Any
    rows: int = 0
    last_ns: int = 0

    @classmethod
    def begin(cls, folder: Path, venue: str, first_ns: int) -> _Part:
        import pyarrow as pa

        stem, number = stem_of(folder, venue, first_ns), 1
        stem.parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = stem.with_name(f"{stem.name}{f'-{number}' if number > 1 else ''}{_SUFFIX}")
            number += 1
            if path.with_suffix(".parquet").exists():
                continue
            with suppress(FileExistsError):
                file = path.open("xb")
                break
        fcntl.flock(file, fcntl.LOCK_EX)
        if not path.exists():  # taken for a dead one's by a recorder that began at the same time
            file.close()
            return cls.begin(folder, venue, first_ns)
        return cls(path, venue, first_ns // DAY_NS, file, pa.ipc.new_stream(file, quote_schema()))

    def write(self, rows: Sequence[_Row]) -> None:
        import numpy as np
        import pyarrow as pa

        ts_ns, names, *numbers = zip(*rows, strict=True)
        # Rows of one venue are in the order in which they came; a clock that was set back must not undo that.
        times = np.maximum.accumulate(np.maximum(np.array(ts_ns, dtype=np.int64), self.last_ns))
        columns = [times, pa.array([self.venue] * len(rows)), pa.array(names), *map(np.array, numbers)]
        batch = pa.record_batch([*columns, pa.nulls(len(rows), pa.int64())], schema=quote_schema())
        self.stream.write_batch(batch)
        self.file.flush()
        self.rows += len(rows)
        self.last_ns = int(times[-1])

    def finish(self) -> Path:
        """Make it a Parquet file, and return that."""
        self.stream.close()
        self.file.flush()
        path = _to_parquet(self.path)
        self.path.unlink()
        self.file.close()
        return path


def stem_of(folder: Path, venue: str, first_ns: int) -> Path:
    """Return where a venue's quotes from a time on belong, without suffix."""
    moment = datetime.fromtimestamp(first_ns // 10**9, UTC)
    return folder / f"{moment:%Y-%m-%d}" / f"{venue}.{moment:%H%M%S}"


def recover(folder: Path) -> list[tuple[Path, int]]:
    """Make Parquet files of what recorders left that were killed; return them, and their rows.

    Raises:
        MarketDataError: it can't be written.
    """
    recovered = []
    for part in sorted(folder.glob(f"*/*{_SUFFIX}")):
        try:
            with part.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # it is being written
                path = _to_parquet(part)
                rows = _rows_of(path)
                if not rows:
                    path.unlink()
                part.unlink()
                if rows:
                    recovered.append((path, rows))
        except OSError as error:
            raise MarketDataError(f"{part}: can't be recovered: {error.strerror or error}") from error
    return recovered


def _rows_of(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _to_parquet(part: Path) -> Path:
    """Write what can be read of a part file as Parquet, under a name that no player reads until it is whole."""
    import pyarrow.parquet as pq

    path, building = part.with_suffix(".parquet"), part.with_suffix(".building")
    with pq.ParquetWriter(building, quote_schema(), compression="zstd") as writer:
        for batch in _batches(part):
            writer.write_batch(batch)
    with building.open("rb") as file:
        os.fsync(file.fileno())
    building.rename(path)
    return path


def _batches(part: Path) -> Iterator[Any]:
    import pyarrow as pa

    with part.open("rb") as file, suppress(pa.ArrowInvalid, OSError):
        yield from pa.ipc.open_stream(file)  # ends where it breaks off


def quote_schema() -> Any:
    """Return the columns of a recording, as pyarrow's schema."""
    import pyarrow as pa

    numbers = [(name, pa.float64()) for name in ("bid", "bid_size", "ask", "ask_size")]
    return pa.schema(
        [
            ("ts_ns", pa.int64()),
            ("exchange", pa.string()),
            ("symbol", pa.string()),
            *numbers,
            ("venue_ts_ns", pa.int64()),
        ]
    )


def _by_day(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    """Yield the rows of each UTC day."""
    first = 0
    for place in range(1, len(rows)):
        if rows[place][0] // DAY_NS != rows[first][0] // DAY_NS:
            yield rows[first:place]
            first = place
    if rows:
        yield rows[first:]
