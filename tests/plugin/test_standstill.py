"""A tape whose time stands still is an error that names venue and row, not a campaign without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pytest
from columnar import ColumnarTape
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Listing, RowBatch, Tape, TapeRow
from trioarb.errors import MarketDataError
from trioarb.plugin.standstill import Standstill
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues

KNOWN = (listing("BTC"),)
ROW = (0.0, "BTCUSDT", 100.0, 1.0, 100.1, 1.0)


class Endless(Tape):
    """The same row, for ever."""

    def listings(self) -> Sequence[Listing]:
        return KNOWN

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        return ((start_ns, number, *ROW[1:]) for number, _ in enumerate(repeat(None)))


def said(tape: Tape) -> str:
    table = two_venues()
    table["engine"] = {"max_rows_of_one_time": 500}
    markets = {"a": ScriptedTape([ROW, (1.0, *ROW[1:])], listings=KNOWN), "b": tape}
    return run_virtual(table, plugins={"market": scripted_market(markets)}).campaign.error


def test_a_tape_without_end_at_one_time_ends_the_campaign() -> None:
    assert "[exchanges.b.market]: row 500: time has stood still" in said(Endless())


@pytest.mark.parametrize("columns", [True, False])
def test_one_row_more_than_may_be_of_one_time_is_an_error_by_rows_and_by_columns(columns: bool) -> None:
    def tape(rows: int) -> Tape:
        kind = ColumnarTape if columns else ScriptedTape
        return kind([ROW] * 3 + [(0.5, *ROW[1:])] * rows, listings=KNOWN)

    assert "[exchanges.b.market]: row 503: time has stood still" in said(tape(501))
    assert said(tape(500)) == ""


@given(times=st.lists(st.integers(0, 3), max_size=40), cut=st.integers(1, 10), most=st.integers(1, 8))
def test_batches_are_counted_as_rows_are(times: list[int], cut: int, most: int) -> None:
    def batch(some: list[int]) -> RowBatch:
        whole: Any = np.array(some, dtype=np.int64)
        prices = whole.astype(float)
        return RowBatch(
            ts_ns=whole,
            order=whole,
            symbol=whole,
            names=("x",),
            bid=prices,
            bid_size=prices,
            ask=prices,
            ask_size=prices,
        )

    def by_rows() -> str:
        try:
            for _ in Standstill(most).rows(iter([(at, 0, "x", 1.0, 1.0, 1.0, 1.0) for at in times])):
                pass
        except MarketDataError as error:
            return str(error)
        return ""

    def by_batches() -> str:
        standstill = Standstill(most)
        try:
            for start in range(0, len(times), cut):
                standstill.see(batch(times[start : start + cut]))
        except MarketDataError as error:
            return str(error)
        return ""

    assert by_batches() == by_rows()
