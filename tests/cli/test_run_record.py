"""Campaigns that record their quotes, and recordings of a feed: complete, cut off, stuck, and on a full disk."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import SPREAD, CommandLine, Process, Ran

VIRTUAL = ("--set=session.clock=virtual", "--set=session.loop_interval_ms=0", "--iterations=100000", "--runtime=60")

#: A quote every 10 ms, the last second of a year and then on. The venue's clock is 2 ms behind, at times 17 ms.
FEED = """
from contextlib import asynccontextmanager
from itertools import count

import trio
from trioarb.api import Feed, Listing, MarketDataSpec, hookimpl

MIDNIGHT_NS, STEP_NS = 1_735_689_600_000_000_000, 10_000_000


class LateInTheYear(Feed):
    async def listings(self):
        return [Listing(symbol="BTCUSDT", base="BTC", quote="USDT")]

    async def run(self, sinks, *, task_status=trio.TASK_STATUS_IGNORED):
        task_status.started()
        for number in count():
            received_ns = MIDNIGHT_NS + (number - 100) * STEP_NS
            venue_ts_ns = received_ns - 2_000_000 - (15_000_000 if number % 10 == 5 else 0)
            sinks["BTCUSDT"](99.0, 1.0, 100.0 + number, 1.0, received_ns, venue_ts_ns if number else None)
            await trio.sleep(0.01)


@asynccontextmanager
async def open_market(settings, context):
    yield LateInTheYear()


@hookimpl
def trioarb_market_data():
    return [MarketDataSpec(name="late", doc="quotes late in the year", open=open_market)]
"""
FEED_CONFIG = """
[universe]
source = "recorded"
mode = "FULL_MARKET"
[exchanges.a]
market = { plugin = "late" }
balances = { USDT = "1000" }
[exchanges.b]
market = { plugin = "late" }
balances = { USDT = "1000" }
"""


def rows(folder: Path) -> list[dict[str, object]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def batches(part: Path) -> int:
    """Return how many rows of a part file can be read."""
    found = 0
    try:
        with part.open("rb") as file:
            for batch in pa.ipc.open_stream(file):
                found += batch.num_rows
    except (pa.ArrowInvalid, OSError):
        pass
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "it never was"
        time.sleep(0.05)


@pytest.fixture
def late(trioarb: CommandLine) -> CommandLine:
    """The command line where the feed is installed, and configured in `late.toml`."""
    (trioarb.folder / "late.toml").write_text(FEED_CONFIG)
    return trioarb.install("late-feed", "late_feed", FEED)


@pytest.fixture
def stuck(late: CommandLine) -> CommandLine:
    """As `late`; the first part of venue `a` can't be made a Parquet file: who tries waits for a reader for ever."""
    folder = late.folder / "quotes" / "2024-12-31"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "a.235959.building")
    return late


def ran_virtual(trioarb: CommandLine, *flags: str) -> Ran:
    return trioarb.run(SPREAD, *VIRTUAL, *flags)


def canonical(trioarb: CommandLine) -> list[dict[str, Any]]:
    """Return the events without what depends on how many of them were written at once: ends of steps, and hashes."""
    lines = (trioarb.folder / "events.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in ("end", "hash")} for line in lines]


def test_a_campaign_that_is_recorded_does_the_same(trioarb: CommandLine) -> None:
    spoilt = 'exchanges.a.market={plugin="faulty", crossed=0.05, wraps={plugin="dummy"}}'
    alone = ran_virtual(trioarb, "--set", spoilt)
    events = canonical(trioarb)
    assert alone.summary["trades"]
    assert "recording" not in alone.summary
    recorded = ran_virtual(trioarb, "--set", spoilt, "--record=quotes")

    assert canonical(trioarb) == events
    assert recorded.code == alone.code == 0
    found = rows(trioarb.folder / "quotes")
    funnels = recorded.summary["funnel"].values()
    assert sum(funnel["refused"] for funnel in funnels) > 0
    assert len(found) == sum(funnel["seen"] for funnel in funnels)
    assert sum(row["bid"] > row["ask"] for row in found) == sum(funnel["refused"] for funnel in funnels)  # type: ignore[operator]
    said = {"folder": "quotes", "quotes": len(found), "lost": 0, "files": 2, "parts": 0}
    assert recorded.summary["recording"] == said
    assert names(trioarb.folder / "quotes") == ["2025-01-01/a.000000.parquet", "2025-01-01/b.000000.parquet"]


def test_what_a_venue_calls_otherwise_is_recorded_by_its_own_name_and_replayed_by_ours(trioarb: CommandLine) -> None:
    """Both venues call XTZ what is DOGE here, and the other way round; of one of them nothing is recorded."""
    renamed = [f'--set=exchanges.{venue}.aliases={{ DOGE = "XTZ", XTZ = "DOGE" }}' for venue in "ab"]
    chosen = ("--set=universe.mode=FIXED_LIST", '--set=universe.whitelist=["XTZUSDT", "ETHUSDT"]', *renamed)
    ran = trioarb.run(SPREAD, *VIRTUAL, *chosen, "--record=quotes")
    recorded = [pq.read_table(path)["symbol"].to_pylist() for path in (trioarb.folder / "quotes").rglob("*.parquet")]
    replayed = trioarb("replay", SPREAD, "--quotes=quotes", *chosen, *VIRTUAL[1:], "--summary=replayed.json")
    surveyed = trioarb("survey", SPREAD, "--quotes=quotes", *chosen, "--json")

    assert ran.code == replayed.code == surveyed.code == 0, replayed.err + surveyed.err
    assert {name for names in recorded for name in names} == {"DOGE-USDT", "ETH-USDT"}
    summary = json.loads((trioarb.folder / "replayed.json").read_text())
    assert summary["closed_trades"] > 0
    assert summary["closed_trades"] == ran.summary["closed_trades"]
    assert {route["symbol"] for route in json.loads(surveyed.out)["routes"]} == {"XTZUSDT", "ETHUSDT"}


def test_a_replay_that_is_recorded_passes_over_nothing(trioarb: CommandLine) -> None:
    assert ran_virtual(trioarb, "--record=quotes").code == 0
    recorded = [
        f'--set=exchanges.{venue}.market={{plugin="recorded", path="quotes", exchange="{venue}"}}' for venue in "ab"
    ]
    passed_over = ran_virtual(trioarb, *recorded)
    events = canonical(trioarb)
    again = ran_virtual(trioarb, *recorded, "--record=copy")

    assert passed_over.code == again.code == 0
    assert canonical(trioarb) == events
    assert rows(trioarb.folder / "copy") == rows(trioarb.folder / "quotes")


def test_in_virtual_time_too_a_folder_that_can_not_be_written_stops_only_the_recording(trioarb: CommandLine) -> None:
    assert ran_virtual(trioarb).code == 0
    events = canonical(trioarb)
    (trioarb.folder / "quotes").mkdir()
    (trioarb.folder / "quotes" / "2025-01-01").write_text("")
    ran = ran_virtual(trioarb, "--record=quotes")

    assert canonical(trioarb) == events
    assert ran.code == ran.summary["exit_code"] == 1
    assert ran.summary["ended_by"] == "runtime"
    assert ran.warnings.count("recording has ended; the campaign goes on") == 1
    seen = sum(funnel["seen"] for funnel in ran.summary["funnel"].values())
    assert (ran.summary["recording"]["quotes"], ran.summary["recording"]["lost"]) == (0, seen)
    assert f"Recording: ended early, {seen:,} quotes are missing" in " ".join(ran.out.split())


def test_a_disk_that_fills_up_stops_only_the_recording(trioarb: CommandLine) -> None:
    """Files can't grow beyond some size, and the recording's get there before the journal does."""
    flags = ("--set=exchanges.*.market.step_ms=5", "--set=strategy.entry_bps=5000", "--runtime=6", "--record=quotes")
    ran = trioarb.run(SPREAD, *flags, largest_file=200_000)

    assert ran.code == 1
    assert not ran.errors
    assert (ran.summary["ended_by"], ran.summary["exit_code"]) == ("runtime", 1)
    assert "recording has ended; the campaign goes on" in ran.warnings
    assert "quotes: can't be written: File too large" in ran.warnings
    seen = sum(funnel["seen"] for funnel in ran.summary["funnel"].values())
    recording = ran.summary["recording"]
    assert recording["quotes"] > 0
    assert recording["quotes"] + recording["lost"] == seen
    assert recording["parts"] == 2

    assert trioarb("record", SPREAD, "--out=quotes", "--hours=0.0001", *VIRTUAL[:2]).code == 0
    today = [row for row in rows(trioarb.folder / "quotes") if row["ts_ns"] > 1_750_000_000 * 10**9]  # type: ignore[operator]
    assert len(today) >= recording["quotes"], "what was written before is kept"
    assert not list((trioarb.folder / "quotes").rglob("*.part"))


def test_a_folder_that_can_not_be_written_is_named_before_the_campaign_begins(trioarb: CommandLine) -> None:
    (trioarb.folder / "quotes").write_text("")
    ran = trioarb.run(SPREAD, "--record=quotes")
    assert (ran.code, ran.error) == (2, "quotes: can't be written: File exists")
    assert not list(trioarb.folder.glob("journals/*"))


def test_a_campaign_that_was_killed_goes_on_recording_when_it_is_resumed(trioarb: CommandLine) -> None:
    folder = trioarb.folder / "quotes"
    with trioarb.started("run", SPREAD, "--journal=one.journal", "--record=quotes", "--runtime=60") as process:
        process.wait_for("running")
        wait_until(lambda: sum(map(batches, folder.rglob("*.part"))) > 100)
        process.signal(signal.SIGKILL)
        process.finish()
    assert not rows(folder)
    killed_ns = time.time_ns()

    with trioarb.started("resume", "one.journal", "--record=quotes", "--summary=summary.json") as process:
        for _ in "ab":
            process.wait_for("recovered what was left of a recording that was cut off")
        wait_until(lambda: sum(map(batches, folder.rglob("*.part"))) > 10)
        process.signal(signal.SIGINT)
        ran = process.finish()
    assert ran.code == 0, ran.err
    assert not [name for name in names(folder) if name.endswith(".part")]
    times = [row["ts_ns"] for row in rows(folder)]
    assert sum(ts_ns > killed_ns for ts_ns in times) == ran.summary["recording"]["quotes"] > 0  # type: ignore[operator]
    assert sum(ts_ns < killed_ns for ts_ns in times) > 100  # type: ignore[operator]


def began(process: Process, folder: Path) -> None:
    """Wait until rows of the new year are on the disk, and the old one's part waits to become a Parquet file."""
    wait_until(lambda: batches(folder / "2025-01-01" / "a.000000.part") > 50)
    assert (folder / "2024-12-31" / "a.235959.part").exists()


@pytest.mark.parametrize("command", [["record", "late.toml", "--out"], ["run", "late.toml", "--record"]])
def test_writing_goes_on_while_a_part_is_made_a_parquet_file(stuck: CommandLine, command: Sequence[str]) -> None:
    folder = stuck.folder / "quotes"
    with stuck.started(*command, "quotes") as process:
        began(process, folder)
        written = batches(folder / "2025-01-01" / "b.000000.part")
        wait_until(lambda: batches(folder / "2025-01-01" / "b.000000.part") > written)
        process.signal(signal.SIGKILL)
        process.finish()
    (folder / "2024-12-31" / "a.235959.building").unlink()
    left = sum(map(batches, folder.rglob("*.part"))) + len(rows(folder))
    assert stuck("record", SPREAD, "--out=quotes", "--hours=0", *VIRTUAL[:2]).code == 0
    assert len(rows(folder)) == left
    assert not [name for name in names(folder) if name.endswith(".part")]


@pytest.mark.parametrize("command", [["record", "late.toml", "--out"], ["run", "late.toml", "--record"]])
def test_a_second_signal_leaves_the_last_parts(stuck: CommandLine, command: Sequence[str]) -> None:
    folder = stuck.folder / "quotes"
    with stuck.started(*command, "quotes") as process:
        began(process, folder)
        process.signal(signal.SIGINT)
        process.wait_for("closing the recording; Ctrl-C leaves its last parts")
        process.signal(signal.SIGINT)
        ran = process.finish()
    assert ran.code == 0
    assert "leaving the last parts of the recording" in ran.warnings
    (folder / "2024-12-31" / "a.235959.building").unlink()
    left = sum(map(batches, folder.rglob("*.part"))) + len(rows(folder))
    assert f"{left:,}" in ran.out
    assert stuck("record", SPREAD, "--out=quotes", "--hours=0", *VIRTUAL[:2]).code == 0
    assert len(rows(folder)) == left


def test_the_venues_own_time_is_recorded_and_checked(late: CommandLine) -> None:
    with late.started("record", "late.toml", "--out=quotes") as process:
        wait_until(lambda: batches(late.folder / "quotes" / "2025-01-01" / "b.000000.part") > 50)
        process.signal(signal.SIGINT)
        assert process.finish().code == 0
    of_a = [row for row in rows(late.folder / "quotes") if row["exchange"] == "a"]
    delays = [row["ts_ns"] - row["venue_ts_ns"] for row in of_a[1:]]  # type: ignore[operator]
    assert of_a[0]["venue_ts_ns"] is None
    assert set(delays) == {2_000_000, 17_000_000}

    ran = late("data", "check", "quotes", "--json")
    assert ran.code == 0, ran.err
    checked = {one["exchange"]: one for one in json.loads(ran.out)["venue_times"]}
    assert checked["a"] == {
        "exchange": "a",
        "quotes": len(of_a) - 1,
        "backwards": delays.count(17_000_000),
        "median_delay_seconds": 0.002,
        "longest_delay_seconds": 0.017,
    }
    assert f"venue time of a: ran backwards {delays.count(17_000_000)} times" in " ".join(
        late("data", "check", "quotes").out.split()
    )
