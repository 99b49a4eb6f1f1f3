"""Equity: what is held against what was put in, and parts that sum to the difference to the last digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from trioarb.model.wire import decode
from trioarb.report.equity import equity
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

PARTS = ("arbitrage_usd", "inventory_usd", "fees_usd", "funding_usd", "residuals_usd")


def run(rise: float, **engine: Any) -> CampaignResult:
    """Run with a pair that is entered and closed, while prices rise (or fall) by so much a second."""
    table = two_venues()
    table["strategy"] |= {"entry_bps": 20, "exit_bps": -40, "order_size_usd": 500}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["engine"] = engine
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
    traded = figures["change_usd"] - figures["inventory_usd"]
    assert abs(used - traded / figures["peak_exposure_usd"]) < Decimal("1e-6")
    assert Decimal(480) < figures["peak_exposure_usd"] < Decimal(520)


def swinging(**engine: Any) -> CampaignResult:
    """Run without a trade while the price of the stock rises for two minutes, falls for two, and rises again."""
    table = two_venues()
    table["engine"] = engine
    table["strategy"] = {"entry_bps": 1000}
    price = [100 + minute for minute in (0, 2, 4, 3, 1, 2, 2)]
    rows = [
        (second, "BTCUSDT", price[int(second // 60)] + 0.0, 9.0, price[int(second // 60)] + 0.1, 9.0)
        for second in range(1, 420)
    ]
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def test_with_a_statement_each_minute_its_own_drawdown_is_known() -> None:
    result = swinging(equity_each_minute=True)
    stated = result.of_type("equity_stated")
    changes = [Decimal(one["now_usd"]) - Decimal(one["start_usd"]) for one in stated]

    assert len(stated) == 7
    assert [one["ts_ns"] - result.events[0]["ts_ns"] for one in stated[:-1]] == [60 * 10**9 * n for n in range(1, 7)]
    figures = equity(result.campaign.state)
    assert figures["equity_drawdown_usd"] == max(changes) - min(changes[changes.index(max(changes)) :]) > 0
    assert not figures["drawdown_usd"]  # nothing was traded
    verifier = Verifier()
    verifier.fold(decode(json.dumps(event).encode()) for event in result.events)
    assert not verifier.result().violations


def test_without_one_it_is_not_measured() -> None:
    result = swinging()

    assert len(result.of_type("equity_stated")) == 1
    assert equity(result.campaign.state)["equity_drawdown_usd"] is None
