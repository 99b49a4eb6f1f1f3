"""A window gives out no more than its limit, wherever in the venue's time one looks."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.venue import Limit
from trioarb.venue.window import Spent, Window

#: (seconds pass, what is asked for, which request in flight is answered, how far on its way the venue counted it)
STEPS = st.lists(
    st.tuples(
        *(st.just(0.0) | st.floats(0, 2), st.integers(1, 3)),
        *(st.none() | st.integers(0, 20), st.floats(0, 1), st.sampled_from([1.0, 1.0, 0.8])),
    ),
    min_size=20,
    max_size=100,
)


@given(st.integers(1, 12), st.floats(0.5, 5), STEPS)
def test_never_more_than_allowed_in_any_window(
    count: int, seconds: float, steps: list[tuple[float, int, int | None, float, float]]
) -> None:
    window, now = Window(Limit(count=count, seconds=seconds)), 0.0
    in_flight: list[tuple[float, Spent]] = []
    counted: list[tuple[float, int]] = []
    for passed, weight, which, part, share in steps:
        now += passed
        weight = min(weight, count)
        if window.fits(now, weight, share):
            in_flight.append((now, window.take(weight)))
        if which is not None and in_flight:
            sent_at, spent = in_flight.pop(which % len(in_flight))
            counted.append((sent_at + part * (now - sent_at), spent.weight))
            window.answer(now, spent)
    counted += ((sent_at, spent.weight) for sent_at, spent in in_flight)

    for begin, _ in counted:
        # A float's rounding must not make two of them one window apart.
        assert sum(weight for at, weight in counted if begin <= at < begin + seconds - 1e-9) <= count


@given(st.integers(1, 12), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 4)), max_size=60))
def test_what_fits_later_is_known(count: int, asked: list[tuple[float, int]]) -> None:
    window, now = Window(Limit(count=count, seconds=2)), 0.0
    for passed, weight in asked:
        weight = min(weight, count)
        now += passed
        at = window.fits_at(now, weight)
        assert at < inf
        assert at == now or not window.fits((now + at) / 2, weight) or at == (now + at) / 2
        now = at
        assert window.fits(now, weight)
        window.answer(now, window.take(weight))


def answered(window: Window, weight: int, now: float = 0.0) -> Spent:
    spent = window.take(weight)
    window.answer(now, spent)
    return spent


def test_what_is_in_flight_counts_until_a_window_after_its_answer() -> None:
    window = Window(Limit(count=2, seconds=10))
    first, second = window.take(1), None
    window.answer(50.0, first)
    second = window.take(1)
    assert window.used(1000.0) == 1
    window.answer(1000.0, second)
    assert window.used(1009.9) == 1
    assert window.used(1010.0) == 0


def test_what_was_answered_almost_together_comes_back_with_the_last() -> None:
    window = Window(Limit(count=2, seconds=128))
    answered(window, 1, 0.0)
    answered(window, 1, 0.9)
    assert window.used(128.5) == 2
    assert window.used(128.9) == 0


def test_no_more_than_half_is_on_its_way() -> None:
    window = Window(Limit(count=10, seconds=1))
    spent = [window.take(1) for _ in range(5) if window.fits(0, 1)]
    assert len(spent) == 5
    assert not window.fits(0, 1)
    assert window.fits_at(0, 1) == inf
    window.answer(0.1, spent[0])
    assert window.fits(0.1, 1)


def test_what_weighs_more_than_its_share_fits_when_nothing_is_used() -> None:
    window = Window(Limit(count=10, seconds=1))
    assert window.fits(0, 9, 0.8)
    answered(window, 1)
    assert not window.fits(0, 9, 0.8)
    assert window.fits_at(0, 9, 0.8) == 1


def test_a_share_is_kept_for_those_before() -> None:
    window = Window(Limit(count=10, seconds=1))
    answered(window, 8)
    assert not window.fits(0, 1, 0.8)
    assert window.fits(0, 1)


def test_the_venue_says_that_less_is_left() -> None:
    window = Window(Limit(count=30, seconds=1))
    spent = window.take(1)
    window.hear(5.0, spent, left=4)
    window.answer(5.0, spent)
    assert window.count == 5
    assert not window.fits(5.0, 5)
    assert window.fits(5.0, 4)
    answered(window, 4, 5.0)
    assert not window.fits(5.1, 1)
    assert window.fits_at(5.1, 1) == 6.0
    assert window.fits(6.0, 1)


def test_the_venue_says_how_much_was_used_elsewhere() -> None:
    window = Window(Limit(count=100, seconds=60))
    spent = window.take(1)
    window.hear(0.0, spent, used=97)
    window.answer(0.0, spent)
    assert window.fits(0.1, 3)
    assert not window.fits(0.1, 4)


def test_the_venue_says_that_more_is_left_again() -> None:
    window = Window(Limit(count=30, seconds=1))
    for at, left, count in ((0.0, 4, 5), (10.0, 12, 13), (20.0, 29, 30), (30.0, 99, 30)):
        spent = window.take(1)
        window.hear(at, spent, left=left)
        window.answer(at, spent)
        assert window.count == count


def test_the_venue_lowers_and_raises_its_limit() -> None:
    window = Window(Limit(count=100, seconds=60))
    spent = window.take(10)
    window.hear(0.0, spent, used=10, count=50)
    window.answer(0.0, spent)
    assert window.fits(0.0, 40)
    assert not window.fits(0.0, 41)
    spent = window.take(0)
    window.hear(0.0, spent, used=10, count=200)
    assert window.fits(0.0, 190)


def test_an_answer_to_an_earlier_request_says_nothing_new() -> None:
    window = Window(Limit(count=30, seconds=1))
    early, late = window.take(1), window.take(1)
    window.hear(0.2, late, left=3)
    window.answer(0.2, late)
    window.hear(0.3, early, left=29)
    window.answer(0.3, early)
    # What the venue may not have counted for the later one, the earlier, is not left either.
    assert window.fits(0.3, 2)
    assert not window.fits(0.3, 3)


def test_what_the_venue_may_not_have_counted_yet_is_not_left() -> None:
    window = Window(Limit(count=30, seconds=1))
    asked = window.take(1)
    meanwhile, on_its_way = window.take(2), window.take(3)
    window.answer(0.1, meanwhile)
    window.hear(0.2, asked, left=10)
    window.answer(0.2, asked)
    window.answer(0.2, on_its_way)
    assert window.fits(0.2, 5)
    assert not window.fits(0.2, 6)


def test_when_the_venue_counts_anew() -> None:
    window = Window(Limit(count=10, seconds=86_400))
    spent = window.take(1)
    window.hear(0.0, spent, left=0, resets_seconds=30)
    window.answer(0.0, spent)
    assert window.fits_at(1.0, 1) >= 30.0


def test_after_a_refusal_less_is_tried_for_and_more_again_with_time() -> None:
    window = Window(Limit(count=100, seconds=1))
    spent = [window.take(1) for _ in range(60)]
    window.refuse(0.0, spent[0])
    assert window.most(0.0) == 30
    for one in spent:
        window.refuse(0.0, one)  # it was sent before anybody knew
        window.answer(0.0, one)
    assert window.most(299.0) == 30
    assert window.most(301.0) == 55
    window.refuse(301.0, window.take(1))  # a quarter is always tried for
    assert window.most(301.0) == 25
    assert window.most(301.0 + 3 * 300) == 100
    window.refuse(4000.0, window.take(1))
    window.allow(50)  # the venue's word counts
    assert (window.most(4000.0), window.limit.count) == (50, 50)


def test_a_request_that_was_charged_less() -> None:
    window = Window(Limit(count=10, seconds=1))
    spent = window.take(8)
    window.charge(spent, 0)
    window.answer(0.0, spent)
    assert window.used(0.0) == 0


@pytest.mark.parametrize(("after", "used"), [(1.0, 1), (9.9, 1), (10.0, 0)])
def test_what_is_given_back(after: float, used: int) -> None:
    window = Window(Limit(count=5, seconds=10))
    first, second = answered(window, 1), answered(window, 1)
    window.give_back(after, second)
    assert window.used(after) == used
    window.give_back(after, second)
    assert window.used(after) == used
    del first


def test_nothing_is_given_back_that_has_come_back() -> None:
    window = Window(Limit(count=5, seconds=10))
    old = answered(window, 1, 0.0)
    answered(window, 1, 9.0)
    window.give_back(11.0, old)
    assert window.used(11.0) == 1


def test_memory_does_not_grow_with_requests() -> None:
    window = Window(Limit(count=300_000, seconds=300))
    for number in range(20_000):
        answered(window, 1, number * 0.01)
    assert len(window._steps) <= 129
    assert window.used(200.0) == 20_000


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_a_limit_that_allows_nothing_is_none(count: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        Limit(count=count, seconds=seconds)
