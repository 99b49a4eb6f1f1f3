"""Measure the report of a journal of a million events: how long it takes, in how much memory, how large the page is.

Usage: python benchmarks/report.py [EVENTS | JOURNAL]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import Figures
from journal import ROOT, TRIOARB, write_campaign

from trioarb.journal.recorded import open_journal

_MILLION = 1_000_000


def run(command: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Run a command; return its seconds, those of its process, and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    given = sys.argv[1] if len(sys.argv) > 1 else str(_MILLION)
    figures = Figures("report")
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name:
        folder = Path(name)
        journal = folder / "big.journal"
        if given.isdecimal():
            print("  (a campaign of that many events is run first; this takes minutes)", flush=True)
            events = write_campaign(journal, int(given))
        else:
            journal = Path(given).resolve()
            with open_journal(journal) as stored:
                events = stored.last_seq
        figures.add("events of the journal", events, "events")
        figures.add("its size", journal.stat().st_size / 1e6, "MB")
        page, compared = folder / "report.html", folder / "both.html"
        command = [*TRIOARB, "report", str(journal), "--out", str(page)]
        seconds, busy, megabytes = run(command, folder)
        figures.add("report", seconds, "s", f"≤ {15 * max(events, _MILLION) / _MILLION:.1f} s")
        figures.add("of it, time of the process", busy, "s")
        figures.add("the same for a million events", busy / events * _MILLION, "s", "≤ 15 s")
        figures.add("report, peak memory", megabytes, "MB", "≤ 500 MB")
        figures.add("size of the page", page.stat().st_size / 1000, "kB", "≤ 1,000 kB")
        seconds, _, megabytes = run([*command[:-1], str(compared), "--compare", str(journal)], folder)
        figures.add("report that compares it with itself", seconds, "s")
        figures.add("the same, peak memory", megabytes, "MB", "≤ 500 MB")
        figures.add("size of that page", compared.stat().st_size / 1000, "kB", "≤ 1,000 kB")
    figures.store()


if __name__ == "__main__":
    main()
