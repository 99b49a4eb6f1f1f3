"""The campaign that a newcomer runs first."""

from __future__ import annotations

from decimal import Decimal

import pytest
from command import SPREAD, CommandLine

TOP10 = SPREAD.with_name("top10.toml")
BOTH = ("a", "b")
#: Ten minutes instead of half a one, so that chance matters less.
LASTING = ("--set=session.clock=virtual", "--set=session.max_iterations=2400", "--set=session.max_runtime_seconds=600")


@pytest.mark.parametrize("seed", range(1, 4))
def test_it_shows_trades_and_refusals_and_earns_a_little_more_than_its_fees(trioarb: CommandLine, seed: int) -> None:
    ran = trioarb.run(
        TOP10, "--set=session.clock=virtual", f"--set=session.seed={seed}", "--set=session.max_iterations=2400"
    )

    assert ran.code == 0
    summary = ran.summary
    assert summary["closed_trades"] > 10
    assert summary["decisions"]["DENY"] > 0
    # Some basis points of what is traded, not a multiple of it.
    traded = 500 * summary["closed_trades"]
    assert 0 < Decimal(summary["pnl_usd"]) < Decimal("0.001") * traded
    assert not summary["open_positions"]
    (journal,) = (ran.folder / "journals").glob("*.journal")
    verified = trioarb("verify", journal)
    assert verified.code == 0


def test_without_a_basis_it_does_not_trade(trioarb: CommandLine) -> None:
    flat = [
        f"--set=exchanges.{venue}.market.{key}=0" for venue in BOTH for key in ("basis_bps", "dislocations_per_hour")
    ]
    ran = trioarb.run(TOP10, *LASTING, *flat)

    assert ran.summary["pairs"]["entry"] == {"hedged": 0, "flat": 0, "residual": 0}
    assert ran.summary["advice"]
