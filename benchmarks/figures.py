"""Print figures as they are measured, and store them as JSON beside what they were measured on."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

__all__ = ["RESULTS", "Figures", "quantile", "seconds_of"]

RESULTS = Path(__file__).parents[1] / "bench-results"


class Figures:
    """The figures of one benchmark."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[dict[str, object]] = []
        print(f"{name}: Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs")

    def add(self, what: str, value: float, unit: str, goal: str = "", *, digits: int | None = None) -> None:
        """Print and keep a measured value; ``digits`` after the point, where the usual three places won't do."""
        self._rows.append({"what": what, "value": value, "unit": unit, "goal": goal})
        usual = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
        shown = usual if digits is None else f"{value:,.{digits}f}"
        print(f"  {what:<66} {shown:>12} {unit:<10} {goal and f'goal {goal}'}", flush=True)

    def skip(self, what: str, why: str) -> None:
        """Print and keep that something was not measured."""
        self._rows.append({"what": what, "skipped": why})
        print(f"  {what:<66} skipped: {why}", flush=True)

    def store(self) -> None:
        """Write everything to ``bench-results/<name>.json``."""
        RESULTS.mkdir(exist_ok=True)
        result = {
            "benchmark": self._name,
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "figures": self._rows,
        }
        (RESULTS / f"{self._name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def seconds_of(work: Callable[[], object], runs: int = 3) -> float:
    """Return the median duration of several runs."""
    durations = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return median(durations)


def quantile(values: Sequence[float], q: float) -> float:
    """Return the value below which the share ``q`` of the values lies."""
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]
