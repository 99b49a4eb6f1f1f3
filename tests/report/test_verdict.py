"""Verdicts on campaigns whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from judged import Told, drawn

from trioarb.config.schema import Mode
from trioarb.model.fx import FxState
from trioarb.model.trade import ExitReason
from trioarb.report.report import Report
from trioarb.report.verdict import Code, Weight, Word, verdict_of
from trioarb.survey.sensitivity import Sensitivity

ROOT = Path(__file__).parents[2]
SEEDS = 50


def codes(report: Report) -> set[Code]:
    return {one.code for one in verdict_of(report).findings}


def slower(pnl_usd: int) -> list[Sensitivity]:
    """Return what other latencies would have brought: twice the latency so much."""
    return [
        Sensitivity(latency_factor=Decimal(factor), pnl_usd=Decimal(pnl), trades=120, entries_unwound=0)
        for factor, pnl in ((0, 70), (1, 60), (2, pnl_usd), (5, -9))
    ]


def data_of(a: str, b: str) -> list[str]:
    """Return settings by which two venues have their quotes from recordings of these exchanges."""
    return [
        f"exchanges.{venue}.market={{ plugin = 'recorded', path = 'q.parquet', exchange = '{name}' }}"
        for venue, name in (("a", a), ("b", b))
    ]


NEITHER = [Decimal(n % 7 - 3) + Decimal("0.01") * (n % 3) - Decimal("0.02") for n in range(119)]
SAME = [Decimal("1.25") if n % 4 else Decimal(-n) / 300 - Decimal("0.1") for n in range(120)]
SURE = [Decimal(n % 9 + 1) / 10 if n % 40 else Decimal("-0.5") for n in range(120)]
LATE = [*drawn(2, 100, 1, 0.5), *drawn(3, 100, -0.1, 0.3)]
LUCKY = [*drawn(4, 200, 0.1, 0.2), Decimal("6.5")]
THREE = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
PAPER = {"mode": Mode.PAPER}
AT_ONCE = ["exchanges.a.latency_ms=0"]
TRADELESS = {"over_threshold": 5, "sized": 0, "edge_positive": 9}

#: Each code with a campaign that raises it and nothing else, and what the same campaign is like without it.
ONLY: Mapping[Code, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    Code.NO_TRADE: ({"pnls": (), "funnel": TRADELESS}, {}),
    Code.STARVED: (
        {"pnls": (), "funnel": {**TRADELESS, "over_threshold": 50}},
        {"pnls": (), "funnel": {**TRADELESS, "over_threshold": 49}},
    ),
    Code.FEW_TRADES: ({"pnls": drawn(1, 29, 2)}, {"pnls": drawn(1, 60, 2)}),
    Code.UNCERTAIN: ({"pnls": NEITHER}, {}),
    Code.SHORT: ({"seconds": 3_599}, {"seconds": 3_600}),
    Code.GUARDS: ({"is_decided": False}, {}),
    Code.STALE: ({"funnel": {"fresh": 8_900}}, {"funnel": {"fresh": 9_100}}),
    Code.REFUSED: ({"funnel": {"refused": 101}}, {"funnel": {"refused": 99}}),
    Code.OLD: ({"silent_seconds": 800}, {"silent_seconds": 600}),
    Code.CLOCK: ({"apart_seconds": 400}, {"apart_seconds": 300}),
    Code.MARKED: ({"open_usd": Decimal(30)}, {"open_usd": Decimal(3)}),
    Code.FX_OLD: (
        {"quote": "USDC", "rates": (FxState.GOOD, FxState.OLD)},
        {"quote": "USDC", "rates": (FxState.GOOD, FxState.GOOD)},
    ),
    Code.FX_CONSTANT: ({"quote": "USDC"}, {"quote": "USDC", "rates": (FxState.GOOD, FxState.GOOD)}),
    Code.CONFLATED: ({"funnel": {"conflated": 6_100}}, {"funnel": {"conflated": 5_900}}),
    Code.FEW_SYMBOLS: ({"top_n": 3}, {"top_n": 2}),
    Code.EXITS_FORCED: ({"reason": ExitReason.MAX_HOLDING}, {"reason": ExitReason.STOP_LOSS}),
    Code.ZERO_LATENCY: ({**PAPER, "overrides": AT_ONCE}, PAPER),
    Code.LATENCY_SENSITIVE: ({"sensitivity": slower(29)}, {"sensitivity": slower(31)}),
    Code.NO_FEE: ({"fee": Decimal(0)}, {"fee": Decimal("0.001")}),
    Code.FILLS: ({"worse": Decimal(0)}, {}),
    Code.SAME_WINS: ({"pnls": SAME}, {"pnls": [one + Decimal(n) / 400 for n, one in enumerate(SAME)]}),
    Code.WINS: ({"pnls": SURE}, {"pnls": [*SURE[:100], *drawn(5, 20, 0)]}),
    Code.PACE: ({"within_seconds": 170}, {"within_seconds": 190}),
    Code.BASIS: (
        {"both_ways": False, "overrides": data_of("ONE", "OTHER_FUTURES")},
        {"overrides": data_of("ONE", "OTHER_FUTURES")},
    ),
    Code.CONCENTRATED: ({"pnls": LUCKY}, {}),
    Code.OVERFIT: ({"pnls": LATE}, {}),
    Code.SIMULATED: (PAPER, {}),
    Code.SAME_OPERATOR: ({"overrides": data_of("ONE", "ONE_MARGIN")}, {"overrides": data_of("ONE", "OTHER")}),
    Code.INVENTORY: ({"end_price": Decimal(101)}, {"end_price": Decimal("100.001")}),
}


def test_a_sound_campaign_that_earns_is_praised_without_a_but() -> None:
    verdict = verdict_of(Told().report())
    assert verdict.word is Word.PROFIT
    assert not verdict.findings


@pytest.mark.parametrize("code", Code)
def test_each_code_is_raised_alone_and_not_without_its_cause(code: Code) -> None:
    raising, sparing = ONLY[code]
    verdict = verdict_of(Told(**raising).report())
    implied = {Code.SIMULATED} if raising.get("mode") is Mode.PAPER else set()

    assert {one.code for one in verdict.findings} - (implied - {code}) == {code}
    assert code not in codes(Told(**sparing).report())
    assert (verdict.word is Word.PROFIT) == (code.weight is Weight.SAID)
    (finding,) = (one for one in verdict.findings if one.code is code)
    assert finding.text
    assert finding.key


def test_a_symbol_that_brings_nearly_all_is_named() -> None:
    assert Code.CONCENTRATED in codes(Told(symbols=THREE, concentrated=10).report())
    assert Code.CONCENTRATED not in codes(Told(symbols=THREE).report())


def test_what_is_open_while_it_runs_is_valued_at_the_latest_marks() -> None:
    assert Code.MARKED not in codes(Told(leaves_open=True).report())
    assert Code.MARKED in codes(Told(leaves_open=True, pnls=drawn(1, 120, 0.002, 0.01)).report())


def test_where_prices_may_be_made_up_that_is_said() -> None:
    (made_up,) = verdict_of(Told(mode=Mode.PAPER).report()).findings
    (recorded,) = verdict_of(Told(mode=Mode.PAPER, overrides=data_of("ONE", "OTHER")).report()).findings
    assert "exchanges.a.market" in made_up.text
    assert "exchanges" not in recorded.text


def test_recordings_of_venues_that_do_not_exist_are_said_to_be_made_up() -> None:
    names = data_of("SYNTHETIC_ONE", "SYNTHETIC_OTHER")
    (simulated,) = verdict_of(Told(mode=Mode.PAPER, overrides=names).report()).findings
    assert simulated.code is Code.SIMULATED
    assert "SYNTHETIC, made up by a program (exchanges.a.market, exchanges.b.market)" in simulated.text


def test_a_loss_stays_one_however_flattered() -> None:
    losing = [-one for one in drawn(1, 120, 0.5)]
    assert verdict_of(Told(pnls=losing).report()).word is Word.LOSS
    assert verdict_of(Told(pnls=losing, fee=Decimal(0), worse=Decimal(0)).report()).word is Word.LOSS
    assert verdict_of(Told(pnls=losing, seconds=60).report()).word is Word.NOTHING


def test_profit_is_shown_where_there_is_one() -> None:
    shown = [verdict_of(Told(pnls=drawn(seed, 200, 0.4)).report()).word for seed in range(SEEDS)]
    assert shown.count(Word.PROFIT) >= 0.9 * SEEDS
    assert Word.LOSS not in shown


def test_loss_is_shown_where_there_is_one() -> None:
    shown = [verdict_of(Told(pnls=drawn(seed, 200, -0.4)).report()).word for seed in range(SEEDS)]
    assert shown.count(Word.LOSS) >= 0.9 * SEEDS
    assert Word.PROFIT not in shown


def test_without_an_edge_nothing_is_shown() -> None:
    shown = [verdict_of(Told(pnls=drawn(seed, 60, 0.0)).report()).word for seed in range(2 * SEEDS)]
    assert shown.count(Word.NOTHING) >= 0.95 * 2 * SEEDS


def test_what_the_first_system_showed_is_refused() -> None:
    """1,659 trades in an hour, 100 % wins of 125 USD each, and guards that nobody asked."""
    verdict = verdict_of(
        Told(
            pnls=[Decimal(125)] * 1_659,
            symbols=THREE,
            seconds=3_600,
            fee=Decimal(0),
            worse=Decimal(0),
            is_decided=False,
            mode=Mode.PAPER,
            overrides=["exchanges.*.latency_ms=0"],
            reason=ExitReason.MAX_HOLDING,
        ).report()
    )
    assert verdict.word is Word.NOTHING
    found = {one.code for one in verdict.findings}
    assert found >= {Code.SAME_WINS, Code.WINS, Code.NO_FEE, Code.GUARDS, Code.ZERO_LATENCY, Code.EXITS_FORCED}


def test_a_run_without_a_trade_proves_nothing_and_says_where_it_stopped(run: Callable[..., Any]) -> None:
    verdict = verdict_of(run("strategy.entry_bps=500").report)
    assert verdict.word is Word.NOTHING
    (why,) = (one.text for one in verdict.findings if one.code is Code.NO_TRADE)
    assert "strategy.entry_bps = 500" in why


def test_two_minutes_prove_nothing(ran: Any) -> None:
    assert verdict_of(ran.report).word is Word.NOTHING
    assert Code.SHORT in codes(ran.report)


def test_every_code_has_its_line_on_the_page() -> None:
    page = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")
    lines = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert set(lines) == {code.name for code in Code}
    assert all(f"| {code.weight.value} |" in lines[code.name] for code in Code)
