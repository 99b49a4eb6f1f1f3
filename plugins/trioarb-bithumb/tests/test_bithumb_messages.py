"""What Bithumb sends. Nothing of its interface of today was ever recorded: only the documents say it. What was recorded
is of the interfaces before, which have to be told apart from it.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from token_requests import files_of, shared

from trioarb.api import Fill, OrderStatus, OrderUpdate, VenueError
from trioarb.venue import Response, WireError
from trioarb_bithumb import wire
from trioarb_upbit.dialect.struct import encode

GLOBAL, FIRST = wire.Generation.GLOBAL, wire.Generation.FIRST

#: Every file of shared data that is of Bithumb, and of which interface it is.
MANIFEST = {
    "wire/vectors/bithumb.json": None,  # current: requests, see test_bithumb_requests
    "wire/messages/bithumb.jsonl": GLOBAL,
    "wire/xchange/bithumb/all-ticker-data.json": FIRST,
    "wire/xchange/bithumb/example-balance.json": FIRST,
    "wire/xchange/bithumb/example-order.json": FIRST,
    "wire/xchange/bithumb/example-orderbook-all.json": FIRST,
    "wire/xchange/bithumb/example-transaction-history.json": FIRST,
    "wire/xchange/bithumb/example-wallet-address.json": FIRST,
}

READERS = [
    wire.markets,
    wire.prices,
    wire.books,
    wire.trades,
    wire.chance,
    wire.balances,
    lambda response: wire.acknowledgement(response, "a"),
    lambda response: wire.order_report(response, wire.CLIENT_IDS, "a"),
    lambda response: wire.orders_by_id(response, wire.CLIENT_IDS, "bithumb"),
]


def retired() -> list[tuple[bytes, wire.Generation]]:
    found = list[tuple[bytes, wire.Generation]]()
    for path, generation in MANIFEST.items():
        if generation is None:
            continue
        text = shared(path).read_bytes()
        messages = (
            [json.loads(line)["data"].encode() for line in text.splitlines()] if path.endswith(".jsonl") else [text]
        )
        found += [(message, generation) for message in messages]
    return found


def test_the_manifest_has_every_file() -> None:
    assert files_of("bithumb") == MANIFEST.keys()


def test_what_has_ended_is_told_by_its_name_and_never_decoded() -> None:
    messages = retired()
    assert len(messages) == 10
    for message, generation in messages:
        assert wire.generation_of(message) is generation
        assert wire.decode(message) == (wire.Unknown(generation.value),)
        for reader in READERS:
            with pytest.raises(VenueError):
                reader(Response(status=200, body=message))


MY_TRADE: dict[str, Any] = {
    "type": "myOrder",
    "stream_type": "REALTIME",
    "code": "KRW-BTC",
    "order_id": "C0101000007408440032",
    "client_order_id": wire.CLIENT_IDS.encode("18e3a-0f00ba-7"),
    "side": "buy",
    "order_type": "limit",
    "state": "trade",
    "order_price": 90_000_000,
    "order_quantity": 0.5,
    "order_amount": 45_000_000,
    "remaining_quantity": 0.4,
    "executed_quantity": 0.1,
    "executed_amount": 9_000_000,
    "trade_id": "C0101000000001",
    "trade_price": 90_000_000,
    "trade_quantity": 0.1,
    "trade_amount": 9_000_000,
    "reserved_fee": 18_000,
    "remaining_fee": 14_400,
    "paid_fee": 3_600.25,
    "trade_timestamp": 1_790_000_000_100,
    "order_timestamp": 1_790_000_000_000,
    "timestamp": 1_790_000_000_123,
}
SHORT = {
    "type": "ty",
    "stream_type": "st",
    "code": "cd",
    "order_id": "oid",
    "client_order_id": "coid",
    "side": "sd",
    "order_type": "ot",
    "state": "s",
    "order_price": "op",
    "order_quantity": "oq",
    "order_amount": "oa",
    "remaining_quantity": "rq",
    "executed_quantity": "eq",
    "executed_amount": "ea",
    "trade_id": "tid",
    "trade_price": "tp",
    "trade_quantity": "tq",
    "trade_amount": "ta",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "trade_timestamp": "ttms",
    "order_timestamp": "otms",
    "timestamp": "tms",
}


def one(message: object) -> Any:
    (decoded,) = wire.decode(json.dumps(message))
    return decoded


def exact(text: bytes | str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def updated(paid_before: Decimal | None = Decimal(0), **changes: object) -> OrderUpdate:
    return wire.order_update(one(MY_TRADE | changes), wire.CLIENT_IDS, paid_before=paid_before)


def test_messages_of_the_documents_are_themselves_again_in_both_formats() -> None:
    short = {SHORT[key]: value for key, value in MY_TRADE.items()}
    asset = {
        "type": "myAsset",
        "assets": [{"currency": "KRW", "balance": 1_000_000.5, "locked": 0}],
        "asset_timestamp": 1,
        "timestamp": 2,
        "stream_type": "REALTIME",
    }
    for message in (MY_TRADE, short, asset):
        assert exact(encode(one(message))) == exact(json.dumps(message))
    assert wire.order_update(one(short), wire.CLIENT_IDS, paid_before=Decimal(0)) == updated()


def test_a_trade_costs_what_was_paid_since_the_message_before() -> None:
    def fill(fee: str) -> Fill:
        return Fill(
            fill_id="C0101000000001",
            quantity=Decimal("0.1"),
            price=Decimal(90_000_000),
            fee=Decimal(fee),
            fee_asset="KRW",
        )

    assert updated() == OrderUpdate(
        client_order_id="18e3a-0f00ba-7",
        venue_order_id="C0101000007408440032",
        fills=(fill("3600.25"),),
        filled=Decimal("0.1"),
    )
    assert updated(Decimal("1200.25")).fills == (fill("2400"),)
    with pytest.raises(WireError, match="of fees are paid, after"):
        updated(Decimal(5000))


def test_a_trade_whose_fee_nobody_knows_is_counted_and_not_told() -> None:
    update = updated(None)
    assert (update.fills, update.filled, update.status) == ((), Decimal("0.1"), OrderStatus.OPEN)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"state": "wait"}, OrderStatus.OPEN, ""),
        ({"state": "done", "executed_quantity": 0.5}, OrderStatus.FILLED, ""),
        ({"state": "done", "time_in_force": "ioc"}, OrderStatus.EXPIRED, "the rest didn't fill at once"),
        ({"state": "done", "order_type": "price", "order_quantity": 0}, OrderStatus.FILLED, ""),
        ({"state": "cancel"}, OrderStatus.CANCELLED, ""),
        ({"state": "cancel", "cancel_type": "stp_cancel"}, OrderStatus.CANCELLED, "stp_cancel"),
        (
            {"state": "cancel", "cancel_type": "tif_cancel", "time_in_force": "post_only", "executed_quantity": 0},
            OrderStatus.EXPIRED,
            "tif_cancel",
        ),
        ({"state": "cancel", "time_in_force": "fok", "executed_quantity": 0}, OrderStatus.EXPIRED, "fok"),
    ],
)
def test_each_state_is_one_of_the_engine(changes: dict[str, object], status: OrderStatus, reason: str) -> None:
    update = updated(**changes)  # type: ignore[arg-type]
    assert (update.status, update.reason, update.fills) == (status, reason, ())
    assert update.filled == Decimal(str(changes.get("executed_quantity", 0.1)))


def test_a_state_that_nobody_knows_and_a_trade_without_figures_are_errors() -> None:
    with pytest.raises(WireError, match="state is 'paused'"):
        updated(state="paused")
    for missing in ("trade_id", "trade_price", "trade_quantity", "paid_fee"):
        message = {key: value for key, value in MY_TRADE.items() if key != missing}
        with pytest.raises(WireError, match="without id, price, quantity or fee"):
            wire.order_update(one(message), wire.CLIENT_IDS, paid_before=Decimal(0))


def test_an_order_of_the_stream_that_has_ended_is_no_order_of_today() -> None:
    before = {
        "type": "myOrder",
        "code": "KRW-BTC",
        "uuid": "C1",
        "ask_bid": "BID",
        "order_type": "limit",
        "state": "wait",
    }
    with pytest.raises(WireError, match="order_id"):
        one(before)


def test_books_trades_and_prices_have_the_names_of_upbit() -> None:
    book = {
        "type": "orderbook",
        "code": "KRW-BTC",
        "total_ask_size": 1.0,
        "total_bid_size": 2.0,
        "orderbook_units": [{"ask_price": 101.0, "bid_price": 100.0, "ask_size": 1.0, "bid_size": 2.0}],
        "timestamp": 5,
        "level": 1.0,
        "stream_type": "SNAPSHOT",
    }
    assert json.loads(encode(one(book))) == book
    assert wire.depth_of(5, one(book).orderbook_units).bids == (100.0,)
    assert one({"status": "UP"}) == wire.Up(status="UP")
    assert one({"type": "candle"}) == wire.Unknown("candle")
