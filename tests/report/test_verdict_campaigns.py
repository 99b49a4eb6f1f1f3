"""Verdicts on whole campaigns: what is known of the market, and the settings that earn or lose on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli

from trioarb.cli.running import report_of
from trioarb.report.verdict import Code, Word, verdict_of
from trioarb.testing import run_virtual

ROOT = Path(__file__).parents[2]
LUNC = ROOT.parent / "shared" / "data" / "quotes" / "gateio_mexc_lunc_20251011.parquet"

#: An hour of one symbol whose venues differ for some seconds at a time, which lets the spread strategy earn.
HOUR = (
    "session.max_runtime_seconds=3600",
    "session.max_iterations=1000000",
    "universe.top_n=1",
    "exchanges.*.latency_ms=500",
    "strategy.max_holding_seconds=60",
    "guards.symbol.cooldown_seconds=15",
)
#: Entries that pay both fees of the way in, and leave before the way out is paid.
LOSES = ("exchanges.*.latency_ms=300", "strategy.entry_bps=0", "strategy.exit_bps=-20")
#: What is earned on the way in pays for the way out, and nothing else.
NO_EDGE = (
    "exchanges.*.latency_ms=300",
    "exchanges.*.market.basis_bps=8",
    "strategy.entry_bps=0",
    "strategy.exit_bps=-8.5",
)
SEEDS = 50


def words(run: Callable[..., Any], *overrides: str) -> Counter[Word]:
    return Counter(
        verdict_of(run(*HOUR, *overrides, f"session.seed={seed}").report).word for seed in range(1, SEEDS + 1)
    )


@pytest.mark.long
def test_settings_that_earn_are_said_to(run: Callable[..., Any]) -> None:
    found = words(run)
    assert found[Word.PROFIT] >= 0.9 * SEEDS
    assert not found[Word.LOSS]


@pytest.mark.long
def test_settings_that_lose_are_said_to(run: Callable[..., Any]) -> None:
    found = words(run, *LOSES)
    assert found[Word.LOSS] >= 0.9 * SEEDS
    assert not found[Word.PROFIT]


@pytest.mark.long
def test_a_market_without_an_edge_is_not_said_to_have_one(run: Callable[..., Any]) -> None:
    found = words(run, *NO_EDGE)
    assert found[Word.PROFIT] + found[Word.LOSS] <= 0.05 * SEEDS


def test_an_hour_that_earns_shows_profit(run: Callable[..., Any]) -> None:
    verdict = verdict_of(run(*HOUR, "session.seed=2").report)
    assert verdict.word is Word.PROFIT
    assert {one.code for one in verdict.findings} <= {Code.SIMULATED, Code.INVENTORY}


def test_what_trades_came_to_is_what_was_realised(run: Callable[..., Any]) -> None:
    """Slow venues and no slippage leave residuals, unwound entries, and orders that are learnt of late."""
    state = run(
        "session.max_runtime_seconds=600",
        "session.max_iterations=5000",
        "strategy.max_holding_seconds=20",
        "exchanges.*.latency_ms=600",
        "execution.unwind_slippage_bps=1",
        "execution.hedge_deadline_seconds=0.5",
    ).campaign.state
    done, statistics = state.performance, state.statistics
    assert statistics.pairs["entry", "residual"] > 50

    assert done.all.series.total == statistics.pnl_usd - state.attributions.open_usd
    assert done.all.trades == statistics.closed + statistics.unwound_count
    assert done.all.won == statistics.won + statistics.unwound_won
    assert done.all.won_usd + done.all.lost_usd + _beside(state) == done.all.series.total
    assert sum(one.trades for one in done.routes.values()) == done.all.trades


def _beside(state: Any) -> Decimal:
    """Return what was realised beside trades."""
    return Decimal(state.attributions.totals.residuals_usd)


def test_the_shipped_lunc_campaign_proves_nothing() -> None:
    if not LUNC.exists():
        pytest.skip(f"{LUNC.name} is not on this machine")
    pytest.importorskip("pyarrow")
    table = tomli.loads((ROOT / "configs" / "lunc_gateio_mexc.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    for venue in table["exchanges"].values():
        venue["market"]["path"] = str(LUNC)
    verdict = verdict_of(report_of(run_virtual(table).campaign))
    assert verdict.word is Word.NOTHING
    assert {Code.BASIS, Code.FEW_TRADES, Code.EXITS_FORCED} <= {one.code for one in verdict.findings}
