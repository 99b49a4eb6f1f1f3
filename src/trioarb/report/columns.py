"""Tables that fit: as many columns as the width has room for, none of them wrapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "beside", "chosen", "fitted_table"]

#: Between two columns, of which the box takes its part.
_GAP, _DIVIDER = 2, 1
#: Between two blocks.
_BESIDE = 4


@attrs.frozen(kw_only=True)
class Column:
    """Cells of a column. Of two columns, the one of the lower ``rank`` stays where there is no room for both.

    ``header`` may have several lines. ``footer`` is the total.
    ``least`` is a width that keeps the column from changing it all the time.
    """

    header: str
    cells: Sequence[str | Text]
    footer: str | Text = ""
    rank: int = 0
    left: bool = False
    least: int = 0

    @property
    def width(self) -> int:
        lines = (*self.header.split("\n"), *(_plain(cell) for cell in (*self.cells, self.footer)))
        return max(self.least, *(cell_len(line) for line in lines))


def chosen(columns: Sequence[Column], width: int, *, gap: int = _GAP) -> list[Column]:
    """Return the columns that fit, in the order given. The first one is always there."""
    room = width - columns[0].width
    kept = {0}
    for index in sorted(range(1, len(columns)), key=lambda index: columns[index].rank):
        room -= columns[index].width + gap
        if room < 0:
            break
        kept.add(index)
    return [column for index, column in enumerate(columns) if index in kept]


def fitted_table(columns: Sequence[Column], width: int) -> Table:
    """Return a table of the columns that fit, in the order given. The first column is always there."""
    shown = chosen(columns, width)
    table = Table(
        box=box.SIMPLE,
        show_edge=False,
        show_footer=any(_plain(column.footer) for column in shown),
        pad_edge=False,
        padding=(0, 0, 0, _GAP - _DIVIDER),
    )
    for column in shown:
        justify: JustifyMethod = "left" if column.left else "right"
        table.add_column(
            Text(column.header, justify=justify),
            column.footer,
            justify=justify,
            min_width=min(column.least, width),
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*row)
    return table


def beside(console: Console, blocks: Iterable[RenderableType]) -> RenderableType:
    """Put the blocks side by side, as many as the console is wide, and the others below."""
    rows: list[list[RenderableType]] = []
    room = 0
    for block in blocks:
        width = Measurement.get(console, console.options, block).maximum
        if not rows or width + _BESIDE > room:
            rows.append([])
            room = console.width + _BESIDE
        rows[-1].append(block)
        room -= width + _BESIDE
    grids = []
    for row in rows:
        grid = Table.grid(padding=(0, _BESIDE, 0, 0), pad_edge=False)
        grid.add_row(*row)
        grids.append(Padding(grid, (0, 0, 1, 0), expand=False))
    return Group(*grids)


def _plain(cell: str | Text) -> str:
    return cell.plain if isinstance(cell, Text) else cell
