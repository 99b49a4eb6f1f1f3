"""What became of orders, as Binance says it; what its errors mean; what it says of limits."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trioarb.api import Fill, OrderRejected, OrderStatus, OrderType, SelfTrade, Side, TimeInForce, VenueError
from trioarb.venue import Response, WireError
from trioarb_binance.wire.account_body import Account, KeyPermissions
from trioarb_binance.wire.account_message import (
    AccountPosition,
    Answer,
    Event,
    EventStreamTerminated,
    ExecutionReport,
    UnknownEvent,
    decode_api,
)
from trioarb_binance.wire.body import decode
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.failure import Failure, Meaning, failure_of, failure_of_answer
from trioarb_binance.wire.limits import LimitKind, Used, retry_after_seconds, used_in_answer, used_of
from trioarb_binance.wire.order_body import OrderBody, Trade
from trioarb_binance.wire.reports import needs_trades, order_of, report_of, update_of, update_of_event

FIXTURES = Path(__file__).parents[3].parent / "shared" / "data" / "fixtures" / "binance"
OURS = "1816687ec0570000-90d316-r2-17"
THEIRS = CLIENT_IDS.encode(OURS)

BODY: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": THEIRS,
    "price": "4000.00",
    "origQty": "3.0",
    "executedQty": "0.0",
    "origQuoteOrderQty": "0.0",
    "cummulativeQuoteQty": "0.0",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "selfTradePreventionMode": "EXPIRE_MAKER",
}
FILL = {"price": "4000.00", "qty": "1.0", "commission": "0.001", "commissionAsset": "BNB", "tradeId": 56}
TRADE = {
    "symbol": "BTCUSDT",
    "id": 56,
    "orderId": 28,
    "price": "4000.00",
    "qty": "1.0",
    "commission": "0.001",
    "commissionAsset": "BNB",
    "time": 1,
    "isMaker": False,
}


def body(**changes: object) -> OrderBody:
    return decode(OrderBody, json.dumps(BODY | changes).encode())


def trade(**changes: object) -> Trade:
    return decode(Trade, json.dumps(TRADE | changes).encode())


def event(**changes: object) -> ExecutionReport:
    fields = {
        "e": "executionReport",
        "E": 1,
        "s": "BTCUSDT",
        "c": THEIRS,
        "S": "BUY",
        "o": "LIMIT",
        "f": "IOC",
        "q": "3.0",
        "p": "4000.00",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 28,
        "l": "0.0",
        "z": "0.0",
        "L": "0.0",
        "n": "0",
        "N": None,
        "T": 1,
        "t": -1,
        "C": "",
    }
    message = json.dumps({"subscriptionId": 0, "event": fields | changes})
    decoded = decode_api(message)
    assert isinstance(decoded, Event)
    assert isinstance(decoded.event, ExecutionReport)
    return decoded.event


STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_in_each_kind_of_answer(status: str) -> None:
    assert report_of(body(status=status), quote="USDT").status is STATUSES[status]
    assert update_of(body(status=status)).status is STATUSES[status]
    assert update_of_event(event(X=status), quote="USDT").status is STATUSES[status]


@pytest.mark.parametrize("status", ["", "new", "SUSPENDED", "CANCELLED"])
def test_a_status_that_is_not_known_makes_the_order_unknown(status: str) -> None:
    """V-7."""
    for read in (
        lambda: report_of(body(status=status), quote="USDT"),
        lambda: update_of(body(status=status)),
        lambda: update_of_event(event(X=status), quote="USDT"),
    ):
        with pytest.raises(WireError) as raised:
            read()
        assert not isinstance(raised.value, OrderRejected)


def test_an_answer_with_its_fills() -> None:
    filled = body(status="FILLED", executedQty="3.0", fills=[FILL, {**FILL, "tradeId": 57, "qty": "2.0"}])
    report = report_of(filled, quote="USDT")
    assert (report.client_order_id, report.venue_order_id, report.status) == (OURS, "28", OrderStatus.FILLED)
    assert report.fills[0] == Fill(
        fill_id="56", quantity=Decimal("1.0"), price=Decimal("4000.00"), fee=Decimal("0.001"), fee_asset="BNB"
    )
    assert report.filled == 3
    assert not needs_trades(filled)


def test_an_acknowledgement_is_of_an_open_order() -> None:
    fields = {name: BODY[name] for name in ("symbol", "orderId", "clientOrderId")}
    acknowledged = decode(OrderBody, json.dumps({**fields, "transactTime": 1}).encode())
    assert report_of(acknowledged, quote="USDT").status is OrderStatus.OPEN
    with pytest.raises(WireError, match="status"):
        update_of(acknowledged)


def test_a_query_counts_fills_that_only_trades_tell() -> None:
    expired = body(status="EXPIRED", executedQty="1.0", expiryReason="EXECUTION_RULE_PRICE_RANGE_EXCEEDED")
    assert needs_trades(expired)
    with pytest.raises(WireError, match="trades"):
        report_of(expired, quote="USDT")
    with pytest.raises(WireError, match="trades"):
        report_of(expired, quote="USDT", trades=[trade(qty="0.5")])
    report = report_of(expired, quote="USDT", trades=[trade(orderId=29, id=55), trade()])
    assert [one.fill_id for one in report.fills] == ["56"]
    assert report.reason == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    assert update_of(expired).filled == 1


def test_fills_are_the_same_in_each_kind_of_answer() -> None:
    by_answer = report_of(body(executedQty="1.0", status="PARTIALLY_FILLED", fills=[FILL]), quote="USDT")
    by_trades = report_of(body(executedQty="1.0", status="PARTIALLY_FILLED"), quote="USDT", trades=[trade()])
    told = event(x="TRADE", X="PARTIALLY_FILLED", l="1.0", z="1.0", L="4000.00", n="0.001", N="BNB", t=56)
    by_event = update_of_event(told, quote="USDT")
    assert by_answer.fills == by_trades.fills == by_event.fills
    assert by_event.filled == 1


def test_a_fill_without_what_it_needs_is_none() -> None:
    without_id = {name: value for name, value in FILL.items() if name != "tradeId"}
    with pytest.raises(WireError, match="id"):
        report_of(body(executedQty="1.0", fills=[without_id]), quote="USDT")
    for changes in ({"t": -1}, {"l": "0"}, {"L": "0"}, {"n": "0.1", "N": None}):
        fill = {"x": "TRADE", "X": "FILLED", "l": "1.0", "z": "1.0", "L": "4000", "n": "0", "N": "BNB", "t": 56}
        with pytest.raises(WireError):
            update_of_event(event(**fill | changes), quote="USDT")


def test_a_fee_of_nothing_in_no_asset_is_one_of_quote_asset() -> None:
    told = event(x="TRADE", X="FILLED", l="3.0", z="3.0", L="4000.00", n="0", N=None, t=56)
    assert update_of_event(told, quote="USDT").fills[0].fee_asset == "USDT"


def test_whose_a_cancelled_order_is() -> None:
    cancelled = event(x="CANCELED", X="CANCELED", c="a-cancellation", C=THEIRS)
    assert update_of_event(cancelled, quote="USDT").client_order_id == OURS
    answered = body(status="CANCELED", clientOrderId="a-cancellation", origClientOrderId=THEIRS)
    assert report_of(answered, quote="USDT").client_order_id == OURS
    assert update_of_event(event(c="by-hand"), quote="USDT").client_order_id == "by-hand"
    assert update_of_event(event(c=""), quote="USDT").client_order_id == "28"


def test_why_an_order_came_to_nothing() -> None:
    rejected = event(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES")
    assert update_of_event(rejected, quote="USDT").reason == "INSUFFICIENT_BALANCES"
    expired = event(x="EXPIRED", X="EXPIRED", eR="UNFILLED_IOC_QUANTITY_EXPIRED")
    assert update_of_event(expired, quote="USDT").reason == "UNFILLED_IOC_QUANTITY_EXPIRED"


def test_orders_as_binance_remembers_them() -> None:
    one = order_of(body(), symbol="BTCUSDT", venue="b")
    assert one is not None
    assert not one.problem()
    assert (one.client_order_id, one.side, one.time_in_force, one.post_only) == (OURS, Side.BUY, TimeInForce.GTC, False)
    assert (one.quantity, one.limit_price, one.self_trade) == (3, 4000, SelfTrade.CANCEL_OLD)
    maker = order_of(body(type="LIMIT_MAKER"), symbol="BTCUSDT", venue="b")
    assert maker is not None
    assert maker.post_only
    assert not maker.problem()
    spent = order_of(body(type="MARKET", price="0.0", origQuoteOrderQty="50.0"), symbol="BTCUSDT", venue="b")
    assert spent is not None
    assert (spent.type, spent.amount, spent.quantity, spent.limit_price) == (OrderType.MARKET, 50, 0, 0)
    # Binance says GTC of market orders, too, as in its own example.
    assert spent.problem() == ""
    assert order_of(body(type="STOP_LOSS_LIMIT"), symbol="BTCUSDT", venue="b") is None
    with pytest.raises(WireError, match="HOLD"):
        order_of(body(side="HOLD"), symbol="BTCUSDT", venue="b")


@pytest.mark.skipif(not FIXTURES.exists(), reason="the shared fixtures are not here")
def test_the_documents_own_answer() -> None:
    answer = decode(OrderBody, (FIXTURES / "new_order_full_response.json").read_bytes())
    report = report_of(answer, quote="USDT")
    assert report.filled == 10
    assert sum(one.fee for one in report.fills) == Decimal("39.98300000")
    account = decode(Account, (FIXTURES / "account_response.json").read_bytes())
    assert account.owned() == {"BTC": Decimal("4723846.89208129"), "LTC": Decimal("4763368.68006011")}
    told = update_of_event(decode(ExecutionReport, (FIXTURES / "execution_report_trade.json").read_bytes()), quote="X")
    assert (told.client_order_id, told.status, told.filled) == ("x-TD67BGP9-T0000000000000", OrderStatus.FILLED, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN", "one"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(WireError, match="Binance"):
        body(price=number)
    with pytest.raises(WireError, match="Binance"):
        event(q=number)


# What errors mean


def failure(status: int, code: int, message: str = "", **headers: str) -> Failure:
    content = json.dumps({"code": code, "msg": message}).encode()
    return failure_of(Response(status=status, headers=headers, body=content))


REFUSED = {
    -1013: "Filter failure: LOT_SIZE",
    -1102: "Mandatory parameter",
    -1111: "Too much precision",
    -1121: "Invalid symbol.",
    -1220: "The symbol's status does not match the requested symbolStatus.",
    -2010: "Account has insufficient balance for requested action.",
    -2019: "Margin is insufficient.",
    -4164: "Order's notional must be no smaller than 5",
    -5022: "Post only",
}


@pytest.mark.parametrize("code", REFUSED)
def test_an_order_that_never_fills(code: int) -> None:
    refused = failure(400, code, REFUSED[code])
    assert refused.meaning is Meaning.REFUSED
    error = refused.of_order()
    assert isinstance(error, OrderRejected)
    assert REFUSED[code] in str(error)
    assert str(code) in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "Account has insufficient balance for requested action.",
        "Market is closed.",
        "Order would immediately match and take.",
        "This account may not place or cancel orders.",
    ],
)
def test_why_a_new_order_was_rejected(message: str) -> None:
    assert isinstance(failure(400, -2010, message).of_order(), OrderRejected)


def test_a_duplicate_is_an_order_that_binance_has() -> None:
    error = failure(400, -2010, "Duplicate order sent.")
    assert error.meaning is Meaning.DUPLICATE
    assert not isinstance(error.of_order(), OrderRejected)


UNKNOWN = [
    *((400, code) for code in (-1000, -1001, -1006, -1007, -1008, -1016, -9999, 0, -2011, -2013, -2026)),
    *((status, code) for status in (500, 502, 503, 504) for code in (-1000, -1007, -1013, -2010, -2013)),
    (403, 0),
]


@pytest.mark.parametrize(("status", "code"), UNKNOWN)
def test_an_order_that_may_have_filled(status: int, code: int) -> None:
    error = failure(status, code, "Send status unknown; execution status unknown.").of_order()
    assert isinstance(error, VenueError)
    assert not isinstance(error, OrderRejected)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 408, 418, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("content", [b"", b"<html>504 Gateway Time-out</html>", b'{"msg":"-2013"}', b"\xff\xfe", b"[]"])
def test_only_binance_itself_says_that_there_is_no_such_order(status: int, content: bytes) -> None:
    assert failure_of(Response(status=status, body=content)).meaning is not Meaning.NO_SUCH_ORDER


def test_no_other_code_says_that_there_is_no_such_order() -> None:
    """V-1."""
    assert failure(400, -2013, "Order does not exist.").meaning is Meaning.NO_SUCH_ORDER
    others = [code for code in range(-9_999, 10_000) if code != -2013]
    assert not [code for code in others if failure(400, code, "Order does not exist.").meaning is Meaning.NO_SUCH_ORDER]
    # "Unknown order sent" to a cancellation is said of orders that are done, too.
    assert failure(400, -2011, "Unknown order sent.").meaning is Meaning.NOT_CANCELLED


def test_what_to_do_before_the_next_request() -> None:
    assert failure(400, -1021, "Timestamp for this request is outside of the recvWindow.").meaning is Meaning.CLOCK
    for code in (-1022, -2014, -2015):
        assert failure(401, code).meaning is Meaning.KEY
    limited = failure(429, -1003, "Too much request weight used", **{"retry-after": "7"})
    assert (limited.meaning, limited.retry_after_seconds) == (Meaning.LIMITED, 7)
    assert isinstance(limited.of_order(), OrderRejected)
    banned = failure(418, -1003, **{"retry-after": "soon"})
    assert (banned.meaning, banned.retry_after_seconds) == (Meaning.BANNED, None)
    assert failure(429, -1015, "Too many new orders").meaning is Meaning.LIMITED


def test_a_long_error_is_cut() -> None:
    assert len(str(failure(400, -1013, "x" * 10_000))) < 400
    assert len(str(failure_of(Response(status=502, body=b"y" * 10_000)))) < 400


# The WebSocket API


RATE_LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 12},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 321},
    {"rateLimitType": "A_NEW_ONE", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 1},
    {"rateLimitType": "ORDERS", "interval": "WEEK", "intervalNum": 1, "limit": 6000, "count": 1},
]


def test_an_answer_with_its_limits() -> None:
    message = {"id": 7, "status": 200, "result": BODY, "rateLimits": RATE_LIMITS}
    answer = decode_api(json.dumps(message))
    assert isinstance(answer, Answer)
    assert isinstance(answer.result, msgspec.Raw)
    assert (answer.id, decode(OrderBody, answer.result).order_id) == (7, 28)
    assert used_in_answer(answer.rate_limits) == (
        Used(kind=LimitKind.ORDERS, seconds=10, used=12, limit=50),
        Used(kind=LimitKind.WEIGHT, seconds=60, used=321, limit=6_000),
    )
    bare = decode_api('{"id":null,"status":200,"result":{}}')
    assert isinstance(bare, Answer)
    assert used_in_answer(bare.rate_limits) == ()


def test_an_answer_that_is_an_error() -> None:
    error = {"code": -1003, "msg": "banned", "data": {"serverTime": 1659142907531, "retryAfter": 1659146400000}}
    answer = decode_api(json.dumps({"id": 7, "status": 418, "error": error, "rateLimits": RATE_LIMITS}))
    assert isinstance(answer, Answer)
    banned = failure_of_answer(answer)
    assert (banned.meaning, banned.retry_after_ms) == (Meaning.BANNED, 1_659_146_400_000)
    none_said = decode_api('{"id":7,"status":500}')
    assert isinstance(none_said, Answer)
    assert failure_of_answer(none_said).meaning is Meaning.UNKNOWN


def test_events_of_an_account() -> None:
    position = decode_api(
        '{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1,"u":1,"B":'
        '[{"a":"ETH","f":"1.5","l":"0.5"},{"a":"BTC","f":"0","l":"0"}]}}'
    )
    assert isinstance(position, Event)
    assert isinstance(position.event, AccountPosition)
    assert position.event.owned() == {"ETH": 2, "BTC": 0}
    ended = decode_api('{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1728973001334}}')
    assert isinstance(ended, Event)
    assert isinstance(ended.event, EventStreamTerminated)
    new = decode_api('{"subscriptionId":0,"event":{"e":"somethingNew","E":1,"x":{}}}')
    assert isinstance(new, UnknownEvent)
    assert new.name == "somethingNew"
    more = decode_api('{"event":{"e":"serverShutdown","E":1,"leadMs":5},"extra":[1]}')
    assert isinstance(more, Event)


@pytest.mark.parametrize(
    "message", ["", "{}", "[]", "null", '{"id":1}', '{"event":3}', '{"event":{"e":"balanceUpdate"}}', "{"]
)
def test_what_no_message_is(message: str) -> None:
    with pytest.raises(WireError):
        decode_api(message)


def test_a_message_that_can_not_be_read_is_not_shown() -> None:
    with pytest.raises(WireError) as raised:
        decode_api('{"id":1,"status":"ok","result":{"apiKey":"an-api-key-in-full"}}')
    assert "an-api-key-in-full" not in str(raised.value)


def test_what_a_key_may_do() -> None:
    permissions = decode(
        KeyPermissions,
        b'{"ipRestrict":true,"createTime":1,"enableReading":true,"enableWithdrawals":false,"somethingNew":true}',
    )
    assert not permissions.enable_withdrawals


def test_what_headers_say_of_limits() -> None:
    response = Response(
        status=200,
        headers={
            "x-mbx-used-weight": "21",
            "x-mbx-used-weight-1m": "21",
            "x-mbx-order-count-10s": "3",
            "x-mbx-order-count-1d": "-4",
            "x-mbx-order-count-1h": "²",
            "x-mbx-used-weight-0m": "1",
        },
    )
    assert used_of(response) == (
        Used(kind=LimitKind.WEIGHT, seconds=60, used=21),
        Used(kind=LimitKind.ORDERS, seconds=10, used=3),
    )
    assert retry_after_seconds(response) is None
