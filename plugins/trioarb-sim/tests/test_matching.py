"""Matching: price, then time; money moves and is never made; every change is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import OrderType, SelfTrade, Side, TimeInForce
from trioarb_sim.account import Key
from trioarb_sim.market import FeeIn, MarketRules, MarketState
from trioarb_sim.order import OrderState, OrderTerms, Refusal, Refused, VenueOrder
from trioarb_sim.venue import BalancesChanged, BookChanged, OrderChanged, Traded, Venue

D = Decimal
RULES = MarketRules(
    name="BTCUSDT",
    base="BTC",
    quote="USDT",
    ticks=((D(0), D("0.1")), (D(100), D(1))),
    lot=D("0.01"),
    min_quantity=D("0.01"),
    min_value=D(5),
    maker_fee=D("0.0001"),
    taker_fee=D("0.001"),
)
OWNED = {"BTC": D(100), "USDT": D(100_000)}


def venue(rules: MarketRules = RULES, **options: Any) -> Venue:
    clock = iter(range(10**9))
    made = Venue([rules], now_ms=lambda: next(clock), **options)
    for name in ("ann", "bob"):
        made.add_account(name, OWNED, [Key(api_key=name, secret=f"{name}'s")])
    return made


def terms(side: Side, price: object, quantity: object, **more: Any) -> OrderTerms:
    return OrderTerms(market="BTCUSDT", side=side, price=D(str(price)), quantity=D(str(quantity)), **more)


def levels(*pairs: tuple[object, object]) -> list[tuple[Decimal, Decimal]]:
    return [(D(str(price)), D(str(size))) for price, size in pairs]


def shown(at: Venue) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
    _, bids, asks = at.book("BTCUSDT")
    return list(bids), list(asks)


def test_an_order_takes_the_best_prices_first_and_pays_the_fee_in_what_it_receives() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((99, 1), (100, 2), (101, 5)))

    order = at.place("ann", terms(Side.BUY, 100, 2.5, time_in_force=TimeInForce.IOC))

    assert [(one.price, one.quantity) for one in order.executions] == levels((99, 1), (100, 1.5))
    assert order.state is OrderState.FILLED
    assert order.fees == {"BTC": D("0.0025")}
    assert at.balances("ann")["USDT"].free == 100_000 - 99 - 150
    assert at.balances("ann")["BTC"].free == 100 + D("2.5") - D("0.0025")
    assert shown(at)[1] == levels((100, 0.5), (101, 5))


@pytest.mark.parametrize(
    ("more", "state", "filled"),
    [
        ({"time_in_force": TimeInForce.IOC}, OrderState.EXPIRED, 1),
        ({"time_in_force": TimeInForce.FOK}, OrderState.EXPIRED, 0),
        ({}, OrderState.OPEN, 1),
    ],
)
def test_what_does_not_fill_at_once_ends_or_rests(more: dict[str, Any], state: OrderState, filled: int) -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((99, 1)))

    order = at.place("ann", terms(Side.BUY, 99, 3, **more))

    assert (order.state, order.filled) == (state, filled)
    rests = state is OrderState.OPEN
    assert at.balances("ann")["USDT"].locked == (2 * 99 if rests else 0)
    assert shown(at)[0] == (levels((99, 2), (98, 1)) if rests else levels((98, 1)))


def test_at_one_price_strangers_come_first_then_who_came_first() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((100, 1)))
    first = at.place("ann", terms(Side.SELL, 100, 1))
    second = at.place("bob", terms(Side.SELL, 100, 1))

    at.place("ann", terms(Side.BUY, 100, 2.5, time_in_force=TimeInForce.IOC))

    assert (first.filled, second.filled) == (1, D("0.5"))
    assert first.executions[0].is_maker


def test_strangers_come_to_an_order_that_rests_at_its_price() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((100, 1)))
    order = at.place("ann", terms(Side.BUY, 99, 2))

    at.show("BTCUSDT", levels((97, 1)), levels((98, 1.5), (99, 3)))

    assert order.state is OrderState.FILLED
    assert order.value == 2 * 99
    assert order.fees == {"BTC": D("0.0002")}
    assert shown(at) == (levels((97, 1)), levels((99, 2.5)))


def test_a_stranger_takes_at_the_best_price_strangers_first() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((100, 1), (101, 5)))
    order = at.place("ann", terms(Side.SELL, 100, 2))
    trades: list[object] = []
    at.listen(trades.append)

    at.strike("BTCUSDT", Side.BUY, D("1.5"))

    assert (order.filled, order.is_open) == (D("0.5"), True)
    assert [one.quantity for one in trades if isinstance(one, Traded)] == [1, D("0.5")]
    at.strike("BTCUSDT", Side.BUY, D(9))
    assert order.state is OrderState.FILLED
    assert shown(at)[1] == levels((101, 5))


def test_post_only_never_takes() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((99, 1)))
    with pytest.raises(Refused, match="would take"):
        at.place("ann", terms(Side.BUY, 99, 1, post_only=True))
    assert at.balances("ann")["USDT"].locked == 0
    assert at.place("ann", terms(Side.BUY, "98.5", 1, post_only=True)).is_open


def test_a_market_buy_spends_an_amount_or_buys_a_quantity() -> None:
    at = venue()
    at.show("BTCUSDT", levels((98, 1)), levels((99, 1), (100, 9)))
    by_amount = at.place("ann", OrderTerms(market="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, amount=D(299)))
    by_quantity = at.place("bob", OrderTerms(market="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=D(20)))
    assert (by_amount.state, by_amount.filled, by_amount.value) == (OrderState.FILLED, 3, 299)
    assert (by_quantity.state, by_quantity.filled) == (OrderState.EXPIRED, 7)


@pytest.mark.parametrize(
    ("self_trade", "states", "filled"),
    [
        (None, (OrderState.FILLED, OrderState.FILLED), 1),
        (SelfTrade.CANCEL_NEW, (OrderState.OPEN, OrderState.EXPIRED), 0),
        (SelfTrade.CANCEL_OLD, (OrderState.EXPIRED, OrderState.EXPIRED), 0),
        (SelfTrade.CANCEL_BOTH, (OrderState.EXPIRED, OrderState.EXPIRED), 0),
    ],
)
def test_orders_of_one_account_meet_as_they_were_told(
    self_trade: SelfTrade | None, states: tuple[OrderState, OrderState], filled: int
) -> None:
    at = venue()
    resting = at.place("ann", terms(Side.SELL, 99, 1))
    coming = at.place("ann", terms(Side.BUY, 99, 1, time_in_force=TimeInForce.IOC, self_trade=self_trade))
    assert (resting.state, coming.state) == states
    assert resting.filled == coming.filled == filled


@pytest.mark.parametrize(
    ("asked", "rules", "why"),
    [
        (terms(Side.BUY, "99.05", 1), {}, Refusal.OFF_TICK),
        (terms(Side.BUY, "100.5", 1), {}, Refusal.OFF_TICK),
        (terms(Side.BUY, 99, "1.001"), {}, Refusal.OFF_LOT),
        (terms(Side.BUY, 99, 0), {}, Refusal.TOO_SMALL),
        (terms(Side.BUY, 99, 20), {"max_quantity": D(10)}, Refusal.TOO_LARGE),
        (terms(Side.BUY, 99, "0.05"), {}, Refusal.BELOW_MINIMUM_VALUE),
        (terms(Side.BUY, 10, 1), {"price_band": (D("0.5"), D(2))}, Refusal.PRICE_OUT_OF_RANGE),
        (terms(Side.BUY, 99, 1), {"state": MarketState.HALTED}, Refusal.HALTED),
        (terms(Side.BUY, 99, 1), {"state": MarketState.CANCEL_ONLY}, Refusal.CANCEL_ONLY),
        (terms(Side.BUY, 99, 1020), {}, Refusal.NO_FUNDS),
        (terms(Side.SELL, 99, 101), {}, Refusal.NO_FUNDS),
        (attrs.evolve(terms(Side.BUY, 99, 1), market="ETHUSDT"), {}, Refusal.NO_SUCH_MARKET),
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(
    asked: OrderTerms, rules: dict[str, Any], why: Refusal
) -> None:
    at = venue(attrs.evolve(RULES, **rules))
    at.show("BTCUSDT", levels((98, 1)), levels((100, 1)))
    with pytest.raises(Refused) as refused:
        at.place("ann", asked)
    assert refused.value.why is why
    assert {asset: one.free for asset, one in at.balances("ann").items()} == OWNED


def test_client_ids_are_unique_among_open_orders_or_for_ever() -> None:
    for for_ever in (False, True):
        at = venue(ids_for_ever=for_ever)
        first = at.place("ann", terms(Side.BUY, 90, 1, client_id="x"))
        with pytest.raises(Refused, match="used before"):
            at.place("ann", terms(Side.BUY, 90, 1, client_id="x"))
        at.place("bob", terms(Side.BUY, 90, 1, client_id="x"))
        at.cancel(first)
        if for_ever:
            with pytest.raises(Refused, match="used before"):
                at.place("ann", terms(Side.BUY, 90, 1, client_id="x"))
        else:
            again = at.place("ann", terms(Side.BUY, 90, 1, client_id="x"))
            assert at.find("ann", client_id="x") is again
        with pytest.raises(Refused, match="no such order"):
            at.find("bob", order_id=first.order_id)
        with pytest.raises(Refused, match="has ended"):
            at.cancel(first)


SIZES = st.decimals("0.01", 5, places=2)
PRICES = st.integers(900, 1100).map(lambda tenths: D(tenths) / 10 if tenths < 1000 else D(tenths // 10))
BOOKS = st.tuples(st.dictionaries(PRICES, SIZES, max_size=4), st.dictionaries(PRICES, SIZES, max_size=4))
ORDERS = st.builds(
    terms,
    st.sampled_from(Side),
    PRICES,
    SIZES,
    time_in_force=st.sampled_from(TimeInForce),
    self_trade=st.sampled_from([None, *SelfTrade]),
)


STRIKES = st.tuples(st.sampled_from(Side), SIZES)


@pytest.mark.parametrize("fee_in", FeeIn)
@given(steps=st.lists(st.one_of(BOOKS, st.tuples(st.sampled_from(["ann", "bob"]), ORDERS), st.integers(0, 9), STRIKES)))
def test_money_is_moved_and_never_made(fee_in: FeeIn, steps: list[Any]) -> None:
    at = venue(attrs.evolve(RULES, min_value=D(0), maker_fee=D("-0.0001"), fee_in=fee_in))
    books: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
    told: list[object] = []
    private: dict[str, list[object]] = {"ann": [], "bob": []}
    at.listen(told.append)
    for name, events in private.items():
        at.listen_to(name, events.append)
    orders: list[VenueOrder] = []
    for step in steps:
        try:
            match step:
                case int():
                    if step < len(orders):
                        at.cancel(orders[step])
                case (str() as name, OrderTerms() as asked):
                    orders.append(at.place(name, asked))
                case (Side() as side, quantity):
                    at.strike("BTCUSDT", side, quantity)
                case (bids, asks):
                    crossed = bids and asks and max(bids) >= min(asks)
                    at.show("BTCUSDT", list(bids.items()), [] if crossed else list(asks.items()))
        except Refused:
            pass
        bids, asks = shown(at)
        assert not bids or not asks or bids[0][0] < asks[0][0]  # whoever crosses trades

    # What everybody was told makes the book, and numbers have no holes.
    number = 0
    for event in told:
        if isinstance(event, BookChanged):
            assert event.first_id == number + 1
            number = event.last_id
            assert number - event.first_id + 1 == len(event.changes)
            for change in event.changes:
                books[change.side][change.price] = change.size
    there = [sorted((p, s) for p, s in books[side].items() if s) for side in Side]
    assert there == [sorted(side) for side in shown(at)]

    # What an account owns follows from its fills, and what is locked from its open orders.
    trades = {event.trade_id: event for event in told if isinstance(event, Traded)}
    for name in private:
        owned = dict(OWNED)
        own = at.orders(name)
        for order in own:
            sign = 1 if order.terms.side is Side.BUY else -1
            assert order.filled == sum(one.quantity for one in order.executions)
            assert order.filled <= order.terms.quantity
            for one in order.executions:
                assert (trades[one.trade_id].price, trades[one.trade_id].quantity) == (one.price, one.quantity)
                assert sign * one.price <= sign * order.terms.price
                owned["BTC"] += sign * one.quantity
                owned["USDT"] -= sign * one.quantity * one.price
                owned[one.fee_asset] -= one.fee
        balances = at.balances(name)
        assert {asset: one.free + one.locked for asset, one in balances.items()} == owned
        assert all(one.free >= 0 and one.locked >= 0 for one in balances.values())
        assert balances["BTC"].locked == sum(one.rest for one in own if one.is_open and one.terms.side is Side.SELL)
        # The account was told the same.
        said = [event for event in private[name] if isinstance(event, OrderChanged)]
        assert [one.execution for one in said if one.execution is not None and one.order in own] == [
            one.execution for one in said if one.execution is not None
        ]
        assert sum(1 for one in said if one.execution) == sum(len(order.executions) for order in own)
        assert sum(1 for one in said if one.state is not OrderState.OPEN) == sum(not one.is_open for one in own)
        last = [event.balances for event in private[name] if isinstance(event, BalancesChanged)]
        for asset in OWNED:
            of_asset = [one[asset] for one in last if asset in one]
            assert not of_asset or of_asset[-1] == balances[asset]
