"""What a run shows of itself, in three words: that it earns, that it loses, or nothing; and what is said against it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import attrs

from trioarb.report.advice import advise
from trioarb.report.funnel import funnel_total
from trioarb.report.report import Report
from trioarb.report.trades import win_rate
from trioarb.report.verdict_finding import Code, Finding, Weight
from trioarb.state.statistics import Statistics

__all__ = ["Code", "Finding", "Verdict", "Weight", "Word", "verdict_of"]

_LEAST_TRADES = 30
_LEAST_SECONDS = 3_600


class Word(Enum):
    PROFIT = "PROFIT SHOWN"
    LOSS = "LOSS SHOWN"
    NOTHING = "PROVES NOTHING"


@attrs.frozen
class Verdict:
    """The word, and findings: those that decide it first."""

    word: Word
    findings: tuple[Finding, ...]


def verdict_of(report: Report) -> Verdict:
    """Judge a run, which may still go on. The same journal has the same verdict."""
    found = tuple(_findings(report))
    weights = {one.weight for one in found}
    result = report.state.equity.figures().traded
    if Weight.OPEN in weights or not result:
        return Verdict(Word.NOTHING, found)
    if result < 0:
        return Verdict(Word.LOSS, found)
    return Verdict(Word.NOTHING if Weight.FLATTERS in weights else Word.PROFIT, found)


def _findings(report: Report) -> Iterator[Finding]:
    statistics = report.statistics
    trades = statistics.closed + statistics.unwound_count
    if not funnel_total(statistics)["filled"]:
        yield Finding(Code.NO_TRADE, " ".join(advise(report)), "strategy, or market data")
    elif trades < _LEAST_TRADES:
        text = f"{trades:,} trades are over; it takes {_LEAST_TRADES} to say anything."
        yield Finding(Code.FEW_TRADES, text, "session.max_runtime_seconds")
    seconds = float(report.runtime_seconds)
    if seconds < _LEAST_SECONDS:
        text = f"It ran for {seconds:,.0f} s of campaign time, less than an hour."
        yield Finding(Code.SHORT, text, "session.max_runtime_seconds")
    yield from _too_good(statistics)
    mode = report.config.session.mode.value
    if mode != "live":
        text = f"In {mode} mode fills are those of a model, not of a venue."
        yield Finding(Code.SIMULATED, text, 'session.mode = "shadow" compares it with real books, "live" trades')


def _too_good(statistics: Statistics) -> Iterator[Finding]:
    rate = win_rate(statistics)
    if rate is not None and rate * 100 >= 95:
        yield Finding(Code.WINS, f"{rate:.1%} of the trades won; real markets don't let that happen.", "exchanges.*")
    if statistics.closed and not statistics.fees_usd:
        yield Finding(Code.NO_FEE, "No fee was paid.", "exchanges.*.taker_fee_bps")
