"""SIGUSR2: why there is no trade, said while the campaign runs."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import pytest
from command import SPREAD, CommandLine, Ran

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this platform has no SIGUSR2")


def decided(ran: Ran) -> list[Mapping[str, Any]]:
    return [{name: value for name, value in event.items() if name not in ("hash", "end")} for event in ran.events]


def test_a_running_campaign_says_where_its_opportunities_went(trioarb: CommandLine) -> None:
    with trioarb.started(
        *("run", str(SPREAD), "--events=events.jsonl", "--runtime=60", "--iterations=100000"),
        "--set=guards.portfolio.total_capital_usd=100",
        "--set=session.loop_interval_ms=20",
        "--log-level=DEBUG",
    ) as process:
        process.wait_for("rule=allocation")
        process.signal(signal.SIGUSR2)
        shown = process.wait_for("Why no trade, after")
        process.wait_for("total")
        advice = process.wait_for("No trade:")
        process.signal(signal.SIGINT)
        ran = process.finish()

    assert ran.code == 0
    assert " s:" in shown
    assert "the guards allowed none" in advice
    assert "portfolio.allocation denied" in " ".join(ran.err.split())
    assert ran.of_type("position_opened") == []


def test_asking_changes_nothing_that_happens(trioarb: CommandLine) -> None:
    virtual = (
        str(SPREAD),
        "--events=events.jsonl",
        "--runtime=500",
        "--iterations=100000",
        "--set=session.clock=virtual",
    )
    with trioarb.started("run", *virtual) as process:
        process.wait_for("position opened")
        for _ in range(3):
            process.signal(signal.SIGUSR2)
            process.wait_for("Trades: ")
        asked = process.finish()
    asked_events = decided(asked)
    (trioarb.folder / "events.jsonl").unlink()
    left_alone = trioarb("run", *virtual)

    assert asked.code == left_alone.code == 0
    assert asked_events == decided(left_alone)
