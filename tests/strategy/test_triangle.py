"""Loops through three symbols of a venue: what they earn, by numbers that are computed anew, and what they leave."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from trioarb.model.market import Instrument, Listing, Triangle
from trioarb.model.order import Side
from trioarb.model.rules import TradingRules
from trioarb.model.trade import Account, Opportunity, OrderSize
from trioarb.quotes.board import Touch
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized
from trioarb.strategy.triangle import LoopLegs, loop_edge_bps, size_loop, triangles_in

BTC, CROSS, ETH = (
    Listing(symbol="BTCUSDT", base="BTC", quote="USDT"),
    Listing(symbol="ETHBTC", base="ETH", quote="BTC"),
    Listing(symbol="ETHUSDT", base="ETH", quote="USDT"),
)
TRIANGLE = Triangle(home="ETHUSDT", cross="ETHBTC", other="BTCUSDT")


def leg(
    listing: Listing,
    side: Side,
    bid: str,
    ask: str,
    *,
    lot: str = "0.0001",
    tick: str = "0.00001",
    size: str = "1000",
    free: str = "1000000",
    fee_bps: str = "0",
) -> Leg:
    return Leg(
        side=side,
        instrument=Instrument(
            symbol=listing.symbol,
            venue="a",
            native_id=listing.symbol,
            base=listing.base,
            quote=listing.quote,
            rules=TradingRules(tick_size=Decimal(tick), lot_size=Decimal(lot)),
            maker_fee_bps=Decimal(fee_bps),
            taker_fee_bps=Decimal(fee_bps),
        ),
        touch=Touch(bid=Decimal(bid), bid_size=Decimal(size), ask=Decimal(ask), ask_size=Decimal(size)),
        free_base=Decimal(free),
        free_quote=Decimal(free),
        account=Account.SPOT,
        max_borrow_usd=Decimal(0),
        usd_per_quote=Decimal(1),
    )


def buying_home(fee_bps: str = "0", free: str = "1000000", size: str = "1000") -> LoopLegs:
    """ETH costs 3000 here, and 0.05 × 61000 = 3050 is paid for it through BTC."""
    return LoopLegs(
        home=leg(ETH, Side.BUY, "2999", "3000", tick="0.01", fee_bps=fee_bps, free=free, size=size),
        cross=leg(CROSS, Side.SELL, "0.05", "0.0501", fee_bps=fee_bps, free=free, size=size),
        other=leg(BTC, Side.SELL, "61000", "61001", lot="0.00001", tick="0.01", fee_bps=fee_bps, free=free, size=size),
    )


def sized(legs: LoopLegs, usd: str = "6051", entry_bps: str = "0", **dust: str) -> Opportunity | NotSized:
    left = {asset: Decimal(amount) for asset, amount in dust.items()}
    return size_loop(legs, OrderSize(usd=Decimal(usd)), entry_bps=Decimal(entry_bps), dust=left)


def test_three_symbols_are_a_triangle_in_whichever_order() -> None:
    assert triangles_in([BTC, CROSS, ETH]) == triangles_in([ETH, BTC, CROSS]) == (TRIANGLE,)
    assert triangles_in([BTC, ETH, Listing(symbol="SOLUSDT", base="SOL", quote="USDT")]) == ()
    assert triangles_in([BTC, BTC, CROSS]) == ()


def test_all_triangles_of_a_market_are_found() -> None:
    others = [
        Listing(symbol="BNBUSDT", base="BNB", quote="USDT"),
        Listing(symbol="BNBBTC", base="BNB", quote="BTC"),
        Listing(symbol="ETHEUR", base="ETH", quote="EUR"),
    ]
    assert triangles_in([BTC, CROSS, ETH, *others]) == (
        Triangle(home="BNBUSDT", cross="BNBBTC", other="BTCUSDT"),
        TRIANGLE,
    )


def test_the_edge_of_a_loop_is_what_a_coin_brings_that_goes_around() -> None:
    kept = (1 / 1.0004) * 0.9996 * 0.9996
    assert loop_edge_bps(3000.0, 0.05, 61000.0, 1.0, buys_home=True) == pytest.approx(1e4 * (3050 / 3000 - 1))
    assert loop_edge_bps(3000.0, 0.05, 61000.0, kept, buys_home=True) == pytest.approx(1e4 * (3050 / 3000 * kept - 1))
    assert loop_edge_bps(3000.0, 0.049, 61000.0, 1.0, buys_home=False) == pytest.approx(1e4 * (3000 / 2989 - 1))


def test_a_loop_is_sized_leg_by_leg() -> None:
    found = sized(buying_home())

    assert isinstance(found, Opportunity)
    assert found.legs is not None
    assert [(one.symbol, one.side, one.quantity, one.limit) for one in found.legs] == [
        ("ETHUSDT", Side.BUY, Decimal(1), Decimal(3000)),
        ("ETHBTC", Side.SELL, Decimal(1), Decimal("0.05")),
        ("BTCUSDT", Side.SELL, Decimal("0.05"), Decimal(61000)),
    ]
    assert found.edge_bps == Decimal("166.666667")  # 50 of 3000
    assert (found.buy_limit, found.sell_limit) == (Decimal(3000), Decimal(3050))
    assert found.notional_usd == Decimal(6050)  # what is bought may stay, and the bridge may be lacking


def test_what_earlier_loops_left_is_taken_up() -> None:
    found = sized(buying_home(), "6721.4", ETH="0.02", BTC="-0.0100051")

    assert isinstance(found, Opportunity)
    assert found.legs is not None
    assert [one.quantity for one in found.legs] == [Decimal("0.98"), Decimal(1), Decimal("0.03999")]


@pytest.mark.parametrize(
    ("legs", "usd", "reason"),
    [
        (buying_home(free="100"), "6051", None),
        (buying_home(size="0.0000001"), "6051", "displayed_size.BTCUSDT.below_minimum"),
        (buying_home(free="0.00000001"), "6051", "balance.a.BTC.below_minimum"),
        (buying_home(), "0.01", "order_size.below_minimum"),
        (buying_home(fee_bps="60"), "6051", "edge_after_rounding"),
    ],
)
def test_what_is_in_the_way_is_said(legs: LoopLegs, usd: str, reason: str | None) -> None:
    found = sized(legs, usd)

    if reason is None:
        assert isinstance(found, Opportunity)
    else:
        assert found == NotSized(reason)


def test_a_side_that_was_withdrawn_is_said() -> None:
    legs = buying_home()
    gone = Touch(bid=None, bid_size=Decimal(0), ask=Decimal("0.0501"), ask_size=Decimal(1))
    cross = leg(CROSS, Side.SELL, "0.05", "0.0501")
    withdrawn = LoopLegs(home=legs.home, cross=replace(cross, touch=gone), other=legs.other)

    assert sized(withdrawn) == NotSized("no_price.ETHBTC")


def _steps(low: int, high: int, digits: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda number: str(Decimal(number).scaleb(-digits)))


@given(
    buys_home=st.booleans(),
    eth=_steps(100_000, 500_000, 2),
    cross=_steps(3_000, 8_000, 5),
    btc=_steps(3_000_000, 9_000_000, 2),
    fees=st.tuples(*[_steps(-10, 100, 1)] * 3),
    lots=st.tuples(*[st.sampled_from(["0.0001", "0.001", "0.00001", "0.003", "0.00007"])] * 3),
    sizes=st.tuples(*[_steps(1, 50_000, 3)] * 3),
    free=st.tuples(*[_steps(1, 10_000_000, 3)] * 3),
    usd=_steps(1_000, 1_000_000, 2),
    dust=st.tuples(_steps(-100, 100, 5), _steps(-300, 300, 7)),
)
@example(  # half a lot was left before: it is rounded up once more
    buys_home=True,
    eth="1000.00",
    cross="0.03000",
    btc="30000.00",
    fees=("0.0", "0.0", "0.0"),
    lots=("0.0001", "0.0001", "0.0001"),
    sizes=("0.003", "0.003", "0.001"),
    free=("2.850", "0.003", "0.001"),
    usd="10.00",
    dust=("-0.00005", "0"),
)
def test_what_a_loop_sends_earns_its_edge_and_leaves_a_crumb(
    buys_home: bool,
    eth: str,
    cross: str,
    btc: str,
    fees: tuple[str, str, str],
    lots: tuple[str, str, str],
    sizes: tuple[str, str, str],
    free: tuple[str, str, str],
    usd: str,
    dust: tuple[str, str],
) -> None:
    first = Side.BUY if buys_home else Side.SELL
    then = Side.SELL if buys_home else Side.BUY
    prices = (
        (ETH, first, eth, "0.01", lots[0], sizes[0], free[0], fees[0]),
        (CROSS, then, cross, "0.00001", lots[1], sizes[1], free[1], fees[1]),
        (BTC, then, btc, "0.01", lots[2], sizes[2], free[2], fees[2]),
    )
    made = [
        leg(listing, side, price, price, tick=tick, lot=lot, size=size, free=stock, fee_bps=fee)
        for listing, side, price, tick, lot, size, stock, fee in prices
    ]
    before = {"ETH": Decimal(dust[0]), "BTC": Decimal(dust[1])}
    legs = LoopLegs(home=made[0], cross=made[1], other=made[2])

    found = size_loop(legs, OrderSize(usd=Decimal(usd)), entry_bps=Decimal(-100_000), dust=before)

    assume(isinstance(found, Opportunity))
    assert isinstance(found, Opportunity)
    assert found.legs is not None
    left = {"USDT": Fraction(0), "BTC": Fraction(0), "ETH": Fraction(0)}
    paid = Fraction(0)
    for plan, one in zip(found.legs, made, strict=True):
        instrument, quantity = one.instrument, Fraction(plan.quantity)
        assert plan.quantity > 0
        assert not plan.quantity % instrument.rules.lot
        assert plan.quantity <= one.displayed
        assert plan.quantity <= one.payable(plan.limit)
        sign = 1 if plan.side is Side.BUY else -1
        value = quantity * Fraction(plan.limit)
        left[instrument.base] += sign * quantity
        left[instrument.quote] -= sign * value + value * Fraction(instrument.taker_fee_bps) / 10_000
        if sign > 0 and instrument.quote == "USDT":
            paid += value
    # The cash of the loop, and what it leaves at its limits, are its edge.
    earned = left["USDT"] + left["ETH"] * Fraction(eth) + left["BTC"] * Fraction(btc)
    assert abs(10_000 * earned / paid - Fraction(found.edge_bps)) <= Fraction(1, 10**6)
    # With what was left before, it leaves no more than half a lot of anything but money.
    assert abs(left["ETH"] + Fraction(before["ETH"])) <= Fraction(lots[0]) / 2
    assert abs(left["BTC"] + Fraction(before["BTC"])) <= Fraction(lots[2]) / 2
    most = Fraction(found.legs[0].quantity) * Fraction(eth) + Fraction(found.legs[2].quantity) * Fraction(btc)
    assert Fraction(found.notional_usd) == most <= Fraction(usd)
    # What the floats say of the same prices is the same, but for what rounding to lots and dust changes.
    if not any(Decimal(fee) for fee in fees):
        edge = loop_edge_bps(float(eth), float(cross), float(btc), 1.0, buys_home=buys_home)
        ratio = float(cross) * float(btc) / float(eth)
        assert edge == pytest.approx(1e4 * ((ratio if buys_home else 1 / ratio) - 1))
