"""In virtual time the same input gives the same bytes, in whatever process."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "configs" / "spread.toml"


def events(tmp_path: Path, name: str, *, hash_seed: int, config: Path = CONFIG, more: Sequence[str] = ()) -> bytes:
    path = tmp_path / f"{name}.jsonl"
    command = [sys.executable, "-m", "trioarb", "run", str(config), "--events", str(path), "--log-dir", str(tmp_path)]
    command += ["--set", "session.clock=virtual", "--set", "exchanges.b.latency_ms=300", "--iterations", "400"]
    command += ["--runtime", "600", "--set", "exchanges.b.reject_rate=0.1"]
    command += ["--set", "guards.exchange.degraded_pause_seconds=1"]  # many trades, though a venue turns
    command += ["--journal", str(tmp_path / f"{name}.journal")]
    command += [part for setting in more for part in ("--set", setting)]
    subprocess.run(
        command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": str(hash_seed)}, timeout=60
    )
    return path.read_bytes()


def without_the_file(lines: bytes) -> list[bytes]:
    """Return the events alone: not the header, which holds the configuration as written, nor what chains to it."""
    return [re.sub(rb',"hash":"[0-9a-f]+"}$', b"}", line) for line in lines.splitlines()[1:]]


def test_fresh_processes_write_the_same_events(tmp_path: Path) -> None:
    first, *others = [events(tmp_path, f"run{seed}", hash_seed=seed) for seed in range(4)]
    assert first.count(b'"position_closed"') > 20
    assert others == [first] * 3


def test_books_and_what_was_taken_of_them_are_the_same_in_fresh_processes(tmp_path: Path) -> None:
    deep = ("engine.depth=6", "exchanges.*.market.size_usd=300", "exchanges.*.market.level_bps=2")
    first, other = (events(tmp_path, f"deep{seed}", hash_seed=seed, more=deep) for seed in (1, 2))
    assert first.count(b'"asks":') > 10
    assert other == first


def test_the_order_of_tables_does_not_matter(tmp_path: Path) -> None:
    head, *tables = CONFIG.read_text().split("\n[")
    permuted = tmp_path / "spread.toml"
    permuted.write_text("\n[".join([head, *reversed(tables)]))
    one = events(tmp_path, "permuted", hash_seed=1, config=permuted)
    assert without_the_file(one) == without_the_file(events(tmp_path, "plain", hash_seed=1))
