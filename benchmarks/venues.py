"""Measure plugins of venues on simulated ones: how they keep to limits, and how soon books are back after a cut.

The simulated venue is a process of its own on loopback, with the limits of the venue's own pages. First hundreds of
symbols are listed and subscribed to, then a few, whose connection is cut again and again. A book is back when its
symbol is quoted again; what the venue itself takes for that is measured beside: the longest time between two changes
of a symbol that it tells.

Usage: python benchmarks/venues.py [--listing binance=FILE] [--listing upbit=FILE] [--cuts N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import structlog
import trio
from figures import Figures, quantile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kit"))

from simulated import Board, many, opened_market

from trioarb_sim.faults import Fault
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.recorded_listing import recorded_markets
from trioarb_sim.simulator import open_simulator

SYMBOLS, CUTS = 500, 10
#: As many as Binance has snapshots for in a minute, of the weight that is there for them.
SNAPSHOTS = 60
#: (venue, depth, how many symbols, by what).
LISTED = (
    ("binance", 1, SYMBOLS, "best prices"),
    ("binance", 20, SYMBOLS, "best levels"),
    ("binance", 25, SNAPSHOTS, "changes and snapshots"),
    ("upbit", 15, SYMBOLS, "books"),
    ("bithumb", 15, SYMBOLS, "books"),
)
LONGEST_SECONDS = 120


@attrs.frozen
class Venue:
    """What the feed has to know of the venue in the other process."""

    name: str
    rest_url: str
    socket_url: str


def run_venue(name: str, markets: Sequence[MarketRules] | None, every_seconds: float, pipe: Pipe) -> None:
    """Run a venue; do what is asked for: cut its connections, say what came, end."""

    async def main() -> None:
        async with open_simulator(name, markets=markets, every_seconds=every_seconds) as simulator:
            pipe.send((simulator.rest_url, simulator.socket_url))
            while True:
                asked = await trio.to_thread.run_sync(pipe.recv)
                if asked == "cut":
                    simulator.faults.switch_on(Fault.CUT)
                    while simulator.faults.happened.get("cut", 0) == 0:  # noqa: ASYNC110
                        await trio.sleep(0.001)
                    simulator.faults.happened.clear()
                    pipe.send(time.monotonic())
                elif asked == "what":
                    pipe.send((attrs.asdict(simulator.traffic), dict(simulator.violations)))
                else:
                    return

    trio.run(main)


async def ask(pipe: Pipe, what: str) -> Any:
    pipe.send(what)
    return await trio.to_thread.run_sync(pipe.recv)


async def until_quoted(board: Board, symbols: Sequence[str]) -> float:
    """Return when all of them are quoted."""
    with trio.fail_after(LONGEST_SECONDS):
        while not board.has_all(symbols):  # noqa: ASYNC110  quotes come from outside
            await trio.sleep(0.001)
    return time.monotonic()


async def list_and_subscribe(venue: Venue, depth: int, pipe: Pipe) -> tuple[float, int, dict[str, Any], dict[str, int]]:
    began = time.monotonic()
    async with opened_market(venue, depth=depth) as feed:  # type: ignore[arg-type]
        symbols, board = [one.symbol for one in await feed.listings()], Board()
        async with trio.open_nursery() as nursery:
            await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
            took = await until_quoted(board, symbols) - began
            nursery.cancel_scope.cancel()
    traffic, violations = await ask(pipe, "what")
    return took, len(symbols), traffic, violations


async def cut_and_wait(venue: Venue, depth: int, pipe: Pipe, cuts: int) -> tuple[list[float], float, dict[str, int]]:
    """Return how long books were away each time, and how long the venue says nothing of a symbol at most.

    Each time it is a session's first cut: who is cut again at once waits longer, on purpose.
    """
    async with opened_market(venue, depth=depth) as feed:  # type: ignore[arg-type]
        symbols, away, quiet = [one.symbol for one in await feed.listings()], list[float](), 0.0
        for _ in range(cuts):
            board = Board()
            async with trio.open_nursery() as nursery:
                await nursery.start(feed.run, {symbol: board.sink(symbol) for symbol in symbols})
                await until_quoted(board, symbols)
                quiet = max(quiet, await longest_quiet(board, symbols))
                cut_at = await ask(pipe, "cut")
                while board.quoted:  # noqa: ASYNC110  until it is noticed
                    await trio.sleep(0.001)
                away.append(await until_quoted(board, symbols) - cut_at)
                nursery.cancel_scope.cancel()
    return away, quiet, (await ask(pipe, "what"))[1]


async def longest_quiet(board: Board, symbols: Sequence[str]) -> float:
    """Return the longest time for which nothing came of a symbol, in a second."""
    seen, told_at, quiet = dict(board.told), dict[str, float](), 0.0
    until = time.monotonic() + 1
    while (now := time.monotonic()) < until:
        for symbol in symbols:
            if board.told[symbol] != seen[symbol]:
                quiet = max(quiet, now - told_at.get(symbol, now))
                seen[symbol], told_at[symbol] = board.told[symbol], now
        await trio.sleep(0.001)
    return quiet


class Running:
    """A venue in a process of its own, for the length of a block."""

    def __init__(self, name: str, markets: Sequence[MarketRules] | None, every_seconds: float) -> None:
        self.pipe, there = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=run_venue, args=(name, markets, every_seconds, there), daemon=True)
        self._process.start()
        self.venue = Venue(name, *self.pipe.recv())

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self.pipe.send("end")
        self._process.join(5)
        self._process.kill()


def measure_limits(figures: Figures, listings: dict[str, Path]) -> None:
    for name, depth, count, by in LISTED:
        markets = many(name, count)
        if name in listings:
            markets = [one for one in recorded_markets(name, [listings[name]]) if one.state is MarketState.TRADING]
            markets = markets[:count]
        with Running(name, markets, 0.2) as running:
            took, symbols, traffic, violations = trio.run(list_and_subscribe, running.venue, depth, running.pipe)
        refused = sum(times for status, times in traffic["statuses"].items() if status in (418, 429))
        figures.add(f"{name}, {symbols} symbols by {by}: until all are quoted", took, "s")
        figures.add("    … requests", traffic["requests"], "")
        figures.add("    … messages sent", traffic["heard"], "")
        figures.add("    … connections", traffic["connects"], "")
        figures.add("    … limits broken, or answered by 429 or 418", sum(violations.values()) + refused, "", "0")


def measure_cuts(figures: Figures, cuts: int) -> None:
    for name, depth, by in [(name, depth, by) for name, depth, _, by in LISTED]:
        with Running(name, None, 0.05) as running:
            away, quiet, violations = trio.run(partial(cut_and_wait, running.venue, depth, running.pipe, cuts))
        beyond = [seconds - quiet for seconds in away]
        figures.add(f"{name}, {by}: away after a cut, median", median(away), "s")
        figures.add("    … the longest of them", max(away), "s")
        figures.add("    … the venue is quiet about a symbol for", quiet, "s")
        figures.add("    … beyond that, nine of ten are back within", quantile(beyond, 0.9), "s", "≤ 1")
        figures.add("    … limits broken", sum(violations.values()), "", "0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listing", action="append", default=[], help="VENUE=FILE, what it listed itself, recorded")
    parser.add_argument("--cuts", type=int, default=CUTS, help="how often each venue's connection is cut")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    listings = {name: Path(path) for name, _, path in (one.partition("=") for one in options.listing)}
    figures = Figures("venues")
    measure_limits(figures, listings)
    measure_cuts(figures, options.cuts)
    figures.store()


if __name__ == "__main__":
    main()
