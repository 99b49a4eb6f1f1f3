from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.api import Listing, MarketContext, MarketDataError, SourceContext, Tape, TapeRow, UniverseError
from trioarb.builtin import dummy, recorded
from trioarb.quotes import exact, parquet

Row = tuple[int | None, str | None, str | None, float | None, float | None, float | None, float | None]

COLUMNS = ("ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")
TYPES = (pa.int64(), pa.string(), pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.float64())
NAN = float("nan")
REAL_SETS = Path(__file__).parents[2].parent / "shared" / "data" / "quotes"

ROWS: Sequence[Row] = (
    (100, "A", "ETH-USDT", 10.0, 1.0, 11.0, 2.0),
    (100, "B", "BTC-USDT", 99.0, 1.0, 101.0, 2.0),
    (100, "A", "BTC-USDT", 100.0, 1.5, 102.0, 2.5),
    (200, "B", "ETH-USDT", 10.0, 3.0, 11.0, 4.0),
    (300, "A", "ETH-USDT", 10.5, 5.0, 11.5, 6.0),
)


@pytest.fixture(autouse=True, scope="module")
def _since_ever() -> Iterator[None]:
    """Times here are small numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "EARLIEST_NS", 0)
        yield


def table(rows: Iterable[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, TYPES, strict=True)]
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def write(path: Path, content: Iterable[Row] | pa.Table, **options: Any) -> Path:
    pq.write_table(content if isinstance(content, pa.Table) else table(content), path, **options)
    return path


def quote(ts_ns: int | None = 1, exchange: str | None = "A", symbol: str | None = "BTC-USDT") -> Row:
    return (ts_ns, exchange, symbol, 1.0, 1.0, 2.0, 1.0)


@asynccontextmanager
async def opened(path: Path, exchange: str = "A") -> AsyncIterator[Tape]:
    (spec,) = recorded.trioarb_market_data()
    async with spec.open(spec.settings(path=path, exchange=exchange), MarketContext(venue="a", seed=7)) as market:
        assert isinstance(market, Tape)
        yield market


async def read(path: Path, exchange: str, symbols: Sequence[str], start_ns: int = 0) -> list[TapeRow]:
    async with opened(path, exchange) as tape:
        return list(tape.rows(symbols, start_ns))


async def refusal(path: Path, exchange: str = "A") -> str:
    """Return what opening the file says, without the path that it has to start with."""
    with pytest.raises(MarketDataError) as caught:
        async with opened(path, exchange):
            pass
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


async def test_a_tape_holds_the_rows_of_one_exchange(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    async with opened(path) as tape:
        assert tape.start_ns == 100
        assert await tape.listings() == [
            Listing(symbol="ETHUSDT", base="ETH", quote="USDT"),
            Listing(symbol="BTCUSDT", base="BTC", quote="USDT"),
        ]
        assert tape.rules("BTCUSDT") is None
        assert list(tape.rows(["BTCUSDT", "ETHUSDT"], 0)) == [
            (100, 0, "ETHUSDT", 10.0, 1.0, 11.0, 2.0),
            (100, 2, "BTCUSDT", 100.0, 1.5, 102.0, 2.5),
            (300, 4, "ETHUSDT", 10.5, 5.0, 11.5, 6.0),
        ]


async def test_only_the_symbols_asked_for_come(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    assert [row[1] for row in await read(path, "A", ["ETHUSDT"])] == [0, 4]
    assert await read(path, "A", ["XRPUSDT"]) == []
    assert await read(path, "A", []) == []


async def test_the_start_is_the_first_row_of_the_exchange_not_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(1, "B"), quote(5, "A")])
    async with opened(path) as tape:
        assert tape.start_ns == 5


async def test_rows_before_the_start_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    assert [row[1] for row in await read(path, "A", ["BTCUSDT", "ETHUSDT"], 100)] == [0, 2, 4]
    assert [row[1] for row in await read(path, "A", ["BTCUSDT", "ETHUSDT"], 101)] == [4]
    assert await read(path, "A", ["BTCUSDT", "ETHUSDT"], 301) == []


async def test_two_exchanges_of_one_file_merge_in_its_order(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    async with opened(path, "A") as a, opened(path, "B") as b:
        merged = heapq.merge(*(tape.rows(["BTCUSDT", "ETHUSDT"], 0) for tape in (b, a)))
        assert [row[1] for row in merged] == [0, 1, 2, 3, 4]


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["A", "B"]), st.sampled_from(["BTC-USDT", "ETH-USDT", "BTC-USD"])),
        min_size=1,
    ),
    row_group_size=st.integers(1, 50),
    dictionary=st.booleans(),
    start_ns=st.integers(0, 30),
)
def test_every_row_comes_once_whatever_the_layout_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, str, str]],
    row_group_size: int,
    dictionary: bool,
    start_ns: int,
) -> None:
    now, rows = 0, []
    for step, exchange, symbol in steps:
        now += step
        rows.append(quote(now, exchange, symbol))
    path = tmp_path_factory.mktemp("layout") / "quotes.parquet"
    write(path, rows, row_group_size=row_group_size, use_dictionary=dictionary)
    found = []
    for exchange in {exchange for _, exchange, _ in steps}:
        for row in trio.run(read, path, exchange, ["BTCUSDT", "ETHUSDT"], start_ns):
            found.append((row[0], row[1], exchange, row[2]))
    assert sorted(found) == sorted(
        (ts_ns, order, exchange, symbol.replace("-", ""))
        for order, (ts_ns, exchange, symbol, *_) in enumerate(rows)
        if ts_ns is not None and symbol is not None and ts_ns >= start_ns and symbol != "BTC-USD"
    )


async def test_more_rows_than_one_batch_keep_their_place(tmp_path: Path) -> None:
    count = 150_000
    path = write(
        tmp_path / "quotes.parquet",
        pa.table(
            {
                "ts_ns": pa.array(np.arange(count)),
                "exchange": pa.array(["A", "B"] * (count // 2)),
                "symbol": pa.array(["BTC-USDT"] * count),
                **{name: pa.array(np.arange(count, dtype=float)) for name in COLUMNS[3:]},
            }
        ),
    )
    rows = await read(path, "B", ["BTCUSDT"])
    assert [row[1] for row in rows] == list(range(1, count, 2))
    assert all(ts_ns == order == bid for ts_ns, order, _, bid, *_ in rows)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
async def test_text_columns_may_be_stored_in_any_text_type(tmp_path: Path, kind: pa.DataType) -> None:
    content = table(ROWS)
    for index, name in ((1, "exchange"), (2, "symbol")):
        content = content.set_column(index, name, content.column(name).cast(kind))
    path = write(tmp_path / "quotes.parquet", content)
    assert [row[1] for row in await read(path, "A", ["BTCUSDT", "ETHUSDT"])] == [0, 2, 4]


async def test_columns_may_come_in_any_order_and_be_more(tmp_path: Path) -> None:
    content = table(ROWS).append_column("note", pa.array(["x"] * len(ROWS))).select([*reversed(COLUMNS), "note"])
    path = write(tmp_path / "quotes.parquet", content)
    assert (await read(path, "A", ["BTCUSDT"])) == [(100, 2, "BTCUSDT", 100.0, 1.5, 102.0, 2.5)]


async def test_quotes_are_passed_on_as_they_are_for_the_engine_to_judge(tmp_path: Path) -> None:
    path = write(
        tmp_path / "quotes.parquet",
        [
            (1, "A", "BTC-USDT", NAN, 1.0, 2.0, 1.0),
            (2, "A", "BTC-USDT", 1.0, None, None, 1.0),
            (3, "A", "BTC-USDT", -1.0, 0.0, math.inf, -1.0),
            (4, "A", "BTC-USDT", 3.0, 1.0, 2.0, 1.0),
        ],
    )
    rows = await read(path, "A", ["BTCUSDT"])
    assert math.isnan(rows[0][3])
    assert math.isnan(rows[1][4])
    assert math.isnan(rows[1][5])
    assert rows[2][3:] == (-1.0, 0.0, math.inf, -1.0)
    assert rows[3][3:] == (3.0, 1.0, 2.0, 1.0)
    assert all(type(value) is float for row in rows for value in row[3:])
    assert all(type(value) is int for row in rows for value in row[:2])


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    said = await refusal(tmp_path / "nowhere.parquet")
    assert said == (
        f"no such file; a relative `path` starts at the current directory, {Path.cwd()}; "
        'for all venues: --set "exchanges.*.market.path=FILE"'
    )


async def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    said = await refusal(tmp_path)
    assert said == "holds no .parquet file; `path` must name a file of quotes, or a folder of them"


async def test_a_folder_holds_files_in_the_order_of_their_times(tmp_path: Path) -> None:
    parts = {"b/late": ROWS[3:], "b/early": ROWS[:2], "middle": ROWS[2:3]}
    (tmp_path / "b").mkdir()
    for name, rows in parts.items():
        write(tmp_path / f"{name}.parquet", rows)
    (tmp_path / "notes.txt").write_text("not a file of quotes")
    whole = write(tmp_path.parent / "whole.parquet", ROWS)

    for exchange in "AB":
        assert await read(tmp_path, exchange, ["ETHUSDT", "BTCUSDT"]) == await read(
            whole, exchange, ["ETHUSDT", "BTCUSDT"]
        )


async def test_files_that_overlap_are_refused_if_the_venue_is_in_both(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1.parquet", ROWS), write(tmp_path / "2.parquet", [quote(200), quote(400, "C")])

    said = await refusal(tmp_path)
    assert said == (
        f"{second}: its quotes of A begin before those of {first} end; one quote would count twice: leave one of them "
        "out, or merge them into one file that is sorted by ts_ns"
    )
    assert len(await read(tmp_path, "B", ["ETHUSDT", "BTCUSDT"])) == 2
    assert len(await read(tmp_path, "C", ["BTCUSDT"])) == 1


async def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(1)])
    assert len(await read(path, "A", ["BTCUSDT"])) == 1
    write(path, [quote(1), quote(2, symbol="ETH-USDT")])
    assert len(await read(path, "A", ["BTCUSDT", "ETHUSDT"])) == 2


async def test_a_device_is_not_a_file() -> None:
    assert await refusal(Path("/dev/null")) == "not a regular file; `path` must name one Parquet file"


async def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quotes.parquet"
    path.touch()
    assert await refusal(path) == "the file is empty; record or copy it again"


async def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text("ts_ns,exchange,symbol\n")
    assert await refusal(path) == "not a Parquet file; `path` must name a Parquet file of quotes"


@pytest.mark.parametrize("share", [0.005, 0.3, 0.9, 0.999])
async def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    size = int(path.stat().st_size * share)
    path.write_bytes(path.read_bytes()[:size])
    assert await refusal(path) == f"truncated: the end of the Parquet file is missing at {size} bytes; copy it again"


async def test_a_damaged_footer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    content = bytearray(path.read_bytes())
    content[-200:-8] = b"\xff" * 192
    path.write_bytes(content)
    said = await refusal(path)
    assert said.startswith("damaged Parquet file (")
    assert said.endswith("); record or copy it again")


def damage(path: Path, column: str) -> None:
    """Overwrite the pages of one column."""
    chunk = pq.read_metadata(path).row_group(0).column(COLUMNS.index(column))
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)


@pytest.mark.parametrize("column", ["ts_ns", "exchange", "symbol", "bid", "ask"])
async def test_damage_in_times_names_and_prices_is_found_at_the_opening(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    damage(path, column)
    assert (await refusal(path)).startswith("damaged Parquet file (")


@pytest.mark.parametrize("column", ["bid_size", "ask_size"])
async def test_damage_in_the_sizes_is_found_when_they_are_read(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS)
    damage(path, column)
    async with opened(path) as tape:
        with pytest.raises(MarketDataError, match=f"^{re.escape(str(path))}: damaged Parquet file .*copy it again$"):
            list(tape.rows(["BTCUSDT"], 0))


async def test_damage_is_found_by_checksum_where_the_file_has_one(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", ROWS, compression="none", use_dictionary=False, write_page_checksum=True)
    chunk = pq.read_metadata(path).row_group(0).column(COLUMNS.index("ask_size"))
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    async with opened(path) as tape:
        with pytest.raises(MarketDataError, match=r"damaged Parquet file .*CRC"):
            list(tape.rows(["BTCUSDT"], 0))


async def test_text_that_is_not_utf8_is_damage(tmp_path: Path) -> None:
    content = table(ROWS)
    bad = pa.array([b"A", b"\xff\xfe", b"A", b"A", b"A"]).view(pa.string())
    path = write(tmp_path / "quotes.parquet", content.set_column(1, "exchange", bad))
    assert (await refusal(path)).startswith("damaged Parquet file (")


@pytest.mark.parametrize(
    ("dropped", "what"),
    [
        (["bid"], "the column bid"),
        (["ts_ns", "exchange", "ask"], "the columns ts_ns, exchange, ask"),
        (["symbol"], "the column symbol"),
    ],
)
async def test_lacking_columns_are_listed(tmp_path: Path, dropped: list[str], what: str) -> None:
    content = table(ROWS).drop_columns(dropped)
    path = write(tmp_path / "quotes.parquet", content)
    assert await refusal(path) == (
        f"lacks {what} (it has {', '.join(content.column_names)}); a file of quotes needs {', '.join(COLUMNS)}"
    )


async def test_a_double_column_is_refused(tmp_path: Path) -> None:
    content = table(ROWS).append_column("bid", pa.array([1.0] * len(ROWS)))
    path = write(tmp_path / "quotes.parquet", content)
    assert (await refusal(path)).startswith("has the column bid more than once; ")


@pytest.mark.parametrize(
    ("column", "kind", "what"),
    [
        ("bid", pa.string(), "bid is string, must be double or a decimal"),
        (
            "ask_size",
            pa.float32(),
            "ask_size is float, which holds few decimals exactly: trioarb data convert rounds each to its shortest one",
        ),
        ("ts_ns", pa.float64(), "ts_ns is double, must be int64 or a timestamp"),
        ("symbol", pa.binary(), "symbol is binary, must be string"),
    ],
)
async def test_wrong_column_types_are_listed(tmp_path: Path, column: str, kind: pa.DataType, what: str) -> None:
    content = table(ROWS)
    index = COLUMNS.index(column)
    path = write(tmp_path / "quotes.parquet", content.set_column(index, column, content.column(column).cast(kind)))
    assert await refusal(path) == f"wrong column types: {what}; write the file again with these types"


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", "Europe/Berlin"), pa.timestamp("us", "UTC")]
)
async def test_timestamps_are_times(tmp_path: Path, kind: pa.DataType) -> None:
    step = 10**6
    rows = [(row[0] * step, *row[1:]) for row in ROWS if row[0] is not None]
    times = pa.array([row[0] for row in rows]).cast(pa.timestamp("ns", kind.tz)).cast(kind)
    path = write(tmp_path / "quotes.parquet", table(rows).set_column(0, "ts_ns", times))
    assert [row[0] for row in await read(path, "A", ["BTCUSDT", "ETHUSDT"])] == [100 * step, 100 * step, 300 * step]


@pytest.mark.parametrize("scale", [0, 1, 2, 8, 18])
@pytest.mark.parametrize("is_encoded", [False, True])
async def test_decimals_are_the_nearest_doubles(tmp_path: Path, scale: int, is_encoded: bool) -> None:
    chance = Random(scale)
    prices = [Decimal(chance.randrange(1, 10 ** chance.randrange(1, 19))).scaleb(-scale) for _ in range(2_000)]
    stored = pa.array(prices, pa.decimal128(38, scale))
    content = table([quote(number) for number in range(len(prices))])
    for name in ("bid", "ask_size"):
        column = stored.dictionary_encode() if is_encoded else stored
        content = content.set_column(COLUMNS.index(name), name, column)
    path = write(tmp_path / "quotes.parquet", content)
    rows = await read(path, "A", ["BTCUSDT"])
    assert [row[3] for row in rows] == [row[6] for row in rows] == [float(price) for price in prices]


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6)])
async def test_times_in_another_unit_are_refused_with_the_one_that_fits(
    tmp_path: Path, unit: str, per_second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "EARLIEST_NS", exact.EARLIEST_NS)
    seconds = 1_705_276_800
    path = write(tmp_path / "quotes.parquet", [quote(seconds * per_second), quote((seconds + 1) * per_second)])
    assert await refusal(path) == (
        f"row 0 has the ts_ns {seconds * per_second}: times before 2009 or after tomorrow are not nanoseconds; "
        f"they seem to be {unit}: trioarb data convert {path} --time-unit {unit} --out NEW"
    )
    late = [quote(seconds * 10**9), quote(4_000_000_000 * 10**9)]
    path = write(tmp_path / "late.parquet", late)
    assert (await refusal(path)).startswith("row 1 has the ts_ns 4000000000000000000: ")


@pytest.mark.parametrize(
    ("prices", "step"),
    [
        ([8.122e-07, 8.13e-07], "1e-10"),
        ([7.499e-09, 7.5e-09], "1e-12"),
        ([67012.37, 67012.4], "0.01"),
        ([3.0, 4.0], "1"),
        ([NAN, 0.5, math.inf], "0.1"),
        ([0.1 + 0.2], "1e-17"),
    ],
)
async def test_prices_say_in_which_steps_they_are(tmp_path: Path, prices: list[float], step: str) -> None:
    rows = [quote(number) for number in range(len(prices))] + [quote(9, symbol="ETH-USDT")]
    bids, asks = pa.array([*prices, 0.001]), pa.array([*(math.nan for _ in prices), 1.0])
    content = table(rows).set_column(3, "bid", bids).set_column(5, "ask", asks)
    path = write(tmp_path / "quotes.parquet", content)
    async with opened(path) as tape:
        assert [one.price_step for one in await tape.listings()] == [Decimal(step), Decimal("0.001")]
        rules = tape.rules("BTCUSDT")
        assert (None if rules is None else rules.tick_size) == (
            Decimal(step) if Decimal(step) < Decimal("1e-8") else None
        )


async def test_every_wrong_column_is_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", pa.table({name: pa.array([True]) for name in COLUMNS}))
    said = await refusal(path)
    assert all(f"{name} is bool" in said for name in COLUMNS)


@pytest.mark.parametrize(
    ("row", "column"),
    [(quote(ts_ns=None), "ts_ns"), (quote(exchange=None), "exchange"), (quote(symbol=None), "symbol")],
)
async def test_a_null_where_a_value_must_be_names_its_row(tmp_path: Path, row: Row, column: str) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(), quote(), row])
    assert await refusal(path) == (f"row 2 has no {column}; every row needs one, remove it or record the file again")


async def test_an_exchange_that_the_file_lacks_is_answered_with_those_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(exchange="GATEIO"), quote(exchange="BINANCE")])
    assert await refusal(path, "binanc") == (
        "no rows of exchange 'binanc'; the file has BINANCE, GATEIO; did you mean 'BINANCE'?"
    )
    assert await refusal(path, "KRAKEN") == (
        "no rows of exchange 'KRAKEN'; the file has BINANCE, GATEIO; set `exchange` to one of them, or replay "
        "with --exchange VENUE=NAME"
    )


async def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [])
    assert await refusal(path) == "holds no rows; record it again or name another file"


@pytest.mark.parametrize("row_group_size", [1, 100])
async def test_falling_times_name_their_row(tmp_path: Path, row_group_size: int) -> None:
    rows = [quote(10), quote(20, "B"), quote(20), quote(19, "B"), quote(30)]
    path = write(tmp_path / "quotes.parquet", rows, row_group_size=row_group_size)
    assert await refusal(path) == (
        "not sorted by ts_ns: row 3 has 19, the row before it 20 (rows count from 0); sort the file by ts_ns"
    )


async def test_falling_times_are_found_between_batches(tmp_path: Path) -> None:
    count = 65_536
    ts = np.concatenate([np.arange(count), np.arange(count)])
    content = table([quote()] * len(ts)).set_column(0, "ts_ns", pa.array(ts))
    path = write(tmp_path / "quotes.parquet", content)
    assert (await refusal(path)).startswith("not sorted by ts_ns: row 65536 has 0, the row before it 65535 ")


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC-USDT-PERP", "-USDT", "BTC-", "-", ""])
async def test_a_symbol_that_is_not_base_quote_is_refused(tmp_path: Path, symbol: str) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(), quote(symbol=symbol)])
    assert await refusal(path) == (f'symbol "{symbol}" is not BASE-QUOTE, such as "BTC-USDT"; rename it in the file')


async def test_two_symbols_of_one_canonical_name_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(symbol="BTC-USDT"), quote(symbol="BTCU-SDT")])
    assert await refusal(path) == ('symbols "BTC-USDT" and "BTCU-SDT" would both be BTCUSDT; rename one in the file')


async def test_the_other_exchanges_symbols_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "quotes.parquet", [quote(), quote(exchange="B", symbol="XBTUSD")])
    assert len(await read(path, "A", ["BTCUSDT"])) == 1


async def test_source_lists_what_the_markets_hold_in_the_order_of_the_venues(tmp_path: Path) -> None:
    (spec,) = recorded.trioarb_symbol_sources()
    first = write(tmp_path / "first.parquet", [quote(symbol="XRP-USDT"), quote(symbol="BTC-USDT")])
    second = write(tmp_path / "second.parquet", [quote(symbol="ADA-USDT"), quote(symbol="XRP-USDT")])
    async with opened(first) as a, opened(second) as b:
        async with spec.open(spec.settings(), SourceContext(markets={"x": a, "y": b})) as source:
            listings = await source.listings()
        assert [listing.symbol for listing in listings] == ["XRPUSDT", "BTCUSDT", "ADAUSDT"]
        assert all(listing.volume_24h_quote is None for listing in listings)


async def test_source_takes_any_market_and_knows_no_volumes() -> None:
    (spec,) = recorded.trioarb_symbol_sources()
    (market_spec,) = dummy.trioarb_market_data()
    async with market_spec.open(market_spec.settings(), MarketContext(venue="a", seed=7)) as market:
        async with spec.open(spec.settings(), SourceContext(markets={"a": market})) as source:
            listings = await source.listings()
        assert [listing.symbol for listing in listings] == [listing.symbol for listing in await market.listings()]
        assert {listing.volume_24h_quote for listing in listings} == {None}


async def test_source_without_a_market_says_what_to_configure() -> None:
    (spec,) = recorded.trioarb_symbol_sources()
    with pytest.raises(UniverseError, match="no market is configured; add exchanges with market = "):
        async with spec.open(spec.settings(), SourceContext(markets={})):
            pass


REAL: Mapping[str, Mapping[tuple[str, str], int]] = {
    "binance_venues_20240808.parquet": {
        ("BINANCE", "BTCUSDT"): 28_040,
        ("BINANCE", "ETHUSDT"): 24_077,
        ("BINANCE_COINM", "BTCUSD"): 19_136,
        ("BINANCE_COINM", "ETHUSD"): 15_812,
        ("BINANCE_USDM", "BTCUSDT"): 66_089,
        ("BINANCE_USDM", "ETHUSDT"): 53_992,
    },
    "gateio_mexc_lunc_20251011.parquet": {("GATEIO_FUTURES", "LUNCUSDT"): 2_999, ("MEXC", "LUNCUSDT"): 6_005},
}


@pytest.mark.parametrize("name", REAL)
async def test_real_recordings_are_read_whole_and_in_file_order(name: str) -> None:
    path = REAL_SETS / name
    if not path.exists():
        pytest.skip(f"the recording {path} is not here")
    counts: Counter[tuple[str, str]] = Counter()
    rows: list[TapeRow] = []
    for exchange in {exchange for exchange, _ in REAL[name]}:
        async with opened(path, exchange) as tape:
            symbols = [listing.symbol for listing in await tape.listings()]
            found = list(tape.rows(symbols, tape.start_ns or 0))
        assert found == sorted(found, key=lambda row: row[:2])
        counts.update((exchange, row[2]) for row in found)
        rows += found
    assert counts == REAL[name]

    whole = pq.read_table(path).to_pydict()
    rows.sort(key=lambda row: row[1])
    assert [row[1] for row in rows] == list(range(len(whole["ts_ns"])))
    for place, column in ((0, "ts_ns"), (3, "bid"), (4, "bid_size"), (5, "ask"), (6, "ask_size")):
        assert [row[place] for row in rows] == whole[column]
