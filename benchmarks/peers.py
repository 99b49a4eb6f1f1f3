"""Measure other engines beside this one, on the same quotes and rules, one after the other in every round.

The peers' runners are those of ``shared/bench/peers``; each has a virtual environment of its own, which is made in the
user's cache when it is needed first. Every engine's round trips are held against those of a plain loop over the same
rows. What a peer compiles beforehand is not counted, nor are anybody's imports. "Engine only" is what comes after
reading and conversion; "end to end" begins with the Parquet file. An engine that can't be installed, fails, or takes
too long is named, with the reason.

Usage: python benchmarks/peers.py [--only NAME…] [--rows N] [--runs N] [--environments DIR] [--seconds N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import environments
import replay
from environments import Unusable
from figures import Figures

RUNNERS = replay.SHARED / "peers"
INSTALL_SECONDS = 900
ENTRY = {"entry_bps": "14.991252"}


@attrs.frozen(kw_only=True)
class Peer:
    """An engine, how it is run, and on how many rows: some are too slow for all."""

    name: str
    environment: str
    requirements: tuple[str, ...]
    runner: tuple[str, ...]
    rows: int = replay.ROWS


READING = ("numpy", "pyarrow")
HFTBACKTEST = ("hftbacktest==2.4.4", *READING)
NAUTILUS = ("nautilus_trader==1.221.0", *READING)
PEERS = (
    Peer(name="plain loop", environment="plain", requirements=READING, runner=("run_reference.py",)),
    Peer(
        name="vectorbt",
        environment="vectorbt",
        requirements=("vectorbt==1.2.0", *READING),
        runner=("run_vectorbt.py",),
    ),
    Peer(
        name="hftbacktest, a run per symbol",
        environment="hftbacktest",
        requirements=HFTBACKTEST,
        runner=("run_hftbacktest.py", "persymbol"),
    ),
    Peer(
        name="hftbacktest, one run of all",
        environment="hftbacktest",
        requirements=HFTBACKTEST,
        runner=("run_hftbacktest.py", "all"),
    ),
    Peer(
        name="nautilus_trader, raw arrays",
        environment="nautilus_trader",
        requirements=NAUTILUS,
        runner=("run_nautilus.py", "raw", "arb"),
    ),
    Peer(
        name="nautilus_trader, wrangler",
        environment="nautilus_trader",
        requirements=NAUTILUS,
        runner=("run_nautilus.py", "wrangler", "arb"),
    ),
    Peer(
        name="basana",
        environment="basana",
        requirements=("basana==1.11", *READING),
        runner=("run_basana.py",),
        rows=200_000,
    ),
    Peer(
        name="backtrader",
        environment="backtrader",
        requirements=("backtrader==1.9.78.123", *READING),
        runner=("run_backtrader.py",),
        rows=50_000,
    ),
)


@attrs.define
class Ours:
    """What this engine's runs gave, one of a kind in every round."""

    first: list[dict[str, Any]] = attrs.field(factory=list)
    kept: list[dict[str, Any]] = attrs.field(factory=list)
    shown: list[dict[str, Any]] = attrs.field(factory=list)

    def run(self, quotes: Path, expected: dict[str, Any]) -> None:
        """Replay for the first time, from the store, and per event.

        Raises:
            SystemExit: the plain loop has other round trips, or another cash.
        """
        shutil.rmtree(quotes.parent / "cache", ignore_errors=True)
        for results, each in ((self.first, False), (self.kept, False), (self.shown, True)):
            result = replay.in_a_process("replay", quotes, **ENTRY, each=each)
            cash = round(Decimal(result["cash"]), 3) - round(Decimal(str(expected["cash"])), 3)
            if result["round_trips"] != expected["round_trips"] or (cash and not expected["open"]):
                raise SystemExit(f"the plain loop gives {expected}, and trioarb {result}")
            results.append(result)


def speed(results: list[dict[str, Any]], rows: int) -> float:
    return rows / float(median(result["seconds"] for result in results))


def run_peer(python: Path, peer: Peer, quotes: Path, rows: int | None, seconds: float) -> dict[str, Any]:
    """Run a peer once on the first ``rows``, or on all; return what its runner reports.

    Raises:
        Unusable: it failed, or took too long.
    """
    environment = {"WORKLOAD": str(quotes), "LIMIT": str(rows or 0)}
    printed = environments.run(
        [str(python), str(RUNNERS / peer.runner[0]), *peer.runner[1:]], seconds=seconds, environment=environment
    )
    reports = [line for line in printed.splitlines() if line.startswith("{")]
    if not reports:
        raise Unusable("its runner reported nothing")
    report: dict[str, Any] = json.loads(reports[-1])
    return report


def plain_loop(quotes: Path, rows: int | None, seconds: float) -> dict[str, Any]:
    """Return what the loop without any engine makes of the rows; here it needs no environment."""
    return run_peer(Path(sys.executable), PEERS[0], quotes, rows, seconds)


def show_ours(figures: Figures, ours: Ours, rows: int) -> None:
    what = f"trioarb, {rows:,} rows"
    figures.add(f"{what}: whole replay from the store", speed(ours.kept, rows), "quotes/s", "≥ 20 M")
    figures.add(f"{what}: end to end, the first time", speed(ours.first, rows), "quotes/s", "≥ 3 M")
    figures.add(f"{what}: per event", speed(ours.shown, rows), "quotes/s", "≥ 1.5 M")
    figures.add("  peak memory, from the store", median(one["peak_mb"] for one in ours.kept), "MB")
    figures.add("  peak memory, the first time", median(one["peak_mb"] for one in ours.first), "MB")
    figures.add("  round trips", ours.kept[-1]["round_trips"], "")
    figures.add("  cash", float(ours.kept[-1]["cash"]), "USDT", digits=3)


def show_peer(figures: Figures, peer: Peer, reports: list[dict[str, Any]], ours: Ours | None, all_rows: int) -> None:
    rows = reports[-1]["rows"]
    engine, whole = (median(one[key] for one in reports) for key in ("engine_qps", "end_to_end_qps"))
    what = f"{peer.name}, {rows:,} rows"
    figures.add(f"{what}: engine only", engine, "quotes/s")
    figures.add(f"{what}: end to end", whole, "quotes/s")
    figures.add("  peak memory", median(one["peak_rss_mb"] for one in reports) * 1.048576, "MB")
    figures.add("  round trips", reports[-1]["round_trips"], "")
    if "cash" in reports[-1]:
        figures.add("  cash", reports[-1]["cash"], "USDT", digits=3)
    if ours is not None:
        figures.add("  trioarb from the store ÷ engine only", speed(ours.kept, all_rows) / engine, "times")
        figures.add("  trioarb per event ÷ engine only", speed(ours.shown, all_rows) / engine, "times")
        figures.add("  trioarb the first time ÷ end to end", speed(ours.first, all_rows) / whole, "times")


def interpreters(peers: list[Peer], folder: Path, unusable: dict[str, str]) -> dict[str, Path]:
    """Return the peers' interpreters; what can't be installed goes to ``unusable``."""
    made: dict[str, Path] = {}
    failed: dict[str, str] = {}
    for peer in peers:
        if peer.environment not in failed and peer.environment not in made:
            try:
                made[peer.environment] = environments.make(
                    folder / peer.environment, peer.requirements, seconds=INSTALL_SECONDS
                )
            except Unusable as error:
                failed[peer.environment] = f"can't be installed: {error}"
        if peer.environment in failed:
            unusable[peer.name] = failed[peer.environment]
    return {peer.name: made[peer.environment] for peer in peers if peer.environment in made}


def measure(figures: Figures, peers: list[Peer], options: argparse.Namespace, folder: Path) -> list[str]:
    """Measure and show everything; return which engines' round trips are not the plain loop's."""
    unusable: dict[str, str] = {}
    reports: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in peers}
    pythons = interpreters(peers, options.environments, unusable)
    recorded, raw = folder / "workload.parquet", folder / "raw.parquet"
    replay.in_a_process("write", folder, rows=options.rows)
    # The first rows of all are read in another way than all: for those that get them, as their runners do by default.
    first_rows = {peer.name: peer.rows if peer.rows < options.rows else None for peer in peers}
    expected = {rows: plain_loop(raw, rows, options.seconds) for rows in {None, *first_rows.values()}}
    ours = Ours() if not options.only or "trioarb" in options.only else None
    for _ in range(options.runs):
        if ours is not None:
            ours.run(recorded, expected[None])
        for peer in peers:
            if peer.name in unusable:
                continue
            try:
                report = run_peer(pythons[peer.name], peer, raw, first_rows[peer.name], options.seconds)
            except Unusable as error:
                unusable[peer.name] = f"fails: {error}"
            else:
                reports[peer.name].append(report)

    if ours is not None:
        show_ours(figures, ours, options.rows)
    wrong: list[str] = []
    for peer in peers:
        if peer.name in unusable:
            figures.skip(peer.name, unusable[peer.name])
            continue
        trips = expected[first_rows[peer.name]]["round_trips"]
        wrong += (
            f"{peer.name} makes {report['round_trips']} round trips, the plain loop {trips}"
            for report in reports[peer.name]
            if report["round_trips"] != trips
        )
        show_peer(figures, peer, reports[peer.name], ours, options.rows)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help='trioarb, or how engines\' names begin ("basana")')
    parser.add_argument("--rows", type=int, default=replay.ROWS, help="the first rows of the workload only")
    parser.add_argument("--runs", type=int, default=3, help="rounds; shown are medians")
    parser.add_argument("--environments", type=Path, default=environments.default_folder())
    parser.add_argument("--seconds", type=float, default=600, help="longest run of an engine")
    options = parser.parse_args()
    figures = Figures("peers")
    if not RUNNERS.is_dir():
        figures.skip("peers", f"{RUNNERS} is not there, which runs them")
        figures.store()
        return
    known = ["trioarb", *(peer.name for peer in PEERS)]
    for name in options.only:
        if not any(one.startswith(name) for one in known):
            parser.error(f"no engine's name begins with {name!r}; there are {', '.join(known)}")
    peers = [peer for peer in PEERS if not options.only or any(peer.name.startswith(name) for name in options.only)]
    with tempfile.TemporaryDirectory(dir=replay.ROOT, prefix=".bench-") as folder:
        wrong = measure(figures, peers, options, Path(folder))
    figures.store()
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
