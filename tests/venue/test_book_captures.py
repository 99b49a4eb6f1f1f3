"""Books from recorded traffic: every rule of sequence holds to the end, and the best levels are what the venue says."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trioarb.venue import BookOutcome, BookRule, OrderBook, linked, numbered, unnumbered

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "captures"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="recorded traffic lies beside the repository only")


def records(*names: str) -> list[dict[str, Any]]:
    """Return the records of files that were recorded together, in the order received."""
    rows: list[dict[str, Any]] = []
    for name in names:
        with gzip.open(CAPTURES / name, "rt", encoding="utf-8") as lines:
            rows += map(json.loads, lines)
    return sorted(rows, key=lambda row: int(row["ts_ns"]))


def levels(rows: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in rows]


def best(book: OrderBook) -> tuple[float, ...]:
    quotes: list[tuple[float, ...]] = []
    book.tell(lambda bid, bid_size, ask, ask_size, *_: quotes.append((bid, bid_size, ask, ask_size)))
    return quotes[0]


class Market:
    """The books of a Binance capture, and what its best-quote messages say of them."""

    def __init__(self, rule: BookRule) -> None:
        self.books: dict[str, OrderBook] = {}
        self.rule = rule
        self.tickers: dict[str, dict[int, tuple[float, ...]]] = {}
        self.outcomes: dict[str, list[BookOutcome]] = {}
        #: Best levels of a book by the number of its last change.
        self.bests: dict[str, dict[int, tuple[float, ...]]] = {}

    def take(self, symbol: str, record: dict[str, Any]) -> None:
        book = self.books.setdefault(symbol, OrderBook(self.rule, depth=5))
        message, now = json.loads(record["data"]), record["ts_ns"]
        if record["t"] == "http":
            outcome = book.snapshot(
                levels(message["bids"]), levels(message["asks"]), last=message["lastUpdateId"], received_ns=now
            )
        elif (data := message["data"]).get("e") == "depthUpdate":
            outcome = book.change(
                levels(data["b"]),
                levels(data["a"]),
                first=data["U"],
                last=data["u"],
                previous=data.get("pu"),
                received_ns=now,
            )
        else:
            if "bookTicker" in message["stream"]:
                quote = tuple(float(data[key]) for key in ("b", "B", "a", "A"))
                self.tickers.setdefault(symbol, {})[data["u"]] = quote
            return
        self.outcomes.setdefault(symbol, []).append(outcome)
        if book.is_valid:
            self.bests.setdefault(symbol, {})[book.last] = best(book)
            assert not book.is_crossed

    def compare(self, symbol: str) -> int:
        """Hold books against the last best quote whose number is no higher. Return how many were compared."""
        tickers, count = self.tickers.get(symbol, {}), 0
        numbers = sorted(tickers)
        for number, shown in self.bests[symbol].items():
            if place := bisect_right(numbers, number):
                assert shown == tickers[numbers[place - 1]], number
                count += 1
        return count


def symbols_of(rows: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows:
        if row["t"] == "recv":
            yield json.loads(row["data"])["data"].get("s", ""), row
        elif row["t"] == "http":
            url = row.get("url", "symbol=BTCUSDT&")
            yield url.partition("symbol=")[2].partition("&")[0], row


def test_binance_spot_in_four_symbols() -> None:
    market = Market(numbered)
    for symbol, row in symbols_of(records("binance/spot_20211012.http.jsonl.gz", "binance/spot_20211012.ws.jsonl.gz")):
        market.take(symbol, row)

    assert sorted(market.books) == ["BLZETH", "LRCBTC", "NKNUSDT", "RUNEEUR"]
    for symbol, outcomes in market.outcomes.items():
        assert BookOutcome.GAP not in outcomes, symbol
        assert market.books[symbol].is_valid
        assert outcomes[-1] is BookOutcome.APPLIED
    assert sum(len(outcomes) for outcomes in market.outcomes.values()) == 177 + 4
    assert sum(market.compare(symbol) for symbol in market.books) == 143 + 3 + 13


@pytest.mark.parametrize(
    ("name", "rule", "messages", "compared"),
    [("spot_btcusdt_20240808", numbered, 449, 447), ("usdm_btcusdt_20240808", linked, 288, 283)],
)
def test_binance_in_a_busy_symbol(name: str, rule: BookRule, messages: int, compared: int) -> None:
    market = Market(rule)
    for symbol, row in symbols_of(records(f"binance/{name}.jsonl.gz")):
        market.take(symbol, row)

    outcomes = market.outcomes["BTCUSDT"]
    assert len(outcomes) == messages + 1
    assert BookOutcome.GAP not in outcomes
    assert outcomes[-200:] == [BookOutcome.APPLIED] * 200
    assert market.compare("BTCUSDT") == compared


@pytest.mark.parametrize(("name", "rule"), [("spot_btcusdt_20240808", numbered), ("usdm_btcusdt_20240808", linked)])
def test_a_message_that_is_left_out_of_it_is_missed(name: str, rule: BookRule) -> None:
    market, left_out = Market(rule), 0
    for symbol, row in symbols_of(records(f"binance/{name}.jsonl.gz")):
        if "depthUpdate" in row["data"]:
            left_out += 1
            if left_out == 100:
                continue
        market.take(symbol, row)

    assert market.outcomes["BTCUSDT"].count(BookOutcome.GAP) == 1
    assert not market.books["BTCUSDT"].is_valid


def test_upbit_sends_snapshots_only() -> None:
    books: dict[str, OrderBook] = {}
    count = 0
    for row in records("upbit/spot_20210417.ws.jsonl.gz"):
        if row["t"] != "recv" or (data := json.loads(row["data"])).get("ty") != "orderbook":
            continue
        book = books.setdefault(data["cd"], OrderBook(unnumbered, depth=15))
        bids = [(unit["bp"], unit["bs"]) for unit in data["obu"]]
        asks = [(unit["ap"], unit["as"]) for unit in data["obu"]]
        outcome = book.snapshot(bids, asks, last=data["tms"], received_ns=row["ts_ns"], only_newer=True)
        assert outcome is BookOutcome.APPLIED
        assert (book.bids(), book.asks()) == (bids, asks)
        assert best(book) == (*bids[0], *asks[0])
        count += 1

    assert count == 145
    assert len(books) == 5
