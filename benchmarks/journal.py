"""Measure the journal: writing in batches, waiting for the disk, and reading a million events again.

Usage: python benchmarks/journal.py [EVENTS]
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import trio
from figures import Figures, quantile
from trioarb.journal.codec import encode
from trioarb.journal.file import JournalFile
from trioarb.journal.stored import open_journal

from trioarb.journal.writer import ThreadWriter
from trioarb.model.event import Record

ROOT = Path(__file__).parents[1]
TRIOARB = [sys.executable, "-m", "trioarb"]
ORDERS = 1_000
BATCH = 300_000
LOOSE = [
    "guards.symbol.cooldown_seconds=0",
    "guards.symbol.circuit_breaker_loss_count=0",
    "guards.symbol.max_symbol_daily_loss_usd=100000000",
    "guards.global.max_daily_loss_usd=100000000",
    "guards.global.emergency_stop_loss_usd=100000000",
    "session.loop_interval_ms=250",
    "session.clock=virtual",
]
#: Events of such a campaign in a second of its time, roughly.
EVENTS_A_SECOND = 40


def write_campaign(path: Path, events: int) -> int:
    """Run a busy campaign of about as many events; return how many there are."""
    seconds = max(60, round(events / EVENTS_A_SECOND))
    config = str(ROOT / "configs" / "top10.toml")
    limits = [f"--runtime={seconds}", "--iterations=1000000000"]
    overrides = [f"--set={one}" for one in LOOSE]
    command = [*TRIOARB, "run", config, "--plain", "--log-level=ERROR", f"--journal={path}", *limits, *overrides]
    subprocess.run(command, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with open_journal(path) as journal:
        return journal.count


def peak_of(command: Sequence[str], folder: Path) -> tuple[float, float, int]:
    """Run a command; return its seconds, its peak memory in MB, and its exit code."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, usage.ru_maxrss / 1000, process.returncode


def renumbered(sample: Sequence[Record], count: int) -> list[Record]:
    records = islice(cycle(sample), count)
    return [record._replace(seq=seq) for seq, record in enumerate(records, 1)]


async def batch_seconds(path: Path, records: Sequence[Record]) -> float:
    """Return how long it takes from the first record's append to the closed file, in batches."""
    writer = ThreadWriter(JournalFile.create(path, {}, synchronous=False), each_order=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        started = time.perf_counter()
        for number, record in enumerate(records):
            writer.append(record)
            if number % 1_000 == 0:
                await trio.lowlevel.checkpoint()
        await writer.close()
    return time.perf_counter() - started


async def order_latencies(folder: Path, records: Sequence[Record]) -> tuple[list[float], list[float]]:
    """Return what durability adds to an order, and what a bare commit of the same rows takes, turn by turn."""
    writer = ThreadWriter(JournalFile.create(folder / "order.journal", {}, synchronous=True), each_order=True)
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, ts_ns INTEGER, type TEXT, body BLOB)")
    ours: list[float] = []
    bare: list[float] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        for first, second in zip(records[::2], records[1::2], strict=True):
            started = time.perf_counter()
            writer.append(first)
            writer.append(second)
            await writer.durable(second.seq)
            ours.append(time.perf_counter() - started)
            rows = [(one.seq, one.ts_ns, *encode(one.event)) for one in (first, second)]
            started = time.perf_counter()
            raw.execute("BEGIN")
            raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)
            raw.execute("COMMIT")
            bare.append(time.perf_counter() - started)
        await writer.close()
    raw.close()
    return ours, bare


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    figures = Figures("journal")
    # Beside the results, not in /tmp, which may be no disk at all.
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name:
        folder = Path(name)
        print("  (a campaign of that many events is run first; this takes minutes)", flush=True)
        big = folder / "big.journal"
        events = write_campaign(big, wanted)
        with open_journal(big) as journal:
            sample = list(islice(journal.records(), 1_000, 6_000))
        records = renumbered(sample, BATCH)
        seconds = trio.run(batch_seconds, folder / "batch.journal", records)
        figures.add(f"batch: {BATCH:,} events, appended to closed file", BATCH / seconds, "events/s", "≥ 100,000")

        ours, bare = trio.run(order_latencies, folder, renumbered(sample, 2 * ORDERS))
        p99_bare, p99_ours = quantile(bare, 0.99) * 1000, quantile(ours, 0.99) * 1000
        figures.add("raw commit of two rows, p50", quantile(bare, 0.5) * 1000, "ms")
        figures.add("raw commit of two rows, p99", p99_bare, "ms")
        figures.add("durability = order: added to an order, p50", quantile(ours, 0.5) * 1000, "ms")
        figures.add("durability = order: added to an order, p99", p99_ours, "ms", f"≤ {2 * p99_bare + 1:.3g} ms")

        figures.add("events of the journal that is read", events, "events")
        seconds, megabytes, code = peak_of([*TRIOARB, "verify", str(big)], folder)
        figures.add(f"verify (exit code {code})", seconds, "s", "≤ 10 s per 1,000,000")
        figures.add("verify, peak memory", megabytes, "MB", "≤ 500 MB")
        command = [*TRIOARB, "resume", str(big), "--close-only", "--plain", "--log-level=ERROR"]
        seconds, megabytes, code = peak_of(command, folder)
        figures.add(f"resume --close-only (exit code {code})", seconds, "s", "≤ 10 s per 1,000,000")
        figures.add("resume, peak memory", megabytes, "MB", "≤ 500 MB")
    figures.store()


if __name__ == "__main__":
    main()
