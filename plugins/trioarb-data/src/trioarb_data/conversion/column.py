"""One column of a source: cells of text or of any other type, made times, numbers and names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trioarb.errors import MarketDataError
from trioarb.quotes.exact import EARLIEST_NS, TIME_UNITS_NS, doubles, latest_ns, unit_that_fits
from trioarb_data.conversion.formats import utc

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ABSENT_NS", "Column"]

#: The time of a cell that is empty.
ABSENT_NS = -(2**63)
_MOST_NS = 2**63 - 1


@attrs.frozen(kw_only=True)
class Column:
    """Some cells of a column, of consecutive rows. ``first_row``: the number of the first one, from 1."""

    source: str
    name: str
    first_row: int
    cells: Any

    def error(self, place: int, problem: str) -> MarketDataError:
        value = self.cells[place].as_py()
        return MarketDataError(
            f"{self.source}: row {self.first_row + place:,}, column {self.name}: {str(value)!r} {problem} "
            "(rows count from 1, without the header)"
        )

    def numbers(self) -> npt.NDArray[np.float64]:
        """Return the cells as numbers, an empty one as NaN; a float that is shorter than a double as the double of its
        shortest decimal.

        Raises:
            MarketDataError: one isn't a number; names it.
        """
        kind = self.cells.type
        if pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind):
            cells = doubles(self.cells)
        else:
            cells = self._cast(pa.float64(), "is no number; mend the cell, or name another column with --column")
        return np.asarray(cells.to_numpy(zero_copy_only=False), dtype=np.float64)

    def names(self) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return the cells as codes, −1 for an empty one, and what the codes stand for.

        Raises:
            MarketDataError: the column isn't text.
        """
        cells = self._cast(pa.string(), "is no text; name another column with --column").dictionary_encode()
        codes = cells.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes, [name.strip() for name in cells.dictionary.to_pylist()]

    def times_ns(self, unit: str, *, is_receive_time: bool) -> npt.NDArray[np.int64]:
        """Return the cells as Unix nanoseconds, an empty one as `ABSENT_NS`.

        Numbers count ``unit``; timestamps and ISO 8601 text mean what they say, UTC where they say no offset.

        Raises:
            MarketDataError: one is no time, or is a receive time before 2009 or after tomorrow: the unit is wrong.
        """
        kind = self.cells.type
        if pa.types.is_timestamp(kind):
            times = self._cast(pa.timestamp("ns", kind.tz), "is out of the range of nanoseconds")
            return self._checked(times.cast(pa.int64()), 1, is_receive_time)
        if pa.types.is_integer(kind) or pa.types.is_null(kind):
            return self._checked(
                self._cast(pa.int64(), "is too large for a time"), TIME_UNITS_NS[unit], is_receive_time
            )
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return self._each(lambda value: _from_number(value, unit), is_receive_time)
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise MarketDataError(
                f"{self.source}: column {self.name} is of type {kind}; a time is a number, a timestamp or ISO 8601 text"
            )
        for target, factor in (
            (pa.int64(), TIME_UNITS_NS[unit]),
            (pa.timestamp("ns"), 1),
            (pa.timestamp("ns", "UTC"), 1),
        ):
            try:
                return self._checked(self.cells.cast(target).cast(pa.int64()), factor, is_receive_time)
            except pa.ArrowInvalid:
                continue
        return self._each(lambda text: _from_text(text.strip(), unit), is_receive_time)

    def _cast(self, target: Any, problem: str) -> Any:
        cells = self.cells
        try:
            return cells.cast(target)
        except pa.ArrowNotImplementedError as error:
            raise MarketDataError(
                f"{self.source}: column {self.name} is of type {cells.type}, which {problem}"
            ) from error
        except pa.ArrowInvalid:
            if pa.types.is_string(cells.type):
                cells = pc.utf8_trim_whitespace(cells)
            for place in range(len(cells)):
                try:
                    cells[place : place + 1].cast(target)
                except pa.ArrowInvalid as error:
                    raise self.error(place, problem) from error
            return cells.cast(target)

    def _each(self, convert: Callable[[Any], int | None], is_receive_time: bool) -> npt.NDArray[np.int64]:
        """Convert cell by cell, for what no whole column can be converted from exactly."""
        times = []
        for place, value in enumerate(self.cells.to_pylist()):
            try:
                times.append(None if value is None else convert(value))
            except (ValueError, ArithmeticError) as error:
                raise self.error(
                    place, "is no time; a time is a number (--time-unit says of what) or ISO 8601 text"
                ) from error
        return self._checked(pa.array(times, pa.int64()), 1, is_receive_time)

    def _checked(self, cells: Any, unit_ns: int, is_receive_time: bool) -> npt.NDArray[np.int64]:
        counts = cells.fill_null(0).to_numpy(zero_copy_only=False)
        given = ~np.asarray(cells.is_null().to_numpy(zero_copy_only=False), dtype=bool)
        least, most = (EARLIEST_NS, latest_ns()) if is_receive_time else (-_MOST_NS, _MOST_NS)
        wrong = given & ((counts < least // unit_ns) | (counts > most // unit_ns))
        if wrong.any():
            place = int(wrong.argmax())
            raise self.error(place, f"is no time from 2009 to tomorrow{_other_unit(self.cells[place].as_py())}")
        return np.where(given, counts * unit_ns, ABSENT_NS)


def _other_unit(value: Any) -> str:
    """Return what to do about a time that is out of range."""
    with suppress(InvalidOperation):
        count = Decimal(str(value))
        if unit := unit_that_fits(count):
            return f"; --time-unit {unit} would make it {utc(int(count * TIME_UNITS_NS[unit]))}"
    return "; mend the cell, or name another column with --column"


def _from_number(value: Any, unit: str) -> int | None:
    """Return nanoseconds of a number that may have a fraction; NaN is an absent time."""
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return None if number.is_nan() else _whole(number, unit)


def _from_text(text: str, unit: str) -> int | None:
    if not text:
        return None
    try:
        return _whole(Decimal(text), unit)
    except InvalidOperation:
        pass
    for zone in (None, "UTC"):
        try:
            return int(pa.array([text]).cast(pa.timestamp("ns", zone)).cast(pa.int64())[0].as_py())
        except pa.ArrowInvalid:
            continue
    raise ValueError(text)


def _whole(number: Decimal, unit: str) -> int:
    nanoseconds = round(number * TIME_UNITS_NS[unit])
    if abs(nanoseconds) > _MOST_NS:
        raise ValueError(number)
    return nanoseconds
