"""A run that was recorded in real time is gone through again: to the same decisions, or where it first differs."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from command import SPREAD, CommandLine, Ran

from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND, open_journal
from trioarb.model.event import OrderFilled, PositionClosed, Record
from trioarb.model.trade import ExitReason
from trioarb.model.wire import encode
from trioarb.time.campaign_time import Turn

pytest.importorskip("trioarb_faults")

CHAOS = SPREAD.with_name("chaos.toml")
#: Two minutes and a half of campaign time in eight seconds: jitter of the machine counts twenty times.
FAST = ("--set=session.clock=real", "--set=session.speed=20")
AGAIN = ("replay", "--quotes=quotes", "--answers")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run through every fault of exchanges, with hedges, residuals and orders of unknown fate, that was recorded."""
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("run"))
    often = [f"--set=exchanges.*.{fault}" for fault in ("cut_stream=0.03", "lose_ack=0.1")]
    ran = trioarb("run", CHAOS, *FAST, *often, "--runtime=150", "--journal=run.journal", "--record=quotes")
    assert ran.code in (0, 3), ran.err
    return ran


def copied(run: Ran, trioarb: CommandLine) -> None:
    """Give the command line files of its own."""
    for path in (run.folder / "quotes").rglob("*"):
        if path.is_file():
            target = trioarb.folder / path.relative_to(run.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (trioarb.folder / "run.journal").write_bytes((run.folder / "run.journal").read_bytes())


def records_of(path: Path) -> list[Record]:
    with open_journal(path) as journal:
        return list(journal.records())


def last_lines(ran: Ran) -> list[str]:
    lines = ran.err.splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("head: "))
    return lines[head + 1 :]


def change_course(folder: Path, change: Callable[[list[Any]], bool]) -> list[Any]:
    """Change the first line of the course of which ``change`` says that it did; return it."""
    (path,) = folder.glob("quotes/*.course")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = next(line for line in lines if isinstance(line, list) and change(line))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return changed


def test_a_run_through_every_fault_comes_to_the_same_decisions_at_the_same_times(
    run: Ran, trioarb: CommandLine
) -> None:
    copied(run, trioarb)
    again = trioarb(*AGAIN, "run.journal", "--journal=again.journal")

    assert again.code == 0, again.err
    (said,) = last_lines(again)
    ours, theirs = records_of(run.folder / "run.journal"), records_of(trioarb.folder / "again.journal")
    assert said.endswith(f"decisions and {len(ours)} events of the run are the same, at the same times")
    assert int(said.split()[0]) > 50
    assert [one.ts_ns for one in ours] == [one.ts_ns for one in theirs]
    kinds = {type(one.event).__name__ for one in ours}
    assert {"OrderFilled", "PairEnded"} <= kinds
    assert kinds & {"OrderUnknown", "UpdatesDown", "GuardTripped", "OrderRejected", "ResidualLeft"}


def test_a_changed_fill_in_the_journal_is_found_with_both_lines(run: Ran, trioarb: CommandLine) -> None:
    copied(run, trioarb)
    records = records_of(run.folder / "run.journal")
    at = next(place for place, one in enumerate(records) if isinstance(one.event, OrderFilled))
    fill = records[at].event
    assert isinstance(fill, OrderFilled)
    records[at] = records[at]._replace(event=msgspec.structs.replace(fill, price=fill.price + Decimal(1)))
    with open_journal(run.folder / "run.journal") as journal:
        header = {key: value for key, value in journal.header.items() if key != KIND}
    with closing(Log.create(trioarb.folder / "other.journal", KIND, header)) as log:
        log.append([encode(record) for record in records])
        log.write()

    again = trioarb(*AGAIN, "other.journal")

    assert again.code == 1
    what, ours, theirs, *_, verdict = last_lines(again)
    assert what == "the first event that differs:"
    assert f'"price":"{fill.price + 1:f}"' in ours
    assert f'"price":"{fill.price:f}"' in theirs
    assert verdict.startswith("not the same: ")
    assert f" and {at} events of the run are the same" in verdict


def test_a_changed_answer_changes_what_is_decided(run: Ran, trioarb: CommandLine) -> None:
    copied(run, trioarb)

    def change(line: list[Any]) -> bool:
        if not isinstance(line[-2], dict) or line[-2].get("status") != "filled":
            return False
        for fill in line[-2]["fills"]:
            fill["quantity"] = str(Decimal(fill["quantity"]) / 2)
        line[-2]["status"] = "cancelled"
        return True

    changed = change_course(trioarb.folder, change)
    again = trioarb(*AGAIN, "run.journal")

    assert again.code == 1
    lines = last_lines(again)
    assert changed[-2]["client_order_id"] in lines[2]
    assert any(
        line.startswith("after ") and line.endswith(" decisions that are the same, one differs:") for line in lines
    )


def test_a_changed_quote_is_found_and_a_missing_one_is_named(run: Ran, trioarb: CommandLine) -> None:
    copied(run, trioarb)
    (path,) = trioarb.folder.glob("quotes/*/a.*[0-9].parquet")
    table = pq.read_table(path)
    bids = table.column("bid").to_pylist()
    pq.write_table(table.set_column(table.schema.get_field_index("bid"), "bid", [[one * 0.9 for one in bids]]), path)

    again = trioarb(*AGAIN, "run.journal")
    assert again.code == 1
    assert last_lines(again)[-1].startswith("not the same: ")

    pq.write_table(table.filter([place != 20 for place in range(len(table))]), path)
    again = trioarb(*AGAIN, "run.journal")
    assert again.code == 1
    assert "quotes are missing in it, or it was changed" in again.err


def test_what_the_configuration_changes_is_said_and_where_it_shows(run: Ran, trioarb: CommandLine) -> None:
    copied(run, trioarb)
    given = ("--set=session.clock=real", "--set=session.speed=20", "--set=session.max_runtime_seconds=150")
    again = trioarb("replay", CHAOS, *AGAIN[1:], "run.journal", *given, "--set=strategy.entry_bps=19")
    assert again.code == 1
    assert "the configuration is another than the run's: strategy.entry_bps" in again.err
    assert "one differs:" in again.err


def test_a_run_that_was_killed_and_resumed_comes_to_the_same_in_both_stretches(trioarb: CommandLine) -> None:
    # At the speed of the clock: campaign time that is ahead of it would go back.
    recorded = ("--set=session.clock=real", "--journal=run.journal", "--record=quotes", "--plain")
    with trioarb.started("run", CHAOS, "--runtime=16", *recorded) as process:
        process.wait_for("position opened")
        while not any(path.stat().st_size > 20_000 for path in trioarb.folder.glob("quotes/*.course")):
            time.sleep(0.02)
        process.signal(signal.SIGKILL)
        assert process.finish().code == -signal.SIGKILL
    killed = trioarb(*AGAIN, "run.journal")
    assert killed.code == 0, killed.err
    assert "the recording was cut off" in killed.err
    assert "recovered " in killed.err

    resumed = trioarb("resume", "run.journal", "--record=quotes")
    assert resumed.code in (0, 3), resumed.err
    again = trioarb(*AGAIN, "run.journal")

    assert again.code == 0, again.err
    said = [line for line in again.err.splitlines() if "of the run" in line and " are the same" in line]
    assert len(said) == 2
    assert "where it was resumed, are the same, at the same times" in said[1]


def test_an_end_whose_time_was_up_says_in_its_course_when_it_went_on(trioarb: CommandLine) -> None:
    # Positions that nothing else closes, and orders that take longer than closing may.
    held = ("--set=strategy.exit_bps=900", "--set=strategy.max_holding_seconds=900", "--set=exchanges.*.latency_ms=400")
    short = ("--runtime=8", "--set=execution.close_deadline_seconds=0.2", "--journal=run.journal", "--record=quotes")
    trioarb("run", SPREAD, "--set=session.clock=real", "--set=session.speed=4", "--plain", *held, *short)

    closed = [one for one in records_of(trioarb.folder / "run.journal") if isinstance(one.event, PositionClosed)]
    assert {one.event.reason for one in closed} == {ExitReason.CAMPAIGN_END}
    (course,) = trioarb.folder.glob("quotes/*.course")
    _, *entries = map(json.loads, course.read_text().splitlines())
    order = list(Turn.SERVICE.order(number=35))
    went_on = [entry[1] for entry in entries if entry[0] == "woken" and entry[2] == order]
    assert went_on
    assert went_on[0] >= max(one.ts_ns for one in closed)
    again = trioarb(*AGAIN, "run.journal")
    assert again.code == 0, again.err
    assert "are the same, at the same times" in again.err


def test_a_run_that_a_signal_ended_ends_there_again(trioarb: CommandLine) -> None:
    recorded = ("--journal=run.journal", "--record=quotes", "--plain")
    with trioarb.started("run", CHAOS, *FAST, "--runtime=1000", *recorded) as process:
        process.wait_for("position opened")
        time.sleep(1)
        process.signal(signal.SIGINT)
        process.finish()
    again = trioarb(*AGAIN, "run.journal", "--journal=again.journal")
    assert again.code == 0, again.err
    assert "because=signal" in again.err
    assert len(records_of(trioarb.folder / "again.journal")) == len(records_of(trioarb.folder / "run.journal"))


def test_answers_need_a_run_that_was_recorded_and_quotes_a_configuration(trioarb: CommandLine) -> None:
    virtual = ("--set=session.clock=virtual", "--iterations=50")
    assert trioarb("run", SPREAD, *virtual, "--journal=run.journal", "--record=quotes").code == 0
    again = trioarb(*AGAIN, "run.journal")
    assert again.code == 2
    assert "quotes: no course of " in again.error
    assert "`trioarb run --record`" in again.error
    assert "--answers" in trioarb("replay", "--quotes=quotes").error
    assert "the run ends as it did" in trioarb(*AGAIN, "run.journal", "--runtime=5").error


def test_nobody_else_may_read_what_accounts_held(run: Ran) -> None:
    (path,) = run.folder.glob("quotes/*.course")
    assert path.stat().st_mode & 0o777 == 0o600
