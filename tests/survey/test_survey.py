"""A survey of random rows, held against one that goes through them one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trioarb.model.market import Route
from trioarb.quotes import window
from trioarb.quotes.merge import Merged
from trioarb.quotes.window import Window, windows
from trioarb.survey.survey import Chances, SurveyedRoute, find_chances, look

SYMBOLS, VENUES, MAX_AGE_NS = 2, 3, 5
#: Symbol, venue, step of time, bid and ask, size.
ROW = st.tuples(
    st.integers(0, SYMBOLS - 1),
    st.integers(0, VENUES - 1),
    st.sampled_from([0, 1, 1, 2, 4, 9]),
    st.sampled_from(
        [(100.0, 100.1), (100.0, 100.1), (100.3, 100.4), (100.4, 100.5), (math.nan, 100.1), (100.3, 0.0), (-1.0, 100.1)]
    ),
    st.sampled_from([1.0, 2.0, 3.0]),
).map(lambda row: (*row[:3], *row[3], row[4]))
KEEP, COST, KEEP_MAKER, COST_MAKER = 0.9995, 1.0004, 1.0, 1.0001

ROUTES = [
    SurveyedRoute(
        route=Route(symbol=f"S{symbol}", buy_venue=f"v{buy}", sell_venue=f"v{sell}"),
        symbol=symbol,
        buy=buy,
        sell=sell,
        keep_taker=KEEP,
        cost_taker=COST,
        keep_maker=KEEP_MAKER,
        cost_maker=COST_MAKER,
    )
    for symbol in range(SYMBOLS)
    for buy in range(VENUES)
    for sell in range(VENUES)
    if buy != sell
]


def windows_of(rows: Sequence[Any], most: int) -> list[Window]:
    columns = {
        "ts_ns": np.cumsum([row[2] for row in rows], dtype=np.int64),
        "symbol": np.array([row[0] for row in rows], dtype=np.uint8),
        "tape": np.array([row[1] for row in rows], dtype=np.uint8),
        "bid": np.array([row[3] for row in rows]),
        "bid_size": np.array([row[5] for row in rows]),
        "ask": np.array([row[4] for row in rows]),
        "ask_size": np.array([row[5] + 0.5 for row in rows]),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WINDOW_ROWS", most)
        patch.setattr(window, "ROWS_EACH", 0)
        return list(windows(iter([Merged(columns, VENUES, [])]), SYMBOLS, VENUES))


@attrs.define
class Quoted:
    bid: float = math.nan
    ask: float = math.nan
    bid_size: float = 0.0
    ask_size: float = 0.0
    came_ns: int = -1_000

    def put(self, bid: float, ask: float, size: float, now_ns: int) -> None:
        if bid < 0 or bid > ask > 0:  # refused: it takes the venue's quote off the board
            self.bid = self.ask = math.nan
            return
        self.bid, self.bid_size = (bid, size) if bid > 0 else (math.nan, 0.0)
        self.ask, self.ask_size = (ask, size + 0.5) if ask > 0 else (math.nan, 0.0)
        self.came_ns = now_ns


@attrs.define
class Seen:
    """What one route was like: its edges with their time, and its chances as [from, until, profit, notional]."""

    gross: list[tuple[float, int]] = attrs.field(factory=list)
    maker: list[tuple[float, int]] = attrs.field(factory=list)
    above_zero_ns: int = 0
    chances: list[list[float]] = attrs.field(factory=list)


def one_by_one(rows: Sequence[Any], level_bps: float) -> list[Seen]:
    seen, now_ns = [Seen() for _ in ROUTES], 0
    boards = [[Quoted() for _ in range(VENUES)] for _ in range(SYMBOLS)]
    times = [(symbol, int(ts)) for (symbol, *_), ts in zip(rows, np.cumsum([row[2] for row in rows]), strict=True)]
    for index, (symbol, venue, step, bid, ask, size) in enumerate(rows):
        now_ns += step
        boards[symbol][venue].put(bid, ask, size, now_ns)
        until_ns = next((ts for other, ts in times[index + 1 :] if other == symbol), now_ns)
        for number, route in enumerate(ROUTES):
            if route.symbol == symbol:
                note(seen[number], boards[symbol][route.sell], boards[symbol][route.buy], now_ns, until_ns, level_bps)
    return seen


def note(seen: Seen, sell: Quoted, buy: Quoted, from_ns: int, until_ns: int, level_bps: float) -> None:
    fresh_ns = min(until_ns, sell.came_ns + MAX_AGE_NS, buy.came_ns + MAX_AGE_NS) - from_ns
    if fresh_ns <= 0 or math.isnan(sell.bid) or math.isnan(buy.ask):
        return
    seen.gross.append((1e4 * (sell.bid / buy.ask - 1), fresh_ns))
    rests = [KEEP / COST_MAKER * (sell.bid / buy.bid), KEEP_MAKER / COST * (sell.ask / buy.ask)]
    known = [ratio for ratio in rests if not math.isnan(ratio)]
    if known:
        seen.maker.append((1e4 * (max(known) - 1), fresh_ns))
    net = 1e4 * (sell.bid * KEEP / (buy.ask * COST) - 1)
    seen.above_zero_ns += fresh_ns if net > 0 else 0
    if not net > level_bps:
        return
    size = min(sell.bid_size, buy.ask_size)
    best = [size * sell.bid * KEEP - size * buy.ask * COST, size * buy.ask]
    if seen.chances and seen.chances[-1][1] == from_ns:
        last = seen.chances[-1]
        last[1] = from_ns + fresh_ns
        if best[0] > last[2]:
            last[2:] = best
    else:
        seen.chances.append([from_ns, from_ns + fresh_ns, *best])


def quantile(values: Sequence[tuple[float, int]], share: float) -> float:
    total, passed = sum(ns for _, ns in values), 0
    for value, ns in sorted(values):
        passed += ns
        if passed >= share * total:
            return value
    raise AssertionError


@settings(max_examples=60)
@given(
    rows=st.one_of(st.lists(ROW, min_size=1, max_size=5), st.lists(ROW, min_size=40, max_size=60)),
    most=st.sampled_from([1, 3, 7, 1_000]),
    level=st.sampled_from([0.0, 9.0]),
)
def test_it_finds_what_one_row_after_the_other_gives(rows: list[Any], most: int, level: float) -> None:
    made = windows_of(rows, most)
    options: dict[str, Any] = {"venues": VENUES, "max_age_ns": [MAX_AGE_NS] * SYMBOLS}
    looked = look(made, ROUTES, **options)
    chances = find_chances(made, ROUTES, [level] * len(ROUTES), **options)
    assert looked.rows == len(rows)
    for number, expected in enumerate(one_by_one(rows, level)):
        assert looked.above_zero_ns[number] == expected.above_zero_ns
        for found, values in ((looked.gross, expected.gross), (looked.maker, expected.maker)):
            assert found.total_ns(number) == sum(ns for _, ns in values)
            assert found.highest(number) == max((value for value, _ in values), default=None)
            for share in (0.05, 0.5, 0.99):
                got = found.quantile(number, share)
                assert got is None if not values else abs(got - quantile(values, share)) <= 0.1 + 1e-9  # type: ignore[operator]
        check_chances(chances[number], expected.chances)


def check_chances(found: Chances, expected: list[list[float]]) -> None:
    # Those that end later come later; of a symbol they can't overlap.
    assert sorted(found.lasted_ns.tolist()) == sorted(until - since for since, until, *_ in expected)
    assert found.lasted_ns.tolist() == [until - since for since, until, *_ in expected]
    assert found.profit.tolist() == pytest.approx([profit for *_, profit, _ in expected])
    for got, (*_, profit, notional) in zip(found.notional.tolist(), expected, strict=True):
        assert got == pytest.approx(notional) or profit == pytest.approx(0)


def test_rows_of_one_moment_are_no_end_of_a_chance() -> None:
    rows = [(0, 0, 1, 100.3, 100.4, 1.0), (0, 1, 1, 100.0, 100.1, 1.0), (0, 2, 2, 100.0, 100.1, 1.0)]
    rows += [(0, 2, 0, 100.0, 100.1, 2.0), (0, 2, 1, 100.0, 100.1, 1.0)]

    found = find_chances(windows_of(rows, 1), ROUTES, [0.0] * len(ROUTES), venues=VENUES, max_age_ns=[99, 99])

    (route,) = (number for number, one in enumerate(ROUTES) if (one.symbol, one.buy, one.sell) == (0, 1, 0))
    assert found[route].lasted_ns.tolist() == [3]
