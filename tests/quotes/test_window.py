"""Windows of random rows, held against boards onto which the same rows are put one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.quotes import window
from trioarb.quotes.merge import NEVER, Merged
from trioarb.quotes.window import ACCEPTED, REFUSED, WITHDRAWN, Window, gathered, pairs_of, windows

SYMBOLS, VENUES = 3, 3
#: Symbol, venue, step of time, bid, ask.
ROW = st.tuples(
    st.integers(0, SYMBOLS - 1),
    st.integers(0, VENUES - 1),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, math.nan, -1.0, 4.0]),
    st.sampled_from([2.0, 3.0, 0.0, math.inf]),
)


@attrs.define
class Cell:
    """What a venue quoted last of a symbol."""

    bid: float = math.nan
    ask: float = math.nan
    came_ns: int = -1
    number: int = 0
    was_whole: bool = False


def kind_of(bid: float, ask: float) -> int:
    has_bid, has_ask = bid > 0, ask > 0
    if bid < 0 or ask == math.inf or (has_bid and has_ask and bid > ask):
        return REFUSED
    return ACCEPTED if has_bid and has_ask else WITHDRAWN


def pieces_of(rows: Sequence[Any], cuts: Sequence[int], ended: Sequence[int]) -> list[Merged]:
    """Return rows as they come merged, in pieces; a venue that has ``ended`` did so with its last row, if any."""
    columns = {
        "ts_ns": np.cumsum([row[2] for row in rows], dtype=np.int64),
        "symbol": np.array([row[0] for row in rows], dtype=np.uint8),
        "tape": np.array([row[1] for row in rows], dtype=np.uint8),
        "bid": np.array([row[3] for row in rows]),
        "bid_size": np.ones(len(rows)),
        "ask": np.array([row[4] for row in rows]),
        "ask_size": np.ones(len(rows)),
    }
    last = last_rows(rows, ended)
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    pieces = []
    for first, end in pairwise(edges):
        here = [(venue, at - first) for venue, at in last.items() if first <= at < end]
        here += [(venue, -1) for venue, at in last.items() if at < 0 and not first]
        pieces.append(Merged({name: column[first:end] for name, column in columns.items()}, VENUES, here))
    return pieces


def last_rows(rows: Sequence[Any], venues: Iterable[int]) -> dict[int, int]:
    return {venue: max((at for at, row in enumerate(rows) if row[1] == venue), default=-1) for venue in venues}


def highest(ratios: Any) -> float:
    return max((float(ratio) for ratio in ratios if not np.isnan(ratio)), default=math.nan)


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@given(
    rows=st.lists(ROW, min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=4),
    most=st.sampled_from([1, 7, 1_000]),
    zone=st.sampled_from([1, 4, 256]),
    ended=st.sets(st.integers(0, VENUES - 1)),
    is_gathered=st.booleans(),
)
def test_each_place_holds_what_every_venue_quoted_then(
    rows: list[Any], cuts: list[int], most: int, zone: int, ended: set[int], is_gathered: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WINDOW_ROWS", most)
        patch.setattr(window, "ROWS_EACH", 0)
        patch.setattr(window, "ROWS_EACH", 0)
        patch.setattr(window, "ZONE_ROWS", zone)
        pieces = pieces_of(rows, cuts, sorted(ended))
        made = list(windows(gathered(iter(pieces), most) if is_gathered else iter(pieces), SYMBOLS, VENUES))
        assert all(one.extremes for one in made)  # made while the zones are of this size
    assert sum(map(len, made)) == len(rows)
    cells = [[Cell() for _ in range(VENUES)] for _ in range(SYMBOLS)]
    ended_at: dict[int, int] = {}
    first = now_ns = 0
    for one in made:
        assert len(one) <= most
        ended_at |= {venue: last if last < 0 else first + last for venue, last in one.ended}
        for row in range(len(one)):
            now_ns += rows[first + row][2]
            put(rows[first + row], now_ns, cells)
            hold(one, row, rows[first : first + len(one)], now_ns, cells)
        check_zones(one, zone)
        first += len(one)
    assert ended_at == last_rows(rows, ended)


def put(row: Any, now_ns: int, cells: list[list[Cell]]) -> None:
    symbol, venue, _, bid, ask = row
    cell, kind = cells[symbol][venue], kind_of(bid, ask)
    cell.bid = bid if kind != REFUSED and bid > 0 else math.nan
    cell.ask = ask if kind != REFUSED and ask > 0 else math.nan
    if kind != REFUSED:
        cell.came_ns, cell.number = now_ns, cell.number + 1


def hold(one: Window, row: int, rows: Sequence[Any], now_ns: int, cells: list[list[Cell]]) -> None:
    """Hold a row of a window against the boards after it."""
    symbol, venue, _, bid, ask = rows[row]
    place = int(one.place[row])
    first, end = one.places_of(symbol)
    assert first <= place < end
    assert (int(one.row[place]), int(one.ts_ns[row])) == (row, now_ns)
    assert (int(one.cell[row]), int(one.symbol[place])) == (symbol * VENUES + venue, symbol)
    assert one.kind[place] == kind_of(bid, ask)
    assert one.number[place] == cells[symbol][venue].number
    following = [at for at in range(row + 1, len(rows)) if rows[at][:2] == (symbol, venue)]
    assert int(one.next_row[row]) == following[0] if following else one.next_row[row] >= len(rows)
    for other, cell in enumerate(cells[symbol]):
        assert same(one.bid[other, place], cell.bid)
        assert same(one.ask[other, place], cell.ask)
        assert one.came_ns[other, place] == cell.came_ns
    is_first = not cells[symbol][venue].was_whole and kind_of(bid, ask) == ACCEPTED
    assert (row in one.firsts.tolist()) == is_first
    cells[symbol][venue].was_whole |= is_first


def check_zones(one: Window, zone: int) -> None:
    with np.errstate(invalid="ignore"):
        ratios = np.array([one.bid[sell] / one.ask[buy] for sell, buy in pairs_of(VENUES)])
        ages_ns = np.where(one.bid <= one.ask, one.ts_ns[one.row] - one.came_ns, NEVER)
    for number, start in enumerate(range(0, len(one), zone)):
        for pair, ratio in enumerate(ratios[:, start : start + zone]):
            assert same(one.extremes.zone_ratio[pair, number], highest(ratio))
        assert one.extremes.zone_age_ns[:, number].tolist() == ages_ns[:, start : start + zone].max(axis=1).tolist()
    for k, symbol in enumerate(one.present.tolist()):
        own = ratios[:, slice(*one.places_of(symbol))]
        for pair, ratio in enumerate(own):
            assert same(one.extremes.best_ratio[pair, k], highest(ratio))
