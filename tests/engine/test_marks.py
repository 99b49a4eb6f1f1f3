"""What is open is marked at executable prices, and losses count it: each second, and only while something is open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from trioarb.model.wire import decode
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    run_virtual,
    scripted_market,
    two_venues,
    utc_ns,
)
from trioarb.verify.findings import Check
from trioarb.verify.verification import Verification, Verifier

SECOND = 10**9
START_NS = utc_ns("2025-03-01T12:00:00")
nan = float("nan")


def diverging(until: int, by: float = 1.0, gone: int = 1000) -> Iterator[tuple[str, ScriptedRow]]:
    """Yield a gap that is entered on at second 1, and widens each second; b shows no ask from a second on."""
    for second in range(until):
        gap = 0.0 if not second else 1.0 + by * (second - 1)
        yield "a", (float(second), "BTCUSDT", 100.0, 100.0, 100.1, 100.0)
        ask = nan if second >= gone else 100.1 + gap
        yield "b", (float(second), "BTCUSDT", 100.0 + gap, 100.0, ask, 100.0 if second < gone else 0.0)


def run(
    rows: Iterator[tuple[str, ScriptedRow]],
    guards: dict[str, Any],
    *overrides: str,
    start_ns: int = START_NS,
) -> CampaignResult:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "exit_bps": 5_000, "order_size_usd": 900}
    table["guards"] |= {"symbol": {"cooldown_seconds": 0, "max_position_count": 1}, **guards}
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 0, "inventory_usd_per_symbol": 50_000}
    made = list(rows)
    tapes = {
        name: ScriptedTape([row for at, row in made if at == name], listings=[listing("BTC")], start_ns=start_ns)
        for name in "ab"
    }
    return run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=overrides)


def verified(events: list[dict[str, Any]]) -> Verification:
    verifier = Verifier()
    verifier.fold(decode(json.dumps(event).encode()) for event in events)
    return verifier.result()


def test_an_emergency_stop_sees_a_loss_that_nobody_realised() -> None:
    result = run(diverging(60), {"global": {"emergency_stop_loss_usd": 100, "max_daily_loss_usd": 50}})

    (tripped,) = (one for one in result.of_type("guard_tripped") if one["answer"] == "STOP")
    assert 100 <= Decimal(tripped["value"]) < 110
    assert tripped["ts_ns"] - START_NS <= 14 * SECOND
    (closed,) = result.of_type("position_closed")
    assert -120 < Decimal(closed["pnl_usd"]) < -100
    assert (result.events[-1]["ended_by"], result.exit_code) == ("emergency_stop", 3)


def test_what_was_marked_for_an_answer_is_recorded_and_verified() -> None:
    result = run(diverging(60), {"global": {"emergency_stop_loss_usd": 100, "max_daily_loss_usd": 50}})

    events = [dict(event) for event in result.events]
    at = next(i for i, one in enumerate(events) if one["type"] == "guard_tripped" and one["answer"] == "STOP")
    marked = events[at - 1]
    assert (marked["type"], marked["reason"]) == ("markets_marked", "answer")
    assert Decimal(marked["unrealised_usd"]["BTCUSDT"]) == -Decimal(events[at]["value"])
    assert verified(events).is_sound

    events[at]["value"] = "99.9"
    found = verified(events).violations
    assert {one.check for one in found} == {Check.MARKS}
    assert "99.9 USD" in str(found[0])


def test_with_the_basis_realised_it_sees_what_was_realised_only() -> None:
    limits = {"global": {"emergency_stop_loss_usd": 100, "max_daily_loss_usd": 50}}
    result = run(diverging(60), limits, 'engine.loss_basis="realised"')

    assert result.of_type("position_closed")[0]["reason"] == "campaign_end"
    assert Decimal(result.of_type("position_closed")[0]["pnl_usd"]) < -450
    assert verified([dict(event) for event in result.events]).is_sound


def test_a_symbols_loss_denies_by_marks_too() -> None:
    limits = {
        "symbol": {"cooldown_seconds": 0, "max_position_count": 100, "max_symbol_daily_loss_usd": 20},
        "portfolio": {"total_capital_usd": 10**6},
        "global": {"max_total_exposure_usd": 10**6},
    }
    result = run(diverging(20, by=0.2), limits, "session.close_positions_at_end=false")

    denied = [one for one in result.of_type("decided") if one.get("rule") == "daily_loss"]
    assert denied
    assert all(Decimal(one["value"]) >= 20 for one in denied)
    assert verified([dict(event) for event in result.events]).is_sound


def test_while_nothing_is_open_nothing_is_marked() -> None:
    rows = ((venue, (float(second), "BTCUSDT", 100.0, 9.0, 100.1, 9.0)) for second in range(300) for venue in "ab")
    result = run(rows, {})

    assert [one["reason"] for one in result.of_type("markets_marked")] == ["start", "end"]


def test_marks_are_recorded_each_minute_while_something_is_open() -> None:
    result = run(diverging(200, by=0.0), {}, "session.close_positions_at_end=false")

    reasons = [one["reason"] for one in result.of_type("markets_marked")]
    assert reasons == ["start", "minute", "minute", "minute", "end"]
    assert verified([dict(event) for event in result.events]).is_sound


def test_a_side_that_is_gone_is_marked_at_its_last_price_and_the_guard_says_so() -> None:
    result = run(diverging(30, by=2.0, gone=8), {"global": {"emergency_stop_loss_usd": 500, "max_daily_loss_usd": 50}})

    last = [one for one in result.of_type("markets_marked") if one["last"]]
    assert last
    assert all(one["last"] == ["BTCUSDT@b ask"] for one in last)
    assert last[-1]["asks"]["BTCUSDT@b"] == "113.1"


@pytest.mark.parametrize(("before", "stops"), [(10, True), (40, False)])
def test_what_was_lost_before_midnight_is_not_the_new_days_loss(before: int, stops: bool) -> None:
    """The pair loses nearly 9 USD a second for 15 seconds, most of them on one day or the other, and then no more."""

    def rows() -> Iterator[tuple[str, ScriptedRow]]:
        for second in range(70):
            gap = 0.0 if not second else 1.0 + min(second, 15 + 20 * (before == 10))
            yield "a", (float(second), "BTCUSDT", 100.0, 100.0, 100.1, 100.0)
            yield "b", (float(second), "BTCUSDT", 100.0 + gap, 100.0, 100.1 + gap, 100.0)

    start_ns = utc_ns("2025-03-02T00:00:00") - before * SECOND
    result = run(rows(), {"global": {"emergency_stop_loss_usd": 150}}, start_ns=start_ns)

    assert (result.events[-1]["ended_by"] == "emergency_stop") == stops
    assert [one["reason"] for one in result.of_type("markets_marked")].count("day") == 1
    assert verified([dict(event) for event in result.events]).is_sound


@pytest.mark.parametrize("key", ["max_drawdown_usd", "max_daily_drawdown_usd"])
def test_a_fall_below_the_highest_denies(key: str) -> None:
    limits = {
        "symbol": {"cooldown_seconds": 0, "max_position_count": 100},
        "portfolio": {"total_capital_usd": 10**6},
        "global": {"max_total_exposure_usd": 10**6, key: 20},
    }
    result = run(diverging(20, by=0.2), limits)

    denied = [one for one in result.of_type("decided") if one.get("rule") == key.removeprefix("max_")[: -len("_usd")]]
    assert denied
    assert all(Decimal(one["value"]) >= 20 for one in denied)
    (before,) = (one for one in result.events if one["seq"] == denied[0]["seq"] - 1)
    assert before["type"] == "markets_marked"


def test_without_a_limit_no_drawdown_denies() -> None:
    result = run(diverging(20, by=0.2), {"symbol": {"cooldown_seconds": 0, "max_position_count": 100}})

    assert not [rule for rule in result.refusals if "drawdown" in rule]
