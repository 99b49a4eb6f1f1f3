"""Files that can't be written, before the campaign or in its middle: positions are closed all the same."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from command import TOP10, CommandLine, Ran

VIRTUAL = "--set=session.clock=virtual"
FULL = Path("/dev/full")
NO_SPACE = os.strerror(errno.ENOSPC)
TOO_LARGE = os.strerror(errno.EFBIG)
LIVELY = (
    *("--set=session.loop_interval_ms=50", "--set=exchanges.*.market.step_ms=50", "--runtime=10"),
    "--set=guards.symbol.cooldown_seconds=0",
)

needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
needs_plain_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def assert_all_closed(ran: Ran) -> None:
    assert ran.summary["open_positions"] == []
    assert ran.summary["residuals"] == []


@needs_full_device
def test_events_on_a_full_disk_end_the_campaign_with_1(trioarb: CommandLine) -> None:
    ran = trioarb("run", TOP10, *LIVELY, "--events=/dev/full", "--summary=summary.json")

    assert ran.code == 1
    assert "/dev/full" in ran.error
    assert NO_SPACE in ran.error
    assert ran.summary["exit_code"] == 1
    assert ran.summary["ended_by"] == "error"
    assert_all_closed(ran)


def test_events_that_can_not_grow_end_the_campaign_and_close_its_positions(trioarb: CommandLine) -> None:
    ran = trioarb.run(TOP10, VIRTUAL, largest_file=40_000)

    assert ran.code == 1
    assert "events.jsonl" in ran.error
    assert TOO_LARGE in ran.error
    assert ran.summary["ended_by"] == "error"
    assert_all_closed(ran)
    assert ran.summary["trades"]
    assert (ran.folder / "events.jsonl").stat().st_size <= 40_000


@needs_full_device
def test_a_summary_on_a_full_disk_is_an_error(trioarb: CommandLine) -> None:
    ran = trioarb("run", TOP10, VIRTUAL, "--iterations=5", "--summary=/dev/full")

    assert ran.code == 1
    assert "/dev/full" in ran.error
    assert NO_SPACE in ran.error
    assert "ended by iterations" in ran.out
    assert "exit code 1" in ran.out


def test_a_summary_that_does_not_fit_leaves_the_old_one_whole(trioarb: CommandLine) -> None:
    (trioarb.folder / "summary.json").write_text("{}")

    ran = trioarb("run", TOP10, VIRTUAL, "--iterations=5", "--summary=summary.json", largest_file=8_000)

    assert ran.code == 1
    assert "summary.json" in ran.error
    assert TOO_LARGE in ran.error
    assert ran.summary == {}
    assert sorted(path.name for path in ran.folder.iterdir()) == ["logs", "summary.json"]


def test_a_log_that_can_not_grow_does_not_stop_the_campaign(trioarb: CommandLine) -> None:
    ran = trioarb(
        "run", TOP10, VIRTUAL, "--log-level=DEBUG", "--set=universe.top_n=4", "--summary=summary.json",
        largest_file=20_000,
    )  # fmt: skip

    assert ran.code == 0
    assert ran.errors == []
    assert ran.summary["ended_by"] == "iterations"
    assert ran.summary["trades"]
    assert "the log file can't be written" in ran.err
    last = ran.err.splitlines()[-1]
    assert last.startswith("log: logs/top10_")
    assert "incomplete" in last
    assert TOO_LARGE in last


@needs_full_device
def test_a_full_disk_behind_stdout_is_not_called_a_defect(trioarb: CommandLine) -> None:
    with (
        FULL.open("wb") as full,
        trioarb.started("run", TOP10, VIRTUAL, "--iterations=5", "--summary=summary.json", stdout=full) as process,
    ):
        ran = process.finish()

    assert ran.code == 1
    assert NO_SPACE in ran.error
    assert "defect" not in ran.err
    assert_all_closed(ran)


@needs_full_device
def test_a_full_disk_behind_stderr_does_not_stop_the_campaign(trioarb: CommandLine) -> None:
    with (
        FULL.open("wb") as full,
        trioarb.started(
            "run", TOP10, VIRTUAL, "--events=events.jsonl", "--summary=summary.json", stderr=full
        ) as process,
    ):
        ran = process.finish()

    assert ran.events[-1]["type"] == "campaign_ended"
    assert_all_closed(ran)
    assert "realised PnL" in ran.out


@pytest.mark.parametrize(
    ("flag", "place", "said"),
    [("--summary", "missing/file", "no such folder"), ("--events", ".", "is a folder")],
    ids=["missing", "folder"],
)
def test_a_place_that_can_not_be_written_is_refused_before_anything_runs(
    trioarb: CommandLine, flag: str, place: str, said: str
) -> None:
    ran = trioarb("run", TOP10, VIRTUAL, f"{flag}={place}")

    assert ran.code == 2
    assert ran.error.startswith(f"{flag}: ")
    assert said in ran.error
    assert not list(ran.folder.iterdir())


def test_a_log_folder_that_is_a_file_is_refused_before_anything_runs(trioarb: CommandLine) -> None:
    (trioarb.folder / "logs").write_text("")
    (trioarb.folder / "events.jsonl").write_text('{"seq": 1}')

    ran = trioarb("run", TOP10, VIRTUAL, "--events=events.jsonl")

    assert ran.code == 2
    assert ran.events == [{"seq": 1}]
    assert ran.error.startswith("--log-dir: ")
    assert "choose another folder" in ran.error


@needs_plain_user
def test_a_log_folder_without_permission_is_refused_before_anything_runs(trioarb: CommandLine) -> None:
    closed = trioarb.folder / "closed"
    closed.mkdir(mode=0o500)

    ran = trioarb("run", TOP10, VIRTUAL, "--log-dir=closed", "--events=events.jsonl")

    assert ran.code == 2
    assert ran.error.startswith("--log-dir: ")
    assert not (ran.folder / "events.jsonl").exists()
