"""Measure what a live quote costs through a symbol's sink, and how long it takes from there to a decision and an order.

The first is without opportunities, in virtual time. The second is a campaign in real time with its journal on disk: two
feeds bring quotes evenly, in bursts of what is due every millisecond; every now and then one parts the venues'
prices, which are level again at the symbol's next quote. Every such quote must come to an entry.

Usage: python benchmarks/quotes.py [--symbols N] [--rate N] [--edges N] [--seconds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import attrs
import trio
from figures import Figures, quantile

from trioarb.api import Feed, Listing, Order, QuoteSink, event
from trioarb.cli.journal import keep_anew
from trioarb.cli.running import leave_uncollected
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.opening import open_campaign, record_opening
from trioarb.engine.run import run_campaign
from trioarb.model.event import Record
from trioarb.model.trade import EndedBy, PairKind
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock

Expect = Callable[[Order], int | None]

QUOTES = 1_000_000
RUNS = 5
BURST_SECONDS = 0.001
#: What is imported or built when it is first used is not a quote's cost: entries of the first seconds don't count.
WARM_UP_SECONDS = 2


def seconds(symbols: int) -> float:
    """Return the least seconds that so many quotes take, symbol after symbol, venue after venue."""
    listings = [listing(f"C{number}") for number in range(symbols)]
    rows = [(0.0, one.symbol, 100.0, 1.0, 100.1, 1.0) for one in listings]
    plugins = load_plugins({"market": scripted_market({name: ScriptedTape(rows, listings=listings) for name in "ab"})})
    loaded, clock = load_table(two_venues(), plugins), VirtualClock()

    async def main() -> float:
        async with open_campaign(loaded.config, plugins, clock=clock) as campaign:
            sinks: list[Any] = [sink for task in campaign.symbols.values() for sink in task.sinks().values()]
            now_ns, took = campaign.parts.time.now_ns(), []
            for _ in range(RUNS + 1):
                rounds = range(QUOTES // len(sinks))
                started = time.perf_counter()
                for number in rounds:
                    bid = 100.0 + number % 7 * 0.001
                    for sink in sinks:
                        sink(bid, 1.0, bid + 0.05, 1.0, now_ns)
                took.append(time.perf_counter() - started)
            evaluated = sum(task.funnel.evaluated for task in campaign.symbols.values())
            assert evaluated == (RUNS + 1) * (QUOTES // len(sinks)) * len(sinks)
            assert all(task.funnel.over_threshold == 0 for task in campaign.symbols.values())
            return min(took[1:])

    return trio.run(main, clock=clock)


def wide_table(symbols: int) -> dict[str, Any]:
    """Return a table with which every edge leads to an entry."""
    table = two_venues()
    table["engine"] = {"max_concurrent_pairs": symbols}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": 5, "balances": {"USDT": "100000000"}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -40, "order_size_usd": 100}
    table["guards"] = {
        "exchange": {"enabled": False},  # on by default; off, so that figures of before it was there can be compared
        "global": {"max_total_exposure_usd": 10_000_000, "max_daily_loss_usd": 10_000_000},
        "portfolio": {"total_capital_usd": 10_000_000},
        "symbol": {"cooldown_seconds": 0, "max_position_count": 1},
    }
    return table


def in_a_row(symbols: int) -> list[int]:
    """Return the nanoseconds of one entry's decision after the other, each of another symbol, with nothing between."""
    listings = [listing(f"C{number:04}") for number in range(symbols)]
    rows = [(0.0, one.symbol, 100.0, 50.0, 100.05, 50.0) for one in listings]
    plugins = load_plugins({"market": scripted_market({name: ScriptedTape(rows, listings=listings) for name in "ab"})})
    loaded, clock = load_table(wide_table(symbols), plugins), VirtualClock()

    async def main() -> list[int]:
        async with open_campaign(loaded.config, plugins, clock=clock) as campaign:
            await record_opening(campaign)
            now_ns, took = campaign.parts.time.now_ns(), []
            sinks = [tuple(task.sinks().values()) for task in campaign.symbols.values()]
            for a, b in sinks:
                a(100.0, 50.0, 100.05, 50.0, now_ns)
                b(100.0, 50.0, 100.05, 50.0, now_ns)
            leave_uncollected()
            for _, b in sinks:
                started_ns = perf_counter_ns()
                b(100.5, 50.0, 100.55, 50.0, now_ns)
                took.append(perf_counter_ns() - started_ns)
            if len(campaign.parts.trades.unsent) != symbols:
                raise SystemExit(f"of {symbols} edges {len(campaign.parts.trades.unsent)} led to an entry")
            return took

    return trio.run(main, clock=clock)


class Delays:
    """Nanoseconds from the quote that brings an edge to each stage of its entry."""

    STAGES = ("decided", "recorded", "submitted")

    def __init__(self) -> None:
        self.edges = 0
        self.counts = False
        self.ns: dict[str, list[int]] = {stage: [] for stage in self.STAGES}
        self._came_ns: dict[str, dict[str, int]] = {stage: {} for stage in self.STAGES}

    def came(self, symbol: str, now_ns: int) -> None:
        """Note that such a quote is about to be passed on."""
        self.edges += 1
        for waiting in self._came_ns.values():
            waiting[symbol] = now_ns

    def observe(self, record: Record) -> None:
        now_ns, what = perf_counter_ns(), record.event
        if isinstance(what, event.PairOpened) and what.kind is PairKind.ENTRY:
            self._reach("decided", what.symbol, now_ns)
        elif isinstance(what, event.OrderSubmitted):
            self._reach("recorded", what.symbol, now_ns)

    def watch(self, answers_at_ns: Expect) -> Expect:
        """Return what says when orders are answered as ``answers_at_ns`` does, and notes when it is called.

        An order whose answer's time is known has been handed to its exchange then.
        """

        def watched(order: Order) -> int | None:
            self._reach("submitted", order.symbol, perf_counter_ns())
            return answers_at_ns(order)

        return watched

    @property
    def unreached(self) -> dict[str, int]:
        """How many quotes with an edge did not come to each stage."""
        return {stage: len(waiting) for stage, waiting in self._came_ns.items() if waiting}

    def _reach(self, stage: str, symbol: str, now_ns: int) -> None:
        came_ns = self._came_ns[stage].pop(symbol, None)
        if came_ns is not None and self.counts:
            self.ns[stage].append(now_ns - came_ns)


@attrs.define
class EvenFeed(Feed):
    """Quotes all symbols in turn, ``rate`` quotes a second; every ``edge_every``-th bids 50 bps more."""

    known: Sequence[Listing]
    rate: int
    edge_every: int | None
    delays: Delays
    seconds: float = 0.0
    quotes: int = 0

    async def listings(self) -> Sequence[Listing]:
        return self.known

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        symbols = list(sinks.items())
        for _, sink in symbols:
            sink(100.0, 50.0, 100.05, 50.0, time.time_ns())
        task_status.started()
        started = time.perf_counter()
        while True:
            await trio.sleep(BURST_SECONDS)
            self.seconds = time.perf_counter() - started
            while self.quotes < self.rate * self.seconds:
                self.quotes += 1
                symbol, sink = symbols[self.quotes % len(symbols)]
                bid = 100.0 + self.quotes % 3 * 0.001
                if self.edge_every is not None and not self.quotes % self.edge_every:
                    now_ns = time.time_ns()
                    self.delays.came(symbol, perf_counter_ns())
                    sink(bid + 0.5, 50.0, bid + 0.55, 50.0, now_ns)
                else:
                    sink(bid, 50.0, bid + 0.05, 50.0, time.time_ns())


def under_load(symbols: int, rate: int, edges: int, seconds: float) -> tuple[Delays, float]:
    """Run a campaign in real time; return the delays, and how many quotes a second came.

    Raises:
        SystemExit: it did not end as planned, or a quote with an edge came to no order.
    """
    delays, listings = Delays(), [listing(f"C{number:04}") for number in range(symbols)]
    edge_every = rate // 2 // edges | 1  # no divisor of the number of symbols: so every one has its turn
    feeds = {
        "a": EvenFeed(listings, rate // 2, None, delays),
        "b": EvenFeed(listings, rate // 2, edge_every, delays),
    }
    table = wide_table(symbols)
    table["session"]["clock"] = "real"
    plugins = load_plugins({"market": scripted_market(feeds)})
    loaded = load_table(table, plugins)
    opened: list[Campaign] = []
    has_opened = trio.Event()

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        has_opened.set()
        leave_uncollected()
        for exchange in campaign.world.exchanges.values():
            exchange.answers_at_ns = delays.watch(exchange.answers_at_ns)  # type: ignore[method-assign]

    async def main(folder: Path) -> Campaign:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(direct)
            keeping = keep_anew(folder / "quotes.journal", loaded)
            return await run_campaign(
                loaded.config, plugins, observers=[delays.observe], on_open=on_open, keeping=keeping
            )

    async def direct() -> None:
        await has_opened.wait()
        await trio.sleep(WARM_UP_SECONDS)
        delays.counts = True
        await trio.sleep(seconds)
        feeds["b"].edge_every = None
        await trio.sleep(1)
        opened[0].end(EndedBy.RUNTIME)

    with tempfile.TemporaryDirectory() as name:
        campaign = trio.run(partial(main, Path(name)))
    if campaign.exit_code or campaign.ended_by is not EndedBy.RUNTIME:
        raise SystemExit(f"the campaign did not end as planned: {campaign.error or campaign.problems[:3]}")
    if delays.unreached:
        raise SystemExit(f"of {delays.edges} quotes with an edge, so many did not get there: {delays.unreached}")
    return delays, sum(feed.quotes / feed.seconds for feed in feeds.values())


def show_delays(figures: Figures, what: str, delays_ns: Sequence[int], goal: str) -> None:
    figures.add(f"{what}: p50", quantile(delays_ns, 0.5) / 1e3, "µs")
    figures.add("  p99", quantile(delays_ns, 0.99) / 1e3, "µs", goal)
    figures.add("  p99.9", quantile(delays_ns, 0.999) / 1e3, "µs")
    figures.add("  longest", max(delays_ns) / 1e3, "µs")
    figures.add("  count", len(delays_ns), "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=20_000, help="quotes a second, of both venues together")
    parser.add_argument("--edges", type=int, default=50, help="of those with an edge, a second")
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    figures = Figures("quotes")
    what = f"live path, {options.symbols:,} symbols, 2 venues, nothing to do"
    figures.add(what, QUOTES / seconds(options.symbols), "quotes/s", "≥ 1.5 M")
    delays, rate = under_load(options.symbols, options.rate, options.edges, options.seconds)
    figures.add(f"under load, {options.symbols:,} symbols: quotes that came", rate, "quotes/s", f"{options.rate:,}")
    show_delays(figures, "quote → decision recorded, synchronous", delays.ns["decided"], "≤ 100 µs")
    show_delays(figures, "  the same in a row, nothing else between", in_a_row(options.symbols), "")
    show_delays(figures, "quote → the woken task records its first order", delays.ns["recorded"], "")
    show_delays(figures, "quote → first order handed to its exchange", delays.ns["submitted"], "≤ 250 µs")
    figures.store()


if __name__ == "__main__":
    main()
