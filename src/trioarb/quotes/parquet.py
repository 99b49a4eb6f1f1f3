"""A Parquet file of quotes, and what it holds.

One row is one quote; the columns are ``ts_ns``, ``exchange``, ``symbol`` (``BASE-QUOTE``), ``bid``, ``bid_size``,
``ask`` and ``ask_size``, sorted by ``ts_ns``; ``venue_ts_ns``, the venue's own time, may be there. Times are integers
or timestamps, numbers doubles or decimals. The file is checked as a whole when it is scanned, except for the quotes:
those are passed on as they are, a null as NaN, for the engine to accept, or to refuse and count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.errors import MarketDataError
from trioarb.plugin.extras import require
from trioarb.quotes.cache_folder import read_note, write_note
from trioarb.quotes.exact import (
    EARLIEST_NS,
    doubles,
    latest_ns,
    nanoseconds,
    number_problem,
    text_problem,
    time_problem,
    unit_that_fits,
)
from trioarb.quotes.levels_file import LevelsFile, is_levels_file, levels_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer[Any]]

__all__ = [
    "FileContents",
    "QuoteFile",
    "Scanned",
    "files_below",
    "first_line",
    "quote_files",
    "scan_quotes",
    "stamp_of",
]

_NAMES = ("exchange", "symbol")
_NUMBERS = ("bid", "bid_size", "ask", "ask_size")
_COLUMNS = ("ts_ns", *_NAMES, *_NUMBERS)
_PRICES = ("bid", "ask")
_VENUE_TIME = "venue_ts_ns"
#: Up to here a double holds every integer, and every power of ten with so many zeros.
_MOST_EXACT, _MOST_DECIMALS = 2**53, 22
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 1 << 20
_MAGIC = b"PAR1"
#: Changes with what is checked; what passed other rules is scanned again.
_RULES = 3


class QuoteFile:
    """An open Parquet file of quotes. Whatever is wrong with it is raised as MarketDataError, on one line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parquet = self._open()

    def error(self, what: str) -> MarketDataError:
        return MarketDataError(f"{self.path}: {what}")

    def close(self) -> None:
        self._parquet.close()

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """Yield record batches of these columns, in file order."""
        with self._translated():
            batches = self._parquet.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns))
        while True:
            with self._translated():
                batch = next(batches, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    @property
    def has_venue_time(self) -> bool:
        """Whether there is a column ``venue_ts_ns`` of times."""
        schema = self._parquet.schema_arrow
        return schema.names.count(_VENUE_TIME) == 1 and not time_problem(schema.field(_VENUE_TIME).type)

    @property
    def has_levels(self) -> bool:
        """Whether there are levels beyond the best beside it."""
        return levels_path(self.path).is_file()

    @property
    def depth(self) -> int:
        """How many levels a side there are."""
        if not self.has_levels:
            return 1
        with closing(LevelsFile(levels_path(self.path))) as levels:
            return levels.beyond + 1

    def rows_of(
        self,
        exchange: str,
        symbols: Mapping[str, int],
        start_ns: int,
        *,
        with_venue_time: bool = False,
        depth: int = 1,
    ) -> Iterator[dict[str, Any]]:
        """Yield what an exchange quotes of ``symbols`` (the file's names, to codes) from ``start_ns`` on, in parts.

        The columns are ``ts_ns``, ``order`` (places in the file), ``symbol`` (codes), prices and sizes (a null is NaN);
        ``with_venue_time`` also ``venue_ts_ns`` (-1 where it is absent), which the file must have. With a ``depth``
        above 1 also ``levels``, of the shape (4, depth − 1, rows), if there are any beside the file.

        Raises:
            MarketDataError: while iterating; a part of the file is damaged.
        """
        if depth == 1 or not self.has_levels:
            yield from self._rows_of(exchange, symbols, start_ns, with_venue_time, None, depth)
            return
        with closing(LevelsFile(levels_path(self.path))) as levels:
            if levels.rows != self._parquet.metadata.num_rows:
                raise levels.error(f"holds {levels.rows:,} rows, and {self.path.name} does not; record both again")
            yield from self._rows_of(exchange, symbols, start_ns, with_venue_time, levels, depth)

    def _rows_of(
        self,
        exchange: str,
        symbols: Mapping[str, int],
        start_ns: int,
        with_venue_time: bool,
        levels: LevelsFile | None,
        depth: int,
    ) -> Iterator[dict[str, Any]]:
        import numpy as np

        def pass_over(ts: Any) -> None:
            if levels is not None:
                levels.take(ts, depth - 1, None)

        offset = 0
        for batch in self.batches((*_COLUMNS, _VENUE_TIME) if with_venue_time else _COLUMNS):
            ts = self.times(batch.column("ts_ns"))
            first, offset = offset, offset + len(ts)
            if ts[-1] < start_ns:
                pass_over(ts)
                continue
            exchange_codes, exchange_names = self.names(batch.column("exchange"))
            symbol_codes, symbol_names = self.names(batch.column("symbol"))
            if exchange not in exchange_names:
                pass_over(ts)
                continue
            code_of = np.array([symbols.get(name, -1) for name in symbol_names], dtype=np.int64)
            codes = code_of[symbol_codes]
            index = np.flatnonzero((exchange_codes == exchange_names.index(exchange)) & (codes >= 0) & (ts >= start_ns))
            if not len(index):
                pass_over(ts)
            else:
                numbers = {name: self.numbers(batch.column(name))[index] for name in _NUMBERS}
                if with_venue_time:
                    numbers[_VENUE_TIME] = self.times(batch.column(_VENUE_TIME))[index]
                if levels is not None:
                    numbers["levels"] = levels.take(ts, depth - 1, index)
                yield {"ts_ns": ts[index], "order": index + first, "symbol": codes[index], **numbers}

    def times(self, column: Any) -> Integers:
        """Return a column of times in nanoseconds, an absent one as −1."""
        with self._translated():
            times: Integers = nanoseconds(column).fill_null(-1).to_numpy()
            return times

    def numbers(self, column: Any) -> Any:
        """Return a column of numbers as doubles, an absent one as NaN."""
        with self._translated():
            return doubles(column).to_numpy(zero_copy_only=False)

    def names(self, column: Any) -> tuple[Integers, list[str]]:
        """Return a column of text as codes per row, and the text of each code."""
        with self._translated():
            # Damage without a checksum may decode to codes that stand for nothing.
            column.validate(full=True)
            return column.indices.to_numpy(), column.dictionary.to_pylist()

    def _open(self) -> Any:
        self._check_file()
        require("pyarrow.parquet", f"{self.path}: a file of quotes")
        import pyarrow.parquet as pq

        with self._translated():
            schema = pq.read_schema(self.path)
        self._check_columns(schema)
        with self._translated():
            return pq.ParquetFile(
                self.path,
                # Text as codes: a file repeats a handful of names millions of times.
                read_dictionary=list(_NAMES),
                # A file can be one row group: without these two, pyarrow holds whole row groups in memory.
                buffer_size=_BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            )

    def _check_file(self) -> None:
        try:
            if is_levels_file(self.path):
                raise self.error("holds levels, which belong to the file of quotes beside it; name that")
            if self.path.is_dir():
                raise self.error("is a directory; `path` must name one Parquet file")
            if not self.path.exists():
                raise self.error(
                    f"no such file; a relative `path` starts at the current directory, {os.getcwd()}; "
                    'for all venues: --set "exchanges.*.market.path=FILE"'
                )
            # Opening a pipe would wait for its writer.
            if not self.path.is_file():
                raise self.error("not a regular file; `path` must name one Parquet file")
            with self.path.open("rb") as file:
                head = file.read(len(_MAGIC))
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - len(_MAGIC)))
                tail = file.read()
        except (OSError, ValueError) as error:
            raise self.error(f"can't be read: {first_line(error)}") from error
        if not head:
            raise self.error("the file is empty; record or copy it again")
        if head != _MAGIC:
            raise self.error("not a Parquet file; `path` must name a Parquet file of quotes")
        if tail != _MAGIC or size < 3 * len(_MAGIC):
            raise self.error(f"truncated: the end of the Parquet file is missing at {size} bytes; copy it again")

    def _check_columns(self, schema: Any) -> None:
        needs = "a file of quotes needs " + ", ".join(_COLUMNS)
        missing = [name for name in _COLUMNS if name not in schema.names]
        if missing:
            has = ", ".join(schema.names) or "no columns"
            raise self.error(f"lacks {_columns(missing)} (it has {has}); {needs}")
        double = [name for name in _COLUMNS if schema.names.count(name) > 1]
        if double:
            raise self.error(f"has {_columns(double)} more than once; {needs}, once each")
        check_of = {
            "ts_ns": time_problem,
            **dict.fromkeys(_NAMES, text_problem),
            **dict.fromkeys(_NUMBERS, number_problem),
        }
        checked = {name: check(schema.field(name).type) for name, check in check_of.items()}
        wrong = [f"{name} {problem}" for name, problem in checked.items() if problem]
        if wrong:
            raise self.error(f"wrong column types: {'; '.join(wrong)}; write the file again with these types")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # pyarrow answers damage with whatever error it runs into: of its own, OSError, KeyError, UnicodeDecodeError.
        try:
            yield
        except Exception as error:
            raise self.error(f"damaged Parquet file ({first_line(error)}); record or copy it again") from error


@attrs.frozen(kw_only=True)
class FileContents:
    """What a file holds of one exchange: rows, first and last time, its symbols, as the file calls them, and with how
    many digits behind the point their prices are.
    """

    rows: int
    start_ns: int
    end_ns: int
    symbols: tuple[str, ...]
    decimals: tuple[int, ...]


@attrs.frozen(kw_only=True)
class Scanned:
    """What a file holds: rows, its first time, and contents by exchange."""

    rows: int
    start_ns: int
    exchanges: Mapping[str, FileContents]


def stamp_of(path: Path) -> tuple[int, ...]:
    """Return what is no longer the same when a file was changed.

    A corrected copy may have the size and the modification time of what it replaces.

    Raises:
        OSError: it can't be looked at.
    """
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def scan_quotes(path: Path) -> Scanned:
    """Check times and names of the whole file, in one pass and in constant memory; once, unless it was changed.

    Raises:
        MarketDataError: it can't be read, or breaks a rule.
    """
    with suppress(OSError):
        return _scan_once(path, stamp_of(path))
    with closing(QuoteFile(path)) as file:  # says what is wrong
        return _scan(file)


@lru_cache(maxsize=4_096)
def _scan_once(path: Path, stamp: tuple[int, ...]) -> Scanned:
    """Scan a file, unless this very file was scanned before, by whatever process."""
    what = f"scanned {_RULES} {path.resolve()} {stamp}"
    noted = read_note(what, Scanned)
    if noted is not None:
        return noted
    with closing(QuoteFile(path)) as file:
        scanned = _scan(file)
    write_note(what, scanned)
    return scanned


@attrs.define
class _Quoted:
    """What a file holds of one symbol of an exchange."""

    start_ns: int
    end_ns: int = 0
    rows: int = 0
    decimals: int = 0


def _scan(file: QuoteFile) -> Scanned:
    import numpy as np

    rows, last_ns = 0, None
    found: dict[str, dict[str, _Quoted]] = {}
    for batch in file.batches(("ts_ns", *_NAMES, *_PRICES)):
        for name in ("ts_ns", *_NAMES):
            if batch.column(name).null_count:
                row = rows + int(np.argmax(batch.column(name).is_null().to_numpy(zero_copy_only=False)))
                raise file.error(f"row {row} has no {name}; every row needs one, remove it or record the file again")
        ts = file.times(batch.column("ts_ns"))
        _check_order(file, ts, last_ns, rows)
        _check_unit(file, ts, rows)
        exchange_codes, exchanges = file.names(batch.column("exchange"))
        symbol_codes, symbols = file.names(batch.column("symbol"))
        pairs = exchange_codes.astype(np.int64) * len(symbols) + symbol_codes
        counts = np.bincount(pairs, minlength=len(exchanges) * len(symbols))
        first, last, decimals = np.full(len(counts), len(ts)), *np.zeros((2, len(counts)), dtype=np.int64)
        np.minimum.at(first, pairs, np.arange(len(ts)))
        np.maximum.at(last, pairs, np.arange(len(ts)))
        here: list[tuple[int, _Quoted]] = []
        for pair in sorted(counts.nonzero()[0].tolist(), key=first.__getitem__):
            of_exchange = found.setdefault(exchanges[pair // len(symbols)], {})
            one = of_exchange.setdefault(symbols[pair % len(symbols)], _Quoted(int(ts[first[pair]])))
            one.end_ns, one.rows = int(ts[last[pair]]), one.rows + int(counts[pair])
            decimals[pair] = one.decimals
            here.append((pair, one))
        _raise_decimals(decimals, [file.numbers(batch.column(name)) for name in _PRICES], pairs)
        for pair, one in here:
            one.decimals = int(decimals[pair])
        rows, last_ns = rows + len(ts), int(ts[-1])
    if not rows:
        raise file.error("holds no rows; record it again or name another file")
    contents = {
        exchange: FileContents(
            rows=sum(one.rows for one in quoted.values()),
            start_ns=min(one.start_ns for one in quoted.values()),
            end_ns=max(one.end_ns for one in quoted.values()),
            symbols=tuple(quoted),
            decimals=tuple(one.decimals for one in quoted.values()),
        )
        for exchange, quoted in found.items()
    }
    return Scanned(rows=rows, start_ns=min(one.start_ns for one in contents.values()), exchanges=contents)


def _raise_decimals(decimals: Integers, prices: Sequence[Any], pairs: Integers) -> None:
    """Raise the digits behind the point that are known of each pair to those that its prices have."""
    import numpy as np

    powers = np.array([float(10**count) for count in range(_MOST_DECIMALS + 1)])
    is_crossed = prices[0] > prices[1]  # such rows are refused
    for column in prices:
        rest, of, is_price = column, pairs, None
        while len(rest):
            scale = powers[decimals][of]
            scaled = rest * scale
            # Both are exact, so their quotient is the double nearest to the decimal.
            more = np.rint(scaled) / scale != rest
            if is_price is None:
                more[more] = is_price = (column[more] > 0) & np.isfinite(column[more]) & ~is_crossed[more]
            if more.any():
                more &= (np.abs(scaled) < _MOST_EXACT) & (decimals[of] < _MOST_DECIMALS)
            rest, of = rest[more], of[more]
            decimals[np.unique(of)] += 1


def _check_order(file: QuoteFile, ts: Integers, last_ns: int | None, offset: int) -> None:
    if last_ns is not None and ts[0] < last_ns:
        row, before = offset, last_ns
    else:
        falls = ts[1:] < ts[:-1]
        if not falls.any():
            return
        index = int(falls.argmax()) + 1
        row, before = offset + index, int(ts[index - 1])
    raise file.error(
        f"not sorted by ts_ns: row {row} has {int(ts[row - offset])}, the row before it {before} "
        "(rows count from 0); sort the file by ts_ns"
    )


def _check_unit(file: QuoteFile, ts: Integers, offset: int) -> None:
    """Complain about times, in order, that can't be nanoseconds."""
    latest = latest_ns()
    if ts[0] >= EARLIEST_NS and ts[-1] < latest:
        return
    row = 0 if ts[0] < EARLIEST_NS else int(ts.searchsorted(latest))
    unit = unit_that_fits(int(ts[row]))
    remedy = f"; they seem to be {unit}: trioarb data convert {file.path} --time-unit {unit} --out NEW" if unit else ""
    raise file.error(
        f"row {offset + row} has the ts_ns {int(ts[row])}: times before 2009 or after tomorrow are not nanoseconds"
        f"{remedy or '; mend the file'}"
    )


def _columns(names: Sequence[str]) -> str:
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def first_line(error: Exception) -> str:
    """Return what an error of a library says, on one line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.strip().split("\n", 1)[0].rstrip(".") or type(error).__name__


def quote_files(path: Path) -> Sequence[Path]:
    """Return a file, or all Parquet files below a folder, those of linked folders included.

    Raises:
        MarketDataError: the folder can't be read, or holds none.
    """
    if not path.is_dir():
        return [path]
    found = [file for file in files_below(path) if file.suffix == ".parquet" and not is_levels_file(file)]
    if not found:
        raise MarketDataError(f"{path}: holds no .parquet file; `path` must name a file of quotes, or a folder of them")
    return found


def files_below(folder: Path) -> Sequence[Path]:
    """Return all files below a folder in order of their names. Linked folders are followed, each folder once.

    Raises:
        MarketDataError: the folder, or one in it, can't be read.
    """

    def fail(error: OSError) -> None:
        raise MarketDataError(f"{error.filename}: can't be read: {first_line(error)}") from error

    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for here, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        try:
            status = os.stat(here)
        except OSError as error:
            fail(error)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        found += [Path(here, name) for name in names]
    return sorted(found)
