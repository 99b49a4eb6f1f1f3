"""Measure the journal: a step written, waiting for the disk, and reading a million events again.

Usage: python benchmarks/journal.py [EVENTS]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import trio
from figures import Figures, quantile

from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND, open_journal
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import Record
from trioarb.model.wire import decode, encode

ROOT = Path(__file__).parents[1]
TRIOARB = [sys.executable, "-m", "trioarb"]
ORDERS = 1_000
STEPS, STEP = 20_000, 6
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
    config = str(ROOT / "configs" / "spread.toml")
    limits = [f"--runtime={seconds}", "--iterations=1000000000"]
    overrides = [f"--set={one}" for one in LOOSE]
    command = [*TRIOARB, "run", config, "--plain", "--log-level=ERROR", f"--journal={path}", *limits, *overrides]
    subprocess.run(command, cwd=path.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with open_journal(path) as journal:
        return journal.last_seq


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


def step_seconds(path: Path, records: Sequence[Record]) -> float:
    """Return how long it takes to encode, chain and write so many events, a write a step."""
    writer = JournalWriter(Log.create(path, KIND, {}), last_seq=0, each_order=False, inline=True)
    started = time.process_time()
    for first in range(0, len(records), STEP):
        for record in records[first : first + STEP]:
            writer.append(record)
        writer.end_step()
    return time.process_time() - started


def decoding_seconds(records: Sequence[Record]) -> float:
    lines = [encode(record) + b"}" for record in records]
    started = time.process_time()
    for line in lines:
        decode(line)
    return time.process_time() - started


async def order_latencies(folder: Path, records: Sequence[Record]) -> tuple[list[float], list[float]]:
    """Return what durability adds to an order, and what a bare write and sync of the same lines takes, in turn."""
    log = Log.create(folder / "order.journal", KIND, {})
    writer = JournalWriter(log, last_seq=0, each_order=True, inline=False)
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    ours: list[float] = []
    bare: list[float] = []
    for first, second in zip(records[::2], records[1::2], strict=True):
        started = time.perf_counter()
        writer.append(first)
        writer.append(second)
        await writer.durable()
        ours.append(time.perf_counter() - started)
        lines = encode(first) + encode(second)
        started = time.perf_counter()
        os.write(raw, lines)
        os.fdatasync(raw)
        bare.append(time.perf_counter() - started)
    await writer.close()
    os.close(raw)
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
        records = renumbered(sample, STEPS * STEP)
        each_us = min(step_seconds(folder / f"steps{n}.journal", records) for n in range(5)) / len(records) * 1e6
        figures.add(f"a step of {STEP} events, encoded, chained and written", each_us, "µs/event", "≤ 5")
        each_us = min(decoding_seconds(records) for _ in range(5)) / len(records) * 1e6
        figures.add("decoded", each_us, "µs/event", "≈ 2")

        ours, bare = trio.run(order_latencies, folder, renumbered(sample, 2 * ORDERS))
        p99_bare, p99_ours = quantile(bare, 0.99) * 1000, quantile(ours, 0.99) * 1000
        figures.add("bare write and sync of two lines, p50", quantile(bare, 0.5) * 1000, "ms")
        figures.add("bare write and sync of two lines, p99", p99_bare, "ms")
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
