"""Aligned quotes that are kept, and found again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog

from trioarb.quotes import cache as quote_cache
from trioarb.quotes import cache_folder, parquet, window
from trioarb.quotes.parquet import QuoteFile
from trioarb.testing import run_virtual, two_venues

START_NS = 1_735_689_600_000_000_000


def write(path: Path, rows: int, *, seed: int = 1) -> Path:
    """Write quotes of two venues and two symbols; a few lack a side."""
    chance = np.random.default_rng(seed)
    bid = 100 + chance.integers(-3, 4, rows) * 0.25
    columns = {
        "ts_ns": START_NS + np.sort(chance.integers(0, 300 * 10**9, rows)),
        "exchange": chance.choice(["A", "B"], rows),
        "symbol": chance.choice(["BTC-USDT", "ETH-USDT"], rows),
        "bid": bid,
        "bid_size": np.where(np.arange(rows) % 50 == 49, 0.0, 5.0),
        "ask": bid + 0.01,
        "ask_size": np.full(rows, 5.0),
    }
    pq.write_table(pa.table(columns), path)
    return path


def in_thread(work: Callable[[], Any]) -> Any:
    """Return what it returns: a Trio loop can't run inside of another."""
    with ThreadPoolExecutor() as pool:
        return pool.submit(work).result()


class Replayed:
    """Replays a file, and counts how often its rows were read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0

    def __call__(self) -> tuple[Any, ...]:
        table = two_venues("recorded")
        for name, venue in table["exchanges"].items():
            venue["market"] = {"plugin": "recorded", "path": str(self.path), "exchange": name.upper()}
        table["strategy"] = {"entry_bps": 10, "exit_bps": -30, "order_size_base": 1}
        table["guards"] = {"symbol": {"cooldown_seconds": 1}}
        read, self.reads = QuoteFile.rows_of, 0

        def counted(*args: Any, **options: Any) -> Any:
            self.reads += 1
            return read(*args, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(QuoteFile, "rows_of", counted)
            events = run_virtual(table).events
        assert sum(event["type"] == "position_closed" for event in events) > 3
        return events


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cache"
    monkeypatch.setenv("TRIOARB_CACHE_DIR", str(path))
    monkeypatch.setattr(window, "WINDOW_ROWS", 100)
    return path


def test_the_second_replay_reads_what_the_first_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    first = replay()
    assert replay.reads == 2
    assert replay() == first
    assert replay.reads == 0
    (entry,) = cache_folder.entries(cache)
    assert entry.rows == 500
    assert (entry.symbols, entry.venues) == (2, ["a", "b"])

    monkeypatch.setenv("TRIOARB_CACHE_DIR", "")
    assert replay() == first
    assert replay.reads == 2


def test_other_data_is_kept_elsewhere(tmp_path: Path, cache: Path) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    first = replay()
    write(tmp_path / "quotes.parquet", 500, seed=2)
    assert replay() != first
    assert replay.reads == 2
    assert len(cache_folder.entries(cache)) == 2


def test_a_file_is_scanned_once_until_it_is_changed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "quotes.parquet", 100)
    first = parquet.scan_quotes(path)
    scans = []
    scan = parquet._scan
    monkeypatch.setattr(parquet, "_scan", lambda file: scans.append(file.path) or scan(file))
    parquet._scan_once.cache_clear()  # as in another process
    assert parquet.scan_quotes(path) == first
    assert not scans

    write(path, 200)
    assert parquet.scan_quotes(path).rows == 200
    assert scans == [path]
    for note in (cache / "notes").iterdir():
        note.write_text("nonsense")
    parquet._scan_once.cache_clear()
    assert parquet.scan_quotes(path).rows == 200
    cache_folder.forget()
    assert [note.read_text() for note in (cache / "notes").iterdir()] == ["nonsense"]


def cut(folder: Path) -> None:
    with (folder / "columns.bin").open("r+b") as file:
        file.truncate(5_000)


def of_another_version(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"version":5', b'"version":4'))


def half_a_manifest(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])


def a_changed_manifest(folder: Path) -> None:
    manifest = folder / "manifest.json"
    data = bytearray(manifest.read_bytes())
    data[data.index(b'"windows":[[') + len(b'"windows":[[')] ^= 1
    manifest.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, of_another_version, half_a_manifest, a_changed_manifest])
def test_what_is_not_whole_is_made_again(tmp_path: Path, cache: Path, damage: Callable[[Path], None]) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    first = replay()
    (entry,) = cache_folder.entries(cache)
    damage(entry.folder)
    assert cache_folder.entries(cache)[0].rows is None

    assert replay() == first
    assert replay.reads == 2
    assert replay() == first
    assert replay.reads == 0
    assert len(cache_folder.entries(cache)) == 1


def a_file_in_its_place(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text("no folder")


def a_full_disk(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1, 1, 1 << 20))


def a_disk_that_fills_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quote_cache.Writer, "add", fail)


@pytest.mark.parametrize("trouble", [a_file_in_its_place, a_full_disk, a_disk_that_fills_up])
def test_a_cache_that_can_not_be_written_is_done_without(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    with monkeypatch.context() as patch:
        patch.setenv("TRIOARB_CACHE_DIR", "")
        expected = replay()
    trouble(cache, monkeypatch)
    with structlog.testing.capture_logs() as logs:
        assert replay() == expected
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["aligned quotes are not kept"]
    assert not cache_folder.entries(cache)


def test_what_a_killed_process_left_is_removed(tmp_path: Path, cache: Path) -> None:
    left = cache / ".building-0-dead"
    left.mkdir(parents=True)
    cache_folder.mark(left)
    (left / "columns.bin").write_bytes(b"half")
    Replayed(write(tmp_path / "quotes.parquet", 500))()
    assert sorted(one.name for one in cache.iterdir()) == sorted([cache_folder.entries(cache)[0].folder.name, "notes"])


@pytest.mark.parametrize("place", [0, 100, -1, "middle"])
def test_a_flipped_bit_is_noticed_and_the_set_made_again(tmp_path: Path, cache: Path, place: int | str) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    first = replay()
    (entry,) = cache_folder.entries(cache)
    columns = entry.folder / "columns.bin"
    status, data = columns.stat(), bytearray(columns.read_bytes())
    data[len(data) // 2 if isinstance(place, str) else place] ^= 4
    columns.write_bytes(data)
    os.utime(columns, ns=(status.st_atime_ns, status.st_mtime_ns))
    with structlog.testing.capture_logs() as logs:
        assert replay() == first
    assert replay.reads == 2
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == [
        "aligned quotes are damaged, and deleted"
    ]
    assert replay() == first
    assert replay.reads == 0


def test_a_set_is_verified_once_a_day(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    replay()
    sums = []
    checksum = quote_cache._checksum
    monkeypatch.setattr(quote_cache, "_checksum", lambda data: sums.append(len(data)) or checksum(data))
    replay()
    assert not sums
    monkeypatch.setattr(quote_cache, "_VERIFIED_NS", 0)
    replay()
    assert len(sums) == 1


@pytest.mark.parametrize("is_in_place", [True, False])
def test_a_corrected_file_of_equal_size_and_time_is_read_again(tmp_path: Path, cache: Path, is_in_place: bool) -> None:
    path = write(tmp_path / "quotes.parquet", 500)
    replay = Replayed(path)
    replay()
    status, content = path.stat(), pq.read_table(path)
    mended = content.set_column(4, "bid_size", pa.array(content["bid_size"].to_numpy() * 1.4))
    place = path if is_in_place else tmp_path / "mended.parquet"
    pq.write_table(mended, place)
    os.replace(place, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    replay()
    assert replay.reads == 2


def planted(cache: Path) -> list[Path]:
    """Put into the cache what isn't ours, of names and contents as close to ours as somebody might have them."""
    ours = next(one for one in cache.iterdir() if (one / "manifest.json").exists())
    manifest = (ours / "manifest.json").read_bytes()
    files = {
        cache / "photos" / "1.jpg": b"a photo",
        cache / ".ssh" / "id_ed25519": b"a key",
        cache / "web-app" / "manifest.json": b'{"name":"an app"}',
        cache / ".building-a-house" / "plan.txt": b"a plan",
        cache / ("f" * 24) / "columns.bin": b"somebody's columns",
        cache / ("e" * 24) / "manifest.json": manifest.replace(b"trioarb", b"another"),
        cache / "notes" / "shopping.txt": b"milk",
        cache / "notes" / ("d" * 24 + ".json"): b'{"made_by":"me"}',
        cache / "elsewhere.txt": b"a file",
    }
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    outside = cache.parent / "outside"
    outside.mkdir()
    (outside / "manifest.json").write_bytes(manifest)
    (outside / "columns.bin").write_bytes(b"")
    (cache / "linked").symlink_to(outside)
    return [*files, outside / "manifest.json", outside / "columns.bin", cache / "linked"]


def test_what_is_not_ours_is_neither_listed_nor_deleted(tmp_path: Path, cache: Path) -> None:
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    replay()
    from command import CommandLine  # not found by the processes that load this module by its path

    foreign = planted(cache)
    (mine,) = cache_folder.entries(cache)
    (mine.folder / "diary.txt").write_text("put where it does not belong")

    ran = CommandLine(folder=tmp_path)("data", "cache", "--clear")
    assert ran.code == 0, ran.err
    assert all(path.exists() for path in foreign)
    assert [path.name for path in mine.folder.iterdir()] == ["diary.txt"]
    assert "1 sets of quotes" in ran.out
    assert "0 deleted" in ran.out
    assert not cache_folder.entries(cache)
    assert len(list((cache / "notes").iterdir())) == 2

    with structlog.testing.capture_logs() as logs:
        replay()
    assert [str(mine.folder) in entry["because"] for entry in logs if entry["log_level"] == "warning"] == [True]
    assert (mine.folder / "diary.txt").exists()


def test_several_processes_may_make_the_same_at_once(tmp_path: Path, cache: Path) -> None:
    path = write(tmp_path / "quotes.parquet", 5_000)
    code = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_cache as t; "
    code += "print(hash(str(t.Replayed(Path(sys.argv[2]))())))"
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(path)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "TRIOARB_CACHE_DIR": str(cache)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    told = {one.communicate(timeout=60)[0].splitlines()[-1] for one in running}
    assert len(told) == 1
    assert [entry.rows is not None for entry in cache_folder.entries(cache)] == [True]


def test_who_is_slower_says_nothing_of_it(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set is there already once it could be put in its place."""
    replay = Replayed(write(tmp_path / "quotes.parquet", 500))
    close = quote_cache.Writer.close

    def close_after_another(writer: quote_cache.Writer) -> None:
        monkeypatch.setattr(quote_cache.Writer, "close", close)
        in_thread(replay)
        close(writer)

    monkeypatch.setattr(quote_cache.Writer, "close", close_after_another)
    with structlog.testing.capture_logs() as logs:
        events = replay()
    assert not [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(cache_folder.entries(cache)) == 1
    assert replay() == events
