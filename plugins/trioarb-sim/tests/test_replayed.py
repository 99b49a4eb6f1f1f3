"""A recorded market is shown as it was, at its pace."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from math import nan
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trio
from simulated import Board, opened_market

from trioarb_sim.listing import binance_markets, upbit_markets
from trioarb_sim.replayed import BookError, replayed_books
from trioarb_sim.simulator import open_simulator
from trioarb_sim.upbit.dialect import UPBIT
from trioarb_sim.venue import BookChanged

RECORDED = Path(__file__).parents[3].parent / "shared" / "data" / "quotes" / "binance_venues_20240808.parquet"
D = Decimal
MS = 1_000_000
START = 1_723_161_254_000 * MS


def recorded(folder: Path, rows: list[tuple[int, str, str, float, float, float, float]]) -> Path:
    names = ("ts_ns", "exchange", "symbol", "bid", "bid_size", "ask", "ask_size")
    path = folder / "quotes.parquet"
    columns = zip(*rows, strict=True)
    pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), path)
    return path


def some(folder: Path) -> Path:
    return recorded(
        folder,
        [
            (START, "BINANCE", "BTC-USDT", 61_837.63, 3.78826, 61_837.64, 1.5),
            (START + 50 * MS, "OTHER", "BTC-USDT", 1.0, 1.0, 2.0, 1.0),
            (START + 100 * MS, "BINANCE", "XYZ-USDT", 1.0, 1.0, 2.0, 1.0),
            (START + 200 * MS, "BINANCE", "BTC-USDT", 61_838.0, 1.0, 61_839.0, 2.0),
            (START + 300 * MS, "BINANCE", "BTC-USDT", nan, nan, 61_840.0, 2.0),
        ],
    )


async def test_what_was_recorded_is_shown_when_it_was(tmp_path: Path) -> None:
    book = replayed_books(some(tmp_path), "binance", binance_markets())
    assert (len(book.rows), book.markets, book.seconds) == (3, {"BTCUSDT"}, 0.3)
    shown: list[tuple[float, object, object]] = []
    async with open_simulator("binance", book=book) as simulator:
        began = trio.current_time()

        def hear(told: object) -> None:
            if isinstance(told, BookChanged):
                _, bids, asks = simulator.venue.book(told.market)
                shown.append((trio.current_time() - began, list(bids), list(asks)))

        simulator.venue.listen(hear)
        await trio.sleep(0.8)
    first, second, third = shown
    assert first[1:] == ([(D("61837.63"), D("3.78826"))], [(D("61837.64"), D("1.5"))])
    assert second[1:] == ([(D("61838.0"), D(1))], [(D("61839.0"), D(2))])
    assert third[1:] == ([], [(D("61840.0"), D(2))])
    assert second[0] - first[0] > 0.15
    assert third[0] - second[0] > 0.05


def test_markets_have_the_venues_own_names(tmp_path: Path) -> None:
    path = recorded(tmp_path, [(START, "UPBIT", "BTC-KRW", 84_000_000.0, 1.0, 84_001_000.0, 1.0)])
    assert replayed_books(path, "upbit", upbit_markets(UPBIT)).markets == {"KRW-BTC"}


def test_what_can_not_be_shown_is_said(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="has no quotes of nobody"):
        replayed_books(some(tmp_path), "nobody", binance_markets())
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    with pytest.raises(BookError, match="has no column ts_ns"):
        replayed_books(other, "binance", binance_markets())
    (tmp_path / "text.parquet").write_text("no quotes")
    command = [sys.executable, "-m", "trioarb", "venue-sim", "binance", "--book", str(tmp_path / "text.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "can't be read as recorded quotes" in done.stderr


async def test_a_plugin_quotes_a_recorded_market() -> None:
    pytest.importorskip("trioarb_binance")
    if not RECORDED.is_file():
        pytest.skip("no recorded quotes beside this checkout")
    book = replayed_books(RECORDED, "BINANCE", binance_markets())
    known = {(bid, ask) for _, market, bid, _, ask, _ in book.rows if market == "BTCUSDT"}
    async with open_simulator("binance", book=book) as simulator, opened_market(simulator) as feed:
        board, seen = Board(), set[tuple[float, float]]()
        async with trio.open_nursery() as nursery:
            await nursery.start(feed.run, {"BTCUSDT": board.sink("BTCUSDT")})
            with trio.fail_after(30):
                while len(seen) < 4:
                    await trio.sleep(0.01)
                    if "BTCUSDT" in board.quoted:
                        bid, _, ask, _ = board.quoted["BTCUSDT"]
                        seen.add((bid, ask))
            nursery.cancel_scope.cancel()
    assert seen <= known
