"""How channels are told, in virtual time: together, in quiet hours, again after failures, never in anybody's way."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
import structlog
import trio
from trio.testing import MockClock

from trioarb.alerting.alerting import Alerting
from trioarb.alerting.queue import CAPACITY, quiet_seconds
from trioarb.api import AlertChannel, AlertChannelSpec, AlertContext, AlertMessage, ChannelError, NoSettings
from trioarb.config.alerts import QuietHours
from trioarb.config.load import load_table
from trioarb.model.alert import Alert, Severity
from trioarb.plugin.registry import load_plugins
from trioarb.testing import plugin_of, two_venues
from trioarb.time.campaign_time import SECOND_NS

Send = Callable[[AlertMessage], Awaitable[None]]
NOON = datetime(2026, 3, 10, 12, tzinfo=ZoneInfo("UTC"))


@attrs.define(eq=False)
class Receiver(AlertChannel):
    """Keeps what it was sent and when, and does what ``answer`` does."""

    answer: Send | None = None
    got: list[tuple[float, AlertMessage]] = attrs.field(factory=list)
    tried: list[float] = attrs.field(factory=list)

    async def send(self, message: AlertMessage) -> None:
        self.tried.append(trio.current_time())
        if self.answer is not None:
            await self.answer(message)
        self.got.append((trio.current_time(), message))

    @property
    def lines(self) -> list[list[str]]:
        return [[alert.text for alert in message.alerts] for _, message in self.got]


@attrs.define(eq=False)
class Bench:
    """Channels of two kinds beside each other: ``odd``, with what a test says, and ``fine``."""

    odd: Receiver = attrs.field(factory=Receiver)
    fine: Receiver = attrs.field(factory=Receiver)
    start: datetime = NOON
    entered: int = 0

    def alerting(self, **head: Any) -> Alerting:
        receivers = {"odd": self.odd, "fine": self.fine}

        @asynccontextmanager
        async def open_channel(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
            self.entered += 1
            yield receivers[context.name]

        spec = AlertChannelSpec(name="receiver", doc="", open=open_channel)
        plugins = load_plugins({"receiver": plugin_of(spec)})
        table = two_venues("dummy") | {
            "alerts": [{"on": ["residual"]}],
            "channels": {"odd": {"plugin": "receiver", **head}, "fine": {"plugin": "receiver"}},
        }
        table["session"]["clock"] = "real"
        return Alerting(load_table(table, plugins).config, plugins, now_ns=self.now_ns)

    def now_ns(self) -> int:
        return round(self.start.timestamp()) * SECOND_NS + round(trio.current_time() * SECOND_NS)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def run(alerting: Alerting, *steps: tuple[float, str | tuple[str, Severity]], until: float) -> None:
    """Tell alerts at these seconds; the work ends at ``until``."""

    async def work() -> None:
        for at, what in steps:
            await trio.sleep_until(at)
            text, severity = (what, Severity.WARNING) if isinstance(what, str) else what
            tell(alerting, text, severity)
        await trio.sleep_until(until)

    await alerting.around(work, end_seconds=lambda: 10.0)


def tell(alerting: Alerting, text: str, severity: Severity = Severity.WARNING) -> None:
    rule = alerting._config.alerts[0]
    alert = Alert(rule="r", incident="residual", severity=severity, about="", text=text, at_ns=0)
    alerting._tell(rule, alert)


async def test_each_alert_is_a_message_at_once(bench: Bench, autojump_clock: MockClock) -> None:
    await run(bench.alerting(), (1, "one"), (2, "two"), until=3)
    assert [(round(at, 3), [one.text for one in message.alerts]) for at, message in bench.odd.got] == [
        (1, ["one"]),
        (2, ["two"]),
    ]
    assert [message.number for _, message in bench.odd.got] == [1, 2]


async def test_what_comes_together_is_one_message_and_the_critical_do_not_wait(
    bench: Bench, autojump_clock: MockClock
) -> None:
    alerting = bench.alerting(group_seconds=10)
    await run(alerting, (1, "a"), (3, "b"), (20, "c"), (21, ("d", Severity.CRITICAL)), until=60)
    assert [round(at, 3) for at, _ in bench.odd.got] == [11, 21]
    assert bench.odd.lines == [["a", "b"], ["c", "d"]]
    assert bench.odd.got[1][1].severity is Severity.CRITICAL
    assert bench.odd.got[1][1].title == "[CRITICAL] c, and 1 more"


async def test_at_night_only_what_is_critical_comes_and_the_rest_in_the_morning(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.start = datetime(2026, 3, 10, 22, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    alerting = bench.alerting(quiet_hours="22:00-07:00", timezone="Europe/Berlin")
    await run(alerting, (10, "a"), (20, ("b", Severity.CRITICAL)), (30, "c"), until=9 * 3600)
    assert bench.odd.lines == [["b"], ["a", "c"]]
    assert [round(at) for at, _ in bench.odd.got] == [20, 8 * 3600 + 1800]
    assert bench.fine.lines == [["a"], ["b"], ["c"]]


async def test_at_the_end_what_the_night_kept_is_sent(bench: Bench, autojump_clock: MockClock) -> None:
    bench.start = datetime(2026, 3, 10, 23, tzinfo=ZoneInfo("UTC"))
    await run(bench.alerting(quiet_hours="22:00-07:00"), (10, "a"), until=20)
    assert [round(at) for at, _ in bench.odd.got] == [20]


@pytest.mark.parametrize(
    ("hours", "now", "seconds"),
    [
        ("22:00-07:00", "2026-03-10 21:59", 0),
        ("22:00-07:00", "2026-03-10 22:00", 9 * 3600),
        ("22:00-07:00", "2026-03-11 06:59", 60),
        ("22:00-07:00", "2026-03-11 07:00", 0),
        ("12:00-13:30", "2026-03-10 13:00", 1800),
        ("22:00-07:00", "2026-03-28 23:00", 7 * 3600),  # the clocks go forward in this night
        ("22:00-07:00", "2026-10-24 23:00", 9 * 3600),  # and back in this one
    ],
)
def test_quiet_hours_are_those_of_the_wall(hours: str, now: str, seconds: int) -> None:
    quiet = QuietHours.of(hours, "Europe/Berlin")
    at = datetime.fromisoformat(now).replace(tzinfo=quiet.zone)
    assert quiet_seconds(quiet, round(at.timestamp()) * SECOND_NS) == seconds


async def test_what_fails_is_tried_again_after_pauses_that_double(bench: Bench, autojump_clock: MockClock) -> None:
    async def fail(message: AlertMessage) -> None:
        if len(bench.odd.tried) < 4:
            raise RuntimeError("no route to host")

    bench.odd.answer = fail
    alerting = bench.alerting(retry_seconds=1, retry_max_seconds=3)
    await run(alerting, (1, "a"), until=60)
    assert bench.odd.tried == [1, 2, 4, 7]
    assert alerting.figures()["odd"].delivered == 1
    assert alerting.figures()["odd"].tries == 4


async def test_a_channel_says_when_to_try_again_and_that_it_makes_no_sense(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def fail(message: AlertMessage) -> None:
        if message.number == 1:
            raise ChannelError("slow down", after_seconds=7)
        raise ChannelError("no such address", again=False)

    bench.odd.answer = fail
    alerting = bench.alerting(tries=2)
    with structlog.testing.capture_logs() as log:
        await run(alerting, (1, "a"), (20, "b"), until=60)
    assert bench.odd.tried == [1, 8, 20]
    assert alerting.figures()["odd"].undelivered == 2
    dead = [line for line in log if line["event"] == "alerts were not delivered"]
    assert ["a" in dead[0]["alerts"], "b" in dead[1]["alerts"]] == [True, True]


async def test_a_channel_that_hangs_keeps_neither_others_nor_the_campaign(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def hang(message: AlertMessage) -> None:
        await trio.sleep_forever()

    bench.odd.answer = hang
    alerting = bench.alerting(try_seconds=5, tries=3, end_seconds=4)
    await run(alerting, (1, "a"), (2, "b"), (30, "c"), until=31)
    assert [round(at, 2) for at, _ in bench.fine.got] == [1, 2, 30]
    assert bench.odd.tried[:3] == [1, 7, 14]
    figures = alerting.figures()["odd"]
    assert (figures.delivered, figures.undelivered, figures.pending) == (0, 3, 0)
    assert "send did not return within 5 s" in figures.error
    assert trio.current_time() == pytest.approx(35, abs=0.1)


async def test_a_hurry_shortens_the_wait_for_channels_also_once_it_has_begun(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async def hang(message: AlertMessage) -> None:
        await trio.sleep_forever()

    bench.odd.answer = hang
    alerting = bench.alerting(try_seconds=50, end_seconds=60)

    async def work() -> None:
        tell(alerting, "a")

    await alerting.around(work, end_seconds=lambda: 2.0 if trio.current_time() > 5 else 60.0)
    assert trio.current_time() == pytest.approx(5, abs=0.1)
    assert alerting.figures()["odd"].undelivered == 1


@pytest.mark.parametrize("raised", [RuntimeError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
async def test_whatever_a_channel_raises_ends_nothing(
    bench: Bench, autojump_clock: MockClock, raised: BaseException
) -> None:
    async def fail(message: AlertMessage) -> None:
        raise raised

    bench.odd.answer = fail
    alerting = bench.alerting(tries=2)
    await run(alerting, (1, "a"), until=10)
    assert alerting.figures()["odd"].undelivered == 1
    assert bench.fine.lines == [["a"]]


async def test_a_group_of_errors_ends_nothing(bench: Bench, autojump_clock: MockClock) -> None:
    async def fail(message: AlertMessage) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise ValueError("inside")

    bench.odd.answer = fail
    alerting = bench.alerting(tries=1)
    await run(alerting, (1, "a"), until=10)
    assert alerting.figures()["odd"].error == "[channels.odd]: plugin 'receiver': raised ValueError: inside"


async def test_a_channel_that_breaks_down_behind_is_opened_again(bench: Bench, autojump_clock: MockClock) -> None:
    breaks = trio.Event()

    async def collapse() -> None:
        await breaks.wait()
        raise RuntimeError("connection lost")

    @asynccontextmanager
    async def open_channel(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
        bench.entered += 1
        async with trio.open_nursery() as nursery:
            if bench.entered == 1:
                nursery.start_soon(collapse)
            yield bench.odd
            nursery.cancel_scope.cancel()

    plugins = load_plugins({"x": plugin_of(AlertChannelSpec(name="frail", doc="", open=open_channel))})
    table = two_venues("dummy") | {"alerts": [{"on": ["residual"]}], "channels": {"odd": {"plugin": "frail"}}}
    alerting = Alerting(load_table(table, plugins).config, plugins, now_ns=bench.now_ns)

    async def work() -> None:
        breaks.set()
        await trio.sleep(1)
        tell(alerting, "a")
        await trio.sleep(30)

    await alerting.around(work, end_seconds=lambda: 10.0)
    assert bench.entered == 2
    assert bench.odd.lines == [["a"]]


async def test_a_channel_that_fails_to_close_is_not_opened_again(bench: Bench, autojump_clock: MockClock) -> None:
    @asynccontextmanager
    async def open_channel(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
        bench.entered += 1
        yield bench.odd
        raise RuntimeError("on the way out")

    async def linger(message: AlertMessage) -> None:
        await trio.sleep(5)

    bench.fine.answer = linger

    @asynccontextmanager
    async def open_fine(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
        yield bench.fine

    frail = AlertChannelSpec(name="frail", doc="", open=open_channel)
    plugins = load_plugins({"x": plugin_of(frail, AlertChannelSpec(name="slow", doc="", open=open_fine))})
    table = two_venues("dummy") | {"alerts": [{"on": ["residual"]}]}
    table["channels"] = {"odd": {"plugin": "frail"}, "fine": {"plugin": "slow"}}
    alerting = Alerting(load_table(table, plugins).config, plugins, now_ns=bench.now_ns)

    async def work() -> None:
        tell(alerting, "a")

    await alerting.around(work, end_seconds=lambda: 10.0)
    assert bench.entered == 1
    assert bench.odd.lines == bench.fine.lines == [["a"]]


async def test_a_channel_that_does_not_open_is_an_error_before_anything_begins(
    bench: Bench, autojump_clock: MockClock
) -> None:
    @asynccontextmanager
    async def open_channel(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
        raise ChannelError("[channels.odd]: urls[0] is no address")
        yield

    plugins = load_plugins({"x": plugin_of(AlertChannelSpec(name="shut", doc="", open=open_channel))})
    table = two_venues("dummy") | {"alerts": [{"on": ["residual"]}], "channels": {"odd": {"plugin": "shut"}}}
    alerting = Alerting(load_table(table, plugins).config, plugins, now_ns=bench.now_ns)
    begun = []

    async def work() -> None:
        begun.append(1)

    with pytest.raises(ChannelError, match=re.escape("urls[0] is no address")):
        await alerting.around(work, end_seconds=lambda: 10.0)
    assert not begun


async def test_a_flood_drops_the_least_and_counts_it(bench: Bench, autojump_clock: MockClock) -> None:
    async def hang(message: AlertMessage) -> None:
        await trio.sleep_forever()

    bench.odd.answer = hang
    alerting = bench.alerting(tries=1, try_seconds=100, end_seconds=0)

    async def work() -> None:
        tell(alerting, "first")
        await trio.sleep(1)
        tell(alerting, "it burns", Severity.CRITICAL)
        for number in range(CAPACITY + 9):
            tell(alerting, f"noise {number}", Severity.INFO)
        figures = alerting.figures()["odd"]
        assert figures.pending == CAPACITY + 1
        assert figures.undelivered == 10

    with structlog.testing.capture_logs() as log:
        await alerting.around(work, end_seconds=lambda: 0.0)
    (left,) = [line for line in log if line.get("channel") == "odd" and "before the end" in line["event"]]
    assert left["alerts"].startswith("it burns; noise 10;")
    assert alerting.figures()["odd"].undelivered == CAPACITY + 11


async def test_an_evaluation_that_fails_ends_alerts_and_nothing_else(bench: Bench, autojump_clock: MockClock) -> None:
    alerting = bench.alerting()
    record: Any = object()
    with structlog.testing.capture_logs() as log:
        alerting.observe(record)
        alerting.observe(record)
    assert [line["event"] for line in log] == ["alerts end, a defect; the campaign goes on"]
