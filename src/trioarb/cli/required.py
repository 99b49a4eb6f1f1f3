"""The exit code of a command that asks for a verdict."""

from __future__ import annotations

from trioarb.report.report import Report
from trioarb.report.verdict import Word, verdict_of

__all__ = ["NOT_SHOWN", "required"]

#: No profit was shown.
NOT_SHOWN = 4


def required(report: Report) -> int:
    """Return the campaign's own exit code, or, where that is 0 or not there yet, `NOT_SHOWN` without a profit."""
    return report.exit_code or (0 if verdict_of(report).word is Word.PROFIT else NOT_SHOWN)
