"""Our requests to Bithumb beside those of a foreign client, and what no vector asks for."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from token_requests import as_request, claims_of, essence, market_of, order_of, query_hash, shared_json

from trioarb.api import Order, OrderRejected, OrderType, SelfTrade, Side, TimeInForce
from trioarb.venue import Credentials, Request
from trioarb_bithumb import wire

NONCE = "4a3e8a66-6ad1-4f3c-8a4b-2f1f5d1f2a90"
CREDENTIALS = Credentials(api_key="the-key", secret="the-secret")

#: Where the foreign client and the venue's page differ; the page wins. All else of these requests is compared.
COST_OF_A_SALE = "it passes `cost` on, a parameter of its own: the page has none of that name, and a sale needs none"


def vectors() -> tuple[Credentials, list[dict[str, Any]]]:
    file = shared_json("wire/vectors/bithumb.json")
    return Credentials(api_key=file["key"], secret=file["secret"]), file["vectors"]


def as_rounded_there(order: Order) -> Order:
    """Return an order with a price of four digits, to which that client cuts; ours come with a price that is right."""
    if not order.limit_price:
        return order
    return replace(order, limit_price=Context(prec=4).plus(order.limit_price))


def ours(call: str, arguments: list[Any]) -> Request:
    """Return our request for a foreign client's call."""
    more = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    client_id = more.get("clientOrderId")
    match call, arguments:
        case "create_order", _:
            order = as_rounded_there(order_of(arguments))
            return wire.place_order(order, market_of(arguments[0]), client_id=client_id)
        case "cancel_order", [order_id, *_]:
            return wire.cancel_order(order_id=order_id, client_id=client_id)
        case "fetch_closed_orders", [symbol, _, limit]:
            return wire.get_order_list(market=market_of(symbol), state="done", limit=limit)
        case "fetch_balance", []:
            return wire.get_accounts()
    raise AssertionError(f"no request of ours for {call} {arguments}")


def differs(vector: dict[str, Any]) -> str:
    """Return why a vector isn't what the page says, '' where it is."""
    return COST_OF_A_SALE if '"cost"' in (vector["request"]["body"] or "") else ""


def test_every_request_of_the_foreign_client_is_ours_too() -> None:
    _, known = vectors()
    compared = 0
    for vector in known:
        method, path, parameters = essence(as_request(vector["request"]))
        built = essence(ours(vector["call"], vector["args"]))
        if differs(vector):
            assert built == (method, path, parameters - {("cost", "25.5")})
        else:
            assert built == (method, path, parameters), vector["args"]
            compared += 1
    assert compared == 28
    assert (len(known) - compared) / len(known) <= 0.05


def test_the_token_of_each_request_is_what_the_foreign_client_made_to_the_last_bit() -> None:
    credentials, known = vectors()
    for vector in known:
        theirs = vector["request"]
        claims = claims_of(theirs["headers"])
        again = wire.signed(as_request(theirs), credentials, nonce=claims["nonce"], now_ms=claims["timestamp"])
        assert again.headers["Authorization"] == theirs["headers"]["Authorization"]


def test_our_own_requests_are_signed_for_their_own_parameters_at_the_time_that_is_given() -> None:
    credentials, known = vectors()
    for vector in known:
        theirs = claims_of(vector["request"]["headers"])
        request = wire.signed(
            ours(vector["call"], vector["args"]), credentials, nonce=theirs["nonce"], now_ms=theirs["timestamp"]
        )
        claims = claims_of(dict(request.headers))
        assert claims.get("query_hash") == query_hash(request)
        assert {key: value for key, value in claims.items() if key != "query_hash"} == {
            key: value for key, value in theirs.items() if key != "query_hash"
        }


# What no vector asks for.


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": "18e3a-0f00ba-7",
        "venue": "bithumb",
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


def test_every_offer_is_built() -> None:
    offered = [
        order(time_in_force=TimeInForce.FOK),
        order(time_in_force=TimeInForce.GTC),
        order(time_in_force=TimeInForce.GTC, post_only=True),
        market_order(quantity=Decimal(0), amount=Decimal(6000)),
        order(self_trade=SelfTrade.CANCEL_NEW),
    ]
    assert frozenset().union(*(one.needs for one in offered)) == wire.OFFERS
    bodies = [body(wire.place_order(one, "KRW-BTC", client_id="x7")) for one in offered]
    assert [one.get("time_in_force") for one in bodies] == ["fok", None, "post_only", None, "ioc"]
    assert [one["order_type"] for one in bodies] == ["limit", "limit", "limit", "price", "limit"]
    assert {one["client_order_id"] for one in bodies} == {"x7"}


@pytest.mark.parametrize(
    ("what", "market", "reason"),
    [
        (market_order(), "KRW-BTC", "needs an amount of money"),
        (order(reduce_only=True), "KRW-BTC", "reduce-only"),
        (order(self_trade=SelfTrade.CANCEL_OLD), "KRW-BTC", "cancels the new order"),
        (order(self_trade=SelfTrade.CANCEL_BOTH), "KRW-BTC", "cancels the new order"),
        (order(), "BTC-XRP", "IOC is for won markets only"),
        (order(time_in_force=TimeInForce.FOK), "BTC-XRP", "FOK is for won markets only"),
        (order(time_in_force=TimeInForce.GTC, post_only=True), "BTC-XRP", "post-only is for won markets only"),
    ],
)
def test_an_order_that_the_venue_does_not_have_is_rejected_before_it_is_sent(
    what: Order, market: str, reason: str
) -> None:
    with pytest.raises(OrderRejected, match=reason):
        wire.place_order(what, market, client_id=None)


def test_elsewhere_than_on_won_markets_orders_rest_or_take() -> None:
    for what in (order(time_in_force=TimeInForce.GTC), market_order(side=Side.SELL)):
        assert "time_in_force" not in body(wire.place_order(what, "BTC-XRP", client_id=None))


def test_lists_of_ids_in_a_body_are_hashed_as_in_a_query() -> None:
    request = wire.signed(wire.cancel_orders(order_ids=["a", "b"]), CREDENTIALS, nonce=NONCE, now_ms=5)
    assert body(request) == {"order_ids": ["a", "b"]}
    expected = query_hash(Request(method="POST", path="/", query="order_ids[]=a&order_ids[]=b"))
    assert claims_of(dict(request.headers))["query_hash"] == expected


def test_a_body_whose_hash_nobody_documents_is_not_signed() -> None:
    for text in ("[]", '{"orders":[{"market":"KRW-BTC"}]}', '{"a":null}', '{"a":true}'):
        with pytest.raises(ValueError, match="/v2/orders"):
            wire.signed(
                Request(method="POST", path="/v2/orders/batch", body=text.encode()), CREDENTIALS, nonce=NONCE, now_ms=5
            )


def test_ids_are_of_one_kind_and_not_too_many() -> None:
    for build, most in ((wire.cancel_orders, 30), (wire.get_orders, 100)):
        assert body(build(client_ids=["a"] * most))["client_order_ids"] == ["a"] * most
        for order_ids, client_ids in (((), ()), (("a",), ("b",)), (("a",) * (most + 1), ())):
            with pytest.raises(ValueError, match=f"from 1 to {most}"):
                build(order_ids=order_ids, client_ids=client_ids)
    for build_one in (wire.get_order, wire.cancel_order):
        with pytest.raises(ValueError, match="a client_order_id"):
            build_one()


def test_lists_go_on_where_the_answer_before_ended() -> None:
    week = 7 * 24 * 3_600_000
    assert wire.get_open_orders(market="KRW-BTC", state="watch", limit=100, next_key="k+/=").target == (
        "/v2/orders/pending?market=KRW-BTC&state=watch&limit=100&next_key=k%2B%2F%3D"
    )
    assert wire.get_closed_orders(start_ms=0, end_ms=week, states=("done", "cancel"), limit=1000).target == (
        f"/v2/orders/history?states%5B%5D=done&states%5B%5D=cancel&start_time=0&end_time={week}&limit=1000"
    )
    with pytest.raises(ValueError, match="seven days"):
        wire.get_closed_orders(start_ms=0, end_ms=week + 1)


def test_what_changes_something_is_no_read_and_counts_where_the_venue_counts_it() -> None:
    reads = [
        wire.get_markets(),
        wire.get_prices(["KRW-BTC"]),
        wire.get_books(["KRW-BTC"]),
        wire.get_trades("KRW-BTC", count=5),
        wire.get_chance("KRW-BTC"),
        wire.get_accounts(),
        wire.get_order(uuid="a"),
        wire.get_orders(order_ids=["a"]),
        wire.get_open_orders(),
        wire.get_closed_orders(),
        wire.get_order_list(market="KRW-BTC"),
    ]
    changes = [
        wire.place_order(order(), "KRW-BTC", client_id=None),
        wire.cancel_order(order_id="a"),
        wire.cancel_orders(order_ids=["a"]),
    ]
    assert all(one.is_read for one in reads)
    assert not any(one.is_read for one in changes)
    assert {one.group for one in [*reads, *changes]} <= wire.LIMITS.buckets.keys()


def test_a_private_stream_is_asked_for_with_a_token_of_now() -> None:
    headers = dict(wire.private_headers(CREDENTIALS, nonce=NONCE, now_ms=1_790_000_000_123))
    assert headers.keys() == {"Authorization"}
    assert claims_of(headers) == {"access_key": "the-key", "nonce": NONCE, "timestamp": 1_790_000_000_123}
    assert wire.PRIVATE_STREAM_URL.endswith("/websocket/v2/private")


def test_a_client_id_is_of_few_letters_and_comes_back() -> None:
    ours_id = "18e3a2b4c5d6e7f0-0f00ba-r3-123456"
    theirs = wire.CLIENT_IDS.encode(ours_id)
    assert len(theirs) <= 36
    assert theirs.isalnum()
    assert wire.CLIENT_IDS.decode(theirs) == ours_id
