"""Kill campaigns at random moments and resume them, many times; print what was lost, doubled, or differs.

Usage: python benchmarks/kill_rounds.py [--rounds 1000] [--from SEED] [--at-a-time 4] [--quotes] [--keep DIR]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kit"))

from figures import Figures
from kill_rounds import Played, play_all

EVERY = 50


@attrs.define
class Totals:
    """What is counted over all rounds."""

    rounds: int = 0
    rounds_with_problems: int = 0
    kills: int = 0
    kills_in_flight: int = 0
    orders: int = 0
    orders_in_flight: int = 0
    orders_not_kept: int = 0
    lost: int = 0
    doubled: int = 0
    residuals: int = 0
    transfers: int = 0
    differences: int = 0

    def add(self, played: Played) -> None:
        self.rounds += 1
        self.rounds_with_problems += bool(played.problems)
        self.kills += played.kills
        self.kills_in_flight += played.kills_in_flight
        self.orders_in_flight += played.orders_in_flight
        self.orders_not_kept += played.orders_not_kept
        if played.aftermath is not None:
            self.orders += played.aftermath.orders
            self.lost += len(played.aftermath.lost)
            self.doubled += len(played.aftermath.doubled)
            self.residuals += played.aftermath.residuals
            self.transfers += played.aftermath.transfers
            self.differences += len(played.aftermath.differences)

    def __str__(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in attrs.asdict(self).items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="SEED")
    parser.add_argument("--at-a-time", type=int, default=4)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of all rounds here")
    parser.add_argument("--quotes", action="store_true", help="in every round orders rest at a venue (maker_taker)")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="kill-rounds-"))
    totals, failed, started = Totals(), list[Played](), time.monotonic()
    for played in play_all(
        range(arguments.first, arguments.first + arguments.rounds),
        folder,
        at_a_time=arguments.at_a_time,
        quotes=arguments.quotes,
    ):
        totals.add(played)
        for problem in played.problems:
            print(f"round {played.plan.seed} ({played.plan.durability}): {problem}", flush=True)
        if played.problems:
            failed.append(played)
            print(f"  files: {played.folder}; again: {played.again}", flush=True)
        elif arguments.keep is None:
            shutil.rmtree(played.folder)
        if totals.rounds % EVERY == 0:
            print(f"{time.monotonic() - started:.0f} s: {totals}", flush=True)
    seconds = time.monotonic() - started
    print(f"{seconds:.0f} s: {totals}")
    figures = Figures("kill_rounds")
    figures.add(f"rounds, from seed {arguments.first}", totals.rounds, "rounds", "1,000")
    figures.add("seconds a round", seconds / max(totals.rounds, 1), "s", "fifty in ≤ 60 s")
    figures.add("kills", totals.kills, "kills")
    figures.add("of them with orders in flight", totals.kills_in_flight, "kills")
    figures.add("orders sent", totals.orders, "orders")
    figures.add("orders executed that the journal does not know", totals.orders_not_kept, "orders", "0")
    figures.add("transfers", totals.transfers, "transfers")
    figures.add("fills lost", totals.lost, "fills", "0")
    figures.add("orders doubled", totals.doubled, "orders", "0")
    figures.add("balances that differed", totals.differences, "assets", "0")
    figures.add("rounds with problems", totals.rounds_with_problems, "rounds", "0")
    figures.store()
    if not failed and arguments.keep is None:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
