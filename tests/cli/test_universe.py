"""How many symbols a universe was asked for, and how many came."""

from __future__ import annotations

import pytest
from command import SPREAD, CommandLine

SHORT = ("--set=session.clock=virtual", "--set=session.max_runtime_seconds=5")


def test_top_n_says_what_was_requested_listed_loaded_and_evaluated(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD, *SHORT, "--set=universe.top_n=500", "--set=universe.min_24h_quote_volume=100e6")

    counts = ran.summary["universe"]
    assert counts["requested"] == 500
    assert counts["listed"] == counts["loaded"] == counts["evaluated"] == ran.summary["num_symbols"] < 30
    assert any("top_n asks for 500 symbols" in warning for warning in ran.summary["warnings"])


@pytest.mark.parametrize("command", ["check", "symbols"])
def test_looking_at_a_configuration_says_that_fewer_symbols_come_than_were_requested(
    trioarb: CommandLine, command: str
) -> None:
    looked = trioarb(command, SPREAD, "--set=universe.top_n=150")

    assert looked.code == 0
    assert "150 requested, 118 listed, 118 loaded" in looked.out
    assert "top_n asks for 150 symbols, and 118 can be traded" in " ".join(looked.out.split())


def test_the_campaign_of_fifty_symbols_trades_them_all_and_earns_its_fees(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD.with_name("top50.toml"))

    assert ran.code == 0
    assert ran.summary["universe"]["evaluated"] == 50
    assert ran.summary["closed_trades"] > 100
    assert float(ran.summary["pnl_usd"]) > 0
    assert ran.summary["decisions"]["DENY"] > 0


def test_the_campaign_of_a_hundred_symbols_gets_them_all(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD.with_name("top100.toml"), "--set=session.max_runtime_seconds=30")

    assert ran.code == 0
    assert ran.summary["universe"] == {"requested": 100, "listed": 118, "loaded": 100, "evaluated": 100}
    assert ran.summary["pairs"]["entry"]["hedged"] > 0
    assert not any("can be traded" in warning for warning in ran.summary["warnings"])
