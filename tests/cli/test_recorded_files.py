"""Campaigns on recorded quotes: files that are refused, rows that are dropped and counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import CommandLine, Ran, ahead

CONFIG = """
[session]
clock = "virtual"
loop_interval_ms = 0

[universe]
source = "recorded"
mode = "FULL_MARKET"

[exchanges.left]
market = { plugin = "recorded", path = "quotes.parquet", exchange = "LEFT" }
balances = { USDT = "10000" }
inventory_usd_per_symbol = 5_000
latency_ms = 0

[exchanges.right]
market = { plugin = "recorded", path = "quotes.parquet", exchange = "RIGHT" }
balances = { USDT = "10000" }
inventory_usd_per_symbol = 5_000
latency_ms = 0
"""

NAN = float("nan")
MS = 1_000_000
START_NS = 1_700_000_000 * 1_000 * MS

#: ts_ns, exchange, symbol, bid, bid_size, ask, ask_size
Row = tuple[int, str, str, float | None, float | None, float | None, float | None]

COLUMNS = {
    "ts_ns": pa.int64(),
    "exchange": pa.string(),
    "symbol": pa.string(),
    "bid": pa.float64(),
    "bid_size": pa.float64(),
    "ask": pa.float64(),
    "ask_size": pa.float64(),
}


def row(ms: int, exchange: str, bid: float | None, ask: float | None, *, bid_size: float | None = 50.0) -> Row:
    return START_NS + ms * MS, exchange, "BTC-USDT", bid, bid_size, ask, 50.0


#: The right venue is dearer at first, then both agree: one trade.
ROWS = [
    row(0, "LEFT", 100.0, 100.1),
    row(10, "RIGHT", 101.0, 101.1),
    row(20, "LEFT", 100.0, 100.1),
    row(500, "RIGHT", 100.0, 100.1),
    row(510, "LEFT", 100.0, 100.1),
    row(900, "RIGHT", 100.0, 100.1),
]

WITHDRAWN = ("not a number", "absent", "zero", "no size")
BAD_ROWS = {
    "not a number": row(100, "LEFT", NAN, 100.1),
    "absent": row(110, "LEFT", 100.0, None),
    "infinite": row(120, "LEFT", 100.0, float("inf")),
    "negative": row(130, "LEFT", -100.0, 100.1),
    "zero": row(140, "LEFT", 0.0, 100.1),
    "no size": row(150, "LEFT", 100.0, 100.1, bid_size=0.0),
    "negative size": row(160, "LEFT", 100.0, 100.1, bid_size=-1.0),
    "crossed": row(170, "LEFT", 100.2, 100.1),
}


def write(path: Path, rows: Iterable[Row], *, without: str = "") -> None:
    columns = zip(*rows, strict=True)
    arrays = {name: pa.array(column, kind) for (name, kind), column in zip(COLUMNS.items(), columns, strict=True)}
    arrays.pop(without, None)
    pq.write_table(pa.table(arrays), path, compression="zstd")


def missing(path: Path) -> None:
    pass


def truncated(path: Path) -> None:
    write(path, ROWS)
    path.write_bytes(path.read_bytes()[:-100])


def lacking_a_column(path: Path) -> None:
    write(path, ROWS, without="ask_size")


def unsorted(path: Path) -> None:
    write(path, [*ROWS, row(20, "LEFT", 100.0, 100.1)])


def of_other_venues(path: Path) -> None:
    write(path, [row(0, "LEFT", 100.0, 100.1), row(1, "RIGTH", 100.0, 100.1)])


#: What makes the file, and what the only line says of it.
REFUSED: Mapping[Callable[[Path], None], str] = {
    missing: "no such file",
    truncated: "truncated",
    lacking_a_column: "lacks the column ask_size",
    unsorted: "not sorted by ts_ns: row 6 has",
    of_other_venues: "no rows of exchange 'RIGHT'; the file has LEFT, RIGTH; did you mean 'RIGTH'?",
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    def run(make: Callable[[Path], None]) -> Ran:
        folder = tmp_path_factory.mktemp(make.__name__)
        (folder / "mine.toml").write_text(CONFIG)
        make(folder / "quotes.parquet")
        return CommandLine(folder=folder).run("mine.toml")

    with ahead(run, {make.__name__: make for make in REFUSED}) as refused:
        yield refused


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_file_that_can_not_be_used_is_named_before_anything_runs(
    refused: Callable[[str], Ran], make: Callable[[Path], None]
) -> None:
    ran = refused(make.__name__)

    assert ran.code == 2
    assert re.match(r"\[exchanges\.(left|right)\.market\]: quotes\.parquet: ", ran.error)
    assert REFUSED[make] in ran.error
    assert not (ran.folder / "summary.json").exists()


@pytest.fixture
def recorded(trioarb: CommandLine) -> Callable[[Iterable[Row]], Ran]:
    def run(rows: Iterable[Row]) -> Ran:
        (trioarb.folder / "mine.toml").write_text(CONFIG)
        write(trioarb.folder / "quotes.parquet", rows)
        return trioarb.run("mine.toml")

    return run


def test_a_good_file_is_traded_to_its_end(recorded: Callable[[Iterable[Row]], Ran]) -> None:
    ran = recorded(ROWS)

    assert ran.code == 0
    assert ran.summary["ended_by"] == "end_of_data"
    assert ran.summary["runtime_seconds"] == pytest.approx(0.9)
    (trade,) = ran.summary["trades"]
    assert (trade["buy_venue"], trade["sell_venue"]) == ("left", "right")
    assert Decimal(trade["pnl_usd"]) > 0
    assert trade["opened_at"].startswith("2023-11-14T22:13:20.")
    funnel = ran.summary["funnel"]["BTCUSDT"]
    assert (funnel["seen"], funnel["evaluated"], funnel["refused"]) == (6, 6, 0)


def test_bad_rows_are_counted_and_not_traded_on(recorded: Callable[[Iterable[Row]], Ran]) -> None:
    ran = recorded(sorted([*ROWS, *BAD_ROWS.values()], key=lambda one: one[0]))

    assert ran.code == 0
    assert ran.summary["ended_by"] == "end_of_data"
    funnel = ran.summary["funnel"]["BTCUSDT"]
    refused = len(BAD_ROWS) - len(WITHDRAWN)
    assert (funnel["seen"], funnel["refused"], funnel["withdrawn"]) == (6 + len(BAD_ROWS), refused, len(WITHDRAWN))
    assert (funnel["evaluated"], funnel["fresh"]) == (6 + len(WITHDRAWN), 8)
    assert len(ran.summary["trades"]) == 1


def test_a_file_of_bad_rows_only_is_told_apart_from_a_quiet_market(recorded: Callable[[Iterable[Row]], Ran]) -> None:
    ran = recorded([*BAD_ROWS.values(), row(800, "RIGHT", NAN, NAN)])

    assert ran.code == 0
    funnel = ran.summary["funnel"]["BTCUSDT"]
    assert (funnel["refused"], funnel["withdrawn"]) == (len(BAD_ROWS) - len(WITHDRAWN), len(WITHDRAWN) + 1)
    assert "refused" in " ".join(ran.summary["advice"])


def test_damage_that_is_met_while_the_file_is_played_ends_the_campaign_with_1(trioarb: CommandLine) -> None:
    (trioarb.folder / "mine.toml").write_text(CONFIG)
    path = trioarb.folder / "quotes.parquet"
    write(path, [row(ms, ("LEFT", "RIGHT")[ms % 2], 100.0 + ms / 1000, 101.0 + ms / 1000) for ms in range(20)])
    sizes = pq.read_metadata(path).row_group(0).column(list(COLUMNS).index("bid_size"))
    content = bytearray(path.read_bytes())
    start = sizes.dictionary_page_offset or sizes.data_page_offset
    content[start : start + sizes.total_compressed_size] = b"\xff" * sizes.total_compressed_size
    path.write_bytes(content)

    ran = trioarb.run("mine.toml")

    assert ran.code == 1
    assert "quotes.parquet" in ran.error
    assert ran.summary["ended_by"] == "error"
    assert ran.events[-1]["type"] == "campaign_ended"


def test_check_looks_into_the_file(trioarb: CommandLine) -> None:
    (trioarb.folder / "mine.toml").write_text(CONFIG)
    truncated(trioarb.folder / "quotes.parquet")

    ran = trioarb("check", "mine.toml")

    assert ran.code == 2
    assert ran.error.startswith("[exchanges.left.market]: quotes.parquet: truncated")


def of_every_campaign(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without what names its campaign."""
    names = ("campaign_id", "config_digest", "client_order_id", "venue_order_id", "fill_id", "hash")
    return {key: value for key, value in event.items() if key not in names}


def test_a_replay_is_a_run_on_recorded_quotes(trioarb: CommandLine) -> None:
    """Whatever market data the configuration names; venues are called as the files call them."""
    recorded = CONFIG.replace('path = "quotes.parquet"', 'path = "days"')
    other = CONFIG.replace('source = "recorded"', 'source = "dummy"').replace('clock = "virtual"\n', "")
    other = re.sub(r"market = \{.*\}", 'market = { plugin = "dummy" }', other)
    other = other.replace("exchanges.left", "exchanges.x").replace("exchanges.right", "exchanges.y")
    (trioarb.folder / "days").mkdir()
    write(trioarb.folder / "days" / "1.parquet", ROWS[:4])
    write(trioarb.folder / "days" / "2.parquet", ROWS[4:])
    (trioarb.folder / "mine.toml").write_text(recorded)
    (trioarb.folder / "other.toml").write_text(other)

    ran = trioarb.run("mine.toml")
    replayed = trioarb(
        *("replay", "other.toml", "--quotes", "days/2.parquet", "days/1.parquet", "--plain"),
        *("--exchange", "x=LEFT", "--exchange", "y=RIGHT", "--events", "replay.jsonl"),
    )

    assert (ran.code, replayed.code) == (0, 0)
    told = (trioarb.folder / "replay.jsonl").read_text()
    for name, own in (("x", "left"), ("y", "right")):
        told = told.replace(f'"{name}"', f'"{own}"').replace(f'@{name}"', f'@{own}"')
    again = [json.loads(line) for line in told.splitlines()]
    assert list(map(of_every_campaign, again)) == list(map(of_every_campaign, ran.events))
    assert len(ran.of_type("position_closed")) == 1


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("z=LEFT", "--exchange: no such venue: 'z' (allowed: left, right)"),
        ("LEFT", "--exchange: not VENUE=NAME: 'LEFT'"),
    ],
)
def test_a_replays_venues_are_checked(trioarb: CommandLine, flag: str, said: str) -> None:
    (trioarb.folder / "mine.toml").write_text(CONFIG)
    ran = trioarb("replay", "mine.toml", "--quotes", "quotes.parquet", "--exchange", flag)
    assert (ran.code, said in ran.err) == (2, True)


def test_prices_finer_than_the_tick_are_traded_by_one_that_fits_or_warned_of(trioarb: CommandLine) -> None:
    cheap = [
        (ts_ns, venue, symbol, float(f"{8.122e-9 * bid:.3e}"), 5e9, float(f"{8.122e-9 * ask:.3e}"), 5e9)
        for ts_ns, venue, symbol, bid, _, ask, _ in ROWS
        if bid is not None and ask is not None
    ]
    write(trioarb.folder / "quotes.parquet", cheap)
    (trioarb.folder / "c.toml").write_text(CONFIG)
    ran = trioarb.run("c.toml")
    assert ran.code == 0, ran.err
    assert len(ran.of_type("position_opened")) == 1
    assert "tick size" not in ran.warnings

    ran = trioarb.run("c.toml", "--set=exchanges.*.tick_size=0.0000001")
    assert "BTCUSDT at left: its prices have 10 decimals and don't lie on the tick size 0.0000001" in ran.warnings
    assert 'exchanges.left.instruments.BTCUSDT.tick_size = "0.0000000001" would fit' in ran.warnings


def test_prices_that_floats_have_reckoned_are_to_be_rounded(trioarb: CommandLine) -> None:
    """Nobody has a tick of 1e-14."""
    reckoned = [
        (ts_ns, venue, symbol, bid * 1.1, 5.0, ask * 1.1, 5.0)
        for ts_ns, venue, symbol, bid, _, ask, _ in ROWS
        if bid is not None and ask is not None
    ]
    write(trioarb.folder / "quotes.parquet", reckoned)
    (trioarb.folder / "c.toml").write_text(CONFIG)

    ran = trioarb.run("c.toml", "--set=exchanges.*.tick_size=0.01")

    assert "don't lie on the tick size 0.01" in ran.warnings
    assert "round the prices to the tick before they are played" in ran.warnings
    assert "would fit" not in ran.warnings


@pytest.mark.parametrize("cheap", [100.0, 0.0001], ids=["an order could be sized", "none could"])
def test_an_edge_too_good_to_be_true_is_warned_of_once_and_never_traded(
    recorded: Callable[[Iterable[Row]], Ran], cheap: float
) -> None:
    """What the right venue calls BTC is another coin, of three times the price, or of three million times."""
    left = cheap, round(cheap * 1.001, 7)
    rows = [one for ms in range(0, 900, 20) for one in (row(ms, "LEFT", *left), row(ms + 9, "RIGHT", 301, 302))]

    ran = recorded(rows)

    assert ran.code == 0
    assert not ran.summary["trades"]
    assert ran.summary["funnel"]["BTCUSDT"]["over_threshold"] > 20
    assert ran.summary["funnel"]["BTCUSDT"]["sized"] == 0
    denied_there = ran.summary["decisions"]["by_rule"]["symbol.edge_too_good"]
    assert ran.summary["not_sized"]["symbols"]["BTCUSDT"] == {"symbol.edge_too_good": denied_there}
    (denied,) = {(one["tier"], one["rule"], one["limit"]) for one in ran.of_type("decided")}
    assert denied == ("symbol", "edge_too_good", "500 bps")
    assert ran.warnings.count("symbol.edge_too_good") == 1
    (line,) = (line for line in ran.warnings.splitlines() if "edge_too_good" in line)
    edge = {100.0: "20045.883744", 0.0001: "30045873744.404343"}[cheap]
    assert f"symbol=BTCUSDT value={edge} bps, from left to right limit=500 bps" in line
