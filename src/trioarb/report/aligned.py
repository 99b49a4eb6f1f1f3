"""Columns of plain text, for lines that go to a terminal as well as through a pipe."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

__all__ = ["aligned"]

_GAP = "  "


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return a line for each row, its cells in columns; those of the columns ``right`` are flush right."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (width - cell_len(cell))
            cells.append(padding + cell if index in right else cell + padding)
        lines.append(_GAP.join(cells).rstrip())
    return lines
