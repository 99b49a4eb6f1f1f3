"""Measure how long `trioarb` takes to say its version, and from its start to a campaign's first decision.

Usage: python benchmarks/startup.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from figures import Figures, seconds_of

ROOT = Path(__file__).parents[1]
TRIOARB = [sys.executable, "-m", "trioarb"]


def seconds_to_decision() -> float:
    """Return the seconds from the start of the process to the first decision that another process can see."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        os.mkfifo(events)
        started = time.perf_counter()
        command = [
            *TRIOARB,
            "run",
            str(ROOT / "configs" / "spread.toml"),
            "--plain",
            "--log-level=ERROR",
            f"--events={events}",
            "--set=session.loop_interval_ms=0",
            # Whatever the market does, the first look at it is an opportunity.
            "--set=strategy.entry_bps=-100",
            "--set=strategy.exit_bps=-200",
        ]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with events.open() as lines:
                for line in lines:
                    if json.loads(line)["type"] == "decided":
                        return time.perf_counter() - started
            raise SystemExit("the campaign ended without a decision")
        finally:
            process.kill()
            process.wait()


def main() -> None:
    figures = Figures("startup")
    version = seconds_of(lambda: subprocess.run([*TRIOARB, "--version"], check=True, capture_output=True), runs=9)
    figures.add("trioarb --version, median of 9", version, "s", "≤ 0.3 s")
    figures.add("until the first decision, median of 5", median(seconds_to_decision() for _ in range(5)), "s", "≤ 1 s")
    figures.store()


if __name__ == "__main__":
    main()
