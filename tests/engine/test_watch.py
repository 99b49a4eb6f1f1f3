"""What a campaign records of its venues' market data, and when it asks guards that nothing has happened to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from viewing import drawn

from trioarb.api import (
    SECOND_NS,
    Answer,
    Feed,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Listing,
    MarketData,
    MarketDataError,
    NoSettings,
    Opportunity,
    QuoteSink,
    Record,
    Refusal,
    RowBatch,
    Tape,
    TapeRow,
    event,
)
from trioarb.config.load import load_table
from trioarb.engine.run import run_campaign
from trioarb.model.trade import Phase
from trioarb.model.wire import to_json_object
from trioarb.plugin.columns import batched
from trioarb.plugin.registry import load_plugins
from trioarb.report.narrator import narrate
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

LISTINGS = [listing("BTC"), listing("ETH")]
MARKET = ("market_up", "market_stale", "market_down")


def at(*times: float, base: str = "BTC", ask: float = 100.0) -> list[ScriptedRow]:
    """Return quotes at these seconds, the same each time."""
    return [(seconds, f"{base}USDT", 99.0, 10.0, ask, 10.0) for seconds in times]


def every_second(last: int) -> list[ScriptedRow]:
    return at(*range(last + 1))


def tape(rows: list[ScriptedRow]) -> ScriptedTape:
    return ScriptedTape(sorted(rows), listings=LISTINGS)


def run(
    a: MarketData | list[ScriptedRow],
    b: MarketData | list[ScriptedRow],
    *overrides: str,
    guard: GuardTier | None = None,
    runtime: float | None = None,
) -> CampaignResult:
    config = two_venues()
    plugins: dict[str, object] = {
        "market": scripted_market(
            {"a": a if isinstance(a, MarketData) else tape(a), "b": b if isinstance(b, MarketData) else tape(b)}
        )
    }
    if runtime is not None:
        config["session"]["max_runtime_seconds"] = runtime
    if guard is not None:

        @asynccontextmanager
        async def opened(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
            yield guard

        config["guards"]["mine"] = {}
        plugins["guard"] = plugin_of(GuardTierSpec(name="mine", doc="a tier", open=opened))
    return run_virtual(config, plugins=plugins, overrides=overrides)


def told(result: CampaignResult, venue: str) -> list[tuple[float, str]]:
    """Return when and what was recorded of a venue's market data, in seconds since the campaign's start."""
    start_ns = result.events[0]["ts_ns"]
    return [
        ((event["ts_ns"] - start_ns) / SECOND_NS, event["type"].removeprefix("market_"))
        for event in result.events
        if event["type"] in MARKET and event["venue"] == venue
    ]


# Up and stale


def test_a_market_is_up_with_the_first_look_after_its_first_quote() -> None:
    result = run(every_second(5), at(2.3, 3, 4, 5))
    assert told(result, "a") == [(1, "up")]
    assert told(result, "b") == [(3, "up")]


def test_a_market_is_stale_once_no_quote_came_for_long_enough_and_up_when_they_come_again() -> None:
    result = run(every_second(41), at(0, 1, 2, 25.5, 26, 40, 41))
    assert told(result, "a") == [(1, "up")]
    assert told(result, "b") == [(1, "up"), (12, "stale"), (26, "up"), (36, "stale"), (40, "up")]
    first, _ = result.of_type("market_stale")
    assert first["last_quote_ns"] == result.events[0]["ts_ns"] + 2 * SECOND_NS


def test_one_nanosecond_less_is_not_stale_yet() -> None:
    result = run(every_second(21), at(0, 2.000_000_001, 20, 21))
    assert told(result, "b") == [(1, "up"), (13, "stale"), (20, "up")]


def test_without_any_quote_the_start_counts() -> None:
    result = run(every_second(20), at(15, 20))
    assert told(result, "b") == [(10, "stale"), (15, "up")]
    (stale,) = result.of_type("market_stale")
    assert stale["last_quote_ns"] == result.events[0]["ts_ns"]


def test_how_long_is_a_setting() -> None:
    result = run(every_second(21), at(0, 20, 21), "engine.market_stale_seconds=3.5")
    assert told(result, "b") == [(1, "up"), (4, "stale"), (20, "up")]


def test_quotes_of_any_symbol_count() -> None:
    result = run(every_second(20), [*at(0, 20), *at(8, 16, base="ETH")])
    assert told(result, "b") == [(1, "up")]


def test_refused_quotes_do_not_count() -> None:
    result = run(every_second(21), [*at(0, 20, 21), *at(*range(1, 20), ask=98.0)])
    assert told(result, "b") == [(1, "up"), (10, "stale"), (20, "up")]


# Down


def test_a_tape_that_ends_before_the_others_is_down() -> None:
    result = run(every_second(30), at(0, 1, 2.5))
    assert told(result, "b") == [(1, "up"), (3, "down")]
    assert told(result, "a") == [(1, "up")]
    (down,) = result.of_type("market_down")
    assert down["reason"] == "its data has ended"


def test_an_end_at_a_whole_second_is_seen_by_the_look_of_that_second() -> None:
    result = run(every_second(30), every_second(7))
    assert told(result, "b") == [(1, "up"), (7, "down")]


def test_a_tape_without_a_row_is_down() -> None:
    assert told(run(every_second(30), []), "b") == [(1, "down")]


@pytest.mark.parametrize("last", [5.1, 5.7])
def test_tapes_that_end_together_are_not_down(last: float) -> None:
    result = run([*every_second(5), *at(5.2)], [*every_second(4), *at(last)])
    assert not result.of_type("market_down")
    assert result.events[-1]["ended_by"] == "end_of_data"


class BreaksOff(Tape):
    async def listings(self) -> Sequence[Listing]:
        return LISTINGS

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        yield from tape(every_second(2)).rows(symbols, start_ns)
        raise OSError("the disk is gone")


class BreaksOffInColumns(BreaksOff):
    """Its columns come in batches, the first of which is empty."""

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch]:
        rows = tape(every_second(2)).rows(symbols, start_ns)
        whole = next(batched(rows, symbols))
        for cut in (slice(0, 0), slice(0, 1), slice(1, None)):
            columns = ("ts_ns", "order", "symbol", "bid", "bid_size", "ask", "ask_size")
            yield RowBatch(names=whole.names, **{name: getattr(whole, name)[cut] for name in columns})
        raise OSError("the disk is gone")


def test_a_tape_that_fails_in_columns_does_so_after_the_same_rows() -> None:
    by_rows = run(every_second(30), BreaksOff())
    by_columns = run(every_second(30), BreaksOffInColumns())
    named = json.dumps(by_columns.events).replace(": batches raised", ": rows raised")
    assert json.loads(named) == json.loads(json.dumps(by_rows.events))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("trioarb tape")]


def test_a_tape_that_fails_is_down_before_the_campaign_ends_with_its_error() -> None:
    result = run(every_second(30), BreaksOff())
    assert told(result, "b") == [(1, "up"), (2, "down")]
    assert not result.of_type("market_down")[1:]
    assert result.of_type("market_down")[0]["reason"].endswith("rows raised OSError: the disk is gone")
    assert (
        result.events[-1]["error"] == "[exchanges.b.market]: plugin 'scripted': rows raised OSError: the disk is gone"
    )
    assert result.exit_code == 1


class Live(Feed):
    """Quotes every half second, for a while; then it does whatever ``then`` does."""

    def __init__(self, seconds: float, then: Callable[[], None] | None) -> None:
        self._seconds = seconds
        self._then = then

    async def listings(self) -> Sequence[Listing]:
        return LISTINGS

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        start_ns = time.time_ns()
        for tick in range(round(self._seconds * 2)):
            sinks["BTCUSDT"](99.0, 10.0, 100.0, 10.0, start_ns + tick * SECOND_NS // 2)
            await trio.sleep(0.5)
        if self._then is None:
            await trio.sleep_forever()
        else:
            self._then()


def _fail() -> None:
    raise MarketDataError("connection refused")


async def run_live(a: Feed, b: MarketData) -> list[dict[str, Any]]:
    """Run a campaign of live markets in the real clock, which the test's clock makes fast."""
    plugins = load_plugins({"market": scripted_market({"a": a, "b": b})})
    config = two_venues()
    config["session"] |= {"clock": "real", "max_runtime_seconds": 30}
    events: list[dict[str, Any]] = []
    await run_campaign(
        load_table(config, plugins).config,
        plugins,
        observers=[lambda record: events.append(to_json_object(record))],
    )
    return events


def names(events: Iterable[Mapping[str, Any]], venue: str) -> list[str]:
    return [event["type"] for event in events if event["type"] in MARKET and event["venue"] == venue]


@pytest.mark.parametrize(("then", "reason"), [(_fail, "connection refused"), (lambda: None, "run ended by itself")])
async def test_a_feed_that_ends_is_down_before_the_campaign_ends_with_its_error(
    autojump_clock: MockClock, then: Callable[[], None], reason: str
) -> None:
    events = await run_live(Live(5, then), Live(60, None))
    assert names(events, "a") == ["market_up", "market_down"]
    assert names(events, "b") == ["market_up"]
    (down,) = (event for event in events if event["type"] == "market_down")
    assert down["reason"].startswith("[exchanges.a.market]: ")
    assert reason in down["reason"]
    (draining,) = (event for event in events if event.get("phase") == "DRAINING")
    assert down["seq"] < draining["seq"]
    assert events[-1]["ended_by"] == "error"
    assert reason in events[-1]["error"]


async def test_a_tape_that_ends_beside_a_feed_is_down(autojump_clock: MockClock) -> None:
    events = await run_live(Live(60, None), tape(every_second(5)))
    assert names(events, "b") == ["market_up", "market_down"]
    assert names(events, "a") == ["market_up"]
    assert events[-1]["ended_by"] == "runtime"


async def test_a_feed_that_falls_silent_is_stale(autojump_clock: MockClock) -> None:
    events = await run_live(Live(60, None), Live(5, None))
    assert names(events, "b") == ["market_up", "market_stale"]
    assert events[-1]["ended_by"] == "runtime"


def test_nothing_is_told_after_the_end() -> None:
    """Closing what is open takes longer than quotes may be missing."""
    b = [(0.0, "BTCUSDT", 102.0, 10.0, 103.0, 10.0), *at(12.0)]
    result = run(every_second(12), b, *(f"exchanges.{venue}.latency_ms=4000" for venue in "ab"), runtime=9)
    assert result.of_type("position_opened")
    assert told(result, "b")[-1] == (10, "stale")
    assert result.events[-1]["type"] == "campaign_ended"


def test_what_is_looked_at_periodically_is_the_same_in_every_replay() -> None:
    """Looks, counters and the runtime limit fall on the same nanosecond."""
    rows = [*every_second(70), *at(*(second + 0.5 for second in range(60)), base="ETH")]
    first, *others = (run(sorted(rows), every_second(20), runtime=60).events for _ in range(8))
    assert [event["type"] for event in first].count("funnel_counted") == 4
    assert all(other == first for other in others)


# Asking guards


class Polled(GuardTier):
    """Notes when it is asked, and then does what it is told for that second."""

    def __init__(self, **acts: Callable[[], Iterable[GuardTripped]]) -> None:
        self.asked_ns: list[int] = []
        self._acts = acts

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return None

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        self.asked_ns.append(now_ns)
        return self._acts.get(f"at_{len(self.asked_ns)}", lambda: ())()


def tripped(answer: Answer) -> list[GuardTripped]:
    return [GuardTripped(tier="mine", rule="clock", answer=answer, value="late", limit="early")]


def test_guards_are_asked_every_second_of_campaign_time() -> None:
    guard = Polled()
    result = run(at(0.25, 7), at(0.25, 7), guard=guard)
    start_ns = result.events[0]["ts_ns"]
    assert [(asked_ns - start_ns) / SECOND_NS for asked_ns in guard.asked_ns] == [1, 2, 3, 4, 5, 6, 7]


def test_what_a_guard_trips_when_asked_is_recorded() -> None:
    result = run(every_second(5), every_second(5), guard=Polled(at_3=partial(tripped, Answer.DENY)))
    (recorded,) = result.of_type("guard_tripped")
    assert (recorded["tier"], recorded["rule"], recorded["answer"]) == ("mine", "clock", "DENY")
    assert recorded["ts_ns"] == result.events[0]["ts_ns"] + 3 * SECOND_NS
    assert result.exit_code == 0


def test_a_stop_when_asked_ends_the_campaign() -> None:
    b = [(float(second), "BTCUSDT", 102.0, 10.0, 103.0, 10.0) for second in range(10)]
    result = run(
        every_second(10),
        b,
        "session.close_positions_at_end=false",
        "guards.symbol.cooldown_seconds=0",
        "guards.symbol.max_position_count=50",
        guard=Polled(at_3=partial(tripped, Answer.STOP)),
    )
    (stop,) = (event for event in result.of_type("decided") if event["answer"] == "STOP")
    assert (stop["tier"], stop["rule"], stop["value"], stop["limit"]) == ("mine", "clock", "late", "early")
    assert result.events[-1]["ended_by"] == "emergency_stop"
    assert result.exit_code == 3
    assert result.of_type("position_opened")
    assert len(result.of_type("position_opened")) == len(result.of_type("position_closed"))
    entries = [event["seq"] for event in result.of_type("pair_opened") if event["kind"] == "entry"]
    assert max(entries) < stop["seq"]


def _raise() -> Iterable[GuardTripped]:
    raise ZeroDivisionError("no answer")


@pytest.mark.parametrize(
    ("act", "value"),
    [
        (_raise, "poll raised ZeroDivisionError: no answer"),
        (lambda: ["no"], "poll returned [0] = 'no'; expected GuardTripped"),
    ],
)
def test_a_guard_that_raises_when_asked_denies_from_then_on(act: Any, value: str) -> None:
    b = [(second / 2, "BTCUSDT", 102.0, 10.0, 103.0, 10.0) for second in range(10)]
    result = run(
        every_second(5),
        b,
        "guards.symbol.cooldown_seconds=0",
        "guards.symbol.max_position_count=50",
        guard=Polled(at_2=act),
    )
    (denied,) = (event for event in result.of_type("decided") if event["answer"] == "DENY")
    assert (denied["tier"], denied["rule"]) == ("mine", "error")
    assert denied["value"].endswith(value)
    allowed = [event["ts_ns"] for event in result.of_type("decided") if event["answer"] == "ALLOW"]
    assert allowed
    assert max(allowed) == result.events[0]["ts_ns"] + 2 * SECOND_NS  # that quote came before the look


# What a person sees


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        def tell(message: str, **details: object) -> None:
            said = " ".join(f"{what}={detail}" for what, detail in details.items() if what != "at")
            self.lines.append(f"{level}: {message} {said}".rstrip())

        return tell


def test_the_log_tells_of_markets_venues_and_the_kill_switch() -> None:
    log = Lines()
    observe = narrate(log, in_detail=False)
    for number, told_of in enumerate(
        (
            event.MarketUp(venue="b"),
            event.MarketStale(venue="b", last_quote_ns=-10 * SECOND_NS),
            event.MarketDown(venue="b", reason="its data has ended"),
            event.GuardTripped(tier="x", rule="r", answer=Answer.DENY, value="bad", limit="good", venue="b"),
            event.GuardTripped(tier="x", rule="r", answer=Answer.ALLOW, value="fine", limit="good", symbol="BTCUSDT"),
            event.KillSwitchPulled(source="SIGUSR1"),
        )
    ):
        observe(Record(number, 0, told_of))
    assert log.lines == [
        "info: market data is up venue=b",
        "warning: no quotes venue=b seconds=10.000",
        "warning: market data is down venue=b because=its data has ended",
        "warning: guard tripped rule=x.r venue=b value=bad limit=good",
        "info: guard recovered rule=x.r symbol=BTCUSDT value=fine limit=good",
        "warning: kill switch pulled source=SIGUSR1",
    ]


def test_the_live_table_names_venues_without_quotes() -> None:
    campaign = run(every_second(30), at(0, 20)).campaign
    campaign.phase, campaign.ended_by = Phase.RUNNING, None

    def shown(seconds: float) -> str:
        campaign.ended_ns = campaign.world.start_ns + round(seconds * SECOND_NS)
        return "\n".join(drawn(campaign, 200, 24))

    assert "no quotes" not in shown(29.9)
    assert "a quote 0.00 s old · b no quotes for 10.00 s" in shown(30)
