"""Levels beyond the best in a second table of a recording."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import trio

from trioarb.api import Recording
from trioarb.config.load import load_table
from trioarb.engine import market
from trioarb.engine.run import run_campaign
from trioarb.errors import MarketDataError
from trioarb.plugin.registry import load_plugins
from trioarb.quotes.levels_file import levels_path
from trioarb.quotes.part import Part, recover
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.testing import listing, run_virtual
from trioarb.time.virtual import VirtualClock

START_NS = 1_735_689_600_000_000_000
LISTING = listing("BTC")
BOOKS: Sequence[Any] = (
    (((99.0, 98.0), (1.0, 2.0), (102.0,), (3.0,))),
    None,
    (((), (), (), ())),
    (((99.5, 98.5, 97.5), (1.0, 1.5, 2.5), (101.5, 102.5, 103.5), (4.0, 5.0, 6.0))),
)


def record(folder: Path, *, depth: int = 3, repeat: int = 1) -> Path:
    recorder = QuoteRecorder(folder, depth=depth)
    sink = recorder.tap("a", LISTING)
    for number in range(repeat):
        for place, levels in enumerate(BOOKS):
            at_ns = START_NS + (number * len(BOOKS) + place) * 10**6
            sink(100.0, 5.0, 101.0, 6.0, at_ns, None, levels)
    recorder.close()
    (path,) = recorder.files
    return path


def books_of(path: Path, *, depth: int = 3) -> list[Any]:
    """Return the levels of all rows, those that are there."""
    found: list[Any] = []
    for batch in Recording([path], "a", depth=depth).batches(["BTCUSDT"], 0):
        for row in range(len(batch.ts_ns)):
            parts = () if batch.levels is None else batch.levels[:, :, row].tolist()
            found.append(tuple(tuple(number for number in part if number == number) for part in parts))
    return found


def test_levels_are_recorded_up_to_the_depth_and_read_again(tmp_path: Path) -> None:
    path = record(tmp_path)

    assert levels_path(path).name == path.name.replace(".parquet", ".levels.parquet")
    none = ((), (), (), ())
    cut = ((99.5, 98.5), (1.0, 1.5), (101.5, 102.5), (4.0, 5.0))
    assert books_of(path) == books_of(tmp_path) == [BOOKS[0], none, none, cut]
    assert books_of(path, depth=2)[3] == ((99.5,), (1.0,), (101.5,), (4.0,))
    assert books_of(path, depth=9) == books_of(path)
    assert books_of(path, depth=1) == [()] * 4


def test_without_depth_a_recording_is_what_it_was(tmp_path: Path) -> None:
    path = record(tmp_path, depth=1)

    assert not levels_path(path).exists()
    assert books_of(path) == [()] * 4


def test_what_a_killed_recorder_left_is_recovered_with_its_levels(tmp_path: Path) -> None:
    part = Part.begin(tmp_path, "a", START_NS, beyond=2)
    part.write([(START_NS, "BTC-USDT", 100.0, 5.0, 101.0, 6.0, None, BOOKS[0])])
    part.leave()

    ((path, rows),) = recover(tmp_path)

    assert rows == 1
    assert books_of(path) == [BOOKS[0]]
    assert sorted(file.suffixes[-1] for file in path.parent.iterdir()) == [".parquet", ".parquet"]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def other_times(path: Path) -> None:
    table = pq.read_table(path)
    times = table["ts_ns"].to_numpy() + 1
    pq.write_table(table.set_column(0, "ts_ns", [times]), path)


def fewer_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def without_a_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["ask_3"]), path)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (cut_off, "damaged Parquet file"),
        (other_times, "its times are not those of the quotes beside it"),
        (fewer_rows, "holds 399 rows"),
        (without_a_column, "lacks the column ask_3"),
        (flipped, "levels.parquet: damaged Parquet file"),
    ],
)
def test_levels_that_are_damaged_or_belong_elsewhere_are_named(
    tmp_path: Path, damage: Callable[[Path], None], what: str
) -> None:
    path = record(tmp_path, repeat=100)
    damage(levels_path(path))

    with pytest.raises(MarketDataError, match=what):
        books_of(path)
    assert books_of(path, depth=1) == [()] * 400


def test_a_file_of_levels_is_no_file_of_quotes(tmp_path: Path) -> None:
    path = record(tmp_path)

    with pytest.raises(MarketDataError, match="holds levels, which belong to the file of quotes beside it"):
        Recording([levels_path(path)], "a")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIOARB_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def campaign(quoted: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "session": {"clock": "virtual", "loop_interval_ms": 0, "max_runtime_seconds": 60, "seed": 5},
        "universe": {"source": quoted["plugin"], "mode": "FULL_MARKET", "base_quote": "USDT"},
        "exchanges": {
            venue: {
                "market": {**quoted, **({"exchange": venue} if quoted["plugin"] == "recorded" else {})},
                "balances": {"USDT": "100000"},
                "inventory_usd_per_symbol": 20_000,
                "tick_size": "0.0001",
                "lot_size": "0.0001",
            }
            for venue in "ab"
        },
        "strategy": {"order_size_usd": 2_000, "entry_bps": 8},
        "guards": {"exchange": {"enabled": False}, "symbol": {"cooldown_seconds": 1}},
        "engine": {"depth": 4},
    } | more


def test_a_recorded_campaign_is_the_same_from_files_from_the_cache_and_row_by_row(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = {"source": "dummy", "mode": "FIXED_LIST", "whitelist": ["ETHUSDT", "SOLUSDT"]}
    dummy = {"plugin": "dummy", "size_usd": 400, "basis_bps": 14, "level_bps": 2}
    recorder = QuoteRecorder(tmp_path / "quotes", inline=True, depth=4)
    plugins = load_plugins()
    loaded = load_table(campaign(dummy, universe=symbols), plugins)
    clock = VirtualClock()

    async def run() -> Any:
        return await run_campaign(loaded.config, plugins, clock=clock, recorder=recorder)

    trio.run(run, clock=clock)
    recorder.close()
    recorded = campaign({"plugin": "recorded", "path": str(tmp_path / "quotes")})

    first = run_virtual(recorded)

    assert any("asks" in event or "bids" in event for event in first.of_type("decided"))
    assert list(cache.glob("*/columns.bin"))
    assert run_virtual(recorded).events == first.events
    shutil.rmtree(cache)
    monkeypatch.setenv("TRIOARB_CACHE_DIR", "")
    assert run_virtual(recorded).events == first.events
    monkeypatch.setattr(market, "is_played", lambda campaign: False)
    assert run_virtual(recorded).events == first.events
