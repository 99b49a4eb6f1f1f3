"""Quotes of other formats, imported, checked and replayed."""

from __future__ import annotations

import fcntl
import gzip
import io
import itertools
import json
import math
import os
import signal
import sys
import time
import zipfile
from collections.abc import Sequence
from decimal import Context, Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import SPREAD, CommandLine

from trioarb.cli import progress
from trioarb_data.conversion import convert as convert_module
from trioarb_data.convert import convert

START_NS = 1_735_689_600 * 10**9
TARDIS = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"
TICKER = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
EVERY_ROW = ("--iterations=100000", "--runtime=100", "--set=session.loop_interval_ms=0")
OWN = "ts_ns,exchange,symbol,bid,bid_size,ask,ask_size"


def csv(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def tardis(second: float, exchange: str, symbol: str, bid: str, ask: str) -> str:
    """Return a line; it was received 7 µs after the exchange's time."""
    time_us = START_NS // 1000 + round(second * 10**6)
    return f"{exchange},{symbol},{time_us},{time_us + 7},1.5,{ask},{bid},2.5"


def own(second: float, bid: object = 1, *, exchange: str = "A", symbol: str = "BTC-USDT") -> str:
    return f"{START_NS + round(second * 10**9)},{exchange},{symbol},{bid},1,2,1"


def write(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text(csv(*lines))
    return name


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def bids(path: Path) -> list[float]:
    return [row["bid"] for row in rows(path)]


def test_tardis_quotes_are_checked_and_replayed(trioarb: CommandLine) -> None:
    for exchange, shift in (("binance", 0), ("bybit", 0.25)):
        lines = [tardis(second + shift, exchange, "btcusdt", "100", "100.1") for second in range(50)]
        lines[3] = tardis(3 + shift, exchange, "btcusdt", "", "100.1")
        (trioarb.folder / f"{exchange}.csv.gz").write_bytes(gzip.compress(csv(TARDIS, *lines).encode()))
    ran = trioarb("data", "convert", "bybit.csv.gz", "binance.csv.gz", "--format=tardis-quotes", "--out=quotes")
    assert ran.code == 0, ran.err
    assert "100 quotes in 2 files under quotes, 2025-01-01 00:00:00 to 2025-01-01 00:00:49 UTC" in ran.out
    assert "noteworthy: 2 quotes that withdraw a side: its price or size is empty, NaN or 0" in ran.out
    assert "left out" not in ran.out

    day = trioarb.folder / "quotes" / "2025-01-01"
    assert sorted(path.name for path in day.iterdir()) == ["binance.000000.parquet", "bybit.000000.parquet"]
    assert rows(day / "bybit.000000.parquet")[0] == {
        "ts_ns": START_NS + 250_007_000,
        "venue_ts_ns": START_NS + 250_000_000,
        "exchange": "bybit",
        "symbol": "BTC-USDT",
        "bid": 100.0,
        "bid_size": 2.5,
        "ask": 100.1,
        "ask_size": 1.5,
    }
    checked = trioarb("data", "check", "quotes", "--json")
    assert checked.code == 0, checked.out
    counts = ("exchange", "quotes", "withdrawn", "refused")
    assert [tuple(one[name] for name in counts) for one in json.loads(checked.out)["quality"]] == [
        ("binance", 50, 1, 0),
        ("bybit", 50, 1, 0),
    ]
    names = ("--exchange", "a=binance", "--exchange", "b=bybit")
    replayed = trioarb("replay", SPREAD, "--quotes", "quotes", *names, *EVERY_ROW, "--summary=summary.json", "--plain")
    assert replayed.code == 0, replayed.err
    assert {name: funnel["seen"] for name, funnel in replayed.summary["funnel"].items()} == {"BTCUSDT": 100}


@pytest.mark.parametrize("has_header", [True, False])
def test_binance_book_tickers_come_zipped_and_out_of_order(trioarb: CommandLine, has_header: bool) -> None:
    first_ms = START_NS // 10**6
    lines = [
        f"{second},{second},4,9,5,{first_ms + second * 1000},{first_ms + second * 1000 + 5}" for second in (3, 1, 2)
    ]
    with zipfile.ZipFile(trioarb.folder / "ETHUSDC-bookTicker-2025-01-01.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ETHUSDC-bookTicker-2025-01-01.csv", csv(*([TICKER] if has_header else []), *lines))
    command = ("data", "convert", ".", "--format=binance-book-ticker", "--out=quotes.parquet")

    ran = trioarb(*command)
    assert ran.code == 2
    assert ran.error.endswith("; say with --exchange whose quotes they are")
    ran = trioarb(*command, "--exchange=futures")
    assert ran.code == 0, ran.err
    found = rows(trioarb.folder / "quotes.parquet")
    assert [row["bid"] for row in found] == [1, 2, 3]
    assert found[0] == {
        "ts_ns": START_NS + 1_005_000_000,
        "venue_ts_ns": START_NS + 1_000_000_000,
        "exchange": "futures",
        "symbol": "ETH-USDC",
        "bid": 1.0,
        "bid_size": 4.0,
        "ask": 9.0,
        "ask_size": 5.0,
    }


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        (["1735689600", "1735689600.25"], "s"),
        (["1735689600000", "1735689600250"], "ms"),
        (["1735689600000000000", "1735689600250000000"], None),
        (["2025-01-01T00:00:00", "2025-01-01 00:00:00.25"], None),
        (["2025-01-01T00:00:00Z", "2025-01-01 01:00:00.25+01:00"], "s"),
        (["1735689600", "2025-01-01T00:00:00.25Z"], "s"),
    ],
)
def test_columns_are_mapped_and_times_understood(trioarb: CommandLine, times: Sequence[str], unit: str | None) -> None:
    source = write(trioarb.folder, "q.csv", "when,b,bs,ask,as", *(f"{time},1,2, 3 ,4" for time in times))
    columns = [f"--column={pair}" for pair in ("ts_ns=when", "bid=b", "bid_size=bs", "ask_size=as")]
    named = ["--exchange=X", "--symbol=BTC-EUR", *([f"--time-unit={unit}"] if unit else [])]
    ran = trioarb("data", "convert", source, *columns, *named, "--out=q.parquet")
    assert ran.code == 0, ran.err
    assert [tuple(row.values()) for row in rows(trioarb.folder / "q.parquet")] == [
        (START_NS, "X", "BTC-EUR", 1.0, 2.0, 3.0, 4.0, None),
        (START_NS + 250_000_000, "X", "BTC-EUR", 1.0, 2.0, 3.0, 4.0, None),
    ]


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms", "Europe/Berlin"), pa.float64(), pa.int64()])
def test_parquet_is_read_with_its_types(trioarb: CommandLine, kind: pa.DataType) -> None:
    seconds = pa.array([START_NS // 10**9, None, START_NS // 10**9 + 1], pa.int64())
    numbers = {name: pa.array([1.0, 2.0, 3.0], pa.float32()) for name in ("bid", "bid_size", "ask", "ask_size")}
    named = {"symbol": pa.array(["LUNC_USDT"] * 3).dictionary_encode(), "exchange": ["A"] * 3}
    is_timestamp = pa.types.is_timestamp(kind)
    times = seconds.cast(pa.timestamp("s", kind.tz)).cast(kind) if is_timestamp else seconds.cast(kind)
    pq.write_table(pa.table({"time": times, **named, **numbers}), trioarb.folder / "q.parquet")
    ran = trioarb("data", "convert", "q.parquet", "--column=ts_ns=time", "--time-unit=s", "--out=out.parquet", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["left_out"] == {"ts_ns": {"rows": 1, "first": "row 2 of q.parquet"}}
    found = rows(trioarb.folder / "out.parquet")
    assert [(row["ts_ns"], row["symbol"], row["ask"]) for row in found] == [
        (START_NS, "LUNC-USDT", 1.0),
        (START_NS + 10**9, "LUNC-USDT", 3.0),
    ]


def test_several_sources_are_sorted_and_equal_times_keep_their_order(trioarb: CommandLine) -> None:
    late = write(trioarb.folder, "late.csv", OWN, own(2, 1), own(3, 2), own(86_400, 3, exchange="B"))
    early = write(trioarb.folder, "early.csv", OWN, own(3, 4), own(1, 5), own(2, 6))
    assert trioarb("data", "convert", late, early, "--out=one.parquet").code == 0
    assert trioarb("data", "convert", early, late, "--out=other.parquet").code == 0
    assert bids(trioarb.folder / "one.parquet") == [5, 1, 6, 2, 4, 3]
    assert bids(trioarb.folder / "other.parquet") == [5, 6, 1, 4, 2, 3]

    # What was converted is a source again.
    ran = trioarb("data", "convert", "one.parquet", "--out=days")
    assert ran.code == 0, ran.err
    found = {str(path.relative_to(trioarb.folder)): bids(path) for path in trioarb.folder.glob("days/*/*")}
    assert found == {"days/2025-01-01/A.000001.parquet": [5, 1, 6, 2, 4], "days/2025-01-02/B.000000.parquet": [3]}


def test_quotes_that_a_campaign_refuses_are_kept_and_counted(trioarb: CommandLine) -> None:
    lines = [own(0), own(1, "nan"), own(2, -1), own(3, 5), own(4, ""), own(5, 1, symbol=" "), own(6, "inf"), own(7, 2)]
    source = write(trioarb.folder, "q.csv", OWN, *lines)
    ran = trioarb("data", "convert", source, "--out=q.parquet", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["quotes"] == [{"exchange": "A", "symbol": "BTC-USDT", "quotes": 7}]
    assert (told["withdrawn"], told["refused"]) == (2, 3)
    assert told["left_out"] == {"symbol": {"rows": 1, "first": "row 6 of q.csv"}}
    absent = [place for place, bid in enumerate(bids(trioarb.folder / "q.parquet")) if math.isnan(bid)]
    assert absent == [1, 4]
    (quality,) = json.loads(trioarb("data", "check", "q.parquet", "--json").out)["quality"]
    names = ("quotes", "withdrawn", "refused", "crossed", "locked")
    assert [quality[name] for name in names] == [7, 2, 3, 2, 1]


@pytest.mark.parametrize("kind", [pa.decimal128(38, 8), pa.decimal256(60, 20), pa.float32(), pa.int32()])
@pytest.mark.parametrize("is_encoded", [False, True])
def test_numbers_of_any_type_are_what_their_decimals_say(
    trioarb: CommandLine, kind: pa.DataType, is_encoded: bool
) -> None:
    chance = Random(7)
    prices = [Decimal(chance.randrange(1, 10**7)).scaleb(-2) for _ in range(500)] + [Decimal("67012.37")]
    if pa.types.is_decimal(kind):
        stored = pa.array(prices, kind)
    elif pa.types.is_integer(kind):
        prices = [price.to_integral_value() for price in prices]
        stored = pa.array([int(price) for price in prices], kind)
    else:  # to no more digits than such a float has
        prices = [Context(prec=6).create_decimal(price) for price in prices]
        stored = pa.array(np.array([float(price) for price in prices]).astype(kind.to_pandas_dtype()), kind)
    if is_encoded:
        stored = stored.dictionary_encode()
    names = {"exchange": ["A"] * len(prices), "symbol": ["BTC-USDT"] * len(prices)}
    times = [START_NS + number for number in range(len(prices))]
    numbers = dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), stored)
    pq.write_table(pa.table({"ts_ns": times, **names, **numbers}), trioarb.folder / "q.parquet")
    ran = trioarb("data", "convert", "q.parquet", "--out=out.parquet")
    assert ran.code == 0, ran.err
    found = rows(trioarb.folder / "out.parquet")
    assert [[row[name] for name in numbers] for row in found] == [[float(price)] * 4 for price in prices]


@pytest.mark.parametrize(
    ("native", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("ethbtc", "ETH-BTC"),
        ("XBTUSD", "XBT-USD"),
        ("sol/eur", "SOL-EUR"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("BNBUSD", "BNB-USD"),
        ("BTC_USDC", "BTC-USDC"),
        ("1000PEPEUSDT", "1000PEPE-USDT"),
        ("WIFFDUSD", None),
        ("BTC-PERPETUAL", None),
        ("BTCUSD_240628", None),
        ("USDT", None),
    ],
)
def test_native_symbols_are_split_or_asked_for(trioarb: CommandLine, native: str, symbol: str | None) -> None:
    source = write(trioarb.folder, "q.csv", OWN, own(0, symbol=native))
    command = ("data", "convert", source, "--out=q.parquet")
    ran = trioarb(*command)
    if symbol is None:
        assert ran.code == 2
        assert f"base and quote asset can't be told from {native}" in ran.error
        assert f"--symbol-map {native}=" in ran.error
        ran, symbol = trioarb(*command, f"--symbol-map={native}=BTC-USD"), "BTC-USD"
    assert ran.code == 0, ran.err
    assert rows(trioarb.folder / "q.parquet")[0]["symbol"] == symbol


@pytest.mark.parametrize(
    ("natives", "symbols"),
    [
        # Of two readings one has a well-known base asset: taken, and said.
        (["BTCGUSD", "USDTGUSD", "BTCBKRW", "ETHAEUR"], ["BTC-GUSD", "USDT-GUSD", "BTC-BKRW", "ETH-AEUR"]),
        (["BTCRLUSD", "BTCPYUSD", "LINKWETH"], ["BTC-RLUSD", "BTC-PYUSD", "LINK-WETH"]),
        # The exchange is known to have such a quote asset.
        (["ETHWUSD", "BTC/USD"], ["ETHW-USD", "BTC-USD"]),
        (["WIFFDUSD", "SOL_FDUSD"], ["WIF-FDUSD", "SOL-FDUSD"]),
    ],
)
def test_what_a_symbol_is_taken_for_is_said_where_it_may_be_another(
    trioarb: CommandLine, natives: list[str], symbols: list[str]
) -> None:
    source = write(trioarb.folder, "q.csv", OWN, *(own(place, symbol=name) for place, name in enumerate(natives)))
    ran = trioarb("data", "convert", source, "--out=q.parquet", "--json")
    assert ran.code == 0, ran.err
    assert [row["symbol"] for row in rows(trioarb.folder / "q.parquet")] == symbols
    named = {name: one["symbol"] for name, one in json.loads(ran.out)["guessed"].items()}
    assert named == {name: symbol for name, symbol in zip(natives, symbols, strict=True) if name.isalnum()}


@pytest.mark.parametrize(
    ("natives", "said"),
    [
        (["BTCXUSD"], "BTCXUSD (it may be BTCX-USD or BTC-XUSD)"),
        (["ETHWUSD"], "ETHWUSD (it may be ETHW-USD or ETH-WUSD)"),
        (["BTCGUSD", "ETHUSD"], "BTCGUSD (it may be BTC-GUSD or BTCG-USD)"),
    ],
)
def test_a_symbol_that_may_be_two_is_asked_for(trioarb: CommandLine, natives: list[str], said: str) -> None:
    source = write(trioarb.folder, "q.csv", OWN, *(own(place, symbol=name) for place, name in enumerate(natives)))
    ran = trioarb("data", "convert", source, "--out=q.parquet")
    assert (ran.code, said in ran.error) == (2, True), ran.err


def test_two_instruments_never_become_one_unasked(trioarb: CommandLine) -> None:
    source = write(trioarb.folder, "q.csv", OWN, own(0, symbol="BTCUSDT"), own(1, symbol="BTC_USDT"))
    command = ("data", "convert", source, "--out=q.parquet")
    ran = trioarb(*command)
    assert (ran.code, "BTCUSDT and BTC_USDT would both be BTC-USDT at A" in ran.error) == (2, True)
    assert trioarb(*command, "--symbol-map=BTCUSDT=BTC-USDT", "--symbol-map=BTC_USDT=BTC-USDT").code == 0
    two = write(trioarb.folder, "two.csv", OWN, own(0), own(0, exchange="B"))
    ran = trioarb("data", "convert", two, "--exchange=C", "--out=two.parquet")
    assert (ran.code, "quotes of the exchanges A and B would both be C BTC-USDT" in ran.error) == (2, True)


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ([OWN, own(0), own(1, "1,5")], [], "q.csv: row 2 has 8 cells, not 7: "),
        ([OWN, own(0), own(1, "1.x")], [], "q.csv: row 2, column bid: '1.x' is no number; "),
        ([OWN, own(0).replace("17356896000", "17356896x")], [], "q.csv: row 1, column ts_ns: '17356896x"),
        ([OWN, own(0)], ["--time-unit=us"], "--time-unit ns would make it 2025-01-01 00:00:00"),
        ([OWN, own(0)], ["--column=bid=best"], "q.csv: lacks the column best (it has ts_ns, "),
        ([TARDIS, tardis(0, "a", "b", "1", "1")], [], "these are the columns of --format tardis-quotes"),
        ([OWN + ",bid", own(0) + ",1"], [], "q.csv: has more than one column bid; rename them"),
        ([OWN], [], "q.csv: hold no quote"),
        ([OWN, own(0, exchange="")], [], "q.csv: hold no quote; left out: 1 with an empty exchange"),
        ([""], [], "q.csv: the file is empty, or begins with an empty line"),
        ([OWN, own(0, exchange="a/b")], [], "q.csv: 'a/b' can't be the name of a file; give a name with --exchange"),
        ([OWN, own(0)], ["--column=bud=bid"], "--column: not a column of quotes: bud (allowed: "),
        ([OWN, own(0)], ["--column=bid"], "--column: not NAME=SOURCE_COLUMN: 'bid' (allowed: such as "),
        ([OWN, own(0)], ["--symbol=BTCUSDT"], "--symbol: not BASE-QUOTE: 'BTCUSDT' (allowed: such as BTC-USDT)"),
        ([OWN, own(0)], ["--symbol-map=B=C"], "--symbol-map: not BASE-QUOTE: 'C'"),
        ([OWN, own(0)], ["--format=binance-book-ticker"], "q.csv: lacks the columns event_time, exchange, "),
    ],
)
def test_what_makes_no_sense_is_an_error_and_leaves_nothing(
    trioarb: CommandLine, lines: Sequence[str], options: Sequence[str], said: str
) -> None:
    source = write(trioarb.folder, "q.csv", *lines)
    ran = trioarb("data", "convert", source, *options, "--out=q.parquet")
    assert ran.code == 2, ran.out
    assert said in ran.error
    assert [path.name for path in trioarb.folder.iterdir()] == ["q.csv"]


@pytest.mark.parametrize("name", ["q.csv.gz", "q.zip", "q.parquet"])
def test_a_damaged_file_is_named(trioarb: CommandLine, name: str) -> None:
    content = csv(OWN, *(own(second) for second in range(5_000))).encode()
    path, at_end = trioarb.folder / name, True
    match name:
        case "q.csv.gz":
            path.write_bytes(gzip.compress(content))
        case "q.zip":
            at_end = False
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("q.csv", content)
        case _:
            pq.write_table(pa.table({"bid": range(5_000)}), path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole[:-20] if at_end else whole)
    ran = trioarb("data", "convert", name, "--out=out.parquet")
    assert ran.code == 2
    assert ran.error.startswith(f"{name}{'' if at_end else '/q.csv'}: can't be read (")
    assert [path.name for path in trioarb.folder.iterdir()] == [name]


def test_nothing_is_overwritten(trioarb: CommandLine) -> None:
    source = write(trioarb.folder, "q.csv", OWN, own(0))
    (trioarb.folder / "full").mkdir()
    write(trioarb.folder, "full/file", "")
    (trioarb.folder / "empty").mkdir()
    for out, problem in (
        ("q.csv", "is there already, and is not overwritten; give a new file or folder: q.csv"),
        ("full", "is there already, and is not overwritten; give a new file or folder: full"),
        (".", "is there already, and is not overwritten; give a new file or folder: ."),
        ("missing/q.parquet", "there is no such folder; make it first: missing/q.parquet"),
    ):
        ran = trioarb("data", "convert", source, "--out", out)
        assert (ran.code, ran.error) == (2, f"--out: {problem}")
    assert (trioarb.folder / "q.csv").read_text() == csv(OWN, own(0))
    assert trioarb("data", "convert", source, "--out=empty").code == 0
    assert len(list(trioarb.folder.glob("empty/*/*.parquet"))) == 1


def test_a_full_disk_leaves_nothing(trioarb: CommandLine) -> None:
    source = write(trioarb.folder, "q.csv", OWN, *(own(second) for second in range(1_000)))
    with trioarb.started("data", "convert", source, "--out=out", largest_file=10_000) as process:
        ran = process.finish()
    assert (ran.code, ran.error) == (2, "out: can't be written: File too large")
    assert [path.name for path in trioarb.folder.iterdir()] == ["q.csv"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_conversion_leaves_nothing(trioarb: CommandLine, number: int) -> None:
    # A million rows take more than a second; the hidden folder is there from their beginning.
    source = write(trioarb.folder, "q.csv", OWN, *[own(0), own(1)] * 500_000)
    with trioarb.started("data", "convert", source, "--out=out") as process:
        while not list(trioarb.folder.glob(".out.*")):
            time.sleep(0.01)
        process.signal(number)
        ran = process.finish()
    assert (ran.code, ran.error) == (130, "interrupted; nothing was written")
    assert [path.name for path in trioarb.folder.iterdir()] == ["q.csv"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, terminal = itertools.count(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "monotonic", lambda: next(seconds))
    source = tmp_path / write(tmp_path, "q.csv", OWN, own(0), own(1))

    assert not convert([source], out=tmp_path / "q.parquet")
    for text in (f"reading {source}: 2 quotes so far", f"writing {tmp_path / 'q.parquet'}: 2 of 2 quotes"):
        assert f"\r\x1b[K{text}" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_what_a_killed_conversion_left_is_gone_after_the_next(trioarb: CommandLine) -> None:
    source = write(trioarb.folder, "q.csv", OWN, own(0))
    left, foreign = trioarb.folder / ".out.parquet.killed", trioarb.folder / ".out.parquet.mine"
    for folder in (left, foreign):
        folder.mkdir()
        (folder / "run-1").write_bytes(b"half a run")
    (left / convert_module._MARK).touch()
    working = trioarb.folder / ".out.parquet.working"
    working.mkdir()
    (working / convert_module._MARK).touch()
    lock = os.open(working, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert trioarb("data", "convert", source, "--out=out.parquet").code == 0
    finally:
        os.close(lock)
    assert sorted(path.name for path in trioarb.folder.glob(".out*")) == [foreign.name, working.name]
