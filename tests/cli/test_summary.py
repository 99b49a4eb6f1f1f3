"""`summary`: what a run printed can be had from its journal again, whatever became of the run."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from command import SPREAD, CommandLine, Ran

VIRTUAL = "--set=session.clock=virtual"
#: What only the process knew.
TELEMETRY = {"loop_latency_us", "process", "recording"}


def without_telemetry(text: str) -> str:
    """The words that are printed, the latency's figures left out."""
    return re.sub(r"(\bp99 \(µs\)|\bp50|\bp99|\((?:s|MB)\)) \S+", r"\1 -", " ".join(text.split()))


def assert_told_again(trioarb: CommandLine, ran: Ran, journal: str = "run.journal") -> None:
    told = trioarb("summary", journal)
    assert (told.code, told.err) == (0, "")
    assert without_telemetry(told.out) == without_telemetry(ran.out)
    assert "p50" in told.out
    as_json = trioarb("summary", journal, "--json")
    assert (as_json.code, as_json.err) == (0, "")
    expected = {key: value for key, value in ran.summary.items() if key not in TELEMETRY}
    assert json.loads(as_json.out) == expected


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["strategy.entry_bps=500"],
        ["session.close_positions_at_end=false", "strategy.exit_bps=50"],
        ["guards.global.emergency_stop_loss_usd=0.0001", "strategy.exit_bps=-40"],
        ["guards.symbol.max_position_size_usd=1", "exchanges.b.account=margin", "exchanges.b.max_borrow_usd=100"],
        ["exchanges.b.reject_rate=0.5", "guards.symbol.circuit_breaker_loss_count=1", "guards.exchange={}"],
    ],
    ids=["trades", "no trade", "kept open", "stopped", "denied", "rejected"],
)
def test_it_prints_what_the_run_printed(trioarb: CommandLine, overrides: Sequence[str]) -> None:
    ran = trioarb.run(SPREAD, VIRTUAL, *(f"--set={one}" for one in overrides), "--journal=run.journal")
    assert ran.code in (0, 3), ran.err
    assert_told_again(trioarb, ran)


def test_of_a_resumed_campaign_it_tells_all_stretches(trioarb: CommandLine) -> None:
    first = trioarb.run(SPREAD, VIRTUAL, "--journal=run.journal", "--iterations=20")
    assert first.code == 0, first.err
    events = ["--events=events.jsonl", "--summary=summary.json"]
    resumed = trioarb("resume", "run.journal", *events, "--iterations=50")
    assert resumed.code == 0, resumed.err
    assert resumed.summary["resumed"] == 1
    assert_told_again(trioarb, resumed)


def test_a_journal_that_is_written_or_was_cut_off_has_a_summary(trioarb: CommandLine) -> None:
    with trioarb.started("run", SPREAD, "--journal=run.journal", "--runtime=50") as running:
        running.wait_for("position opened")
        while_running = trioarb("summary", "run.journal")
        assert (while_running.code, while_running.err) == (0, "")
        running.signal(signal.SIGKILL)
    cut_off = trioarb("summary", "run.journal")
    assert (cut_off.code, cut_off.err) == (0, "")
    for told in (while_running, cut_off):
        assert "not ended after " in told.out
        assert "BTCUSDT" in told.out
        assert "exit code" not in told.out
    figures = json.loads(trioarb("summary", "run.journal", "--json").out)
    assert "ended_by" not in figures
    assert "exit_code" not in figures
    assert (
        len(figures["open_positions"]) + figures["closed_trades"] == figures["risk_stats"]["global"]["trades_executed"]
    )


def test_it_changes_nothing(trioarb: CommandLine, tmp_path: Path) -> None:
    assert trioarb.run(SPREAD, VIRTUAL, "--journal=run.journal").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    os.chmod(tmp_path / "run.journal", 0o400)
    assert trioarb("summary", "run.journal").code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_what_is_no_journal_is_named(trioarb: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    told = trioarb("summary", "notes.txt")
    assert told.code == 2
    assert "notes.txt" in told.error
