"""Rows sorted in runs, in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trioarb_data.conversion import runs
from trioarb_data.conversion.rows import ROW


def made(parts: list[list[int]]) -> list[Any]:
    """Return arrays of rows at these times, numbered in ``pair``."""
    arrays, number = [], 0
    for times in parts:
        rows = np.zeros(len(times), ROW)
        rows["ts_ns"], rows["pair"] = times, range(number, number + len(times))
        number += len(times)
        arrays.append(rows)
    return arrays


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=30))
def test_rows_come_out_by_time_and_else_as_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[list[int]]
) -> None:
    with monkeypatch.context() as patch:
        for name, value in (("_SORTED_ROWS", 4), ("_READ_ROWS", 3), ("_MERGED_RUNS", 3)):
            patch.setattr(runs, name, value)
        for old in tmp_path.iterdir():
            old.unlink()
        sorting = runs.Runs(tmp_path)
        sorting.fill(made(parts))
        found = [row for rows in sorting.sorted() for row in rows["pair"].tolist()]
    times = [time for part in parts for time in part]
    assert found == sorted(range(len(times)), key=lambda place: times[place])
