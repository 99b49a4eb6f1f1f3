"""A campaign on books: what it decided and what was filled, computed again from the market's own rows."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec
import pytest
import trio

from trioarb.api import MarketContext, MarketDataSpec, Tape
from trioarb.engine import market as engine_market
from trioarb.model.event import Decided
from trioarb.model.market import Level
from trioarb.model.wire import decode
from trioarb.plugin.registry import load_plugins
from trioarb.quotes import window
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

DEPTH, LATENCY_NS = 5, 40_000_000
MARKET: Mapping[str, Any] = {"plugin": "dummy", "size_usd": 300, "basis_bps": 14, "level_bps": 2}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "DOGEUSDT")

#: Price → size, best first.
Side = list[tuple[Fraction, Fraction]]


def table(**strategy: Any) -> dict[str, Any]:
    config = two_venues()
    config["session"] |= {"max_runtime_seconds": 240, "seed": 5}
    config["universe"] = {"source": "dummy", "mode": "FIXED_LIST", "whitelist": list(SYMBOLS)}
    for venue in config["exchanges"].values():
        venue |= {"market": dict(MARKET), "latency_ms": 40, "inventory_usd_per_symbol": 20_000}
    config["strategy"] = {"order_size_usd": 2_000, "entry_bps": 8, "max_holding_seconds": 20} | strategy
    config["guards"] |= {"symbol": {"cooldown_seconds": 1, "max_position_size_usd": 10_000, "max_position_count": 3}}
    config["guards"]["global"] = {"max_total_exposure_usd": 10**6}
    config["guards"]["portfolio"] = {"total_capital_usd": 10**6}
    config["engine"] = {"depth": DEPTH}
    return config


class Market:
    """Every venue's books as they stood at any time, from its tape's rows."""

    def __init__(self, start_ns: int, until_ns: int) -> None:
        self._times: dict[tuple[str, str], list[int]] = {}
        self._books: dict[tuple[str, str], list[tuple[Side, Side]]] = {}
        for venue in ("a", "b"):
            for row in trio.run(rows_of, venue, start_ns, until_ns):
                ts_ns, _, symbol, bid, bid_size, ask, ask_size, (bids, bid_sizes, asks, ask_sizes) = row
                self._times.setdefault((venue, symbol), []).append(ts_ns)
                book = (
                    [(exact(bid), exact(bid_size)), *zip(map(exact, bids), map(exact, bid_sizes), strict=True)],
                    [(exact(ask), exact(ask_size)), *zip(map(exact, asks), map(exact, ask_sizes), strict=True)],
                )
                self._books.setdefault((venue, symbol), []).append(book)

    def between(self, venue: str, symbol: str, after_ns: int, until_ns: int) -> list[tuple[Side, Side]]:
        """Return the books that came after a time, up to another."""
        times = self._times[venue, symbol]
        return self._books[venue, symbol][bisect_right(times, after_ns) : bisect_right(times, until_ns)]

    def at(self, venue: str, symbol: str, ts_ns: int) -> tuple[Side, Side]:
        """Return bids and asks."""
        return self._books[venue, symbol][bisect_right(self._times[venue, symbol], ts_ns) - 1]


async def rows_of(venue: str, start_ns: int, until_ns: int) -> list[Any]:
    spec = load_plugins().get(MarketDataSpec, "dummy")
    settings = spec.settings(**{key: value for key, value in MARKET.items() if key != "plugin"})
    found = []
    async with spec.open(settings, MarketContext(venue=venue, seed=5, depth=DEPTH)) as tape:
        assert isinstance(tape, Tape)
        for row in tape.rows(SYMBOLS, start_ns):
            if row[0] > until_ns:
                return found
            found.append(row)
    return found


def exact(number: float) -> Fraction:
    return Fraction(repr(number))


def walked(levels: Side, quantity: Fraction) -> Side:
    parts, rest = [], quantity
    for price, size in levels:
        part = min(rest, size)
        if part > 0:
            parts.append((price, part))
        rest -= part
    return parts


def value(parts: Side) -> Fraction:
    return sum((price * size for price, size in parts), Fraction(0))


@pytest.fixture(scope="module")
def result() -> CampaignResult:
    return run_virtual(table())


@pytest.fixture(scope="module")
def market(result: CampaignResult) -> Market:
    return Market(result.events[0]["ts_ns"], result.events[-1]["ts_ns"])


def instruments(result: CampaignResult) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(event["venue"], event["symbol"]): event for event in result.of_type("instrument_listed")}


def test_decisions_are_the_largest_that_the_markets_books_allow(result: CampaignResult, market: Market) -> None:
    listed, deep = instruments(result), 0
    for event in result.of_type("decided"):
        symbol, quantity = event["symbol"], Fraction(event["quantity"])
        asks = market.at(event["buy_venue"], symbol, event["ts_ns"])[1]
        bids = market.at(event["sell_venue"], symbol, event["ts_ns"])[0]
        assert (Fraction(event["ask"]), Fraction(event["ask_size"])) == asks[0]
        assert (Fraction(event["bid"]), Fraction(event["bid_size"])) == bids[0]
        buying, selling = walked(asks, quantity), walked(bids, quantity)
        for name, whole, taken in (("asks", asks, buying), ("bids", bids, selling)):
            named = [tuple(map(Fraction, level)) for level in event.get(name, [[*map(str, whole[0])]])]
            assert named == whole[: len(taken)]
            deep += len(taken) > 1
        buy, sell = listed[event["buy_venue"], symbol], listed[event["sell_venue"], symbol]
        keep, cost = 10_000 - Fraction(sell["taker_fee_bps"]), 10_000 + Fraction(buy["taker_fee_bps"])

        def edge(received: Fraction, paid: Fraction, keep: Fraction = keep, cost: Fraction = cost) -> Fraction:
            return 10_000 * (received * keep / (paid * cost) - 1)

        assert abs(edge(value(selling), value(buying)) - Fraction(event["edge_bps"])) <= Fraction(1, 10**6)
        assert edge(selling[-1][0], buying[-1][0]) >= 8
        more = quantity + Fraction(buy["lot_size"])
        buying, selling = walked(asks, more), walked(bids, more)
        is_shallow = sum(size for _, size in buying) < more or sum(size for _, size in selling) < more
        is_poor = edge(selling[-1][0], buying[-1][0]) < 8
        assert is_shallow or is_poor or more * max(buying[-1][0], selling[-1][0]) > 2_000
    assert deep > 20


def test_fills_are_what_the_markets_books_have_left(result: CampaignResult, market: Market) -> None:
    listed, orders, filled = instruments(result), dict[str, Any](), dict[str, Side]()
    for event in result.events:
        if event["type"] == "order_submitted":
            orders[event["client_order_id"]] = event
        elif event["type"] == "order_filled":
            part = Fraction(event["price"]), Fraction(event["quantity"])
            filled.setdefault(event["client_order_id"], []).append(part)
    arrived = [(event["ts_ns"] + LATENCY_NS, number, event) for number, event in enumerate(orders.values())]
    taken: dict[tuple[str, str, str], dict[Fraction, tuple[Fraction, Fraction]]] = {}
    seen_ns: dict[tuple[str, str, str], int] = {}
    several = short = 0
    for ts_ns, _, order in sorted(arrived, key=lambda one: one[:2]):
        venue, symbol, side, limit = order["venue"], order["symbol"], order["side"], Fraction(order["limit_price"])
        levels = market.at(venue, symbol, ts_ns)[side == "buy"]
        ours = taken.setdefault((venue, symbol, side), {})
        for book in market.between(venue, symbol, seen_ns.get((venue, symbol, side), 0), ts_ns) if ours else ():
            best, size = book[side == "buy"][0]
            for price, (quantity, displayed) in list(ours.items()):
                is_gone = best > price if side == "buy" else best < price
                if is_gone or (best == price and abs(size - displayed) > quantity):
                    del ours[price]
        seen_ns[venue, symbol, side] = ts_ns
        sizes, last = dict(levels), levels[-1][0]
        for price, (quantity, displayed) in list(ours.items()):
            if price in sizes:
                is_over = abs(sizes[price] - displayed) > quantity
            else:
                is_over = price < last if side == "buy" else price > last
            if is_over:
                del ours[price]
        left = [
            (price, max(size - ours.get(price, (Fraction(0), Fraction(0)))[0], Fraction(0)))
            for price, size in levels
            if (price <= limit if side == "buy" else price >= limit)
        ]
        lot = Fraction(listed[venue, symbol]["lot_size"])
        quantity = min(Fraction(order["quantity"]), sum((size for _, size in left), Fraction(0)) // lot * lot)
        expected = walked(left, quantity)
        for price, part in expected:
            ours[price] = (ours.get(price, (Fraction(0), Fraction(0)))[0] + part, sizes[price])
        assert filled.get(order["client_order_id"], []) == expected, order
        several += len(expected) > 1
        short += quantity < Fraction(order["quantity"])
    assert several > 20
    assert short


def test_a_depth_campaign_is_the_same_in_whatever_way_its_quotes_come(
    result: CampaignResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "WINDOW_ROWS", 37)
    monkeypatch.setattr(window, "ROWS_EACH", 0)
    assert run_virtual(table()).events == result.events
    monkeypatch.setattr(engine_market, "is_played", lambda campaign: False)
    assert run_virtual(table()).events == result.events


def test_depth_of_one_is_what_there_was_without_levels() -> None:
    """The dummy market's best quotes don't depend on how many levels it is asked for."""
    config = table(order_size_usd=50)
    for venue in config["exchanges"].values():
        venue["market"]["size_usd"] = 100_000
    deep = run_virtual(config).events
    config["engine"]["depth"] = 1
    plain = run_virtual(config).events

    def without_digest(events: Sequence[Any]) -> list[str]:
        digest = events[0]["campaign_id"]
        return [json.dumps(event).replace(digest, "") for event in events[1:]]

    assert without_digest(deep) == without_digest(plain)


def test_what_was_decided_on_levels_is_verified(result: CampaignResult) -> None:
    records = [decode(json.dumps(event).encode()) for event in result.events]
    deep = next(one for one in records if isinstance(one.event, Decided) and one.event.asks is not None)
    decided = deep.event
    assert isinstance(decided, Decided)
    assert decided.asks is not None
    assert decided.edge_bps is not None
    beyond = Level(decided.asks[-1].price + 1, decided.asks[-1].size)

    def found(**fields: Any) -> list[str]:
        changed = deep._replace(event=msgspec.structs.replace(decided, **fields))
        verifier = Verifier()
        verifier.fold(changed if record is deep else record for record in records)
        return [violation.what for violation in verifier.result().violations]

    assert found() == []
    assert found(asks=decided.asks[:1] + decided.asks) == ["names levels that can't be"]
    assert found(asks=decided.asks[1:]) == ["names levels that don't begin with the best"]
    assert found(asks=(*decided.asks, beyond)) == ["names other levels than its quantity takes"]
    assert any("its levels have an edge of" in what for what in found(edge_bps=decided.edge_bps + 1))
    closer = (*decided.asks[:-1], Level(decided.asks[-1].price - decided.asks[0].price / 10**5, decided.asks[-1].size))
    assert "has other limits than the last levels that were decided on" in found(asks=closer)


def test_a_venue_whose_books_stay_empty_trades_nothing_and_is_counted() -> None:
    nan = float("nan")
    listings = [listing("BTC")]
    good = [(second / 10, "BTCUSDT", 100.0, 5.0, 100.1, 5.0, ((99.0,), (1.0,), (), ())) for second in range(50)]
    empty = [(second / 10, "BTCUSDT", nan, nan, nan, nan, ((), (), (), ())) for second in range(50)]
    config = two_venues()
    config["engine"] = {"depth": 3}
    markets = {"a": ScriptedTape(good, listings=listings), "b": ScriptedTape(empty, listings=listings)}

    result = run_virtual(config, plugins={"market": scripted_market(markets)})

    (counted,) = [event for event in result.of_type("funnel_counted") if event["final"]]
    assert (counted["seen"], counted["withdrawn"], counted["refused"]) == (100, 50, 0)
    assert counted["fresh"] == 0
    assert not result.of_type("decided")
