"""Two coins that share a ticker: prices that are too far apart for too long are no opportunity."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from trioarb.api import SECOND_NS
from trioarb.model.event import Decided
from trioarb.model.trade import Answer
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

_RULE = "price_ratio"


def run(
    ratio: Callable[[int], float],
    *,
    venues: str = "ab",
    spread: float = 1.0001,
    strategy: dict[str, Any] | None = None,
    **symbol: Any,
) -> CampaignResult:
    """Venue b quotes so many times what the others do, by the second."""
    config = two_venues()
    config["session"]["max_runtime_seconds"] = 120
    config["exchanges"] = dict.fromkeys(venues, config["exchanges"]["a"])
    config["strategy"] = {"exit_bps": -12, "max_holding_seconds": 2, **(strategy or {})}
    config["guards"] |= {"symbol": {"cooldown_seconds": 3, "circuit_breaker_loss_count": 0, **symbol}}
    config["guards"]["portfolio"] = {"max_symbol_allocation_pct": 1}

    def tape(venue: str) -> ScriptedTape:
        prices = [100.0 * (ratio(second) if venue == "b" else 1.0) for second in range(120)]
        rows = [(float(at), "AAAUSDT", price, 90.0, price * spread, 90.0) for at, price in enumerate(prices)]
        return ScriptedTape(rows, listings=[listing("AAA")])

    return run_virtual(config, plugins={"market": scripted_market({venue: tape(venue) for venue in venues})})


def entries(result: CampaignResult) -> list[float]:
    start_ns = result.events[0]["ts_ns"]
    return [(one["ts_ns"] - start_ns) / SECOND_NS for one in result.of_type("pair_opened") if one["kind"] == "entry"]


def test_a_ratio_that_stays_puts_the_route_into_quarantine_with_one_warning() -> None:
    result = run(lambda second: 1.04)

    assert entries(result)
    assert max(entries(result)) < 30
    assert result.refusals.get("symbol.price_ratio", 0) > 50
    (tripped,) = result.of_type("guard_tripped")
    assert tripped["rule"] == "price_ratio"
    assert "from a to b" in tripped["value"]
    assert tripped["limit"] == "1.03 for 30 s"
    assert tripped["value"].startswith("1.0400 (104.0052 / 100.005) for 30 s"), "of the middles, fees left out"


def test_a_spread_that_eats_the_edge_up_does_not_hide_the_ratio() -> None:
    """Fees and spreads leave 2.5 % of 3.3 %."""
    result = run(lambda second: 1.033, spread=1.006)

    assert result.refusals["symbol.price_ratio"] > 50
    assert max(entries(result)) < 30


def test_a_route_on_which_no_order_can_be_sized_is_put_there_as_well() -> None:
    result = run(lambda second: 1.04, strategy={"order_size_usd": 1})

    assert not entries(result)
    assert result.refusals.get("symbol.price_ratio", 0) > 50
    (tripped,) = result.of_type("guard_tripped")
    assert tripped["value"].startswith("1.0400 (104.0052 / 100.005) for 30 s")
    (final,) = (one for one in result.of_type("funnel_counted") if one["final"])
    doubted = final["not_sized"].pop("symbol.price_ratio", 0)
    assert doubted == result.refusals["symbol.price_ratio"]
    assert final["not_sized"] == {"order_size.below_minimum": final["over_threshold"] - doubted}
    (route,) = (one for one in result.of_type("route_counted") if one["final"] and one["over_threshold"])
    assert route["not_sized"]["symbol.price_ratio"] == doubted
    (denied,) = result.of_type("decided")
    assert "quantity" not in denied
    assert (denied["ask"], denied["bid"]) == ("100.01", "104")


def forged(result: CampaignResult, of: str, **fields: Any) -> list[str]:
    """Return what verify finds wrong, if the first answer of a rule says something else."""
    records = list(result.records)
    index = next(at for at, one in enumerate(records) if isinstance(one.event, Decided) and one.event.rule == of)
    other = replace(records[index].event, **fields)
    verifier = Verifier()
    verifier.fold([*records[:index], records[index]._replace(event=other), *records[index + 1 :]])
    return [one.what for one in verifier.result().violations]


def test_verify_computes_the_ratio_again() -> None:
    result = run(lambda second: 1.04)

    assert not forged(result, _RULE, value="1.0400 (104.0052 / 100.005) for 30 s")
    for value in ("1.0500 (104.0052 / 100.005) for 30 s", "1.0100 (101.005 / 100.005) for 30 s"):
        assert "isn't one of its prices" in forged(result, _RULE, value=value)[0]
    for odd in ("none", "1.0.3 for 30 s"):
        assert "isn't one of its prices" in forged(result, _RULE, limit=odd)[0]
    assert "isn't one of its prices" in forged(result, _RULE, value="1.0400 (104.0052 / 0) for 30 s")[0]


def test_verify_computes_an_edge_that_is_too_good_again() -> None:
    """It is that of the prices beside it, less taker fees; and each denial counts among what was not sized."""
    result, rule = run(lambda second: 1.06), "edge_too_good"
    decided = next(one for one in result.of_type("decided") if one["rule"] == rule)
    edge = Decimal(decided["edge_bps"])

    assert not forged(result, rule)
    assert "isn't its own" in forged(result, rule, value=f"{edge + 1} bps")[0]
    for limit in (f"{edge} bps", "none", "5.0.0 bps"):
        assert "isn't its own" in forged(result, rule, limit=limit)[0]
    assert not forged(result, rule, ask=Decimal(0))
    other = edge + Decimal("0.00001")
    assert "its prices have an edge of" in forged(result, rule, edge_bps=other, value=f"{other} bps")[0]
    assert "DENY to what was not sized" in " ".join(forged(result, rule, answer=Answer.STOP))
    assert "of this stretch, but" in " ".join(forged(result, rule, rule="edge_too_bad"))


def test_a_ratio_that_comes_and_goes_is_an_opportunity() -> None:
    result = run(lambda second: 1.04 if second % 40 < 20 else 1.0)

    assert "symbol.price_ratio" not in result.refusals
    assert max(entries(result)) > 80


def test_a_route_is_traded_again_when_its_prices_are_nearer() -> None:
    result = run(lambda second: 1.04 if second < 60 else 1.02)

    assert not [at for at in entries(result) if 30 <= at < 60]
    assert [at for at in entries(result) if at >= 60]


def test_the_band_is_set_by_keys() -> None:
    assert max(entries(run(lambda second: 1.04, max_price_ratio="1.05"))) > 100
    assert max(entries(run(lambda second: 1.01, max_price_ratio="1.005", price_ratio_seconds=10))) < 10
