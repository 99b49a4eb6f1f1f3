"""The inventory strategy: it asks more of what drifts stock apart, and answers nothing outside of its band."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Route, StrategyContext
from trioarb.builtin.inventory import InventorySettings, InventoryStrategy

ROUTE = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")
BPS = st.decimals(-100, 100, places=1)
STOCK = st.decimals(-1, 1000, places=3)


def strategy(bought: Decimal, sold: Decimal, **settings: Decimal) -> InventoryStrategy:
    stock = {"a": bought, "b": sold}
    context = StrategyContext(
        symbol="BTCUSDT", venues=("a", "b"), touch=lambda venue: None, stock=lambda venue: stock[venue]
    )
    return InventoryStrategy(InventorySettings(**settings), context)


@pytest.mark.parametrize(
    ("bought", "sold", "least"),
    [
        (5, 5, 10.0),
        (10, 0, 14.0),  # buying where everything is already
        (0, 10, 6.0),
        (6, 2, 12.0),
        (0, 0, 10.0),
        (-1, 5, 10.0),  # borrowed: nothing to lean to
    ],
)
def test_the_threshold_is_skewed_by_the_share_of_stock(bought: int, sold: int, least: float) -> None:
    skewed = strategy(Decimal(bought), Decimal(sold), entry_bps=Decimal(10), skew_bps=Decimal(4))
    assert skewed.entry_from_bps(ROUTE) == least


def test_the_skew_ends_at_the_least_threshold() -> None:
    skewed = strategy(
        Decimal(0), Decimal(10), entry_bps=Decimal(10), skew_bps=Decimal(40), least_entry_bps=Decimal("2.5")
    )
    assert skewed.entry_from_bps(ROUTE) == 2.5
    size = skewed.entry(ROUTE, 3.0, 0)
    assert size is not None
    # What is sent is held against the skewed threshold, too.
    assert size.entry_bps == Decimal("2.5")


@given(bought=STOCK, sold=STOCK, entry=BPS, skew=st.decimals(0, 50, places=1), least=BPS, edge=st.floats(-200, 200))
def test_it_answers_within_its_band_only(
    bought: Decimal, sold: Decimal, entry: Decimal, skew: Decimal, least: Decimal, edge: float
) -> None:
    one = strategy(bought, sold, entry_bps=entry, skew_bps=skew, least_entry_bps=least)
    assert (one.entry(ROUTE, edge, 0) is not None) == (edge >= one.entry_from_bps(ROUTE))
