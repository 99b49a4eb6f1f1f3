"""What Upbit's answers are to the engine: orders and their fills, errors, balances, instruments."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import (
    EXACT,
    ZERO,
    Fill,
    InstrumentStatus,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
    VenueError,
    VenueOrder,
    floor_to,
)
from trioarb.venue import Response, WireError
from trioarb_upbit import wire
from trioarb_upbit.dialect.order import _shares
from trioarb_upbit.dialect.struct import decode, encode
from trioarb_upbit.wire.answer import UpbitOrder

IDS = wire.CLIENT_IDS
OURS = "18e3a-0f00ba-7"


def answer(body: object, status: int = 200) -> Response:
    return Response(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode())


def failure(name: object, status: int = 400, message: str = "it says why") -> Response:
    return answer({"error": {"name": name, "message": message}}, status)


def trade(number: int, price: str, volume: str) -> dict[str, str]:
    return {
        "market": "KRW-BTC",
        "uuid": f"trade-{number}",
        "price": price,
        "volume": volume,
        "funds": str(Decimal(price) * Decimal(volume)),
        "trend": "up",
        "created_at": "2026-11-29T12:00:00+09:00",
        "side": "bid",
    }


ORDER: dict[str, Any] = {
    "uuid": "order-1",
    "side": "bid",
    "ord_type": "limit",
    "price": "90000000",
    "state": "cancel",
    "market": "KRW-BTC",
    "created_at": "2026-11-29T12:00:00+09:00",
    "volume": "0.5",
    "remaining_volume": "0.2",
    "reserved_fee": "22500",
    "remaining_fee": "9000",
    "paid_fee": "13499.5",
    "locked": "18009000",
    "executed_volume": "0.3",
    "executed_funds": "26999000",
    "trades_count": 2,
    "time_in_force": "ioc",
    "identifier": IDS.encode(OURS),
    "smp_type": "cancel_taker",
    "prevented_volume": "0",
    "prevented_locked": "0",
    "trades": [trade(1, "90000000", "0.2"), trade(2, "89990000", "0.1")],
}


def report(**changes: object) -> OrderReport:
    found = wire.order_report(answer(ORDER | changes), IDS, OURS)
    assert found is not None
    return found


def test_an_order_comes_with_every_fill_and_its_share_of_the_fee() -> None:
    assert report() == OrderReport(
        client_order_id=OURS,
        venue_order_id="order-1",
        status=OrderStatus.EXPIRED,
        reason="ioc",
        fills=(
            Fill(
                fill_id="trade-1",
                quantity=Decimal("0.2"),
                price=Decimal(90_000_000),
                fee=Decimal(9000),
                fee_asset="KRW",
            ),
            Fill(
                fill_id="trade-2",
                quantity=Decimal("0.1"),
                price=Decimal(89_990_000),
                fee=Decimal("4499.5"),
                fee_asset="KRW",
            ),
        ),
    )


def test_a_body_about_an_order_is_itself_again() -> None:
    assert json.loads(encode(decode(UpbitOrder, json.dumps(ORDER), "an order"), decimals="string")) == ORDER


@given(
    fee=st.decimals(min_value=0, max_value=10**9, places=12, allow_nan=False),
    parts=st.lists(
        st.tuples(
            st.decimals(min_value="0.00000001", max_value=10**9, places=8),
            st.decimals(min_value="0.00000001", max_value=10**9, places=8),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_shares_of_a_fee_are_the_fee_to_the_last_digit_and_none_is_below_zero(
    fee: Decimal, parts: list[tuple[Decimal, Decimal]]
) -> None:
    trades = [trade(number, format(price, "f"), format(volume, "f")) for number, (price, volume) in enumerate(parts)]
    executed = sum((volume for _, volume in parts), ZERO)
    found = report(
        ord_type="price",
        volume=None,
        remaining_volume=None,
        executed_volume=format(executed, "f"),
        paid_fee=format(fee, "f"),
        trades=trades,
    )
    fees = [fill.fee for fill in found.fills]
    total = ZERO
    for one in fees:
        total = EXACT.add(total, one)
    assert total == fee
    assert min(fees) >= 0
    values = [EXACT.multiply(price, volume) for price, volume in parts]
    for one, value in zip(fees, values, strict=True):
        assert one == pytest.approx(fee * value / sum(values, ZERO), abs=Decimal("1.1e-8"))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": "wait"}, OrderStatus.OPEN),
        ({"state": "watch"}, OrderStatus.OPEN),
        ({"state": "cancel", "time_in_force": None}, OrderStatus.CANCELLED),
        ({"state": "cancel", "time_in_force": "fok"}, OrderStatus.EXPIRED),
        ({"state": "done", "volume": "0.3", "remaining_volume": "0"}, OrderStatus.FILLED),
        ({"state": "done", "ord_type": "price", "volume": None, "remaining_volume": None}, OrderStatus.FILLED),
        ({"state": "cancel", "ord_type": "price", "volume": None, "time_in_force": None}, OrderStatus.CANCELLED),
    ],
)
def test_each_state_is_one_of_the_engine(changes: dict[str, object], status: OrderStatus) -> None:
    assert report(**changes).status is status


def test_a_state_that_nobody_knows_is_an_error() -> None:
    for state in ("paused", "", None):
        with pytest.raises(WireError):
            report(state=state)


def test_an_order_whose_trades_are_not_all_told_is_asked_for_again() -> None:
    for trades in ([], ORDER["trades"][:1]):
        with pytest.raises(VenueError, match="to be asked for again"):
            report(trades=trades)


def test_trades_without_a_fee_or_a_value_are_an_error() -> None:
    with pytest.raises(WireError, match="no paid_fee"):
        report(paid_fee=None)
    with pytest.raises(WireError, match="worth nothing"):
        report(trades=[trade(1, "0", "0.3")])


def test_only_the_venue_says_that_there_is_no_such_order() -> None:
    assert wire.order_report(failure("order_not_found", 404), IDS, OURS) is None
    others = [
        failure("order_not_found", 500),
        failure("deposit_not_found", 404),
        failure("", 404),
        answer(b"<html>not found</html>", 404),
        failure("too_many_requests", 429),
        failure("jwt_verification", 401),
        answer(b"", 504),
    ]
    for other in others:
        with pytest.raises(VenueError):
            wire.order_report(other, IDS, OURS)
    for unread in (b"", b"{}", b"[]", b"null"):
        with pytest.raises(WireError):
            wire.order_report(answer(unread), IDS, OURS)


def test_an_order_that_was_placed_is_acknowledged_and_no_more() -> None:
    placed = {key: value for key, value in ORDER.items() if key != "trades"} | {"state": "wait"}
    for body in (placed, {"uuid": "order-1"}):
        assert wire.acknowledgement(answer(body, 201), OURS) == OrderReport(
            client_order_id=OURS, venue_order_id="order-1", status=OrderStatus.OPEN
        )


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("insufficient_funds_bid", 400),
        ("insufficient_funds_ask", 400),
        ("under_min_total_bid", 400),
        ("over_max_total_ask", 400),
        ("invalid_price_bid", 400),
        ("create_ask_error", 400),
        ("create_bid_error", 400),
        ("validation_error", 400),
        ("invalid_query_payload", 401),
        ("jwt_verification", 401),
        ("expired_access_key", 401),
        ("no_authorization_ip", 401),
        ("out_of_scope", 403),
        ("too_many_requests", 429),
        ("", 429),
        ("", 418),
        ("insufficient_funds_bid", 200),
    ],
)
def test_a_refusal_of_the_documents_is_a_rejection(name: str, status: int) -> None:
    with pytest.raises(OrderRejected, match=OURS):
        wire.acknowledgement(failure(name, status), OURS)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("nonce_used", 401),
        ("order_not_found", 404),
        ("duplicated_identifier", 400),
        ("a_new_one", 400),
        ("insufficient_funds_bid", 500),
        ("create_order", 400),
        ("", 502),
        (17, 200),
    ],
)
def test_whatever_else_an_order_is_answered_its_fate_is_unknown(name: object, status: int) -> None:
    with pytest.raises(VenueError) as caught:
        wire.acknowledgement(failure(name, status), OURS)
    assert not isinstance(caught.value, OrderRejected)


@pytest.mark.parametrize("body", [b"", b"ok", b"{}", b'{"uuid": 7}', b"<html>"])
def test_an_acknowledgement_that_cannot_be_read_leaves_the_fate_unknown(body: bytes) -> None:
    with pytest.raises(WireError):
        wire.acknowledgement(answer(body, 201), OURS)


def test_reads_never_say_that_an_order_was_rejected() -> None:
    for response in (failure("out_of_scope", 403), failure("", 429)):
        with pytest.raises(VenueError) as caught:
            wire.balances(response)
        assert not isinstance(caught.value, OrderRejected)


def test_an_error_is_told_in_few_words() -> None:
    with pytest.raises(VenueError, match="the balances: out_of_scope") as caught:
        wire.balances(failure("out_of_scope", 403, "x" * 10_000))
    assert len(str(caught.value)) < 300


def test_too_many_requests_and_a_ban_are_told_apart() -> None:
    kinds = [wire.failure_of(answer(b"", status)) for status in (200, 429, 418, 503)]
    assert [kind and kind.kind for kind in kinds] == [
        None,
        wire.FailureKind.LIMITED,
        wire.FailureKind.BANNED,
        wire.FailureKind.UNKNOWN,
    ]


def test_a_cancel_of_an_order_that_is_done_is_no_error() -> None:
    wire.cancelled(answer(ORDER), OURS)
    wire.cancelled(failure("order_not_found", 404), OURS)
    for response in (failure("", 500), failure("too_many_requests", 429), failure("out_of_scope", 403)):
        with pytest.raises(VenueError):
            wire.cancelled(response, OURS)


def test_a_list_tells_how_much_is_filled_and_no_fills() -> None:
    listed = {key: value for key, value in ORDER.items() if key != "trades"}
    assert wire.order_updates(answer([listed, listed | {"identifier": None, "state": "wait"}]), IDS) == (
        OrderUpdate(
            client_order_id=OURS,
            venue_order_id="order-1",
            status=OrderStatus.EXPIRED,
            filled=Decimal("0.3"),
            reason="ioc",
        ),
        OrderUpdate(client_order_id="order-1", venue_order_id="order-1", filled=Decimal("0.3")),
    )


def remembered(**changes: object) -> VenueOrder:
    listed = {key: value for key, value in ORDER.items() if key != "trades"}
    (found,) = wire.venue_orders(answer([listed | changes]), IDS, "upbit")
    return found


def test_the_venue_remembers_an_order_as_it_was_sent() -> None:
    sent = Order(
        client_order_id=OURS,
        venue="upbit",
        symbol="BTCKRW",
        side=Side.BUY,
        quantity=Decimal("0.5"),
        limit_price=Decimal(90_000_000),
    )
    assert remembered() == VenueOrder(order=sent, report=None)
    empty = remembered(executed_volume="0", remaining_volume="0.5")
    assert empty.report is not None
    assert (empty.report.status, empty.report.fills) == (OrderStatus.EXPIRED, ())
    assert remembered(executed_volume="0", state="wait").report is None


@pytest.mark.parametrize(
    ("changes", "kind", "time", "quantity", "amount"),
    [
        ({"ord_type": "price", "volume": None, "time_in_force": None}, "market", "ioc", 0, 90_000_000),
        ({"ord_type": "market", "price": None, "side": "ask", "time_in_force": None}, "market", "ioc", "0.5", 0),
        ({"ord_type": "best", "price": None, "side": "ask", "time_in_force": "fok"}, "market", "fok", "0.5", 0),
        ({"time_in_force": "post_only"}, "limit", "gtc", "0.5", 0),
        ({"time_in_force": None}, "limit", "gtc", "0.5", 0),
        ({"time_in_force": "fok"}, "limit", "fok", "0.5", 0),
    ],
)
def test_each_type_that_the_venue_remembers_is_an_order_of_the_engine(
    changes: dict[str, object], kind: str, time: str, quantity: str, amount: int
) -> None:
    order = remembered(**changes).order
    assert (order.type, order.time_in_force) == (OrderType(kind), TimeInForce(time))
    assert (order.quantity, order.amount) == (Decimal(quantity), Decimal(amount))
    assert order.post_only == (changes.get("time_in_force") == "post_only")
    assert order.problem() == ""


def test_balances_are_free_and_locked_together() -> None:
    accounts = [
        {"currency": "KRW", "balance": "1000000.5", "locked": "0.0000000001", "avg_buy_price": "0"},
        {"currency": "BTC", "balance": "2.0", "locked": "0.0", "unit_currency": "KRW", "avg_buy_price_modified": False},
        {"currency": "ETH", "balance": "0", "locked": "0.0"},
    ]
    assert wire.balances(answer(accounts)) == {"KRW": Decimal("1000000.5000000001"), "BTC": Decimal(2)}
    with pytest.raises(WireError, match="BTC is told of twice"):
        wire.balances(answer([accounts[1], accounts[1]]))
    with pytest.raises(WireError, match="balance is NaN"):
        wire.balances(answer([accounts[1] | {"balance": "NaN"}]))


CHANCE: dict[str, Any] = {
    "bid_fee": "0.0005",
    "ask_fee": "0.0005",
    "maker_bid_fee": "0.0004",
    "maker_ask_fee": "0.0003",
    "market": {
        "id": "KRW-BTC",
        "name": "BTC/KRW",
        "order_types": [],
        "order_sides": ["ask", "bid"],
        "bid_types": ["limit", "price", "best_fok"],
        "ask_types": ["limit", "market"],
        "bid": {"currency": "KRW", "min_total": "5000"},
        "ask": {"currency": "BTC", "min_total": "5500"},
        "max_total": "1000000000",
        "state": "active",
    },
    "bid_account": {"currency": "KRW", "balance": "0", "locked": "0"},
    "ask_account": {"currency": "BTC", "balance": "0", "locked": "0"},
}
LISTING = Listing(symbol="BTCKRW", base="BTC", quote="KRW")


def test_a_market_is_an_instrument_with_the_accounts_own_fees() -> None:
    conditions = wire.chance(answer(CHANCE))
    tick_sizes = wire.ticks(answer([{"market": "KRW-BTC", "quote_currency": "KRW", "tick_size": "500"}]))
    found = wire.instruments(
        [LISTING, Listing(symbol="BTCSGD", base="BTC", quote="SGD")],
        "upbit",
        tick_sizes=tick_sizes,
        last_prices={"KRW-BTC": Decimal(90_000_000)},
        chances={"KRW-BTC": conditions},
    )
    assert found.keys() == {"BTCKRW"}  # nobody knows the step of the other's prices
    bitcoin = found["BTCKRW"]
    assert (bitcoin.native_id, bitcoin.base, bitcoin.quote) == ("KRW-BTC", "BTC", "KRW")
    assert (bitcoin.maker_fee_bps, bitcoin.taker_fee_bps) == (Decimal(4), Decimal(5))
    assert bitcoin.rules.min_notional == Decimal(5500)
    assert bitcoin.rules.tick_at(Decimal(90_000_000)) == Decimal(500)
    assert bitcoin.status is InstrumentStatus.TRADING


def test_without_the_accounts_conditions_fees_are_the_usual_ones() -> None:
    bitcoin = Listing(symbol="XRPBTC", base="XRP", quote="BTC")
    found = wire.instruments([LISTING, bitcoin], "upbit", tick_sizes={}, last_prices={}, chances={})
    assert [one.taker_fee_bps for one in found.values()] == [Decimal(5), Decimal(25)]


@pytest.mark.parametrize("state", ["delisted", "preview", "a new one", ""])
def test_a_market_that_is_not_active_is_halted(state: str) -> None:
    conditions = wire.chance(answer(CHANCE | {"market": CHANCE["market"] | {"state": state}}))
    found = wire.instruments([LISTING], "upbit", tick_sizes={}, last_prices={}, chances={"KRW-BTC": conditions})
    assert found["BTCKRW"].status is InstrumentStatus.HALTED


def test_prices_books_and_volumes_are_read_by_market() -> None:
    price = {
        "market": "KRW-BTC",
        "trade_price": 90000000,
        "timestamp": 1_790_000_000_123,
        "acc_trade_price_24h": 125000000000.12345678,
        "acc_trade_volume_24h": 1388.88888889,
    }
    markets = [
        {"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"},
        {"market": "BTC-XRP", "korean_name": "리플", "english_name": "XRP"},
    ]
    found = wire.listings(wire.markets(answer(markets)), wire.prices(answer([price])))
    assert [(one.symbol, one.volume_24h_quote) for one in found] == [
        ("BTCKRW", Decimal("125000000000.12346")),
        ("XRPBTC", None),
    ]
    unit = {"ask_price": 101.0, "bid_price": 100.0, "ask_size": 1.0, "bid_size": 2.0}
    book = {"market": "KRW-BTC", "timestamp": 5, "orderbook_units": [unit]}
    assert wire.books(answer([book]))["KRW-BTC"].bids == (100.0,)
    for name in ("KRWBTC", "KRW-", "-BTC", "KRW-BTC-X"):
        with pytest.raises(WireError, match="expected QUOTE-BASE"):
            wire.listings(wire.markets(answer([markets[0] | {"market": name}])), ())


@pytest.mark.parametrize(
    ("text", "remaining"),
    [
        ("group=default; min=1800; sec=29", wire.Remaining(group="default", requests=29)),
        ("group=order;sec=0", wire.Remaining(group="order", requests=0)),
        ("sec=29", None),
        ("group=default; sec=many", None),
        ("group=default; sec=-1", None),
        ("", None),
    ],
)
def test_what_is_left_of_a_limit_is_read_from_an_answer(text: str, remaining: wire.Remaining | None) -> None:
    assert wire.remaining_of({"remaining-req": text}) == remaining
    assert wire.remaining_of({}) is None


@pytest.mark.parametrize("rate", ["0.0005", "0.0004", "0.00139", "0.0025"])
def test_fees_that_were_rounded_trade_by_trade_are_shared_out_as_they_were_charged(rate: str) -> None:
    """As the stream told them: a fill that was heard there and one that is asked for come to what was paid."""
    values = [Decimal("125793.33531") * Decimal("1.00149099"), Decimal("60058.2799511"), Decimal("9999999.98765432")]
    charged = [floor_to(value * Decimal(rate), Decimal("1e-8")) for value in values]
    assert _shares(sum(charged, ZERO), values) == charged
