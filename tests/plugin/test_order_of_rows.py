"""A tape whose time stands still or falls is an error that names venue and row, not a campaign without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import attrs
import numpy as np
import pytest
from columnar import ColumnarTape
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Listing, RowBatch, Tape, TapeRow
from trioarb.errors import MarketDataError
from trioarb.plugin.columns import in_order
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues

KNOWN = (listing("BTC"),)
ROW = (0.0, "BTCUSDT", 100.0, 1.0, 100.1, 1.0)

COLUMNS = ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size")


class Endless(Tape):
    """The same row, for ever."""

    async def listings(self) -> Sequence[Listing]:
        return KNOWN

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        return ((start_ns, number, *ROW[1:]) for number, _ in enumerate(repeat(None)))


def said(tape: Tape, depth: int = 1) -> str:
    table = two_venues()
    table["engine"] = {"max_rows_of_one_time": 500, "depth": depth}
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


class Odd(ColumnarTape):
    """Its only batch has something in a column that can't be; ``again`` without a row, for ever."""

    change: Mapping[str, Any]
    again = False

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        found = super().batches(symbols, start_ns)
        assert found is not None
        (whole,) = (one for one in found if len(one.ts_ns))
        yield attrs.evolve(whole, **self.change)
        while self.again:
            yield attrs.evolve(whole, **{name: getattr(whole, name)[:0] for name in COLUMNS})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"symbol": np.array([0, -1])}, "symbol[1] = -1; expected the place of one of 1 names"),
        ({"symbol": np.array([0, 1])}, "symbol[1] = 1; expected the place of one of 1 names"),
        ({"names": "BTCUSDT"}, "names = 'BTCUSDT'; expected a list or a tuple"),
        ({"names": None}, "names = None; expected a list or a tuple"),
        ({"names": [None]}, "names[0] = None; expected one of the symbols that were asked for"),
        ({"names": ["ETHUSDT"]}, "names[0] = 'ETHUSDT'; expected one of the symbols that were asked for"),
        ({"ts_ns": np.array([-1, 0])}, "ts_ns[0] = -1; expected ≥ 0"),
        ({"ts_ns": np.array([1, 2**63], dtype=np.uint64)}, "ts_ns[1] = 9223372036854775808; expected ≥ 0 and < 2**63"),
        ({"order": np.array([1, 2**63], dtype=np.uint64)}, "order[1] = 9223372036854775808; expected"),
    ],
)
def test_columns_that_can_not_be_are_errors_that_name_plugin_method_and_field(change: Any, what: str) -> None:
    tape = Odd([ROW, (1.0, *ROW[1:])], listings=KNOWN)
    tape.change = change

    assert f"[exchanges.b.market]: plugin 'scripted': batches returned [0].{what}" in said(tape)


@pytest.mark.parametrize(
    ("levels", "what"),
    [
        ([[1.0]], "levels = [[1.0]]; expected"),
        (np.zeros((4, 2)), "levels of (4, 2) and float64; expected (4, levels, 2) of floats"),
        (np.zeros((4, 1, 3)), "levels of (4, 1, 3) and float64; expected (4, levels, 2) of floats"),
        (np.zeros((4, 1, 2), dtype=int), "levels of (4, 1, 2) and int64; expected (4, levels, 2) of floats"),
    ],
)
def test_levels_that_are_no_column_are_errors_where_they_are_wanted(levels: Any, what: str) -> None:
    tape = Odd([ROW, (1.0, *ROW[1:])], listings=KNOWN)
    tape.change = {"levels": levels}

    assert f"[exchanges.b.market]: plugin 'scripted': batches returned [0].{what}" in said(tape, depth=2)
    assert said(tape) == ""


@pytest.mark.parametrize(
    ("levels", "what"),
    [
        ((), "levels = (); expected prices and sizes of bids, and of asks"),
        (([99.0], [], [], []), "expected as many sizes as prices"),
        ((["99"], [1.0], [], []), "levels[0][0] = '99'; expected a float"),
        ("nonsense", "levels = 'nonsense'; expected a list or a tuple"),
    ],
)
def test_levels_of_a_row_that_are_none_are_errors_where_they_are_wanted(levels: Any, what: str) -> None:
    tape = ScriptedTape([ROW, (1.0, *ROW[1:], levels)], listings=KNOWN)

    assert what in said(tape, depth=2)
    assert said(tape) == ""


def test_batches_without_a_row_and_without_end_end_the_campaign() -> None:
    tape = Odd([ROW, (1.0, *ROW[1:])], listings=KNOWN)
    tape.change, tape.again = {}, True

    assert "[exchanges.b.market]: row 2: it does not come; 500 batches before it hold no row at all" in said(tape)


class Reusing(ColumnarTape):
    """Gives each row in the same arrays."""

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        found = super().batches(symbols, start_ns)
        assert found is not None
        (whole,) = (one for one in found if len(one.ts_ns))
        same = attrs.evolve(whole, **{name: getattr(whole, name)[:1].copy() for name in COLUMNS})
        for row in range(len(whole.ts_ns)):
            for name in COLUMNS:
                getattr(same, name)[:] = getattr(whole, name)[row]
            yield same


def test_a_tape_may_give_its_rows_in_the_same_arrays_again() -> None:
    rows: list[Any] = [(at / 4, "BTCUSDT", 100.0 + at % 7, 1.0, 100.1 + at % 7, 1.0) for at in range(40)]
    streams = []
    for kind in (ScriptedTape, Reusing):
        markets = {"a": ScriptedTape([ROW, (9.0, *ROW[1:])], listings=KNOWN), "b": kind(rows, listings=KNOWN)}
        result = run_virtual(two_venues(), plugins={"market": scripted_market(markets)})
        streams.append([line for line in result.events if line["type"] != "campaign_opened"])

    assert streams[0] == streams[1]
    assert len(streams[0]) > 20


def batch(some: list[int]) -> RowBatch:
    whole: Any = np.array(some, dtype=np.int64)
    prices = whole.astype(float)
    return RowBatch(
        ts_ns=whole, order=whole, symbol=whole, names=("x",), bid=prices, bid_size=prices, ask=prices, ask_size=prices
    )


def said_one_by_one(times: list[int], most: int) -> tuple[int, str]:
    """Return how many rows are passed on, and what is wrong with the next, looking at one after the other."""
    same = 0
    for number, at in enumerate(times):
        if number and at < times[number - 1]:
            return number, f"row {number}: it comes at {at} ns, the row before it at {times[number - 1]} ns"
        same = same + 1 if number and at == times[number - 1] else 1
        if same > most:
            return number, f"row {number}: time has stood still at {at} ns for {most} rows"
    return len(times), ""


@given(
    times=st.lists(st.integers(0, 3), max_size=40).flatmap(lambda one: st.sampled_from([one, sorted(one)])),
    cut=st.integers(1, 10),
    most=st.integers(1, 8),
)
def test_the_rows_before_one_out_of_order_are_passed_on(times: list[int], cut: int, most: int) -> None:
    passed, what = [], ""
    try:
        for one in in_order((batch(times[start : start + cut]) for start in range(0, len(times), cut)), most):
            passed += one.ts_ns.tolist()
    except MarketDataError as error:
        what = str(error)
    number, expected = said_one_by_one(times, most)
    assert passed == times[:number]
    assert what.startswith(expected)
    assert bool(what) == bool(expected)


def test_a_row_that_comes_before_the_one_before_it_ends_the_campaign_after_that() -> None:
    class Falling(Tape):
        async def listings(self) -> Sequence[Listing]:
            return KNOWN

        def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
            return ((start_ns + at, 0, *ROW[1:]) for at in (0, 5, 4))

    assert "row 2: it comes at" in said(Falling())
