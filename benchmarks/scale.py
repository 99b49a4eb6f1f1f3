"""Measure what a symbol costs in memory, and how fast the tasks of thousands of symbols start and stop.

Every measurement is a process of its own, in which a campaign in real time quotes every symbol once at two venues and
then waits. Memory is the difference of campaigns with N and with 2N symbols, over N, once all tasks run and garbage is
collected: of the process's own memory (everything: listings, instruments, quotes, funds, statistics, journal), and of
what Python allocated, told apart by where.

Usage: python benchmarks/scale.py [SYMBOLS]
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import trio
from figures import Figures

import trioarb
from trioarb.api import Feed, Listing, QuoteSink, event
from trioarb.cli.running import leave_uncollected
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.supervisor import supervise
from trioarb.engine.symbol import SymbolTask
from trioarb.model.event import Record
from trioarb.model.trade import EndedBy, Phase
from trioarb.plugin.registry import load_plugins
from trioarb.testing import listing, scripted_market, two_venues

RUNS = 3
SOURCE = Path(trioarb.__file__).parent


@attrs.frozen
class OneQuote(Feed):
    """Quotes every symbol once."""

    known: Sequence[Listing]

    async def listings(self) -> Sequence[Listing]:
        return self.known

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        for sink in sinks.values():
            sink(100.0, 1.0, 100.1, 1.0, time.time_ns())
        task_status.started()
        await trio.sleep_forever()


class Tasks(trio.abc.Instrument):
    """When the symbols' tasks began and ended, as Trio tells it."""

    def __init__(self) -> None:
        self.running_at = self.last_began_at = self.ended_at = self.last_exited_at = 0.0
        self.waited_for = 0
        self.exited = 0
        self.all_began = trio.Event()
        self.campaign: Campaign | None = None

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        if task.name.endswith(".supervise"):
            self.exited += 1
            self.last_exited_at = time.perf_counter()

    def opened(self, campaign: Campaign) -> None:
        self.campaign = campaign
        leave_uncollected()
        self.waited_for = len(campaign.symbols)
        run = SymbolTask.run

        async def begin(task: SymbolTask, **how: Any) -> None:
            self._begin()
            await run(task, **how)

        SymbolTask.run = begin  # type: ignore[method-assign]

    def observe(self, record: Record) -> None:
        if isinstance(record.event, event.PhaseEntered) and record.event.phase is Phase.RUNNING:
            self.running_at = time.perf_counter()

    def _begin(self) -> None:
        self.last_began_at = time.perf_counter()
        self.waited_for -= 1
        if not self.waited_for:
            self.all_began.set()


def run(count: int, *, traced: bool) -> dict[str, Any]:
    """Run a campaign of so many symbols in this process; return seconds, and the memory of all of them."""
    feed, tasks = OneQuote([listing(f"C{number:05}") for number in range(count)]), Tasks()
    table = two_venues()
    table["session"]["clock"] = "real"
    plugins = load_plugins({"market": scripted_market({"a": feed, "b": feed})})
    config = load_table(table, plugins).config
    measured: dict[str, Any] = {}

    async def main() -> Campaign:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(direct)
            return await run_campaign(config, plugins, observers=[tasks.observe], on_open=tasks.opened)

    async def direct() -> None:
        await tasks.all_began.wait()
        assert tasks.campaign is not None
        await trio.sleep(1)  # until all of them wait for work
        gc.collect()
        measured["own_bytes"] = own_bytes()
        if traced:
            measured["traced"] = traced_bytes()
            measured["bare"] = await bare_bytes(tasks.campaign)
            tasks.exited = 0
        tasks.ended_at = time.perf_counter()
        tasks.campaign.end(EndedBy.RUNTIME)

    if traced:
        tracemalloc.start()
    opening_at = time.perf_counter()
    campaign = trio.run(main, instruments=[tasks])
    closed_at = time.perf_counter()
    if campaign.exit_code or tasks.exited != count:
        raise SystemExit(f"the campaign did not end as planned: {campaign.error or campaign.problems[:3]}")
    return measured | {
        "opening": tasks.running_at - opening_at,
        "starting": tasks.last_began_at - tasks.running_at,
        "stopping": tasks.last_exited_at - tasks.ended_at,
        "closing": closed_at - tasks.ended_at,
    }


async def bare_bytes(campaign: Campaign) -> float:
    """Return what a symbol's task takes alone: its state, its sinks, and itself, supervised, waiting for work."""
    before = tracemalloc.get_traced_memory()[0]
    again = [
        SymbolTask(market=one.market, strategy=one.strategy, parts=campaign.parts, on_done=campaign.end_if_all_done)
        for one in campaign.symbols.values()
    ]
    sinks = [sink for task in again for sink in task.sinks().values()]
    async with trio.open_nursery() as nursery:
        for task in again:
            nursery.start_soon(supervise, campaign, task)
        await trio.sleep(2)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] - before
        nursery.cancel_scope.cancel()
    assert len(sinks) == 2 * len(again)
    return size / len(again)


def own_bytes() -> int:
    """Return the memory that is this process's own, without mapped files."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024


def traced_bytes() -> dict[str, int]:
    """Return what Python allocated, by the folder of this project in which it did, or by the package."""
    totals: Counter[str] = Counter()
    for one in tracemalloc.take_snapshot().statistics("filename"):
        path = Path(one.traceback[0].filename)
        if path.is_relative_to(SOURCE):
            where = path.relative_to(SOURCE).parts[0]
        else:
            where = "trio" if "trio" in path.parts else "elsewhere"
        totals[where] += one.size
    return totals


def in_a_process(count: int, *, traced: bool = False) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", json.dumps([count, traced])]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        count, traced = json.loads(sys.argv[2])
        print(json.dumps(run(count, traced=traced)))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    figures = Figures("scale")
    half = count // 2

    less, more = ([in_a_process(number) for _ in range(RUNS)] for number in (half, 2 * half))
    own = [(big["own_bytes"] - small["own_bytes"]) / half for small, big in zip(less, more, strict=True)]
    figures.add("a symbol, everything included: own memory", median(own) / 1000, "kB", "≤ 10 kB")
    traced = [in_a_process(number, traced=True) for number in (half, 2 * half)]
    small, big = (one["traced"] for one in traced)
    parts = {where: (big[where] - small.get(where, 0)) / half for where in big}
    figures.add("  allocated by Python", sum(parts.values()) / 1000, "kB")
    figures.add("  of that the bare task: its state, sinks, coroutines", traced[1]["bare"] / 1000, "kB")
    for where, size in sorted(parts.items(), key=lambda part: -part[1]):
        if size >= 100:
            figures.add(f"    by {where}", size / 1000, "kB")
    for what, key, goal in (
        (f"{count:,} symbols: opened", "opening", ""),
        ("  from running until all tasks run", "starting", "≤ 1 s"),
        ("  from the end until all tasks are stopped", "stopping", "≤ 1 s"),
        ("  from the end until everything is closed", "closing", ""),
    ):
        figures.add(what, median(one[key] for one in more), "s", goal)
    figures.store()


if __name__ == "__main__":
    main()
