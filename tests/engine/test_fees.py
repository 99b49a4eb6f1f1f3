"""Fees in any asset: taken, valued at the market of the moment, booked, and recomputed from the events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, Fill, Record, event
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.errors import ConfigError
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

SECONDS = 60


def tape(venue: str, *, has_bnb: bool = True) -> ScriptedTape:
    """An edge of 30 bps from a to b opens every ten seconds, and closes again. BNB costs 500, later 600."""
    rows = []
    for second in range(SECONDS):
        if has_bnb:
            bnb = 499.0 if second < 30 else 599.0
            rows.append((float(second), "BNBUSDT", bnb, 50.0, bnb + 2, 50.0))
        bid = 100.3 if venue == "b" and second % 10 < 5 else 100.0
        rows.append((float(second), "AAAUSDT", bid, 50.0, bid + 0.01, 50.0))
    return ScriptedTape(rows, listings=[listing("AAA"), *([listing("BNB")] if has_bnb else [])])


def run(*, has_bnb: bool = True, fee_assets: Any = None, plugins: Any = None, **exchange: Any) -> CampaignResult:
    config = two_venues()
    config["session"]["max_runtime_seconds"] = SECONDS
    config["strategy"] = {"exit_bps": -12, "max_holding_seconds": 300}
    config["guards"]["portfolio"] = {"max_symbol_allocation_pct": 1}
    config["fee_assets"] = fee_assets or {}
    for one in config["exchanges"].values():
        one |= {"fee_asset": "BNB", "taker_fee_bps": 4, **exchange}
        one["balances"] = {"USDT": "100000", **({"BNB": "10"} if has_bnb else {})}
    market = scripted_market({name: tape(name, has_bnb=has_bnb) for name in "ab"})
    return run_virtual(config, plugins={"market": market, **(plugins or {})})


def violations(records: Any) -> list[str]:
    verifier = Verifier()
    verifier.fold(records)
    return [str(one) for one in verifier.result().violations]


def fills(result: CampaignResult) -> list[event.OrderFilled]:
    return [one.event for one in result.records if isinstance(one.event, event.OrderFilled)]


def test_a_fee_in_a_third_asset_is_valued_at_its_market_of_the_moment() -> None:
    result = run()

    assert result.exit_code == 0
    assert {one.fee_asset for one in fills(result)} == {"BNB"}
    assert {one.fee_value / one.fee for one in fills(result) if one.fee_value} == {500, 600}
    for one in fills(result):
        due = one.quantity * one.price * Decimal("0.0004")
        assert one.fee_value is not None
        assert due <= one.fee_value < due + Decimal("0.00001")
    cash, values = Decimal(0), Decimal(0)
    for one in fills(result):
        value = one.quantity * one.price
        cash += -value if one.side.value == "buy" else value
        values += one.fee_value or 0
    pnl = sum(Decimal(one["pnl_usd"]) for one in result.of_type("pair_ended"))
    assert abs(pnl - (cash - values)) < Decimal("1e-9")
    assert sum(Decimal(one["fees_usd"]) for one in result.of_type("pair_ended")) == values
    balances = result.campaign.state.ledger.balances()
    for venue in "ab":
        assert balances[venue]["BNB"].fees == sum(one.fee for one in fills(result) if one.venue == venue)
        assert not balances[venue]["USDT"].fees
    assert violations(result.records) == []


def test_a_configured_price_comes_before_the_market() -> None:
    result = run(fee_assets={"BNB": {"usd": 250}})

    assert {one.fee_value / one.fee for one in fills(result) if one.fee_value} == {250}


def test_a_rebate_is_booked_in_its_asset_and_earned() -> None:
    result = run(taker_fee_bps=-1)

    assert fills(result)
    assert all(one.fee < 0 and (one.fee_value or 0) < 0 for one in fills(result))
    assert sum(Decimal(one["fees_usd"]) for one in result.of_type("pair_ended")) < 0
    assert violations(result.records) == []


def test_without_enough_of_the_asset_the_fee_is_taken_of_the_quote_asset() -> None:
    result = run(fee_assets={"BNB": {"usd": Decimal("0.001")}})  # so a fee is some 200 BNB

    assert {one.fee_asset for one in fills(result)} == {"USDT"}
    assert result.exit_code == 0


def test_an_asset_without_a_price_is_an_error_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"fee_assets\.BNB: missing; exchanges\.a takes fees in BNB.*no price"):
        run(has_bnb=False)
    with pytest.raises(ConfigError, match=r"fee_assets\.BNB: the symbol BNBEUR is not traded"):
        run(fee_assets={"BNB": {"symbol": "BNBEUR"}})
    with pytest.raises(ConfigError, match="either usd or symbol"):
        run(fee_assets={"BNB": {}})


def test_a_value_that_can_not_be_is_found() -> None:
    def forged(value: Decimal | None, asset: str | None = None) -> list[str]:
        records, is_done = [], False
        for one in run().records:
            if isinstance(one.event, event.OrderFilled) and not is_done:
                changed = replace(one.event, fee_value=value, fee_asset=asset or one.event.fee_asset)
                one, is_done = Record(one.seq, one.ts_ns, changed), True
            records.append(one)
        return violations(records)

    assert any("values a fee of" in found for found in forged(Decimal(-1)))
    assert any("PnL" in found or "pnl" in found.lower() for found in forged(Decimal(7)))
    assert any("values a fee in USDT" in found for found in forged(Decimal("0.2"), "USDT"))


class Pointed(PaperExchange):
    """Takes a point for every fill, and doesn't say so before."""

    def open(self) -> None:
        self._balances["POINT"] = Decimal(1_000)

    def _taken(self, *arguments: Any) -> tuple[Fill, ...]:
        return tuple(replace(fill, fee=Decimal(1), fee_asset="POINT") for fill in super()._taken(*arguments))


@asynccontextmanager
async def pointed(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    exchange = Pointed(settings, context)
    exchange.open()
    yield exchange


def test_a_fee_without_a_value_is_counted_and_told() -> None:
    plugin = plugin_of(ExchangeSpec(name="pointed", doc="points", settings=PaperSettings, open=pointed))
    result = run(plugins={"pointed": plugin}, plugin="pointed", fee_asset="quote")

    count = len(fills(result))
    assert count
    assert {one.fee_value for one in fills(result)} == {None}
    assert result.campaign.state.statistics.unvalued_fees == {"POINT": count}
    assert result.exit_code == 3
    (problem,) = result.campaign.problems
    assert f"fees of {count} POINT are in no figure but the balances" in problem
    assert "fee_assets.POINT" in problem
    assert violations(result.records) == []


def test_paper_fees_fall_with_the_volume_that_was_traded() -> None:
    tiers = [{"volume_usd": 300, "taker_fee_bps": 3}, {"volume_usd": 800, "taker_fee_bps": 1}]
    result = run(fee_asset="quote", fee_tiers=tiers)

    rates = [one.fee / (one.quantity * one.price) * 10_000 for one in fills(result) if one.venue == "a"]
    assert rates == sorted(rates, reverse=True)
    assert set(rates) == {4, 3, 1}
    assert violations(result.records) == []
    with pytest.raises(ConfigError, match="fees to fall"):
        run(fee_tiers=[{"volume_usd": 1, "taker_fee_bps": 9}])
