"""Measure what a live quote costs: through a symbol's sink, where nothing comes of it.

Usage: python benchmarks/quotes.py [SYMBOLS]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import trio
from figures import Figures

from trioarb.clock.virtual import VirtualClock
from trioarb.config.load import load_table
from trioarb.engine.opening import open_campaign
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, scripted_market, two_venues

QUOTES = 1_000_000
RUNS = 5


def seconds(symbols: int) -> float:
    """Return the least seconds that so many quotes take, symbol after symbol, venue after venue."""
    listings = [listing(f"C{number}") for number in range(symbols)]
    rows = [(0.0, one.symbol, 100.0, 1.0, 100.1, 1.0) for one in listings]
    plugins = load_plugins({"market": scripted_market({name: ScriptedTape(rows, listings=listings) for name in "ab"})})
    loaded, clock = load_table(two_venues(), plugins), VirtualClock()

    async def main() -> float:
        async with open_campaign(loaded.config, plugins, clock=clock) as campaign:
            sinks: list[Any] = [task.sink(venue) for task in campaign.symbols.values() for venue in "ab"]
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


def main() -> None:
    symbols = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    figures = Figures("quotes")
    what = f"live path, {symbols:,} symbols, 2 venues, nothing to do"
    figures.add(what, QUOTES / seconds(symbols), "quotes/s", "≥ 1.5 M")
    figures.store()


if __name__ == "__main__":
    main()
