"""How an edge and the ratio of prices behind it bound each other, to the last bit."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from trioarb.quotes.band import edge_bps, ratio_up_to


def edge_of(ratio: float) -> float:
    return edge_bps(ratio, 1.0, 1.0, 1.0)


@given(bps=st.floats(allow_nan=False))
@example(bps=-1e4)
@example(bps=-1e4 + 1e-9)
@example(bps=5e-324)
@example(bps=1.7976931348623157e308)
def test_a_ratio_up_to_an_edge_has_no_higher_edge(bps: float) -> None:
    assert edge_of(ratio_up_to(bps)) <= bps


@given(ratio=st.floats(0.5, 2.0))
def test_the_ratio_that_made_an_edge_is_within_it_and_the_first_with_a_higher_edge_is_not(ratio: float) -> None:
    edge = edge_of(ratio)
    bound = ratio_up_to(edge)
    assert ratio <= bound
    assert edge_of(math.nextafter(bound, math.inf)) > edge


@given(bps=st.floats(-100, 100), tried=st.floats(0.98, 1.02))
def test_below_the_next_lower_edge_is_below_a_band(bps: float, tried: float) -> None:
    bound = ratio_up_to(math.nextafter(bps, -math.inf))
    assert (tried <= bound) == (edge_of(tried) < bps)
