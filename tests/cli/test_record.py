"""Recordings: complete, cut off, and replayed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command import TOP10, CommandLine

VIRTUAL = ("--set", "session.clock=virtual", "--set", "session.loop_interval_ms=0")


def rows(folder: Path) -> list[tuple[object, ...]]:
    return [
        tuple(row.values()) for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_a_replay_plays_what_was_recorded(trioarb: CommandLine) -> None:
    recorded = trioarb("record", TOP10, "--out", "quotes", "--hours", "0.01", *VIRTUAL)
    assert recorded.code == 0, recorded.err
    seen = len(rows(trioarb.folder / "quotes"))
    assert f"{seen:,} quotes in 2 files under quotes" in recorded.out
    assert seen > 1_000

    limits = ("--iterations", "100000", "--runtime", "100", "--set", "session.loop_interval_ms=0")
    replayed = trioarb("replay", TOP10, "--quotes", "quotes", *limits, "--summary", "summary.json", "--plain")
    assert replayed.code in (0, 3), replayed.err
    assert sum(funnel["seen"] for funnel in replayed.summary["funnel"].values()) == seen


def test_a_recording_that_is_killed_loses_no_more_than_its_last_second(trioarb: CommandLine) -> None:
    with trioarb.started("record", TOP10, "--out", "quotes") as process:
        process.wait_for("recording; Ctrl-C ends it")
        time.sleep(3.5)
        killed_ns = time.time_ns()
        process.signal(signal.SIGKILL)
        process.finish()
    assert not rows(trioarb.folder / "quotes")

    with trioarb.started("record", TOP10, "--out", "quotes") as process:
        recovered = [process.wait_for("recovered what was left of a recording that was cut off") for _ in "ab"]
        process.wait_for("recording; Ctrl-C ends it")
        time.sleep(1)
        process.signal(signal.SIGINT)
        ran = process.finish()
    assert ran.code == 0, ran.err
    times = [ts_ns for ts_ns, *_ in rows(trioarb.folder / "quotes") if isinstance(ts_ns, int)]
    before = [ts_ns for ts_ns in times if ts_ns <= killed_ns]
    assert sum(int(line.split("rows=")[1].split()[0]) for line in recovered) == len(before)
    assert killed_ns - max(before) < 2 * 10**9
    assert max(times) > killed_ns
    assert sorted(path.suffix for path in (trioarb.folder / "quotes").rglob("*.*")) == [".parquet"] * 4


def test_a_folder_that_can_not_be_written_is_named(trioarb: CommandLine) -> None:
    (trioarb.folder / "quotes").write_text("")
    ran = trioarb("record", TOP10, "--out", "quotes", "--hours", "0.01", *VIRTUAL)
    assert (ran.code, ran.error) == (2, "quotes: can't be written: Not a directory")


def test_the_cache_is_listed_and_cleared(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIOARB_CACHE_DIR", str(trioarb.folder / "cache"))
    assert trioarb("record", TOP10, "--out", "quotes", "--hours", "0.01", *VIRTUAL).code == 0
    replayed = trioarb("replay", TOP10, "--quotes", "quotes", "--plain", "--set", "session.loop_interval_ms=0")
    assert replayed.code in (0, 3), replayed.err
    assert "aligned quotes are kept" in replayed.err

    (entry,) = json.loads(trioarb("data", "cache", "--json").out)["entries"]
    assert entry["quotes"] == len(rows(trioarb.folder / "quotes"))
    assert entry["bytes"] == sum(path.stat().st_size for path in Path(entry["folder"]).iterdir())
    listed, cleared = trioarb("data", "cache").out, trioarb("data", "cache", "--clear").out
    assert "1 sets of quotes" in listed
    assert "1 deleted" in cleared
    assert json.loads(trioarb("data", "cache", "--json").out)["entries"] == []
