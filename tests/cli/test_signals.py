"""Ctrl-C and SIGTERM in the middle of a campaign in real time."""

from __future__ import annotations

import re
import signal

import pytest
from command import SPREAD, CommandLine, Process, Ran

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    *("run", str(SPREAD), "--events=events.jsonl", "--summary=summary.json", "--runtime=30", "--iterations=100000"),
    "--set=session.loop_interval_ms=50",
    "--set=exchanges.*.market.step_ms=50",
    "--set=guards.symbol.cooldown_seconds=0",
    "--log-level=DEBUG",
)
#: Orders that are under way for so long that only hurry ends them in time.
FAR_AWAY = ("--set=exchanges.*.latency_ms=40000", "--set=execution.leg_timeout_seconds=45")


def assert_ended_whole(ran: Ran) -> None:
    """What holds after a signal, whatever was going on."""
    assert ran.summary["ended_by"] == "signal"
    assert ran.summary["exit_code"] == ran.code
    assert ran.summary["open_positions"] == []
    assert ran.events[-1]["type"] == "campaign_ended"
    assert ran.events[-1]["ended_by"] == "signal"
    assert [event["seq"] for event in ran.events] == list(range(1, len(ran.events) + 1))
    assert [event["phase"] for event in ran.of_type("phase_entered")] == ["RUNNING", "DRAINING", "CLOSED"]
    assert {event["pair_id"] for event in ran.of_type("pair_opened")} == {
        event["pair_id"] for event in ran.of_type("pair_ended")
    }
    said = ran.err[ran.err.index("ending the campaign") :]
    assert not re.search(r"pair opened .* kind=entry", said)
    assert "debug   decided" not in said
    assert "realised PnL" in ran.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_as_planned(trioarb: CommandLine, number: signal.Signals) -> None:
    with trioarb.started(*LIVELY) as process:
        process.wait_for("position opened")
        process.signal(number)
        ran = process.finish()

    assert ran.code == 0
    assert_ended_whole(ran)
    assert ran.of_type("position_opened")
    closed = {event["trade_id"] for event in ran.of_type("position_closed")}
    assert closed == {event["trade_id"] for event in ran.of_type("position_opened")}
    assert ran.of_type("position_closed")[-1]["reason"] == "campaign_end"
    assert f"signal={number.name}" in ran.err


def test_a_signal_lets_legs_arrive(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--set=exchanges.*.latency_ms=400") as process:
        process.wait_for("order submitted")
        process.signal(signal.SIGINT)
        ran = process.finish()

    assert ran.code == 0
    assert_ended_whole(ran)
    sent = {event["client_order_id"] for event in ran.of_type("order_submitted")}
    assert sent == {event["client_order_id"] for event in ran.of_type("order_acknowledged")}


def test_a_signal_before_anything_happened(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--set=strategy.entry_bps=900") as process:
        process.wait_for("running")
        process.signal(signal.SIGTERM)
        ran = process.finish()

    assert ran.code == 0
    assert_ended_whole(ran)
    assert "win_rate" not in ran.summary


def test_a_signal_keeps_positions_if_told_so(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY, "--set=session.close_positions_at_end=false") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGINT)
        ran = process.finish()

    assert ran.code == 0
    assert ran.summary["ended_by"] == "signal"
    assert ran.summary["open_positions"]
    assert ran.events[-1]["type"] == "campaign_ended"


@pytest.mark.parametrize("waited_for", ["order submitted", "draining"])
def test_a_second_signal_hurries(trioarb: CommandLine, waited_for: str) -> None:
    """Whether a leg of an entry or one that closes a position is under way, its venue a world away."""
    with trioarb.started(*LIVELY, *(FAR_AWAY if waited_for == "order submitted" else _closes_slowly())) as process:
        _signal_twice(process, waited_for)
        ran = process.finish()

    assert ran.code in (0, 3)
    assert bool(ran.summary["residuals"] or ran.summary["problems"]) == (ran.code == 3)
    if ran.code == 0:
        assert_ended_whole(ran)
    assert ran.summary["ended_by"] == "signal"
    assert ran.events[-1]["type"] == "campaign_ended"
    assert "hurrying" in ran.err
    assert ran.summary["runtime_seconds"] < 30


def _closes_slowly() -> tuple[str, ...]:
    return ("--set=exchanges.*.latency_ms=300", "--set=execution.close_deadline_seconds=60")


def _signal_twice(process: Process, waited_for: str) -> None:
    if waited_for == "order submitted":
        process.wait_for("order submitted")
        process.signal(signal.SIGINT)
        process.wait_for("ending the campaign")
    else:
        process.wait_for("position opened")
        process.signal(signal.SIGINT)
        process.wait_for("draining")
    process.signal(signal.SIGINT)


def test_a_signal_before_the_campaign(with_stranger: CommandLine) -> None:
    """While a plugin is opened, nothing is traded yet; the plugin says when it is there."""
    with with_stranger.started(
        *LIVELY, "--set=exchanges.a.market={ plugin = 'broken', fault = 'opens slowly' }"
    ) as process:
        process.wait_for("opening slowly")
        process.signal(signal.SIGINT)
        ran = process.finish()

    assert ran.code != 0
    assert "interrupted" in ran.error
    assert not (ran.folder / "summary.json").exists()


def test_signals_after_the_campaign_do_not_cost_the_summary(trioarb: CommandLine) -> None:
    with trioarb.started(*LIVELY) as process:
        process.wait_for("position opened")
        process.signal(signal.SIGINT)
        process.wait_for("campaign ended")
        process.signal(signal.SIGINT)
        process.signal(signal.SIGTERM)
        ran = process.finish()

    assert ran.code == 0
    assert_ended_whole(ran)
