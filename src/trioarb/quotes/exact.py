"""Cells of Arrow columns as doubles and nanoseconds, without changing what they say; and times that can't be meant."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

__all__ = [
    "EARLIEST_NS",
    "TIME_UNITS_NS",
    "doubles",
    "latest_ns",
    "nanoseconds",
    "number_problem",
    "plain",
    "text_problem",
    "time_problem",
    "unit_that_fits",
]

TIME_UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
#: Nothing that is quoted here was traded before 2009.
EARLIEST_NS = 1_230_768_000 * 10**9
_DAY_NS = 86_400 * 10**9
#: A machine whose clock was never set knows at least that it is later than this, the year 2026.
_LEAST_NOW_NS = 1_767_225_600 * 10**9


def plain(cells: Any) -> Any:
    """Return the cells of a column that may be dictionary-encoded, as they are."""
    import pyarrow as pa

    return cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells


def _plain_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def text_problem(kind: Any) -> str:
    """Return what is wrong with a column of names of this type; '' if it is text."""
    import pyarrow as pa

    text = _plain_type(kind)
    return "" if pa.types.is_string(text) or pa.types.is_large_string(text) else f"is {kind}, must be string"


def number_problem(kind: Any) -> str:
    """Return what is wrong with a column of numbers of this type; '' if doubles can be made of it."""
    import pyarrow as pa

    kind = _plain_type(kind)
    if kind == pa.float64() or pa.types.is_decimal(kind):
        return ""
    if pa.types.is_floating(kind):
        return f"is {kind}, which holds few decimals exactly: trioarb data convert rounds each to its shortest one"
    return f"is {kind}, must be double or a decimal"


def time_problem(kind: Any) -> str:
    """Return what is wrong with a column of times of this type; '' if nanoseconds can be made of it."""
    import pyarrow as pa

    kind = _plain_type(kind)
    return "" if kind == pa.int64() or pa.types.is_timestamp(kind) else f"is {kind}, must be int64 or a timestamp"


def doubles(cells: Any) -> Any:
    """Return numbers of any type as doubles: the nearest one of a decimal and an integer, that of the shortest decimal
    of a shorter float. A null stays one.

    Raises:
        pyarrow.ArrowInvalid: the type has no numbers.
    """
    import pyarrow as pa

    cells = plain(cells)
    if cells.type == pa.float64():
        return cells
    # Arrow's own cast of a decimal multiplies a double by a power of ten, and is off by one bit in every tenth.
    return cells.cast(pa.string()).cast(pa.float64())


def nanoseconds(cells: Any) -> Any:
    """Return times as integers of nanoseconds: a timestamp means what it says, UTC where it has no zone.

    Raises:
        pyarrow.ArrowInvalid: a timestamp is out of the range of nanoseconds.
    """
    import pyarrow as pa

    cells = plain(cells)
    if pa.types.is_timestamp(cells.type):
        cells = cells.cast(pa.timestamp("ns", cells.type.tz))
    return cells.cast(pa.int64())


def latest_ns() -> int:
    """Return the end of tomorrow: what comes after it wasn't received yet."""
    now_ns = max(time.time_ns(), _LEAST_NOW_NS)
    return (now_ns // _DAY_NS + 2) * _DAY_NS


def unit_that_fits(count: Decimal | int) -> str:
    """Return in which unit a count is a time from 2009 to tomorrow; '' if in none."""
    latest = latest_ns()
    return next((unit for unit, ns in TIME_UNITS_NS.items() if EARLIEST_NS <= count * ns < latest), "")
