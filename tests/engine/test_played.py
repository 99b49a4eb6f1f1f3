"""Quotes that are played in windows: the same events as if each had been delivered and shown."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from columnar import ColumnarTape
from effort import examples
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from trioarb.api import ALWAYS, Listing, OrderSize, Route, StrategyContext, StrategySpec
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.engine import market
from trioarb.plugin import columns
from trioarb.quotes import player, screen, window
from trioarb.testing import ScriptedRow, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues

START_NS = 1_735_689_600_000_000_000
SYMBOLS = ("BTC", "ETH")


class Fragile(SpreadStrategy):
    """Fails now and then where it would enter; its symbol goes into quarantine, and comes back."""

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        wanted = super().entry(route, edge_bps, now_ns)
        if wanted is not None and now_ns // 10**9 % 4 == 0:
            raise ValueError("fragile")
        return wanted


@asynccontextmanager
async def open_fragile(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Fragile]:
    yield Fragile(settings)


class Bolder(SpreadStrategy):
    """Wants 40 bps more for its first entry of a symbol than for those that come later."""

    def __init__(self, settings: SpreadSettings) -> None:
        super().__init__(settings)
        self._first_ns: int | None = None

    def entry_from_bps(self, route: Route) -> float:
        return super().entry_from_bps(route) + (40.0 if self._first_ns is None else 0.0)

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        # Of one moment all routes are held against the band that it had declared for them.
        more_bps = 40.0 if self._first_ns is None or now_ns == self._first_ns else 0.0
        wanted = super().entry(route, edge_bps - more_bps, now_ns)
        if wanted is not None and self._first_ns is None:
            self._first_ns = now_ns
        return wanted


@asynccontextmanager
async def open_bolder(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Bolder]:
    yield Bolder(settings)


BOLDER = plugin_of(StrategySpec(name="bolder", doc="gets bolder", settings=SpreadSettings, open=open_bolder))
FRAGILE = plugin_of(StrategySpec(name="fragile", doc="fails at times", settings=SpreadSettings, open=open_fragile))


@attrs.frozen
class Told:
    """What a campaign told."""

    events: tuple[Mapping[str, Any], ...]
    highest: Mapping[str, float | None]


def told(
    table: Mapping[str, Any], rows: Mapping[str, Sequence[ScriptedRow]], *, tape: type[ScriptedTape] = ScriptedTape
) -> Told:
    tapes = {venue: tape(own, listings=listings(venue, own), start_ns=START_NS) for venue, own in rows.items()}
    result = run_virtual(table, plugins={"market": scripted_market(tapes), "fragile": FRAGILE, "bolder": BOLDER})
    highest = {symbol: task.highest_edge_bps for symbol, task in result.campaign.symbols.items()}
    return Told(result.events, highest)


def told_when_always_asked(table: Mapping[str, Any], rows: Mapping[str, Sequence[ScriptedRow]]) -> Told:
    """Return what is told when the strategy is asked at every evaluation; of its bands only the times hold."""
    declared = SpreadStrategy.exit_band
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpreadStrategy, "entry_from_bps", lambda strategy, route: ALWAYS)
        patch.setattr(
            SpreadStrategy,
            "exit_band",
            lambda strategy, position: attrs.evolve(declared(strategy, position), edge_from_bps=ALWAYS),
        )
        return told(table, rows)


def told_of_every_quote(table: Mapping[str, Any], rows: Mapping[str, Sequence[ScriptedRow]]) -> Told:
    """Return what is told when each quote is delivered by itself, as those of a feed are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market, "is_played", lambda campaign: False)
        return told(table, rows)


def listings(venue: str, rows: Sequence[ScriptedRow]) -> list[Listing]:
    """Return what a venue lists: both symbols, but for the third venue, which may quote one only."""
    quoted = {row[1] for row in rows}
    return [listing(base) for base in SYMBOLS if venue != "c" or len(quoted) != 1 or f"{base}USDT" in quoted]


def quotes(seed: int, *, depth: int = 1) -> dict[str, list[ScriptedRow]]:
    """Return quotes of two or three venues at few prices and times, so that much is equal; some of them are refused.

    With ``depth`` they have levels, some of which can't be.
    """
    chance = random.Random(seed)
    calm = chance.choice([0.0, 0.02, 0.2])
    steps = chance.choice([(0.0, 0.0, 0.1, 0.1, 0.25), (0.0, 0.1, 0.25, 1.0, 4.0)])
    rows: dict[str, list[ScriptedRow]] = {}
    for venue in chance.choice(["ab", "ab", "abc"]):
        second = chance.choice([0.0, 0.0, 2.0])
        rows[venue] = []
        symbols = chance.choice([SYMBOLS, SYMBOLS, SYMBOLS[:1]]) if venue == "c" else SYMBOLS
        for _ in range(chance.choice([0, 1, 30, 200, 200])):
            second += chance.choice(steps)
            bid = chance.choice([99.5, 100.0, 100.0, 100.5, 101.0])
            width, size = chance.choice([0.0, 0.01, 0.5]), chance.choice([1.0, 5.0])
            if chance.random() < calm:
                width, size = chance.choice([(-0.5, 1.0), (math.nan, 1.0), (0.01, 0.0)])
            symbol = chance.choice(symbols)
            rows[venue].append((second, f"{symbol}USDT", bid, 5.0, bid + width, size))
        if depth > 1:
            rows[venue] = [deep(row, random.Random(f"{seed}{venue}{row}")) for row in rows[venue]]
    return rows


def deep(row: Any, chance: random.Random) -> ScriptedRow:
    """Return a quote with up to three levels beyond, more than some tables look at."""
    _, _, bid, _, ask, ask_size = row
    count = chance.choice([0, 1, 2, 3])
    asks = [ask + 0.25 * number for number in range(1, count + 1)] if ask_size > 0 and ask == ask else []
    bids = [bid - 0.25 * number for number in range(1, count + 1)]
    if chance.random() < 0.1:
        bids = bids[::-1]
    return (*row, (bids, [chance.choice([1.0, 4.0]) for _ in bids], asks, [2.0] * len(asks)))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    def one(*values: object) -> Any:
        return draw(st.sampled_from(values))

    table = two_venues()
    table["session"] |= {
        "max_runtime_seconds": one(3, 20, 600, 600),
        "max_iterations": one(1, 30, 10_000, 10_000, 10_000),
        "close_positions_at_end": one(True, False),
        "loop_interval_ms": one(0, 0, 0, 100, 250, 700),
    }
    table["exchanges"]["c"] = dict(table["exchanges"]["a"])
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": one(0, 5, 100, 300), "tick_size": "0.01", "lot_size": one("0.01", "1")}
        venue |= {"reject_rate": one("0", "0", "0.3"), "taker_fee_bps": one(0, 4)}
    table["strategy"] = {"entry_bps": one(5, 40, 80, 400, -10), "exit_bps": one(-100, -20, 0, 50), "order_size_base": 1}
    table["strategy"]["plugin"] = one("spread", "spread", "fragile", "bolder")
    table["strategy"]["max_quote_age_ms"] = one(1, 500, 2_000, 100_000)
    for key in ("take_profit_bps", "stop_loss_bps", "max_holding_seconds"):
        value = one(None, None, 1, 30)
        if value is not None:
            table["strategy"][key] = value
    table["guards"] = {"symbol": {"cooldown_seconds": one(0, 1), "max_position_count": one(1, 3)}}
    table["engine"] = {"market_stale_seconds": one(1, 2, "0.5"), "depth": one(1, 1, 3)}
    if table["engine"]["depth"] > 1:
        table["strategy"]["order_size_base"] = one(1, 12)
    return table


def replanned_in_vain() -> dict[str, Any]:
    """Return a table with which a symbol goes into quarantine before the row comes that the player was woken for."""
    table = two_venues()
    table["session"] |= {"max_runtime_seconds": 600, "max_iterations": 10_000, "close_positions_at_end": True}
    table["exchanges"]["c"] = dict(table["exchanges"]["a"])
    for venue, latency_ms, fee_bps in (("a", 300, 4), ("b", 100, 0), ("c", 5, 4)):
        rules = {"latency_ms": latency_ms, "taker_fee_bps": fee_bps, "tick_size": "0.01", "lot_size": "0.01"}
        table["exchanges"][venue] |= rules
    table["exchanges"]["b"]["reject_rate"] = "0.3"
    table["strategy"] = {"plugin": "fragile", "entry_bps": 5, "exit_bps": -20, "order_size_base": 1}
    table["strategy"]["max_holding_seconds"] = 30
    table["guards"] = {"symbol": {"cooldown_seconds": 0, "max_position_count": 3}}
    table["engine"] = {"market_stale_seconds": "0.5"}
    return table


def refused_within_an_exit_band() -> dict[str, Any]:
    """Return a table with which a quote is refused while those of two other venues are within a position's band."""
    table = two_venues()
    table["session"] |= {"max_runtime_seconds": 600, "max_iterations": 10_000, "close_positions_at_end": False}
    table["exchanges"]["c"] = dict(table["exchanges"]["a"])
    for venue, latency_ms, reject_rate, fee_bps in (("a", 0, "0", 0), ("b", 300, "0", 4), ("c", 300, "0.3", 4)):
        rules = {"latency_ms": latency_ms, "reject_rate": reject_rate, "taker_fee_bps": fee_bps}
        table["exchanges"][venue] |= {"tick_size": "0.01", "lot_size": "0.01", **rules}
    table["strategy"] = {"entry_bps": 40, "exit_bps": 50, "order_size_base": 1, "take_profit_bps": 30}
    table["strategy"]["max_quote_age_ms"] = 2_000
    table["guards"] = {"symbol": {"cooldown_seconds": 0, "max_position_count": 3}}
    table["engine"] = {"market_stale_seconds": "0.5"}
    return table


def bolder_while_in_flight() -> dict[str, Any]:
    """Return a table with which a band is wider from the entry on that was wanted, before anything has come of it."""
    table = two_venues()
    table["session"]["max_runtime_seconds"] = 600
    table["exchanges"]["c"] = dict(table["exchanges"]["a"])
    for venue in table["exchanges"].values():
        venue["latency_ms"] = 300
    table["strategy"] = {"plugin": "bolder", "entry_bps": 5, "exit_bps": -100, "order_size_base": 1}
    table["strategy"]["max_quote_age_ms"] = 100_000
    table["guards"] = {"symbol": {"cooldown_seconds": 0, "max_position_count": 3}}
    return table


def crowded_loop() -> dict[str, Any]:
    """Return a table with which many quotes come between two looks."""
    table = bolder_while_in_flight()
    table["session"]["loop_interval_ms"] = 20_000
    table["strategy"]["plugin"] = "spread"
    return table


def levels_at_a_look() -> dict[str, Any]:
    """Return a table with which quotes with levels come before a look, and are put on boards after it."""
    table = crowded_loop()
    table["session"]["loop_interval_ms"] = 700
    table["engine"] = {"market_stale_seconds": "0.5", "depth": 3}
    table["strategy"] |= {"order_size_base": 12, "max_quote_age_ms": 500}
    return table


@settings(
    max_examples=examples(80, 16),
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.shrink},
)
@given(
    table=tables(),
    seed=st.integers(0, 2**32),
    window_rows=st.sampled_from([3, 16, 65_536]),
    zone_rows=st.sampled_from([1, 5, 256]),
    exit_rows=st.sampled_from([1, 512]),
    batch_rows=st.sampled_from([1, 7, 1_000]),
    few=st.sampled_from([0, 8]),
)
@example(
    table=refused_within_an_exit_band(), seed=77_793, window_rows=65_536, zone_rows=5, exit_rows=1, batch_rows=7, few=0
)
@example(
    table=bolder_while_in_flight(), seed=3, window_rows=65_536, zone_rows=256, exit_rows=512, batch_rows=1_000, few=8
)
@example(table=crowded_loop(), seed=3, window_rows=65_536, zone_rows=256, exit_rows=512, batch_rows=1_000, few=0)
@example(
    table=levels_at_a_look(), seed=897_346_962, window_rows=65_536, zone_rows=256, exit_rows=512, batch_rows=1, few=0
)
@example(table=replanned_in_vain(), seed=880, window_rows=65_536, zone_rows=256, exit_rows=1, batch_rows=1_000, few=8)
def test_the_events_are_those_of_every_quote_shown(
    table: dict[str, Any],
    seed: int,
    window_rows: int,
    zone_rows: int,
    exit_rows: int,
    batch_rows: int,
    few: int,
) -> None:
    """Quote by quote, the strategy asked every time; then with less and less of that."""
    rows = quotes(seed, depth=table["engine"].get("depth", 1) if "engine" in table else 1)
    for venue in set(table["exchanges"]) - set(rows):
        del table["exchanges"][venue]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "WINDOW_ROWS", window_rows)
        patch.setattr(window, "ROWS_EACH", 0)
        for module in (window, screen):
            patch.setattr(module, "ZONE_ROWS", zone_rows)
        patch.setattr(player, "_ROWS_AHEAD", zone_rows)
        patch.setattr(screen, "_FIRST_EXIT_ROWS", exit_rows)
        patch.setattr(columns, "_FIRST_ROWS", batch_rows)
        patch.setattr(player, "_FEW_ROWS", few)
        patch.setattr(player, "_FEW_DENSE_ROWS", 8 * few)
        patch.setattr(player, "_FEW_CELLS", few // 4)

        with pytest.MonkeyPatch.context() as delivered:
            delivered.setattr(market, "is_played", lambda campaign: False)
            expected = told_when_always_asked(table, rows)
        assert told_of_every_quote(table, rows) == expected
        assert told_when_always_asked(table, rows) == expected
        assert told(table, rows) == expected
        assert told(table, rows, tape=ColumnarTape) == expected


@settings(
    max_examples=examples(100, 30),
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.shrink},
)
@given(
    seed=st.integers(0, 2**32),
    most=st.sampled_from([1, 30, 10_000]),
    entry_bps=st.sampled_from([-10, 80, 400]),
    age_ms=st.sampled_from([500, 100_000]),
    runtime=st.sampled_from([3, 600]),
)
def test_quotes_that_change_nothing_are_counted_as_if_they_were_evaluated(
    seed: int, most: int, entry_bps: int, age_ms: int, runtime: int
) -> None:
    rows = quotes(seed)
    table = two_venues()
    table["session"] |= {"max_iterations": most, "max_runtime_seconds": runtime}
    table["exchanges"] = {venue: {**table["exchanges"]["a"], "latency_ms": 400} for venue in rows}
    table["strategy"] = {"entry_bps": entry_bps, "exit_bps": -100, "max_quote_age_ms": age_ms}
    table["guards"] = {"symbol": {"max_position_count": 1}}

    expected = told_when_always_asked(table, rows)
    assert told(table, rows) == expected
    assert told_of_every_quote(table, rows) == expected
