"""Measure the survey of the workload: distributions of all routes, and chances above zero; all of it with levels, too.

Rates are of processor time, so that work beside it disturbs less; the survey runs in one thread.

Usage: python benchmarks/survey.py [--runs N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import trio
from depth import DEPTH, write
from figures import Figures
from replay import ROOT, ROWS, SHARED, config, write_workload

from trioarb.config.load import load_table
from trioarb.plugin.registry import load_plugins
from trioarb.survey import markets
from trioarb.time.virtual import VirtualClock


def rates(path: Path, depth: int = 1) -> list[float]:
    """Survey once; return the rows a second of each look, windows in memory before. The first looks at levels, too."""
    plugins, clock, found = load_plugins(), VirtualClock(), []
    table = config(path)
    table["engine"]["depth"] = depth
    loaded = load_table(table, plugins)
    usual = {name: getattr(markets, name) for name in ("look", "find_chances", "looking_at_depth")}
    depths: list[Any] = []

    def timed(look: Any) -> Any:
        def run(windows: Any, *arguments: Any, **options: Any) -> Any:
            kept = list(windows)
            for window in kept:
                window.bid.sum(), window.ask.sum(), window.came_ns.sum(), window.row.sum()
                if window.levels is not None:
                    window.levels.take([0], axis=1)
            started = time.thread_time()
            for depth in depths:
                for window in kept:
                    depth.add(window)
            depths.clear()
            result = look(iter(kept), *arguments, **options)
            found.append(sum(map(len, kept)) / (time.thread_time() - started))
            return result

        return run

    def noted(windows: Any, depth: Any) -> Any:
        depths.append(depth)
        return windows

    markets.look, markets.find_chances = timed(usual["look"]), timed(usual["find_chances"])  # type: ignore[assignment]
    markets.looking_at_depth = noted  # type: ignore[assignment]

    async def main() -> None:
        await markets.survey_markets(
            loaded.config,
            plugins,
            clock=clock,
            latency_ns=10**8,
            slippage_usd=1_000.0,
            on_progress=lambda doing, rows: None,
        )

    trio.run(main, clock=clock)
    for name, look in usual.items():
        setattr(markets, name, look)
    return found


def _best(runs: int, path: Path, depth: int = 1) -> list[float]:
    found = [rates(path, depth) for _ in range(runs + 1)][1:]  # the first makes the cache
    return [max(one[index] for one in found) for index in range(3)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    figures = Figures("survey")
    if not SHARED.is_dir():
        figures.skip("survey of the workload", f"{SHARED} is not there, which makes it")
        figures.store()
        return
    sys.path.insert(0, str(SHARED))
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name:
        path = Path(name) / "workload.parquet"
        write_workload(path, rows=ROWS, raw=Path(name) / "raw.parquet")
        best = _best(options.runs, path)
        write(Path(name), ROWS // 2)
        deep = _best(options.runs, Path(name) / "workload", DEPTH)
    figures.add("distributions of all routes", best[0], "rows/s", "≥ 20 M")
    figures.add(f"the same, and {DEPTH} levels a side", deep[0], "rows/s", "≥ 20 M")
    figures.add("chances above zero, of which there are many", best[1], "rows/s")
    figures.add("chances above break-even", best[2], "rows/s")
    figures.store()


if __name__ == "__main__":
    main()
