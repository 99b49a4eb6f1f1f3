"""How far the prices of two venues stand from each other in recorded quotes: what the showcase's market is made after.

    python benchmarks/basis.py

For each pair of venues of the recorded sets: the standard deviation of the difference of their mids (in bps, its mean
taken off), the time after which its autocorrelation is a half, and how often and for how long it goes beyond a bound,
as seen four times a second. Without the recorded sets it says so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

QUOTES = Path(__file__).parents[2] / "shared" / "data" / "quotes"
BINANCE, LUNC = QUOTES / "binance_venues_20240808.parquet", QUOTES / "gateio_mexc_lunc_20251011.parquet"
PAIRS = (
    (BINANCE, "BTC-USDT", "BINANCE", "BINANCE_USDM"),
    (BINANCE, "ETH-USDT", "BINANCE", "BINANCE_USDM"),
    (LUNC, "LUNC-USDT", "GATEIO_FUTURES", "MEXC"),
)
STEP_NS = 250_000_000
#: A slow difference (a perpetual's premium) is no chance: what is left beside the median of the last five minutes is.
SLOW = 1_200
BOUNDS_BPS = (6, 9, 12, 15, 20)


def mids(path: Path, symbol: str, venue: str) -> tuple[Any, Any]:
    table = pq.read_table(path)
    table = table.filter(pc.and_(pc.equal(table["exchange"], venue), pc.equal(table["symbol"], symbol)))
    bid, ask = table["bid"].to_numpy(), table["ask"].to_numpy()
    return table["ts_ns"].to_numpy(), (bid + ask) / 2


def main() -> None:
    if not BINANCE.exists():
        print(f"skipped: the recorded quotes are not there ({QUOTES})")
        return
    beyond = "beyond: times an hour, mean and median seconds, mean excess"
    print(f"{'':<34} {'sd (bps)':>8} {'half-life (s)':>13}   {beyond}")
    for path, symbol, first, second in PAIRS:
        (times, one), (other_times, other) = mids(path, symbol, first), mids(path, symbol, second)
        grid = np.arange(max(times[0], other_times[0]), min(times[-1], other_times[-1]), STEP_NS)
        one, other = (
            values[np.searchsorted(at, grid, "right") - 1] for at, values in ((times, one), (other_times, other))
        )
        apart = 1e4 * (one / other - 1)
        centred = apart - apart.mean()
        variance = (centred**2).mean()
        half = next(lag for lag in range(1, len(centred)) if (centred[:-lag] * centred[lag:]).mean() < variance / 2)
        name = f"{symbol} {first.lower()} {second.lower()}"
        print(f"{name:<34} {variance**0.5:>8.2f} {half * STEP_NS / 1e9:>13.2f}")
        beside = apart - np.array([np.median(apart[max(0, place - SLOW) : place + 1]) for place in range(len(apart))])
        hours = len(grid) * STEP_NS / 3.6e12
        for bound in BOUNDS_BPS:
            edges = np.diff((np.abs(beside) > bound).astype(int), prepend=0, append=0)
            starts, ends = (edges == 1).nonzero()[0], (edges == -1).nonzero()[0]
            if len(starts):
                lasted = (ends - starts) * STEP_NS / 1e9
                peaks = [np.abs(beside[start:end]).max() for start, end in zip(starts, ends, strict=True)]
                print(
                    f"{'':<58} {bound:>2} bps: {len(starts) / hours:>5.0f}, {lasted.mean():.2f} and "
                    f"{np.median(lasted):.2f} s, {np.mean(peaks) - bound:.1f} bps"
                )


if __name__ == "__main__":
    sys.exit(main())
