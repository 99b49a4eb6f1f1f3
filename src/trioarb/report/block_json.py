"""The chapters of a report as JSON: money and quantities as text of plain digits, what is measured as numbers."""

from __future__ import annotations

from typing import Any

from trioarb.report.block import Block, Breakdown, Chapter, Curves, Distributions, Figures, Listing
from trioarb.report.plain import iso_time, to_plain
from trioarb.report.series import Distribution

__all__ = ["chapter_json"]

_QUANTILES = {"p1": 0.01, "p5": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99}


def chapter_json(chapter: Chapter) -> dict[str, Any]:
    """Return a chapter in JSON's types."""
    blocks = {block.name: {"title": block.title, **_block(block)} for block in chapter.blocks}
    return {"name": chapter.name, "title": chapter.title, "blocks": blocks}


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Figures():
            return {"figures": {one.name: {"value": to_plain(one.value), "unit": one.unit} for one in block.figures}}
        case Breakdown():
            parts = {name: {"count": one.count, "amount": to_plain(one.usd)} for name, one in block.parts.items()}
            return {"unit": block.unit, "parts": parts}
        case Curves():
            lines = {
                name: [[iso_time(ts_ns), to_plain(value)] for ts_ns, value in points]
                for name, points in block.lines.items()
            }
            return {"unit": block.unit, "lines": lines}
        case Distributions():
            return {"unit": block.unit, "parts": {name: _distribution(one) for name, one in block.parts.items()}}
        case Listing():
            rows = [dict(zip(block.columns, row, strict=True)) for row in block.rows]
            return {"rows": rows, "left_out": block.left_out}


def _distribution(one: Distribution) -> dict[str, Any]:
    if not one.count:
        return {"count": 0}
    quantiles = {name: one.quantile(share) for name, share in _QUANTILES.items()}
    bins = [{"low": low, "high": high, "count": count} for low, high, count in one.histogram()]
    return {
        "count": one.count,
        "mean": one.mean,
        "least": one.least,
        **quantiles,
        "greatest": one.greatest,
        "bins": bins,
    }
