"""Random configurations, markets, faults and ends, each campaign in virtual time, each verified: the swarm.

All that becomes of a seed follows from it. What breaks a promise is printed with the command that shows it again.

Usage: python benchmarks/swarm.py --seeds N [--from S] [--hours H] [--jobs J] [--keep DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import attrs
from figures import Figures

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kit"))

from swarm import Played, play_all

EVERY_SECONDS = 20


@attrs.define
class Totals:
    """What is counted over all seeds."""

    seeds: int = 0
    simulated_hours: float = 0
    events: int = 0
    pairs: int = 0
    orders: int = 0
    kills: int = 0
    resumes: int = 0
    stops: int = 0
    residuals: int = 0
    transfers: int = 0
    repeated: int = 0
    never_began: int = 0
    violations: int = 0
    cpu_seconds: float = 0
    faults: Counter[str] = attrs.field(factory=Counter)
    ends: Counter[str] = attrs.field(factory=Counter)
    exit_codes: Counter[str] = attrs.field(factory=Counter)

    def add(self, played: Played) -> None:
        verdict, ended = played.verdict, played.ended
        self.seeds += 1
        self.simulated_hours += verdict.hours
        self.events += verdict.events
        self.pairs += verdict.pairs
        self.orders += verdict.orders
        self.kills += played.kills
        self.resumes += played.resumes
        self.stops += verdict.stops
        self.residuals += verdict.residuals
        self.transfers += verdict.transfers
        self.repeated += played.is_repeated
        self.never_began += played.never_began
        self.violations += bool(played.violations)
        self.cpu_seconds += played.cpu_seconds
        self.faults.update(played.faults)
        if ended is not None:
            self.ends[ended.ended_by or "before it began"] += 1
            self.exit_codes[str(ended.exit_code)] += 1

    def __str__(self) -> str:
        return (
            f"{self.seeds:,} seeds, {self.simulated_hours:,.0f} h, {self.pairs:,} pairs, {self.orders:,} orders, "
            f"{self.faults.total():,} faults, {self.kills:,} kills, {self.resumes:,} resumes, "
            f"{self.residuals:,} residuals, {self.transfers:,} transfers, {self.violations:,} violations"
        )

    def store(self, seconds: float) -> None:
        """Print every figure, and write them down."""
        figures = Figures("swarm")
        for field in attrs.fields(Totals):
            value = getattr(self, field.name)
            what = field.name.replace("_", " ")
            if isinstance(value, Counter):
                for name, count in sorted(value.items()):
                    figures.add(f"{what}: {name}", count, "")
            else:
                figures.add(what, value, "", goal="0" if what == "violations" else "")
        figures.add("CPU seconds per seed", self.cpu_seconds / max(1, self.seeds), "s", goal="≤ 0.4")
        figures.add("simulated hours per seed", self.simulated_hours / max(1, self.seeds), "h", goal="≥ 1")
        figures.add("took", seconds, "s")
        figures.store()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, required=True, metavar="N", help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="S", help="the first one")
    parser.add_argument("--hours", type=float, metavar="H", help="mean length of a long campaign; 2.4 if not given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="J", help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of all seeds here")
    arguments = parser.parse_args()
    shared = Path("/dev/shm")  # what is to survive a power loss is forced to the disk; in memory that costs nothing
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="swarm-", dir=shared if shared.is_dir() else None))
    hours = "" if arguments.hours is None else f" --hours {arguments.hours:g}"
    totals, started, told = Totals(), time.monotonic(), 0.0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    for played in play_all(
        seeds, folder.resolve(), hours=arguments.hours, jobs=arguments.jobs, keep=arguments.keep is not None
    ):
        totals.add(played)
        for violation in played.violations:
            print(f"seed {played.seed}: {violation}", flush=True)
        if played.violations:
            again = f"python benchmarks/swarm.py --from {played.seed} --seeds 1 --keep DIR{hours}"
            print(f"  files: {folder / str(played.seed)}; again: {again}", flush=True)
        if time.monotonic() - told > EVERY_SECONDS:
            told = time.monotonic()
            print(f"{told - started:.0f} s: {totals}", flush=True)
    totals.store(time.monotonic() - started)
    if not totals.violations and arguments.keep is None:
        shutil.rmtree(folder)
    return 1 if totals.violations else 0


if __name__ == "__main__":
    sys.exit(main())
