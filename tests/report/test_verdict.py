from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trioarb.report.verdict import Code, Word, verdict_of


def test_a_run_without_a_trade_proves_nothing_and_says_where_it_stopped(run: Callable[..., Any]) -> None:
    verdict = verdict_of(run("strategy.entry_bps=500").report)
    assert verdict.word is Word.NOTHING
    (why,) = (one.text for one in verdict.findings if one.code is Code.NO_TRADE)
    assert "strategy.entry_bps = 500" in why


def test_two_minutes_prove_nothing(ran: Any) -> None:
    verdict = verdict_of(ran.report)
    assert verdict.word is Word.NOTHING
    assert Code.SHORT in {one.code for one in verdict.findings}
