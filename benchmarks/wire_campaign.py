"""A campaign on two connections of Binance's market data, measured: a process of its own, which `wire` runs.

Everything is the real thing: the plugin's feed on the kit's session, its decoder and books, the border, boards, and
what looks at each quote of a symbol and decides that nothing is to be done. It prints what it measured as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from figures import quantile

from trioarb.api import Feed, MarketContext, MarketData, MarketDataSpec, NoSettings, QuoteSink
from trioarb.cli.running import leave_uncollected
from trioarb.config.load import Loaded, load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import describe, leaves
from trioarb.model.trade import EndedBy
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.testing.plugins import plugin_of

#: Is told of quotes: when one was sent, in µs of the clock that all processes share, and whether it is decided upon.
Note = Callable[[int, bool], None]

LOOK_SECONDS = 0.05
LONGEST_SECONDS = 270
#: Of what comes at a pace, so much isn't counted: it is imported or built when it is used first.
WARM_UP_SECONDS = 1.0
#: In the time of a stream, as Binance's ``E`` would be: milliseconds.
NS_OF_STAMP = 1_000_000


@attrs.define
class Stamped(Feed):
    """A feed whose quotes say in the place of the venue's time when they were sent; ``note`` is told of each.

    It lies behind all that the feed does, and around all that its sinks do.
    """

    inner: Feed
    note: Note

    async def listings(self) -> Any:
        return await self.inner.listings()

    def rules(self, symbol: str) -> Any:
        return self.inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        stamped = {symbol: self._noting(sink) for symbol, sink in sinks.items()}
        await self.inner.run(stamped, task_status=task_status)

    def _noting(self, sink: QuoteSink) -> QuoteSink:
        note = self.note

        def on_quote(*quote: Any) -> None:
            if len(quote) < 6 or quote[5] is None:
                sink(*quote)
                return
            sent_us = quote[5] // NS_OF_STAMP
            note(sent_us, False)
            sink(*quote)
            note(sent_us, True)

        return on_quote


def stamping(note: Note) -> MarketDataSpec:
    """Return market data ``stamped``, which wraps another."""

    @asynccontextmanager
    async def open_market(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        assert isinstance(context.inner, Feed)
        yield Stamped(context.inner, note)

    return MarketDataSpec(name="stamped", doc="notes delays", open=open_market, wraps=True)


def table(server: Mapping[str, Any], *, depth: int, is_stamped: bool) -> dict[str, Any]:
    """Return the table of a campaign at two venues whose market data is Binance's, from a sender."""
    urls = {name: server[name] for name in ("rest_url", "ca_file") if server[name]}
    market: dict[str, Any] = {"plugin": "binance", "stream_url": server["stream_url"], **urls}
    if is_stamped:
        market = {"plugin": "stamped", "wraps": market}
    return {
        "session": {"clock": "real", "loop_interval_ms": 0},
        "engine": {"depth": depth},
        "universe": {"source": "binance", "mode": "FULL_MARKET", "base_quote": "USDT", "settings": urls},
        "exchanges": {
            venue: {"market": market, "balances": {"USDT": "100000"}, "inventory_usd_per_symbol": 5_000}
            for venue in ("a", "b")
        },
        "strategy": {"entry_bps": 20, "exit_bps": -40, "order_size_usd": 100},
        "guards": {"exchange": {"enabled": False}},
    }


async def run_until(
    loaded: Loaded, plugins: Plugins, watch: Callable[[Campaign], Awaitable[None]], **options: Any
) -> None:
    """Run a campaign until ``watch`` returns, which is called once it runs.

    Raises:
        SystemExit: it ended otherwise.
    """
    opened: list[Campaign] = []
    has_opened = trio.Event()

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        leave_uncollected()
        has_opened.set()

    async def watched() -> None:
        await has_opened.wait()
        with trio.fail_after(LONGEST_SECONDS):
            await watch(opened[0])
        opened[0].end(EndedBy.RUNTIME)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched)
        campaign = await run_campaign(loaded.config, plugins, on_open=on_open, **options)
        if campaign.exit_code or campaign.ended_by is not EndedBy.RUNTIME:
            raise SystemExit(f"the campaign did not end as planned: {campaign.error or campaign.problems[:3]}")


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nobody tells, as that would cost something
        await trio.sleep(LOOK_SECONDS)


def seen(campaign: Campaign) -> int:
    return sum(task.funnel.seen for task in campaign.symbols.values())


def held() -> tuple[int, int]:
    """Return the process's own resident memory, in kB, and how many blocks Python has allocated."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]), sys.getallocatedblocks()


async def flooded(options: dict[str, Any], result: dict[str, Any], campaign: Campaign) -> None:
    """Wait until all quotes were seen; measure from the first tenth on, also what memory grew by."""
    messages = options["messages"]
    await until(lambda: seen(campaign) >= messages / 10)
    resident, blocks = held()
    began, at, worked = seen(campaign), time.perf_counter(), time.process_time()
    await until(lambda: seen(campaign) >= messages)
    count = seen(campaign) - began
    took, worked = time.perf_counter() - at, time.process_time() - worked
    result |= {"a_second": count / took, "a_second_of_processor": count / worked, "count": count}
    result["resident_kb"], result["blocks"] = (
        now - before for now, before in zip(held(), (resident, blocks), strict=True)
    )
    evaluated = sum(task.funnel.evaluated for task in campaign.symbols.values())
    if evaluated < messages:
        raise SystemExit(f"of {messages} quotes {evaluated} were decided upon")


async def paced(options: dict[str, Any], late_us: list[float], result: dict[str, Any], campaign: Campaign) -> None:
    """Wait until what comes at a pace has come; the first second doesn't count."""
    warm_up = int(options["a_second"] * WARM_UP_SECONDS)
    await until(lambda: len(late_us) >= warm_up)
    at, worked, count = time.perf_counter(), time.process_time(), len(late_us)
    await until(lambda: len(late_us) >= options["messages"])
    took, worked = time.perf_counter() - at, time.process_time() - worked
    measured = late_us[count:]
    result |= {
        "a_second": len(measured) / took,
        "busy": worked / took,
        "us": {str(q): quantile(measured, q) for q in (0.5, 0.99, 0.999)},
    }


def run(options: dict[str, Any]) -> dict[str, Any]:
    late_us, result = list[float](), dict[str, Any]()
    is_stamped = options["a_second"] is not None

    def note(sent_us: int, is_decided: bool) -> None:
        if is_decided:
            late_us.append(time.monotonic_ns() / 1_000 - sent_us)

    plugins = load_plugins({"stamped": plugin_of(stamping(note))})
    loaded = load_table(table(options, depth=options["depth"], is_stamped=is_stamped), plugins)
    watch = partial(paced, options, late_us, result) if is_stamped else partial(flooded, options, result)
    trio.run(run_until, loaded, plugins, watch)
    return result


def told(run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Run with the options of the command line, and print what was measured."""
    try:
        print(json.dumps(run(json.loads(sys.argv[1]))))
    except BaseExceptionGroup as group:
        raise SystemExit("; ".join(describe(one) for one in leaves(group))) from group


if __name__ == "__main__":
    told(run)
