"""Levels beyond the best: which can be, and that columns and one quote after the other say the same of them."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.levels import are_sound, at_row, each_row, sound_rows
from trioarb.quotes.sinks import Fees, Skipped, sinks_of

NUMBERS = st.sampled_from([nan, 0.0, -1.0, 1.0, 2.0, 3.0, 4.0, 5.0, inf])


@st.composite
def quotes(draw: st.DrawFn) -> tuple[float, float, list[list[float]]]:
    """Draw a best bid and ask, and two levels beyond, mostly such as can be."""
    bid, ask = draw(st.sampled_from([nan, 3.0, 3.5])), draw(st.sampled_from([nan, 3.5, 4.0]))
    if draw(st.booleans()):
        there = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        bids = [price if number < there[0] else nan for number, price in enumerate((2.0, 1.0))]
        asks = [price if number < there[1] else nan for number, price in enumerate((5.0, 6.0))]
        sizes = [[nan if price != price else 1.0 for price in prices] for prices in (bids, asks)]
        return bid, ask, [bids, sizes[0], asks, sizes[1]]
    return bid, ask, [[draw(NUMBERS), draw(NUMBERS)] for _ in range(4)]


@given(st.lists(quotes(), min_size=1, max_size=20))
def test_columns_are_judged_as_one_quote_after_the_other(rows: list[tuple[float, float, Any]]) -> None:
    column = np.array([levels for _, _, levels in rows]).transpose(1, 2, 0)
    bid, ask = (np.array([row[side] for row in rows]) for side in (0, 1))

    judged = sound_rows(column, bid, ask)

    assert judged.tolist() == [are_sound(levels, bid, ask) for bid, ask, levels in rows]
    is_last = np.arange(len(rows)) % 2 == 0
    assert [repr(at_row(*one)) for one in each_row(column, is_last)] == [repr(tuple(levels)) for _, _, levels in rows]
    assert repr(at_row(column, 0)) == repr(tuple(rows[0][2]))


GOOD = ((99.0, 98.0), (1.0, 2.0), (102.0,), (3.0,))


@pytest.mark.parametrize(
    ("levels", "what"),
    [
        (((98.0, 99.0), (1.0, 1.0), (), ()), "unsorted bids"),
        (((), (), (103.0, 102.0), (1.0, 1.0)), "unsorted asks"),
        (((100.0,), (1.0,), (), ()), "a bid twice"),
        (((), (), (102.0, 102.0), (1.0, 1.0)), "an ask twice"),
        (((101.0,), (1.0,), (), ()), "a bid above the best"),
        (((), (), (100.5,), (1.0,)), "an ask below the best"),
        (((-1.0,), (1.0,), (), ()), "a negative price"),
        (((0.0,), (1.0,), (), ()), "no price"),
        (((), (), (inf,), (1.0,)), "an infinite price"),
        (((), (), (102.0,), (-1.0,)), "a negative size"),
        (((), (), (102.0,), (0.0,)), "an empty level"),
        (((), (), (102.0,), (inf,)), "an infinite size"),
        (((nan, 98.0), (nan, 1.0), (), ()), "a level after none"),
        (((99.0,), (nan,), (), ()), "a price without a size"),
    ],
)
def test_a_book_that_can_not_be_is_refused_and_takes_the_venue_off_the_board(levels: Any, what: str) -> None:
    skipped: list[Skipped] = []
    board = QuoteBoard(("a", "b"))
    sinks = sinks_of(
        board,
        {0: Fees(1.0, 1.0), 1: Fees(1.0, 1.0)},
        10**9,
        show=lambda venue, received_ns: None,
        skip=skipped.append,
        skippable=lambda: None,
    )
    sinks.of[0](100.0, 5.0, 101.0, 6.0, 1, None, GOOD)
    book = board.book(0)
    assert book is not None
    assert (book.bids, book.bid_sizes) == ((100.0, 99.0, 98.0), (5.0, 1.0, 2.0))
    assert (book.asks, book.ask_sizes) == ((101.0, 102.0), (6.0, 3.0))

    sinks.of[0](100.0, 5.0, 101.0, 6.0, 2, None, levels)

    assert skipped == [Skipped(1, refused=1)], what
    assert not board.is_whole(0)
    assert board.book(0).bids == board.book(0).asks == ()  # type: ignore[union-attr]
    sinks.of[0](100.0, 5.0, 101.0, 6.0, 3)
    assert board.is_whole(0)
    assert board.book(0).asks == (101.0,)  # type: ignore[union-attr]


def test_levels_of_a_side_that_is_withdrawn_can_not_be() -> None:
    assert not are_sound(((99.0,), (1.0,), (), ()), nan, 101.0)
    assert are_sound(((), (), (102.0,), (1.0,)), nan, 101.0)
