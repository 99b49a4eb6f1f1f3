from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.report.series import Distribution, Keep, Series
from trioarb.time.campaign_time import SECOND_NS

TIMES = st.lists(st.integers(0, 10**6), min_size=1, max_size=300).map(sorted)


@given(TIMES)
def test_sums_stay_exact_however_often_spans_become_longer(times: list[int]) -> None:
    series = Series(Keep.SUM, step_ns=SECOND_NS, most=8)
    for number, seconds in enumerate(times):
        series.put(seconds * SECOND_NS, Decimal(number) / 7)
    assert len(series) <= 8
    assert sum(value for _, value in series.points) == sum(Decimal(number) / 7 for number in range(len(times)))
    assert all(ts_ns % series.step_ns == 0 for ts_ns, _ in series.points)


@given(TIMES)
def test_the_highest_and_the_last_are_never_lost(times: list[int]) -> None:
    highest, last = Series(Keep.HIGHEST, most=8), Series(Keep.LAST, most=8)
    for number, seconds in enumerate(times):
        value = Decimal(number * 7919 % 101)
        highest.put(seconds * SECOND_NS, value)
        last.put(seconds * SECOND_NS, value)
    values = [Decimal(number * 7919 % 101) for number in range(len(times))]
    assert max(value for _, value in highest.points) == max(values)
    assert last.points[-1] == (times[-1] * SECOND_NS, values[-1])
    assert [ts_ns for ts_ns, _ in last.points] == sorted(ts_ns for ts_ns, _ in last.points)


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda value: abs(value) > 1e-3), min_size=1, max_size=200))
def test_quantiles_are_known_to_two_percent(values: list[float]) -> None:
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    ordered = sorted(values)
    for share in (0.0, 0.5, 0.95, 1.0):
        found = distribution.quantile(share)
        true = ordered[int(share * (len(values) - 1))]
        assert found == pytest.approx(true, rel=0.021)
    assert sum(count for *_, count in distribution.histogram()) == len(values)


def test_nothing_has_no_quantile() -> None:
    assert Distribution().quantile(0.5) is None
    assert Distribution().mean is None
    assert Distribution().histogram() == ()


def test_memory_does_not_grow_with_values() -> None:
    distribution = Distribution()
    for number in range(1, 200_000):
        distribution.add(math.sin(number) * number)
    assert len(distribution._bins) < 2_000
