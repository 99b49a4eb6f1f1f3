"""What `trioarb venue-sim` does."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import trio

from trioarb.api import TrioarbError
from trioarb_sim.faults import Fault
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.recorded_listing import recorded_markets
from trioarb_sim.replayed import Replayed, replayed_books
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
    listing: Sequence[Path] = (),
    most_markets: int | None = None,
    book: Path | None = None,
    book_exchange: str = "",
) -> int:
    """Run until SIGINT or SIGTERM; return 0.

    Raises:
        TrioarbError: there is no such venue, fault, listing or book, or the port is taken.
    """
    if venue not in VENUES:
        raise UsageError(f'"{venue}" is no simulated venue; there are: {", ".join(VENUES)}')
    if every_seconds <= 0:
        raise UsageError(f"--every {every_seconds}: expected seconds above 0")
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: expected 0 to 65535")
    wanted = [_fault(text) for text in faults]
    markets = _markets(venue, listing, most_markets)
    shown = None
    if book is not None:
        listed = markets if markets is not None else VENUES[venue].markets()
        shown = replayed_books(book, book_exchange or venue, listed)
    try:
        trio.run(_run, venue, port, tls, folder, seed, every_seconds, wanted, markets, shown)
    except* BrokenPipeError:
        raise BrokenPipeError from None  # nobody reads what it says; the port has nothing to do with that
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
    markets: Sequence[MarketRules] | None,
    book: Replayed | None,
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_simulator(
            venue, port=port, tls=tls, seed=seed, every_seconds=every_seconds, markets=markets, book=book
        ) as simulator:
            for fault, times, market in faults:
                simulator.faults.switch_on(fault, times=times, market=market)
            _write(simulator, folder)
            _say_where(simulator)
            if book is not None:
                print(f"{len(book.rows):,} recorded quotes of {', '.join(sorted(book.markets))}: {book.seconds:,.0f} s")
            async for _ in signals:
                break
            _say_what_happened(simulator)


def _markets(venue: str, listing: Sequence[Path], most: int | None) -> Sequence[MarketRules] | None:
    """Return what is listed; ``None``: a few markets of the simulator's own."""
    if most is not None and most < 1:
        raise UsageError(f"--markets {most}: expected 1 or more")
    if not listing:
        if most is not None:
            raise UsageError("--markets says how many of a --listing there are; give one")
        return None
    found = recorded_markets(venue, listing)
    if most is None:
        return found
    return [one for one in found if one.state is MarketState.TRADING][:most]


def _say_where(simulator: Simulator) -> None:
    print(f"{simulator.name}: REST {simulator.rest_url}, WebSocket {simulator.socket_url}")
    print(f"{len(simulator.venue.markets):,} markets")
    print(f"key {simulator.key.api_key}, secret {simulator.key.secret} (worth nothing)")
    print("Ctrl-C ends it.", flush=True)


def _say_what_happened(simulator: Simulator) -> None:
    traffic = simulator.traffic
    print(f"requests {traffic.requests}, sockets {traffic.connects}, messages {traffic.heard} in, {traffic.told} out")
    happened = ", ".join(f"{name} {times}" for name, times in sorted(simulator.faults.happened.items()))
    print(f"faults that happened: {happened or 'none'}")
    broken = ", ".join(f"{name} {times}" for name, times in sorted(simulator.violations.items()))
    print(f"limits that were broken: {broken or 'none'}")


def _write(simulator: Simulator, folder: Path | None) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if simulator.authority is not None:
        simulator.authority.write(folder / "ca.pem")
    # Whoever waits for the file finds all of it.
    beside = folder / "port.new"
    beside.write_text(f"{simulator.port}\n")
    beside.replace(folder / "port")


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
