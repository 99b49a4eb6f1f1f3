"""Stock that drifts to one venue: how far a trade may leave it there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from trioarb.api import Answer, GuardContext, Refusal
from trioarb.builtin.guard_symbol import SymbolSettings, SymbolTier
from trioarb.testing import (
    CampaignResult,
    FixedRisk,
    ScriptedTape,
    listing,
    opportunity,
    run_virtual,
    scripted_market,
    two_venues,
)

ONE = Decimal(1)


def answer(a: str, b: str, quantity: str, most: str, *, reduce: bool = False, sell: str = "b") -> Refusal | None:
    """Ask about a purchase at a, and a sale at b."""
    risk = FixedRisk(stock={"a": Decimal(a), "b": Decimal(b)})
    settings = SymbolSettings(
        max_imbalance=Decimal(most), reduce=reduce, max_position_size_usd=Decimal(10**9), max_position_count=9
    )
    tier = SymbolTier(settings, GuardContext(name="symbol", symbols=("BTCUSDT",), risk=risk))
    return tier.check(opportunity(quantity=Decimal(quantity), sell_venue=sell), 0)


def test_a_trade_within_one_venue_moves_nothing() -> None:
    assert answer("1", "1", "5", "0.5", sell="a") is None


@pytest.mark.parametrize(("a", "b", "quantity"), [("5", "5", "2.5"), ("2", "8", "5.5"), ("0", "10", "7.5")])
def test_up_to_the_limit_it_is_allowed(a: str, b: str, quantity: str) -> None:
    assert answer(a, b, quantity, "0.5") is None
    refused = answer(a, b, f"{Decimal(quantity) + Decimal('0.001')}", "0.5")
    assert refused is not None
    assert (refused.answer, refused.rule, refused.value, refused.limit) == (Answer.DENY, "imbalance", "0.5002", "0.5")


@pytest.mark.parametrize(("a", "b"), [("0", "0"), ("-3", "2")])
def test_where_nothing_is_held_nothing_is_known_to_lean(a: str, b: str) -> None:
    refused = answer(a, b, "0.1", "1")
    assert refused is not None
    assert (refused.answer, refused.rule) == (Answer.DENY, "imbalance")


def test_what_the_limit_leaves_is_reduced_to() -> None:
    refused = answer("5", "5", "4", "0.5", reduce=True)
    assert refused is not None
    assert refused.answer is Answer.REDUCE
    assert refused.largest is not None
    assert refused.largest.base == Decimal("2.5")
    used_up = answer("7.5", "2.5", "1", "0.5", reduce=True)
    assert used_up is not None
    assert used_up.answer is Answer.DENY


def run(**symbol: Any) -> CampaignResult:
    """A gap that stays, of which stock at a grows: 50 BTC of 100 USD on each side, ten at a time."""
    table = two_venues()
    table["strategy"] = {"plugin": "inventory", "order_size_base": 10, "entry_bps": 10}
    table["guards"] |= {"symbol": {"cooldown_seconds": 0, "max_position_size_usd": 10_000, **symbol}}
    table["guards"] |= {"portfolio": {"total_capital_usd": 100_000}}
    rows = {
        "a": [(second, "BTCUSDT", 99.9, 50.0, 100.0, 50.0) for second in range(12)],
        "b": [(second, "BTCUSDT", 101.0, 50.0, 101.1, 50.0) for second in range(12)],
    }
    markets = {venue: ScriptedTape(made, listings=[listing("BTC")]) for venue, made in rows.items()}
    return run_virtual(table, plugins={"market": scripted_market(markets)})


def held(result: CampaignResult) -> tuple[Decimal, Decimal]:
    ledger = result.campaign.state.ledger
    return ledger.stock("BTC", "a"), ledger.stock("BTC", "b")


def test_stock_drifts_no_further_than_the_limit() -> None:
    a, b = held(run())
    assert (a - b) / (a + b) > Decimal("0.9")

    denied = run(max_imbalance="0.5")
    a, b = held(denied)
    assert Decimal("0.2") < (a - b) / (a + b) <= Decimal("0.5")
    assert denied.refusals["symbol.imbalance"] > 1
    assert len([one for one in denied.of_type("decided") if one["answer"] == "DENY"]) == 1

    reduced = run(max_imbalance="0.5", reduce=True)
    a, b = held(reduced)
    assert Decimal("0.499") < (a - b) / (a + b) <= Decimal("0.5")
    assert "REDUCE" in {one["answer"] for one in reduced.of_type("decided")}
    assert reduced.exit_code == 0
