"""The referee of event streams notices a digit, and nothing that is no matter."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

REFEREE = Path(__file__).parents[1] / "benchmarks" / "referee.py"

Rows = Sequence[dict[str, Any]]


def stream(campaign_id: str = "1816-70db", price: str = "100.25", version: str = "0.1.0") -> list[dict[str, Any]]:
    return [
        {"seq": 1, "ts_ns": 5, "type": "campaign_opened", "campaign_id": campaign_id, "version": version, "seed": 7},
        {"seq": 2, "ts_ns": 6, "type": "decided", "symbol": "BTCUSDT", "answer": "DENY"},
        {"seq": 3, "ts_ns": 7, "type": "order_submitted", "client_order_id": f"{campaign_id}-1", "limit_price": price},
        {"seq": 4, "ts_ns": 8, "type": "decisions_repeated", "decision_seq": 2, "count": 3},
    ]


def chained(rows: Rows) -> list[dict[str, Any]]:
    """Return the stream as a log holds it: a header first, every line secured, steps marked, other numbers."""
    moved = [{**row, "seq": row["seq"] + 4, "hash": f"a{row['seq']}", "end": True} for row in rows]
    for row in moved:
        if "decision_seq" in row:
            row["decision_seq"] += 4
    return [{"type": "header", "format": 1}, *moved]


def keep(folder: Path, rows: Rows, codes: Sequence[int] = (0,)) -> Path:
    folder.mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "iterations.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "takes.json").write_text(json.dumps({"iterations": {"codes": codes, "skipped": ""}}))
    return folder


def referee(*arguments: str | Path) -> tuple[int, str]:
    ran = subprocess.run([sys.executable, REFEREE, *arguments], capture_output=True, text=True, check=False)
    assert not ran.stderr, ran.stderr
    return ran.returncode, ran.stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return keep(tmp_path / "before", stream())


def test_campaign_version_numbers_and_hashes_are_no_matter(before: Path, tmp_path: Path) -> None:
    after = keep(tmp_path / "after", chained(stream(campaign_id="999-1", version="0.2.0")))
    code, said = referee("compare", before, after)
    assert code == 0, said
    assert "all equal" in said


def test_a_digit_is_noticed_and_both_events_are_shown(before: Path, tmp_path: Path) -> None:
    code, said = referee("compare", before, keep(tmp_path / "after", stream(price="100.26")))
    assert code == 1
    assert "DIFFERS at event 3" in said
    assert "100.25" in said
    assert "100.26" in said


def test_an_event_that_is_missing_at_the_end_is_noticed(before: Path, tmp_path: Path) -> None:
    code, said = referee("compare", before, keep(tmp_path / "after", stream()[:-1]))
    assert code == 1
    assert "no more" in said


def test_another_exit_code_is_noticed(before: Path, tmp_path: Path) -> None:
    code, said = referee("compare", before, keep(tmp_path / "after", stream(), codes=[3]))
    assert code == 1
    assert "exit codes [0] are [3]" in said


def test_a_campaign_that_was_not_taken_is_noticed(before: Path, tmp_path: Path) -> None:
    after = keep(tmp_path / "after", stream())
    (after / "takes.json").write_text("{}")
    code, said = referee("compare", before, after)
    assert code == 1
    assert "MISSING" in said


def test_a_planted_digit_is_noticed_in_every_field(before: Path) -> None:
    code, said = referee("self-test", before)
    assert code == 0, said
    assert "all noticed" in said
