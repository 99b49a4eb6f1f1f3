"""Make the sample's quotes anew: the same ones each time, from the parameters below and a seed.

    python plugins/trioarb-sample/make.py [FOLDER]

Writes ``quotes/*.parquet`` and ``manifest.json`` into FOLDER, by default the package's own. Needs numpy and pyarrow.

Nothing of it is a market's. A price common to all venues wanders by chance. A venue shows it late, and beside it: its
market maker's noise, which is half gone after two seconds, and, some times an hour, a dislocation: its price leaves the
others' at once and comes back. Half of those are gone in a blink, half stay for seconds; who is fast enough for the
latter, and pays less than they are wide, earns.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Floats = npt.NDArray[np.float64]

SEED = 20240101
START_NS = 1_704_067_200 * 10**9  # 2024-01-01 00:00 UTC
SECONDS, STEP_SECONDS = 5_400, 0.1
#: Price at the start, how far it moves in a second (standard deviation), tick and lot.
SYMBOLS: dict[str, dict[str, float]] = {
    "BTC-USDT": {"price": 42_000, "move_bps": 0.5, "tick": 0.1, "lot": 0.001},
    "ETH-USDT": {"price": 2_300, "move_bps": 0.6, "tick": 0.01, "lot": 0.01},
    "SOL-USDT": {"price": 100, "move_bps": 0.9, "tick": 0.01, "lot": 0.1},
    "LTC-USDT": {"price": 73, "move_bps": 0.6, "tick": 0.01, "lot": 0.1},
    "XRP-USDT": {"price": 0.62, "move_bps": 0.7, "tick": 0.0001, "lot": 10},
}
#: How often a symbol is quoted, how late a venue shows the common price, its noise and spread, and its dislocations.
VENUES: dict[str, dict[str, float]] = {
    "SYNTHETIC_NORTH": {
        "quotes_per_second": 1.2,
        "late_seconds": 0.0,
        "noise_bps": 0.8,
        "half_spread_bps": 0.5,
        "size_usd": 6_000,
        "dislocations_per_hour": 24,
    },
    "SYNTHETIC_SOUTH": {
        "quotes_per_second": 0.9,
        "late_seconds": 0.1,
        "noise_bps": 1.2,
        "half_spread_bps": 0.8,
        "size_usd": 4_000,
        "dislocations_per_hour": 36,
    },
    "SYNTHETIC_EAST": {
        "quotes_per_second": 0.6,
        "late_seconds": 0.3,
        "noise_bps": 2.0,
        "half_spread_bps": 1.5,
        "size_usd": 2_000,
        "dislocations_per_hour": 36,
    },
}
NOISE_HALF_LIFE_SECONDS = 2.0
#: How far a dislocation goes: at least, and how much further on average.
DISLOCATION_BPS, DISLOCATION_EXCESS_BPS = 8.0, 6.0
BLINK_HALF_LIFE_SECONDS, SLOW_HALF_LIFE_SECONDS = 0.1, 2.0
#: A venue quotes at each step while its dislocation is wider than this.
DISLOCATED_BPS = 2.0
#: What goes wrong, in seconds from the start: a venue is silent; a venue withdraws a symbol; quotes are crossed.
SILENT = ("SYNTHETIC_SOUTH", 3_000, 3_045)
WITHDRAWN = ("SYNTHETIC_EAST", "SOL-USDT", 2_400, 2_520)
CROSSED = ("SYNTHETIC_EAST", "XRP-USDT", 6)


def common_price(rng: np.random.Generator, symbol: dict[str, float]) -> Floats:
    """Return the common price at each step."""
    steps = round(SECONDS / STEP_SECONDS)
    moves = rng.standard_normal(steps) * symbol["move_bps"] / 10_000 * STEP_SECONDS**0.5
    moves[0] = 0
    return np.asarray(symbol["price"] * np.cumprod(1 + moves))


def noise_bps(rng: np.random.Generator, spread_bps: float) -> Floats:
    """Return how far a venue stands from the common price: it is drawn back to it."""
    keeps = 0.5 ** (STEP_SECONDS / NOISE_HALF_LIFE_SECONDS)
    draws = rng.standard_normal(round(SECONDS / STEP_SECONDS)) * spread_bps * (1 - keeps**2) ** 0.5
    result, stands = np.empty(len(draws)), 0.0
    for step, draw in enumerate(draws.tolist()):
        stands = keeps * stands + draw
        result[step] = stands
    return result


def dislocation_bps(rng: np.random.Generator, per_hour: float) -> Floats:
    """Return how far a venue's price has left the others', at each step."""
    result = np.zeros(round(SECONDS / STEP_SECONDS))
    for step in np.flatnonzero(rng.random(len(result)) < per_hour / 3_600 * STEP_SECONDS).tolist():
        wide = (DISLOCATION_BPS + DISLOCATION_EXCESS_BPS * rng.standard_exponential()) * rng.choice([-1, 1])
        half_life = BLINK_HALF_LIFE_SECONDS if rng.random() < 0.5 else SLOW_HALF_LIFE_SECONDS
        after = np.arange(len(result) - step) * STEP_SECONDS
        result[step:] += wide * 0.5 ** (after / half_life)
    return result


def quotes_of(rng: np.random.Generator, venue: str, symbol: str, common: Floats) -> dict[str, Any]:
    """Return the rows of a symbol at a venue, by time."""
    of, rules = VENUES[venue], SYMBOLS[symbol]
    late = round(of["late_seconds"] / STEP_SECONDS)
    shown = np.concatenate([np.full(late, common[0]), common[: len(common) - late]])
    dislocated = dislocation_bps(rng, of["dislocations_per_hour"])
    shown = shown * (1 + (noise_bps(rng, of["noise_bps"]) + dislocated) / 10_000)

    quoted = rng.random(len(shown)) < of["quotes_per_second"] * STEP_SECONDS
    quoted |= (np.abs(dislocated) > DISLOCATED_BPS) | (np.arange(len(shown)) == 0)
    steps = np.flatnonzero(quoted)
    # Within its step a quote comes at any millisecond.
    millis = steps * round(STEP_SECONDS * 1_000) + rng.integers(0, round(STEP_SECONDS * 1_000), len(steps))
    mid, half = shown[steps], of["half_spread_bps"] / 10_000
    tick, lot = rules["tick"], rules["lot"]
    bid = np.floor(mid * (1 - half) / tick)
    ask = np.maximum(np.ceil(mid * (1 + half) / tick), bid + 1)
    lots = [
        np.maximum(1, np.rint(of["size_usd"] / mid / lot * (0.25 + 0.75 * rng.standard_exponential(len(steps)))))
        for _ in range(2)
    ]
    if (venue, symbol) == CROSSED[:2]:
        for place in rng.choice(len(steps), int(CROSSED[2]), replace=False).tolist():
            bid[place], ask[place] = ask[place] + 1, bid[place]
    digits = {"tick": len(f"{tick:.10f}".rstrip("0").partition(".")[2]), "lot": len(f"{lot:g}".partition(".")[2])}
    columns = {
        "bid": np.round(bid * tick, digits["tick"]),
        "bid_size": np.round(lots[0] * lot, digits["lot"]),
        "ask": np.round(ask * tick, digits["tick"]),
        "ask_size": np.round(lots[1] * lot, digits["lot"]),
    }
    seconds = millis / 1_000
    if (venue, symbol) == WITHDRAWN[:2]:
        is_away = (seconds >= WITHDRAWN[2]) & (seconds < WITHDRAWN[3])
        for column in columns.values():
            column[is_away] = np.nan
    kept = ~((seconds >= SILENT[1]) & (seconds < SILENT[2])) if venue == SILENT[0] else np.ones(len(millis), dtype=bool)
    return {
        "ts_ns": (START_NS + millis.astype(np.int64) * 10**6)[kept],
        "symbol": np.full(int(kept.sum()), symbol),
        **{name: column[kept] for name, column in columns.items()},
    }


def make() -> dict[str, pa.Table]:
    """Return the table of each venue."""
    # A stream of chance for each: what changes in one place changes nothing elsewhere.
    streams = iter(np.random.SeedSequence(SEED).spawn(len(SYMBOLS) * (1 + len(VENUES))))
    common = {symbol: common_price(np.random.default_rng(next(streams)), of) for symbol, of in SYMBOLS.items()}
    tables = {}
    for venue in VENUES:
        rows = [quotes_of(np.random.default_rng(next(streams)), venue, name, common[name]) for name in SYMBOLS]
        columns = {name: np.concatenate([one[name] for one in rows]) for name in rows[0]}
        order = np.argsort(columns["ts_ns"], kind="stable")
        arrays = {name: pa.array(column[order]) for name, column in columns.items()}
        arrays["exchange"] = pa.array([venue] * len(order))
        tables[venue] = pa.table({name: arrays[name] for name in ("ts_ns", "exchange", "symbol", *list(columns)[2:])})
    return tables


def write(folder: Path) -> None:
    """Write the files, and what they are."""
    (folder / "quotes").mkdir(parents=True, exist_ok=True)
    files = []
    for venue, table in make().items():
        path = folder / "quotes" / f"{venue}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=19, write_page_checksum=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append({"file": f"quotes/{path.name}", "exchange": venue, "quotes": table.num_rows, "sha256": digest})
    manifest = {
        "label": "SYNTHETIC",
        "what": "Quotes that a script made up. No venue ever showed them, and of no market does anything follow.",
        "made_by": "plugins/trioarb-sample/make.py",
        "seed": SEED,
        "start": "2024-01-01T00:00:00Z",
        "seconds": SECONDS,
        "symbols": SYMBOLS,
        "venues": VENUES,
        "noise_half_life_seconds": NOISE_HALF_LIFE_SECONDS,
        "dislocation_bps": {"at_least": DISLOCATION_BPS, "further_on_average": DISLOCATION_EXCESS_BPS},
        "dislocation_half_life_seconds": {"half": BLINK_HALF_LIFE_SECONDS, "other_half": SLOW_HALF_LIFE_SECONDS},
        "silent": SILENT,
        "withdrawn": WITHDRAWN,
        "crossed": CROSSED,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "src" / "trioarb_sample")
