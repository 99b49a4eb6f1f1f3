"""One quote after the other: what is refused, what withdraws a side, and what need not be shown."""

from __future__ import annotations

import math

import attrs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trioarb.quotes.band import edge_bps
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.sinks import Fees, Sinks, Skipped, sinks_of
from trioarb.quotes.validity import verdicts

NUMBERS = st.sampled_from([math.nan, -math.inf, -1.0, -0.0, 0.0, 1.0, 1.5, math.inf])


@attrs.define
class Desk:
    """Counts what a symbol is shown and told; lets quotes with no edge above ``calm_bps`` be skipped, if it is set."""

    shown: int = 0
    refused: int = 0
    withdrawn: int = 0
    skipped: int = 0
    edge_positive: int = 0
    calm_bps: float | None = None

    def show(self, venue: int, received_ns: int) -> None:
        self.shown += 1

    def skip(self, skipped: Skipped) -> None:
        self.refused += skipped.refused
        self.withdrawn += skipped.withdrawn
        self.skipped += skipped.seen - skipped.refused
        self.edge_positive += skipped.edge_positive

    def skippable(self) -> tuple[float, int] | None:
        return None if self.calm_bps is None else (self.calm_bps, 1_000_000)


def desk(venues: int = 2, *, fee_bps: float = 4.0) -> tuple[Desk, QuoteBoard, Sinks]:
    counts, board = Desk(), QuoteBoard("abcdefgh"[:venues])
    fees = {venue: Fees(1 - fee_bps / 1e4, 1 + fee_bps / 1e4) for venue in range(venues)}
    sinks = sinks_of(board, fees, 1_000, show=counts.show, skip=counts.skip, skippable=counts.skippable)
    return counts, board, sinks


@given(quote=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_one_quote_is_judged_as_a_column_of_them(quote: tuple[float, float, float, float]) -> None:
    counts, board, sinks = desk()
    sinks.of[0](1.0, 1.0, 1.0, 1.0, 5)
    sinks.of[0](*quote, 6)

    judged = verdicts(dict(zip(("bid", "bid_size", "ask", "ask_size"), np.array(quote).reshape(4, 1), strict=True)))
    assert (counts.refused, counts.withdrawn) == (int(judged.refused[0]), int(judged.withdrawn[0]))
    assert board.is_whole(0) == bool(judged.whole[0])
    assert board.received_ns[0] == (5 if counts.refused else 6)
    if counts.refused:
        touch = board.touch("a")
        assert touch is not None
        assert (touch.bid, touch.ask) == (None, None)


def test_a_quote_that_is_older_than_the_one_before_is_refused_and_changes_nothing() -> None:
    counts, board, sinks = desk()
    sinks.of[0](1.0, 1.0, 1.1, 1.0, 5)
    sinks.of[0](2.0, 1.0, 2.1, 1.0, 4)
    assert (counts.refused, counts.shown, board.bid[0]) == (1, 1, 1.0)


PRICES = st.integers(9_990, 10_010).map(lambda cents: cents / 100)


@given(
    venues=st.integers(2, 4),
    moves=st.lists(st.tuples(st.integers(0, 3), PRICES, st.sampled_from([0.0, 0.01, 0.05]), st.integers(0, 700))),
    bps=st.floats(-10, 10),
)
def test_what_is_not_shown_is_below_the_bar_with_another_fresh_quote_beside_it(
    venues: int, moves: list[tuple[int, float, float, int]], bps: float
) -> None:
    counts, board, sinks = desk(venues)
    now_ns = 0
    counts.calm_bps = bps
    for venue in range(venues):
        sinks.of[venue](100.0, 1.0, 100.05, 1.0, now_ns)
    sinks.count()
    before = counts.skipped, counts.edge_positive
    positive = unseen = 0
    sinks.of[0](100.0, 1.0, 100.05, 1.0, now_ns)  # shown, since what was skipped was counted just now
    for venue, bid, width, later_ns in moves:
        venue, now_ns, shown = venue % venues, now_ns + later_ns, counts.shown
        sinks.of[venue](bid, 1.0, bid + width, 1.0, now_ns)
        if counts.shown > shown:
            continue
        unseen += 1
        edges = {
            (sell, buy): edge_bps(board.bid[sell], 1 - 4 / 1e4, board.ask[buy], 1 + 4 / 1e4)
            for sell in range(venues)
            for buy in range(venues)
            if sell != buy
        }
        fresh = {one for one in range(venues) if board.received_ns[one] >= now_ns - 1_000}
        assert max(edges.values()) <= bps
        assert len(fresh) > 1
        positive += any(edge > 0.0 and fresh >= set(route) for route, edge in edges.items())
    sinks.count()
    assert (counts.skipped - before[0], counts.edge_positive - before[1]) == (unseen, positive)


def test_a_quote_with_just_the_highest_edge_so_far_is_not_shown_and_one_with_more_is() -> None:
    counts, _, sinks = desk()
    bid, keep, cost = 100.01, 1 - 4 / 1e4, 1 + 4 / 1e4
    counts.calm_bps = edge_bps(bid, keep, 100.05, cost)
    for venue in (0, 1):
        sinks.of[venue](100.0, 1.0, 100.05, 1.0, 1)
    shown = counts.shown
    sinks.of[0](bid, 1.0, 100.05, 1.0, 2)
    assert counts.shown == shown
    sinks.of[0](math.nextafter(bid, math.inf), 1.0, 100.05, 1.0, 3)
    assert counts.shown == shown + 1
