"""Rows of sources as rows of quotes: names as codes, times as nanoseconds; what can't be a quote is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from trioarb.errors import MarketDataError
from trioarb_data.conversion.column import ABSENT_NS, Column
from trioarb_data.conversion.formats import Rules, format_like
from trioarb_data.conversion.names import Names
from trioarb_data.conversion.source import Source

__all__ = ["NUMBERS", "ROW", "LeftOut", "rows_of"]

NUMBERS = ("bid", "bid_size", "ask", "ask_size")
#: ``pair`` is a code of `Names`; a venue's time that is absent is `ABSENT_NS`.
ROW = np.dtype([("ts_ns", "<i8"), ("venue_ts_ns", "<i8"), ("pair", "<i4"), *((name, "<f8") for name in NUMBERS)])


@attrs.define
class LeftOut:
    """How many rows lack a column, and where the first of them is."""

    rows: int
    first: str


def rows_of(source: Source, rules: Rules, names: Names, left_out: dict[str, LeftOut]) -> Iterator[Any]:
    """Yield a source's rows as arrays of `ROW`, in its order. Those without time or name are counted in ``left_out``.

    An empty price or size is NaN: that side is withdrawn. Numbers that are no prices, and crossed quotes, are rows as
    all others: what plays them refuses them.

    Raises:
        MarketDataError: while iterating; it can't be read, lacks a column, or a cell makes no sense.
    """
    columns = _columns(source, rules)
    file_symbol = _symbol_in_name(source, rules) if "symbol" not in columns else ""
    unit, first_row = rules.time_unit or rules.format.time_unit, 1
    for cells in source.batches(list(dict.fromkeys(columns.values()))):
        count = len(next(iter(cells.values())))
        named = {
            name: Column(source=source.name, name=column, first_row=first_row, cells=cells[column])
            for name, column in columns.items()
        }
        rows = np.empty(count, ROW)
        rows["ts_ns"] = named["ts_ns"].times_ns(unit, is_receive_time=True)
        rows["venue_ts_ns"] = (
            named["venue_ts_ns"].times_ns(unit, is_receive_time=False) if "venue_ts_ns" in named else ABSENT_NS
        )
        empty = {"ts_ns": rows["ts_ns"] == ABSENT_NS}
        for name in NUMBERS:
            rows[name] = named[name].numbers()
        exchanges, exchange_names = _texts(named.get("exchange"), count, "")
        symbols, symbol_names = _texts(named.get("symbol"), count, file_symbol)
        empty["exchange"] = (exchanges < 0) & (not rules.exchange)
        empty["symbol"] = (symbols < 0) & (not rules.symbol)
        whole = np.ones(count, dtype=bool)
        for name, lacking in empty.items():
            _count(left_out, name, whole & lacking, source, first_row)
            whole &= ~lacking
        rows["pair"] = names.pairs(source.name, exchanges, exchange_names, symbols, symbol_names, whole)
        yield rows[whole]
        first_row += count


def _columns(source: Source, rules: Rules) -> Mapping[str, str]:
    present = source.columns()
    columns, missing = rules.source_columns(present)
    if missing:
        known = format_like(present)
        if missing == ["exchange"]:
            remedy = "say with --exchange whose quotes they are"
        elif missing == ["symbol"]:
            remedy = "say with --symbol what they quote, or name its columns with --column NAME=COLUMN"
        elif known:
            remedy = f"these are the columns of --format {known}"
        else:
            remedy = "name its columns with --column NAME=COLUMN (those of CSV stand in its first line, between commas)"
        raise MarketDataError(
            f"{source.name}: lacks the column{'s' if missing[1:] else ''} {', '.join(missing)} "
            f"(it has {', '.join(name if name.isprintable() else repr(name) for name in present)}); {remedy}"
        )
    return columns


def _symbol_in_name(source: Source, rules: Rules) -> str:
    pattern = rules.format.symbol_in_name
    found = pattern.match(source.file_name) if pattern is not None else None
    if found is None and not rules.symbol:
        raise MarketDataError(f"{source.name}: its name does not begin with a symbol; say it with --symbol BASE-QUOTE")
    return found[1] if found is not None else ""


def _texts(column: Column | None, count: int, otherwise: str) -> tuple[Any, list[str]]:
    """Return the codes of a column, and their texts; without a column ``otherwise`` in every row, −1 if that is ''."""
    if column is None:
        return np.full(count, 0 if otherwise else -1, dtype=np.int64), [otherwise]
    codes, texts = column.names()
    blank = np.array([not text for text in texts] + [True])
    return np.where(blank[codes], -1, codes), texts


def _count(left_out: dict[str, LeftOut], reason: str, lacking: Any, source: Source, first_row: int) -> None:
    if lacking.any():
        one = left_out.setdefault(reason, LeftOut(0, f"row {first_row + int(lacking.argmax()):,} of {source.name}"))
        one.rows += int(lacking.sum())
