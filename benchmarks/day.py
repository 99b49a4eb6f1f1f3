"""Measure a day of a hundred symbols on four venues: `configs/top100.toml`, with two more venues like its second one.

Twice, each in a process of its own: calm, without an entry, where what is left is quotes, loops and periodic services;
and as shipped, where four venues part so often that there is a round trip every half a second. That is run for an hour,
since a day of it takes an hour. The journal is on disk; seconds are of the processor, from loading the configuration
to the closed journal. Nothing is extrapolated.

Usage: python benchmarks/day.py [--hours H] [--shipped-hours H] [--only calm|shipped]
"""

from __future__ import annotations

import argparse
import re
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import attrs
from campaign import NO_ENTRY, ROOT, journaled, table_of
from figures import Figures

TOP100 = ROOT / "configs" / "top100.toml"
DAY_HOURS = 24.0
GOAL_SECONDS = 120
RUNS = {"calm": NO_ENTRY, "shipped": ()}


@attrs.frozen
class Ran:
    """What a campaign came to, and what it took."""

    seconds: float
    peak_bytes: int
    rows: int
    trades: int
    events: int


def run(overrides: tuple[str, ...], hours: float) -> Ran:
    table = table_of(TOP100)
    for venue in ("c", "d"):
        table["exchanges"][venue] = table["exchanges"]["b"]
    started = time.process_time()
    _, campaign = journaled([f"session.max_runtime_seconds={round(hours * 3_600)}", *overrides], table=table)
    return Ran(
        seconds=time.process_time() - started,
        peak_bytes=peak_bytes(),
        rows=sum(one.funnel.seen for one in campaign.symbols.values()),
        trades=campaign.state.statistics.closed,
        events=campaign.parts.journal.seq,
    )


def peak_bytes() -> int:
    """Return the most memory that this process had resident."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=DAY_HOURS, help="of virtual time, calm; the goal is of 24")
    parser.add_argument("--shipped-hours", type=float, default=1.0, help="of virtual time, as shipped")
    parser.add_argument("--only", choices=RUNS)
    options = parser.parse_args()
    figures = Figures("day")
    for name in [options.only] if options.only else RUNS:
        hours = options.hours if name == "calm" else options.shipped_hours
        if hours != DAY_HOURS:
            print(f"  {name}: {hours:g} hours of virtual time; nothing is said of a whole day")
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            ran = pool.submit(run, tuple(RUNS[name]), hours).result()
        goal = f"≤ {GOAL_SECONDS} s" if hours == DAY_HOURS else ""
        figures.add(f"top100 on 4 venues, {name}, {hours:g} virtual hours", ran.seconds, "s", goal, digits=1)
        figures.add("  processor time a virtual hour", ran.seconds / hours, "s")
        figures.add("  rows", ran.rows, "")
        figures.add("  processor time a row", ran.seconds / ran.rows * 1e9, "ns")
        figures.add("  round trips", ran.trades, "")
        figures.add("  events", ran.events, "")
        figures.add("  most memory", ran.peak_bytes / 1e6, "MB")
    figures.store()


if __name__ == "__main__":
    main()
