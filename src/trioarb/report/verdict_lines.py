"""The verdict as people read it: the word first, then what is said against the run, and what would change that."""

from __future__ import annotations

from collections.abc import Iterator

from trioarb.report.report import Report
from trioarb.report.verdict import Code, Verdict, Weight, Word, verdict_of

__all__ = ["verdict_lines"]

_STYLES = {Word.PROFIT: "bold green", Word.LOSS: "bold red", Word.NOTHING: "bold yellow"}


def verdict_lines(report: Report) -> Iterator[tuple[str, str]]:
    """Yield lines and their styles; the first begins with the word."""
    verdict = verdict_of(report)
    yield f"{verdict.word.value}{_because(verdict)}", _STYLES[verdict.word]
    for one in verdict.findings:
        style = "" if one.weight is Weight.SAID else "yellow"
        yield f"{one.code.name}: {one.text} What would change it: {one.key}.", style


def _because(verdict: Verdict) -> str:
    """Say how many findings keep the verdict from being another, or that nothing but a model has shown it."""
    count = sum(one.weight is not Weight.SAID for one in verdict.findings)
    if verdict.word is not Word.NOTHING:
        return ", in a simulation" if any(one.code is Code.SIMULATED for one in verdict.findings) else ""
    if not count:
        return ""
    return f", for {'one reason' if count == 1 else f'{count} reasons'}"
