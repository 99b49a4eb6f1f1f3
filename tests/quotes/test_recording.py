"""Files of quotes: found through links, and never with another price than was recorded."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trioarb.api import Listing
from trioarb.errors import MarketDataError
from trioarb.quotes import parquet
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.quotes.recording import Recording

START_NS = 1_735_689_600 * 10**9
SYMBOL = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")


def write(path: Path, *symbols: str, seconds: int = 0, exchange: str = "A") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "ts_ns": [START_NS + (seconds + number) * 10**9 for number in range(len(symbols))],
        "exchange": [exchange] * len(symbols),
        "symbol": list(symbols),
        **{name: [1.0] * len(symbols) for name in ("bid", "bid_size", "ask", "ask_size")},
    }
    pq.write_table(pa.table(columns), path)
    return path


def rows(path: Path, *more: Path) -> list[tuple[Any, ...]]:
    """Return everything that can be known of the rows, in order."""
    recording = Recording([path, *more], "A")
    symbols = [listing.symbol for listing in recording.listings()]
    found: list[tuple[Any, ...]] = []
    for batch in recording.batches(symbols, 0):
        names = [batch.names[code] for code in batch.symbol]
        numbers = (batch.ts_ns, batch.bid, batch.bid_size, batch.ask, batch.ask_size)
        found += zip(names, *(column.tolist() for column in numbers), strict=True)
    return found


def test_linked_folders_are_followed_and_each_file_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "2025" / "1.parquet", "BTC-USDT")
    write(tmp_path / "quotes" / "2.parquet", "BTC-USDT", seconds=10)
    (tmp_path / "quotes" / "more").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "round").symlink_to(tmp_path / "quotes")
    assert [row[1] for row in rows(tmp_path / "quotes")] == [START_NS, START_NS + 10 * 10**9]

    (tmp_path / "again.parquet").symlink_to(tmp_path / "quotes" / "2.parquet")
    assert len(rows(tmp_path / "quotes", tmp_path / "again.parquet", tmp_path / "disk")) == 2


@pytest.mark.parametrize("symbol", ["BTC USDT", "BTC-US DT", "B\nTC-USDT", "BTC-\x1b[31mUSDT"])
def test_a_symbol_that_can_not_be_shown_is_refused(tmp_path: Path, symbol: str) -> None:
    path = write(tmp_path / "quotes.parquet", symbol)
    with pytest.raises(MarketDataError) as caught:
        Recording([path], "A")
    assert str(caught.value).isprintable()


def test_a_flipped_bit_is_never_another_quote(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path, inline=True)
    sink, chance = recorder.tap("A", SYMBOL), Random(1)
    for number in range(1_000):
        bid = round(chance.uniform(100, 101), 2)
        sink(bid, chance.randrange(1, 9), bid + 0.01, chance.randrange(1, 9), START_NS + number * 10**6)
    recorder.close()
    (path,) = recorder.files
    expected, data = rows(path), path.read_bytes()
    noticed = 0
    for _ in range(150):
        place = chance.randrange(8 * len(data))
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        parquet._scan_once.cache_clear()
        try:
            assert rows(path) == expected
        except MarketDataError:
            noticed += 1
    assert noticed > 100
