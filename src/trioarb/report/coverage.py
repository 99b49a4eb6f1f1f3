"""How far a universe came: symbols asked for, listed, tradable, and evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from trioarb.config.schema import Universe, UniverseMode
from trioarb.report.figures import number_of
from trioarb.report.funnel import funnel_of
from trioarb.report.report import Report

__all__ = ["coverage", "coverage_of", "in_words"]


def coverage(settings: Universe, *, listed: int | None, loaded: int, evaluated: int | None = None) -> dict[str, int]:
    """Return the counts that are known, by name and in this order.

    ``requested`` is what TOP_N asks for. ``listed`` passed the filters, ``loaded`` are listed at two venues and were
    not beyond TOP_N, and of ``evaluated`` a quote led to an evaluation.
    """
    requested = settings.top_n if settings.mode is UniverseMode.TOP_N else None
    counts = {"requested": requested, "listed": listed, "loaded": loaded, "evaluated": evaluated}
    return {name: count for name, count in counts.items() if count is not None}


def coverage_of(report: Report) -> dict[str, int]:
    """Return the counts of a campaign, up to now; of a universe that was refreshed those of the last time."""
    statistics = report.statistics
    evaluated = sum(funnel_of(statistics, symbol)["evaluated"] > 0 for symbol in statistics.traded)
    settings, loaded = report.config.universe, len(statistics.traded)
    return coverage(settings, listed=statistics.listed, loaded=loaded, evaluated=evaluated)


def in_words(counts: Mapping[str, int]) -> str:
    """Return ``50 requested, 24 listed, …``."""
    return ", ".join(f"{number_of(count)} {name}" for name, count in counts.items())
