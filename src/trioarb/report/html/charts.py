"""Small charts that are part of a table: drawn as SVG, since they never change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trioarb.report.html.markup import Markup, element

__all__ = ["bar", "histogram"]

_WIDTH, _HEIGHT = 160, 28


def bar(amount: Decimal, most: Decimal) -> Markup:
    """Return a bar from the middle: to the right of a gain, to the left of a loss; ``most`` is as wide as it gets."""
    length = round(float(amount / most) * _WIDTH / 2, 1) if most else 0.0
    start = _WIDTH / 2 + min(length, 0.0)
    shape = element("rect", x=_plain(start), y=2, width=_plain(abs(length)), height=8, class_=_class(length))
    axis = element("line", x1=_WIDTH // 2, x2=_WIDTH // 2, y1=0, y2=12, class_="axis")
    return element("svg", axis, shape, viewBox=f"0 0 {_WIDTH} 12", class_="bar", aria_hidden="true")


def histogram(bins: Sequence[tuple[float, float, int]], label: str) -> Markup:
    """Return columns of bins of equal width; the line is zero, where it is among them."""
    most = max(count for *_, count in bins)
    width = _WIDTH / len(bins)
    shapes = []
    for place, (low, high, count) in enumerate(bins):
        height = round(count / most * _HEIGHT, 1)
        sign = _class(low + high)
        x, y = _plain(round(place * width, 1)), _plain(_HEIGHT - height)
        shapes.append(
            element("rect", x=x, y=y, width=_plain(round(width * 0.9, 1)), height=_plain(height), class_=sign)
        )
    low, high = bins[0][0], bins[-1][1]
    if low < 0 < high:
        zero = _plain(round(-low / (high - low) * _WIDTH, 1))
        shapes.append(element("line", x1=zero, x2=zero, y1=0, y2=_HEIGHT, class_="axis"))
    title = element("title", label)
    return element("svg", title, shapes, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="columns", role="img")


def _class(value: float) -> str:
    return "below" if value < 0 else "above"


def _plain(number: float) -> str:
    return f"{number:g}"
