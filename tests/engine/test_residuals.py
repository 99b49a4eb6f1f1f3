"""What a pair left is worked off: traded away once a venue can, within the slippage bound."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import nan
from typing import Any

import pytest

from trioarb.execution.netting import netted, to_net
from trioarb.model.event import ResidualLeft
from trioarb.model.wire import decode
from trioarb.report.trade_timeline import TradeTimeline
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


def test_at_the_end_no_order_is_sent_that_could_not_be_answered_in_time() -> None:
    """A position can't be closed, since b is silent, and a residual can't be sold, so fast does a fall."""

    def rows() -> Iterator[tuple[str, ScriptedRow]]:
        for tick in range(180):
            price, gap = 100.0 * 0.995 ** max(0, tick - 8), 1.0 if tick in (0, 8) else 0.0
            yield "a", (tick / 4, "BTCUSDT", price - 0.1, 50.0, price, 50.0)
            if tick <= 8:
                yield "b", (tick / 4, "BTCUSDT", price - 0.1 + gap, 50.0, price + gap, 50.0)
        yield "b", (2.01, "BTCUSDT", nan, nan, 100.0, 50.0)

    def sent_at_the_end(latency_ms: int) -> int:
        settings = ["exchanges.a.latency_ms", "session.max_runtime_seconds", "guards.symbol.cooldown_seconds"]
        values = [latency_ms, 10, 1]
        result = run(
            iter(sorted(rows(), key=lambda row: row[1][0])),
            *(f"{key}={value}" for key, value in zip(settings, values, strict=True)),
            leg_timeout_seconds=1,
            close_deadline_seconds=20,
            max_exit_quote_age_ms=2_000,
        )
        assert len(result.of_type("position_opened")) == 1
        assert result.of_type("campaign_ended")[0]["problems"]
        assert not result.of_type("order_unknown")
        assert_sound(result)
        ended_ns = result.of_type("phase_entered")[-2]["ts_ns"]
        work = [one for one in result.of_type("order_submitted") if one["purpose"] == "work"]
        return sum(one["ts_ns"] > ended_ns for one in work)

    for latency_ms in (600, 700, 800):
        assert sent_at_the_end(latency_ms) > 3


def crumbs(then: float, back: float = 50.0) -> Iterator[tuple[str, ScriptedRow]]:
    """Yield an entry of which b takes less than a sold, and a gap that closes at second 4.

    ``then`` is displayed at b when the entry arrives there, ``back`` at a when the exit does.
    """
    for second in range(12):
        price, gap = 100.0, 1.0 if second < 4 else 0.0
        yield "a", (float(second), "BTCUSDT", price - 0.1, 50.0, price, 50.0)
        yield "b", (float(second), "BTCUSDT", price + gap, 50.0, price + gap + 0.1, 50.0)
        if not second:
            yield "b", (0.01, "BTCUSDT", price + gap, then, price + gap + 0.1, 50.0)
        if second == 4:
            yield "a", (4.01, "BTCUSDT", price - 0.1, back, price, 50.0)


def run_crumbs(
    rows: Iterator[tuple[str, ScriptedRow]], overrides: Sequence[str] = (), **execution: Any
) -> CampaignResult:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 20, "exit_bps": -30, "order_size_usd": 900}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["execution"] = {"hedge_deadline_seconds": "0.5", **execution}
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 4, "latency_ms": 50, "min_notional": 10, "lot_size": "0.01"}
    made = list(rows)
    tapes = {name: ScriptedTape([row for at, row in made if at == name], listings=[listing("BTC")]) for name in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=overrides)


def test_a_crumb_is_traded_away_by_the_next_leg_at_its_venue() -> None:
    result = run_crumbs(crumbs(then=8.85))

    assert len(result.of_type("residual_offered")) == len(result.of_type("residual_taken")) == 1
    (left,) = result.of_type("residual_left")
    assert (left["venue"], left["quantity"]) == ("a", "0.06")
    (offered,), (taken,) = result.of_type("residual_offered"), result.of_type("residual_taken")
    order = next(
        one for one in result.of_type("order_submitted") if one["client_order_id"] == offered["client_order_id"]
    )
    assert (order["side"], order["venue"], order["quantity"]) == ("sell", "a", "8.91")
    assert (taken["residual_id"], taken["quantity"], taken["rest"]) == (left["residual_id"], "0.06", "0")
    # Its own price less the fee, against what it was booked at.
    assert Decimal(taken["value"]) == Decimal("0.06") * Decimal("99.9")
    assert Decimal(taken["pnl_usd"]) == -Decimal(taken["fees"]) == -Decimal(taken["value"]) * 4 / 10_000
    exited = result.of_type("pair_ended")[-1]
    assert (exited["bought"], exited["sold"], exited["outcome"]) == ("8.85", "8.85", "flat")
    assert result.exit_code == 0
    assert not result.campaign.state.exposure.exposure_usd()
    assert_sound(result)


def test_the_figures_of_a_pair_are_those_it_has_without_a_crumb() -> None:
    along, alone = run_crumbs(crumbs(then=8.85)), run_crumbs(crumbs(then=8.85), residual_policy="hold")

    (closed,), (held,) = along.of_type("position_closed"), alone.of_type("position_closed")
    assert closed["pnl_usd"] == held["pnl_usd"]
    assert closed["fees_usd"] == held["fees_usd"]
    assert not alone.of_type("residual_offered")
    assert alone.exit_code == 3


def test_the_pair_comes_first_where_less_is_filled_than_was_offered() -> None:
    result = run_crumbs(crumbs(then=8.85, back=8.88))

    (taken,) = result.of_type("residual_taken")
    assert (taken["quantity"], taken["rest"], taken["cost_usd"]) == ("0.03", "0.03", "3")
    assert result.of_type("pair_ended")[-1]["outcome"] == "flat"
    assert_sound(result)


def test_dust_is_traded_away_along_too() -> None:
    result = run_crumbs(crumbs(then=8.85), dust_usd=10)

    assert len(result.of_type("dust_left")) == len(result.of_type("residual_taken")) == 1
    (left,), (taken,) = result.of_type("dust_left"), result.of_type("residual_taken")
    assert not result.of_type("residual_left")
    assert (left["quantity"], taken["quantity"], taken["rest"]) == ("0.06", "0.06", "0")
    assert "residual_id" not in taken
    assert not any(dust.quantity for dust in result.campaign.state.trades.dust.values())
    assert not result.campaign.state.exposure.exposure_usd()
    assert result.exit_code == 0
    assert_sound(result)


def test_at_the_end_a_crumb_is_made_large_enough_to_be_traded_away() -> None:
    result = run_crumbs(crumbs(then=8.85, back=8.85))

    assert result.exit_code == 0
    (left, larger) = result.of_type("residual_left")
    bought, sold = (one for one in result.of_type("order_submitted") if one["purpose"] == "work")
    assert (left["quantity"], larger["quantity"]) == ("0.06", "0.17")
    assert (bought["side"], bought["quantity"], bought["venue"]) == ("buy", "0.11", "a")
    assert (sold["side"], sold["quantity"], sold["venue"]) == ("sell", "0.17", "a")
    price = Decimal(larger["average_price"])
    assert abs(price - (Decimal("0.06") * Decimal(left["average_price"]) + 11) / Decimal("0.17")) < Decimal("1e-15")
    assert result.exit_code == 0
    assert_sound(result)


def test_a_crumb_stays_where_making_it_larger_costs_more_than_dust_is_worth() -> None:
    result = run_crumbs(crumbs(then=8.85, back=8.85), dust_usd="0.01")

    assert not result.of_type("residual_worked")
    assert result.exit_code == 3
    assert result.campaign.state.exposure.exposure_usd() == Decimal(6)
    assert_sound(result)


def hedging() -> Iterator[tuple[str, ScriptedRow]]:
    """Yield an entry that leaves a little long at a, and an exit that leaves less short at b."""
    for second in range(20):
        price, gap, bid_size = 100.0, 1.0 if second < 4 else 0.0, 8.85 if second == 4 else 50.0
        yield "a", (float(second), "BTCUSDT", price - 0.1, bid_size, price, 50.0)
        yield "b", (float(second), "BTCUSDT", price + gap, 50.0, price + gap + 0.1, 50.0)
        if not second:
            yield "b", (0.01, "BTCUSDT", price + gap, 8.85, price + gap + 0.1, 50.0)
        if second == 4:
            yield "b", (4.01, "BTCUSDT", price, 50.0, price + 0.1, 8.8)


def test_residuals_that_hedge_each_other_are_netted() -> None:
    result = run_crumbs(hedging())

    long, short = (
        one for one in result.of_type("residual_left") if "." in one["residual_id"] and "w" not in one["residual_id"]
    )
    assert [(one["venue"], one["quantity"]) for one in (long, short)] == [("a", "0.06"), ("b", "-0.05")]
    assert len(result.of_type("residuals_netted")) == 1
    (netted,) = result.of_type("residuals_netted")
    assert (netted["long_id"], netted["short_id"], netted["quantity"]) == (
        long["residual_id"],
        short["residual_id"],
        "0.05",
    )
    assert (netted["long_rest"], netted["short_rest"]) == ("0.01", "0")
    # Bought for less than it was sold: what both were booked at, as much of them as is gone.
    gone = Decimal(long["booked_value"]) * 5 / 6 + Decimal(short["booked_value"])
    assert abs(Decimal(netted["pnl_usd"]) + gone) < Decimal("1e-14")
    assert result.exit_code == 0
    assert not result.campaign.state.exposure.exposure_usd()
    assert_sound(result)


@pytest.mark.parametrize(
    ("field", "value"),
    [("pnl_usd", "1"), ("quantity", "0.06"), ("long_rest", "0"), ("short_booked_value", "1"), ("value", "1")],
)
def test_a_netting_that_does_not_add_up_is_noticed(field: str, value: str) -> None:
    result = run_crumbs(hedging())
    netted = next(one for one in result.events if one["type"] == "residuals_netted")

    verifier = Verifier()
    events = [one if one is not netted else {**one, field: value} for one in result.events]
    verifier.fold(decode(json.dumps(event).encode()) for event in events)
    assert not verifier.result().is_sound


def test_residuals_of_different_venues_are_not_netted_where_one_of_them_lends() -> None:
    def run_lent(**venue: str) -> CampaignResult:
        overrides = [f"exchanges.b.{key}={value}" for key, value in venue.items()]
        return run_crumbs(hedging(), overrides)

    assert run_lent().of_type("residuals_netted")
    assert not run_lent(account="margin", max_borrow_usd="5000").of_type("residuals_netted")


def test_what_a_trade_shows_sums_to_its_result_also_where_it_was_netted_or_taken_along() -> None:
    for result in (run_crumbs(crumbs(then=8.85)), run_crumbs(hedging())):
        timeline = TradeTimeline("t1")
        for event in result.events:
            timeline.apply(decode(json.dumps(event).encode()))
        assert sum(timeline.parts_usd().values()) == timeline.pnl_usd
        state = result.campaign.state
        assert timeline.pnl_usd == state.statistics.pnl_usd
        totals = state.attributions.totals
        assert sum(totals.parts.values()) + totals.residuals_usd == state.statistics.pnl_usd


def test_residuals_of_one_venue_are_netted_up_to_the_smaller_one() -> None:
    long, short = residual("p1.1", "3", "100"), residual("p2.1", "-5", "101")

    assert to_net([long, short]) == (long, short)
    assert to_net([long, residual("p2.1", "5", "101")]) is None
    event = netted(long, short, Decimal(2))
    assert (event.quantity, event.long_rest, event.short_rest) == (3, 0, -2)
    assert (event.long_booked_value, event.short_booked_value) == (0, -202)
    assert (event.long_cost_usd, event.short_cost_usd) == (0, 404)
    assert event.pnl_usd == 2 * (303 - 300)


def residual(residual_id: str, quantity: str, price: str) -> ResidualLeft:
    held = Decimal(quantity)
    return ResidualLeft(
        residual_id=residual_id,
        pair_id=residual_id.partition(".")[0],
        trade_id="t1",
        symbol="BTCUSDT",
        venue="a",
        asset="BTC",
        quantity=held,
        average_price=Decimal(price),
        cost_usd=abs(held) * Decimal(price) * 2,
        unknown=False,
        booked_value=held * Decimal(price),
        mark_price=Decimal(price),
    )
