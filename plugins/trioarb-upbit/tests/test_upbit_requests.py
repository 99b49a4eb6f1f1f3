"""Our requests to Upbit beside those of a foreign client, and what no vector asks for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from token_requests import as_request, claims_of, essence, market_of, order_of, query_hash, shared_json

from trioarb.api import Offer, Order, OrderRejected, OrderType, SelfTrade, Side, TimeInForce
from trioarb.venue import Credentials, Request
from trioarb_upbit import wire

NONCE = "4a3e8a66-6ad1-4f3c-8a4b-2f1f5d1f2a90"

#: Where the foreign client and the venue's page differ; the page wins. All else of these requests is compared.
CLIENT_ID_IN_A_QUERY = (
    "it sends `uuid=None&clientOrderId=...`: the page knows neither a uuid of that name nor that parameter, which is "
    "`identifier`"
)


def vectors() -> tuple[Credentials, list[dict[str, Any]]]:
    file = shared_json("wire/vectors/upbit.json")
    return Credentials(api_key=file["key"], secret=file["secret"]), file["vectors"]


def fixtures() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = shared_json("fixtures/order_requests.json")["upbit"]["cases"]
    return cases


def ours(call: str, arguments: list[Any]) -> Request:
    """Return our request for a foreign client's call."""
    more = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    identifier = more.get("clientOrderId")
    match call, arguments:
        case "create_order", _:
            return wire.place_order(order_of(arguments), market_of(arguments[0]), identifier=identifier)
        case "cancel_order", [uuid, *_]:
            return wire.cancel_order(uuid=uuid, identifier=identifier)
        case "fetch_order", [uuid, *_]:
            return wire.get_order(uuid=uuid, identifier=identifier)
        case "fetch_open_orders", [symbol]:
            return wire.get_open_orders(market=market_of(symbol))
        case "fetch_closed_orders", [symbol, since, limit]:
            return wire.get_closed_orders(market=market_of(symbol), states=("done",), start_ms=since, limit=limit)
        case "fetch_order_book", [symbol, depth]:
            return wire.get_books([market_of(symbol)], depth=depth)
        case "fetch_trading_fee", [symbol]:
            return wire.get_chance(market_of(symbol))
        case "fetch_balance", []:
            return wire.get_accounts()
        case "fetch_trading_fees", []:
            return wire.get_markets(with_details=False)
    raise AssertionError(f"no request of ours for {call} {arguments}")


def differs(vector: dict[str, Any]) -> str:
    """Return why a vector isn't what the page says, '' where it is."""
    return CLIENT_ID_IN_A_QUERY if "uuid=None&clientOrderId=" in vector["request"]["url"] else ""


def test_every_request_of_the_foreign_client_is_ours_too() -> None:
    _, known = vectors()
    compared = 0
    for vector in known:
        built, theirs = ours(vector["call"], vector["args"]), as_request(vector["request"])
        if differs(vector):
            assert (built.method, built.path) == (theirs.method, theirs.path)
            assert parse_qsl(built.query) == [("identifier", dict(parse_qsl(theirs.query))["clientOrderId"])]
        else:
            assert essence(built) == essence(theirs), vector["args"]
            compared += 1
    assert compared == 94


def test_where_page_and_foreign_client_differ_is_no_more_than_one_in_twenty() -> None:
    _, known = vectors()
    different = [vector for vector in known if differs(vector)]
    assert len(different) == 5
    assert len(different) / (len(known) + len(fixtures())) <= 0.05


def test_the_token_of_each_request_is_what_the_foreign_client_made_to_the_last_bit() -> None:
    credentials, known = vectors()
    for vector in known:
        theirs = vector["request"]
        if "Authorization" not in theirs["headers"]:
            continue
        nonce = claims_of(theirs["headers"])["nonce"]
        again = wire.signed(as_request(theirs), credentials, nonce=nonce)
        assert again.headers["Authorization"] == theirs["headers"]["Authorization"]


def test_our_own_requests_are_signed_for_their_own_parameters() -> None:
    credentials, known = vectors()
    for vector in known:
        if "Authorization" not in vector["request"]["headers"]:
            continue
        theirs = claims_of(vector["request"]["headers"])
        request = wire.signed(ours(vector["call"], vector["args"]), credentials, nonce=theirs["nonce"])
        claims = claims_of(dict(request.headers))
        assert claims.get("query_hash") == query_hash(request)
        assert claims.keys() == theirs.keys()
        assert {key: value for key, value in claims.items() if key != "query_hash"} == {
            key: value for key, value in theirs.items() if key != "query_hash"
        }


def test_requests_of_the_foreign_clients_own_tests_are_ours_too() -> None:
    for case in fixtures():
        arguments = case["input"]
        if case["method"] == "cancelOrder":
            theirs = Request(method="DELETE", path="/v1/order", query=case["url"].partition("?")[2])
            assert essence(wire.cancel_order(uuid=arguments[0])) == essence(theirs)
        else:
            theirs = Request(method="POST", path="/v1/orders", body=case["output"].encode())
            built = wire.place_order(order_of(arguments), market_of(arguments[0]), identifier=None)
            assert essence(built) == essence(theirs), case["description"]


# What no vector asks for.

CREDENTIALS = Credentials(api_key="the-key", secret="the-secret")


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": "18e3a-0f00ba-7",
        "venue": "upbit",
        "symbol": "BTCKRW",
        "side": Side.BUY,
        "quantity": Decimal("0.5"),
        "limit_price": Decimal("90000000"),
    }
    return Order(**(values | changes))


def body(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body)
    return found


def market_order(**changes: Any) -> Order:
    return order(**({"limit_price": Decimal(0), "type": OrderType.MARKET} | changes))


def test_each_order_that_the_venue_has_is_told_in_its_words() -> None:
    assert body(wire.place_order(order(), "KRW-BTC", identifier="x7")) == {
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "limit",
        "price": "90000000",
        "volume": "0.5",
        "time_in_force": "ioc",
        "identifier": "x7",
    }
    rests = order(time_in_force=TimeInForce.GTC)
    assert "time_in_force" not in body(wire.place_order(rests, "KRW-BTC", identifier="x7"))
    cheap = order(quantity=Decimal("1E+4"), limit_price=Decimal("1.20E-7"), side=Side.SELL)
    assert body(wire.place_order(cheap, "BTC-XRP", identifier=None)) == {
        "market": "BTC-XRP",
        "side": "ask",
        "ord_type": "limit",
        "price": "0.00000012",
        "volume": "10000",
        "time_in_force": "ioc",
    }


def test_a_market_buy_takes_money_and_a_market_sell_takes_a_quantity() -> None:
    buy = market_order(quantity=Decimal(0), amount=Decimal("5000"))
    sell = market_order(side=Side.SELL)
    assert body(wire.place_order(buy, "KRW-BTC", identifier=None)) == {
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "price",
        "price": "5000",
    }
    assert body(wire.place_order(sell, "KRW-BTC", identifier=None)) == {
        "market": "KRW-BTC",
        "side": "ask",
        "ord_type": "market",
        "volume": "0.5",
    }


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (market_order(), "needs an amount of money"),
        (market_order(side=Side.SELL, time_in_force=TimeInForce.FOK), "all or nothing"),
        (order(reduce_only=True), "reduce-only"),
        (order(self_trade=SelfTrade.CANCEL_BOTH), "not both"),
    ],
)
def test_an_order_that_the_venue_does_not_have_is_rejected_before_it_is_sent(what: Order, reason: str) -> None:
    with pytest.raises(OrderRejected, match=reason):
        wire.place_order(what, "KRW-BTC", identifier=None)


def test_every_offer_is_built() -> None:
    offered = [
        order(time_in_force=TimeInForce.FOK),
        order(time_in_force=TimeInForce.GTC),
        order(time_in_force=TimeInForce.GTC, post_only=True),
        market_order(quantity=Decimal(0), amount=Decimal(6000)),
        order(self_trade=SelfTrade.CANCEL_NEW),
        order(self_trade=SelfTrade.CANCEL_OLD),
    ]
    assert frozenset[Offer]().union(*(one.needs for one in offered)) == wire.OFFERS
    types = [body(wire.place_order(one, "KRW-BTC", identifier=None)) for one in offered]
    assert [one.get("time_in_force") for one in types] == ["fok", None, "post_only", None, "ioc", "ioc"]
    assert [one.get("smp_type") for one in types[-2:]] == ["cancel_taker", "cancel_maker"]


def test_an_order_that_contradicts_itself_is_no_request() -> None:
    with pytest.raises(ValueError, match="a limit order has a limit above 0"):
        wire.place_order(order(limit_price=Decimal(0)), "KRW-BTC", identifier=None)


def test_lists_of_ids_are_hashed_as_they_read_before_encoding() -> None:
    request = wire.signed(wire.get_orders(uuids=["a b", "c"]), CREDENTIALS, nonce=NONCE)
    assert request.target == "/v1/orders/uuids?uuids%5B%5D=a%20b&uuids%5B%5D=c"
    claims = claims_of(dict(request.headers))
    assert claims["query_hash"] == query_hash(Request(method="GET", path="/", query="uuids[]=a b&uuids[]=c"))
    assert claims["query_hash_alg"] == "SHA512"


def test_ids_are_of_one_kind_and_not_too_many() -> None:
    for uuids, identifiers in (((), ()), (("a",), ("b",)), (("a",) * 101, ())):
        with pytest.raises(ValueError, match="by uuids or by identifiers"):
            wire.get_orders(uuids=uuids, identifiers=identifiers)
    with pytest.raises(ValueError, match="a uuid or an identifier"):
        wire.get_order()


def test_closed_orders_are_asked_for_by_seven_days_at_most() -> None:
    week = 7 * 24 * 3_600_000
    assert wire.get_closed_orders(start_ms=0, end_ms=week, states=("done", "cancel")).target == (
        f"/v1/orders/closed?states%5B%5D=done&states%5B%5D=cancel&start_time=0&end_time={week}"
    )
    with pytest.raises(ValueError, match="seven days"):
        wire.get_closed_orders(start_ms=0, end_ms=week + 1)


def test_what_changes_something_is_no_read_and_counts_where_the_venue_counts_it() -> None:
    reads = [
        wire.get_markets(),
        wire.get_all_prices(["KRW", "BTC"]),
        wire.get_prices(["KRW-BTC"]),
        wire.get_books(["KRW-BTC"]),
        wire.get_ticks(["KRW-BTC"]),
        wire.get_trades("KRW-BTC", count=5),
        wire.get_chance("KRW-BTC"),
        wire.get_accounts(),
        wire.get_order(uuid="a"),
        wire.get_orders(uuids=["a"]),
        wire.get_open_orders(),
        wire.get_closed_orders(),
    ]
    changes = [wire.place_order(order(), "KRW-BTC", identifier=None), wire.cancel_order(uuid="a")]
    assert all(one.is_read and one.method == "GET" for one in reads)
    assert not any(one.is_read for one in changes)
    assert {one.group for one in [*reads, *changes]} <= wire.LIMITS.buckets.keys()
    assert [one.group for one in changes] == ["order", "default"]


def test_a_private_stream_is_asked_for_with_a_token_without_parameters_and_no_origin() -> None:
    headers = dict(wire.private_headers(CREDENTIALS, nonce=NONCE))
    assert headers.keys() == {"Authorization"}
    assert claims_of(headers) == {"access_key": "the-key", "nonce": NONCE}


def test_neither_key_nor_secret_is_shown() -> None:
    request = wire.signed(wire.get_accounts(), CREDENTIALS, nonce=NONCE)
    assert "the-key" not in repr(request)
    assert "the-secret" not in repr(request) + str(request.headers)


def test_a_subscription_says_all_that_is_wanted_at_once() -> None:
    text = wire.subscription(
        NONCE,
        [
            wire.Channel(type="orderbook", codes=(wire.orderbook_code("KRW-BTC", 10),), only_realtime=True),
            wire.Channel(type="myAsset"),
        ],
        wire.Format.SIMPLE,
    )
    assert json.loads(text) == [
        {"ticket": NONCE},
        {"type": "orderbook", "codes": ["KRW-BTC.15"], "is_only_realtime": True},
        {"type": "myAsset"},
        {"format": "SIMPLE"},
    ]


@pytest.mark.parametrize(
    ("depth", "code"), [(1, "A-B.1"), (2, "A-B.5"), (15, "A-B.15"), (16, "A-B.30"), (99, "A-B.30")]
)
def test_books_are_asked_for_as_deep_as_the_venue_can(depth: int, code: str) -> None:
    assert wire.orderbook_code("A-B", depth) == code


def test_a_client_id_is_of_few_letters_and_comes_back() -> None:
    ours_id = "18e3a2b4c5d6e7f0-0f00ba-r3-123456"
    theirs = wire.CLIENT_IDS.encode(ours_id)
    assert len(theirs) <= 32
    assert theirs.isalnum()
    assert theirs == theirs.lower()
    assert wire.CLIENT_IDS.decode(theirs) == ours_id
