"""Campaigns that end in another way than planned, and legs that don't do what they should."""

from __future__ import annotations

from decimal import Decimal

import pytest
from command import TOP10, CommandLine

VIRTUAL = "--set=session.clock=virtual"


@pytest.mark.parametrize("keep", [[], ["--set=session.close_positions_at_end=false"]], ids=["closing", "keeping"])
def test_an_emergency_stop_closes_everything_and_ends_with_3(trioarb: CommandLine, keep: list[str]) -> None:
    ran = trioarb.run(TOP10, VIRTUAL, "--set=guards.global.emergency_stop_loss_usd=0.01", *keep)

    assert ran.code == 3
    assert ran.errors == []
    assert ran.summary["ended_by"] == "emergency_stop"
    assert ran.summary["decisions"]["STOP"] == 1
    assert ran.summary["open_positions"] == []
    (stop,) = ran.of_type("decided", answer="STOP")
    assert (stop["tier"], stop["rule"]) == ("global", "emergency_stop")
    assert not [pair for pair in ran.of_type("pair_opened", kind="entry") if pair["seq"] > stop["seq"]]
    assert ran.of_type("position_closed")[-1]["reason"] == "emergency_stop"
    assert "emergency stop" in ran.err


def test_a_slow_venue_shows_unwinds(trioarb: CommandLine) -> None:
    ran = trioarb.run(TOP10, VIRTUAL, "--set=exchanges.b.latency_ms=2000")

    assert ran.code == 0
    assert {"unwind", "hedge"} & {order["purpose"] for order in ran.of_type("order_submitted")}
    assert ran.of_type("order_submitted", purpose="unwind")
    assert ran.summary["pairs"]["entry"]["flat"] > 0
    assert ran.summary["residuals"] == []


def test_a_venue_that_rejects_everything_leaves_every_entry_flat(trioarb: CommandLine) -> None:
    ran = trioarb.run(TOP10, VIRTUAL, "--set=exchanges.b.reject_rate=1")

    assert ran.code == 0
    assert ran.summary["pairs"]["entry"]["flat"] == ran.summary["decisions"]["ALLOW"] > 0
    assert ran.summary["pairs"]["entry"]["hedged"] == ran.summary["pairs"]["entry"]["residual"] == 0
    assert ran.summary["trades"] == ran.summary["residuals"] == ran.summary["open_positions"] == []
    assert "exchanges.b.reject_rate" in "\n".join(ran.summary["advice"])
    for asset, parts in ran.summary["balances"]["a"].items():
        assert Decimal(parts["trades"]) == 0 or asset == "USDT"


def test_a_residual_is_named_and_ends_with_3(trioarb: CommandLine) -> None:
    ran = trioarb.run(
        TOP10, VIRTUAL, "--set=exchanges.*.reject_rate=0.5", "--set=execution.hedge_deadline_seconds=0.05"
    )

    assert ran.code == 3
    assert ran.errors == []
    assert ran.summary["ended_by"] == "iterations"
    assert ran.summary["residuals"]
    assert len(ran.summary["residuals"]) == len(ran.of_type("residual_left"))
    for residual in ran.summary["residuals"]:
        side = "short" if residual["quantity"].startswith("-") else "long"
        amount = f"{Decimal(residual['quantity'].removeprefix('-')):,f} {residual['asset']} at {residual['venue']}"
        assert f"Residual: {side} {amount}" in ran.out


def test_what_can_not_be_closed_in_time_is_named_and_ends_with_3(trioarb: CommandLine) -> None:
    ran = trioarb.run(
        *(TOP10, VIRTUAL, "--iterations=6", "--set=execution.close_deadline_seconds=0.001"),
        *("--set=strategy.exit_bps=50", "--set=exchanges.a.latency_ms=0"),
        *("--set=exchanges.*.market.size_usd=100", "--set=execution.hurry_seconds=0"),
    )

    assert ran.code == 3
    assert ran.summary["open_positions"]
    (first, *_) = ran.summary["problems"]
    assert "could not be closed in time" in first
    assert "could not be closed in time" in " ".join(ran.out.split())
