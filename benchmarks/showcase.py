"""What `configs/top10.toml` earns over many seeds, as shipped, and where it must not earn.

    python benchmarks/showcase.py [--seeds N] [--minutes M]

Each campaign runs in virtual time: as shipped; with five times the latency; and with venues whose prices never part,
so that there is nothing to earn. Printed: the median result, the share of seeds that earn, and denials a seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from statistics import median

from trioarb.model.trade import Answer
from trioarb.testing import run_virtual

TOP10 = Path(__file__).parents[1] / "configs" / "top10.toml"
_VENUES = ("a", "b")
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "as shipped": (),
    "latency × 5": tuple(f"exchanges.{venue}.latency_ms=200" for venue in _VENUES),
    "no basis": tuple(
        f"exchanges.{venue}.market.{key}=0" for venue in _VENUES for key in ("basis_bps", "dislocations_per_hour")
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    table = TOP10.read_text(encoding="utf-8")
    lasting = (f"session.max_runtime_seconds={options.minutes * 60}", "session.max_iterations=1000000000")
    print(f"{options.seeds} seeds, {options.minutes} minutes of campaign time each; PnL and fees in USD")
    print(f"{'':<12} {'median PnL':>10} {'least':>9} {'most':>9} {'earn':>6} {'fees':>8} {'trades':>7} {'denials':>8}")
    for name, overrides in VARIANTS.items():
        pnl, fees, trades, denials = list[Decimal](), list[Decimal](), list[int](), list[int]()
        for seed in range(1, options.seeds + 1):
            result = run_virtual(table, overrides=(*lasting, f"session.seed={seed}", *overrides))
            statistics = result.campaign.state.statistics
            pnl.append(statistics.pnl_usd)
            fees.append(statistics.fees_usd)
            trades.append(statistics.closed)
            denials.append(statistics.decisions[Answer.DENY])
        share = sum(one > 0 for one in pnl) / len(pnl)
        print(
            f"{name:<12} {median(pnl):>10,.2f} {min(pnl):>9,.2f} {max(pnl):>9,.2f} {share:>6.0%} {median(fees):>8,.2f} "
            f"{median(trades):>7,.0f} {median(denials):>8,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
