"""A paper campaign on two simulated venues, KRW against USDT, through everything that they can do wrong with prices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from trioarb_sim.faults import Fault
from trioarb_sim.simulator import Simulator, open_simulator

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "binance_upbit_paper.toml"
SECONDS = 14

#: When, where, what, how often, at which market.
FAULTS = (
    (1.0, "binance", Fault.GAP, 2, ""),
    (1.5, "upbit", Fault.CUT, 1, ""),
    # After a cut books are asked for anew.
    (2.0, "binance", Fault.TOO_MANY_REQUESTS, 1, ""),
    (2.0, "binance", Fault.CUT, 1, ""),
    (5.0, "binance", Fault.UNKNOWN, 1, ""),
    (5.0, "upbit", Fault.UNKNOWN, 1, ""),
    (6.0, "binance", Fault.SHUTDOWN, 1, ""),
    (6.5, "upbit", Fault.SHUTDOWN, 1, ""),
    (8.5, "binance", Fault.MALFORMED, 1, ""),
    (8.5, "binance", Fault.CUT, 1, ""),
    (11.0, "binance", Fault.SILENT, 1, "ETHUSDT"),
    (11.0, "upbit", Fault.SILENT, 1, "KRW-SOL"),
)


async def misbehave(venues: dict[str, Simulator]) -> None:
    """Do so once the campaign listens to both."""
    while not all(venue.open_sockets for venue in venues.values()):  # noqa: ASYNC110  another process's doing
        await trio.sleep(0.05)
    started = trio.current_time()
    for at, venue, fault, times, market in FAULTS:
        await trio.sleep_until(started + at)
        venues[venue].faults.switch_on(fault, times=times, market=market)


def trioarb(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trioarb", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_campaign_trades_on_paper_through_every_fault_of_market_data(tmp_path: Path) -> None:
    pytest.importorskip("trioarb_binance")
    pytest.importorskip("trioarb_upbit")
    async with open_simulator("binance", seed=3) as binance, open_simulator("upbit", seed=3) as upbit:
        settings = {
            "engine.depth": "25",  # more levels than a stream of whole books has: Binance is asked for the rest
            "exchanges.binance.rest_url": binance.rest_url,
            "exchanges.binance.stream_url": binance.socket_url,
            "exchanges.upbit.rest_url": upbit.rest_url,
            "exchanges.upbit.stream_url": upbit.socket_url,
        }
        given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "trioarb", "run", str(CONFIG), "--runtime", str(SECONDS), *given]
        command += ["--record", str(tmp_path / "quotes")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(misbehave, {"binance": binance, "upbit": upbit})
            done = await trio.run_process(command, cwd=tmp_path, capture_stdout=True, capture_stderr=True, check=False)
            nursery.cancel_scope.cancel()
        happened = {"binance": binance.faults.happened, "upbit": upbit.faults.happened}
        violations = {**binance.violations, **upbit.violations}

    assert done.returncode == 0, done.stderr.decode()
    assert violations == {}
    came = {(venue, name) for venue, names in happened.items() for name in names}
    assert {(venue, fault.value) for _, venue, fault, _, _ in FAULTS} == came
    (journal,) = (tmp_path / "journals").glob("*.journal")
    verified = trioarb(tmp_path, "verify", str(journal), "--json")
    assert verified.returncode == 0, verified.stdout
    summary = json.loads(trioarb(tmp_path, "summary", str(journal), "--json").stdout)
    assert len(summary["trades"]) > 0

    # What a recorder beside the run has kept leads to the same decisions again, without a venue.
    again = trioarb(tmp_path, "replay", "--quotes", "quotes", "--answers", str(journal))
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines()[-1].endswith("events of the run are the same, at the same times")
