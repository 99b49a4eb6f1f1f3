"""Run a simulated venue, and a foreign client against it: judge.py PYTHON SCRIPT VENUE."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from trioarb_sim.simulator import open_simulator

SECONDS = 120


async def judge(python: str, script: Path, venue: str) -> int:
    """Return the script's exit code; 1 if it broke a limit of the venue."""
    async with open_simulator(venue) as simulator:
        arguments = [python, str(script), str(simulator.port), simulator.key.api_key, simulator.key.secret]
        with trio.move_on_after(SECONDS):
            done = await trio.run_process(arguments, check=False)
            for what, times in simulator.violations.items():
                print(f"{script.stem}: broke a limit, {what}: {times} times")
            return done.returncode or int(bool(simulator.violations))
        print(f"{script.stem}: not done within {SECONDS} s")
    return 1


if __name__ == "__main__":
    code = trio.run(judge, sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    print(f"{Path(sys.argv[2]).stem}: {'FAILED' if code else 'satisfied'}")
    sys.exit(code)
