"""What Bithumb's answers are to the engine, as far as they differ from Upbit's; and its rules."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import (
    Fill,
    InstrumentStatus,
    Listing,
    OrderRejected,
    OrderReport,
    OrderStatus,
    VenueError,
    check_ticks,
)
from trioarb.venue import Response, WireError
from trioarb_bithumb import wire
from trioarb_bithumb.wire.answer import ListedOrder, SingleOrder
from trioarb_upbit.dialect.struct import decode, encode

IDS = wire.CLIENT_IDS
OURS = "18e3a-0f00ba-7"

SINGLE: dict[str, Any] = {
    "uuid": "C0101000007408440032",
    "client_order_id": IDS.encode(OURS),
    "side": "bid",
    "ord_type": "limit",
    "price": "90000000",
    "state": "done",
    "market": "KRW-BTC",
    "created_at": "2026-11-29T12:00:00+09:00",
    "volume": "0.5",
    "remaining_volume": "0.2",
    "reserved_fee": "18000",
    "remaining_fee": "7200",
    "paid_fee": "10800",
    "locked": "18007200",
    "executed_volume": "0.3",
    "executed_funds": "27000000",
    "trades_count": 1,
    "time_in_force": "ioc",
    "stp_type": "cancel_taker",
    "cancel_type": None,
    "canceling_uuid": None,
    "trades": [
        {
            "market": "KRW-BTC",
            "uuid": "C0101000000001",
            "price": "90000000",
            "volume": "0.3",
            "funds": "27000000",
            "side": "bid",
            "created_at": "2026-11-29T12:00:00+09:00",
        }
    ],
}
LISTED: dict[str, Any] = {
    {"uuid": "order_id", "ord_type": "order_type", "canceling_uuid": "canceling_order_id"}.get(key, key): value
    for key, value in SINGLE.items()
    if key != "trades"
}


def answer(body: object, status: int = 200) -> Response:
    return Response(status=status, body=json.dumps(body).encode())


def failure(name: object, status: int) -> Response:
    return answer({"error": {"name": name, "message": "it says why"}}, status)


def test_bodies_of_the_documents_are_themselves_again() -> None:
    for kind, body in ((SingleOrder, SINGLE), (ListedOrder, LISTED)):
        assert json.loads(encode(decode(kind, json.dumps(body), "an order"), decimals="string")) == body


def test_an_ioc_order_that_filled_in_part_is_done_and_has_expired() -> None:
    assert wire.order_report(answer(SINGLE), IDS, OURS) == OrderReport(
        client_order_id=OURS,
        venue_order_id="C0101000007408440032",
        status=OrderStatus.EXPIRED,
        reason="the rest didn't fill at once",
        fills=(
            Fill(
                fill_id="C0101000000001",
                quantity=Decimal("0.3"),
                price=Decimal(90_000_000),
                fee=Decimal(10_800),
                fee_asset="KRW",
            ),
        ),
    )


def test_only_the_venue_says_that_there_is_no_such_order() -> None:
    assert wire.order_report(failure("order_not_found", 404), IDS, OURS) is None
    for other in (failure("order_not_ready", 422), failure("internal", 500), failure("", 429), failure(17, 200)):
        with pytest.raises(VenueError):
            wire.order_report(other, IDS, OURS)


def test_an_order_is_acknowledged_with_the_id_of_the_second_api() -> None:
    placed = {"order_id": "C1", "market": "KRW-BTC", "side": "bid", "order_type": "limit", "created_at": "now"}
    assert wire.acknowledgement(answer(placed, 201), OURS) == OrderReport(
        client_order_id=OURS, venue_order_id="C1", status=OrderStatus.OPEN
    )
    with pytest.raises(WireError):
        wire.acknowledgement(answer({"uuid": "C1"}, 201), OURS)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("invalid_parameter", 400),
        ("invalid_price", 400),
        ("under_price_limit_ask", 400),
        ("cross_trading", 400),
        ("expired_jwt", 401),
        ("NotAllowIP", 401),
        ("blocked_member_id", 403),
    ],
)
def test_a_refusal_of_the_documents_is_a_rejection(name: str, status: int) -> None:
    with pytest.raises(OrderRejected, match=name):
        wire.acknowledgement(failure(name, status), OURS)


@pytest.mark.parametrize(("name", "status"), [("order_not_ready", 422), ("server_error", 500), (5600, 200)])
def test_whatever_else_an_order_is_answered_its_fate_is_unknown(name: object, status: int) -> None:
    with pytest.raises(VenueError) as caught:
        wire.acknowledgement(failure(name, status), OURS)
    assert not isinstance(caught.value, OrderRejected)


def test_a_cancel_of_an_order_that_is_done_is_no_error() -> None:
    wire.cancelled(answer({"order_id": "C1"}), OURS)
    wire.cancelled(failure("order_not_found", 404), OURS)
    with pytest.raises(VenueError, match="order_not_ready"):
        wire.cancelled(failure("order_not_ready", 422), OURS)


def test_lists_come_in_pages() -> None:
    page = wire.page_of_orders(answer({"data": [LISTED], "has_next": True, "next_key": "k"}), IDS, "bithumb")
    assert page.next_key == "k"
    assert [one.filled for one in page.updates] == [Decimal("0.3")]
    assert [one.order.client_order_id for one in page.orders] == [OURS]
    for last in ({"has_next": False, "next_key": "k"}, {"has_next": True, "next_key": ""}, {"next_key": "k"}, {}):
        assert wire.page_of_orders(answer({"data": []} | last), IDS, "bithumb").next_key is None
    with pytest.raises(WireError):
        wire.page_of_orders(answer([LISTED]), IDS, "bithumb")


def test_orders_by_their_ids_come_as_a_list_or_as_a_page() -> None:
    for body in ([LISTED], {"data": [LISTED]}):
        found = wire.orders_by_id(answer(body), IDS, "bithumb")
        assert [one.venue_order_id for one in found.updates] == ["C0101000007408440032"]
    with pytest.raises(VenueError, match="out_of_scope"):
        wire.orders_by_id(failure("out_of_scope", 401), IDS, "bithumb")


def chance(price_unit: object, state: str = "active") -> dict[str, Any]:
    return {
        "bid_fee": "0.0025",
        "ask_fee": "0.0025",
        "maker_bid_fee": "0.0025",
        "maker_ask_fee": "0.0025",
        "market": {
            "id": "KRW-BTC",
            "bid": {"currency": "KRW", "price_unit": price_unit, "min_total": "5000"},
            "ask": {"currency": "BTC", "price_unit": price_unit, "min_total": "5000"},
            "max_total": "1000000000",
            "state": state,
        },
    }


def test_a_market_is_an_instrument_with_the_step_that_its_conditions_tell() -> None:
    listing = Listing(symbol="BTCKRW", base="BTC", quote="KRW")
    for unit, step in (("500", Decimal(500)), (None, Decimal(1000))):
        conditions = wire.chance(answer(chance(unit, "active" if unit else "paused")))
        found = wire.instruments(
            [listing],
            "bithumb",
            last_prices={"KRW-BTC": Decimal(90_000_000)},
            chances={"KRW-BTC": conditions},
        )["BTCKRW"]
        assert found.rules.tick_at(Decimal(90_000_000)) == step
        assert found.rules.tick_at(Decimal(7000)) == Decimal(5)
        assert (found.maker_fee_bps, found.taker_fee_bps) == (Decimal(25), Decimal(25))
        assert found.status is (InstrumentStatus.TRADING if unit else InstrumentStatus.HALTED)


def test_a_market_list_is_read_with_its_warning() -> None:
    body = [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin", "market_warning": "CAUTION"}]
    known = wire.markets(answer(body))
    assert json.loads(encode(known)) == body
    assert [one.symbol for one in wire.listings(known, ())] == ["BTCKRW"]


@given(price=st.decimals(min_value="0.0001", max_value=10**10, places=8))
def test_a_price_rounded_either_way_may_be_sent(price: Decimal) -> None:
    rules = wire.trading_rules("KRW")
    assert rules is not None
    low, high = rules.floor_price(price), rules.ceil_price(price)
    assert low <= price <= high
    assert rules.has_price(low)
    assert rules.has_price(high)
    assert high - low in (0, rules.tick_at(price))


def test_rules_are_those_of_the_quote_asset() -> None:
    check_ticks(wire.KRW_TICKS)
    won = wire.trading_rules("KRW")
    assert won is not None
    assert (won.min_notional, won.lot_size) == (Decimal(5000), Decimal("0.00000001"))
    assert wire.trading_rules("USDT") is None
