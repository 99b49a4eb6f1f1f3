"""Measure the replay of recorded quotes: per event, screened, from Parquet, from the store; and what it is made of.

The workload and its rules are those of ``shared/bench``: ten symbols, two venues, 319 round trips. Every measurement is
a process of its own; imports are not counted, everything from opening the configuration's plugins to the closed journal
is.

The large set is the workload again and again, each time later and in a file of its own. If it is larger than
20,000,000 rows, so many of them are measured before, for how time and memory grow; 200,000,000 take about 25 GB of
disk, and are left out where there is less.

Usage: python benchmarks/replay.py [--large ROWS] [--runs N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from figures import Figures

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "bench"
ROUND_TRIPS, CASH = 319, Decimal("575.822")
ROWS = 2_000_000
SMALLER = 20_000_000
MANY = {10: "≥ 15 M", 100: "≥ 12 M", 1_000: "≥ 8 M", 5_000: "≥ 3 M"}


def config(path: Path, *, entry_bps: str = "14.991252", health: bool = False) -> dict[str, Any]:
    """The peers' rules: prices 20 bps apart to enter, level to leave, 0.1 a trade, a second's rest."""
    venue = {"plugin": "paper", "taker_fee_bps": Decimal("2.5"), "latency_ms": 0, "account": "margin"}
    venue |= {"tick_size": Decimal("0.01"), "lot_size": Decimal("0.001"), "min_notional": 0}
    venue |= {"max_borrow_usd": 10**9, "balances": {"USDT": 10**9}}
    market = {"plugin": "recorded", "path": str(path)}
    wide = 10**9
    return {
        "session": {
            "clock": "virtual",
            "loop_interval_ms": 0,
            "max_runtime_seconds": 10**7,
            "max_iterations": 10**12,
            "close_positions_at_end": False,
        },
        "universe": {"source": "recorded", "mode": "FULL_MARKET", "base_quote": "USDT"},
        "exchanges": {
            "a": {**venue, "market": {**market, "exchange": "A"}},
            "b": {**venue, "market": {**market, "exchange": "B"}},
        },
        "strategy": {
            "plugin": "spread",
            "entry_bps": Decimal(entry_bps),
            "exit_bps": Decimal("-4.9987504"),
            "order_size_base": Decimal("0.1"),
            "max_quote_age_ms": 10**8,
        },
        "engine": {"max_concurrent_pairs": 100},
        "guards": {
            # It is on by default, and no part of the peers' rules: off, so that figures before and after it was there
            # measure the same work; `health` measures it by itself.
            "exchange": {"enabled": health},
            "global": {"max_total_exposure_usd": wide, "max_daily_loss_usd": wide, "emergency_stop_loss_usd": wide},
            "portfolio": {"total_capital_usd": wide},
            "symbol": {
                "cooldown_seconds": 0,
                "rest_seconds": 1,
                "max_position_size_usd": wide,
                "max_position_count": 1,
                "max_symbol_daily_loss_usd": wide,
                "circuit_breaker_loss_count": 0,
            },
        },
    }


def replay(path: Path, *, entry_bps: str, health: bool = False, each: bool = False) -> dict[str, Any]:
    """Replay the quotes in this process, journal included; return what came of it.

    With ``each`` quotes are delivered one by one, as those of a feed are.
    """
    import trio

    from trioarb.cli.journal import keep_anew
    from trioarb.cli.running import leave_uncollected
    from trioarb.config.load import load_table
    from trioarb.engine.run import run_campaign
    from trioarb.plugin.registry import load_plugins
    from trioarb.quotes import player  # noqa: F401  # imports are not counted
    from trioarb.time.virtual import VirtualClock

    if each:
        from trioarb.engine import market

        market.is_played = lambda campaign: False  # type: ignore[assignment]
    plugins = load_plugins()
    loaded = load_table(config(path, entry_bps=entry_bps, health=health), plugins)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        keeping, clock = keep_anew(Path(folder) / "c.journal", loaded), VirtualClock()

        async def main() -> Any:
            return await run_campaign(
                loaded.config,
                plugins,
                clock=clock,
                keeping=keeping,
                on_open=lambda _: leave_uncollected(),
            )

        with most_own_megabytes() as own:
            started = time.perf_counter()
            campaign = trio.run(main, clock=clock)
            seconds = time.perf_counter() - started
    funnel = [task.funnel for task in campaign.symbols.values()]
    return {
        "seconds": seconds,
        "rows": sum(one.seen for one in funnel),
        "edge_positive": sum(one.edge_positive for one in funnel),
        "round_trips": campaign.state.statistics.closed,
        "cash": str(campaign.state.statistics.pnl_usd),
        "peak_mb": megabytes("VmHWM"),
        "own_mb": max(own),
    }


def many(path: Path) -> dict[str, Any]:
    """Replay quotes of which none is worth anything; return how long it took from running to the end of the data."""
    import trio

    from trioarb.cli.journal import keep_anew
    from trioarb.cli.running import leave_uncollected
    from trioarb.config.load import load_table
    from trioarb.engine.run import run_campaign
    from trioarb.model.event import PhaseEntered, Record
    from trioarb.plugin.registry import load_plugins
    from trioarb.time.virtual import VirtualClock

    plugins, clock = load_plugins(), VirtualClock()
    loaded = load_table(config(path, entry_bps="500"), plugins)
    at: dict[str, float] = {}

    def note(record: Record) -> None:
        if isinstance(record.event, PhaseEntered):
            at[record.event.phase.name] = time.perf_counter()

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        keeping = keep_anew(Path(folder) / "c.journal", loaded)

        async def main() -> Any:
            return await run_campaign(
                loaded.config,
                plugins,
                clock=clock,
                keeping=keeping,
                observers=[note],
                on_open=lambda _: leave_uncollected(),
            )

        campaign = trio.run(main, clock=clock)
    rows = sum(task.funnel.seen for task in campaign.symbols.values())
    return {"seconds": at["DRAINING"] - at["RUNNING"], "rows": rows, "round_trips": campaign.state.statistics.closed}


def megabytes(what: str) -> float:
    """Return how much memory this process has: ``RssAnon`` its own, without mapped files; ``VmHWM`` the most ever."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(what)) * 1024 / 1e6


@contextmanager
def most_own_megabytes() -> Iterator[list[float]]:
    """Look at this process's own memory every 50 ms, and once more at the end; yield the list of what was seen."""
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while True:
            seen.append(megabytes("RssAnon"))
            if is_over.wait(0.05):
                return

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        seen.append(megabytes("RssAnon"))
        is_over.set()
        watcher.join()


def screen(path: Path) -> dict[str, Any]:
    """Look through all windows of the store, and count what the funnel counts; nothing is decided."""
    import trio

    from trioarb.config.load import load_table
    from trioarb.engine.opening import open_campaign
    from trioarb.plugin.registry import load_plugins
    from trioarb.quotes.player import Player
    from trioarb.quotes.screen import Screen
    from trioarb.quotes.stream import open_windows
    from trioarb.time.virtual import VirtualClock

    plugins = load_plugins()
    loaded, clock = load_table(config(path), plugins), VirtualClock()

    async def main() -> dict[str, Any]:
        async with open_campaign(loaded.config, plugins, clock=clock) as campaign:
            world, tasks = campaign.world, list(campaign.symbols.values())
            player = Player(tasks, 2, is_paced=False, time=world.time, on_end=lambda venue: None)
            player._read_bands()  # as at its first window, without a campaign that runs
            traded = {venue: list(campaign.symbols) for venue in world.markets}
            kept = list(await open_windows(world.markets, list(campaign.symbols), traded, world.start_ns))
            for window in kept:  # off the disk, if they are not in memory yet
                window.bid.sum(), window.ask.sum(), window.came_ns.sum(), window.row.sum()
            started = time.perf_counter()
            counted = [Screen(window, player._terms).counts(0, len(window), ()).sum(axis=1) for window in kept]
            seconds = time.perf_counter() - started
            rows, *_, positive = (int(one) for one in sum(counted))
            return {"seconds": seconds, "rows": rows, "edge_positive": positive}

    result: dict[str, Any] = trio.run(main, clock=clock)
    return result


def in_a_process(what: str, path: Path, **options: object) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", json.dumps([what, str(path), options])]
    environment = os.environ | {"TRIOARB_CACHE_DIR": str(path.parent / "cache")}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def child(text: str) -> None:
    """Measure once, and print the result; before it a few quotes are replayed, for what is imported when it is used."""
    what, path, options = json.loads(text)
    if what == "many":
        print(json.dumps(many(Path(path))))
        return
    if what == "write":  # here, since a process's peak of memory is inherited by those that it starts
        print(json.dumps(write(Path(path), **options)))
        return
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        few = Path(folder) / "few.parquet"
        write_first(Path(path), few)
        replay(few, **{"entry_bps": "14.991252", **options})
    result = screen(Path(path)) if what == "screen" else replay(Path(path), **options)
    print(json.dumps(result))


def write_workload(path: Path, *, rows: int, raw: Path) -> None:
    """Write the workload's first rows with the columns of a recording; to ``raw`` with its own."""
    sys.path.insert(0, str(SHARED))
    import gen_workload
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = gen_workload.build(ROWS).slice(0, rows)
    pq.write_table(made, raw, compression="zstd")

    def named(column: str, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(made[column].combine_chunks().cast(pa.int32()), pa.array(names))

    columns = {
        "ts_ns": made["ts_ns"],
        "exchange": named("venue", ["A", "B"]),
        "symbol": named("symbol", [f"C{number}-USDT" for number in range(10)]),
    }
    columns |= {name: made[name] for name in ("bid", "bid_size", "ask", "ask_size")}
    pq.write_table(pa.table(columns), path, compression="zstd")


def write_many(path: Path, rows: int, symbols: int) -> None:
    """Write rows of so many symbols at two venues, 50 µs apart, at prices that all lie near each other."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(7)
    bid = 100 + chance.integers(-20, 21, rows) / 100

    def named(codes: Any, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))

    columns = {
        "ts_ns": 1_735_689_600_000_000_000 + np.arange(rows) * 50_000,
        "exchange": named(chance.integers(0, 2, rows), ["A", "B"]),
        "symbol": named(chance.integers(0, symbols, rows), [f"C{number:05}-USDT" for number in range(symbols)]),
        "bid": bid,
        "bid_size": np.ones(rows),
        "ask": bid + chance.integers(1, 6, rows) / 100,
        "ask_size": np.ones(rows),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def write_first(path: Path, few: Path) -> None:
    """Write the first quotes of a file, or of a folder's first one, into another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = sorted(path.glob("*.parquet"))[0] if path.is_dir() else path
    batch = next(pq.ParquetFile(first).iter_batches(batch_size=20_000))
    pq.write_table(pa.Table.from_batches([batch]), few)


def write(folder: Path, *, rows: int = ROWS, large: int = 0) -> dict[str, Any]:
    """Write the workload's first rows into a folder, as recorded and raw; then so many rows more, as copies of it."""
    workload = folder / "workload.parquet"
    if not workload.exists():
        write_workload(workload, rows=rows, raw=folder / "raw.parquet")
    if large:
        write_large(workload, folder / "large", large)
    return {"bytes": workload.stat().st_size}


def write_large(workload: Path, folder: Path, rows: int) -> None:
    """Write copies of the workload one after the other, each a file, those that are not there yet."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(workload)
    ts = table["ts_ns"]
    span = ts[-1].as_py() - ts[0].as_py() + 1_000_000
    folder.mkdir(exist_ok=True)
    for number in range(rows // ROWS):
        path = folder / f"{number:03}.parquet"
        if not path.exists():
            moved = table.set_column(0, "ts_ns", pc.add(ts, pa.scalar(number * span)))
            pq.write_table(moved, path, compression="zstd")


def best_of(runs: int, what: str, path: Path, **options: object) -> dict[str, Any]:
    """Return the median run."""
    results = [in_a_process(what, path, **options) for _ in range(runs)]
    middle = median(result["seconds"] for result in results)
    return min(results, key=lambda result: abs(result["seconds"] - middle))


def check(result: dict[str, Any]) -> None:
    if (result["round_trips"], round(Decimal(result["cash"]), 3)) != (ROUND_TRIPS, CASH):
        raise SystemExit(f"not the workload's {ROUND_TRIPS} round trips and {CASH} cash: {result}")


def grow(figures: Figures, folder: Path, rows: int, runs: int) -> dict[str, float] | None:
    """Measure a large set; return seconds per million rows of the first time and from the store, if there is room."""
    what = f"{rows:,} rows, few candidates"
    size = in_a_process("write", folder)["bytes"]
    # Parquet and the aligned store, which takes at most 80 bytes a row of two venues.
    needed = int(1.1 * rows * (size / ROWS + 80))
    free = shutil.disk_usage(folder).free
    if free < needed:
        figures.skip(what, f"{folder} has {free / 1e9:.1f} GB free; {needed / 1e9:.1f} GB are needed")
        return None
    in_a_process("write", folder, large=rows)
    large = folder / "large"
    rare = {"entry_bps": "19.4"}  # about one row in 200,000
    made = in_a_process("replay", large, **rare)
    kept = best_of(runs, "replay", large, **rare)
    if (made["rows"], made["round_trips"], made["cash"]) != (rows, kept["round_trips"], kept["cash"]):
        raise SystemExit(f"aligned first, and from the store, {what} give {made} and {kept}")
    figures.add(f"{what}: aligned first", rows / made["seconds"], "quotes/s")
    figures.add("… most of its own memory", made["own_mb"], "MB", "≤ 600")
    figures.add("… from the store", rows / kept["seconds"], "quotes/s", "≥ 100 M")
    figures.add("… round trips", kept["round_trips"], "")
    figures.add("… most of its own memory", kept["own_mb"], "MB", "≤ 600")
    per_million = {"aligned first": made["seconds"] / rows * 1e6, "from the store": kept["seconds"] / rows * 1e6}
    for name, seconds in per_million.items():
        figures.add(f"… a million rows, {name}", seconds, "s")
    return per_million


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", type=int, default=SMALLER, help="rows of the large set, a multiple of 2,000,000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    if options.large % ROWS:
        parser.error(f"--large: {options.large:,} is no multiple of {ROWS:,}")
    figures = Figures("replay")
    if not SHARED.is_dir():
        figures.skip("replay of the workload", f"{SHARED} is not there, which makes it")
        figures.store()
        return
    usual = {"entry_bps": "14.991252"}
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as name:
        folder = Path(name)
        workload = folder / "workload.parquet"
        in_a_process("write", folder)
        first = in_a_process("replay", workload, **usual)
        check(first)
        figures.add("from Parquet, aligned and kept for the first time", ROWS / first["seconds"], "quotes/s", "≥ 3 M")
        figures.add("… its peak memory", first["peak_mb"], "MB")
        kept = best_of(options.runs, "replay", workload, **usual)
        check(kept)
        figures.add("whole replay from the store", ROWS / kept["seconds"], "quotes/s", "≥ 20 M")
        figures.add(
            "… a round trip of four orders, everything included", kept["seconds"] / ROUND_TRIPS * 1e6, "µs", "≤ 250"
        )
        guarded = best_of(options.runs, "replay", workload, **usual, health=True)
        check(guarded)
        figures.add("… with the exchange tier", guarded["seconds"] / ROUND_TRIPS * 1e6, "µs")
        figures.add("… its own memory", kept["own_mb"], "MB")
        looked = best_of(options.runs, "screen", workload)
        if looked["edge_positive"] != kept["edge_positive"]:
            raise SystemExit(f"the screen counts {looked}, the funnel {kept}")
        figures.add("screening alone, with exact counts", looked["rows"] / looked["seconds"], "rows/s", "≥ 100 M")
        shown = best_of(options.runs, "replay", workload, **usual, each=True)
        check(shown)
        figures.add("per event", ROWS / shown["seconds"], "quotes/s", "≥ 1.5 M")

        for symbols, goal in MANY.items():
            path = folder / f"{symbols}.parquet"
            write_many(path, 1_000_000, symbols)
            in_a_process("many", path)
            found = best_of(options.runs, "many", path)
            figures.add(f"1,000,000 rows of {symbols:,} symbols", found["rows"] / found["seconds"], "rows/s", goal)

        usual_set = grow(figures, folder, min(options.large, SMALLER), options.runs)
        if options.large > SMALLER and usual_set is not None:
            large_set = grow(figures, folder, options.large, options.runs)
            if large_set is not None:
                for how, seconds in large_set.items():
                    what = f"… of that of {SMALLER:,} rows, {how}"
                    figures.add(what, seconds / usual_set[how], "times", "1 or less")
    figures.store()


if __name__ == "__main__":
    main()
