"""Blocks as HTML: of one campaign, or of two beside each other with their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from trioarb.model.number import EXACT, ZERO, text
from trioarb.report.block import Block, Breakdown, Curves, Distributions, Figure, Figures, Listing, Value
from trioarb.report.html.charts import bar, histogram
from trioarb.report.html.markup import Markup, element, joined
from trioarb.report.series import Distribution, Tally
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Sides", "block_of"]

#: The names of what is compared, this one first; or of one campaign, nothing.
Sides = Sequence[str]

_ROUNDING, _SHOWN = Context(prec=60), Decimal("0.0001")
_SHARE = "share"
#: Texts of more characters are wrapped, and wide enough for it.
_LONG = 30
_QUANTILES = (("p5", 0.05), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def block_of(
    blocks: Sequence[Block | None], sides: Sides, charts: dict[str, Any], *, chapter: str, level: int = 3
) -> Markup:
    """Return one block of each side, all of one name and kind; one may be missing. Charts are put into ``charts``.

    ``chapter`` is the title of the one that it is in, ``level`` that of its heading.
    """
    some = next(block for block in blocks if block is not None)
    label = f"{chapter}: {some.title}"
    match some:
        case Figures():
            shown = _figures([block if isinstance(block, Figures) else None for block in blocks], sides, label)
        case Breakdown():
            shown = _breakdown([block if isinstance(block, Breakdown) else None for block in blocks], sides, label)
        case Curves():
            shown = _curves([block if isinstance(block, Curves) else None for block in blocks], sides, charts)
        case Distributions():
            found = [block if isinstance(block, Distributions) else None for block in blocks]
            shown = _distributions(found, sides, label)
        case Listing():
            listings = [block if isinstance(block, Listing) else None for block in blocks]
            shown = _listings(listings, sides, label, level + 1)
    if isinstance(some, Figures) and some.folded:
        return element("details", element("summary", some.title), shown, class_="block")
    return element("section", element(f"h{level}", some.title), shown, class_="block")


def _figures(blocks: Sequence[Figures | None], sides: Sides, label: str) -> Markup:
    of_side = [{one.name: one for one in (() if block is None else block.figures)} for block in blocks]
    rows = []
    for name in _names(of_side):
        found = [side.get(name) for side in of_side]
        unit = next(one.unit for one in found if one is not None)
        cells = [_value(one) for one in found]
        rows.append(
            [
                _head(name),
                *cells,
                *_difference([None if one is None else one.value for one in found], unit),
                _unit(unit),
            ]
        )
    return _table(label, ["", *(sides or ["value"]), *_different(sides), ""], rows)


def _breakdown(blocks: Sequence[Breakdown | None], sides: Sides, label: str) -> Markup:
    some = next(block for block in blocks if block is not None)
    parts = [{} if block is None else block.parts for block in blocks]
    most = max((abs(one.usd) for side in parts for one in side.values()), default=ZERO)
    rows = []
    for name in _names(parts):
        found = [side.get(name) for side in parts]
        row = [_head(name)]
        for one in found:
            row += [_number("" if one is None else f"{one.count:,}"), _number("" if one is None else amount(one.usd))]
        row += _difference([Tally().usd if one is None else one.usd for one in found])
        row.append(element("td", *(bar(one.usd, most) for one in found if one is not None), class_="bars"))
        rows.append(row)
    heads = [f"{side} {head}".strip() for side in (sides or [""]) for head in (some.counted, some.unit)]
    return _table(label, ["", *heads, *_different(sides), ""], rows)


def _curves(blocks: Sequence[Curves | None], sides: Sides, charts: dict[str, Any]) -> Markup:
    """Return the place of a chart. Two campaigns are drawn by the time since each began."""
    some = next(block for block in blocks if block is not None)
    lines = []
    for side, block in enumerate(blocks):
        if block is None:
            continue
        begins = min((points[0][0] for points in block.lines.values()), default=0) if sides else 0
        for name, points in block.lines.items():
            label = f"{sides[side]}: {name}" if sides else name
            times = [round((ts_ns - begins) / SECOND_NS, 3) for ts_ns, _ in points]
            lines.append({"label": label, "side": side, "x": times, "y": [_short(value) for _, value in points]})
    charts[some.name] = {"unit": some.unit, "bars": some.is_sum, "elapsed": bool(sides), "lines": lines}
    return element("div", class_="chart", data_chart=some.name, role="img", aria_label=f"{some.title}, {some.unit}")


def _distributions(blocks: Sequence[Distributions | None], sides: Sides, label: str) -> Markup:
    some = next(block for block in blocks if block is not None)
    parts = [{} if block is None else block.parts for block in blocks]
    heads = ["", *(["campaign"] if sides else []), "values", "mean", *(name for name, _ in _QUANTILES), ""]
    rows = []
    for name in _names(parts):
        for side, found in enumerate(parts):
            one = found.get(name)
            if one is None or not one.count:
                continue
            row = [_head(name), *([element("td", sides[side])] if sides else []), _number(f"{one.count:,}")]
            figures = [one.mean, *(one.quantile(share) for _, share in _QUANTILES)]
            row += [_number("" if figure is None else f"{figure:,.2f}") for figure in figures]
            rows.append([*row, element("td", _drawn(one, some.unit), class_="histogram")])
    return joined(element("p", f"In {some.unit}.", class_="unit"), _table(label, heads, rows))


def _drawn(one: Distribution, unit: str) -> Markup:
    bins = one.histogram()
    low, high = bins[0][0], bins[-1][1]
    return histogram(bins, f"from {low:,.2f} to {high:,.2f} {unit}")


def _listings(blocks: Sequence[Listing | None], sides: Sides, label: str, level: int) -> Markup:
    shown = []
    for side, block in enumerate(blocks):
        if sides:
            shown.append(element(f"h{level}", sides[side]))
        if block is None:
            shown.append(element("p", "none"))
            continue
        rows = [[_text(cell) for cell in row] for row in block.rows]
        shown.append(_table(f"{label}, {sides[side]}" if sides else label, block.columns, rows))
        if block.left_out:
            shown.append(
                element("p", f"{block.left_out:,} more are left out; `trioarb export` has them.", class_="rest")
            )
    return joined(shown)


def _table(label: str, heads: Sequence[str], rows: Sequence[Sequence[Markup]]) -> Markup:
    """Return a table that is scrolled by itself; no other on the page has its ``label``."""
    head = element("tr", (element("th", one, scope="col") if one else element("td", "") for one in heads))
    body = (element("tr", row) for row in rows)
    table = element("table", element("thead", head), element("tbody", body))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


def _head(name: str) -> Markup:
    return element("th", name, scope="row")


def _value(one: Figure | None) -> Markup:
    if one is None:
        return element("td", "")
    match one.value:
        case str():
            return _text(one.value)
        case Decimal():
            return _number(f"{one.value:.2%}" if one.unit == _SHARE else amount(one.value), title=text(one.value))
        case float():
            return _number(f"{one.value:,.3f}")
        case int():
            return _number(f"{one.value:,}")


def _number(shown: str, *, title: str | None = None) -> Markup:
    sign = "loss" if shown.startswith("-") else None
    return element("td", shown, class_=f"number {sign}" if sign else "number", title=title if title != shown else None)


def _text(cell: str) -> Markup:
    return element("td", cell, class_="long" if len(cell) > _LONG else None)


def _unit(unit: str) -> Markup:
    return element("td", "" if unit == _SHARE else unit, class_="unit")


def _difference(values: Sequence[Value | None], unit: str = "") -> Iterator[Markup]:
    """Yield the cell of what the first is more than the second; of texts, whether they differ. None of one campaign."""
    if len(values) < 2:
        return
    title = None
    match values:
        case [Decimal() as first, Decimal() as second]:
            more = EXACT.subtract(first, second)
            shown, title = amount(more, sign=True), text(more)
            if unit == _SHARE:
                shown = f"{more * 100:+.2f} points"
        case [int() as first, int() as second]:
            shown = f"{first - second:+,}"
        case [int() | float() as first, int() | float() as second]:
            shown = f"{first - second:+,.3f}"
        case [first, second]:
            yield element("td", "" if first == second else "differs", class_="differs")
            return
    yield element("td", shown, class_="number", title=title if title != shown else None)


def _different(sides: Sides) -> list[str]:
    return ["difference"] if sides else []


def _names(sides: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for side in sides for name in side))


def amount(value: Decimal, *, sign: bool = False) -> str:
    """Return an amount for people: four decimals, or as many digits as a smaller one needs to be seen."""
    if not value.is_finite():
        return str(value)
    if value and abs(value) < _SHOWN:
        return f"{float(value):{'+' if sign else ''}.3g}"
    rounded = value.quantize(_SHOWN, context=_ROUNDING) if value.adjusted() < 20 else value
    return f"{rounded:{'+' if sign else ''},f}"


def _short(value: Decimal) -> float:
    return float(f"{float(value):.7g}")
