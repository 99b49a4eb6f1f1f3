"""Run a simulated venue, and a foreign client against it: judge.py PYTHON SCRIPT VENUE [--tls]."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import trio

from trioarb_sim.simulator import open_simulator

SECONDS = 120


async def judge(python: str, script: Path, venue: str, tls: bool) -> int:
    """Return the script's exit code; 1 if it broke a limit of the venue."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_simulator(venue, tls=tls) as simulator:
            environment = {**os.environ, "SIM_PORT": str(simulator.port)}
            if simulator.authority is not None:
                simulator.authority.write(Path(folder) / "ca.pem")
                environment["SIM_CA"] = f"{folder}/ca.pem"
            arguments = [python, str(script), str(simulator.port), simulator.key.api_key, simulator.key.secret]
            with trio.move_on_after(SECONDS):
                done = await trio.run_process(arguments, check=False, env=environment)
                for what, times in simulator.violations.items():
                    print(f"{script.stem}: broke a limit, {what}: {times} times")
                return done.returncode or int(bool(simulator.violations))
            print(f"{script.stem}: not done within {SECONDS} s")
    return 1


if __name__ == "__main__":
    path = Path(sys.argv[2])
    code = trio.run(judge, sys.argv[1], path, sys.argv[3], "--tls" in sys.argv)
    print(f"{path.stem}: {'FAILED' if code else 'satisfied'}")
    sys.exit(code)
