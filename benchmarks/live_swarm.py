"""Live campaigns on simulated venues: random configurations, faults and kills, each held against the venues' own books.

Real processes, real sockets, real signatures, real time. All that is planned follows from a seed; when something
happens does only roughly. What breaks a promise is printed with the command that plays it again.

Usage: python benchmarks/live_swarm.py --seeds N [--from S] [--seconds S] [--jobs J] [--keep DIR]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import attrs
import trio
from figures import Figures

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kit"))

from live_plan import plan_of
from live_swarm import LivePlayed, play_all


@attrs.define
class Totals:
    """What is counted over all seeds."""

    seeds: int = 0
    orders: int = 0
    fills: int = 0
    resumes: int = 0
    residuals: int = 0
    broken_promises: int = 0
    broken_limits: int = 0
    kills: Counter[str] = attrs.field(factory=Counter)
    faults: Counter[str] = attrs.field(factory=Counter)
    exit_codes: Counter[str] = attrs.field(factory=Counter)

    def add(self, played: LivePlayed) -> None:
        self.seeds += 1
        self.resumes += played.resumes
        self.broken_promises += bool(played.problems)
        self.broken_limits += sum(played.violations.values())
        self.kills.update(played.kills)
        self.faults.update(played.faults)
        self.exit_codes.update(map(str, played.exit_codes))
        if played.books is not None:
            self.orders += played.books.orders
            self.fills += played.books.fills
            self.residuals += played.books.residuals

    def store(self, seconds: float) -> None:
        """Print every figure, and write them down."""
        figures = Figures("live_swarm")
        for field in attrs.fields(Totals):
            value, what = getattr(self, field.name), field.name.replace("_", " ")
            if isinstance(value, Counter):
                for name, count in sorted(value.items()):
                    figures.add(f"{what}: {name}", count, "")
            else:
                figures.add(what, value, "", goal="0" if what.startswith("broken") else "")
        figures.add("took", seconds, "s")
        figures.store()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, required=True, metavar="N", help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="S", help="the first one")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a campaign runs; 5 to 12 if not given")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="campaigns at a time")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of all seeds here")
    arguments = parser.parse_args()
    folder = (arguments.keep or Path(tempfile.mkdtemp(prefix="live-swarm-"))).resolve()
    totals, started = Totals(), time.monotonic()

    def told(played: LivePlayed) -> None:
        totals.add(played)
        books = played.books
        met = f"{books.orders} orders, {books.fills} fills" if books is not None else "nothing"
        print(
            f"seed {played.plan.seed}: {'/'.join(played.plan.venues)} {played.plan.strategy}: {met}, "
            f"faults {dict(played.faults)}, kills {dict(played.kills)}, exit codes {played.exit_codes}"
            f"{f', limits broken {dict(played.violations)}' if played.violations else ''}",
            flush=True,
        )
        for problem in played.problems:
            print(f"  BROKEN: {problem}", flush=True)
        if played.problems:
            print(f"  files: {played.folder}; again: {played.again}", flush=True)

    plans = [
        plan_of(seed, seconds=arguments.seconds) for seed in range(arguments.first, arguments.first + arguments.seeds)
    ]
    trio.run(play_all, plans, folder, told, arguments.jobs)
    totals.store(time.monotonic() - started)
    if not totals.broken_promises and arguments.keep is None:
        shutil.rmtree(folder)
    return 1 if totals.broken_promises else 0


if __name__ == "__main__":
    sys.exit(main())
