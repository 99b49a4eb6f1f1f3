"""The source ``csv``: what it reads, and how it says what is wrong with a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from trioarb.api import Listing, UniverseError
from trioarb.testing import run_virtual

csv_source = pytest.importorskip("trioarb_example.csv_source", reason="trioarb-example is not installed")

HEADER = "symbol,base,quote,volume_24h_quote\n"


async def listings(path: Path) -> Sequence[Listing]:
    found: Sequence[Listing] = await csv_source.CsvSource(csv_source.CsvSettings(path=path)).listings()
    return found


async def read(tmp_path: Path, content: str | bytes) -> Sequence[Listing]:
    path = tmp_path / "symbols.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return await listings(path)


async def test_lists_the_rows_in_file_order(tmp_path: Path) -> None:
    found = await read(tmp_path, HEADER + "ETHUSDT,ETH,USDT,9700000000.5\nBTCUSDT,BTC,USDT,0\n")
    assert found == [
        Listing(symbol="ETHUSDT", base="ETH", quote="USDT", volume_24h_quote=Decimal("9700000000.5")),
        Listing(symbol="BTCUSDT", base="BTC", quote="USDT", volume_24h_quote=Decimal(0)),
    ]


async def test_an_empty_volume_is_unknown(tmp_path: Path) -> None:
    (found,) = await read(tmp_path, HEADER + "PEPEUSDT,PEPE,USDT,\n")
    assert found.volume_24h_quote is None


async def test_columns_in_any_order_beside_others(tmp_path: Path) -> None:
    (found,) = await read(tmp_path, "rank,quote,volume_24h_quote,base,symbol\n1,USDT,5,BTC,XBTUSDT\n")
    assert found == Listing(symbol="XBTUSDT", base="BTC", quote="USDT", volume_24h_quote=Decimal(5))


async def test_what_spreadsheets_write(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER + '"BTCUSDT", BTC ,USDT,5\r\n\r\n,,,\r\n'
    (found,) = await read(tmp_path, text)
    assert (found.symbol, found.base) == ("BTCUSDT", "BTC")


GOOD = "BTCUSDT,BTC,USDT,5\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: no column symbol, base, quote, volume_24h_quote"),
        ("symbol,base\nBTCUSDT,BTC\n", "line 1: no column quote, volume_24h_quote"),
        (HEADER.replace(",", ";"), "separated by commas"),
        ("symbol," + HEADER, "line 1: the column symbol is there twice"),
        (HEADER, "no rows; write one line per symbol"),
        (HEADER + GOOD + "ETHUSDT,,USDT,5\n", "line 3, column base: an empty cell; fill it"),
        (HEADER + GOOD + "ETHUSDT,ETH\n", "line 3: 2 cells, but 4 columns; write a cell for each column"),
        (HEADER + "BTCUSDT,BTC,USDT,1,000\n", "line 2: 5 cells, but 4 columns"),
        (HEADER + "BTCUSDT,BTC,USDT,much\n", "line 2, column volume_24h_quote: not a volume: 'much'; write a number"),
        (HEADER + "BTCUSDT,BTC,USDT,-1\n", "not a volume: '-1'"),
        (HEADER + "BTCUSDT,BTC,USDT,NaN\n", "not a volume: 'NaN'"),
        (HEADER + "BTCUSDT,BTC,USDT,inf\n", "not a volume: 'inf'"),
        (HEADER + "BTCUSDT,BTC,USDT,1e999999\n", "not a volume: '1e999999'"),
        (HEADER + GOOD + GOOD, "line 3, column symbol: 'BTCUSDT' stands in line 2 already; remove one"),
        (HEADER + '"BTCUSDT,BTC,USDT,5\n', "not valid CSV"),
        (HEADER.encode() + b"BTCUSDT,BTC,\xe9,5\n", "line 2: not UTF-8 text (byte 0xe9); save the file as UTF-8"),
        (HEADER.encode("utf-16"), "line 1: not UTF-8 text (byte 0xff)"),
    ],
)
async def test_a_wrong_file_is_named_with_line_and_remedy(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(UniverseError, match=re.escape(said)) as caught:
        await read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'symbols.csv'}: ")


async def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UniverseError) as caught:
        await read(tmp_path, HEADER + ",A,B,1\n" + GOOD + "ETHUSDT,ETH,USDT,x\n")
    assert [re.findall(r"line \d", line) for line in str(caught.value).splitlines()] == [["line 2"], ["line 4"]]


async def test_many_wrong_rows_are_cut_short(tmp_path: Path) -> None:
    with pytest.raises(UniverseError) as caught:
        await read(tmp_path, HEADER + "A,,B,1\n" * 1_000)
    assert str(caught.value).splitlines()[-1] == "… and 990 more"


async def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UniverseError, match=r"nothing\.csv: no such file; .*\[universe\.settings\]"):
        await listings(tmp_path / "nothing.csv")


async def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UniverseError, match=r"can't be read: .*; path must name a CSV file"):
        await listings(tmp_path)


VENUES = """
[exchanges.a]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
[exchanges.b]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
"""


def test_by_name_in_a_config_the_best_symbols_by_volume_are_watched(tmp_path: Path) -> None:
    path = tmp_path / "symbols.csv"
    path.write_text(HEADER + "PEPEUSDT,PEPE,USDT,\nSOLUSDT,SOL,USDT,5\nBTCUSDT,BTC,USDT,7\nETHBTC,ETH,BTC,9\n")
    result = run_virtual(
        VENUES + '[universe]\nsource = "csv"\nmode = "TOP_N"\ntop_n = 2\n[session]\nmax_iterations = 3\n',
        overrides=[f"universe.settings.path={path}"],
    )
    assert result.exit_code == 0
    assert result.events[0]["symbols"] == ["BTCUSDT", "SOLUSDT"]


def test_a_wrong_file_ends_the_campaign_before_it_starts(tmp_path: Path) -> None:
    path = tmp_path / "symbols.csv"
    path.write_text(HEADER + "BTCUSDT,BTC,USDT,much\n")
    with pytest.raises(UniverseError, match="line 2, column volume_24h_quote"):
        run_virtual(VENUES + '[universe]\nsource = "csv"\ntop_n = 2\n', overrides=[f"universe.settings.path={path}"])
