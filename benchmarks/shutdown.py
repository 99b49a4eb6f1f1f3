"""Measure how long a campaign of many symbols takes to end while every one of them has a pair in flight.

Usage: python benchmarks/shutdown.py [SYMBOLS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial

import trio
from figures import Figures

from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.event import OrderSubmitted, Record
from trioarb.model.trade import EndedBy
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, scripted_market, two_venues

LATENCY_MS = 200


def rows(symbols: list[str], venue: str) -> Iterator[ScriptedRow]:
    """The gap of every symbol is open from the beginning."""
    for second in range(20):
        for symbol in symbols:
            price = 101.0 if venue == "b" else 100.0
            yield second / 10, symbol, price, 50.0, price + 0.1, 50.0


def run(count: int) -> tuple[float, int]:
    """Return the seconds from the campaign's end to the return of `run_campaign`, and the pairs in flight."""
    listings = [listing(f"C{number:04}") for number in range(count)]
    symbols = [one.symbol for one in listings]
    tapes = {venue: ScriptedTape(list(rows(symbols, venue)), listings=listings) for venue in "ab"}
    table = two_venues()
    table["session"]["clock"] = "real"
    table["engine"] = {"max_concurrent_pairs": count}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": LATENCY_MS, "balances": {"USDT": "100000000"}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 100}
    table["guards"] = {
        "exchange": {"enabled": False},  # on by default; off, so that figures of before it was there can be compared
        "global": {"max_total_exposure_usd": 10_000_000},
        "portfolio": {"total_capital_usd": 10_000_000},
    }
    plugins = load_plugins({"market": scripted_market(tapes)})
    config = load_table(table, plugins).config
    opened: list[Campaign] = []
    in_flight = 0
    ended_at = 0.0

    def observe(record: Record) -> None:
        nonlocal in_flight, ended_at
        if isinstance(record.event, OrderSubmitted):
            in_flight += 1
            if in_flight == 2 * count and not ended_at:
                ended_at = time.perf_counter()
                opened[0].end(EndedBy.RUNTIME)

    campaign = trio.run(partial(run_campaign, config, plugins, observers=[observe], on_open=opened.append))
    seconds = time.perf_counter() - ended_at
    if campaign.exit_code or not ended_at:
        raise SystemExit(f"the campaign did not end as planned: {campaign.error or campaign.problems[:3]}")
    return seconds, in_flight


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    figures = Figures("shutdown")
    seconds, _ = run(count)
    # An entry is in flight when the end comes; then the position it opens is closed: two latencies.
    waits = 2 * LATENCY_MS / 1000
    figures.add(f"shutdown of {count:,} symbols with pairs in flight", seconds, "s")
    figures.add("  of that beyond the venues' latency (entry and exit)", seconds - waits, "s", "≤ 1 s")
    figures.store()


if __name__ == "__main__":
    main()
