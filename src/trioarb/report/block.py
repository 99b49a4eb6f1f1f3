"""What a report of a campaign consists of: chapters of blocks, which say nothing of how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.report.series import Distribution, Tally

__all__ = ["Block", "Breakdown", "Chapter", "Curves", "Distributions", "Figure", "Figures", "Listing", "Value"]

#: Money and quantities are exact, what is measured is a float; text is text.
Value = Decimal | int | float | str


@attrs.frozen
class Figure:
    """One figure, and its unit: ``USD``, ``bps``, ``s``, an asset, or none of a count or a text."""

    name: str
    value: Value
    unit: str = ""


@attrs.frozen
class Figures:
    """Figures by name. ``folded``: there are many, and few want to see them."""

    name: str
    title: str
    figures: Sequence[Figure]
    folded: bool = False


@attrs.frozen
class Breakdown:
    """Amounts in ``unit`` by what they belong to, and how many ``counted`` things they are of."""

    name: str
    title: str
    unit: str
    counted: str
    parts: Mapping[str, Tally]


@attrs.frozen
class Curves:
    """Values in ``unit`` by time, in nanoseconds since the epoch. ``is_sum``: of the span that begins there."""

    name: str
    title: str
    unit: str
    lines: Mapping[str, Sequence[tuple[int, Decimal]]]
    is_sum: bool = False


@attrs.frozen
class Distributions:
    """How values in ``unit`` are distributed."""

    name: str
    title: str
    unit: str
    parts: Mapping[str, Distribution]


@attrs.frozen
class Listing:
    """Rows of cells as people read them. ``left_out``: how many more there are."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


Block = Figures | Breakdown | Curves | Distributions | Listing


@attrs.frozen
class Chapter:
    """Blocks about one thing; those without anything in them are left out. ``notes`` are sentences before them."""

    name: str
    title: str
    blocks: Sequence[Block]
    notes: Sequence[str] = ()
