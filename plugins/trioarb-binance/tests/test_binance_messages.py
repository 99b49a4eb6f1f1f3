"""Every message and body of Binance's that was recorded: what is current is decoded without loss, what isn't never.

The manifest names each file, and each kind of message in files that hold many:

- CURRENT: decoded as what stands there. Encoded again it equals the input, so nothing in it was unknown.
- UNUSED: Binance still has it, nothing here asks for it. From a stream it is passed on as it came, and counted.
- RETIRED: Binance has it no more. The same, counted apart.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trioarb.venue import Response, WireError
from trioarb_binance.wire.account_body import Account
from trioarb_binance.wire.account_message import AccountPosition, ExecutionReport, decode_api
from trioarb_binance.wire.body import decode, decode_many
from trioarb_binance.wire.failure import Meaning, failure_of
from trioarb_binance.wire.listing_body import ExchangeInfo, ServerTime, Ticker24h
from trioarb_binance.wire.market_message import (
    BookTicker,
    DepthUpdate,
    MarketDecoder,
    MarkPrice,
    Passed,
    Streamed,
    Why,
    decode_best,
    decode_snapshot,
)
from trioarb_binance.wire.order_body import OrderBody

DATA = Path(__file__).parents[3].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data are not here")

Read = Callable[[bytes], object]


NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Is(Enum):
    CURRENT = auto()
    UNUSED = auto()
    RETIRED = auto()


def body(kind: type[Any]) -> Read:
    return lambda raw: decode(kind, raw)


def bodies(kind: type[Any]) -> Read:
    return lambda raw: decode_many(kind, raw)


def raw_book_ticker(raw: bytes) -> object:
    """Read an event of a stream of its own, as in the documents; connections of ours have combined streams only."""
    streamed = MarketDecoder().decode(b'{"stream":"bnbusdt@bookTicker","data":' + raw + b"}")
    assert isinstance(streamed, Streamed)
    return streamed.data


FILES: Mapping[str, tuple[Is, Read | None]] = {
    "fixtures/binance/account_position.json": (Is.CURRENT, body(AccountPosition)),
    "fixtures/binance/account_response.json": (Is.CURRENT, body(Account)),
    "fixtures/binance/book_ticker_response.json": (Is.CURRENT, lambda raw: decode_best(raw)[0]),
    "fixtures/binance/depth_response.json": (Is.CURRENT, decode_snapshot),
    "fixtures/binance/exchange_info_response.json": (Is.CURRENT, body(ExchangeInfo)),
    "fixtures/binance/execution_report_new.json": (Is.CURRENT, body(ExecutionReport)),
    "fixtures/binance/execution_report_trade.json": (Is.CURRENT, body(ExecutionReport)),
    "fixtures/binance/new_order_full_response.json": (Is.CURRENT, body(OrderBody)),
    "fixtures/binance/open_orders_response.json": (Is.CURRENT, bodies(OrderBody)),
    "fixtures/binance/order_response.json": (Is.CURRENT, body(OrderBody)),
    "fixtures/binance/server_time_response.json": (Is.CURRENT, body(ServerTime)),
    "wire/nautilus/binance/avg_price_response.json": (Is.UNUSED, None),
    "wire/nautilus/binance/balance_update_wrapped.json": (Is.CURRENT, decode_api),
    "wire/nautilus/binance/list_status_wrapped.json": (Is.CURRENT, decode_api),
    # Descriptions of binary messages (SBE), which stand elsewhere.
    "wire/nautilus/binance/manifest.json": (Is.UNUSED, None),
    "wire/nautilus/binance/web_socket_response_2.metadata.json": (Is.UNUSED, None),
    "wire/nautilus/binance/ping_response.json": (Is.UNUSED, None),
    "wire/nautilus/binance/ticker_24hr_response.json": (Is.CURRENT, body(Ticker24h)),
    "wire/nautilus/binance/ticker_price_response.json": (Is.UNUSED, None),
    "wire/xchange/binance/asset-dividend-list.json": (Is.UNUSED, None),
    "wire/xchange/binance/filled-market-order.json": (Is.CURRENT, body(OrderBody)),
    "wire/xchange/binance/single-24hr-ticker.json": (Is.CURRENT, body(Ticker24h)),
    "wire/xchange/binance/testBookTickerEvent.json": (Is.CURRENT, raw_book_ticker),
    "wire/xchange/binance/testKlineEvent.json": (Is.UNUSED, None),
}

#: Lines of wire/messages/binance.jsonl, by kind and market. Bodies of REST have no stream.
MESSAGES: Mapping[tuple[str, str], Is] = {
    ("trade", "inverse_future"): Is.UNUSED,
    ("trade", "linear_future"): Is.UNUSED,
    ("trade", "inverse_swap"): Is.UNUSED,
    ("trade", "option"): Is.RETIRED,
    ("funding_rate", "inverse_swap"): Is.CURRENT,
    ("funding_rate", "linear_swap_all"): Is.CURRENT,
    ("l2_event", "spot"): Is.CURRENT,
    ("l2_event", "inverse_future"): Is.CURRENT,
    ("l2_event", "linear_swap"): Is.CURRENT,
    ("l2_topk", "linear_future"): Is.CURRENT,
    ("l2_topk", "inverse_swap"): Is.CURRENT,
    ("l2_topk", "linear_swap"): Is.CURRENT,
    ("bbo", "linear_future"): Is.CURRENT,
    ("bbo", "inverse_swap"): Is.CURRENT,
    ("bbo", "linear_swap"): Is.CURRENT,
    ("ticker", "spot"): Is.UNUSED,
    ("ticker", "inverse_future"): Is.RETIRED,
    ("ticker", "linear_future"): Is.UNUSED,
    ("ticker", "inverse_swap"): Is.UNUSED,
    ("ticker", "option"): Is.RETIRED,
    ("candlestick", "spot"): Is.UNUSED,
    ("candlestick", "inverse_future"): Is.UNUSED,
    ("candlestick", "linear_swap"): Is.UNUSED,
    ("l2_snapshot", "inverse_future"): Is.CURRENT,
    ("l2_snapshot", "linear_future"): Is.CURRENT,
    ("l2_snapshot", "inverse_swap"): Is.CURRENT,
    ("open_interest", "inverse_future"): Is.UNUSED,
    ("open_interest", "linear_swap"): Is.UNUSED,
}

#: Two lines of one kind and market: the stream of all symbols was retired, that of one was not.
RETIRED_STREAMS = {"!ticker@arr"}

CAPTURES = {
    "captures/binance/spot_20211012.http.jsonl.gz": False,
    "captures/binance/spot_20211012.ws.jsonl.gz": False,
    "captures/binance/spot_20211012.listing.jsonl.gz": False,
    "captures/binance/spot_btcusdt_20240808.jsonl.gz": False,
    "captures/binance/usdm_btcusdt_20240808.jsonl.gz": True,
    "wire/captures/binance_spot_ethusdt_20240809.jsonl.gz": False,
}

#: Bodies of wire/http/binance_gct.json.
ANSWERS: Mapping[str, Read] = {
    "/api/v3/account": body(Account),
    "/api/v3/openOrders": bodies(OrderBody),
    "/api/v3/order": body(OrderBody),
    "/api/v3/ticker/24hr": lambda raw: (bodies if raw.startswith(b"[") else body)(Ticker24h)(raw),
    "/api/v3/ticker/bookTicker": lambda raw: decode_best(raw)[0],
    "/fapi/v1/depth": decode_snapshot,
    "/fapi/v1/ticker/24hr": lambda raw: (bodies if raw.startswith(b"[") else body)(Ticker24h)(raw),
    "/fapi/v1/ticker/bookTicker": lambda raw: decode_best(raw)[0],
    "/fapi/v1/time": body(ServerTime),
}


def differences(given: object, again: object, where: str = "$") -> Iterator[str]:
    """Yield where what was encoded again is another: exact numbers digit by digit, floats as numbers."""
    if isinstance(given, dict) and isinstance(again, dict):
        for name in given.keys() | again.keys():
            if name not in given or name not in again:
                yield f"{where}.{name} is {'new' if name in again else 'lost'}"
            else:
                yield from differences(given[name], again[name], f"{where}.{name}")
    elif isinstance(given, list) and isinstance(again, list) and len(given) == len(again):
        for number, (one, other) in enumerate(zip(given, again, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif isinstance(given, str) and isinstance(again, float):
        if float(given) != again:
            yield f"{where}: {given} is {again}"
    elif isinstance(given, str) and isinstance(again, str) and "E" in again and NUMBER.fullmatch(given):
        if Decimal(given).as_tuple() != Decimal(again).as_tuple():
            yield f"{where}: {given} is {again}"
    elif given != again or type(given) is not type(again):
        yield f"{where}: {given!r} is {again!r}"


def assert_lossless(raw: bytes, decoded: object) -> None:
    assert list(differences(json.loads(raw), json.loads(msgspec.json.encode(decoded)))) == []


def assert_passed(decoder: MarketDecoder, raw: bytes, why: Why) -> None:
    before = decoder.passed[why]
    passed = decoder.decode(raw)
    assert isinstance(passed, Passed)
    assert passed.why is why
    assert decoder.passed[why] == before + 1
    assert json.loads(bytes(passed.data)) == json.loads(raw)["data"]


@pytest.mark.parametrize("name", FILES)
def test_a_file(name: str) -> None:
    what, read = FILES[name]
    text = (DATA / name).read_text()
    raw = re.sub(r"//.*", "", text).encode()  # documents explain their fields
    if what is Is.CURRENT:
        assert read is not None
        assert_lossless(raw, read(raw))
    else:
        assert read is None
        # Nothing that we ask for would take it for an answer.
        for kind in (Account, ExchangeInfo, OrderBody, ServerTime, Ticker24h):
            with pytest.raises(WireError):
                decode(kind, raw)


def test_no_file_is_forgotten() -> None:
    folders = ("fixtures/binance", "wire/nautilus/binance", "wire/xchange/binance", "wire/gct")
    found = {
        str(path.relative_to(DATA))
        for folder in folders
        for path in (DATA / folder).glob("*" if folder != "wire/gct" else "binance*")
    }
    assert found == set(FILES)
    captured = {path for folder in ("captures", "wire/captures") for path in (DATA / folder).rglob("*.gz")}
    assert {str(path.relative_to(DATA)) for path in captured if "binance" in str(path.relative_to(DATA))} == set(
        CAPTURES
    )


def lines() -> list[dict[str, str]]:
    file = DATA / "wire" / "messages" / "binance.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"{line['kind']}-{line['market']}")
def test_a_message(line: dict[str, str]) -> None:
    raw = line["data"].encode()
    what = MESSAGES[line["kind"], line["market"]]
    message = json.loads(raw)
    if message.get("stream") in RETIRED_STREAMS:
        what = Is.RETIRED
    decoder = MarketDecoder(is_usdm=line["market"] != "spot")
    if "stream" not in message:
        if what is Is.CURRENT:
            assert_lossless(raw, decode_snapshot(raw))
        else:
            with pytest.raises(WireError):
                decode_snapshot(raw)
        return
    if what is Is.CURRENT:
        decoded = decoder.decode(raw)
        assert isinstance(decoded, Streamed)
        assert_lossless(raw, decoded)
        assert not decoder.passed
    else:
        assert_passed(decoder, raw, Why.UNUSED if what is Is.UNUSED else Why.RETIRED)


def records(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt") as file:
        yield from map(json.loads, file)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture(name: str) -> None:
    decoder = MarketDecoder(is_usdm=CAPTURES[name])
    seen = 0
    for record in records(name):
        if "data" not in record:
            assert record["t"] == "connect"
            continue
        raw = record["data"].encode()
        seen += 1
        if record["t"] == "http":
            is_listing = "exchangeInfo" in record.get("url", "")
            assert_lossless(raw, decode(ExchangeInfo, raw) if is_listing else decode_snapshot(raw))
        elif re.search(rb"^.{1,60}@(trade|aggTrade|kline_1m)\"", raw):
            assert_passed(decoder, raw, Why.UNUSED)
        else:
            decoded = decoder.decode(raw)
            assert isinstance(decoded, Streamed)
            assert isinstance(decoded.data, BookTicker | DepthUpdate | MarkPrice)
            assert_lossless(raw, decoded)
    assert seen
    assert not decoder.passed[Why.UNKNOWN]


def test_recorded_answers() -> None:
    answers = json.loads((DATA / "wire" / "http" / "binance_gct.json").read_text())
    refused = 0
    for answer in answers:
        raw = json.dumps(answer["response"]).encode()
        if answer["response"] is None:  # a new order whose answer was not kept
            assert answer["method"] == "POST"
        elif "code" in answer["response"]:
            refused += 1
            failure = failure_of(Response(status=400, body=raw))
            assert (failure.meaning, failure.code) == (Meaning.REFUSED, -1121)
        else:
            assert_lossless(raw, ANSWERS[answer["path"]](raw))
    assert refused == 1
    assert {one["path"] for one in answers} == set(ANSWERS)


@pytest.mark.parametrize("name", [name for name in CAPTURES if "listing" not in name and "http" not in name])
def test_changes_of_a_recorded_book_follow_one_another(name: str) -> None:
    decoder = MarketDecoder(is_usdm=CAPTURES[name])
    last = dict[str, int]()
    for record in records(name):
        if record["t"] != "recv":
            continue
        message = decoder.decode(record["data"])
        if not isinstance(message, Streamed) or not isinstance(message.data, DepthUpdate):
            continue
        update = message.data
        before = last.get(update.symbol)
        if before is not None:
            assert (update.previous_id if CAPTURES[name] else update.first_id - 1) == before
        last[update.symbol] = update.last_id
    assert last
