"""An order that rests: cut off at every step of Trio's scheduler, and beside venues that break at any one call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Literal

import attrs
import pytest
import trio
from effort import examples
from recount import recount

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Instrument,
    Listing,
    NoSettings,
    Order,
    OrderReport,
    OrderSink,
    OrderUpdate,
    Quote,
    VenueError,
    VenueOrder,
)
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.event import Record
from trioarb.model.wire import decode, to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, plugin_of, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

SYMBOL = "BTCUSDT"
Where = Literal["before_task_step", "task_scheduled", "after_io_wait"]
Fate = Literal["fails", "raises", "hangs", "late"]


@attrs.define
class Breaks:
    """What becomes of the ``k``-th call of a method, over all venues: before it did anything, or ``after`` it did."""

    method: str = ""
    fate: Fate = "fails"
    k: int = 0
    after: bool = False
    calls: int = 0

    async def at(self, method: str, *, after: bool) -> None:
        if method != self.method or after != self.after:
            return
        self.calls += 1
        if self.calls != self.k:
            return
        match self.fate:
            case "fails":
                raise VenueError(f"call {self.k} of {method}")
            case "raises":
                raise RuntimeError(f"call {self.k} of {method}")
            case "hangs":
                await trio.sleep_forever()
            case "late":
                await trio.sleep(1.5)


class BreakingExchange(Exchange):
    """Wraps another."""

    def __init__(self, inner: Exchange, breaks: Breaks) -> None:
        self.account = inner.account
        self.offers = inner.offers
        self.streams = inner.streams
        self._inner = inner
        self._breaks = breaks

    async def _call(self, method: str, *arguments: Any) -> Any:
        await self._breaks.at(method, after=False)
        answer = await getattr(self._inner, method)(*arguments)
        await self._breaks.at(method, after=True)
        return answer

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return await self._inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        return dict(await self._call("balances"))

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        return self._inner.seed_inventory(instrument, quote)

    async def place(self, order: Order) -> OrderReport:
        report: OrderReport = await self._call("place", order)
        return report

    async def cancel(self, client_order_id: str) -> None:
        await self._call("cancel", client_order_id)

    async def order(self, client_order_id: str) -> OrderReport | None:
        report: OrderReport | None = await self._call("order", client_order_id)
        return report

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return list(await self._call("orders", symbols, since_ns))

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return list(await self._call("open_orders", symbols))

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell what the venue tells; at the call that is to break, no more of it, and the stream is cut."""

        async def guarded(update: OrderUpdate) -> None:
            await self._breaks.at("update", after=False)
            sink(update)
            await self._breaks.at("update", after=True)

        send, receive = trio.open_memory_channel[OrderUpdate](100)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._inner.updates, send.send_nowait)
            task_status.started()
            async for update in receive:
                await guarded(update)


def rows(venue: str) -> list[ScriptedRow]:
    """An order rests at a, fills in part, then wholly; the next one is placed anew as prices move, and rests on."""
    told: list[ScriptedRow] = []
    for tick in range(20):
        if venue == "b":
            gap = 0.0 if tick < 14 else 0.3
            told.append((tick / 4, SYMBOL, 100.4 + gap, 50.0, 100.6 + gap, 50.0))
        elif tick in (4, 9):
            told.append((tick / 4, SYMBOL, 100.0, 50.0, 100.2, 1.0 if tick == 4 else 50.0))
        else:
            told.append((tick / 4, SYMBOL, 100.0, 50.0, 100.4, 50.0))
    return told


@attrs.frozen
class Ran:
    """``known``, ``resting``, ``held``: the venues' own orders, those of them that rest, and what they hold."""

    campaign: Campaign | None
    events: list[dict[str, Any]]
    steps: int
    known: set[str] = attrs.field(factory=set)
    resting: set[str] = attrs.field(factory=set)
    held: dict[str, dict[str, Decimal]] = attrs.field(factory=dict)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


def run(breaks: Breaks | None = None, *, where: Where = "before_task_step", k: int = 0) -> Ran:
    """Run the campaign; cancel the scope around it at the k-th event of Trio's scheduler."""
    venues: dict[str, Exchange] = {}

    @asynccontextmanager
    async def open_breaking(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        venues[context.venue] = context.inner
        yield BreakingExchange(context.inner, breaks or Breaks())

    table = two_venues()
    for name, venue in table["exchanges"].items():
        market = venue.pop("market")
        paper = {**venue, "plugin": "paper", "tick_size": "0.1", "lot_size": "0.01", "latency_ms": 20}
        paper |= {"taker_fee_bps": 4, "maker_fee_bps": 1, "min_notional": 5}
        table["exchanges"][name] = {"plugin": "breaking", "wraps": paper, "market": market}
    table["strategy"] = {"plugin": "maker_taker", "maker": "a", "order_size_usd": 400, "reach_bps": 90}
    table["guards"]["symbol"] = {"cooldown_seconds": 0}
    table["execution"] = {"leg_timeout_seconds": 1, "hedge_deadline_seconds": 2, "close_deadline_seconds": 20}
    tapes = {venue: ScriptedTape(rows(venue), listings=[listing("BTC")]) for venue in ("a", "b")}
    breaking = ExchangeSpec(name="breaking", doc="breaks at a call", open=open_breaking, wraps=True)
    plugins = load_plugins({"market": scripted_market(tapes), "breaking": plugin_of(breaking)})
    config = load_table(table, plugins).config
    records: list[Record] = []
    opened: list[Campaign] = []
    around = trio.CancelScope()
    clock, steps = VirtualClock(), 0

    class CancelAt(trio.abc.Instrument):
        steps = 0

        def step(self, *_: object) -> None:
            self.steps += 1
            if self.steps == k:
                around.cancel()

    instrument = CancelAt()
    setattr(instrument, where, instrument.step)

    async def main() -> Sequence[Any]:
        nonlocal steps
        tasks = trio.lowlevel.current_statistics().tasks_living
        with around:
            await run_campaign(config, plugins, clock=clock, observers=[records.append], on_open=opened.append)
        assert trio.lowlevel.current_statistics().tasks_living == tasks, "a task is left running"
        steps = instrument.steps
        return () if not opened else await ask(venues)

    answers = trio.run(main, clock=clock, instruments=[instrument])
    events = [to_json_object(record) for record in records]
    return Ran(opened[0] if opened else None, events, steps, *answers)


def check(ran: Ran) -> None:
    """Nothing rests on, the venues know no order that the journal doesn't, and hold what the ledger says."""
    campaign = ran.campaign
    if campaign is None:  # cancelled before anything was open
        assert not ran.events
        return
    assert ran.events[-1]["type"] == "campaign_ended"
    assert not recount(ran.events).problems
    verifier = Verifier()
    verifier.fold(decode(json.dumps(event).encode()) for event in ran.events)
    assert [str(one) for one in verifier.result().violations] == []
    opened = {one["pair_id"] for one in (*ran.of_type("transaction_opened"), *ran.of_type("pair_opened"))}
    assert opened == {one["pair_id"] for one in ran.of_type("pair_ended")}
    named = {residual.client_order_id for residual in campaign.parts.trades.residuals.values()}
    unanswered = campaign.parts.ledger.open_orders
    assert unanswered <= named
    submitted = {one["client_order_id"] for one in ran.of_type("order_submitted")}
    assert ran.known <= submitted, "a venue knows an order that the journal doesn't"
    assert ran.resting <= unanswered, "an order rests at a venue, and nobody names it"
    assert not ran.of_type("symbol_quarantined")
    if not unanswered and ran.of_type("phase_entered")[0]["phase"] == "RUNNING":
        booked = {venue: campaign.parts.ledger.held(venue) for venue in ran.held}
        assert ran.held == {venue: {asset: one for asset, one in of.items() if one} for venue, of in booked.items()}


async def ask(venues: Mapping[str, Exchange]) -> tuple[set[str], set[str], dict[str, dict[str, Decimal]]]:
    """Return which orders the venues themselves know, which of them rest, and what they hold."""
    orders, resting, held = set[str](), set[str](), dict[str, dict[str, Decimal]]()
    for name, venue in venues.items():
        orders |= {one.order.client_order_id for one in await venue.orders([SYMBOL], 0)}
        resting |= {one.client_order_id for one in await venue.open_orders([SYMBOL])}
        held[name] = {asset: amount for asset, amount in (await venue.balances()).items() if amount}
    return orders, resting, held


def test_the_campaign_meets_an_orders_life() -> None:
    ran = run()
    check(ran)
    assert ran.campaign is not None
    assert ran.campaign.exit_code == 0
    assert len(ran.of_type("transaction_opened")) >= 3
    assert len([one for one in ran.of_type("order_filled") if one["venue"] == "a"]) >= 2
    assert ran.of_type("order_cancelled")


#: A campaign for each step; of the others, which are moments near these, some by default.
EVERY: Mapping[Where, int] = {"before_task_step": 1, "task_scheduled": 3, "after_io_wait": 3}


@pytest.mark.parametrize("where", EVERY)
def test_cancelled_at_every_step(where: Where) -> None:
    steps = run(where=where).steps
    assert steps > 20
    for k in range(1, steps + 1, examples(1, EVERY[where])):
        ran = run(where=where, k=k)
        try:
            check(ran)
        except AssertionError as error:
            raise AssertionError(f"cancelled at step {k} of {steps} ({where})") from error


METHODS = ["place", "cancel", "order", "balances", "orders", "open_orders", "update"]


@pytest.mark.parametrize("fate", ["fails", "raises", "hangs", "late"])
@pytest.mark.parametrize("method", METHODS)
def test_a_venue_breaks_at_every_call(method: str, fate: Fate) -> None:
    for after in (False, True):
        whole = Breaks(method, fate, after=after)
        run(whole)
        for k in range(1, whole.calls + 1):
            ran = run(Breaks(method, fate, k, after))
            try:
                check(ran)
            except AssertionError as error:
                when = "after" if after else "before"
                raise AssertionError(f"{fate} {when} call {k} of {whole.calls} of {method}") from error
