"""`--require-verdict`: the exit code says whether a profit was shown, unless it has worse to say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from command import SPREAD, CommandLine

VIRTUAL = "--set=session.clock=virtual"
HOUR = [
    *("session.max_runtime_seconds=3600", "session.max_iterations=1000000", "session.seed=2"),
    *("universe.top_n=1", "exchanges.*.latency_ms=500", "strategy.max_holding_seconds=60"),
    "guards.symbol.cooldown_seconds=15",
]


@pytest.mark.parametrize(
    ("overrides", "without", "required", "word"),
    [
        (HOUR, 0, 0, "PROFIT SHOWN"),
        ([], 0, 4, "PROVES NOTHING"),
        ([*HOUR, "strategy.entry_bps=0", "strategy.exit_bps=-20"], 0, 4, "LOSS SHOWN"),
        (["guards.global.emergency_stop_loss_usd=0.0001", "strategy.exit_bps=-40"], 3, 3, "PROVES NOTHING"),
    ],
    ids=["profit", "nothing", "loss", "stopped"],
)
def test_what_it_ends_with(
    trioarb: CommandLine, overrides: Sequence[str], without: int, required: int, word: str
) -> None:
    ran = trioarb.run(
        SPREAD, VIRTUAL, *(f"--set={one}" for one in overrides), "--journal=run.journal", "--require-verdict"
    )
    assert ran.code == required, ran.err
    assert ran.out.strip().startswith(word)
    assert next(iter(ran.summary)) == "verdict"
    assert ran.summary["verdict"]["word"] == word
    assert ran.summary["exit_code"] == without

    told = trioarb("summary", "run.journal", "--require-verdict")
    assert told.code == required
    assert told.out.strip().startswith(word)
    assert trioarb("summary", "run.journal").code == 0


def test_a_configuration_that_is_wrong_is_worse(trioarb: CommandLine) -> None:
    assert trioarb("run", str(SPREAD), "--set=strategy.entry_bps=x", "--require-verdict").code == 2
