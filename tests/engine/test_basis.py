"""Coins against contracts: the shipped campaign, contracts that are liquidated, and wherever that may be cut off."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli
from effort import examples
from swarm import broken
from swarm_plan import Act, Plan, Stretch

from trioarb.testing import CampaignResult, run_virtual
from trioarb.verify.verification import Verifier

BASIS = Path(__file__).parents[2] / "configs" / "basis.toml"
D = Decimal


def is_sound(result: CampaignResult) -> bool:
    verifier = Verifier()
    verifier.fold(result.records)
    found = verifier.result()
    assert found.is_sound, [str(one) for one in found.violations]
    return True


def table(seconds: int, **settings: Any) -> dict[str, Any]:
    found = tomli.loads(BASIS.read_text(encoding="utf-8"), parse_float=Decimal)
    found["session"] |= {"max_runtime_seconds": seconds, **settings}
    return found


def tight(seconds: int, **settings: Any) -> dict[str, Any]:
    """Return the same with so small a wallet, in so lively a market, that contracts are liquidated."""
    found = table(seconds, **settings)
    perp = found["exchanges"]["perp"]
    perp |= {"leverage": 20, "maintenance_margin_bps": 250, "balances": {"USDT": "120"}}
    for venue in found["exchanges"].values():
        venue["market"] |= {"volatility_bps": 15, "size_usd": 600, "step_ms": 500}
    perp["market"] |= {"basis_bps": 40, "basis_half_life_seconds": 30}
    found["strategy"] |= {"exit_bps": 900, "max_holding_seconds": 900}
    found["guards"]["global"] |= {"min_liquidation_distance_pct": 1, "max_daily_loss_usd": 900}
    found["guards"]["exchange"] = {"enabled": False}
    found["execution"] = {"leg_timeout_seconds": 2, "hedge_deadline_seconds": 2}
    return found


def faulty(found: dict[str, Any], **faults: Any) -> dict[str, Any]:
    for name, venue in found["exchanges"].items():
        market = venue.pop("market")
        found["exchanges"][name] = {"plugin": "faulty", **faults, "wraps": venue, "market": market}
    return found


def test_the_shipped_campaign_sells_contracts_and_is_paid_for_holding_them() -> None:
    result = run_virtual(table(9_000))

    assert is_sound(result)
    assert result.exit_code == 0
    opened = result.of_type("position_opened")
    assert len(opened) > 4
    assert {(one["buy_venue"], one["sell_venue"]) for one in opened} == {("spot", "perp")}
    paid = result.of_type("funding_paid")
    assert {one["charged_at_ns"] % (3_600 * 10**9) for one in paid} == {0}
    assert sum(D(one["amount"]) for one in paid) > 0
    assert not result.of_type("contracts_liquidated")
    assert result.refusals


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_liquidated_adds_up(seed: int) -> None:
    result = run_virtual(tight(700, seed=seed))

    assert is_sound(result)
    assert not result.campaign.error
    assert result.of_type("contracts_liquidated")
    assert not result.of_type("balance_differed")
    assert not result.campaign.parts.ledger.contracts_at("perp")


@pytest.mark.parametrize("seed", [1, 2])
def test_it_survives_venues_that_fail(seed: int) -> None:
    faults = {"reject": "0.05", "partial": "0.2", "lose_ack": "0.08", "lose_order": "0.05"}
    found = faulty(tight(700, seed=seed), **{name: D(rate) for name, rate in faults.items()})
    result = run_virtual(found)

    assert is_sound(result)
    assert not result.campaign.error
    assert not result.of_type("balance_differed")


def plan(*stretches: Stretch) -> Plan:
    """Return a short campaign in which contracts are liquidated."""
    found = tight(240, seed=3, durability="order")
    found["universe"]["whitelist"] = ["BTCUSDT", "ETHUSDT"]
    found["exchanges"]["perp"]["balances"]["USDT"] = "40"
    found["exchanges"]["perp"]["funding_interval_hours"] = D("0.01")
    for venue in found["exchanges"].values():
        venue["plugin"] = "paper"
        venue["market"] |= {"volatility_bps": 60}
    found["guards"]["symbol"]["cooldown_seconds"] = 5
    return Plan(seed=3, table=found, stretches=stretches, goes_on=False)


def test_the_short_campaign_is_liquidated() -> None:
    result = run_virtual(plan().table)

    assert is_sound(result)
    assert result.of_type("contracts_liquidated")
    assert result.of_type("funding_paid")


#: The step of the liquidation is in their middle.
EVENTS = range(204, 252)


@pytest.mark.parametrize("k", EVENTS[:: examples(2, 5)])
def test_killed_at_every_event(tmp_path: Path, k: int) -> None:
    act = Act(what="kill", at_seconds=0, counting="records", number=k)
    assert not broken(plan(Stretch(acts=(act,)), Stretch(close_only=k % 2 == 0)), tmp_path / "killed")


@pytest.mark.parametrize("k", EVENTS[1 :: examples(3, 7)])
def test_cancelled_or_ended_at_every_event(tmp_path: Path, k: int) -> None:
    what = "cancel" if k % 4 else "signal"
    act = Act(what=what, at_seconds=0, counting="records", number=k)  # type: ignore[arg-type]
    assert not broken(plan(Stretch(acts=(act,))), tmp_path / "ended")


def test_an_order_that_rests_is_hedged_with_contracts() -> None:
    """What was sold of them stays as stock; when that is liquidated, its coins are one-sided and are worked off."""
    found = tight(400, seed=2)
    found["exchanges"]["spot"]["maker_fee_bps"] = 1
    found["exchanges"]["perp"] |= {"balances": {"USDT": "40"}, "maintenance_margin_bps": 400}
    for venue in found["exchanges"].values():
        venue["market"]["volatility_bps"] = 60
    found["guards"]["symbol"]["cooldown_seconds"] = 1
    found["strategy"] = {
        "plugin": "maker_taker",
        "maker": "spot",
        "order_size_usd": 300,
        "reach_bps": 60,
        "entry_bps": 4,
    }
    result = run_virtual(found)

    assert is_sound(result)
    assert not result.campaign.error
    assert result.of_type("contracts_liquidated")
    forced = [one for one in result.of_type("pair_opened") if one.get("reason") == "liquidated"]
    assert {one["kind"] for one in forced} == {"entry"}
    left = {one["pair_id"]: one for one in result.of_type("residual_left")}
    assert {one["pair_id"] for one in forced} <= left.keys()


def test_an_entry_is_reduced_to_what_keeps_liquidation_away() -> None:
    found = tight(300, seed=1)
    found["guards"]["global"] |= {"min_liquidation_distance_pct": 5, "reduce": True}
    result = run_virtual(found)

    assert is_sound(result)
    reduced = [one for one in result.of_type("decided") if one["answer"] == "REDUCE"]
    assert {one["rule"] for one in reduced} == {"liquidation_distance"}
    allowed = {one["seq"]: one for one in result.of_type("decided") if one["answer"] == "ALLOW"}
    for one in reduced:
        after = allowed[min(seq for seq in allowed if seq > one["seq"])]
        assert D(after["quantity"]) <= D(one["largest_base"]) < D(one["quantity"])
    found["guards"]["global"]["reduce"] = False
    assert run_virtual(found).refusals["global.liquidation_distance"]


def test_the_same_comes_of_other_hash_seeds() -> None:
    code = (
        "import sys, hashlib; sys.path[:0] = sys.argv[1:]\n"
        "from test_basis import plan; from trioarb.testing import run_virtual\n"
        "print(hashlib.sha256(repr(run_virtual(plan().table).events).encode()).hexdigest())\n"
    )
    here = Path(__file__).parent
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(here), str(here.parent / "kit")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
