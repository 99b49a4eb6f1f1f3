"""Measure what the terminal view costs: processor time of its frames and snapshots against the time that passes.

Usage: python benchmarks/terminal.py [SYMBOLS] [SECONDS]

First how long a snapshot of 100, 1,000 and 10,000 symbols holds the campaign's thread: the longest of its pieces, and
all of them. Each symbol is held at both venues, and some are traded. Then a campaign in real time on a terminal of
200×50 (a pseudo terminal that a process of its own reads), without and with the view, in turn; then with the view at
other sizes.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median

import attrs
import trio
from figures import Figures

from trioarb.cli.running import leave_uncollected
from trioarb.config.load import load_config, load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.engine.snapshot import snapshot_in_pieces
from trioarb.plugin.registry import load_plugins
from trioarb.report.console import LastingConsole
from trioarb.report.live import LiveView, Spent
from trioarb.testing import ScriptedRow, ScriptedTape, listing, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock

CONFIG = Path(__file__).parents[1] / "configs" / "top100.toml"
ROUNDS = 3
OVER = object()
#: A venue may hold so many assets, USDT among them.
MOST_HELD = 9_999
#: Two venues, so many milliseconds from one quote to the next: some 5,000 quotes a second of a hundred symbols.
STEP_MS = 40
_READ = """
import os
try:
    while os.read(0, 65536):
        pass
except OSError:  # nobody has the other end any more
    pass
"""


@attrs.frozen
class Measured:
    """One campaign: its processor time and quotes a second, the evaluations' p99, and what its view took."""

    cpu: float
    quotes: float
    p99_us: float
    wall: float
    spent: Spent | None

    @property
    def share(self) -> float:
        """Of the time that passed, what the view took."""
        return 0.0 if self.spent is None else (self.spent.taking + self.spent.drawing) / self.wall


@contextmanager
def terminal(columns: int, lines: int) -> Iterator[LastingConsole]:
    """Return a console on a pseudo terminal whose other end is read, in another process, as fast as it goes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    reader = subprocess.Popen([sys.executable, "-c", _READ], stdin=ours)
    os.close(ours)
    try:
        with os.fdopen(theirs, "w") as file:
            yield LastingConsole(file=file, force_terminal=True, color_system="256")
    finally:
        reader.kill()
        reader.wait()


def run(symbols: int, seconds: Decimal, size: tuple[int, int], *, is_shown: bool) -> Measured:
    """Run a campaign in real time, with the view or without."""
    plugins = load_plugins()
    overrides = [
        'session.clock="real"',
        "session.loop_interval_ms=0",
        f"universe.top_n={symbols}",
        f"exchanges.*.market.step_ms={STEP_MS * max(1, symbols // 100)}",
    ]
    config = load_config(CONFIG, plugins, overrides=overrides, runtime_seconds=seconds).config
    with terminal(*size) as console:
        view = LiveView(config, console) if is_shown else None

        def on_open(campaign: Campaign) -> None:
            leave_uncollected()
            if view is not None:
                view.begin(partial(snapshot_in_pieces, campaign))

        begun, cpu = time.perf_counter(), time.process_time()
        with nullcontext() if view is None else view.held():
            campaign = trio.run(partial(run_campaign, config, plugins, on_open=on_open))
            wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    seen = sum(task.funnel.seen for task in campaign.symbols.values())
    p99 = campaign.parts.latency.quantile_us(0.99) or 0.0
    return Measured(cpu / wall, seen / wall, p99, wall, None if view is None else view.spent)


def pieces(count: int) -> tuple[float, float, int]:
    """Return the longest piece of a snapshot and all its pieces together, in seconds, and how many they are.

    Medians of several, taken one after the other once all symbols have quotes.
    """
    bases = [f"C{number:05}" for number in range(count)]
    listings = [listing(base) for base in bases]

    def rows(venue: str) -> Iterator[ScriptedRow]:
        for second in range(1, 4):
            for number, one in enumerate(listings):
                price = 101.0 if venue == "b" and number % 50 == 0 else 100.0
                yield second, one.symbol, price, 50.0, price + 0.1, 50.0

    table = two_venues()
    table["session"] |= {"max_runtime_seconds": 4}
    for venue in table["exchanges"].values():
        venue["balances"] = {"USDT": "100000000", **dict.fromkeys(bases[:MOST_HELD], "10")}
    tapes = {venue: ScriptedTape(list(rows(venue)), listings=listings) for venue in "ab"}
    plugins = load_plugins({"market": scripted_market(tapes)})
    opened, taken = list[Campaign](), list[list[float]]()

    async def look() -> None:
        await trio.sleep_until(3.5)
        leave_uncollected()
        for _ in range(ROUNDS + 2):
            taking, took = snapshot_in_pieces(opened[0]), list[float]()
            while True:
                begun = time.thread_time()
                is_last = next(taking, OVER) is OVER
                took.append(time.thread_time() - begun)
                if is_last:
                    break
            taken.append(took)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await run_campaign(load_table(table, plugins).config, plugins, clock=clock, on_open=opened.append)

    clock = VirtualClock()
    trio.run(main, clock=clock)
    return median(map(max, taken)), median(map(sum, taken)), len(taken[0])


def main() -> None:
    symbols = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = Decimal(sys.argv[2]) if len(sys.argv) > 2 else Decimal(15)
    figures = Figures("terminal")
    for count in (100, 1_000, 10_000):
        longest, whole, number = pieces(count)
        figures.add(f"a snapshot of {count:,} symbols, the longest of {number:,} pieces", 1_000 * longest, "ms", "≤ 2")
        figures.add("  all of them together", 1_000 * whole, "ms")
    without, shown = list[Measured](), list[Measured]()
    for _ in range(ROUNDS):
        without.append(run(symbols, seconds, (200, 50), is_shown=False))
        shown.append(run(symbols, seconds, (200, 50), is_shown=True))
    for name, rounds in (("without the view", without), ("with the view", shown)):
        figures.add(f"{symbols:,} symbols {name}: quotes", median(one.quotes for one in rounds), "a second")
        figures.add("  processor time of the process", 100 * median(one.cpu for one in rounds), "% of time")
        figures.add("  p99 of an evaluation", median(one.p99_us for one in rounds), "µs")
    _tell(figures, "200×50", shown)
    for size in ((80, 24), (120, 40)):
        _tell(figures, "×".join(map(str, size)), [run(symbols, seconds / 2, size, is_shown=True)])
    figures.store()


def _tell(figures: Figures, size: str, rounds: list[Measured]) -> None:
    """Add what the view took."""
    worst = max(rounds, key=lambda one: one.share)
    spent = worst.spent
    assert spent is not None
    figures.add(f"the view at {size}, snapshots and frames", 100 * worst.share, "% of time", "≤ 1")
    figures.add("  frames", spent.frames / worst.wall, "a second", "≤ 4")
    figures.add("  a snapshot, in the campaign's thread", 1_000 * spent.taking / spent.snapshots, "ms")
    figures.add("  a frame, in its own", 1_000 * spent.drawing / spent.frames, "ms")


if __name__ == "__main__":
    main()
