"""What a run shows of itself, in two words: that it earns, that it loses, or nothing; and what is said against it."""

from __future__ import annotations

from enum import Enum

import attrs

from trioarb.report.performance import pnl_interval
from trioarb.report.report import Report
from trioarb.report.verdict_data import data_findings
from trioarb.report.verdict_finding import Code, Finding, Weight
from trioarb.report.verdict_trades import trade_findings
from trioarb.report.verdict_venues import venue_findings

__all__ = ["Code", "Finding", "Verdict", "Weight", "Word", "verdict_of"]


class Word(Enum):
    PROFIT = "PROFIT SHOWN"
    LOSS = "LOSS SHOWN"
    NOTHING = "PROVES NOTHING"


@attrs.frozen
class Verdict:
    """The word, and findings: those that count most come first."""

    word: Word
    findings: tuple[Finding, ...]


def verdict_of(report: Report) -> Verdict:
    """Judge a run, which may still go on. The same journal has the same verdict."""
    weights = list(Weight)
    found = sorted(
        (*trade_findings(report), *data_findings(report), *venue_findings(report)),
        key=lambda one: weights.index(one.weight),
        reverse=True,
    )
    return Verdict(_word(report, {one.weight for one in found}), tuple(found))


def _word(report: Report, weights: set[Weight]) -> Word:
    pnl = pnl_interval(report)
    if pnl is None or Weight.OPEN in weights:
        return Word.NOTHING
    # What is open or was paid for holding may turn what trades came to into its opposite.
    traded = report.state.equity.figures().traded
    if pnl.high < 0 and traded < 0:
        return Word.LOSS
    return Word.PROFIT if pnl.low > 0 and traded > 0 and Weight.FLATTERS not in weights else Word.NOTHING
