"""A venue that fails at its k-th call, for every k and every method; and a hurry at every step of the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio
from effort import examples
from recompute import check

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Instrument,
    Listing,
    NoSettings,
    Order,
    OrderReport,
    Quote,
    VenueError,
    VenueOrder,
)
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.watch import MarketWatch
from trioarb.errors import TrioarbError
from trioarb.model.event import Record
from trioarb.model.trade import EndedBy
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, plugin_of, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock

#: What a method does at its k-th call, by name: before it did anything, or after it did everything.
METHODS = ["instruments", "balances", "seed_inventory", "place before", "place after", "order"]


class Breaks:
    """Counts the calls of one method, over all venues, and raises at the k-th."""

    def __init__(self, method: str, error: type[Exception], k: int | None) -> None:
        self.method = method
        self.error = error
        self.k = k
        self.calls = 0

    def at(self, method: str) -> None:
        if method != self.method:
            return
        self.calls += 1
        if self.calls == self.k:
            raise self.error(f"call {self.k} of {method}")


class BreakingExchange(Exchange):
    """Wraps another. Answers of every fifth order get lost, so that `order` is asked, too."""

    def __init__(self, inner: Exchange, breaks: Breaks) -> None:
        self.account = inner.account
        self.max_borrow_usd = inner.max_borrow_usd
        self._inner = inner
        self._breaks = breaks
        self._submitted = 0

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        self._breaks.at("instruments")
        return await self._inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        self._breaks.at("balances")
        return await self._inner.balances()

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        self._breaks.at("seed_inventory")
        return self._inner.seed_inventory(instrument, quote)

    async def place(self, order: Order) -> OrderReport:
        self._breaks.at("place before")
        report = await self._inner.place(order)
        self._breaks.at("place after")
        self._submitted += 1
        if self._submitted % 5 == 0:
            raise VenueError("the answer was lost")
        return report

    async def order(self, client_order_id: str) -> OrderReport | None:
        self._breaks.at("order")
        return await self._inner.order(client_order_id)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return await self._inner.orders(symbols, since_ns)


def quotes(venue: str) -> Iterator[tuple[float, str, float, float, float, float]]:
    """Two symbols whose gap opens and closes; sometimes little is displayed, so legs fill in part."""
    for tick in range(18):
        second = 1 + tick / 4
        for symbol in ("BTCUSDT", "ETHUSDT"):
            price = 101.0 if venue == "b" and tick % 6 < 3 else 100.0
            size = 3.0 if venue == "b" and tick % 6 in (1, 4) else 50.0
            yield second, symbol, price, size, price + 0.1, size


def run(
    breaks: Breaks, *, on_step: Callable[[int, Campaign], None] = lambda step, campaign: None
) -> tuple[Campaign | None, list[dict[str, Any]], int]:
    """Run the campaign; return it (``None`` if it never opened), its events, and how many steps it took."""

    @asynccontextmanager
    async def open_breaking(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        yield BreakingExchange(context.inner, breaks)

    listings = [listing("BTC"), listing("ETH")]
    tapes = {venue: ScriptedTape(list(quotes(venue)), listings=listings) for venue in ("a", "b")}
    table = two_venues()
    for name, venue in table["exchanges"].items():
        market = venue.pop("market")
        paper = {**venue, "plugin": "paper", "tick_size": "0.1", "lot_size": "0.01", "latency_ms": 300}
        table["exchanges"][name] = {"plugin": "breaking", "wraps": paper, "market": market}
    table["guards"] = {"symbol": {"cooldown_seconds": 1}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    breaking = ExchangeSpec(name="breaking", doc="raises at a call", open=open_breaking, wraps=True)
    plugins = load_plugins({"market": scripted_market(tapes), "breaking": plugin_of(breaking)})
    config = load_table(table, plugins).config
    records: list[Record] = []
    opened: list[Campaign] = []
    clock = VirtualClock()

    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1
            if opened:
                on_step(self.count, opened[0])

    steps = Steps()

    async def main() -> None:
        await run_campaign(config, plugins, clock=clock, observers=[records.append], on_open=opened.append)

    try:
        trio.run(main, clock=clock, instruments=[steps])
    except TrioarbError:
        assert not records, "it raised although it had begun"
        return None, [], steps.count
    return opened[0], [to_json_object(record) for record in records], steps.count


def assert_whole(campaign: Campaign, events: list[dict[str, Any]]) -> None:
    """The books are right, and whatever is left has a name."""
    check(events)
    assert events[-1]["type"] == "campaign_ended"
    started = {event["pair_id"] for event in events if event["type"] == "pair_opened"}
    assert started == {event["pair_id"] for event in events if event["type"] == "pair_ended"}
    named = {residual.client_order_id for residual in campaign.parts.trades.residuals.values()}
    assert campaign.parts.ledger.open_orders <= named
    if not campaign.parts.trades.residuals and not campaign.problems:
        assert not campaign.parts.trades.positions()
        assert campaign.state.exposure.exposure_usd() == 0


@pytest.mark.parametrize("error", [VenueError, RuntimeError])
@pytest.mark.parametrize("method", METHODS)
def test_a_venue_fails_at_every_call(method: str, error: type[Exception]) -> None:
    whole = Breaks(method, error, None)
    campaign, events, _ = run(whole)
    assert campaign is not None
    assert_whole(campaign, events)
    assert campaign.exit_code == 0
    assert whole.calls >= 2
    for k in range(1, whole.calls + 1):
        campaign, events, _ = run(Breaks(method, error, k))
        if campaign is None:
            assert method == "instruments"
            continue
        try:
            assert_whole(campaign, events)
            if method.startswith(("place", "order")):
                # Venues answered in time when they were asked what became of it.
                assert campaign.exit_code == 0
        except AssertionError as failure:
            raise AssertionError(f"{error.__name__} at call {k} of {whole.calls} of {method}") from failure


@pytest.mark.parametrize("later", [1, 25])
def test_a_hurry_at_every_step(later: int) -> None:
    """The campaign is ended at one step, and told to hurry so many steps later."""
    _, _, steps = run(Breaks("", RuntimeError, None))
    for k in range(1, steps + 1, examples(1, 3)):

        def on_step(step: int, campaign: Campaign, k: int = k) -> None:
            if step == k:
                campaign.end(EndedBy.SIGNAL)
            if step == k + later and campaign.ended_by is not None:
                campaign.parts.executor.hurry()
                if campaign.closing is not None:
                    campaign.closing.deadline = min(campaign.closing.deadline, campaign.parts.executor.hurry_until)

        campaign, events, _ = run(Breaks("", RuntimeError, None), on_step=on_step)
        if campaign is None:
            continue
        try:
            assert_whole(campaign, events)
            assert campaign.exit_code in (0, 3)
        except AssertionError as failure:
            raise AssertionError(f"ended at step {k} of {steps}, hurried {later} steps later") from failure


def test_a_service_that_fails_ends_the_campaign_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(watch: MarketWatch, now_ns: int) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(MarketWatch, "look", fail)
    campaign, events, _ = run(Breaks("", RuntimeError, None))
    assert campaign is not None
    assert_whole(campaign, events)
    assert "the market watch: RuntimeError: a bug" in campaign.error
    assert not campaign.parts.trades.positions()
