"""A growing file of one venue's quotes, and the Parquet file that it becomes.

An Arrow stream, readable up to where it breaks off: a crash costs no more than the rows that were not written. The
Parquet file is of the format that the recorded market plays, and has its name only when it is whole.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import attrs

from trioarb.errors import MarketDataError
from trioarb.plugin.columns import column_of
from trioarb.plugin.contract import Levels
from trioarb.quotes.levels_file import column_names, levels_path

__all__ = ["DAY_NS", "WRITE_OPTIONS", "Part", "Row", "in_groups", "quote_schema", "recover", "stem_of", "to_parquet"]

SizedT = TypeVar("SizedT", bound=Sized)

DAY_NS = 86_400 * 10**9
#: Rows of a Parquet file that are compressed together.
_GROUP_ROWS = 131_072
_SUFFIX = ".part"
#: With a sum of each page, so that a flipped bit is noticed, and is not taken for another price.
WRITE_OPTIONS: Mapping[str, Any] = {"compression": "zstd", "write_page_checksum": True}

#: (ts_ns, symbol, bid, bid_size, ask, ask_size, venue_ts_ns, levels beyond the best)
Row = tuple[int, str, float, float, float, float, int | None, Levels | None]


@attrs.define
class Part:
    """A growing file of one venue, with so many levels ``beyond`` the best. ``last_ns``: the time of its last row."""

    path: Path
    venue: str
    day: int
    file: BinaryIO
    stream: Any
    beyond: int = 0
    rows: int = 0
    last_ns: int = 0

    @classmethod
    def begin(cls, folder: Path, venue: str, first_ns: int, beyond: int = 0) -> Part:
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
            return cls.begin(folder, venue, first_ns, beyond)
        return cls(path, venue, first_ns // DAY_NS, file, pa.ipc.new_stream(file, _part_schema(beyond)), beyond)

    def write(self, rows: Sequence[Row]) -> None:
        import numpy as np
        import pyarrow as pa

        ts_ns, names, *numbers, venue_ts_ns, levels = zip(*rows, strict=True)
        # Rows of one venue are in the order in which they came; a clock that was set back must not undo that.
        times = np.maximum.accumulate(np.maximum(np.array(ts_ns, dtype=np.int64), self.last_ns))
        prices = (np.array(column, dtype=np.float64) for column in numbers)
        columns = [times, pa.array([self.venue] * len(rows)), pa.array(names), *prices]
        columns.append(pa.array(venue_ts_ns, pa.int64()))
        if self.beyond:
            columns += list(column_of(levels, self.beyond).reshape(4 * self.beyond, len(rows)))
        batch = pa.record_batch(columns, schema=_part_schema(self.beyond))
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


def stem_of(folder: Path, venue: str, first_ns: int) -> Path:
    """Return where a venue's quotes from a time on belong, without suffix."""
    moment = datetime.fromtimestamp(first_ns // 10**9, UTC)
    return folder / f"{moment:%Y-%m-%d}" / f"{venue}.{moment:%H%M%S}"


def recover(folder: Path, *, is_hurried: Callable[[], bool] = lambda: False) -> list[tuple[Path, int]]:
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
                written = to_parquet(part, is_hurried=is_hurried)
                if written is None:
                    break
                part.unlink()
                path, rows = written
                if rows:
                    recovered.append(written)
                else:
                    path.unlink()
                    levels_path(path).unlink(missing_ok=True)
        except OSError as error:
            raise MarketDataError(f"{part}: can't be recovered: {error.strerror or error}") from error
    return recovered


def to_parquet(part: Path, *, is_hurried: Callable[[], bool]) -> tuple[Path, int] | None:
    """Write what can be read of a part file as Parquet, under a name that no player reads until it is whole.

    Return the file and its rows; ``None``, and leave nothing, if it had to hurry.

    Raises:
        OSError: it can't be written; nothing is left.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, rows, made = part.with_suffix(".parquet"), 0, dict[Path, Any]()
    #: What each file holds: the levels come first, so that no file of quotes is without those that belong to it.
    schemas = {path: quote_schema()}
    beyond = _beyond(part)
    if beyond:
        schemas = {levels_path(path): _levels_schema(beyond), **schemas}
    building = {file: file.with_name(f"{file.stem}.building") for file in schemas}
    try:
        with ExitStack() as stack:
            for file, schema in schemas.items():
                made[file] = stack.enter_context(pq.ParquetWriter(building[file], schema, **WRITE_OPTIONS))
            for batches in in_groups(_batches(part), _GROUP_ROWS):
                if is_hurried():
                    break
                table = pa.Table.from_batches(batches)
                for file, writer in made.items():
                    writer.write_table(table.select(schemas[file].names))
                rows += len(table)
        if is_hurried():
            for unfinished in building.values():
                unfinished.unlink()
            return None
        for file, whole in building.items():
            with whole.open("rb") as opened:
                os.fsync(opened.fileno())
            whole.rename(file)
    except OSError:
        for unfinished in building.values():
            with suppress(OSError):  # on a full disk, what it takes is wanted by others
                unfinished.unlink()
        raise
    return path, rows


def in_groups(parts: Iterable[SizedT], least: int) -> Iterator[list[SizedT]]:
    """Yield consecutive parts, so many together that they have at least so many rows; the last ones may have fewer."""
    some: list[SizedT] = []
    rows = 0
    for part in parts:
        some.append(part)
        rows += len(part)
        if rows >= least:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _batches(part: Path) -> Iterator[Any]:
    import pyarrow as pa

    with part.open("rb") as file, suppress(pa.ArrowInvalid, OSError):
        yield from pa.ipc.open_stream(file)  # ends where it breaks off


def _beyond(part: Path) -> int:
    """Return how many levels beyond the best a part file has, as far as it can be read."""
    import pyarrow as pa

    with part.open("rb") as file, suppress(pa.ArrowInvalid, OSError):
        return (len(pa.ipc.open_stream(file).schema) - len(quote_schema())) // 4
    return 0


def _part_schema(beyond: int) -> Any:
    import pyarrow as pa

    return pa.schema([*quote_schema(), *((name, pa.float64()) for name in column_names(beyond))])


def _levels_schema(beyond: int) -> Any:
    import pyarrow as pa

    return pa.schema([("ts_ns", pa.int64()), *((name, pa.float64()) for name in column_names(beyond))])


def quote_schema() -> Any:
    """Return the columns of a recording, as pyarrow's schema."""
    import pyarrow as pa

    numbers = [(name, pa.float64()) for name in ("bid", "bid_size", "ask", "ask_size")]
    names = [("exchange", pa.string()), ("symbol", pa.string())]
    return pa.schema([("ts_ns", pa.int64()), *names, *numbers, ("venue_ts_ns", pa.int64())])
