"""Names of streams, subscriptions, and messages of streams that aren't as they should be."""

from __future__ import annotations

import json

import pytest

from trioarb.venue import WireError
from trioarb_binance.wire import streams
from trioarb_binance.wire.market_message import (
    BookTicker,
    DepthUpdate,
    MarketDecoder,
    MarkPrice,
    PartialDepth,
    Passed,
    ServerShutdown,
    Streamed,
    StreamReference,
    StreamsAnswer,
    Why,
    decode_best,
    decode_snapshot,
)

TICKER = {"u": 1, "s": "BTCUSDT", "b": "1.5", "B": "2", "a": "1.6", "A": "3"}
DEPTH = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [["1.5", "0"]], "a": []}


def told(stream: str, data: object, **more: object) -> str:
    return json.dumps({"stream": stream, "data": data, **more}, separators=(",", ":"), ensure_ascii=False)


def data_of(message: str, *, is_usdm: bool = False) -> object:
    decoded = MarketDecoder(is_usdm=is_usdm).decode(message)
    assert isinstance(decoded, Streamed)
    return decoded.data


def test_names() -> None:
    assert streams.book_ticker("BTCUSDT") == "btcusdt@bookTicker"
    assert streams.depth("BTCUSDT") == "btcusdt@depth@100ms"
    assert streams.depth("BTCUSDT", "1000ms") == "btcusdt@depth"
    assert streams.partial_depth("BTCUSDT", 20) == "btcusdt@depth20@100ms"
    assert streams.mark_price("BTCUSDT") == "btcusdt@markPrice@1s"
    with pytest.raises(ValueError, match="50"):
        streams.partial_depth("BTCUSDT", 50)


def test_paths_and_subscriptions() -> None:
    names = [streams.book_ticker("BTCUSDT"), streams.depth("这是测试币456")]
    assert streams.combined_path() == "/stream"
    path = streams.combined_path(names)
    assert path == ("/stream?streams=btcusdt@bookTicker/%E8%BF%99%E6%98%AF%E6%B5%8B%E8%AF%95%E5%B8%81456@depth@100ms")
    assert json.loads(streams.subscribe(1, names)) == {"method": "SUBSCRIBE", "params": names, "id": 1}
    assert json.loads(streams.unsubscribe(2, names[:1])) == {"method": "UNSUBSCRIBE", "params": names[:1], "id": 2}


def test_each_stream_that_is_used() -> None:
    ticker = data_of(told("btcusdt@bookTicker", TICKER))
    assert isinstance(ticker, BookTicker)
    assert (ticker.bid, ticker.bid_size, ticker.ask, ticker.ask_size) == (1.5, 2, 1.6, 3)
    assert isinstance(data_of(told("!bookTicker", {**TICKER, "e": "bookTicker"}), is_usdm=True), BookTicker)
    assert isinstance(data_of(told("btcusdt@depth", DEPTH)), DepthUpdate)
    best = {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": []}
    assert isinstance(data_of(told("btcusdt@depth5@100ms", best)), PartialDepth)
    assert isinstance(data_of(told("btcusdt@depth5@100ms", DEPTH), is_usdm=True), DepthUpdate)
    reference = data_of(told("bazusd@referencePrice", {"e": "referencePrice", "s": "BAZUSD", "r": None, "t": 1}))
    assert isinstance(reference, StreamReference)
    assert reference.price is None
    assert isinstance(data_of(told("!serverShutdown", {"e": "serverShutdown", "E": 1})), ServerShutdown)


def test_funding() -> None:
    mark = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "100", "i": "99", "P": "98", "r": "0.0001", "T": 2}
    perpetual = data_of(told("btcusdt@markPrice@1s", mark), is_usdm=True)
    assert isinstance(perpetual, MarkPrice)
    assert perpetual.funding_bps == 1
    ends = data_of(told("btcusdt_260925@markPrice", {**mark, "r": "", "T": 0}), is_usdm=True)
    assert isinstance(ends, MarkPrice)
    assert ends.funding_bps is None
    for rate in ("NaN", "much"):
        wrong = data_of(told("btcusdt@markPrice@1s", {**mark, "r": rate}), is_usdm=True)
        assert isinstance(wrong, MarkPrice)
        with pytest.raises(WireError, match="funding"):
            _ = wrong.funding_bps


def test_a_side_that_is_withdrawn() -> None:
    ticker = data_of(told("btcusdt@bookTicker", {**TICKER, "b": "0.00000000", "B": "0.00000000"}))
    assert isinstance(ticker, BookTicker)
    assert (ticker.bid, ticker.bid_size) == (0, 0)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "-1", "1e999", "", "one", None, [1], "0x10"])
def test_what_is_no_price_is_refused(number: object) -> None:
    for field in "bBaA":
        with pytest.raises(WireError, match="message"):
            data_of(told("btcusdt@bookTicker", {**TICKER, field: number}))
    level = [["1", number]]
    with pytest.raises(WireError, match="snapshot"):
        decode_snapshot(json.dumps({"lastUpdateId": 1, "bids": level, "asks": []}).encode())
    fields = {"symbol": "X", "bidPrice": "1", "bidQty": number, "askPrice": "1", "askQty": "1"}
    with pytest.raises(WireError, match="best"):
        decode_best(json.dumps(fields).encode())


def test_another_event_than_the_stream_has_is_not_taken_for_it() -> None:
    for stream, data in (
        ("btcusdt@depth", {**DEPTH, "e": "somethingNew"}),
        ("btcusdt@depth", TICKER),
        ("btcusdt@bookTicker", {**TICKER, "e": "24hrTicker"}),
        ("btcusdt@bookTicker", DEPTH),
        ("btcusdt@depth5", DEPTH),
    ):
        with pytest.raises(WireError):
            data_of(told(stream, data))


def test_fields_and_orders_of_fields_that_are_new_do_no_harm() -> None:
    assert isinstance(data_of(told("btcusdt@bookTicker", {**TICKER, "zz": {"deep": [1]}}, more=1)), BookTicker)
    turned = json.dumps({"data": TICKER, "stream": "btcusdt@bookTicker"}, indent=1)
    assert isinstance(data_of(turned), BookTicker)
    spaced = json.dumps({"stream": "btcusdt@bookTicker", "data": TICKER}, indent=1)
    assert isinstance(data_of(spaced), BookTicker)


def test_what_is_not_known_is_counted() -> None:
    decoder = MarketDecoder()
    for stream in ("btcusdt@newThing", "btcusdt@newThing@100ms", "!everything", "nothing", ""):
        passed = decoder.decode(told(stream, {"e": "newThing"}))
        assert isinstance(passed, Passed)
        assert (passed.stream, passed.why) == (stream, Why.UNKNOWN)
    assert isinstance(decoder.decode('{"e":"newThing"}'), Passed)
    assert decoder.passed == {Why.UNKNOWN: 6}


def test_so_many_names_are_not_kept() -> None:
    decoder = MarketDecoder()
    for number in range(12_000):
        decoder.decode(told(f"x{number}@newThing", {}))
    assert decoder.passed[Why.UNKNOWN] == 12_000
    assert len(decoder._decoders) <= 10_000


def test_answers_to_subscriptions() -> None:
    decoder = MarketDecoder()
    done = decoder.decode('{"result":null,"id":1}')
    assert isinstance(done, StreamsAnswer)
    assert (done.id, done.is_refusal) == (1, False)
    refused = decoder.decode('{"code":2,"msg":"Invalid request: too many parameters","id":null}')
    assert isinstance(refused, StreamsAnswer)
    assert refused.is_refusal
    nested = decoder.decode('{"error":{"code":2,"msg":"Invalid request"},"id":3}')
    assert isinstance(nested, StreamsAnswer)
    assert nested.is_refusal


@pytest.mark.parametrize(
    "message", ["", "{", "[]", "3", "null", '{"stream":"', '{"stream":"btcusdt@depth"}', b"\xff", b'{"stream":"\xff"']
)
def test_what_no_message_is(message: str | bytes) -> None:
    with pytest.raises(WireError, match="Binance"):
        MarketDecoder().decode(message)
