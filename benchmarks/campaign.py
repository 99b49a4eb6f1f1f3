"""Measure campaigns in virtual time, and start-up. Prints one line for each figure.

Usage: python benchmarks/campaign.py [QUOTES.parquet]
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trioarb.testing import CampaignResult, run_virtual

ROOT = Path(__file__).parents[1]
RECORDED = ROOT.parent / "shared" / "data" / "quotes" / "binance_venues_20240808.parquet"
RUNS = 3


def median_seconds(work: Callable[[], object]) -> float:
    """Return the median duration of three runs."""
    durations = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def evaluations(result: CampaignResult) -> int:
    return sum(event["evaluated"] for event in result.events if event["type"] == "funnel_counted" and event["final"])


def report(what: str, value: str) -> None:
    print(f"{what:<68} {value}")


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {RUNS} runs")
    top10 = (ROOT / "configs" / "top10.toml").read_text()
    hour = ["session.max_iterations=1000000", "session.max_runtime_seconds=3600"]
    results: list[CampaignResult] = []
    seconds = median_seconds(lambda: results.append(run_virtual(top10, overrides=hour)))
    report("top10, an hour of campaign time, 500 ms loops", f"{seconds:.2f} s")
    report("  evaluations", f"{evaluations(results[-1]) / seconds:,.0f} a second")
    report("  events", f"{len(results[-1].events) / seconds:,.0f} a second ({len(results[-1].events):,})")

    quotes = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDED
    if quotes.is_file():
        config = (ROOT / "configs" / "binance_spot_usdm.toml").read_text()
        path = [f"exchanges.*.market.path={quotes}"]
        seconds = median_seconds(lambda: results.append(run_virtual(config, overrides=path)))
        report("recorded spot against perpetual, every quote", f"{seconds:.2f} s")
        report("  quotes", f"{evaluations(results[-1]) / seconds:,.0f} a second")
    else:
        report("recorded spot against perpetual", f"skipped: {quotes} is not there; give a file")

    version = [sys.executable, "-m", "trioarb", "--version"]
    seconds = median_seconds(lambda: subprocess.run(version, check=True, capture_output=True))
    report("trioarb --version", f"{seconds:.2f} s")


if __name__ == "__main__":
    main()
