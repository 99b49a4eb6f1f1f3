"""What a recorder writes, and what is left of it when it is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from trioarb.errors import MarketDataError
from trioarb.model.market import Listing
from trioarb.quotes import recorder as recording
from trioarb.quotes.part import recover
from trioarb.quotes.recorder import QuoteRecorder

MIDNIGHT_NS = 1_735_689_600_000_000_000
LISTING = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")


def record(recorder: QuoteRecorder, *seconds: float, venue: str = "a") -> None:
    sink = recorder.tap(venue, LISTING)
    for second in seconds:
        sink(1.0, 2.0, 3.0 + second, 4.0, MIDNIGHT_NS + round(second * 10**9))


def read(path: Path) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def test_rows_are_those_that_came_in_the_format_of_recorded_quotes(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path)
    passed: list[tuple[float, ...]] = []
    sink = recorder.tap("a", LISTING, lambda *quote: passed.append(quote))
    sink(1.0, 2.0, float("nan"), 4.0, MIDNIGHT_NS)
    recorder.close()

    (path,) = recorder.files
    assert path == tmp_path / "2025-01-01" / "a.000000.parquet"
    ((*start, ask, ask_size, venue_ts_ns),) = read(path)
    assert start == [MIDNIGHT_NS, "a", "BTC-USDT", 1.0, 2.0]
    assert ask != ask
    assert (ask_size, venue_ts_ns) == (4.0, None)
    assert len(passed) == 1


def test_a_day_has_files_of_its_own(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path)
    record(recorder, -2, -1, 0, 1)
    record(recorder, 5, venue="b")
    recorder.close()

    found = {str(path.relative_to(tmp_path)): len(read(path)) for path in recorder.files}
    assert found == {
        "2024-12-31/a.235958.parquet": 2,
        "2025-01-01/a.000000.parquet": 2,
        "2025-01-01/b.000005.parquet": 1,
    }
    assert recorder.rows == {("a", "BTC-USDT"): 4, ("b", "BTC-USDT"): 1}
    assert sorted(tmp_path.rglob("*.*")) == sorted(recorder.files)


def test_a_large_part_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_ROTATE_ROWS", 2)
    recorder = QuoteRecorder(tmp_path)
    for second in (0.1, 0.2, 0.3, 0.4, 0.5):
        record(recorder, second)
        recorder.flush()
    recorder.close()
    assert [len(read(path)) for path in recorder.files] == [2, 2, 1]
    assert len(set(recorder.files)) == 3


def test_what_can_not_be_kept_up_with_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST_WAITING", 2)
    recorder = QuoteRecorder(tmp_path)
    record(recorder, 1, 2, 3)
    recorder.close()
    assert (recorder.lost, recorder.rows.total()) == (1, 2)


@pytest.mark.parametrize("cut", [0, 1, 500])
def test_what_was_flushed_survives(tmp_path: Path, cut: int) -> None:
    """A recorder that is never closed, its last bytes perhaps half written."""
    recorder = QuoteRecorder(tmp_path)
    record(recorder, 1, 2)
    recorder.flush()
    record(recorder, 3, 4)
    recorder.flush()
    (part,) = tmp_path.rglob("*.part")
    assert recover(tmp_path) == []  # it is being written
    copy = tmp_path / "left" / "2025-01-01" / part.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(part.read_bytes()[: -cut or None])

    ((path, rows),) = recover(tmp_path / "left")
    assert rows == len(read(path)) == (4 if not cut else 2)
    assert [one.suffix for one in copy.parent.iterdir()] == [".parquet"]
    assert recover(tmp_path / "left") == []
    recorder.close()


def test_a_part_without_rows_is_removed(tmp_path: Path) -> None:
    part = tmp_path / "2025-01-01" / "a.000000.part"
    part.parent.mkdir()
    part.write_bytes(b"")
    assert recover(tmp_path) == []
    assert not list(part.parent.iterdir())


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MarketDataError, match=r"file: can't be written: "):
        QuoteRecorder(tmp_path / "file")


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    first = QuoteRecorder(tmp_path)
    with pytest.raises(MarketDataError, match="another recording is written there; end it, or record in another"):
        QuoteRecorder(tmp_path)
    QuoteRecorder(tmp_path / "beside").close()
    first.close()
    QuoteRecorder(tmp_path).close()


def test_parts_become_files_while_others_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one second: names must not be taken twice, whether a part is a Parquet file already or not."""
    monkeypatch.setattr(recording, "_ROTATE_ROWS", 1)
    recorder = QuoteRecorder(tmp_path)
    for number in range(6):
        record(recorder, number / 10)
        recorder.flush()
        if number % 2:
            recorder.convert()
    recorder.close()
    asks = [row[5] for path in recorder.files for row in read(path)]
    assert asks == [3.0 + number / 10 for number in range(6)]
    assert recorder.left == []


def test_in_a_hurry_parts_are_left_for_the_next_recording(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path)
    record(recorder, 1, 2)
    recorder.hurry()
    recorder.close()
    assert (recorder.files, recorder.rows.total(), recorder.lost) == ([], 2, 0)
    assert recorder.left == list(tmp_path.rglob("*.*")) == [tmp_path / "2025-01-01" / "a.000001.part"]
    assert [rows for _, rows in recover(tmp_path)] == [2]


def test_an_inline_recorder_writes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_INLINE_ROWS", 2)
    recorder = QuoteRecorder(tmp_path, inline=True)
    record(recorder, 1, 2, 3, 4, 5)
    assert (recorder.rows.total(), recorder.waiting) == (4, 1)
    recorder.close()
    assert (recorder.rows.total(), recorder.lost) == (5, 0)


def test_after_a_failure_every_quote_is_counted_as_lost(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path)
    record(recorder, 1, 2)
    recorder.flush()
    (tmp_path / "2025-01-02").write_text("")
    record(recorder, 3, 86_401)
    record(recorder, 4, venue="b")
    with pytest.raises(MarketDataError, match="can't be written: File exists"):
        recorder.flush()
    record(recorder, 5)
    recorder.flush()
    recorder.close()
    assert (recorder.rows.total(), recorder.lost, recorder.files) == (3, 3, [])
    assert [rows for _, rows in recover(tmp_path)] == [3]


def test_a_venue_time_is_passed_on_and_written(tmp_path: Path) -> None:
    recorder = QuoteRecorder(tmp_path)
    passed: list[tuple[Any, ...]] = []
    sink = recorder.tap("a", LISTING, lambda *quote: passed.append(quote))
    for venue_ts_ns in (MIDNIGHT_NS - 5, None, MIDNIGHT_NS - 9):
        sink(1.0, 2.0, 3.0, 4.0, MIDNIGHT_NS, venue_ts_ns)
    recorder.close()
    written = [row[-1] for path in recorder.files for row in read(path)]
    assert written == [quote[5] for quote in passed] == [MIDNIGHT_NS - 5, None, MIDNIGHT_NS - 9]
