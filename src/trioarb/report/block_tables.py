"""The blocks of a report as tables for other programs: what is one value there is one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from trioarb.model.number import text
from trioarb.report.block import Breakdown, Chapter, Curves, Distributions, Figures, Listing
from trioarb.report.schema import Column, Kind, Table

__all__ = ["REPORT_TABLES", "put_chapters"]

_PLACE = (
    Column("journal", Kind.TEXT, "as it was given"),
    Column("chapter", Kind.TEXT),
    Column("block", Kind.TEXT),
)

REPORT_TABLES = (
    Table(
        "figures",
        "single figures and settings, one a row",
        (
            *_PLACE,
            Column("name", Kind.TEXT),
            Column("value", Kind.TEXT, "plain digits, or a text"),
            Column("unit", Kind.TEXT, "USD, bps, s, share, an asset; empty of counts and texts"),
        ),
    ),
    Table(
        "breakdowns",
        "amounts by what they belong to, one part a row",
        (
            *_PLACE,
            Column("part", Kind.TEXT),
            Column("count", Kind.COUNT),
            Column("amount", Kind.DECIMAL),
            Column("unit", Kind.TEXT),
        ),
    ),
    Table(
        "curves",
        "values over time, one point a row, down-sampled",
        (
            *_PLACE,
            Column("line", Kind.TEXT),
            Column("time", Kind.TIME, "of sums: where their span begins"),
            Column("value", Kind.DECIMAL),
            Column("unit", Kind.TEXT),
        ),
    ),
    Table(
        "distributions",
        "how values are distributed, one bin a row; the outermost hold what is beyond them",
        (
            *_PLACE,
            Column("part", Kind.TEXT),
            Column("low", Kind.FLOAT),
            Column("high", Kind.FLOAT),
            Column("count", Kind.COUNT),
            Column("unit", Kind.TEXT),
        ),
    ),
    Table(
        "listings",
        "findings, residuals, balances and what else is a table, one cell a row",
        (
            *_PLACE,
            Column("row", Kind.COUNT, "from 1"),
            Column("column", Kind.TEXT),
            Column("value", Kind.TEXT, "as the page shows it"),
        ),
    ),
)


def put_chapters(put: Callable[[str, Mapping[str, Any]], None], journal: str, chapters: Sequence[Chapter]) -> None:
    """Put the rows of the chapters of one journal."""
    for chapter in chapters:
        for block in chapter.blocks:
            place = {"journal": journal, "chapter": chapter.name, "block": block.name}
            match block:
                case Figures():
                    for figure in block.figures:
                        value = text(figure.value) if isinstance(figure.value, Decimal) else str(figure.value)
                        put("figures", place | {"name": figure.name, "value": value, "unit": figure.unit})
                case Breakdown():
                    for name, one in block.parts.items():
                        amount = {"part": name, "count": one.count, "amount": one.usd, "unit": block.unit}
                        put("breakdowns", place | amount)
                case Curves():
                    for line, points in block.lines.items():
                        for ts_ns, point in points:
                            put("curves", place | {"line": line, "time": ts_ns, "value": point, "unit": block.unit})
                case Distributions():
                    for name, distribution in block.parts.items():
                        for low, high, count in distribution.histogram():
                            size = {"part": name, "low": low, "high": high, "count": count, "unit": block.unit}
                            put("distributions", place | size)
                case Listing():
                    for number, row in enumerate(block.rows, 1):
                        for column, cell in zip(block.columns, row, strict=True):
                            put("listings", place | {"row": number, "column": column, "value": cell})
