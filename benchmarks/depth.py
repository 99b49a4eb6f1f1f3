"""Measure what depth costs: replays with ten levels a side at both venues, against the best bid and ask alone.

The workload is that of ``replay``, with nine levels beyond each best one, and a file a venue. Both run in turns, each
time in a process of its own, and what is compared is the processor time of all threads: from the store (the screened
replay), one quote after the other, and from the files for the first time. Before that, how long it takes to read levels
from Parquet, as columns of their own and as lists.

Usage: python benchmarks/depth.py [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import replay
from figures import Figures

DEPTH = 10
USUAL = "14.991252"


def write(folder: Path, rows: int) -> None:
    """Write the workload's first rows as a recording with levels."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from trioarb.quotes.levels_file import column_names, levels_path
    from trioarb.quotes.part import WRITE_OPTIONS

    both = folder / "both.parquet"
    replay.write_workload(both, rows=rows, raw=folder / "raw.parquet")
    quotes, chance = pq.read_table(both), np.random.default_rng(7)
    (folder / "workload").mkdir()
    bid, ask = quotes["bid"].to_numpy(), quotes["ask"].to_numpy()
    steps = np.arange(1, DEPTH)[:, None]
    parts = [np.round(bid - steps / 100, 2), *[chance.integers(1, 5_000, (DEPTH - 1, rows)) / 1_000]]
    parts += [np.round(ask + steps / 100, 2), chance.integers(1, 5_000, (DEPTH - 1, rows)) / 1_000]
    columns = dict(zip(column_names(DEPTH - 1), [one for part in parts for one in part], strict=True))
    levels = pa.table({"ts_ns": quotes["ts_ns"], **columns})
    for venue in "AB":  # a file each, as a recorder writes them
        path, here = folder / "workload" / f"{venue}.parquet", pc.equal(quotes["exchange"], venue)
        pq.write_table(quotes.filter(here), path, **WRITE_OPTIONS)
        pq.write_table(levels.filter(here), levels_path(path), **WRITE_OPTIONS)
    pq.write_table(levels, folder / "columns.parquet", **WRITE_OPTIONS)
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(part.T).reshape(-1)), DEPTH - 1)
        for name, part in zip(("bids", "bid_sizes", "asks", "ask_sizes"), parts, strict=True)
    }
    as_lists = {name: column.cast(pa.list_(pa.float64())) for name, column in lists.items()}
    pq.write_table(pa.table(as_lists), folder / "lists.parquet", **WRITE_OPTIONS)


def read_columns(path: Path) -> None:
    """Read levels that are columns of their own, as a column of levels."""
    import numpy as np
    import pyarrow.parquet as pq

    from trioarb.quotes.levels_file import column_names

    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=65_536, columns=list(column_names(DEPTH - 1))):
            found = np.empty((4 * (DEPTH - 1), batch.num_rows))
            for number, column in enumerate(batch.columns):
                found[number] = column.to_numpy()


def read_lists(path: Path) -> None:
    """Read levels that are lists, as a column of levels."""
    import numpy as np
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=65_536):
            found = np.empty((4, DEPTH - 1, batch.num_rows))
            for number, column in enumerate(batch.columns):
                found[number] = column.flatten().to_numpy().reshape(-1, DEPTH - 1).T


def play(path: Path, *, depth: int, each: bool) -> dict[str, Any]:
    """Replay the quotes in this process; return its processor time, and what came of it."""
    usual = replay.config

    def config(*args: Any, **options: Any) -> dict[str, Any]:
        table = usual(*args, **options)
        table["engine"]["depth"] = depth
        return table

    replay.config = config
    started = time.process_time()
    result = replay.replay(path, entry_bps=USUAL, each=each)
    return {**result, "cpu": time.process_time() - started}


def child(text: str) -> None:
    what, path, options = json.loads(text)
    if what == "write":
        write(Path(path), options["rows"])
        result: dict[str, Any] = {}
    elif what == "play":
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            few = Path(folder) / "few.parquet"
            replay.write_first(Path(path).parent / "both.parquet", few)  # for what is imported when it is used
            play(few, depth=1, each=options["each"])
        result = play(Path(path), **options)
    else:
        import numpy  # noqa: F401  # imports are not counted
        import pyarrow.parquet  # noqa: F401

        started = time.process_time()
        (read_columns if what == "columns" else read_lists)(Path(path))
        result = {"cpu": time.process_time() - started}
    print(json.dumps(result))


def in_a_process(what: str, path: Path, **options: object) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", json.dumps([what, str(path), options])]
    environment = os.environ | {"TRIOARB_CACHE_DIR": str(path.parent / "cache")}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def in_turns(
    folder: Path, rounds: int, *, each: bool, first_time: bool = False
) -> dict[int, tuple[float, dict[str, Any]]]:
    """Return the median processor time of replays at both depths, and the last result of each."""
    seconds: dict[int, list[float]] = {1: [], DEPTH: []}
    last: dict[int, dict[str, Any]] = {}
    for _ in range(rounds):
        for depth, found in seconds.items():
            if first_time:
                shutil.rmtree(folder / "cache", ignore_errors=True)
            last[depth] = in_a_process("play", folder / "workload", depth=depth, each=each)
            found.append(last[depth]["cpu"])
    if last[1]["round_trips"] != last[DEPTH]["round_trips"]:
        raise SystemExit(f"depth changes the round trips of a workload that needs none: {last}")
    return {depth: (median(found), last[depth]) for depth, found in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    figures = Figures("depth")
    if not replay.SHARED.is_dir():
        figures.skip("depth", f"{replay.SHARED} is not there, which makes the workload")
        figures.store()
        return
    with tempfile.TemporaryDirectory(dir=replay.ROOT, prefix=".bench-") as name:
        folder, rows = Path(name), options.rows
        in_a_process("write", folder, rows=rows)
        for what, file in (("columns", "columns.parquet"), ("lists", "lists.parquet")):
            seconds = median(in_a_process(what, folder / file)["cpu"] for _ in range(options.rounds))
            figures.add(f"nine levels a side from Parquet, as {what}", seconds / rows * 1e9, "ns/row")
        for what, settings, target in (
            ("screened, from the store", {"each": False}, "≤ 2"),
            ("per event", {"each": True}, "≤ 2.5"),
            ("screened, aligned and kept for the first time", {"each": False, "first_time": True}, ""),
        ):
            if "first_time" not in settings:
                in_turns(folder, 1, **settings)
            found = in_turns(folder, options.rounds, **settings)
            for depth, (seconds, _) in found.items():
                figures.add(f"{what}, depth {depth}", seconds / rows * 1e9, "ns/row")
            figures.add(f"… depth {DEPTH} in depth 1", found[DEPTH][0] / found[1][0], "×", target)
    figures.store()


if __name__ == "__main__":
    main()
