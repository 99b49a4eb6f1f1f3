"""Measure how long it takes to cancel a campaign at every single step, and to fail every call of its venues.

Usage: python benchmarks/every_step.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from figures import Figures

ROOT = Path(__file__).parents[1]
TESTS = {
    "cancelled at every step, three hooks": "tests/engine/test_cancellation.py::test_cancelled_at_every_step",
    "an error at every call, a hurry at every step": "tests/engine/test_every_call.py",
}


def main() -> None:
    figures = Figures("every_step")
    for what, test in TESTS.items():
        started = time.perf_counter()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise SystemExit(finished.stdout)
        figures.add(what, time.perf_counter() - started, "s", "≤ 30 s")
    figures.store()


if __name__ == "__main__":
    main()
