"""Equity: what is held against what was put in, and parts that sum to the difference to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from trioarb.report.equity import equity
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues

PARTS = ("arbitrage_usd", "inventory_usd", "fees_usd", "funding_usd", "residuals_usd")


def run(rise: float, **execution: Any) -> CampaignResult:
    """Run with a pair that is entered and closed, while prices rise (or fall) by so much a second."""
    table = two_venues()
    table["strategy"] |= {"entry_bps": 20, "exit_bps": -40, "order_size_usd": 500}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["execution"] = execution
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 4, "latency_ms": 50}

    def rows(venue: str) -> list[tuple[float, str, float, float, float, float]]:
        gap = {second: 1.0 if venue == "b" and 2 <= second < 5 else 0.0 for second in range(20)}
        return [
            (float(second), "BTCUSDT", 100 + rise * second + gap[second], 9.0, 100.1 + rise * second + gap[second], 9.0)
            for second in range(20)
        ]

    tapes = {venue: ScriptedTape(rows(venue), listings=[listing("BTC")]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


@pytest.mark.parametrize("rise", [0.0, 0.25, -0.25])
def test_its_parts_sum_to_its_change(rise: float) -> None:
    result = run(rise)
    figures = equity(result.campaign.state)

    assert figures["now_usd"] - figures["start_usd"] == figures["change_usd"] == sum(figures[part] for part in PARTS)
    assert figures["arbitrage_usd"] + figures["fees_usd"] == result.campaign.state.statistics.pnl_usd > 0
    # Half of what is held is stock of about 50 BTC at each venue, which moves with its price.
    assert (figures["inventory_usd"] > 0) - (figures["inventory_usd"] < 0) == (rise > 0) - (rise < 0)


def test_without_a_trade_nothing_is_called_arbitrage() -> None:
    table = two_venues()
    rows = [(float(second), "BTCUSDT", 100.0 + second / 100, 9.0, 100.1 + second / 100, 9.0) for second in range(10)]
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue in "ab"}

    figures = equity(run_virtual(table, plugins={"market": scripted_market(tapes)}).campaign.state)

    assert figures["change_usd"] == figures["inventory_usd"] > 7
    assert not figures["arbitrage_usd"]
    assert not figures["drawdown_usd"]


def test_returns_are_of_what_was_held_and_of_what_was_used() -> None:
    result = run(0.0)
    figures = equity(result.campaign.state)

    held, used = figures["return_on_capital_held"], figures["return_on_capital_used"]
    assert abs(held - figures["change_usd"] / figures["start_usd"]) < Decimal("1e-6")
    assert abs(used - figures["change_usd"] / figures["peak_exposure_usd"]) < Decimal("1e-6")
    assert Decimal(480) < figures["peak_exposure_usd"] < Decimal(520)
