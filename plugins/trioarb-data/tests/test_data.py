"""Recorded quotes, looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import CommandLine

from trioarb.errors import MarketDataError
from trioarb.quotes.recording import Recording
from trioarb_data.recordings import check

NAN = float("nan")
START_NS = 1_735_689_600 * 10**9


def write(path: Path, *rows: tuple[float, str, float, float]) -> None:
    """Write quotes of BTC-USDT: second, exchange, bid, ask."""
    seconds, exchanges, bids, asks = zip(*rows, strict=True)
    columns = {
        "ts_ns": [START_NS + round(second * 10**9) for second in seconds],
        "exchange": exchanges,
        "symbol": ["BTC-USDT"] * len(rows),
        "bid": bids,
        "bid_size": [1.0] * len(rows),
        "ask": asks,
        "ask_size": [1.0] * len(rows),
    }
    pq.write_table(pa.table(columns), path)


def test_what_is_noteworthy_is_counted_over_all_files(trioarb: CommandLine) -> None:
    rows = [(0, "A", 1.0, 2.0), (0, "B", 1.0, 2.0), (0, "A", 1.0, 2.0), (30, "A", 2.0, 1.0), (31, "A", NAN, 1.0)]
    write(trioarb.folder / "2.parquet", (200, "A", 1.5, 1.5), (201, "A", 1.5, 1.5))
    write(trioarb.folder / "1.parquet", *rows)

    info = json.loads(trioarb("data", "info", "2.parquet", "1.parquet", "--json").out)["files"]
    assert [(one["file"], one["exchange"], one["quotes"]) for one in info] == [
        ("2.parquet", "A", 2),
        ("1.parquet", "A", 4),
        ("1.parquet", "B", 1),
    ]
    ran = trioarb("data", "check", ".", "--json")
    assert ran.code == 0, ran.err
    a, b = json.loads(ran.out)["quality"]
    assert (a["exchange"], b["quotes"], b["longest_wait_at"]) == ("A", 1, None)
    assert {
        name: a[name]
        for name in ("quotes", "withdrawn", "refused", "crossed", "locked", "repeated", "duplicates", "gaps")
    } == {
        "quotes": 6,
        "withdrawn": 1,
        "refused": 1,
        "crossed": 1,
        "locked": 2,
        "repeated": 2,
        "duplicates": 1,
        "gaps": 1,
    }
    assert (a["longest_wait_seconds"], a["longest_wait_at"]) == (169.0, "2025-01-01 00:00:31")
    assert "withdrawn 1; refused 1; crossed 1; locked 2; repeated 2; duplicates 1; gaps 1" in " ".join(
        trioarb("data", "check", ".", "--gap-seconds", "60").out.replace("│", " ").split()
    )


@pytest.mark.parametrize(
    "symbols",
    [["BTCUSDT"], ["BTC-USDT-PERP"], ["BTC-"], ["B TC-USDT"], ["AB-C", "A-BC"], ["BTC-USDT"], ["X[/nope]-USDT"]],
)
def test_what_is_checked_is_what_a_replay_opens(
    trioarb: CommandLine, symbols: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = trioarb.folder / "q.parquet"
    write(path, *((float(second), "A", 1.0, 2.0) for second in range(len(symbols))))
    content = pq.read_table(path)
    pq.write_table(content.set_column(2, "symbol", pa.array(symbols)), path)
    try:
        problem = ""
        Recording([path], "A")
    except MarketDataError as error:
        problem = str(error)
    assert check([path]) == (1 if problem else 0)
    assert problem in capsys.readouterr().out.replace("\n", " ")
    assert (problem == "") is (symbols in (["BTC-USDT"], ["X[/nope]-USDT"]))


@pytest.mark.parametrize("what", ["overlapping", "damaged", "useless"])
def test_what_can_not_be_played_is_a_problem(trioarb: CommandLine, what: str) -> None:
    write(trioarb.folder / "1.parquet", (0, "A", 1.0, 2.0), (10, "A", 1.0, 2.0))
    match what:
        case "overlapping":
            write(trioarb.folder / "2.parquet", (5, "A", 1.0, 2.0))
            said = "2.parquet: its quotes of A begin before those of 1.parquet end"
        case "damaged":
            (trioarb.folder / "2.parquet").write_bytes(b"PAR1")
            said = "2.parquet: truncated"
        case _:
            write(trioarb.folder / "2.parquet", (5, "B", 2.0, 1.0))
            said = "B BTC-USDT: no quote of it can be used"
    ran = trioarb("data", "check", "1.parquet", "2.parquet")
    assert ran.code == 1
    assert f"error: {said}" in ran.out
    assert "2 files, 1 problems" in ran.out


def test_the_clocks_of_venues_are_compared(trioarb: CommandLine) -> None:
    def with_times(path: Path, first: int, *times_ns: int | None) -> None:
        write(path, *((first + number, "A", 1.0, 2.0) for number in range(len(times_ns))))
        table = pq.read_table(path)
        received = table["ts_ns"].to_pylist()
        own = [None if ns is None else at + ns for at, ns in zip(received, times_ns, strict=True)]
        pq.write_table(table.append_column("venue_ts_ns", pa.array(own, pa.int64())), path)

    second = 10**9
    with_times(trioarb.folder / "1.parquet", 0, -1_000_000, None, 0, 3 * second)
    with_times(trioarb.folder / "2.parquet", 4, -2_000_000, -4 * second)
    write(trioarb.folder / "3.parquet", (9, "B", 1.0, 2.0))

    ran = trioarb("data", "check", ".", "--json")
    assert ran.code == 0, ran.err
    (a,) = json.loads(ran.out)["venue_times"]
    assert a == {
        "exchange": "A",
        "quotes": 5,
        "backwards": 2,
        "median_delay_seconds": 0.001,
        "longest_delay_seconds": 4.0,
    }
    assert "venue time of A: ran backwards 2 times in 5 quotes" in trioarb("data", "check", ".").out


def test_help_says_what_clearing_deletes(trioarb: CommandLine) -> None:
    said = " ".join(trioarb("data", "cache", "--help").out.replace("│", " ").split())

    assert "Delete trioarb's own sets of aligned quotes and its notes on recordings" in said
    assert "whatever else is in that folder stays" in said


def test_levels_that_can_not_follow_the_best_are_counted(trioarb: CommandLine) -> None:
    rows = [(0, "A", 1.0, 2.0), (1, "A", 1.0, 2.0), (2, "A", 1.0, 2.0), (3, "A", 1.0, 2.0)]
    write(trioarb.folder / "1.parquet", *rows)
    columns = {
        "ts_ns": [START_NS + second * 10**9 for second in range(4)],
        "bid_2": [0.9, 0.9, 1.0, NAN],
        "bid_size_2": [1.0, 1.0, 1.0, NAN],
        "ask_2": [2.5, 2.5, 2.5, 2.5],
        "ask_size_2": [1.0, 1.0, 1.0, 1.0],
    }
    pq.write_table(pa.table(columns), trioarb.folder / "1.levels.parquet")

    ran = trioarb("data", "check", ".", "--json")

    (counted,) = json.loads(ran.out)["quality"]
    names = ("quotes", "refused", "bad_levels", "repeated")
    assert [counted[name] for name in names] == [4, 1, 1, 1]
