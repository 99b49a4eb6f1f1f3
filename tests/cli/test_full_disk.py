"""Files that can't be written, before the campaign or in its middle: positions are closed all the same."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from command import SPREAD, CommandLine, Ran

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
    ran = trioarb("run", SPREAD, *LIVELY, "--events=/dev/full", "--summary=summary.json")

    assert ran.code == 1
    assert "/dev/full" in ran.error
    assert NO_SPACE in ran.error
    assert ran.summary["exit_code"] == 1
    assert ran.summary["ended_by"] == "error"
    assert_all_closed(ran)


@pytest.mark.parametrize(
    ("clock", "largest_file"),
    [
        *(pytest.param([VIRTUAL], size, id=f"virtual-{size}") for size in (40_000, 70_000, 110_000)),
        *(pytest.param([*LIVELY, "--iterations=400"], size, id=f"real-{size}") for size in (60_000, 100_000)),
    ],
)
def test_a_journal_that_can_not_grow_ends_the_campaign_and_closes_its_positions(
    trioarb: CommandLine, clock: Sequence[str], largest_file: int
) -> None:
    ran = trioarb(
        *("run", SPREAD, *clock, "--set=session.durability=order", "--summary=summary.json"),
        "--events=/dev/stdout",  # a pipe takes more than a file can hold
        largest_file=largest_file,
    )
    (trioarb.folder / "events.jsonl").write_text(
        "".join(line for line in ran.out.splitlines(keepends=True) if line.startswith('{"seq":'))
    )

    assert ran.code == 1
    said = re.fullmatch(
        r"(\d+) events \((\d+) to (\d+)\) are missing in the journal: (\S+) can't be written: .+", ran.error
    )
    assert said is not None
    count, first, last = map(int, said.group(1, 2, 3))
    assert ran.events[-1]["seq"] == last == first + count - 1
    assert list(ran.folder.glob(said[4]))
    assert ran.summary["ended_by"] == "error"
    assert ran.summary["exit_code"] == 1
    assert_all_closed(ran)
    assert ran.summary["trades"]
    (failed,) = ran.of_type("phase_entered", phase="DRAINING")
    entries = {pair["pair_id"] for pair in ran.of_type("pair_opened", kind="entry")}
    late = [one for one in ran.of_type("order_submitted", purpose="leg") if one["seq"] >= first]
    sent = {one["client_order_id"] for one in late if one["pair_id"] in entries} & executed(ran)
    assert not sent, "an entry was sent whose intent is not on the disk"
    assert not [one for one in late if one["seq"] > failed["seq"] and one["pair_id"] in entries]
    assert not [one for one in late if one["seq"] > failed["seq"] and one["durable"]]


def test_a_journal_that_is_replaced_ends_the_campaign(trioarb: CommandLine) -> None:
    journal = trioarb.folder / "c.journal"
    flags = ("--iterations=1000000", "--journal=c.journal", "--summary=summary.json")
    with trioarb.started("run", SPREAD, *LIVELY, *flags) as process:
        process.wait_for("position opened")
        journal.rename(trioarb.folder / "elsewhere")
        journal.write_text("another's")
        ran = process.finish()

    assert ran.code == 1
    assert ran.error.endswith("c.journal was removed or replaced while it was written")
    assert ran.summary["ended_by"] == "error"
    assert_all_closed(ran)
    assert journal.read_text() == "another's"


@pytest.mark.parametrize("largest_file", [40_000, 70_000])
def test_closing_orders_that_the_journal_could_not_take_are_named_when_it_is_resumed(
    trioarb: CommandLine, largest_file: int
) -> None:
    journal = "one.journal"
    flags = ("--set=session.durability=order", f"--journal={journal}")
    cut_off = trioarb("run", SPREAD, VIRTUAL, *flags, largest_file=largest_file)

    assert cut_off.code == 1
    assert trioarb("verify", journal).code == 0, "what could be written is whole"
    before = (trioarb.folder / journal).read_bytes()
    resumed = trioarb("resume", journal, "--close-only")
    assert resumed.code == 1
    assert "which the journal doesn't" in resumed.error
    assert "nothing was traded" in resumed.error
    assert (trioarb.folder / journal).read_bytes() == before


def executed(ran: Ran) -> set[str]:
    """Return the orders that the venues remember."""
    lines = (line for path in (ran.folder / "journals").glob("*.venue") for line in path.read_text().splitlines())
    return {row["order"]["client_order_id"] for row in map(json.loads, lines) if "order" in row}


def test_where_nothing_can_grow_positions_are_closed(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD, VIRTUAL, largest_file=40_000)

    assert ran.code == 1
    assert "missing in the journal" in ran.error
    assert TOO_LARGE in ran.err
    assert ran.summary["ended_by"] == "error"
    assert_all_closed(ran)
    assert ran.summary["trades"]
    assert (ran.folder / "events.jsonl").stat().st_size <= 40_000


def test_a_journal_that_can_not_be_begun_is_an_error_and_nothing_is_traded(trioarb: CommandLine) -> None:
    ran = trioarb("run", SPREAD, VIRTUAL, "--events=/dev/stdout", largest_file=4_000)

    assert ran.code == 1
    assert "are missing in the journal" in ran.error
    assert '"type":"campaign_opened"' in ran.out
    assert '"type":"pair_opened"' not in ran.out
    assert list((ran.folder / "journals").iterdir()) == [], "a journal that never began, and venues' memories, are gone"


def test_a_journal_whose_place_is_no_folder_is_an_error_before_anything_runs(trioarb: CommandLine) -> None:
    (trioarb.folder / "journals").write_text("")
    ran = trioarb("run", SPREAD, VIRTUAL, "--summary=summary.json")

    assert ran.code == 2
    assert "journals" in ran.error
    assert not (ran.folder / "summary.json").exists()


@needs_full_device
def test_a_summary_on_a_full_disk_is_an_error(trioarb: CommandLine) -> None:
    ran = trioarb("run", SPREAD, VIRTUAL, "--iterations=5", "--summary=/dev/full")

    assert ran.code == 1
    assert "/dev/full" in ran.error
    assert NO_SPACE in ran.error
    assert "ended by iterations" in ran.out
    assert "exit code 1" in ran.out


#: A guard tier that lets everything pass. When it is closed, after the journal was, no file may grow any more.
FILLS_THE_DISK = """
from contextlib import asynccontextmanager
from resource import RLIMIT_FSIZE, setrlimit
from trioarb.api import GuardTier, GuardTierSpec, hookimpl

class Nothing(GuardTier):
    def check(self, opportunity, now_ns):
        return None

@asynccontextmanager
async def open_tier(settings, context):
    yield Nothing()
    setrlimit(RLIMIT_FSIZE, (8_000, 8_000))

@hookimpl
def trioarb_guard_tiers():
    return [GuardTierSpec(name="filling", doc="fills the disk", open=open_tier, rank=1)]
"""


def test_a_summary_that_does_not_fit_leaves_the_old_one_whole(trioarb: CommandLine) -> None:
    (trioarb.folder / "summary.json").write_text("{}")
    filling = trioarb.install("filling", "filling", FILLS_THE_DISK)

    ran = filling(
        "run", SPREAD, VIRTUAL, "--iterations=5", "--set=guards.filling={}", "--log-level=ERROR",
        "--summary=summary.json",
    )  # fmt: skip

    assert ran.code == 1
    assert "summary.json" in ran.error
    assert TOO_LARGE in ran.error
    assert ran.summary == {}
    assert sorted(path.name for path in ran.folder.iterdir()) == ["journals", "logs", "site", "summary.json"]


def test_a_log_that_can_not_grow_does_not_stop_the_campaign(trioarb: CommandLine) -> None:
    command = "run", SPREAD, VIRTUAL, "--log-level=DEBUG", "--iterations=1000", "--journal=whole.journal"
    assert trioarb(*command).code == 0
    (log,), journal = trioarb.folder.glob("logs/*"), trioarb.folder / "whole.journal"
    # So that the journal fits, and the log doesn't.
    largest = (journal.stat().st_size + log.stat().st_size) // 2
    assert journal.stat().st_size + 1_000 < largest
    log.unlink()
    ran = trioarb(*command[:-1], "--summary=summary.json", largest_file=largest)

    assert ran.code == 0
    assert ran.errors == []
    assert ran.summary["ended_by"] == "runtime"
    assert ran.summary["trades"]
    assert "the log file can't be written" in ran.err
    (last,) = (line for line in ran.err.splitlines() if line.startswith("log: "))
    assert last.startswith("log: logs/spread_")
    assert "incomplete" in last
    assert TOO_LARGE in last


@needs_full_device
def test_a_full_disk_behind_stdout_is_not_called_a_defect(trioarb: CommandLine) -> None:
    with (
        FULL.open("wb") as full,
        trioarb.started("run", SPREAD, VIRTUAL, "--iterations=5", "--summary=summary.json", stdout=full) as process,
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
            "run", SPREAD, VIRTUAL, "--events=events.jsonl", "--summary=summary.json", stderr=full
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
    ran = trioarb("run", SPREAD, VIRTUAL, f"{flag}={place}")

    assert ran.code == 2
    assert ran.error.startswith(f"{flag}: ")
    assert said in ran.error
    assert not list(ran.folder.iterdir())


def test_a_log_folder_that_is_a_file_is_refused_before_anything_runs(trioarb: CommandLine) -> None:
    (trioarb.folder / "logs").write_text("")
    (trioarb.folder / "events.jsonl").write_text('{"seq": 1}')

    ran = trioarb("run", SPREAD, VIRTUAL, "--events=events.jsonl")

    assert ran.code == 2
    assert ran.events == [{"seq": 1}]
    assert ran.error.startswith("--log-dir: ")
    assert "choose another folder" in ran.error


@needs_plain_user
def test_a_log_folder_without_permission_is_refused_before_anything_runs(trioarb: CommandLine) -> None:
    closed = trioarb.folder / "closed"
    closed.mkdir(mode=0o500)

    ran = trioarb("run", SPREAD, VIRTUAL, "--log-dir=closed", "--events=events.jsonl")

    assert ran.code == 2
    assert ran.error.startswith("--log-dir: ")
    assert not (ran.folder / "events.jsonl").exists()
