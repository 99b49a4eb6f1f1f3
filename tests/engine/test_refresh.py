"""A universe that is chosen anew while the campaign runs: symbols come, go, and come back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from trioarb.api import (
    SECOND_NS,
    Feed,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    NoSettings,
    QuoteSink,
    Record,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    event,
)
from trioarb.course.kept import KeptCourse
from trioarb.course.told import CourseFile, ToldCourse
from trioarb.settings.redact import Redactor
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_real, run_virtual, two_venues
from trioarb.time.campaign_time import RealTime
from trioarb.verify.verification import Verifier

SECONDS = 240
BASES = ("AAA", "BBB", "CCC")


class Ranked(SymbolSource):
    """Each answer ranks the symbols as the next of ``ranks`` says; the last one stays. An empty one is an error."""

    def __init__(self, ranks: Sequence[Sequence[str]]) -> None:
        self._ranks = list(ranks)

    async def listings(self) -> Sequence[Listing]:
        best_first = self._ranks.pop(0) if len(self._ranks) > 1 else self._ranks[0]
        if not best_first:
            raise ValueError("the venue is away")
        return [listing(base, volume_24h_quote=Decimal(100 - rank)) for rank, base in enumerate(best_first)]


def source(ranks: Sequence[Sequence[str]]) -> object:
    @asynccontextmanager
    async def opened(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
        yield Ranked(ranks)

    return plugin_of(SymbolSourceSpec(name="ranked", doc="ranks that change", open=opened))


def tape(context: MarketContext) -> ScriptedTape:
    """Every ten seconds an edge of 30 bps from a to b opens, and five seconds later it has closed again."""
    rows = []
    for second in range(SECONDS):
        for number, base in enumerate(BASES):
            bid = 100.3 if context.venue == "b" and second % 10 < 5 else 100.0
            rows.append((second + number / 10, f"{base}USDT", bid, 50.0, bid + 0.01, 50.0))
    return ScriptedTape(rows, listings=[*map(listing, BASES)])


def market(make: Any) -> object:
    @asynccontextmanager
    async def opened(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        yield make(context)

    return plugin_of(MarketDataSpec(name="ten", doc="an edge every ten seconds", open=opened))


def config(**strategy: Any) -> dict[str, Any]:
    table = two_venues("ten")
    table["universe"] = {"source": "ranked", "mode": "TOP_N", "top_n": 2, "refresh_minutes": 1}
    table["session"]["max_runtime_seconds"] = SECONDS
    table["strategy"] = {"exit_bps": -12, "max_holding_seconds": 300} | strategy
    table["guards"]["portfolio"] = {"max_symbol_allocation_pct": 1}
    return table


def run(ranks: Sequence[Sequence[str]], **strategy: Any) -> CampaignResult:
    return run_virtual(config(**strategy), plugins={"source": source(ranks), "market": market(tape)})


def second_of(result: CampaignResult, happened: Mapping[str, Any]) -> float:
    return (happened["ts_ns"] - result.events[0]["ts_ns"]) / SECOND_NS


def entries(result: CampaignResult, symbol: str) -> list[float]:
    return [
        second_of(result, one)
        for one in result.of_type("pair_opened")
        if one["symbol"] == symbol and one["kind"] == "entry"
    ]


CHANGING = [["AAA", "BBB", "CCC"], ["AAA", "CCC", "BBB"], [], ["BBB", "AAA", "CCC"]]


def test_new_symbols_start_and_dropped_ones_take_no_entries() -> None:
    result = run(CHANGING)

    assert result.exit_code == 0
    first, away, second = result.of_type("universe_refreshed")
    assert (first["symbols"], first["added"], first["dropped"]) == (["AAAUSDT", "CCCUSDT"], ["CCCUSDT"], ["BBBUSDT"])
    assert (away["symbols"], away["added"], away["dropped"]) == (["AAAUSDT", "CCCUSDT"], [], [])
    assert "the venue is away" in away["error"]
    assert (second["added"], second["dropped"]) == (["BBBUSDT"], ["CCCUSDT"])
    assert [second_of(result, one) for one in (first, away, second)] == [60, 120, 180]
    assert {at > 60 and at < 181 for at in entries(result, "CCCUSDT")} == {True}
    assert {at < 60 or at > 180 for at in entries(result, "BBBUSDT")} == {True}
    assert min(entries(result, "BBBUSDT")) < 60
    assert max(entries(result, "BBBUSDT")) > 180
    assert any(60 < at < 180 for at in entries(result, "AAAUSDT"))
    assert [one["symbol"] for one in result.of_type("instrument_listed")].count("CCCUSDT") == 2


def test_what_a_dropped_symbol_holds_is_closed() -> None:
    result = run(CHANGING, exit_bps=100)

    ends = [one for one in result.of_type("position_closed") if one["symbol"] == "BBBUSDT"]
    closed = [one for one in ends if second_of(result, one) < 100]
    assert {one["reason"] for one in closed} == {"dropped"}
    assert {60 <= second_of(result, one) < 62 for one in closed} == {True}


def test_the_journal_says_which_symbols_were_traded_when() -> None:
    records = run(CHANGING).records
    sound, forged = Verifier(), Verifier()
    sound.fold(records)
    forged.fold(
        Record(one.seq, one.ts_ns, replace(one.event, symbols=("AAAUSDT",)))
        if isinstance(one.event, event.UniverseRefreshed)
        else one
        for one in records
    )

    assert [str(violation) for violation in sound.result().violations] == []
    found = {str(violation) for violation in forged.result().violations}
    assert any("adds or drops others" in one for one in found)
    assert any("enters a symbol that is not among those" in one for one in found)


def test_a_symbol_that_stays_sees_the_same_quotes_as_without_a_refresh() -> None:
    changed, left_alone = run(CHANGING), run(CHANGING[:1])

    assert entries(changed, "AAAUSDT") == entries(left_alone, "AAAUSDT")
    seen = [result.campaign.symbols["AAAUSDT"].funnel.seen for result in (changed, left_alone)]
    assert seen[0] == seen[1] == 2 * SECONDS


class Growing(ScriptedTape):
    """Lists a symbol more from the third time on that it is asked, and takes a second for each answer."""

    asked = 0

    async def listings(self) -> Sequence[Listing]:
        self.asked += 1
        await trio.sleep(1)
        listed = await super().listings()
        return listed if self.asked > 2 else [one for one in listed if one.symbol != "CCCUSDT"]


def test_a_market_is_asked_what_it_lists_when_the_symbols_are_chosen_anew() -> None:
    """Where there are new ones; it may take its time for that."""
    tapes: list[Growing] = []

    def growing(context: MarketContext) -> Growing:
        of_all = tape(context)
        tapes.append(Growing(of_all._rows, listings=of_all._listings))
        return tapes[-1]

    ranks = [CHANGING[0], CHANGING[0], ["AAA", "CCC", "BBB"]]
    result = run_virtual(config(), plugins={"source": source(ranks), "market": market(growing)})

    assert result.exit_code == 0
    refreshed = result.of_type("universe_refreshed")
    assert [one["symbols"] for one in refreshed] == [
        ["AAAUSDT", "BBBUSDT"],
        ["AAAUSDT"],  # nobody listed the other one when asked
        ["AAAUSDT", "CCCUSDT"],
    ]
    assert [one.asked for one in tapes] == [3, 3]
    assert min(entries(result, "CCCUSDT")) > second_of(result, refreshed[2])


async def test_what_a_market_lists_when_it_is_asked_anew_is_told_again(tmp_path: Path) -> None:
    course = KeptCourse(tmp_path, Redactor())
    course.time(RealTime(10**18))
    await course.market("a", Ticking([], MarketContext(venue="a", seed=1)))
    course.begin("c", 10**18, 0)

    async def more() -> Sequence[Listing]:
        return [listing("AAA"), listing("ZZZ")]

    assert await course.asked("a", "listings", more) == await more()
    course.close()

    told = ToldCourse(CourseFile.at(tmp_path / "c.0.course"), [], {}, depth=1)

    async def ask() -> tuple[Sequence[Listing], Sequence[Listing], Sequence[Listing]]:
        market = told.told_market("a")
        before = await market.listings()
        answer = await told.asked("a", "listings", more_than_that)
        return before, answer, await market.listings()

    async def more_than_that() -> Sequence[Listing]:
        raise AssertionError("nobody is asked")

    before, answer, after = await trio.to_thread.run_sync(partial(trio.run, ask, clock=told.clock))
    assert list(before) == [*map(listing, BASES)]
    assert list(answer) == list(after) == await more()


def test_two_runs_are_the_same_to_the_byte() -> None:
    assert run(CHANGING).events == run(CHANGING).events


class Ticking(Feed):
    """Quotes all symbols that it is asked for, a hundred times a second; counts how often it was opened."""

    def __init__(self, opened: list[set[str]], context: MarketContext) -> None:
        self._opened = opened
        self._price = 100.3 if context.venue == "b" else 100.0
        self._now_ns = context.time.now_ns

    async def listings(self) -> Sequence[Listing]:
        return [*map(listing, BASES)]

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        self._opened.append(set(sinks))
        task_status.started()
        while True:
            for sink in sinks.values():
                sink(self._price, 50.0, self._price + 0.01, 50.0, self._now_ns())
            await trio.sleep(0.01)


def test_a_feed_is_opened_again_with_the_further_symbols() -> None:
    opened: list[set[str]] = []
    table = config()
    table["universe"]["refresh_minutes"] = Decimal("0.02")
    plugins = {"source": source(CHANGING[:2]), "market": market(lambda context: Ticking(opened, context))}
    result = run_real(table, seconds=3, plugins=plugins)

    assert result.exit_code == 0
    assert opened == [{"AAAUSDT", "BBBUSDT"}] * 2 + [{"AAAUSDT", "BBBUSDT", "CCCUSDT"}] * 2
    assert entries(result, "CCCUSDT")


def test_a_feed_reads_the_time_of_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    year_ns = 365 * 86_400 * SECOND_NS
    start_ns = time.time_ns() - year_ns
    read_ns: list[int] = []

    class Reading(Ticking):
        async def run(
            self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        ) -> None:
            read_ns.append(self._now_ns())
            await super().run(sinks, task_status=task_status)

    # As of one that is gone on with, whose machine's clock was set meanwhile.
    monkeypatch.setattr("trioarb.engine.world._start_ns", lambda markets, clock, past: start_ns)
    plugins = {"source": source(CHANGING[:1]), "market": market(lambda context: Reading([], context))}
    result = run_real(config(), seconds=1, plugins=plugins)

    assert result.exit_code == 0
    assert len(read_ns) == 2
    assert all(start_ns <= at_ns < start_ns + 10 * SECOND_NS for at_ns in read_ns)
    assert entries(result, "AAAUSDT")


@pytest.mark.parametrize("mode", ["SINGLE", "FIXED_LIST"])
def test_named_symbols_are_not_chosen_anew(mode: str) -> None:
    table = config()
    table["universe"] |= {"mode": mode, "symbol": "AAAUSDT", "whitelist": ["AAAUSDT"]}
    with pytest.raises(Exception, match=r"universe\.refresh_minutes: has no meaning"):
        run_virtual(table, plugins={"source": source(CHANGING), "market": market(tape)})
