"""Files to convert: CSV, plain or compressed or in a zip archive, and Parquet; read in parts, in bounded memory."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from trioarb.errors import MarketDataError
from trioarb.quotes.exact import plain
from trioarb.quotes.parquet import files_below, first_line

__all__ = ["Source", "open_sources"]

_SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".zip", ".parquet")
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 1 << 20
#: A header line is no longer.
_HEADER_BYTES = 1 << 16


@attrs.frozen(kw_only=True)
class Source:
    """A table to convert: a file, or a member of a zip archive. ``name`` is for messages.

    ``header``: the columns of a CSV file, if it has no header line.
    """

    path: Path
    name: str
    member: str = ""
    header: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return Path(self.member or self.path).name

    def columns(self) -> Sequence[str]:
        """Return the names of the columns.

        Raises:
            MarketDataError: it can't be read, is empty, or has two columns of one name.
        """
        with self._translated():
            names = list(pq.read_schema(self.path).names) if self._is_parquet() else self._csv_columns()[0]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise MarketDataError(f"{self.name}: has more than one column {', '.join(twice)}; rename them")
        return names

    def batches(self, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Yield the cells of these columns, a part of the rows at a time: text if it is CSV, an empty cell is null.

        Raises:
            MarketDataError: it is damaged; names the row where that can be said.
        """
        batches = self._parquet(columns) if self._is_parquet() else self._csv(columns)
        with closing(batches):
            while True:
                with self._translated():
                    batch = next(batches, None)
                if batch is None:
                    return
                yield {name: plain(batch.column(name)) for name in columns}

    def _is_parquet(self) -> bool:
        return not self.member and _head(self.path) == _PARQUET

    def _parquet(self, columns: Sequence[str]) -> Generator[Any, None, None]:
        # A file can be one row group: without the last two, pyarrow holds whole row groups in memory.
        options = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False, "page_checksum_verification": True}
        with pq.ParquetFile(self.path, **options) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns))

    def _csv_columns(self) -> tuple[list[str], bool]:
        """Return the columns, and whether they are the file's first line."""
        with self._opened() as file:
            line, newline, _ = file.read(_HEADER_BYTES).partition(b"\n")
        if not line.strip():
            raise MarketDataError(f"{self.name}: the file is empty, or begins with an empty line")
        if not newline and len(line) == _HEADER_BYTES:
            raise MarketDataError(f"{self.name}: no CSV file: its first line does not end")
        names = next(csv.reader([line.decode("utf-8-sig").rstrip("\r")]))
        if self.header and names[0].strip().isdigit():
            if len(names) != len(self.header):
                raise MarketDataError(
                    f"{self.name}: has no header line, and {len(names)} columns, not {len(self.header)}: "
                    f"{', '.join(self.header)}; put a header line before it"
                )
            return list(self.header), False
        return names, True

    def _csv(self, columns: Sequence[str]) -> Generator[Any, None, None]:
        names, has_header = self._csv_columns()
        broken: list[Any] = []

        def on_broken_row(row: Any) -> str:
            broken.append(row)
            return "error"

        with self._opened() as file:
            try:
                # Rows are counted only where one thread reads them.
                yield from pa_csv.open_csv(
                    file,
                    pa_csv.ReadOptions(column_names=names, skip_rows=int(has_header), use_threads=False),
                    pa_csv.ParseOptions(invalid_row_handler=on_broken_row),
                    pa_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()),
                        include_columns=list(columns),
                        strings_can_be_null=True,
                        null_values=[""],
                    ),
                )
            except pa.ArrowInvalid as error:
                if not broken:
                    raise
                row = broken[0]
                raise MarketDataError(
                    f"{self.name}: row {row.number - has_header:,} has {row.actual_columns} cells, not "
                    f"{row.expected_columns}: {row.text!r}; mend or remove it, or copy the file again "
                    "(rows count from 1, without the header)"
                ) from error

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.member:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
                yield member
            return
        head = _head(self.path)
        compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
        with pa.OSFile(str(self.path)) as file:
            if compression is None:
                yield file
                return
            with pa.CompressedInputStream(file, compression) as stream:
                yield stream

    @contextmanager
    def _translated(self) -> Iterator[None]:
        # pyarrow and zipfile answer damage with whatever error they run into.
        try:
            yield
        except MarketDataError:
            raise
        except Exception as error:
            raise MarketDataError(f"{self.name}: can't be read ({first_line(error)}); copy it again") from error


def open_sources(path: Path, header: tuple[str, ...]) -> Sequence[Source]:
    """Return the tables of a file, of a zip archive, or of all files below a folder, in order of their names.

    Raises:
        MarketDataError: there is none, or it can't be read.
    """
    try:
        if path.is_dir():
            files = [file for file in files_below(path) if file.name.lower().endswith(_SUFFIXES)]
            if not files:
                raise MarketDataError(f"{path}: holds no file that ends in {', '.join(_SUFFIXES)}")
            return [source for file in files for source in open_sources(file, header)]
        if path.exists() and not path.is_file():
            raise MarketDataError(f"{path}: not a regular file")
        if _head(path) != _ZIP:
            return [Source(path=path, name=str(path), header=header)]
        with zipfile.ZipFile(path) as archive:
            members = sorted(name for name in archive.namelist() if name.lower().endswith(".csv"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise MarketDataError(f"{path}: can't be read: {first_line(error)}") from error
    if not members:
        raise MarketDataError(f"{path}: the archive holds no .csv file; unpack it, and name the file itself")
    return [Source(path=path, member=name, name=f"{path}/{name}", header=header) for name in members]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_PARQUET))
