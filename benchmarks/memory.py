"""Measure whether memory grows with trades: the resident memory of a campaign in virtual time, day by day.

The campaign of `configs/spread.toml` (a journal on disk, events folded as in a run) goes on for some days of its time;
its resident memory is taken at each midnight, after the garbage was collected. ``--allocations`` says instead
where what was allocated since the first quarter of an hour still is, at the end: that takes several times as long.

Usage: python benchmarks/memory.py [--days N] [--allocations] [table.key=value ...]
"""

from __future__ import annotations

import argparse
import gc
import os
import time
import tracemalloc
from pathlib import Path

from campaign import journaled, lasting

from trioarb.model.event import PositionClosed, Record

DAY_NS = 86_400 * 10**9
QUARTER_NS = 900 * 10**9
SHOWN = 25


class Sampler:
    """Takes the memory whenever campaign time passes a multiple of ``every_ns``."""

    def __init__(self, every_ns: int, *, allocations: bool) -> None:
        self.every_ns = every_ns
        self.trades = 0
        self.samples: list[tuple[int, int]] = []
        self._start_ns: int | None = None
        self._allocations = allocations
        self.first: tracemalloc.Snapshot | None = None

    def observe(self, record: Record) -> None:
        self.trades += isinstance(record.event, PositionClosed)
        if self._start_ns is None:
            self._start_ns = record.ts_ns
        number = (record.ts_ns - self._start_ns) // self.every_ns
        if number > len(self.samples):
            gc.collect()
            self.samples.append((self.trades, resident_bytes()))
            if self._allocations and self.first is None:
                tracemalloc.start(4)
                self.first = tracemalloc.take_snapshot()
            shown = f"{number:>4}  {self.trades:>9,} trades  {self.samples[-1][1] / 1e6:>7.1f} MB"
            print(f"{shown}  {time.monotonic() - STARTED:>6.0f} s", flush=True)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=5)
    parser.add_argument("--allocations", action="store_true")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    sampler = Sampler(QUARTER_NS if arguments.allocations else DAY_NS, allocations=arguments.allocations)
    journaled([*lasting(round(arguments.days * 86_400)), *arguments.overrides], [sampler.observe])
    if sampler.first is not None:
        gc.collect()
        grown = tracemalloc.take_snapshot().compare_to(sampler.first, "lineno")
        for one in grown[:SHOWN]:
            print(one)
    elif len(sampler.samples) > 1:
        (_, first), (_, last) = sampler.samples[0], sampler.samples[-1]
        days = len(sampler.samples) - 1
        a_day = (last - first) / 1e6 / days
        print(f"{(last / first - 1) * 100:+.2f} % in {days} days after the first; {a_day:+.2f} MB a day")


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
