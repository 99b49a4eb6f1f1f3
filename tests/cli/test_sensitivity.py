"""What hangs on latency: the same campaign, played again with others."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from command import SPREAD, CommandLine

TOP10 = SPREAD.with_name("top10.toml")
LASTING = ("--set=session.clock=virtual", "--set=session.max_iterations=2400", "--set=session.max_runtime_seconds=600")


def test_a_run_says_what_it_would_have_earned_with_other_latencies(trioarb: CommandLine, tmp_path: Path) -> None:
    ran = trioarb.run(TOP10, *LASTING, "--sensitivity")

    assert ran.code == 0
    found = {Decimal(one["latency_factor"]): one for one in ran.summary["sensitivity"]}
    assert sorted(found) == [0, 1, 2, 5]
    # In virtual time the campaign itself is the one with its own latency.
    assert found[Decimal(1)]["pnl_usd"] == ran.summary["pnl_usd"]
    assert found[Decimal(1)]["trades"] == ran.summary["closed_trades"]
    assert Decimal(found[Decimal(5)]["pnl_usd"]) < Decimal(found[Decimal(1)]["pnl_usd"]) / 2
    assert "Latency, realised PnL (USD)" in ran.out


def test_it_is_the_same_as_a_run_with_that_factor(trioarb: CommandLine) -> None:
    played = {
        one["latency_factor"]: one for one in trioarb.run(TOP10, *LASTING, "--sensitivity").summary["sensitivity"]
    }
    slower = trioarb.run(TOP10, *LASTING, "--set=session.latency_factor=5", "--journal=slower.journal").summary

    assert played["5"]["pnl_usd"] == slower["pnl_usd"]


def test_without_asking_there_is_none(trioarb: CommandLine) -> None:
    assert "sensitivity" not in trioarb.run(TOP10, "--set=session.clock=virtual", "--iterations=4").summary
