"""Recordings: complete, cut off, and replayed."""

from __future__ import annotations

import json
import signal
import time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import SPREAD, CommandLine

REPLAY = SPREAD.with_name("replay.toml")
#: So much is open at once that some of it finds nothing more to be closed by.
CROWDED = (
    *("--set", "universe.mode=FULL_MARKET", "--set", "guards.portfolio.total_capital_usd=1000000"),
    *("--set", "guards.global.max_total_exposure_usd=1000000"),
)
VIRTUAL = ("--set", "session.clock=virtual", "--set", "session.loop_interval_ms=0")


def rows(folder: Path) -> list[tuple[object, ...]]:
    return [
        tuple(row.values()) for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_a_replay_plays_what_was_recorded(trioarb: CommandLine) -> None:
    recorded = trioarb("record", SPREAD, "--out", "quotes", "--hours", "0.01", *VIRTUAL)
    assert recorded.code == 0, recorded.err
    seen = len(rows(trioarb.folder / "quotes"))
    assert f"{seen:,} quotes in 2 files under quotes" in recorded.out
    assert seen > 1_000

    limits = ("--iterations", "100000", "--runtime", "100", "--set", "session.loop_interval_ms=0")
    replayed = trioarb("replay", SPREAD, "--quotes", "quotes", *limits, "--summary", "summary.json", "--plain")
    assert replayed.code in (0, 3), replayed.err
    assert sum(funnel["seen"] for funnel in replayed.summary["funnel"].values()) == seen


def test_the_first_recording_replays_to_a_clean_end(trioarb: CommandLine) -> None:
    recorded = trioarb("record", REPLAY, "--out", "quotes", "--hours", "0.05")
    assert recorded.code == 0, recorded.err

    replayed = trioarb("replay", REPLAY, "--quotes", "quotes", "--summary", "summary.json", "--plain")
    assert replayed.code == 0, replayed.out
    assert not replayed.warnings
    assert replayed.summary["closed_trades"] > 10
    assert not replayed.summary["problems"]
    assert not replayed.summary["residuals"]


def test_what_could_not_be_closed_before_the_data_ended_says_so(trioarb: CommandLine) -> None:
    trioarb("record", SPREAD, "--out", "quotes", "--hours", "0.003", *VIRTUAL, *CROWDED)
    replay = ("replay", SPREAD, "--quotes", "quotes", "--iterations", "100000", *VIRTUAL, *CROWDED)
    replayed = trioarb(*replay, "--summary", "summary.json", "--plain")
    assert replayed.code == 3
    left = {one["symbol"] for one in replayed.summary["residuals"]}
    problem = replayed.summary["problems"][-1]
    assert left
    assert problem.startswith("the recorded data ended at 2025-01-01 00:00:10 UTC")
    assert all(symbol in problem for symbol in left)

    (journal,) = (trioarb.folder / "journals").glob("*.journal")
    trade = replayed.summary["residuals"][0]["trade_id"]
    told = trioarb("explain", journal, "--trade", trade).out
    assert "not filled: orders of ours had taken what is displayed there before" in told
    assert len([line for line in told.splitlines() if " more like these" in line]) == 1
    assert len(told.splitlines()) < 60
    resumed = trioarb("resume", journal, "--close-only", "--summary", "summary.json", "--plain")
    assert resumed.code == 3
    problem = resumed.summary["problems"][-1]
    assert problem.startswith("the recorded data has no quotes after 2025-01-01 00:00:")
    assert all(symbol in problem for symbol in left)


def test_a_recording_that_is_killed_loses_no_more_than_its_last_second(trioarb: CommandLine) -> None:
    with trioarb.started("record", SPREAD, "--out", "quotes") as process:
        process.wait_for("recording; Ctrl-C ends it")
        time.sleep(3.5)
        killed_ns = time.time_ns()
        process.signal(signal.SIGKILL)
        process.finish()
    assert not rows(trioarb.folder / "quotes")

    with trioarb.started("record", SPREAD, "--out", "quotes") as process:
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


def test_recorded_quotes_wait_for_who_resumes(trioarb: CommandLine) -> None:
    """A campaign that plays them in real time, is killed, and goes on at the next row, as if no time had passed."""
    start_ns, count = 1_735_689_600 * 10**9, 1_000
    columns = {
        "ts_ns": [start_ns + number * 10**8 for number in range(count)],
        "exchange": ["a", "b"] * (count // 2),
        "symbol": ["BTC-USDT"] * count,
        "bid": [99.0, 101.0] * (count // 2),
        "ask": [99.1, 101.1] * (count // 2),
        "bid_size": [5.0] * count,
        "ask_size": [5.0] * count,
    }
    pq.write_table(pa.table(columns), trioarb.folder / "q.parquet")
    venues = [
        f"""[exchanges.{name}]
market = {{ plugin = "recorded", path = "q.parquet", exchange = "{name}" }}
balances = {{ USDT = "100000" }}
inventory_usd_per_symbol = 10_000"""
        for name in "ab"
    ]
    session = '[session]\nclock = "real"\nspeed = 20\nloop_interval_ms = 0\n[universe]\nsource = "recorded"'
    (trioarb.folder / "c.toml").write_text("\n".join([session, 'mode = "FULL_MARKET"', *venues]))
    with trioarb.started("run", "c.toml", "--journal", "j", "--plain") as process:
        process.wait_for("position opened")
        process.signal(signal.SIGKILL)
        process.finish()
    ran = trioarb("resume", "j", "--plain")
    assert ran.code in (0, 3), ran.err
    times = [event["ts_ns"] for event in map(json.loads, trioarb("events", "j").out.splitlines()) if "ts_ns" in event]
    assert max(after - before for before, after in pairwise(times)) < 61 * 10**9  # a counter a minute
    assert times[-1] - start_ns < 200 * 10**9


def test_a_folder_that_can_not_be_written_is_named(trioarb: CommandLine) -> None:
    (trioarb.folder / "quotes").write_text("")
    ran = trioarb("record", SPREAD, "--out", "quotes", "--hours", "0.01", *VIRTUAL)
    assert (ran.code, ran.error) == (2, "quotes: can't be written: File exists")


def test_the_cache_is_listed_and_cleared(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIOARB_CACHE_DIR", str(trioarb.folder / "cache"))
    assert trioarb("record", SPREAD, "--out", "quotes", "--hours", "0.01", *VIRTUAL).code == 0
    replayed = trioarb("replay", SPREAD, "--quotes", "quotes", "--plain", "--set", "session.loop_interval_ms=0")
    assert replayed.code in (0, 3), replayed.err
    assert "aligned quotes are kept" in replayed.err

    (entry,) = json.loads(trioarb("data", "cache", "--json").out)["entries"]
    assert entry["quotes"] == len(rows(trioarb.folder / "quotes"))
    assert entry["bytes"] == sum(path.stat().st_size for path in Path(entry["folder"]).iterdir())
    listed, cleared = trioarb("data", "cache").out, trioarb("data", "cache", "--clear").out
    assert "1 sets of quotes" in listed
    assert "1 deleted" in cleared
    assert json.loads(trioarb("data", "cache", "--json").out)["entries"] == []
