"""A process that sends as often as a shared budget lets it, and writes down when: FOLDER COUNT SECONDS RUNS OUTPUT."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import trio
import trio.lowlevel

from trioarb.venue import Ledger, Limit, LimitRules, Limits, Priority


async def main(folder: Path, count: int, seconds: float, runs: float, output: Path) -> None:
    rules = LimitRules(buckets={"orders": [Limit(count=count, seconds=seconds)]}, costs=lambda request: {"orders": 1})
    limits = Limits("here", rules, ledgers={"orders": Ledger.of_key(folder, "here", "some-key")})
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"ready\n")
    with trio.move_on_after(runs):
        while True:
            with await limits.acquire({"orders": 1}, Priority.CANCEL):
                os.write(fd, f"{time.monotonic():.9f}\n".encode())
                await trio.lowlevel.checkpoint()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
