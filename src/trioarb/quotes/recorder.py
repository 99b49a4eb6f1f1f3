"""Write quotes to Parquet files, so that a crash costs no more than the last second.

Rows go to a growing part file first (an Arrow stream, readable up to where it breaks off). When the UTC day ends, when
a part has become large, and at the end, it becomes a Parquet file of the format that the recorded market plays, while
the rows that follow go to the next part.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import attrs

from trioarb.errors import MarketDataError
from trioarb.model.market import Listing
from trioarb.plugin.contract import QuoteSink
from trioarb.plugin.extras import require

__all__ = ["DAY_NS", "WRITE_OPTIONS", "QuoteRecorder", "quote_schema", "recover", "stem_of"]

DAY_NS = 86_400 * 10**9
#: A part file with so many rows becomes a Parquet file.
_ROTATE_ROWS = 5_000_000
#: Rows of a venue that may wait to be written; what comes beyond them is lost, and counted.
_MOST_WAITING = 2_000_000
#: Rows of a venue that wait until an inline recorder writes them.
_INLINE_ROWS = 65_536
#: Rows that are written in one go. Between two of them a thread that trades gets its turn.
_SLICE_ROWS = 4_096
#: Rows of a Parquet file that are compressed together.
_GROUP_ROWS = 131_072
_SUFFIX = ".part"
#: With a sum of each page, so that a flipped bit is noticed, and is not taken for another price.
WRITE_OPTIONS: Mapping[str, Any] = {"compression": "zstd", "write_page_checksum": True}

_Row = tuple[int, str, float, float, float, float, int | None]


class QuoteRecorder:
    """Takes quotes from any number of sinks, and writes them. A sink does no more than an append.

    Others write what waits: `flush` and `convert`, each in a thread, and beside one another. An ``inline`` recorder
    writes by itself, in the sinks, whenever much is waiting: for virtual time, which would go on while a thread works.

    Files are ``<folder>/<UTC day>/<venue>.<time of the first row>.parquet``. ``rows`` counts what was written, by venue
    and symbol. The first failure ends the recording for good: ``error`` says why, nothing more is taken, and what was
    written before stays in its part files. ``on_failure`` is called when an inline recorder fails.

    Raises:
        MarketDataError: the folder can't be made or written to, or another recorder writes there.
    """

    def __init__(self, folder: Path, *, inline: bool = False) -> None:
        # Loaded now: later it would hold up whatever goes on beside the recording.
        require("pyarrow.parquet", "recording quotes")

        self.folder = folder
        self.inline = inline
        self._lock = _held(folder)
        self.rows: Counter[tuple[str, str]] = Counter()
        self.files: list[Path] = []
        self.error: MarketDataError | None = None
        self.on_failure: Callable[[MarketDataError], None] = lambda error: None
        #: Whether all that came is in files, and nothing more will be.
        self.complete = False
        self._room = _INLINE_ROWS if inline else _MOST_WAITING
        #: Filled by the sinks, emptied by `flush`, perhaps in another thread: both ends of a deque may be used at once.
        self._waiting: dict[str, deque[_Row]] = {}
        self._parts: dict[str, _Part] = {}
        #: Parts that get no more rows, to be made Parquet files.
        self._ended: deque[_Part] = deque()
        #: Counted by the sinks, and by who writes.
        self._refused = self._unwritten = 0
        self._is_hurried = False
        self._writing, self._converting = Lock(), Lock()

    @property
    def waiting(self) -> int:
        return sum(map(len, list(self._waiting.values())))

    @property
    def lost(self) -> int:
        """How many quotes are in no file: the disk could not keep up, or recording has ended before them."""
        return self._refused + self._unwritten + (0 if self.error is None else self.waiting)

    @property
    def unconverted(self) -> int:
        """How many parts are to be made Parquet files."""
        return len(self._ended)

    @property
    def left(self) -> list[Path]:
        """The part files that there are."""
        return [part.path for part in (*self._ended, *self._parts.values())]

    def tap(self, venue: str, listing: Listing, sink: QuoteSink | None = None) -> QuoteSink:
        """Return a sink that records every quote, and passes it on."""
        waiting = self._waiting.setdefault(venue, deque())
        name = f"{listing.base}-{listing.quote}"

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            /,
        ) -> None:
            if len(waiting) < self._room or self._make_room():
                waiting.append((received_ns, name, bid, bid_size, ask, ask_size, venue_ts_ns))
            else:
                self._refused += 1
            if sink is not None:
                sink(bid, bid_size, ask, ask_size, received_ns, venue_ts_ns)

        return on_quote

    def flush(self) -> None:
        """Hand everything that has come to the system.

        Raises:
            MarketDataError: it can't be written; recording has ended.
        """
        with self._writing:
            for venue, waiting in list(self._waiting.items()):
                while waiting and self.error is None:
                    self._write(venue, [waiting.popleft() for _ in range(min(len(waiting), _SLICE_ROWS))])

    def convert(self) -> None:
        """Make Parquet files of the parts that get no more rows.

        Raises:
            MarketDataError: it can't be written; recording has ended.
        """
        with self._converting:
            while self._ended and self.error is None and not self._is_hurried:
                part = self._ended[0]
                try:
                    path = _to_parquet(part.path, is_hurried=lambda: self._is_hurried)
                    if path is None:
                        return
                    part.remove()
                except Exception as error:
                    raise self._fail(error) from error
                self.files.append(path)
                self._ended.popleft()

    def recover(self) -> list[tuple[Path, int]]:
        """Do what `recover` does in the recorder's folder; as `convert`, it can be hurried.

        Raises:
            MarketDataError: it can't be written; recording goes on.
        """
        with self._converting:
            return recover(self.folder, is_hurried=lambda: self._is_hurried or self.complete)

    def hurry(self) -> None:
        """Make no more Parquet files; let whoever makes some in another thread return."""
        self._is_hurried = True

    def close(self) -> None:
        """Write what is left, and make Parquet files of all parts; after a failure, or in a hurry, leave them.

        Raises:
            MarketDataError: it can't be written.
        """
        try:
            self.flush()
            with self._writing:
                self._room = 0
                for venue in list(self._parts) if self.error is None else ():
                    self._end(venue)
                self.complete = self.error is None
            self.convert()
        finally:
            for part in (*self._ended, *self._parts.values()):
                part.leave()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _make_room(self) -> bool:
        """Write what waits, if that is done inline; return whether there is room now."""
        if not self.inline or self.error is not None or self.complete:
            return False
        try:
            self.flush()
            self.convert()
        except MarketDataError as error:
            self.on_failure(error)
        return self.error is None

    def _write(self, venue: str, rows: Sequence[_Row]) -> None:
        unwritten = len(rows)
        try:
            for day_rows in _by_day(rows):
                part = self._parts.get(venue)
                if part is not None and (part.day != day_rows[0][0] // DAY_NS or part.rows >= _ROTATE_ROWS):
                    self._end(venue)
                    part = None
                if part is None:
                    part = self._parts[venue] = _Part.begin(self.folder, venue, day_rows[0][0])
                part.write(day_rows)
                unwritten -= len(day_rows)
                self.rows.update((venue, row[1]) for row in day_rows)
        except Exception as error:
            self._unwritten += unwritten
            raise self._fail(error) from error

    def _end(self, venue: str) -> None:
        try:
            self._parts[venue].end()
        except Exception as error:
            raise self._fail(error) from error
        self._ended.append(self._parts.pop(venue))

    def _fail(self, error: Exception) -> MarketDataError:
        """Take and write nothing more; return why."""
        if isinstance(error, MarketDataError):
            return error
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        self._room = 0
        failure = MarketDataError(f"{self.folder}: can't be written: {reason}")
        self.error = self.error or failure
        return failure


def _held(folder: Path) -> int | None:
    """Make a folder, and hold it until the descriptor is closed: two recordings of one market would count it twice."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise MarketDataError(f"{folder}: can't be written: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        os.close(lock)
        raise MarketDataError(f"{folder}: can't be written; record somewhere else")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise MarketDataError(
            f"{folder}: another recording is written there; end it, or record in another folder"
        ) from error
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


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
            with suppress(FileExistsError):
                file = path.open("xb")
                # Looked for afterwards: until the Parquet file is there, the part that it is made of is.
                if not path.with_suffix(".parquet").exists():
                    break
                path.unlink()
                file.close()
        fcntl.flock(file, fcntl.LOCK_EX)
        if not path.exists():  # taken for a dead one's by a recorder that began at the same time
            file.close()
            return cls.begin(folder, venue, first_ns)
        return cls(path, venue, first_ns // DAY_NS, file, pa.ipc.new_stream(file, quote_schema()))

    def write(self, rows: Sequence[_Row]) -> None:
        import numpy as np
        import pyarrow as pa

        ts_ns, names, *numbers, venue_ts_ns = zip(*rows, strict=True)
        # Rows of one venue are in the order in which they came; a clock that was set back must not undo that.
        times = np.maximum.accumulate(np.maximum(np.array(ts_ns, dtype=np.int64), self.last_ns))
        prices = (np.array(column, dtype=np.float64) for column in numbers)
        columns = [times, pa.array([self.venue] * len(rows)), pa.array(names), *prices]
        batch = pa.record_batch([*columns, pa.array(venue_ts_ns, pa.int64())], schema=quote_schema())
        self.stream.write_batch(batch)
        self.file.flush()
        self.rows += len(rows)
        self.last_ns = int(times[-1])

    def end(self) -> None:
        """Write no more."""
        self.stream.close()
        self.file.flush()

    def remove(self) -> None:
        """Delete it, now that it is a Parquet file."""
        self.path.unlink()
        self.file.close()

    def leave(self) -> None:
        """Leave it to who recovers it."""
        with suppress(OSError):
            self.file.close()


def _never() -> bool:
    return False


def stem_of(folder: Path, venue: str, first_ns: int) -> Path:
    """Return where a venue's quotes from a time on belong, without suffix."""
    moment = datetime.fromtimestamp(first_ns // 10**9, UTC)
    return folder / f"{moment:%Y-%m-%d}" / f"{venue}.{moment:%H%M%S}"


def recover(folder: Path, *, is_hurried: Callable[[], bool] = _never) -> list[tuple[Path, int]]:
    """Make Parquet files of what recorders left that were killed; return them, and their rows.

    What is not done by the time ``is_hurried`` says so is left as it is.

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
                path = _to_parquet(part, is_hurried=is_hurried)
                if path is None:
                    break
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


def _to_parquet(part: Path, *, is_hurried: Callable[[], bool]) -> Path | None:
    """Write what can be read of a part file as Parquet, under a name that no player reads until it is whole.

    Return ``None``, and leave nothing, if it had to hurry.
    """
    import pyarrow.parquet as pq

    path, building = part.with_suffix(".parquet"), part.with_suffix(".building")
    try:
        with pq.ParquetWriter(building, quote_schema(), **WRITE_OPTIONS) as writer:
            for table in _tables(part):
                if is_hurried():
                    break
                writer.write_table(table)
        if is_hurried():
            building.unlink()
            return None
        with building.open("rb") as file:
            os.fsync(file.fileno())
        building.rename(path)
    except OSError:
        with suppress(OSError):  # on a full disk, what it takes is wanted by others
            building.unlink()
        raise
    return path


def _tables(part: Path) -> Iterator[Any]:
    """Yield the rows in row groups: a batch is no more than a second's."""
    import pyarrow as pa

    some: list[Any] = []
    rows = 0
    for batch in _batches(part):
        some.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP_ROWS:
            yield pa.Table.from_batches(some)
            some, rows = [], 0
    if some:
        yield pa.Table.from_batches(some)


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
