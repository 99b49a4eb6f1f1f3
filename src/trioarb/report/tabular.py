"""Write rows as they come to CSV or Parquet; memory does not depend on how many there are."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import IO, Any, Protocol, Self

from trioarb.errors import ConfigError, ExportError
from trioarb.model.number import text
from trioarb.plugin.extras import require
from trioarb.report.plain import iso_time
from trioarb.report.schema import TABLES, Column, Kind, Table
from trioarb.settings.problem import Problem

__all__ = ["Export", "Format"]

_ROWS_A_GROUP = 5_000


class Format(Enum):
    PARQUET = "parquet"
    CSV = "csv"


class _Writer(Protocol):
    def put(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None:
        """Write what is left."""

    def release(self) -> None:
        """Let go of the file, which is whole only if it was closed."""


class Export:
    """Tables in a folder, those of a journal as a rule. They get their names when they are whole, at the end of the
    context.

    ``as_text``: decimals in Parquet are text. ``rows`` counts them by table.
    """

    def __init__(
        self,
        folder: Path,
        kind: Format,
        *,
        as_text: bool = False,
        replace: bool = False,
        tables: Sequence[Table] = TABLES,
    ) -> None:
        """Check that it can be written.

        Raises:
            ConfigError: a file is there already, and is not to be replaced.
            MissingPackage: Parquet needs pyarrow.
        """
        if kind is Format.PARQUET:
            require("pyarrow.parquet", "--format parquet")
        self.paths = {table.name: folder / f"{table.name}.{kind.value}" for table in tables}
        taken = [path for path in self.paths.values() if os.path.lexists(path)]
        if taken and not replace:
            raise ConfigError(
                [
                    Problem(file="--out", message="is there already; --force replaces it", value=str(path))
                    for path in taken
                ]
            )
        self.rows = dict.fromkeys(self.paths, 0)
        self._tables = tables
        self._folder = folder
        self._kind = kind
        self._as_text = as_text
        self._parts = ExitStack()
        self._files = ExitStack()
        self._writers: dict[str, _Writer] = {}

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        """Add a row to a table; a column that it doesn't name is empty.

        Raises:
            ExportError: a value does not fit its column.
        """
        self.rows[table] += 1
        self._writers[table].put(row)

    def __enter__(self) -> Self:
        with ExitStack() as parts, ExitStack() as files:
            self._folder.mkdir(parents=True, exist_ok=True)
            for table in self._tables:
                part = _part(self.paths[table.name])
                parts.callback(part.unlink, missing_ok=True)
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                if self._kind is Format.CSV:
                    file = files.enter_context(os.fdopen(descriptor, "w", encoding="utf-8", newline=""))
                    self._writers[table.name] = _CsvWriter(table, file)
                else:
                    raw = files.enter_context(os.fdopen(descriptor, "wb"))
                    self._writers[table.name] = _ParquetWriter(table, raw, as_text=self._as_text)
            self._parts, self._files = parts.pop_all(), files.pop_all()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        with self._parts:
            with self._files:
                try:
                    if failed is None:
                        for writer in self._writers.values():
                            writer.close()
                finally:
                    for writer in self._writers.values():
                        writer.release()
            if failed is None:
                for path in self.paths.values():
                    os.replace(_part(path), path)


class _CsvWriter:
    def __init__(self, table: Table, file: IO[str]) -> None:
        self._columns = table.columns
        self._file = file
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow([column.name for column in table.columns])

    def put(self, row: Mapping[str, Any]) -> None:
        self._writer.writerow([_plain(column.kind, row.get(column.name)) for column in self._columns])

    def close(self) -> None:
        self._file.flush()

    def release(self) -> None:
        pass


class _ParquetWriter:
    def __init__(self, table: Table, file: IO[bytes], *, as_text: bool) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {
            Kind.TEXT: pa.string(),
            Kind.COUNT: pa.int64(),
            Kind.DECIMAL: pa.string() if as_text else pa.decimal128(38, 28),
            Kind.FLOAT: pa.float64(),
            Kind.TIME: pa.timestamp("ns", "UTC"),
            Kind.FLAG: pa.bool_(),
        }
        self._table = table
        self._as_text = as_text
        self._pa = pa
        self._types = [types[column.kind] for column in table.columns]
        self._schema = pa.schema([(column.name, kind) for column, kind in zip(table.columns, self._types, strict=True)])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd", write_page_checksum=True)
        self._rows: list[Sequence[Any]] = []

    def put(self, row: Mapping[str, Any]) -> None:
        self._rows.append([self._value(column, row.get(column.name)) for column in self._table.columns])
        if len(self._rows) == _ROWS_A_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def release(self) -> None:
        with suppress(Exception):
            self._writer.close()

    def _value(self, column: Column, value: Any) -> Any:
        if isinstance(value, Enum):
            value = value.value
        return text(value) if self._as_text and isinstance(value, Decimal) else value

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = []
        for column, kind, values in zip(self._table.columns, self._types, zip(*self._rows, strict=True), strict=True):
            try:
                arrays.append(self._pa.array(values, kind))
            except (self._pa.ArrowException, ValueError) as error:
                raise ExportError(
                    f"{self._table.name}.{column.name}: a value does not fit {column.kind.parquet} ({error}); "
                    "--decimals text keeps every digit"
                ) from error
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


def _plain(kind: Kind, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return text(value)
        case Enum():
            return str(value.value)
        case int() if kind is Kind.TIME:
            return iso_time(value)
        case float():
            return repr(value)
        case _:
            return str(value)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
