"""What `trioarb venue-sim` does."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from trioarb.api import TrioarbError
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.simulator import VENUES, Simulator, open_simulator

__all__ = ["run"]


class UsageError(TrioarbError):
    """The command line can't be used."""

    exit_code = 2


def run(
    venue: str,
    *,
    port: int,
    tls: bool,
    folder: Path | None,
    seed: int,
    every_seconds: float,
    faults: Sequence[str],
) -> int:
    """Run until SIGINT or SIGTERM; return 0.

    Raises:
        TrioarbError: there is no such venue or fault, or the port is taken.
    """
    if venue not in VENUES:
        raise UsageError(f'"{venue}" is no simulated venue; there are: {", ".join(VENUES)}')
    if every_seconds <= 0:
        raise UsageError(f"--every {every_seconds}: expected seconds above 0")
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: expected 0 to 65535")
    wanted = [_fault(text) for text in faults]
    try:
        trio.run(_run, venue, port, tls, folder, seed, every_seconds, wanted)
    except* OSError as group:
        raise UsageError(f"port {port} can't be had: {_first(group)}; leave --port out for a free one") from None
    return 0


async def _run(
    venue: str,
    port: int,
    tls: bool,
    folder: Path | None,
    seed: int,
    every_seconds: float,
    faults: Sequence[tuple[Fault, int, str]],
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_simulator(venue, port=port, tls=tls, seed=seed, every_seconds=every_seconds) as simulator:
            for fault, times, market in faults:
                simulator.faults.switch_on(fault, times=times, market=market)
            _write(simulator, folder)
            _say_where(simulator)
            async for _ in signals:
                break
            _say_what_happened(simulator.faults, simulator.violations)


def _say_where(simulator: Simulator) -> None:
    print(f"{simulator.name}: REST {simulator.rest_url}, WebSocket {simulator.socket_url}")
    print(f"key {simulator.key.api_key}, secret {simulator.key.secret} (worth nothing)")
    print("Ctrl-C ends it.", flush=True)


def _say_what_happened(faults: Faults, violations: Mapping[str, int]) -> None:
    happened = ", ".join(f"{name} {times}" for name, times in sorted(faults.happened.items()))
    print(f"faults that happened: {happened or 'none'}")
    broken = ", ".join(f"{name} {times}" for name, times in sorted(violations.items()))
    print(f"limits that were broken: {broken or 'none'}")


def _write(simulator: Simulator, folder: Path | None) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if simulator.authority is not None:
        simulator.authority.write(folder / "ca.pem")
    (folder / "port").write_text(f"{simulator.port}\n")


def _fault(text: str) -> tuple[Fault, int, str]:
    """Return fault, times and market of ``NAME[=TIMES][@MARKET]``."""
    head, _, market = text.partition("@")
    name, _, times = head.partition("=")
    found = next((fault for fault in Fault if fault.value == name), None)
    if found is None:
        raise UsageError(f"--fault {text}: there is no such fault; there are: {', '.join(one.value for one in Fault)}")
    if times and (not times.isdecimal() or not int(times)):
        raise UsageError(f'--fault {text}: "{times}" is no number of times; expected 1 or more')
    return found, int(times or 1), market


def _first(group: BaseExceptionGroup[OSError]) -> str:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found.strerror if isinstance(found, OSError) and found.strerror else str(found)
