"""Perpetual accounts: contracts and their margin, beside a spot account that holds what they hedge."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from trioarb.errors import ConfigError
from trioarb.model.contract import Contracts, liquidation_price
from trioarb.testing import CampaignResult, run_virtual
from trioarb.verify.verification import Verifier

DUMMY: dict[str, Any] = {
    "session": {"clock": "virtual", "loop_interval_ms": 0, "max_runtime_seconds": 300, "seed": 7},
    "universe": {"source": "dummy", "mode": "TOP_N", "top_n": 3, "base_quote": "USDT"},
    "exchanges": {
        "spot": {"market": {"plugin": "dummy"}, "inventory_usd_per_symbol": 5_000, "balances": {"USDT": "100000"}},
        "perp": {
            "market": {"plugin": "dummy"},
            "account": "perpetual",
            "leverage": 5,
            "balances": {"USDT": "2000"},
        },
    },
    "strategy": {"order_size_usd": 500, "entry_bps": 10, "exit_bps": -6, "max_holding_seconds": 3},
}


def run(*overrides: str, config: Mapping[str, Any] = DUMMY) -> CampaignResult:
    return run_virtual(config, overrides=overrides)


def check(result: CampaignResult) -> None:
    verifier = Verifier()
    verifier.fold(result.records)
    found = verifier.result()
    assert found.is_sound, found.violations


def trades(result: CampaignResult) -> list[tuple[str, ...]]:
    return [
        (one["trade_id"], one["quantity"], one["pnl_usd"], one["fees_usd"]) for one in result.of_type("position_closed")
    ]


def test_a_pair_with_contracts_earns_what_it_would_with_borrowed_stock() -> None:
    perpetual = run()
    borrowed = run(
        "exchanges.perp.account=margin",
        "exchanges.perp.max_borrow_usd=1000000",
        "exchanges.perp.leverage=1",
        "exchanges.perp.balances.USDT=100000",
    )

    check(perpetual)
    assert perpetual.exit_code == borrowed.exit_code == 0
    assert trades(perpetual) == trades(borrowed)
    assert len(trades(perpetual)) > 5
    # Either way the campaign holds the same in the end: stock that was there, and what the pairs realised.
    assert (
        perpetual.of_type("equity_stated")[0]["arbitrage_usd"] == borrowed.of_type("equity_stated")[0]["arbitrage_usd"]
    )


def test_cash_moves_by_what_is_realised_and_fees_only() -> None:
    result = run("session.max_runtime_seconds=120")
    ledger = result.campaign.state.ledger
    wallet, fees, realised = Decimal(2000), Decimal(0), Decimal(0)
    held: dict[str, tuple[Decimal, Decimal]] = {}
    for one in result.of_type("order_filled"):
        if one["venue"] != "perp":
            continue
        quantity, price = Decimal(one["quantity"]), Decimal(one["price"])
        signed = quantity if one["side"] == "buy" else -quantity
        count, cost = held.get(one["symbol"], (Decimal(0), Decimal(0)))
        held[one["symbol"]] = count + signed, cost + signed * price
        fees += Decimal(one["fee"])
        if count + signed == 0:
            realised -= held.pop(one["symbol"])[1]

    assert not held
    balance = ledger.balances()["perp"]["USDT"]
    assert balance.final == wallet + realised - fees
    assert balance.trades == realised
    assert balance.carried == 0
    assert "BTC" not in ledger.balances()["perp"]


def test_an_open_contract_is_in_equity_at_its_mark() -> None:
    result = run(
        "session.max_runtime_seconds=62",
        "session.close_positions_at_end=false",
        "strategy.max_holding_seconds=900",
        "strategy.exit_bps=900",
    )

    check(result)
    assert result.campaign.state.trades.positions()
    balances = result.campaign.state.ledger.balances()["perp"]
    assert balances["USDT"].carried != 0
    assert any(balances[asset].final for asset in balances if asset.endswith("-PERP"))
    stated = result.of_type("equity_stated")[0]
    change = Decimal(stated["now_usd"]) - Decimal(stated["start_usd"])
    assert abs(change) < 200, "contracts are not worth their whole value"


def test_what_cannot_be_margined_is_not_sized() -> None:
    result = run("exchanges.perp.balances.USDT=0.5")

    assert not result.of_type("order_submitted")
    final = [one for one in result.of_type("funnel_counted") if one["final"]]
    reasons = {reason for one in final for reason in one["not_sized"]}
    assert reasons == {"margin.perp.USDT.below_minimum"}


def test_leverage_says_how_much_can_be_opened() -> None:
    """With 100 USDT, orders of 500 USD are cut to what 1, 2 and 4 times as much can be opened with."""
    largest = []
    for leverage in (1, 2, 4):
        result = run("exchanges.perp.balances.USDT=100", f"exchanges.perp.leverage={leverage}", "universe.top_n=1")
        largest.append(max(Decimal(one["notional_usd"]) for one in result.of_type("decided")))
        check(result)

    assert 95 < largest[0] <= 101
    assert 190 < largest[1] <= 202
    assert 380 < largest[2] <= 404


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("exchanges.perp.inventory_usd_per_symbol=5", "holds contracts, no base asset"),
        ("exchanges.perp.fee_asset=received", "nothing is received for contracts"),
        ("exchanges.perp.leverage=0.5", "exchanges.perp.leverage"),
        ("exchanges.perp.maintenance_margin_bps=2500", "would be liquidated at once"),
    ],
)
def test_settings_that_make_no_sense(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(override)


def test_an_entry_that_would_bring_liquidation_near_is_denied() -> None:
    """With 100 USDT at leverage 20, an order of 500 USD would be liquidated after a fifth less what is to be kept."""
    config = (
        *("exchanges.perp.balances.USDT=100", "exchanges.perp.leverage=20", "universe.top_n=1"),
        "guards.symbol.max_position_count=1",
    )
    denied = run(*config, "guards.global.min_liquidation_distance_pct=21")
    near = [one for one in denied.of_type("decided") if one.get("rule") == "liquidation_distance"]

    assert {one["answer"] for one in near} == {"DENY"}
    assert near
    assert all(Decimal(one["value"].removesuffix(" at perp")) < 21 for one in near)
    assert "global.liquidation_distance" not in run(*config, "guards.global.min_liquidation_distance_pct=5").refusals


def test_the_liquidation_price_is_where_the_margin_ends() -> None:
    """Binance's formula, without tiers: (WB - TMM + UPNL - side * Q * EP) / (Q * MMR - side * Q)."""
    for side in (1, -1):
        held = Contracts(Decimal(2) * side, Decimal(200) * side)
        price = liquidation_price(Decimal(50), held, Decimal(50))
        assert price is not None
        balance = 50 + held.quantity * price - held.cost
        assert abs(balance - 2 * price * Decimal("0.005")) < Decimal("1e-15")
    assert liquidation_price(Decimal(500), Contracts(Decimal(2), Decimal(200)), Decimal(50)) is None


FUNDING = (
    "exchanges.perp.funding_rate_bps=3",
    "exchanges.perp.funding_interval_hours=0.01",  # 36 s
    "strategy.max_holding_seconds=100",
    "strategy.exit_bps=40",
)


def test_funding_is_paid_by_the_rate_and_belongs_to_its_trade() -> None:
    result = run(*FUNDING)

    check(result)
    assert result.exit_code == 0
    paid = result.of_type("funding_paid")
    assert {one["charged_at_ns"] % (36 * 10**9) for one in paid} == {0}
    for one in paid:
        assert Decimal(one["amount"]) == -Decimal(one["quantity"]) * Decimal(one["mark"]) * 3 / 10_000
    assert {Decimal(one["quantity"]) > 0 for one in paid} == {True, False}
    total = sum(Decimal(one["amount"]) for one in paid)
    assert result.campaign.state.ledger.balances()["perp"]["USDT"].funding == total
    assert Decimal(result.of_type("equity_stated")[0]["funding_usd"]) == total

    without = {one["trade_id"]: one for one in run(*FUNDING[1:]).of_type("position_closed")}
    closed = {one["trade_id"]: one for one in result.of_type("position_closed")}
    trade = next(one for one in paid if one["trade_id"] in closed)["trade_id"]
    own = sum(Decimal(one["amount_usd"]) for one in paid if one.get("trade_id") == trade)
    assert Decimal(closed[trade]["pnl_usd"]) == Decimal(without[trade]["pnl_usd"]) + own
    assert result.campaign.state.statistics.pnl_usd == sum(
        (Decimal(one["pnl_usd"]) for one in result.of_type("pair_ended")), total
    )


def test_rates_of_funding_follow_each_other() -> None:
    rates = "exchanges.perp.funding_rates_bps=[1, -2, 5]"
    result = run(*FUNDING[1:], rates)

    check(result)
    paid = result.of_type("funding_paid")
    assert len({one["rate_bps"] for one in paid}) == 3
    for one in paid:
        assert one["rate_bps"] == ("1", "-2", "5")[one["charged_at_ns"] // (36 * 10**9) % 3]


def test_interest_is_charged_on_what_is_borrowed() -> None:
    result = run(
        "exchanges.perp.account=margin",
        "exchanges.perp.leverage=1",
        "exchanges.perp.max_borrow_usd=100000",
        "exchanges.perp.borrow_bps_per_day=24",
        "strategy.max_holding_seconds=6000",
        "strategy.exit_bps=900",
        "session.max_runtime_seconds=4000",
        "session.close_positions_at_end=false",
    )

    check(result)
    paid = result.of_type("funding_paid")
    assert {one["charged_at_ns"] % (3600 * 10**9) for one in paid} == {0}
    assert {one["kind"] for one in paid} == {"interest"}
    assert sum(Decimal(one["amount"]) for one in paid) < 0
    for one in paid:
        assert Decimal(one["amount"]) == Decimal(one["quantity"]) * Decimal(one["mark"]) / 10_000
    assert paid


def test_without_a_rate_there_is_no_funding() -> None:
    assert not run("strategy.max_holding_seconds=100").of_type("funding_paid")
