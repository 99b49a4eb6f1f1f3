"""How deep books are: held against one book after the other, whatever the windows."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.quotes import window
from trioarb.quotes.merge import Merged
from trioarb.quotes.window import Window, windows
from trioarb.survey import depth
from trioarb.survey.depth import Depths, looking_at_depth

SYMBOLS, VENUES, SIZE = 2, 2, 500.0
SIZES = st.sampled_from([0.5, 1.0, 2.0, 6.0])
#: Symbol, venue, bid, how many levels beyond the best, their sizes.
ROW = st.tuples(
    st.integers(0, SYMBOLS - 1),
    st.integers(0, VENUES - 1),
    st.sampled_from([99.0, 100.0, np.nan]),
    st.integers(0, 2),
    st.lists(SIZES, min_size=3, max_size=3),
)


def windows_of(rows: Sequence[Any], most: int) -> list[Window]:
    levels = np.full((4, 2, len(rows)), np.nan)
    for number, (_, _, bid, count, sizes) in enumerate(rows):
        for level in range(count):
            if bid == bid:
                levels[:, level, number] = bid - level - 1, sizes[level + 1], bid + level + 2, sizes[level + 1]
    columns = {
        "ts_ns": np.arange(1, len(rows) + 1),
        "symbol": np.array([row[0] for row in rows], dtype=np.uint8),
        "tape": np.array([row[1] for row in rows], dtype=np.uint8),
        "bid": np.array([row[2] for row in rows]),
        "bid_size": np.array([row[4][0] for row in rows]),
        "ask": np.array([row[2] + 1 for row in rows]),
        "ask_size": np.array([row[4][0] for row in rows]),
        "levels": levels,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WINDOW_ROWS", most)
        patch.setattr(window, "ROWS_EACH", 0)
        return list(windows(iter([Merged(columns, VENUES, [])]), SYMBOLS, VENUES))


def walked(levels: Sequence[tuple[float, float]]) -> float | None:
    """Return the average price of a size over its best one; ``None`` if it is not displayed."""
    best = levels[0][0]
    rest = wanted = SIZE / best
    value = 0.0
    for price, size in levels:
        part = min(rest, size)
        value, rest = value + part * price, rest - part
    return None if rest > 0 else value / wanted / best


@settings(max_examples=60)
@given(
    rows=st.lists(ROW, min_size=1, max_size=50),
    most=st.sampled_from([1, 7, 1_000]),
    every=st.sampled_from([1, 3, 16]),
    together=st.sampled_from([1, 4]),
)
def test_it_finds_what_one_book_after_the_other_gives(rows: list[Any], most: int, every: int, together: int) -> None:
    depths = Depths(np.array([SIZE] * SYMBOLS), VENUES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depth, "_EVERY", every)
        patch.setattr(depth, "_TOGETHER", together)
        for _ in looking_at_depth(windows_of(rows, most), depths):
            pass
        looked_at = set(depth.chosen(0, len(rows)).tolist())

    for symbol in range(SYMBOLS):
        for venue in range(VENUES):
            books = [
                [(bid, sizes[0]), *((bid - level, sizes[level]) for level in range(1, count + 1))]
                for number, (own, at, bid, count, sizes) in enumerate(rows)
                if (own, at) == (symbol, venue) and bid == bid and number in looked_at
            ]
            found = depths.books(symbol, venue)
            if not books:
                assert found is None
                continue
            assert found is not None
            reached = [ratio for one in books if (ratio := walked(one)) is not None]
            assert found.bids.books == found.asks.books == len(books)
            assert found.bids.displayed == pytest.approx(
                mean(sum(price * size for price, size in one) for one in books)
            )
            assert found.bids.reached == pytest.approx(len(reached) / len(books))
            if not reached:
                assert found.bids.slippage_bps is None
            elif len(reached) % 2:
                assert found.bids.slippage_bps == pytest.approx(1e4 * (1 - median(reached)), abs=0.11)


def test_without_levels_nothing_is_said() -> None:
    made = windows_of([(0, 0, 100.0, 0, [1.0, 1.0, 1.0])], 10)
    depths = Depths(np.array([SIZE] * SYMBOLS), VENUES)

    list(looking_at_depth([attrs.evolve(one, levels=None) for one in made], depths))

    assert depths.books(0, 0) is None


def test_one_of_every_few_is_looked_at_and_none_of_two_that_take_turns_is_left_out() -> None:
    looked_at = depth.chosen(0, 64_000)

    assert len(looked_at) == 2_000
    assert (np.diff(looked_at) > 0).all()
    assert sorted(np.bincount(looked_at % 2)) == [1_000, 1_000]
    assert sorted(np.bincount(looked_at // 8 % 2)) == pytest.approx([1_000, 1_000], rel=0.2)
    assert np.concatenate([depth.chosen(0, 777), depth.chosen(777, 778), depth.chosen(778, 64_000)]).tolist() == (
        looked_at.tolist()
    )
