"""An order book, against one that is too simple to be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.errors import WireError
from trioarb.venue import BookOutcome, BookRule, Change, OrderBook, linked, numbered, unnumbered

APPLIED, OLD, WAITING, GAP = BookOutcome.APPLIED, BookOutcome.OLD, BookOutcome.WAITING, BookOutcome.GAP

BIDS = [(99.0, 1.0), (100.0, 2.0), (98.0, 3.0)]
ASKS = [(102.0, 5.0), (101.0, 4.0), (103.0, 6.0)]


class Sink:
    """Keeps the last quote that it was told."""

    def __init__(self) -> None:
        self.told: tuple[object, ...] = ()

    def __call__(self, *quote: object) -> None:
        *best, levels = quote
        self.told = (*best, levels() if callable(levels) else levels)

    @property
    def is_withdrawn(self) -> bool:
        return all(isinstance(one, float) and isnan(one) for one in self.told[:4])


def book_of(
    rule: BookRule = numbered,
    *,
    last: int = 10,
    depth: int = 1,
    window: int | None = None,
    checksum: Callable[[OrderBook], int] | None = None,
) -> OrderBook:
    book = OrderBook(rule, depth=depth, window=window, checksum=checksum)
    assert book.snapshot(BIDS, ASKS, last=last, received_ns=1) is APPLIED
    return book


def told(book: OrderBook) -> Sink:
    sink = Sink()
    book.tell(sink)
    return sink


def test_a_snapshot_is_told_best_first() -> None:
    book = book_of(depth=3)

    assert told(book).told == (100.0, 2.0, 101.0, 4.0, 1, None, ([99.0, 98.0], [1.0, 3.0], [102.0, 103.0], [5.0, 6.0]))
    assert (book.bids(2), book.asks(2)) == ([(100.0, 2.0), (99.0, 1.0)], [(101.0, 4.0), (102.0, 5.0)])


def test_no_more_levels_are_told_than_are_wanted_or_there() -> None:
    assert told(book_of(depth=2)).told[6] == ([99.0], [1.0], [102.0], [5.0])
    assert told(book_of(depth=1)).told[6] is None
    assert told(book_of(depth=50)).told[6] == ([99.0, 98.0], [1.0, 3.0], [102.0, 103.0], [5.0, 6.0])


def test_changes_set_what_stands_at_a_price_and_take_it_away() -> None:
    book = book_of()

    outcome = book.change(
        [(100.0, 0.0), (99.5, 7.0)], [(101.0, 9.0)], first=11, last=12, received_ns=2, venue_ts_ns=1_000
    )

    assert outcome is APPLIED
    assert told(book).told[:6] == (99.5, 7.0, 101.0, 9.0, 2, 1_000)


def test_of_a_price_given_twice_in_one_message_the_last_counts() -> None:
    book = book_of()
    book.change(
        [(100.0, 5.0), (100.0, 0.0), (99.0, 0.0), (99.0, 8.0)],
        [(101.0, 0.0), (101.0, 3.0)],
        first=11,
        last=11,
        received_ns=2,
    )
    assert told(book).told[:4] == (99.0, 8.0, 101.0, 3.0)

    book.snapshot([(5.0, 1.0), (5.0, 2.0), (6.0, 1.0), (6.0, 0.0)], [(7.0, 1.0), (7.0, 4.0)], received_ns=3)
    assert (book.bids(), book.asks()) == ([(5.0, 2.0)], [(7.0, 4.0)])


def test_a_side_that_is_empty_is_withdrawn_and_the_other_is_not() -> None:
    book = book_of()
    book.change([(price, 0.0) for price, _ in BIDS], [], first=11, last=11, received_ns=2)

    bid, bid_size, ask, ask_size, *_ = told(book).told
    assert bid != bid
    assert bid_size != bid_size
    assert (ask, ask_size) == (101.0, 4.0)


def test_a_crossed_book_is_withdrawn_until_it_isnt_any_more() -> None:
    book = book_of()
    assert book.change([(101.0, 1.0)], [], first=11, last=11, received_ns=2) is APPLIED
    assert book.is_crossed
    assert told(book).is_withdrawn

    book.change([], [(101.0, 0.0)], first=12, last=12, received_ns=3)
    assert told(book).told[:4] == (101.0, 1.0, 102.0, 5.0)


@pytest.mark.parametrize(
    ("first", "last", "outcome"),
    [(11, 11, APPLIED), (11, 15, APPLIED), (5, 11, APPLIED), (5, 10, OLD), (10, 10, OLD), (12, 12, GAP), (12, 20, GAP)],
)
def test_numbered_changes_leave_no_number_out(first: int, last: int, outcome: BookOutcome) -> None:
    book = book_of(numbered)
    assert book.change([(100.0, 9.0)], [], first=first, last=last, received_ns=2) is outcome
    assert book.is_valid is (outcome is not GAP)
    assert told(book).is_withdrawn is (outcome is GAP)
    assert book.last == (last if outcome is APPLIED else 10)


@pytest.mark.parametrize(
    ("first", "last", "previous", "outcome"),
    [
        (40, 50, 10, APPLIED),
        (8, 50, 7, APPLIED),
        (40, 50, 11, GAP),
        (11, 12, None, GAP),
        (4, 10, 3, OLD),
        (4, 9, 3, OLD),
    ],
)
def test_linked_changes_name_the_one_before(first: int, last: int, previous: int | None, outcome: BookOutcome) -> None:
    book = book_of(linked)
    assert book.change([(100.0, 9.0)], [], first=first, last=last, previous=previous, received_ns=2) is outcome
    assert told(book).is_withdrawn is (outcome is GAP)


def test_changes_wait_for_the_snapshot_and_are_applied_to_it() -> None:
    book = OrderBook(numbered)
    assert told(book).is_withdrawn
    for last in range(8, 14):
        assert book.change([(90.0 + last, float(last))], [], first=last, last=last, received_ns=last) is WAITING

    assert book.snapshot(BIDS, ASKS, last=10, received_ns=20) is APPLIED
    assert book.last == 13
    assert book.bids() == [(103.0, 13.0), (102.0, 12.0), (101.0, 11.0), (100.0, 2.0), (99.0, 1.0), (98.0, 3.0)]


def test_a_snapshot_that_is_too_old_leaves_a_gap_and_what_waits_waits_on() -> None:
    book = OrderBook(numbered)
    for last in (15, 16, 17):
        book.change([(100.0, float(last))], [], first=last, last=last, received_ns=1)

    assert book.snapshot(BIDS, ASKS, last=13, received_ns=2) is GAP
    assert told(book).is_withdrawn
    assert "after change 13 came change 15" in book.why

    assert book.snapshot(BIDS, ASKS, last=14, received_ns=3) is APPLIED
    assert (book.last, told(book).told[1]) == (17, 17.0)


def test_what_shows_a_gap_is_not_lost() -> None:
    book = book_of(numbered)
    assert book.change([(100.0, 20.0)], [], first=20, last=20, received_ns=2) is GAP
    assert book.change([(100.0, 21.0)], [], first=21, last=21, received_ns=3) is WAITING

    assert book.snapshot(BIDS, ASKS, last=19, received_ns=4) is APPLIED
    assert (book.last, told(book).told[1]) == (21, 21.0)


def test_a_hole_in_what_waits_is_found() -> None:
    book = OrderBook(numbered)
    for last in (11, 12, 14):
        book.change([(100.0, float(last))], [], first=last, last=last, received_ns=1)

    assert book.snapshot(BIDS, ASKS, last=10, received_ns=2) is GAP
    assert told(book).is_withdrawn
    assert book.snapshot(BIDS, ASKS, last=13, received_ns=2) is APPLIED
    assert book.last == 14


def test_more_than_can_wait_is_a_gap_and_not_a_wrong_book() -> None:
    book = OrderBook(numbered)
    for last in range(1, 5_002):
        book.change([(float(last), 1.0)], [], first=last, last=last, received_ns=1)

    assert book.snapshot([], ASKS, last=0, received_ns=2) is GAP
    assert book.snapshot([], [], last=4_000, received_ns=2) is APPLIED
    assert len(book.bids()) == 1_001


def test_a_snapshot_after_a_reconnect_replaces_the_book_whatever_its_number() -> None:
    book = book_of(numbered, last=1_000_000)
    book.reset("cut", received_ns=7)
    assert told(book).is_withdrawn
    assert told(book).told[4] == 7
    assert book.why == "cut"

    book.snapshot([(50.0, 1.0)], [(51.0, 1.0)], last=3, received_ns=8, only_newer=True)
    assert (book.bids(), book.asks()) == ([(50.0, 1.0)], [(51.0, 1.0)])
    assert book.change([(50.0, 2.0)], [], first=4, last=4, received_ns=9) is APPLIED


def test_changes_from_before_a_cut_are_not_applied_after_it() -> None:
    book = OrderBook(numbered)
    book.change([(100.0, 9.0)], [], first=11, last=11, received_ns=1)
    book.reset("cut", received_ns=7)

    assert book.snapshot(BIDS, ASKS, last=10, received_ns=8) is APPLIED
    assert (book.last, told(book).told[1]) == (10, 2.0)


def test_a_snapshot_replaces_one_that_is_valid() -> None:
    book = book_of(unnumbered)
    assert book.snapshot([(50.0, 1.0)], [(51.0, 1.0)], received_ns=2) is APPLIED
    assert (book.bids(), book.asks()) == ([(50.0, 1.0)], [(51.0, 1.0)])


def test_of_two_connections_that_send_snapshots_the_older_one_is_passed_over() -> None:
    book = book_of(unnumbered, last=500)
    assert book.snapshot([(50.0, 1.0)], [(51.0, 1.0)], last=499, received_ns=2, only_newer=True) is OLD
    assert told(book).told[0] == 100.0
    assert book.snapshot([(50.0, 1.0)], [(51.0, 1.0)], last=500, received_ns=2, only_newer=True) is APPLIED


def size_of_all(book: OrderBook) -> int:
    return int(sum(size for _, size in (*book.bids(), *book.asks())))


def test_a_checksum_is_held_against_the_book() -> None:
    book = book_of(unnumbered, checksum=size_of_all)
    assert book.change([(100.0, 3.0)], [], received_ns=2, checksum=22) is APPLIED
    assert book.change([(100.0, 4.0)], [], received_ns=3) is APPLIED, "a message without one"
    assert book.change([(100.0, 5.0)], [], received_ns=4, checksum=22) is GAP
    assert told(book).is_withdrawn
    assert "checksum is 22, this book's 24" in book.why

    assert book.snapshot(BIDS, ASKS, received_ns=5, checksum=22) is GAP
    assert book.snapshot(BIDS, ASKS, received_ns=5, checksum=21) is APPLIED


def test_a_checksum_of_zero_is_one() -> None:
    book = book_of(unnumbered, checksum=size_of_all)
    assert book.change([(100.0, 3.0)], [], received_ns=2, checksum=0) is GAP


def test_a_window_forgets_what_the_venue_sends_nothing_of() -> None:
    book = book_of(unnumbered, window=3)
    book.change([(99.5, 1.0)], [(101.5, 1.0)], received_ns=2)
    assert [price for price, _ in book.bids()] == [100.0, 99.5, 99.0]
    assert [price for price, _ in book.asks()] == [101.0, 101.5, 102.0]
    book.change([(98.0, 5.0)], [], received_ns=3)
    assert [price for price, _ in book.bids()] == [100.0, 99.5, 99.0]


IMPOSSIBLE = [(nan, 1.0), (inf, 1.0), (-5.0, 1.0), (0.0, 1.0), (5.0, nan), (5.0, inf), (5.0, -1.0)]


@pytest.mark.parametrize("level", IMPOSSIBLE)
@pytest.mark.parametrize("side", [0, 1])
def test_levels_that_can_be_none_withdraw_the_book(level: Change, side: int) -> None:
    sides: tuple[Sequence[Change], Sequence[Change]] = ([level], []) if side == 0 else ([], [level])

    book = book_of()
    with pytest.raises(WireError, match="expected numbers above zero"):
        book.change(*sides, first=11, last=11, received_ns=2)
    assert told(book).is_withdrawn
    assert book.change([], [], first=12, last=12, received_ns=3) is WAITING

    book = book_of()
    with pytest.raises(WireError, match="expected numbers above zero"):
        book.snapshot(*sides, received_ns=2)
    assert told(book).is_withdrawn


PRICES = st.integers(1, 12).map(float)
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 3).map(float)), max_size=8)


class Simple:
    """Two dictionaries, sorted each time."""

    def __init__(self, bids: Sequence[Change], asks: Sequence[Change]) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self.change(bids, asks)

    def change(self, *changes: Sequence[Change]) -> None:
        for side, levels in zip(self.sides, changes, strict=True):
            side.update(levels)
            for price in [price for price, size in side.items() if size == 0]:
                del side[price]

    def levels(self) -> tuple[list[Change], list[Change]]:
        bids, asks = (sorted(side.items()) for side in self.sides)
        return bids[::-1], asks


@given(
    snapshot=st.tuples(LEVELS, LEVELS),
    changes=st.lists(st.tuples(LEVELS, LEVELS), max_size=12),
    depth=st.integers(1, 5),
)
def test_a_book_has_the_levels_of_one_that_sorts_each_time(
    snapshot: tuple[list[Change], list[Change]], changes: list[tuple[list[Change], list[Change]]], depth: int
) -> None:
    book, simple = OrderBook(numbered, depth=depth), Simple(*snapshot)
    assert book.snapshot(*snapshot, last=0, received_ns=0) is APPLIED
    for number, change in enumerate(changes, 1):
        assert book.change(*change, first=number, last=number, received_ns=number) is APPLIED
        simple.change(*change)
        bids, asks = simple.levels()
        assert (book.bids(), book.asks()) == (bids, asks)
        sink = told(book)
        if bids and asks and bids[0][0] >= asks[0][0]:
            assert sink.is_withdrawn
            continue
        beyond = sink.told[6] or ([], [], [], [])
        assert isinstance(beyond, tuple)
        for levels, best, more in ((bids, sink.told[:2], beyond[:2]), (asks, sink.told[2:4], beyond[2:])):
            wanted = levels[:depth]
            shown = [best, *zip(*more, strict=True)] if wanted else []
            assert shown == wanted


@given(
    lasts=st.lists(st.integers(1, 4), min_size=1, max_size=20),
    dropped=st.sets(st.integers(0, 19), max_size=3),
    shown_at=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60)), min_size=1, max_size=4),
    rule=st.sampled_from([numbered, linked]),
)
def test_whatever_is_lost_a_valid_book_is_that_of_the_venue(
    lasts: list[int], dropped: set[int], shown_at: list[tuple[int, int]], rule: BookRule
) -> None:
    """Messages are dropped, and snapshots of any age come at any time: a book is right or withdrawn."""
    states: dict[int, dict[float, float]] = {0: {}}
    messages, at = [], 0
    for size in lasts:
        first, at = at + 1, at + size
        changes = [(float(number % 5 + 1), float(number)) for number in range(first, at + 1)]
        for number, change in zip(range(first, at + 1), changes, strict=True):
            states[number] = {**states[number - 1], change[0]: change[1]}
        messages.append((first, at, changes))
    book, previous = OrderBook(rule), 0
    for place in range(len(messages) + 1):
        for when, age in shown_at:
            if when == place:
                last = max(0, previous - age)
                book.snapshot(states[last].items(), [], last=last, received_ns=0)
                assert not book.is_valid or dict(book.bids()) == states[book.last]
        if place < len(messages):
            first, last, changes = messages[place]
            if place not in dropped:
                book.change(changes, [], first=first, last=last, previous=previous, received_ns=0)
            previous = last
        assert not book.is_valid or dict(book.bids()) == states[book.last]
