"""SIGUSR1, and a file that appears, in the middle of a campaign in real time."""

from __future__ import annotations

import re
import signal

import pytest
from command import SPREAD, CommandLine, Process, Ran

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this platform has no SIGUSR1")

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    *("run", str(SPREAD), "--events=events.jsonl", "--summary=summary.json", "--runtime=30", "--iterations=100000"),
    "--set=session.loop_interval_ms=50",
    "--set=exchanges.*.market.step_ms=50",
    "--set=guards.symbol.cooldown_seconds=0",
    "--set=strategy.max_holding_seconds=1",
    "--log-level=DEBUG",
)


def entries_after(ran: Ran, event: dict[str, object]) -> list[int]:
    return [pair["seq"] for pair in ran.of_type("pair_opened", kind="entry") if pair["seq"] > event["seq"]]


def end(process: Process, *waits: str) -> Ran:
    """Wait for these in the log, then end the campaign."""
    for wait in waits:
        process.wait_for(wait)
    process.signal(signal.SIGINT)
    return process.finish()


def test_the_signal_stops_entries_and_nothing_else(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--set=guards.kill_switch={}") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGUSR1)
        ran = end(process, "kill switch pulled", "kill_switch.kill_switch", "position closed")

    assert ran.code == 0
    (pulled,) = ran.of_type("kill_switch_pulled")
    assert pulled["source"] == "SIGUSR1"
    (tripped,) = ran.of_type("guard_tripped", tier="kill_switch")
    assert (tripped["answer"], tripped["value"]) == ("DENY", "pulled by SIGUSR1")
    assert ran.summary["decisions"]["by_rule"]["kill_switch.kill_switch"]
    assert entries_after(ran, pulled) == []
    assert [closed for closed in ran.of_type("position_closed", reason="max_holding") if closed["seq"] > pulled["seq"]]
    assert ran.summary["ended_by"] == "signal"
    assert ran.events[-1]["type"] == "campaign_ended"


def test_with_flatten_the_signal_closes_everything_and_ends_with_3(trioarb: CommandLine) -> None:
    with trioarb.started(
        *LIVELY, "--set=guards.kill_switch.flatten=true", "--set=session.close_positions_at_end=false"
    ) as process:
        process.wait_for("position opened")
        process.signal(signal.SIGUSR1)
        ran = process.finish()

    assert ran.code == ran.summary["exit_code"] == 3
    assert ran.summary["ended_by"] == "emergency_stop"
    assert ran.summary["open_positions"] == []
    (pulled,) = ran.of_type("kill_switch_pulled")
    assert entries_after(ran, pulled) == []
    assert ran.of_type("position_closed")[-1]["reason"] == "emergency_stop"
    assert re.search(r"emergency stop .*kill_switch\.kill_switch", ran.err)


def test_a_file_does_the_same_and_lets_go_again(trioarb: CommandLine) -> None:
    halt = trioarb.folder / "halt"
    with trioarb.started(*LIVELY, "--set=guards.kill_switch.file=halt") as process:
        process.wait_for("position opened")
        halt.touch()
        process.wait_for("guard tripped")
        halt.unlink()
        ran = end(process, "guard recovered", "position opened")

    assert ran.code == 0
    denied, allowed = ran.of_type("guard_tripped", tier="kill_switch")
    assert (denied["answer"], allowed["answer"]) == ("DENY", "ALLOW")
    assert denied["value"] == "halt exists"
    between = [seq for seq in entries_after(ran, denied) if seq < allowed["seq"]]
    assert between == []
    assert entries_after(ran, allowed)


def test_without_a_kill_switch_the_signal_says_that_nothing_stops(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY) as process:
        process.wait_for("position opened")
        process.signal(signal.SIGUSR1)
        ran = end(process, "no kill_switch tier is configured", "position opened")

    assert ran.code == 0
    assert "no kill_switch tier is configured" in ran.warnings
    assert ran.of_type("kill_switch_pulled") == []
    assert ran.summary["ended_by"] == "signal"


def test_signals_after_the_campaign_do_not_cost_the_summary(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--set=guards.kill_switch={}") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGINT)
        process.wait_for("campaign ended")
        for _ in range(3):
            process.signal(signal.SIGUSR1)
        ran = process.finish()

    assert ran.code == 0
    assert ran.events[-1]["type"] == "campaign_ended"
