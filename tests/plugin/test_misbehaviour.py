"""Plugins that misbehave, in each way at each method: the campaign ends in time, names the plugin, and is whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import misbehaviour
import pytest
import trio
import trio.testing
from misbehaviour import CASES, Case, plugin
from structlog.testing import capture_logs

from trioarb.api import Answer, Exchange, Feed, GuardTier, GuardTierSpec, GuardTripped
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import TrioarbError
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.report.report import tier_figures
from trioarb.testing import plugin_of, run_virtual, two_venues
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

#: No misbehaviour may cost more campaign time than the data has and the deadlines add up to.
LONGEST_SECONDS = 20 + 30 + 10 + 4 * 5 + 10 + 15 + 5 + 5

#: Methods that don't answer in time: a time-out, as from a venue that doesn't answer.
TIMED_OUT = {"submit", "order", "orders", "balances"}


@attrs.frozen
class Ended:
    error: TrioarbError | None
    campaign: Campaign | None
    records: list[Record]
    seconds: float
    logged: str

    @property
    def exit_code(self) -> int:
        return 1 if self.campaign is None else self.campaign.exit_code


def run(case: Case | None) -> Ended:
    config: dict[str, Any] = two_venues("odd")
    config["exchanges"]["a"]["plugin"] = "odd"
    config["strategy"] = {"plugin": "odd", "exit_bps": -40}
    config["guards"] = {"odd": {}}
    config["session"]["max_runtime_seconds"] = 30
    is_live = case is not None and (case.contract is Feed or case.method == "orders")
    if is_live:  # what comes from outside needs real time; a clock of Trio's that jumps makes it short
        config["session"]["clock"] = "real"
        config["engine"] = {"open_seconds": 10}
    plugins = load_plugins({"odd": plugin(case)})
    loaded = load_table(config, plugins)
    records, opened = list[Record](), list[Campaign]()
    virtual = None if is_live else VirtualClock()

    async def main() -> Ended:
        error = None
        try:
            with trio.fail_after(10 * LONGEST_SECONDS):
                await run_campaign(
                    loaded.config, plugins, clock=virtual, observers=[records.append], on_open=opened.append
                )
        except TrioarbError as raised:
            error = raised
        return Ended(error, opened[0] if opened and error is None else None, records, trio.current_time(), "")

    with capture_logs() as logged:
        ended = trio.run(main, clock=virtual or trio.testing.MockClock(autojump_threshold=0))
    texts = [str(value) for line in logged for value in line.values()]
    return attrs.evolve(ended, logged="\n".join(texts))


def figures(campaign: Campaign) -> Mapping[str, Any]:
    """Return what the tiers say of themselves in the summary."""
    return tier_figures(campaign.tiers, campaign.ended_ns or 0)


def said(ended: Ended) -> str:
    """Return all that is said of what went wrong: the error, the campaign's problems, and the reasons in its events."""
    lines = [] if ended.error is None else [str(ended.error)]
    if ended.campaign is not None:
        lines += [ended.campaign.error, *ended.campaign.problems, *map(str, figures(ended.campaign).values())]
    for record in ended.records:
        found = (getattr(record.event, name, None) for name in ("reason", "error", "value"))
        lines += [text for text in found if isinstance(text, str)]
    return "\n".join([*lines, ended.logged])


def unfinished(records: list[Record]) -> set[str]:
    """Return the orders that have no last word, and for which no residual stands."""
    orders: set[str] = set()
    for record in records:
        match record.event:
            case model.OrderSubmitted(client_order_id=order_id):
                orders.add(order_id)
            case model.OrderCancelled(client_order_id=order_id) | model.OrderRejected(client_order_id=order_id):
                orders.discard(order_id)
            case model.ResidualLeft(client_order_id=order_id) if order_id is not None:
                orders.discard(order_id)
    quantities = {
        r.event.client_order_id: r.event.quantity for r in records if isinstance(r.event, model.OrderSubmitted)
    }
    for record in records:
        if isinstance(record.event, model.OrderFilled):
            order_id = record.event.client_order_id
            quantities[order_id] -= record.event.quantity
            if not quantities[order_id]:
                orders.discard(order_id)
    return orders


def test_without_a_fault_the_campaign_trades_and_ends_well() -> None:
    ended = run(None)

    assert ended.exit_code == 0, said(ended)
    assert any(isinstance(record.event, model.PositionClosed) for record in ended.records)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_misbehaviour(case: Case) -> None:
    ended = run(case)
    text = said(ended)

    assert ended.seconds <= LONGEST_SECONDS
    assert ended.exit_code in (0, 1, 3)
    if case.what != "hangs" or case.method not in TIMED_OUT:
        assert f"[{case.key}]: plugin 'odd'" in text
        assert f": {case.method} " in text
    assert "\x1b" not in text
    assert "Traceback" not in text
    for record in ended.records:
        json.dumps(to_json_object(record)).encode()
    if ended.campaign is not None:
        assert not unfinished(ended.records)
        verifier = Verifier()
        verifier.fold(ended.records)
        assert verifier.result().is_sound, verifier.result()


class Endless(GuardTier):
    """Answers its own answers."""

    def check(self, opportunity: Any, now_ns: int) -> None:
        return None

    def react(self, record: Record) -> list[GuardTripped]:
        return [GuardTripped(tier="odd", rule="again", answer=Answer.DENY, value="1", limit="0")]


def test_a_guard_that_answers_its_own_events_is_silenced_and_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misbehaviour, "_Guard", Endless)

    ended = run(None)

    assert sum(isinstance(record.event, GuardTripped) for record in ended.records) < 50
    assert "[guards.odd]: plugin 'odd': react answers its own events without end" in said(ended)
    assert not any(isinstance(record.event, model.PairOpened) for record in ended.records)


def test_a_symbol_never_has_two_pairs_in_flight_whatever_submit_answers() -> None:
    for what in ("None", "text", "an object"):
        flying: set[str] = set()
        for record in run(Case(Exchange, "submit", "", what)).records:
            match record.event:
                case model.PairOpened(symbol=symbol):
                    assert symbol not in flying
                    flying.add(symbol)
                case model.PairEnded(symbol=symbol):
                    flying.remove(symbol)
        assert not flying


@pytest.mark.parametrize("when", ["open", "close"])
def test_a_plugin_that_hangs_while_it_opens_or_closes_is_named_and_left(when: str) -> None:
    @asynccontextmanager
    async def hanging(settings: object, context: object) -> AsyncIterator[GuardTier]:
        if when == "open":
            await trio.sleep_forever()
        yield misbehaviour._Guard()
        await trio.sleep_forever()

    config: dict[str, Any] = two_venues("odd")
    config["guards"] = {"mine": {"plugin": "hanging"}}
    config["session"]["max_runtime_seconds"] = 30
    plugins = load_plugins(
        {"odd": plugin(None), "mine": plugin_of(GuardTierSpec(name="hanging", doc="", open=hanging))}
    )
    loaded, clock, records = load_table(config, plugins), VirtualClock(), list[Record]()

    async def main() -> tuple[str, float]:
        try:
            ended = await run_campaign(loaded.config, plugins, clock=clock, observers=[records.append])
        except TrioarbError as error:
            return str(error), trio.current_time()
        return ended.error, trio.current_time()

    error, seconds = trio.run(main, clock=clock)

    assert f"[guards.mine]: plugin 'hanging': {when} did not return within" in error
    assert seconds <= LONGEST_SECONDS
    assert bool(records) == (when == "close")


@asynccontextmanager
async def with_a_task_of_its_own(task: Callable[[], Awaitable[None]]) -> AsyncIterator[GuardTier]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        yield misbehaviour._Guard()
        nursery.cancel_scope.cancel()


async def breaks_off() -> None:
    await trio.sleep(5)
    raise OSError("the connection is gone")


@pytest.mark.parametrize(("task", "exit_code"), [(trio.sleep_forever, 0), (breaks_off, 1)])
def test_a_plugin_may_have_tasks_of_its_own_and_one_that_fails_is_named(
    task: Callable[[], Awaitable[None]], exit_code: int
) -> None:
    spec = GuardTierSpec(name="odd", doc="", open=lambda settings, context: with_a_task_of_its_own(task))
    config: dict[str, Any] = two_venues("odd")
    config["strategy"] = {"plugin": "spread", "exit_bps": -40}
    config["guards"] = {"mine": {"plugin": "odd"}}
    others = misbehaviour.plugin(None)
    specs = [*others.trioarb_market_data(), *others.trioarb_symbol_sources(), spec]  # type: ignore[attr-defined]

    result = run_virtual(config, plugins={"mine": plugin_of(*specs)})

    assert result.exit_code == exit_code, result.campaign.error
    if exit_code:
        assert "[guards.mine]: plugin 'odd': close raised OSError: the connection is gone" in result.campaign.error
