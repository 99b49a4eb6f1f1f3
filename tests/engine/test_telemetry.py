"""What a campaign's process knows beside its journal: what is measured where, and what is absent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExchangeWrapper,
    LimitUsed,
    NoSettings,
    Order,
    OrderReport,
    VenueError,
)
from trioarb.cli.running import report_of
from trioarb.engine.telemetry import telemetry_of
from trioarb.journal.log import Log
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import PhaseEntered, Record
from trioarb.model.trade import Phase
from trioarb.state.telemetry import Telemetry
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    plugin_of,
    run_real,
    run_virtual,
    scripted_market,
    two_venues,
)

STAGES = ["decide", "journal", "send", "acknowledge", "fill"]
#: How long the slow venue's messenger takes before the order is on its way.
MESSENGER_SECONDS = 0.1


def market(seconds: Sequence[float]) -> object:
    """Return two venues' quotes at these times, between which every second one pays; level otherwise."""
    tapes = {}
    for venue, gap in (("a", 0.0), ("b", 2.0)):
        rows: list[ScriptedRow] = []
        for number, at in enumerate(seconds):
            price = 100.0 + gap * (number % 2)
            rows.append((at, "BTCUSDT", price, 50.0, price + 0.1, 50.0))
        tapes[venue] = ScriptedTape(rows, listings=[listing("BTC")])
    return scripted_market(tapes)


class Slow(ExchangeWrapper):
    """A venue whose orders are given to somebody first, instead of being answered at a time that is known."""

    async def place(self, order: Order) -> OrderReport:
        await trio.sleep(MESSENGER_SECONDS)
        return await self.inner.place(order)

    def limits_used(self) -> Sequence[LimitUsed]:
        return [LimitUsed(name="orders", count=10, seconds=1.0, used=4)]


@asynccontextmanager
async def open_slow(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    assert context.inner is not None
    yield Slow(context.inner)


def tables(*, slow: bool, **session: Any) -> tuple[dict[str, Any], dict[str, object]]:
    """Return a campaign's table, and the plugins that it needs beside the market."""
    table = two_venues()
    table["session"] |= session
    if slow:
        for name, own in table["exchanges"].items():
            market_data = own.pop("market")
            table["exchanges"][name] = {"market": market_data, "plugin": "slow", "wraps": {"plugin": "paper", **own}}
    spec = ExchangeSpec(name="slow", doc="takes its time", open=open_slow, wraps=True)
    return table, {"slow": plugin_of(spec)}


@cache
def real(*, slow: bool = False, **session: Any) -> CampaignResult:
    """Run a campaign for three seconds: long enough that it trades on a machine that has other things to do."""
    table, plugins = tables(slow=slow, **session)
    return run_real(table, seconds=20, plugins={"market": market([0.1 * number for number in range(30)]), **plugins})


def virtual(*, slow: bool = False) -> CampaignResult:
    table, plugins = tables(slow=slow)
    return run_virtual(table, plugins={"market": market([0.0, 1.0, 2.0, 20.0]), **plugins})


@pytest.mark.parametrize("slow", [False, True], ids=["answered at a known time", "asked by place"])
def test_in_real_time_each_stage_of_every_order_is_measured(slow: bool) -> None:
    result = real(slow=slow)
    stages = telemetry_of(result.campaign).stages
    sent, filled = (
        len(result.of_type("order_submitted")),
        len({e["client_order_id"] for e in result.of_type("order_filled")}),
    )
    assert list(stages) == STAGES
    assert sent >= filled > 0
    assert [stages[name].count for name in STAGES[1:]] == [sent, sent, sent, filled]
    assert stages["decide"].count > 0
    # The venue answers 40 ms after it has got an order, which takes the messenger's time before.
    answered_us = 40_000 + (1_000_000 * MESSENGER_SECONDS if slow else 0)
    assert stages["acknowledge"].p50_us is not None
    assert stages["acknowledge"].p50_us >= answered_us
    assert stages["acknowledge"].total_seconds >= sent * answered_us / 1e6


def test_where_symbols_look_in_rounds_what_they_passed_over_is_counted() -> None:
    telemetry = telemetry_of(real(loop_interval_ms=300).campaign)
    assert telemetry.stages["decide"].count > 0
    assert telemetry.quotes is not None
    assert telemetry.quotes.conflated > 0


def test_in_virtual_time_what_has_no_meaning_is_absent() -> None:
    result = virtual()
    telemetry = telemetry_of(result.campaign)
    assert result.of_type("order_filled")
    assert (telemetry.stages, telemetry.quote_ages, telemetry.journal) == ({}, {}, None)
    # What the machine took is known all the same.
    assert telemetry.loop.count > 0
    assert telemetry.guards.count >= len(result.of_type("decided")) > 0
    assert telemetry.cpu_seconds is not None
    assert telemetry.cpu_seconds > 0


def test_quotes_are_those_that_the_journal_counts() -> None:
    result = virtual()
    (counted,) = (event for event in result.of_type("funnel_counted") if event["final"])
    quotes = telemetry_of(result.campaign).quotes
    assert quotes is not None
    assert (quotes.seen, quotes.refused, quotes.conflated) == (8, 0, 0)
    assert (quotes.seen, quotes.evaluated) == (counted["seen"], counted["evaluated"])


def test_quotes_have_an_age_by_venue_and_memory_is_told_where_the_system_tells() -> None:
    telemetry = telemetry_of(real().campaign)
    assert list(telemetry.quote_ages) == ["a", "b"]
    for ages in telemetry.quote_ages.values():
        assert ages.symbols == 1
        assert 0 < ages.newest_seconds == ages.oldest_seconds < 60
    if Path("/proc/self/statm").exists():
        assert telemetry.memory_bytes is not None
        assert 10_000_000 < telemetry.memory_bytes < 10_000_000_000


def test_what_is_used_of_limits_is_what_the_plugins_say() -> None:
    used = (LimitUsed(name="orders", count=10, seconds=1.0, used=4),)
    assert telemetry_of(real(slow=True).campaign).limits == {"a": used, "b": used}
    assert telemetry_of(real().campaign).limits == {}


def test_exchanges_that_are_closed_are_asked_nothing() -> None:
    telemetry = report_of(real(slow=True).campaign).telemetry
    assert telemetry is not None
    assert telemetry.limits == {}


def raising(error: BaseException) -> Callable[[], object]:
    def limits_used() -> object:
        raise error

    return limits_used


@pytest.mark.parametrize(
    "says",
    [
        raising(RuntimeError("broken")),
        raising(SystemExit(0)),
        raising(VenueError("not known")),
        lambda: None,
        lambda: "nonsense",
        lambda: [("orders", 1)],
        lambda: [LimitUsed(name="\ud800", count=1, seconds=1.0, used=1)],
        lambda: [LimitUsed(name="x", count=1, seconds=float("nan"), used=1)],
        lambda: [LimitUsed(name="x", count=1, seconds=1.0, used=-1)],
    ],
)
def test_a_plugin_that_says_nonsense_of_limits_says_nothing_and_the_campaign_goes_on(
    says: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [0]

    def limits_used(self: object) -> object:
        asked[0] += 1
        return says()

    monkeypatch.setattr(Slow, "limits_used", limits_used)
    result = virtual(slow=True)
    assert telemetry_of(result.campaign).limits == telemetry_of(result.campaign).limits == {}
    assert asked == [2], "each venue once, and not again"
    assert result.exit_code == 0


def test_histograms_are_cumulated_and_reach_the_count() -> None:
    for one in (telemetry := telemetry_of(real().campaign)).stages.values():
        counts = [count for _, count in one.at_most]
        assert counts == sorted(counts)
        assert counts[-1] == one.count  # nothing took a minute
        assert [bound for bound, _ in one.at_most] == sorted({bound for bound, _ in one.at_most})
    assert telemetry.loop.p50_us is not None


def test_it_passes_through_a_socket_unchanged() -> None:
    for result in (real(), real(slow=True), virtual()):
        telemetry = telemetry_of(result.campaign)
        assert msgspec.json.decode(msgspec.json.encode(telemetry), type=Telemetry) == telemetry


def events(first: int, count: int) -> list[Record]:
    return [Record(seq, seq, PhaseEntered(phase=Phase.RUNNING)) for seq in range(first, first + count)]


async def test_the_journal_says_how_far_behind_it_is(tmp_path: Path) -> None:
    log = Log.create(tmp_path / "j", "trioarb_journal", {})
    writer = JournalWriter(log, last_seq=0, each_order=True, inline=False)
    writer.begin()
    for record in events(1, 3):
        writer.append(record)
    assert (writer.unwritten, writer.unsynced) == (3, 3)
    waited_ns = writer.unwritten_ns
    assert writer.unwritten_ns >= waited_ns >= 0
    await trio.lowlevel.checkpoint()
    assert (writer.unwritten, writer.unwritten_ns, writer.unsynced) == (0, 0, 3)
    assert await writer.durable()
    assert (writer.unwritten, writer.unsynced, writer.unsynced_ns) == (0, 0, 0)
    await writer.close()


async def test_nothing_waits_for_the_disk_where_that_was_not_asked_for(tmp_path: Path) -> None:
    writer = JournalWriter(Log.create(tmp_path / "j", "trioarb_journal", {}), last_seq=0, each_order=False, inline=True)
    writer.begin()
    for record in events(1, 2):
        writer.append(record)
    assert (writer.unwritten, writer.unsynced) == (2, None)
    await writer.close()
    assert writer.unwritten == 0
