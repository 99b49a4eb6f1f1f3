"""Campaigns on one coin in two monies: cut off at any event and gone on with, cancelled at any step, among faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from effort import examples
from swarm import broken
from swarm_plan import Act, Plan, Stretch

from trioarb.testing import run_virtual
from trioarb.verify.verification import Verifier

#: Faults of a Korean venue that forget, lose, delay and repeat, and of its market data.
VENUE_FAULTS = {"delay": 0.05, "delay_ms": 3_000, "reject": 0.05, "partial": 0.1, "lose_ack": 0.05, "lose_order": 0.03}
MARKET_FAULTS = {"stale": 0.003, "stale_seconds": 4, "crossed": 0.02, "drop": 0.05}


def table(*, seconds: int, faulty: bool = False) -> dict[str, Any]:
    """Return a campaign of two venues that quote in KRW, and one in USDT, whose pairs come and go all the time."""

    def venue(money: str, amount: int, latency_ms: int, faults: bool) -> dict[str, Any]:
        market = {"plugin": "dummy", "premium_bps": 0, "basis_bps": 30, "basis_half_life_seconds": 1, "size_usd": 2_000}
        paper = {
            "plugin": "paper",
            "taker_fee_bps": 2,
            "latency_ms": latency_ms,
            "balances": {money: amount},
            "inventory_usd_per_symbol": 10_000,
        }
        if faults:
            market = {"plugin": "faulty", **MARKET_FAULTS, "wraps": market}
            paper = {"plugin": "faulty", **VENUE_FAULTS, "wraps": paper}
        return {**paper, "market": market, **({"same_as": {"KRW": "USDT"}} if money == "KRW" else {})}

    return {
        "session": {
            "clock": "virtual",
            "max_runtime_seconds": seconds,
            "loop_interval_ms": 0,
            "seed": 5,
            "close_positions_at_end": True,
            "durability": "order",
        },
        "universe": {"source": "dummy", "mode": "FIXED_LIST", "whitelist": ["BTCUSDT"]},
        "execution": {"leg_timeout_seconds": 2, "hedge_deadline_seconds": 5, "dust_usd": 11},
        "fx": {"KRW": {"symbol": "USDTKRW", "markets": ["busan", "seoul"], "max_age_ms": 2_000, "outlier_bps": 50}},
        "exchanges": {
            "seoul": venue("KRW", 50_000_000, 40, faulty),
            "busan": venue("KRW", 50_000_000, 70, False),
            "world": venue("USDT", 40_000, 50, False),
        },
        "strategy": {
            "plugin": "spread",
            "entry_bps": 15,
            "exit_bps": -5,
            "order_size_usd": 300,
            "max_holding_seconds": 2,
            "max_quote_age_ms": 3_000,
        },
        "guards": {"symbol": {"cooldown_seconds": 0, "max_position_count": 2}, "exchange": {"enabled": False}},
    }


def plan(*stretches: Stretch, seconds: int = 12, faulty: bool = False) -> Plan:
    return Plan(seed=5, table=table(seconds=seconds, faulty=faulty), stretches=stretches, goes_on=False)


def at(what: str, number: int, counting: str = "records") -> Act:
    return Act(what=what, at_seconds=0, counting=counting, number=number)  # type: ignore[arg-type]


#: From the first decision on: entries, their fills, positions, exits.
EVENTS = range(14, 64)


def test_these_events_hold_entries_and_exits_in_both_monies() -> None:
    result = run_virtual(table(seconds=12))

    events = result.events[EVENTS[0] : EVENTS[-1]]
    assert {"decided", "pair_opened", "order_filled", "position_opened", "position_closed"} <= {
        event["type"] for event in events
    }
    assert {"entry", "exit"} == {event["kind"] for event in events if event["type"] == "pair_opened"}
    assert {"KRW", "USDT"} == {event["quote"] for event in events if event["type"] == "order_filled"}


@pytest.mark.parametrize("k", EVENTS[:: examples(1, 3)])
def test_killed_at_every_event(tmp_path: Path, k: int) -> None:
    """What was in flight is brought to its end at the rate that was known last, until there is one again."""
    assert not broken(plan(Stretch(acts=(at("kill", k),)), Stretch(close_only=k % 2 == 0)), tmp_path / "killed")


@pytest.mark.parametrize("k", EVENTS[:: examples(1, 4)])
def test_cancelled_or_ended_at_every_event(tmp_path: Path, k: int) -> None:
    assert not broken(plan(Stretch(acts=(at("cancel" if k // 4 % 2 else "signal", k),))), tmp_path / "ended")


@pytest.mark.parametrize("k", range(1, 241, max(1, 240 // examples(240, 24))))
def test_cancelled_at_every_step_of_the_scheduler(tmp_path: Path, k: int) -> None:
    assert not broken(plan(Stretch(acts=(at("cancel", k, "steps"),)), seconds=3), tmp_path / "cancelled")


@pytest.mark.parametrize("k", [20, 90, 260])
def test_killed_among_faults_of_a_venue_and_of_the_rate(tmp_path: Path, k: int) -> None:
    """The faulty venue is a source of the rate, too: its quotes of that are stale, crossed and dropped as well."""
    pytest.importorskip("trioarb_faults", reason="trioarb-faults is not installed")
    stretches = Stretch(acts=(at("kill", k),)), Stretch()
    assert not broken(plan(*stretches, seconds=60, faulty=True), tmp_path / "chaos")


def test_among_faults_its_books_balance_and_entries_wait_for_the_rate() -> None:
    pytest.importorskip("trioarb_faults", reason="trioarb-faults is not installed")
    result = run_virtual(
        table(seconds=600, faulty=True), overrides=["fx.KRW.least_sources=2", "fx.KRW.max_age_ms=1000"]
    )

    assert result.exit_code in (0, 3)
    verifier = Verifier()
    verifier.fold(result.records)
    assert [str(one) for one in verifier.result().violations] == []
    assert len(result.of_type("position_closed")) > 20
    assert result.of_type("order_unknown")
    assert {"good", "few"} <= {one["state"] for one in result.of_type("fx_rated")}
    assert {one["rule"] for one in result.of_type("decided") if one["answer"] == "DENY"} & {"fx_sources", "fx_age"}
