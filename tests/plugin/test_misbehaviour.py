"""Plugins that misbehave, in each way at each method: the campaign ends in time, names the plugin, and is whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import misbehaviour
import msgspec
import pytest
import trio
import trio.testing
from misbehaviour import CASES, Case, plugin
from structlog.testing import capture_logs

from trioarb.api import (
    Answer,
    Exchange,
    Feed,
    Fill,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Order,
    OrderReport,
    VenueError,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.opening import open_campaign
from trioarb.engine.preflight import preflight
from trioarb.engine.run import run_campaign
from trioarb.errors import CampaignError, TrioarbError
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
TIMED_OUT = {"standing", "place", "order", "orders", "balances", "positions", "charges", "liquidations", "open_orders"}
#: What only a perpetual account is asked for.
OF_CONTRACTS = {"positions", "charges", "liquidations"}


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


def run(case: Case | None, exchange: type[PaperExchange] = PaperExchange) -> Ended:
    config: dict[str, Any] = two_venues("odd")
    config["exchanges"]["a"]["plugin"] = "odd"
    if case is not None and case.method in OF_CONTRACTS:
        config["exchanges"]["a"] |= {"account": "perpetual", "inventory_usd_per_symbol": 0}
    if case is not None and case.method == "transfer":
        config["exchanges"]["b"]["balances"] = {"USDT": "10000"}
        config["withdrawals"] = {venue: {"USDT": {"fee": "1", "minutes": "0.05"}} for venue in "ab"}
        config["transfers"] = {"simulate": True, "check_seconds": 1}
    config["strategy"] = {"plugin": "odd", "exit_bps": -40}
    config["guards"] = {"odd": {}}
    config["session"]["max_runtime_seconds"] = 30
    is_live = case is not None and (case.contract is Feed or case.method == "orders")
    if is_live:  # what comes from outside needs real time; a clock of Trio's that jumps makes it short
        config["session"]["clock"] = "real"
        config["engine"] = {"open_seconds": 10}
    plugins = load_plugins({"odd": plugin(case, exchange)})
    loaded = load_table(config, plugins)
    records, opened = list[Record](), list[Campaign]()
    virtual = None if is_live else VirtualClock()

    async def main() -> Ended:
        error = None
        try:
            with trio.fail_after(10 * LONGEST_SECONDS):
                if case is not None and case.method == "standing":  # asked before real orders are sent only
                    async with open_campaign(loaded.config, plugins, clock=virtual) as campaign:
                        found = await preflight(campaign, campaign.world.exchanges)
                    raise CampaignError("; ".join(map(str, found)))
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
            case (
                model.OrderCancelled(client_order_id=order_id)
                | model.OrderExpired(client_order_id=order_id)
                | model.OrderRejected(client_order_id=order_id)
            ):
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
    if case.method == "standing":
        assert type(ended.error) is CampaignError, (
            "what speaks against a venue is found, and keeps no resume from closing"
        )
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


class Polled(GuardTier):
    """Says each second what it said the second before."""

    def check(self, opportunity: Any, now_ns: int) -> None:
        return None

    def poll(self, now_ns: int) -> list[GuardTripped]:
        one = GuardTripped(tier="odd", rule="again", answer=Answer.DENY, value="1", limit="0")
        return [one] * 400


def test_a_guard_that_trips_each_second_is_silenced_and_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misbehaviour, "_Guard", Polled)

    ended = run(None)

    assert sum(isinstance(record.event, GuardTripped) for record in ended.records) == 800
    assert "[guards.odd]: plugin 'odd': poll trips without end, 1,000 events and more" in said(ended)
    assert "it denies from now on" in ended.logged


class Twice(Sequence[Fill]):
    """Other fills each time it is looked through."""

    def __init__(self, fills: Sequence[Fill]) -> None:
        self.fills, self.times = fills, 0

    def __len__(self) -> int:
        return len(self.fills)

    def __getitem__(self, place: Any) -> Any:
        return self.fills[place]

    def __iter__(self) -> Iterator[Fill]:
        self.times += 1
        return iter([msgspec.structs.replace(fill, quantity=fill.quantity * self.times) for fill in self.fills])


def with_exchange(change: Callable[[OrderReport], OrderReport], assets: int = 0) -> Ended:
    class Odd(PaperExchange):
        async def place(self, order: Order) -> OrderReport:
            return change(await super().place(order))

        async def balances(self) -> Mapping[str, Decimal]:
            return {**await super().balances(), **{f"A{number}": Decimal(1) for number in range(assets)}}

    return run(None, exchange=Odd)


def test_fills_are_read_once() -> None:
    ended = with_exchange(lambda report: msgspec.structs.replace(report, fills=Twice(report.fills)))

    assert ended.exit_code == 0, said(ended)
    verifier = Verifier()
    verifier.fold(ended.records)
    assert verifier.result().is_sound


def test_a_fill_far_better_than_its_limit_is_one() -> None:
    """A venue fills at what stands there, and a fill that was refused would be an order without a last word."""

    def tiny(report: OrderReport) -> OrderReport:
        fills = (msgspec.structs.replace(fill, price=Decimal("1e-3"), fee=Decimal(0)) for fill in report.fills)
        buys = report.client_order_id.endswith("-1")
        return msgspec.structs.replace(report, fills=tuple(fills)) if buys else report

    ended = with_exchange(tiny)

    assert "fills[0].price" not in said(ended)
    filled = [record.event for record in ended.records if isinstance(record.event, model.OrderFilled)]
    assert Decimal("1e-3") in {fill.price for fill in filled}


def test_a_venue_with_more_assets_than_there_are_is_refused() -> None:
    assert "balances returned more than 10,000 assets" in said(with_exchange(lambda report: report, assets=10_000))


def test_a_huge_error_is_cut() -> None:
    def fail(report: OrderReport) -> OrderReport:
        raise VenueError("x" * 1_000_000)

    reasons = [r.event.reason for r in with_exchange(fail).records if isinstance(r.event, model.OrderUnknown)]
    assert reasons
    assert max(map(len, reasons)) == 2_001


def test_a_symbol_never_has_two_pairs_in_flight_whatever_place_answers() -> None:
    for what in ("None", "text", "an object"):
        flying: set[str] = set()
        for record in run(Case(Exchange, "place", "", what)).records:
            match record.event:
                case model.PairOpened(symbol=symbol):
                    assert symbol not in flying
                    flying.add(symbol)
                case model.PairEnded(symbol=symbol):
                    flying.remove(symbol)
        assert not flying


def test_an_exchange_with_the_submit_of_before_is_refused() -> None:
    """Also where it inherits a `place`: its own orders would be passed by."""

    class Before(PaperExchange):
        async def submit(self, order: Order) -> OrderReport:
            raise AssertionError("nobody calls it")

    ended = run(None, exchange=Before)

    assert ended.error is not None
    assert ended.error.exit_code == 2
    assert str(ended.error).startswith("[exchanges.a]: plugin 'odd': ")
    assert "Before has a method submit, which orders were sent by in earlier versions; name it place" in said(ended)
    assert not ended.records


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
