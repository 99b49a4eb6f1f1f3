"""What a pair left is worked off: traded away once a venue can, within the slippage bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from trioarb.model.wire import decode
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    run_virtual,
    scripted_market,
    two_venues,
)
from trioarb.verify.verification import Verifier

#: How long b's quotes stay away, while the market falls.
FALLS = 60


def falling(size: float = 50.0) -> Iterator[tuple[str, ScriptedRow]]:
    """Yield a gap that is gone when the order arrives at b, and a market that falls by 1 USD a second from then on."""
    for second in range(FALLS):
        price = 100.0 - max(0, second - 1)
        yield "a", (float(second), "BTCUSDT", price - 0.1, size, price, 50.0)
        gap = 1.0 if second == 1 else 0.0
        yield "b", (float(second), "BTCUSDT", price - 0.1 + gap, 50.0, price + gap, 50.0)
        if second == 1:
            yield "b", (1.01, "BTCUSDT", 90.0, 50.0, 90.1, 50.0)
            yield "b", (1.07, "BTCUSDT", 85.0, 50.0, 85.1, 50.0)
            yield "a", (1.07, "BTCUSDT", 99.0, size, 99.1, 50.0)


def run(rows: Iterator[tuple[str, ScriptedRow]], *overrides: str, **execution: Any) -> CampaignResult:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 50, "exit_bps": 5_000, "order_size_usd": 900}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["execution"] = {"hedge_deadline_seconds": "0.01", **execution}
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 0, "latency_ms": 50}
    made = list(rows)
    tapes = {name: ScriptedTape([row for at, row in made if at == name], listings=[listing("BTC")]) for name in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=overrides)


def assert_sound(result: CampaignResult) -> None:
    verifier = Verifier()
    verifier.fold(decode(json.dumps(event).encode()) for event in result.events)
    verification = verifier.result()
    assert verification.is_sound, [str(one) for one in verification.violations]


def test_a_residual_is_traded_away_before_the_market_has_fallen_far() -> None:
    result = run(falling())

    (left,) = result.of_type("residual_left")
    (worked,), (resolved,) = result.of_type("residual_worked"), result.of_type("residual_resolved")
    assert worked["residual_id"] == resolved["residual_id"] == left["residual_id"]
    (order,) = (one for one in result.of_type("order_submitted") if one["purpose"] == "work")
    assert (order["side"], order["venue"], order["quantity"]) == ("sell", "a", left["quantity"])
    assert -40 < result.campaign.state.statistics.pnl_usd < 0
    assert not result.campaign.state.trades.residuals
    assert result.exit_code == 0
    assert_sound(result)


def test_one_that_is_held_is_reported_and_marked() -> None:
    result = run(falling(), residual_policy="hold")

    assert not result.of_type("residual_worked")
    assert result.exit_code == 3
    marked = result.of_type("markets_marked")[-1]
    assert -530 < Decimal(marked["unrealised_usd"]["BTCUSDT"]) < -400
    assert_sound(result)


def test_one_that_is_held_counts_in_stop_rules_as_the_market_falls() -> None:
    result = run(falling(), "guards.global.emergency_stop_loss_usd=100", residual_policy="hold")

    assert result.events[-1]["ended_by"] == "emergency_stop"


def test_what_is_filled_in_parts_is_tried_again() -> None:
    result = run(falling(size=4.0))

    assert len(result.of_type("residual_worked")) == 3
    assert [one["residual_id"].partition(".w")[0] for one in result.of_type("residual_resolved")] == ["p1.1"] * 3
    assert result.exit_code == 0
    assert_sound(result)


def test_nothing_is_traded_beyond_the_slippage_bound() -> None:
    result = run(falling(), unwind_slippage_bps=5)

    for order in (one for one in result.of_type("order_submitted") if one["purpose"] == "work"):
        price = Decimal(100) - max(0, (order["ts_ns"] - result.events[0]["ts_ns"]) // 10**9 - 1) - Decimal("0.1")
        assert Decimal(order["limit_price"]) >= price * Decimal("0.9995")


def test_where_its_own_venue_is_silent_another_sells_what_it_holds() -> None:
    def rows() -> Iterator[tuple[str, ScriptedRow]]:
        for venue, row in falling():
            if venue == "b" or row[0] < 2:
                yield venue, row

    result = run(rows(), hedge_deadline_seconds=12, unwind_slippage_bps=0)

    worked = [one for one in result.of_type("order_submitted") if one["purpose"] == "work"]
    assert {one["venue"] for one in worked} <= {"a", "b"}
    assert_sound(result)
