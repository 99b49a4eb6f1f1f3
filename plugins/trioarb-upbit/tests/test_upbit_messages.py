"""What Upbit sends: everything recorded of it decodes with nothing lost, and what the documents say beyond that."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from token_requests import files_of, shared, shared_json

from trioarb.api import Fill, InstrumentStatus, OrderStatus, OrderUpdate, exact_decimal
from trioarb.venue import Response, WireError
from trioarb_upbit import wire
from trioarb_upbit.dialect.market import Market, Price, TradeBody
from trioarb_upbit.dialect.struct import decode, encode

#: Every file of shared data that is of Upbit: whether it is the protocol as it is now, and which test holds it.
MANIFEST = {
    "captures/upbit/spot_20210417.listing.jsonl.gz": "current: the market list is as it was",
    "captures/upbit/spot_20210417.ws.jsonl.gz": "current: short names; later fields were added, none went",
    "fixtures/order_requests.json": "current: requests, see test_upbit_requests",
    "wire/vectors/upbit.json": "current: requests, see test_upbit_requests",
    "wire/oracle_markets/upbit.json": "no message: what a foreign client made of the market list; its ticks are wrong",
    "wire/xchange/upbit/example-marketrecords-ticker-data.json": "current: GET /v1/ticker",
    "wire/xchange/upbit/example-marketrecords-trades-data.json": "current: GET /v1/trades/ticks",
}


def records(name: str) -> list[dict[str, Any]]:
    with gzip.open(shared(f"captures/upbit/{name}"), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def received() -> list[bytes]:
    return [record["data"].encode() for record in records("spot_20210417.ws.jsonl.gz") if record["t"] == "recv"]


def exact(text: bytes | str) -> Any:
    """Return JSON with its numbers to the last digit."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def test_the_manifest_has_every_file() -> None:
    assert files_of("upbit") == MANIFEST.keys()


def test_every_recorded_message_decodes_and_is_itself_again() -> None:
    counted = Counter[str]()
    for frame in received():
        (message,) = wire.decode(frame)
        assert isinstance(message, wire.Orderbook | wire.Trade)
        assert json.loads(encode(message)) == json.loads(frame)
        counted[type(message).__name__] += 1
    assert counted == {"ShortTrade": 304, "ShortOrderbook": 145}


def test_every_recorded_book_is_sound_to_the_end() -> None:
    last_ns = Counter[str]()
    for frame in received():
        (message,) = wire.decode(frame)
        if not isinstance(message, wire.Orderbook):
            continue
        book = wire.depth_of(message.timestamp, message.orderbook_units)
        assert len(book.bids) == len(book.bid_sizes)
        assert len(book.asks) == len(book.ask_sizes)
        assert all(better > worse for better, worse in pairwise(book.bids))
        assert all(better < worse for better, worse in pairwise(book.asks))
        assert book.bids[0] < book.asks[0]
        assert min(*book.bids, *book.bid_sizes, *book.ask_sizes) > 0
        assert len(message.orderbook_units) == 15
        assert sum(book.bid_sizes) == pytest.approx(message.total_bid_size)
        assert sum(book.ask_sizes) == pytest.approx(message.total_ask_size)
        assert book.venue_ns >= last_ns[message.code]
        last_ns[message.code] = book.venue_ns
    assert len(last_ns) == 5


def test_recorded_prices_of_bitcoin_markets_are_on_their_step() -> None:
    rules = wire.trading_rules("BTC")
    assert rules is not None
    prices = [
        price
        for frame in received()
        for message in wire.decode(frame)
        if isinstance(message, wire.Orderbook) and message.code.startswith("BTC-")
        for price in wire.depth_of(message.timestamp, message.orderbook_units).bids
    ]
    assert len(prices) > 100
    assert all(rules.has_price(exact_decimal(price)) for price in prices)


def test_the_recorded_market_list_becomes_listings() -> None:
    (record,) = records("spot_20210417.listing.jsonl.gz")
    response = Response(status=200, body=record["data"].encode())
    known = wire.markets(response)
    assert json.loads(encode(known)) == json.loads(record["data"])
    listings = wire.listings(known, ())
    # Its name for TON is of its own: that was another coin's name elsewhere.
    foreign = {(one["id"], one["quote"]) for one in shared_json("wire/oracle_markets/upbit.json")["markets"]}
    assert {(f"{one.quote}-{one.base}", one.quote) for one in listings} == foreign
    assert len(listings) == len(foreign)
    assert [(one.symbol, one.volume_24h_quote) for one in listings[:2]] == [("BTCKRW", None), ("ETHKRW", None)]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("wire/xchange/upbit/example-marketrecords-ticker-data.json", tuple[Price, ...]),
        ("wire/xchange/upbit/example-marketrecords-trades-data.json", tuple[TradeBody, ...]),
    ],
)
def test_recorded_bodies_are_themselves_again_to_the_last_digit(path: str, kind: Any) -> None:
    body = shared(path).read_bytes()
    assert exact(encode(decode(kind, body, path))) == exact(body)


# Only the documents say the following; nothing of it was ever recorded.

LONG_BOOK = {
    "type": "orderbook",
    "code": "KRW-BTC",
    "timestamp": 1_790_000_000_123,
    "total_ask_size": 1.5,
    "total_bid_size": 3.0,
    "orderbook_units": [
        {"ask_price": 90_001_000.0, "bid_price": 90_000_000.0, "ask_size": 1.5, "bid_size": 3.0},
        {"ask_price": 0.0, "bid_price": 89_999_000.0, "ask_size": 0.0, "bid_size": 0.25},
    ],
    "stream_type": "SNAPSHOT",
    "level": 0.0,
}
LONG_TICKER = {
    "type": "ticker",
    "code": "KRW-BTC",
    "timestamp": 1_790_000_000_123,
    "trade_price": 90_000_000.0,
    "acc_trade_price_24h": 1.25e11,
    "market_state": "DELISTED",
    "is_trading_suspended": True,
    "delisting_date": {"year": 2026, "month": 11, "day": 3},
    "stream_type": "REALTIME",
}
MY_TRADE = {
    "type": "myOrder",
    "code": "KRW-BTC",
    "uuid": "order-1",
    "ask_bid": "BID",
    "order_type": "limit",
    "state": "trade",
    "trade_uuid": "trade-1",
    "price": 90_000_000,
    "avg_price": 90_000_000,
    "volume": 0.1,
    "remaining_volume": 0.4,
    "executed_volume": 0.1,
    "trades_count": 1,
    "reserved_fee": 22_500,
    "remaining_fee": 18_000,
    "paid_fee": 4_500,
    "locked": 36_018_000,
    "executed_funds": 9_000_000,
    "time_in_force": None,
    "trade_fee": 4_500.000_000_01,
    "is_maker": True,
    "identifier": None,
    "smp_type": "cancel_maker",
    "prevented_volume": 0,
    "prevented_locked": 0,
    "trade_timestamp": 1_790_000_000_100,
    "order_timestamp": 1_790_000_000_000,
    "timestamp": 1_790_000_000_123,
    "stream_type": "REALTIME",
}
SHORT_TRADE = {
    "ty": "myOrder",
    "cd": "KRW-BTC",
    "uid": "order-1",
    "ab": "BID",
    "ot": "limit",
    "s": "trade",
    "tuid": "trade-1",
    "p": 90_000_000,
    "ap": 90_000_000,
    "v": 0.1,
    "rv": 0.4,
    "ev": 0.1,
    "tc": 1,
    "rsf": 22_500,
    "rmf": 18_000,
    "pf": 4_500,
    "l": 36_018_000,
    "ef": 9_000_000,
    "tif": None,
    "tf": 4_500.000_000_01,
    "im": True,
    "id": None,
    "ttms": 1_790_000_000_100,
    "otms": 1_790_000_000_000,
    "tms": 1_790_000_000_123,
    "st": "REALTIME",
}
MY_ASSET = {
    "type": "myAsset",
    "asset_uuid": "asset-1",
    "assets": [{"currency": "KRW", "balance": 1_386_929.37231066771348207123, "locked": 10_329.670127489597585685}],
    "asset_timestamp": 1_790_000_000_100,
    "timestamp": 1_790_000_000_123,
    "stream_type": "REALTIME",
}


def one(message: object) -> Any:
    (decoded,) = wire.decode(json.dumps(message))
    return decoded


def test_messages_of_the_documents_are_themselves_again() -> None:
    for message in (LONG_BOOK, LONG_TICKER, MY_TRADE, SHORT_TRADE, MY_ASSET):
        assert exact(encode(one(message))) == exact(json.dumps(message))


def test_lists_hold_several_messages_in_their_order() -> None:
    decoded = wire.decode(json.dumps([LONG_BOOK, SHORT_TRADE, {"type": "candle.1s", "code": "KRW-BTC"}]).encode())
    assert [type(message).__name__ for message in decoded] == ["Orderbook", "ShortMyOrder", "Unknown"]
    assert wire.decode(b"[]") == ()


@pytest.mark.parametrize(
    ("said", "trades"),
    [
        ({"market_state": "ACTIVE", "is_trading_suspended": False}, True),
        ({"market_state": "ACTIVE", "is_trading_suspended": True}, False),
        ({"market_state": "DELISTED", "is_trading_suspended": False}, False),
        ({"market_state": "PREVIEW", "is_trading_suspended": False}, False),
    ],
)
def test_a_market_that_is_suspended_or_going_is_halted(said: dict[str, object], trades: bool) -> None:
    assert wire.status_in(one(LONG_TICKER | said)) is (InstrumentStatus.TRADING if trades else InstrumentStatus.HALTED)


def test_places_filled_up_with_zero_are_no_levels() -> None:
    message = one(LONG_BOOK)
    book = wire.depth_of(message.timestamp, message.orderbook_units)
    assert book.asks == (90_001_000.0,)
    assert book.bids == (90_000_000.0, 89_999_000.0)
    assert book.bid_sizes == (3.0, 0.25)
    assert book.venue_ns == 1_790_000_000_123_000_000


def test_a_book_below_zero_is_refused() -> None:
    message = one(LONG_BOOK | {"orderbook_units": [LONG_BOOK["orderbook_units"][0] | {"bid_size": -1.0}]})  # type: ignore[index]
    with pytest.raises(WireError, match="below 0"):
        wire.depth_of(message.timestamp, message.orderbook_units)


def test_an_answer_to_a_ping_and_an_error_are_told_apart_from_what_is_not_known() -> None:
    assert one({"status": "UP"}) == wire.Up(status="UP")
    assert one({"error": {"name": "INVALID_AUTH", "message": "no"}}) == wire.StreamError(
        name="INVALID_AUTH", message="no"
    )
    for unknown in ({"type": "candle.1s", "code": "KRW-BTC"}, {"ty": "new"}, {"method": "LIST_SUBSCRIPTIONS"}, {}):
        assert one(unknown) == wire.Unknown(str(unknown.get("type") or unknown.get("ty") or ""))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"PONG",
        b"null",
        b"7",
        b"[7]",
        b'{"type": 7}',
        b'{"type": "orderbook"}',
        b"\xff\xfe",
        b'{"type": "orderbook", "code": "A-B", "timestamp": 1, "orderbook_units": [{"ask_price": 1e400}]}',
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_it(frame: bytes) -> None:
    with pytest.raises(WireError, match="can't be read"):
        wire.decode(frame)


@pytest.mark.parametrize("number", ['"NaN"', '"Infinity"', "1e999999", "1e-400"])
def test_money_that_is_no_number_is_refused(number: str) -> None:
    message = json.dumps(MY_TRADE).replace('"paid_fee": 4500', f'"paid_fee": {number}')
    assert number in message
    with pytest.raises(WireError, match="paid_fee is"):
        wire.decode(message)


IDS = wire.CLIENT_IDS
OURS = "18e3a-0f00ba-7"


def updated(**changes: object) -> OrderUpdate:
    return wire.order_update(one(MY_TRADE | {"identifier": IDS.encode(OURS)} | changes), IDS)


def test_a_trade_is_a_fill_with_the_fee_that_the_message_says() -> None:
    assert updated() == OrderUpdate(
        client_order_id=OURS,
        venue_order_id="order-1",
        status=OrderStatus.OPEN,
        filled=Decimal("0.1"),
        fills=(
            Fill(
                fill_id="trade-1",
                quantity=Decimal("0.1"),
                price=Decimal(90_000_000),
                fee=Decimal("4500.00000001"),
                fee_asset="KRW",
            ),
        ),
    )


def test_short_names_say_the_same() -> None:
    short = one(SHORT_TRADE | {"id": IDS.encode(OURS)})
    assert wire.order_update(short, IDS) == updated()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": "wait"}, OrderStatus.OPEN),
        ({"state": "watch"}, OrderStatus.OPEN),
        ({"state": "done", "remaining_volume": 0, "executed_volume": 0.5}, OrderStatus.FILLED),
        ({"state": "cancel"}, OrderStatus.CANCELLED),
        ({"state": "cancel", "time_in_force": "ioc"}, OrderStatus.EXPIRED),
        ({"state": "cancel", "time_in_force": "fok"}, OrderStatus.EXPIRED),
        ({"state": "cancel", "time_in_force": "post_only"}, OrderStatus.CANCELLED),
    ],
)
def test_each_state_is_one_of_the_engine_without_a_fill_of_its_own(
    changes: dict[str, object], status: OrderStatus
) -> None:
    update = updated(**changes)
    assert (update.status, update.fills) == (status, ())
    assert update.filled == Decimal(str(changes.get("executed_volume", 0.1)))


def test_an_order_made_smaller_by_the_venue_is_told_so() -> None:
    update = updated(state="prevented", remaining_volume=0.2, prevented_volume=0.2)
    assert (update.status, update.quantity) == (OrderStatus.OPEN, Decimal("0.3"))


def test_a_state_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(WireError, match="state is 'paused'"):
        updated(state="paused")


@pytest.mark.parametrize("missing", ["trade_uuid", "trade_fee", "price", "volume"])
def test_a_trade_without_its_figures_is_an_error(missing: str) -> None:
    with pytest.raises(WireError, match="without id, price, volume or fee"):
        updated(**{missing: None})


def test_an_order_of_somebody_else_has_his_id_or_the_venues() -> None:
    assert updated(identifier="by hand").client_order_id == "by hand"
    assert updated(identifier=None).client_order_id == "order-1"


def test_fields_that_are_new_are_passed_over() -> None:
    assert one(MY_TRADE | {"new": {"x": [1]}}) == one(MY_TRADE)
    assert msgspec.json.decode(encode(one({"type": "trade"} | RECENT_TRADE))) == {"type": "trade"} | RECENT_TRADE


RECENT_TRADE = {
    "code": "KRW-BTC",
    "timestamp": 1_790_000_000_123,
    "trade_price": 90_000_000.0,
    "trade_volume": 0.001,
    "ask_bid": "ASK",
    "sequential_id": 17_900_000_001_230_000,
    "best_ask_price": 90_001_000.0,
    "best_ask_size": 1.0,
    "best_bid_price": 90_000_000.0,
    "best_bid_size": 2.0,
    "stream_type": "REALTIME",
}


def test_market_warnings_are_kept() -> None:
    body = [
        {
            "market": "KRW-BTC",
            "korean_name": "비트코인",
            "english_name": "Bitcoin",
            "market_event": {"warning": False, "caution": {"PRICE_FLUCTUATIONS": True, "A_NEW_ONE": False}},
        }
    ]
    known = decode(tuple[Market, ...], json.dumps(body), "the markets")
    assert json.loads(encode(known)) == body
