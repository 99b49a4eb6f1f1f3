"""Nothing that keeps a campaign from entering keeps it from leaving: no guard, no quarantine, no reached limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from trioarb.api import OrderSize, Route, Strategy, StrategyContext, StrategySpec
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
)

#: b stands above a from the first second on, until this one; then a position is to be closed.
CLOSED_AT = 5
BASES = ("BTC", "ETH")


def quotes(venue: str) -> Iterator[ScriptedRow]:
    """Yield twenty seconds of quotes: four a second of BTC, and of ETH, without a gap, one every four seconds."""
    for tick in range(80):
        second = tick / 4
        gap = 2.0 if venue == "b" and 1 <= second < CLOSED_AT else 0.0
        yield second, "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0
        if tick % 16 == 0:
            yield second, "ETHUSDT", 100.0, 50.0, 100.1, 50.0


def run(table: dict[str, Any], **plugins: object) -> CampaignResult:
    table["strategy"] |= {"entry_bps": 50, "exit_bps": -40, "order_size_usd": 400}
    tapes = {venue: ScriptedTape(list(quotes(venue)), listings=[*map(listing, BASES)]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes), **plugins})


def assert_closed_when_the_gap_was(result: CampaignResult) -> int:
    """Return when that was, in the campaign's nanoseconds."""
    (closed,) = result.of_type("position_closed")
    assert closed["reason"] == "edge"
    after_ns: int = closed["ts_ns"] - result.events[0]["ts_ns"]
    assert CLOSED_AT <= after_ns / 10**9 < CLOSED_AT + 1
    return int(closed["ts_ns"])


def test_guards_that_deny_everything_stop_no_exit() -> None:
    table = two_venues()
    table["guards"] |= {"symbol": {"max_position_count": 1, "cooldown_seconds": 0}}

    result = run(table)

    closed_ns = assert_closed_when_the_gap_was(result)
    decided = [one["answer"] for one in result.of_type("decided") if one["ts_ns"] < closed_ns]
    assert decided == ["ALLOW", "DENY"], "the last answer before the exit"


class FailsWhileItHolds(SpreadStrategy):
    """Enters once; asked again about an entry, it raises."""

    has_entered = False

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        size = super().entry(route, edge_bps, now_ns)
        if size is not None and self.has_entered:
            raise ValueError("not again")
        self.has_entered = size is not None
        return size


def test_a_quarantine_stops_no_exit() -> None:
    @asynccontextmanager
    async def opened(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
        yield FailsWhileItHolds(settings)

    table = two_venues()
    table["strategy"] = {"plugin": "fails"}
    table["engine"] = {"restart_backoff_seconds": 10}
    spec = StrategySpec(name="fails", doc="fails", settings=SpreadSettings, open=opened)

    result = run(table, strategy=plugin_of(spec))

    closed_ns = assert_closed_when_the_gap_was(result)
    (quarantined,), (restarted,) = result.of_type("symbol_quarantined"), result.of_type("symbol_restarted")
    assert quarantined["ts_ns"] < closed_ns < restarted["ts_ns"]


def test_a_reached_limit_stops_no_exit() -> None:
    table = two_venues()
    table["session"]["max_iterations"] = 24  # three seconds of BTC, more than there is of ETH

    result = run(table)

    assert_closed_when_the_gap_was(result)
    assert result.campaign.symbols["BTCUSDT"].limit_reached
    assert result.events[-1]["ended_by"] == "end_of_data"
