"""Price steps that depend on the price, and least values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trioarb.api import TradingRules, check_ticks
from trioarb_upbit import wire

PRICES = st.decimals(min_value="0.00000001", max_value=10**10, places=8)


def rules(quote: str, **known: Decimal) -> TradingRules:
    found = wire.trading_rules(quote, **known)
    assert found is not None
    return found


def range_of(price: Decimal) -> Decimal:
    """Return where the range of the won table begins that a price is in."""
    return max(one.at_least for one in wire.KRW_TICKS if one.at_least <= price)


@pytest.mark.parametrize(
    ("price", "step"),
    [
        ("150000000", "1000"),
        ("1000000", "1000"),
        ("999999", "500"),
        ("500000", "500"),
        ("499999", "100"),
        ("99999", "50"),
        ("50000", "50"),
        ("49999", "10"),
        ("9999", "5"),
        ("4999", "1"),
        ("1000", "1"),
        ("100", "1"),
        ("99", "0.1"),
        ("9", "0.01"),
        ("0.000001", "0.00000001"),
    ],
)
def test_the_won_table_is_that_of_the_venues_page(price: str, step: str) -> None:
    assert rules("KRW").tick_at(Decimal(price)) == Decimal(step)


@pytest.mark.parametrize(("price", "step"), [("10", "0.01"), ("9.999", "0.001"), ("0.00009", "0.00000001")])
def test_the_dollar_table_is_that_of_the_venues_page(price: str, step: str) -> None:
    assert rules("USDT").tick_at(Decimal(price)) == Decimal(step)


def test_tables_have_one_step_for_every_price() -> None:
    for table in (wire.KRW_TICKS, wire.USDT_TICKS):
        check_ticks(table)


@given(price=PRICES, quote=st.sampled_from(["KRW", "USDT", "BTC"]))
def test_a_price_rounded_either_way_may_be_sent_and_is_the_nearest(price: Decimal, quote: str) -> None:
    known = rules(quote)
    low, high = known.floor_price(price), known.ceil_price(price)
    assert low <= price <= high
    assert known.has_price(high)
    assert low == 0 or known.has_price(low)
    assert high - low in (0, known.tick_at(price))
    assert known.has_price(price) == (low == price)


@given(price=PRICES, other=PRICES)
def test_the_venues_own_step_goes_first_where_its_last_price_is(price: Decimal, other: Decimal) -> None:
    table = rules("KRW")
    step = table.tick_at(price) / 10
    assume(step >= Decimal("0.00000001"))
    own = rules("KRW", tick_size=step, price=price)
    assert own.tick_at(price) == step
    same_range = range_of(price) == range_of(other)
    assert own.tick_at(other) == (step if same_range else table.tick_at(other))


def test_a_step_that_no_range_can_have_is_that_of_all_prices() -> None:
    own = rules("KRW", tick_size=Decimal("0.3"), price=Decimal(2000))
    assert (own.ticks, own.tick_size) == ((), Decimal("0.3"))


def test_a_step_without_a_price_is_the_tables_where_that_has_it() -> None:
    assert rules("KRW", tick_size=Decimal("0.1")) == rules("KRW")
    assert rules("KRW", tick_size=Decimal("0.25")).tick_size == Decimal("0.25")


def test_a_market_whose_step_nobody_knows_has_no_rules() -> None:
    assert wire.trading_rules("SGD") is None
    assert rules("SGD", tick_size=Decimal("0.01"), price=Decimal(3)).tick_size == Decimal("0.01")


@pytest.mark.parametrize(("quote", "least"), [("KRW", "5000"), ("BTC", "0.00005"), ("USDT", "0.5")])
def test_orders_have_a_least_value_and_a_volume_of_eight_places(quote: str, least: str) -> None:
    known = rules(quote)
    assert known.min_notional == Decimal(least)
    assert known.lot_size == Decimal("0.00000001")
    assert rules(quote, least_total=Decimal(7)).min_notional == Decimal(7)
