"""Campaigns that end in another way than planned, and legs that don't do what they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import pytest
from command import SPREAD, CommandLine, Ran, ahead

VIRTUAL = "--set=session.clock=virtual"

CASES = {
    "stop": ["guards.global.emergency_stop_loss_usd=0.01"],
    "stop, keeping": ["guards.global.emergency_stop_loss_usd=0.01", "session.close_positions_at_end=false"],
    "slow venue": ["exchanges.b.latency_ms=2000"],
    "rejecting venue": ["exchanges.b.reject_rate=1"],
    "residual": [
        *("exchanges.*.reject_rate=0.5", "execution.hedge_deadline_seconds=0.05", "execution.residual_policy=hold")
    ],
    "no time to close": [
        *("session.max_iterations=6", "execution.close_deadline_seconds=0.001", "execution.hurry_seconds=0"),
        *("strategy.exit_bps=50", "exchanges.a.latency_ms=0", "exchanges.*.market.size_usd=100"),
    ],
}

Outcome = Callable[[str], Ran]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    def run(overrides: Sequence[str]) -> Ran:
        trioarb = CommandLine(folder=tmp_path_factory.mktemp("outcome"))
        return trioarb.run(SPREAD, VIRTUAL, *(f"--set={override}" for override in overrides))

    with ahead(run, CASES) as outcome:
        yield outcome


@pytest.mark.parametrize("name", ["stop", "stop, keeping"])
def test_an_emergency_stop_closes_everything_and_ends_with_3(outcome: Outcome, name: str) -> None:
    ran = outcome(name)

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


def test_a_slow_venue_shows_unwinds(outcome: Outcome) -> None:
    ran = outcome("slow venue")

    assert ran.code == 0
    assert ran.of_type("order_submitted", purpose="unwind")
    assert ran.summary["pairs"]["entry"]["flat"] > 0
    assert ran.summary["residuals"] == []


def test_a_venue_that_rejects_everything_leaves_every_entry_flat(outcome: Outcome) -> None:
    ran = outcome("rejecting venue")

    assert ran.code == 0
    assert ran.summary["pairs"]["entry"]["flat"] == ran.summary["decisions"]["ALLOW"] > 0
    assert ran.summary["pairs"]["entry"]["hedged"] == ran.summary["pairs"]["entry"]["residual"] == 0
    assert ran.summary["trades"] == ran.summary["residuals"] == ran.summary["open_positions"] == []
    assert "exchanges.b.reject_rate" in "\n".join(ran.summary["advice"])
    for asset, parts in ran.summary["balances"]["a"].items():
        assert Decimal(parts["trades"]) == 0 or asset == "USDT"


def test_a_residual_is_named_and_ends_with_3(outcome: Outcome) -> None:
    ran = outcome("residual")

    assert ran.code == 3
    assert ran.errors == []
    assert ran.summary["ended_by"] == "iterations"
    assert ran.summary["residuals"]
    assert len(ran.summary["residuals"]) == len(ran.of_type("residual_left"))
    for residual in ran.summary["residuals"]:
        side = "short" if residual["quantity"].startswith("-") else "long"
        amount = f"{Decimal(residual['quantity'].removeprefix('-')):,f} {residual['asset']} at {residual['venue']}"
        assert f"Residual: {side} {amount}" in ran.out


def test_what_can_not_be_closed_in_time_is_named_and_ends_with_3(outcome: Outcome) -> None:
    ran = outcome("no time to close")

    assert ran.code == 3
    assert ran.summary["open_positions"]
    (first, *_) = ran.summary["problems"]
    assert "could not be closed in time" in first
    assert "could not be closed in time" in " ".join(ran.out.split())
