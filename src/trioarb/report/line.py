"""Lines of a terminal that is drawn again and again: texts with styles, cheaper than what wraps and measures itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from trioarb.report.visible import visible

__all__ = ["Line", "bar", "beside", "chart", "fitted", "heading", "joined", "sparkline"]

#: Between what stands side by side.
GAP = 2
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


class Line:
    """One line, of parts (text, name of a style). What comes from outside is made visible; nothing in it is obeyed."""

    __slots__ = ("parts", "width")

    def __init__(self, text: str | Text = "", style: str = "") -> None:
        self.parts: list[tuple[str, str]] = []
        self.width = 0
        if text:
            self.add(text, style)

    def add(self, text: str | Text | Line, style: str = "") -> Line:
        """Append a text, or all of another line; return this one."""
        if isinstance(text, Line):
            self.parts += text.parts
            self.width += text.width
            return self
        plain = text
        if isinstance(text, Text):
            plain, style = text.plain, f"{style} {text.style}".strip()
        if plain:
            shown = visible(str(plain)).replace("\n", " ")
            self.parts.append((shown, style))
            self.width += len(shown) if shown.isascii() else cell_len(shown)
        return self

    def pad(self, width: int, *, left: bool = True) -> Line:
        """Return it at least so wide, at the left of that room or at its right."""
        room = width - self.width
        if room <= 0:
            return self
        return Line().add(self).add(" " * room) if left else Line(" " * room).add(self)

    def cut(self, width: int) -> Line:
        """Return it at most so wide, with an ellipsis where something is left out."""
        if self.width <= width:
            return self
        shorter, room = Line(), max(0, width - 1)
        for text, style in self.parts:
            if cell_len(text) > room:
                shorter.add(set_cell_size(text, room), style)
                break
            shorter.add(text, style)
            room -= cell_len(text)
        return shorter.add("…") if width > 0 else Line()

    def styled(self, style: str) -> Line:
        """Return it with a style beneath those of its parts."""
        line = Line()
        line.parts = [(text, f"{style} {own}".strip()) for text, own in self.parts]
        line.width = self.width
        return line

    @property
    def plain(self) -> str:
        return "".join(text for text, _ in self.parts)


def joined(parts: Iterable[Line], width: int, between: str = " · ") -> Line:
    """Return as many of the parts, in their order, as fit whole: what would be cut in the middle says another thing."""
    line, gap = Line(), cell_len(between)
    for part in parts:
        if not part.width:
            continue
        if line.width + (gap if line.width else 0) + part.width > width:
            continue
        if line.width:
            line.add(between, "dim")
        line.add(part)
    return line


def fitted(parts: Sequence[Line], width: int, between: str = " · ") -> list[Line]:
    """Return the parts on as many lines as they take, each of them whole."""
    lines, rest = list[Line](), [part.cut(width) for part in parts if part.width]
    while rest:
        row, room = list[Line](), width
        while rest and rest[0].width + (len(between) if row else 0) <= room:
            room -= rest[0].width + (len(between) if row else 0)
            row.append(rest.pop(0))
        lines.append(joined(row, width, between))
    return lines


def beside(left: Sequence[Line], right: Sequence[Line], left_width: int) -> list[Line]:
    """Put two blocks side by side, as high as the higher one."""
    count = max(len(left), len(right))
    empty = Line()
    return [
        Line()
        .add((left[number] if number < len(left) else empty).pad(left_width))
        .add(" " * GAP)
        .add(right[number] if number < len(right) else empty)
        for number in range(count)
    ]


def heading(title: str, width: int) -> Line:
    """Return ``── title ─────``."""
    line = Line("── ", "dim").add(title, "bold").add(" ").cut(width)
    return line.add("─" * max(0, width - line.width), "dim")


def bar(share: float, width: int, style: str) -> Line:
    """Return how much of 1 a share is, as a bar of so many cells."""
    share = min(max(share, 0.0), 1.0)
    eighths = round(share * width * 8)
    if share > 0 and not eighths:
        eighths = 1  # what is not nothing is seen
    full, rest = divmod(eighths, 8)
    shown = _EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")
    return Line(shown, style).add("·" * (width - len(shown)), "dim")


def sparkline(values: Sequence[Decimal], width: int) -> str:
    """Return the last values, one a cell, from the lowest of them to the highest."""
    shown = [float(value) for value in values[-width:]] if width > 0 else []
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if low == high:
        return _HEIGHTS[3] * len(shown)
    step = (len(_HEIGHTS) - 1) / (high - low)
    return "".join(_HEIGHTS[round((value - low) * step)] for value in shown)


def chart(values: Sequence[Decimal], width: int, rows: int) -> list[str]:
    """Return the last values as columns that stand on the lowest of them, so many rows high."""
    shown = [float(value) for value in values[-width:]] if width > 0 else []
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    step = (rows * 8 - 1) / (high - low) if high > low else 0.0
    heights = [1 + round((value - low) * step) for value in shown]
    return [
        "".join(" ▁▂▃▄▅▆▇█"[min(8, max(0, height - 8 * row))] for height in heights) for row in range(rows - 1, -1, -1)
    ]
