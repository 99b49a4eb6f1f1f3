"""What was entered can be closed again: closing it is paid for before it is entered, and nobody else spends that."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from recompute import check

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

FEE_BPS, SLIPPAGE_BPS = Decimal("7.5"), Decimal(20)


#: A symbol, from which second on a venue stands 1 % above the other, and which.
Gap = tuple[str, float, str]


def quotes(venue: str, *gaps: Gap) -> Iterator[ScriptedRow]:
    """Yield five seconds of quotes."""
    for tick in range(50):
        second = tick / 10
        for symbol, since, above in gaps:
            raised = 1.0 if venue == above and second >= since else 0.0
            yield second, symbol, 100.0 + raised, 500.0, 100.1 + raised, 500.0


def run(balances: dict[str, dict[str, str]], *gaps: Gap, tick_size: float = 0.1, **strategy: Any) -> CampaignResult:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "exit_bps": 500, "order_size_usd": 20_000, **strategy}
    table["guards"] |= {
        "portfolio": {"total_capital_usd": 10**6},
        "global": {"max_total_exposure_usd": 10**6},
        "symbol": {"max_position_size_usd": 10**6, "max_position_count": 1, "cooldown_seconds": 100},
    }
    table["execution"] = {"unwind_slippage_bps": SLIPPAGE_BPS}
    for venue, held in balances.items():
        table["exchanges"][venue] |= {"balances": held, "taker_fee_bps": FEE_BPS, "inventory_usd_per_symbol": 0}
        table["exchanges"][venue]["tick_size"] = tick_size
    bases = [symbol.removesuffix("USDT") for symbol, *_ in gaps]
    tapes = {venue: ScriptedTape(list(quotes(venue, *gaps)), listings=[*map(listing, bases)]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def test_an_entry_is_as_small_as_its_closing_can_be_paid() -> None:
    held = {"a": {"USDT": "50000"}, "b": {"USDT": "20", "BTC": "400"}}

    result = run(held, ("BTCUSDT", 1.0, "b"))

    assert result.exit_code == 0
    (opened,), (closed,) = result.of_type("position_opened"), result.of_type("position_closed")
    cost = Decimal("101.3") * (1 + FEE_BPS / 10_000) - 101 * (1 - FEE_BPS / 10_000)
    assert 0 <= 20 / cost - Decimal(opened["quantity"]) < Decimal("0.001"), "20 USDT are there for it, and no more"
    assert closed["quantity"] == opened["quantity"]
    assert result.exit_code == 0


def test_what_closing_one_position_takes_is_not_spent_on_another() -> None:
    """ETH is bought at b, where money came in for BTC that BTC has to be bought back with."""
    held = {"a": {"USDT": "30000", "ETH": "400"}, "b": {"USDT": "100", "BTC": "400"}}

    result = run(held, ("BTCUSDT", 1.0, "b"), ("ETHUSDT", 2.0, "a"), order_size_usd=9_000)

    bitcoin, ether = result.of_type("position_opened")
    assert (bitcoin["symbol"], ether["symbol"]) == ("BTCUSDT", "ETHUSDT")
    assert Decimal(bitcoin["quantity"]) > 80
    assert 0 < Decimal(ether["quantity"]) < 1
    assert len(result.of_type("position_closed")) == 2
    assert result.exit_code == 0


def test_no_limit_lies_beyond_the_slippage_bound_by_rounding() -> None:
    held = {venue: {"USDT": "50000", "BTC": "400"} for venue in "ab"}

    result = run(held, ("BTCUSDT", 1.0, "b"), order_size_usd=500, max_holding_seconds=1)

    (out,) = (one for one in result.of_type("pair_opened") if one["kind"] == "exit")
    assert Decimal("101.1") <= Decimal(out["buy_limit"]) <= Decimal("101.1") * Decimal("1.002")
    assert Decimal(100) >= Decimal(out["sell_limit"]) >= Decimal(100) * Decimal("0.998")


def test_nothing_is_entered_that_no_tick_within_the_slippage_bound_could_close() -> None:
    held = {venue: {"USDT": "50000", "BTC": "400"} for venue in "ab"}

    result = run(held, ("BTCUSDT", 1.0, "b"), tick_size=1)

    assert not result.of_type("order_submitted")
    (counted,) = (one["not_sized"] for one in result.of_type("funnel_counted") if one["final"])
    assert set(counted) == {"tick_size_to_close"}


def test_without_a_price_to_close_at_nothing_is_entered() -> None:
    def rows(venue: str) -> Iterator[ScriptedRow]:
        for second, symbol, bid, bid_size, ask, ask_size in quotes(venue, ("BTCUSDT", 1.0, "b")):
            gone = venue == "b" and second >= 1
            yield second, symbol, bid, bid_size, float("nan") if gone else ask, 0.0 if gone else ask_size

    table = two_venues()
    table["strategy"] |= {"entry_bps": 10}
    tapes = {venue: ScriptedTape(list(rows(venue)), listings=[listing("BTC")]) for venue in "ab"}

    result = run_virtual(table, plugins={"market": scripted_market(tapes)})

    assert not result.of_type("order_submitted")
    (counted,) = (one["not_sized"] for one in result.of_type("funnel_counted") if one["final"])
    assert set(counted) == {"no_price_to_close.b"}


def fallen(until: float) -> Iterator[tuple[str, ScriptedRow]]:
    """Yield a gap that goes, and prices that fall by 15 %, until a second at which they come back."""
    for second in range(60):
        price = 100.0 if second < 3 or second >= until else 85.0
        yield "a", (float(second), "BTCUSDT", price, 50.0, price + 0.1, 50.0)
        gap = 1.0 if second < 2 else 0.0
        yield "b", (second + 0.01, "BTCUSDT", price + gap, 50.0, price + gap + 0.1, 50.0)


def run_fallen(until: float, least: dict[str, int]) -> CampaignResult:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "exit_bps": 500, "order_size_usd": 104, "max_holding_seconds": 4}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1000}}
    for venue, min_notional in least.items():
        table["exchanges"][venue] |= {"min_notional": min_notional, "lot_size": "0.01"}
    rows = list(fallen(until))
    tapes = {venue: ScriptedTape([row for at, row in rows if at == venue], listings=[listing("BTC")]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


@pytest.mark.parametrize("least", [{"a": 100, "b": 100}, {"a": 100, "b": 5}])
def test_a_position_that_fell_below_a_minimum_stays_open_and_is_named(least: dict[str, int]) -> None:
    result = run_fallen(until=1000, least=least)

    (opened,) = result.of_type("position_opened")
    assert not result.of_type("position_closed")
    assert not result.of_type("dust_left")
    assert result.exit_code == 3
    problem, at_the_end = result.of_type("campaign_ended")[0]["problems"]
    assert at_the_end.startswith("the recorded data ended at ")
    assert f"too small for {' and '.join(sorted(one for one in least if least[one] == 100))}" in problem
    (marked,) = result.of_type("position_marked")
    assert marked["quantity"] == opened["quantity"]
    assert result.campaign.state.exposure.exposure_usd() == Decimal(opened["exposure_usd"])


def test_a_position_that_fell_below_a_minimum_is_closed_when_its_value_allows_it_again() -> None:
    result = run_fallen(until=40, least={"a": 100, "b": 100})

    (closed,) = result.of_type("position_closed")
    assert closed["ts_ns"] - result.events[0]["ts_ns"] >= 40 * 10**9
    assert closed["reason"] == "max_holding"
    assert result.exit_code == 0


@pytest.mark.parametrize(("dust_usd", "positions"), [(1, 1), (60, 0)])
def test_what_is_filled_below_every_minimum_is_a_position_unless_it_is_worth_next_to_nothing(
    dust_usd: int, positions: int
) -> None:
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "order_size_usd": 500}
    table["execution"] = {"dust_usd": dust_usd}
    for venue in table["exchanges"].values():
        venue |= {"min_notional": 100, "lot_size": "0.01", "latency_ms": 50}
    first = {"a": ("BTCUSDT", 100.0, 9.0, 100.1, 9.0), "b": ("BTCUSDT", 101.0, 9.0, 101.1, 9.0)}
    then = {"a": ("BTCUSDT", 100.0, 0.5, 100.1, 0.5), "b": ("BTCUSDT", 101.0, 0.5, 101.1, 0.5)}
    tapes = {
        venue: ScriptedTape([(0.0, *first[venue]), (0.02, *then[venue])], listings=[listing("BTC")]) for venue in "ab"
    }

    result = run_virtual(table, plugins={"market": scripted_market(tapes)})

    assert len(result.of_type("position_opened")) == positions
    assert [(one["venue"], one["quantity"]) for one in result.of_type("dust_left")] == (
        [] if positions else [("a", "0.5"), ("b", "-0.5")]
    )


def run_little(*, account: str = "spot", policy: str = "work") -> CampaignResult:
    """Enter with 0.5 filled on both legs, 50 USD, where 100 are the least at both venues."""
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "order_size_usd": 500, "max_holding_seconds": 5}
    table["execution"] = {"residual_policy": policy}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1000}}
    for venue in table["exchanges"].values():
        venue |= {"min_notional": 100, "lot_size": "0.01", "latency_ms": 50, "account": account}
        if account == "margin":
            venue["max_borrow_usd"] = 5_000
    tapes = {}
    for venue, bid in (("a", 100.0), ("b", 101.0)):
        rows = [(0.0, "BTCUSDT", bid, 9.0, bid + 0.1, 9.0), (0.02, "BTCUSDT", bid, 0.5, bid + 0.1, 0.5)]
        rows += [(float(second), "BTCUSDT", bid, 9.0, bid + 0.1, 9.0) for second in range(1, 30)]
        tapes[venue] = ScriptedTape(rows, listings=[listing("BTC")])
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_a_position_that_was_never_large_enough_to_be_closed_is_worked_off_at_the_end(account: str) -> None:
    """Neither venue would ever have taken it: its legs are netted where nobody is owed, else made large enough."""
    result = run_little(account=account)

    assert (result.exit_code, result.campaign.problems) == (0, [])
    check(result.events, borrow_usd=dict.fromkeys("ab", "5000") if account == "margin" else {})
    verifier = Verifier()
    verifier.fold(result.records)
    assert verifier.result().violations == ()
    (closed,) = result.of_type("position_closed")
    assert closed["reason"] == "campaign_end"
    assert bool(result.of_type("residuals_netted")) == (account == "spot")
    assert bool(result.of_type("residual_worked")) == (account == "margin")
    assert result.campaign.state.exposure.exposure_usd() == 0


def test_a_position_that_is_too_small_stays_where_nothing_is_worked_off() -> None:
    result = run_little(policy="hold")

    assert not result.of_type("position_closed")
    assert result.exit_code == 3
    assert "too small for a and b" in result.campaign.problems[0]


def run_frozen(returns: int) -> CampaignResult:
    """Run with a venue b that is silent from second 2 on, while a falls, and comes back at a second."""
    table = two_venues()
    table["strategy"] |= {"entry_bps": 10, "exit_bps": -10, "order_size_usd": 500, "max_holding_seconds": 20}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1000}}
    a = [(second / 2, "BTCUSDT", 100.0 - second / 2, 50.0, 100.1 - second / 2, 50.0) for second in range(80)]
    b = [(second / 10, "BTCUSDT", 100.0 + (second > 3), 50.0, 100.1 + (second > 3), 50.0) for second in range(20)]
    b += [(float(second), "BTCUSDT", 101.0 - second, 50.0, 101.1 - second, 50.0) for second in range(returns, 40)]
    tapes = {"a": ScriptedTape(a, listings=[listing("BTC")]), "b": ScriptedTape(b, listings=[listing("BTC")])}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def test_an_exit_waits_while_a_venue_is_silent() -> None:
    result = run_frozen(returns=30)

    (closed,) = result.of_type("position_closed")
    assert 30 * 10**9 <= closed["ts_ns"] - result.events[0]["ts_ns"] < 31 * 10**9
    assert abs(Decimal(closed["pnl_usd"])) < 10, "nothing is made of prices that nobody quotes any more"


def test_a_position_at_a_venue_that_stays_silent_is_left_open_and_says_so() -> None:
    result = run_frozen(returns=1000)

    assert not result.of_type("position_closed")
    assert result.exit_code == 3
    problem, at_the_end = result.of_type("campaign_ended")[0]["problems"]
    assert at_the_end.startswith("the recorded data ended at ")
    assert "the last quote of b is" in problem
