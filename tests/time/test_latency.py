"""Durations are counted in a fixed amount of memory, and what is read off is right within a sixteenth."""

from __future__ import annotations

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from trioarb.time.latency import LatencyHistogram

DURATIONS = st.lists(st.integers(0, 10**12), min_size=1, max_size=50)


def counted(durations_ns: list[int]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for duration_ns in durations_ns:
        histogram.add(duration_ns)
    return histogram


@given(DURATIONS, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_no_less_than_the_true_one_and_at_most_a_sixteenth_more(
    durations_ns: list[int], q: float
) -> None:
    true_ns = sorted(durations_ns)[max(1, round(q * len(durations_ns))) - 1]
    (found_us,) = counted(durations_ns).quantiles_us(q)
    assert true_ns <= found_us * 1000 <= true_ns * 17 / 16 + 1


@given(DURATIONS, st.lists(st.integers(0, 2 * 10**12), min_size=1, max_size=20).map(sorted))
def test_no_more_are_said_to_be_within_a_bound_than_are_and_no_fewer_than_are_well_within(
    durations_ns: list[int], bounds_ns: list[int]
) -> None:
    ordered = sorted(durations_ns)
    found = counted(durations_ns).at_most_ns(*bounds_ns)
    assert found == sorted(found)
    for bound_ns, count in zip(bounds_ns, found, strict=True):
        assert bisect_right(ordered, bound_ns * 16 // 17 - 1) <= count <= bisect_right(ordered, bound_ns)


@given(DURATIONS)
def test_counts_and_sums_are_exact(durations_ns: list[int]) -> None:
    histogram = counted(durations_ns)
    assert (histogram.count, histogram.total_ns) == (len(durations_ns), sum(durations_ns))


def test_what_is_off_the_scale_is_counted_at_its_ends() -> None:
    histogram = counted([-5, 2**60])
    assert histogram.at_most_ns(1, 10**10) == [1, 1]
    assert (histogram.count, histogram.total_ns) == (2, 2**60)
    assert LatencyHistogram().quantile_us(0.5) is None
