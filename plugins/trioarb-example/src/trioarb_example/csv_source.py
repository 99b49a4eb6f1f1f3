"""A symbol source that reads a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import attrs

from trioarb.api import (
    Listing,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    UniverseError,
    WireError,
    decimal_of,
    hookimpl,
    setting,
)

__all__ = ["CsvSettings", "CsvSource"]

_NAMES = ("symbol", "base", "quote")
_VOLUME = "volume_24h_quote"
_COLUMNS = (*_NAMES, _VOLUME)
_SHOWN_PROBLEMS = 10


@attrs.frozen(kw_only=True)
class CsvSettings:
    path: Path = setting(doc="CSV file with the columns symbol, base, quote and volume_24h_quote")


class CsvSource(SymbolSource):
    """Lists what the file lists, in its order. The first line names the columns; others than ours are ignored.

    An empty volume is an unknown one; every other cell must be filled.
    """

    def __init__(self, settings: CsvSettings) -> None:
        self._path = settings.path

    async def listings(self) -> Sequence[Listing]:
        """Read the file.

        Raises:
            UniverseError: the file can't be read, or is wrong; every problem with path, line and remedy.
        """
        # Not in a thread: the file is small, nothing trades yet, and virtual time would run ahead of a thread.
        rows = self._rows(self._text())
        columns = self._header(rows)
        found: dict[str, Listing] = {}
        lines: dict[str, int] = {}
        problems: list[str] = []
        for line, cells in rows:
            try:
                listing = self._listing(line, cells, columns)
                if listing.symbol in found:
                    raise self._wrong(
                        f"line {line}, column symbol: {listing.symbol!r} stands in line {lines[listing.symbol]} "
                        "already; remove one of the two"
                    )
            except UniverseError as error:
                problems.append(str(error))
            else:
                found[listing.symbol] = listing
                lines[listing.symbol] = line
        if problems:
            more = len(problems) - _SHOWN_PROBLEMS
            raise UniverseError("\n".join(problems[:_SHOWN_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])))
        if not found:
            raise self._wrong("no rows; write one line per symbol below the line of column names")
        return list(found.values())

    def _text(self) -> str:
        try:
            # Spreadsheets put a byte order mark in front.
            return self._path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            raise self._wrong(
                "no such file; a relative path starts at the working directory; correct path under [universe.settings]"
            ) from None
        except OSError as error:
            raise self._wrong(f"can't be read: {error.strerror or error}; path must name a CSV file") from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = error.object[error.start]
            raise self._wrong(f"line {line}: not UTF-8 text (byte 0x{byte:02x}); save the file as UTF-8") from None

    def _rows(self, text: str) -> Iterator[tuple[int, Sequence[str]]]:
        """Yield the rows that aren't blank, each with the line it ends in."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise self._wrong(f"line {reader.line_num}: not valid CSV: {error}; check the quotes") from None

    def _header(self, rows: Iterator[tuple[int, Sequence[str]]]) -> Mapping[str, int]:
        line, names = next(rows, (1, []))
        for name in _COLUMNS:
            if names.count(name) > 1:
                raise self._wrong(f"line {line}: the column {name} is there twice; remove one of the two")
        missing = [name for name in _COLUMNS if name not in names]
        if missing:
            raise self._wrong(
                f"line {line}: no column {', '.join(missing)}; the line reads {','.join(names)!r} and must hold "
                f"{','.join(_COLUMNS)}, separated by commas"
            )
        return {name: names.index(name) for name in names}

    def _listing(self, line: int, cells: Sequence[str], columns: Mapping[str, int]) -> Listing:
        if len(cells) != len(columns):
            raise self._wrong(
                f"line {line}: {len(cells)} cells, but {len(columns)} columns; "
                "write a cell for each column, an unknown volume as an empty one"
            )
        values = {name: cells[columns[name]] for name in _COLUMNS}
        for name in _NAMES:
            if not values[name]:
                raise self._wrong(f"line {line}, column {name}: an empty cell; fill it, or remove the line")
        return Listing(
            symbol=values["symbol"],
            base=values["base"],
            quote=values["quote"],
            volume_24h_quote=self._volume(line, values[_VOLUME]),
        )

    def _volume(self, line: int, text: str) -> Decimal | None:
        if not text:
            return None
        try:
            return decimal_of(text, _VOLUME, at_least=0)
        except WireError:
            raise self._wrong(
                f"line {line}, column {_VOLUME}: not a volume: {text!r}; write a number such as 1250000.5, "
                "or leave the cell empty if the volume is unknown"
            ) from None

    def _wrong(self, what: str) -> UniverseError:
        return UniverseError(f"{self._path}: {what}")


@asynccontextmanager
async def _open(settings: CsvSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
    yield CsvSource(settings)


@hookimpl
def trioarb_symbol_sources() -> list[SymbolSourceSpec]:
    return [SymbolSourceSpec(name="csv", doc="the symbols of a CSV file", settings=CsvSettings, open=_open)]
