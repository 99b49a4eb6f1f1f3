"""Several routes of one symbol pay at once: they are tried in the order of their edges."""

from decimal import Decimal
from typing import Any

import pytest

from trioarb.state.statistics import RouteStatistics
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues

#: Seconds, bid, ask: c bids most, b less; a asks least.
_A, _B, _C = [(0.0, 99.9, 100.0)], [(0.5, 100.8, 100.9)], [(0.0, 101.5, 101.6)]
_BEST, _SECOND = ("a", "c"), ("a", "b")


def run(config: dict[str, Any], *, seconds: int = 5) -> CampaignResult:
    tapes = {
        venue: ScriptedTape(
            [(at + second, "BTCUSDT", bid, 100.0, ask, 100.0) for second in range(seconds) for at, bid, ask in rows],
            listings=[listing("BTC")],
        )
        for venue, rows in (("a", _A), ("b", _B), ("c", _C))
    }
    return run_virtual(config, plugins={"market": scripted_market(tapes)})


@pytest.fixture
def config() -> dict[str, Any]:
    table = two_venues()
    table["exchanges"]["c"] = dict(table["exchanges"]["b"])
    table["strategy"] = {"entry_bps": 10, "order_size_usd": 500}
    table["guards"]["symbol"] = {"cooldown_seconds": 1000, "max_edge_bps": 500}
    return table


def routes(result: CampaignResult) -> dict[tuple[str, str], RouteStatistics]:
    return result.campaign.state.statistics.symbols["BTCUSDT"].routes


def entered(result: CampaignResult) -> list[tuple[str, str]]:
    return [(one["buy_venue"], one["sell_venue"]) for one in result.events if one["type"] == "position_opened"]


def test_the_best_route_is_entered_if_it_can_be(config: dict[str, Any]) -> None:
    result = run(config)
    assert entered(result) == [_BEST]


def test_the_next_best_is_entered_where_the_best_can_not_be_sized_and_each_says_why(config: dict[str, Any]) -> None:
    config["exchanges"]["c"]["inventory_usd_per_symbol"] = 0

    result = run(config)

    assert entered(result) == [_SECOND]
    best, second = routes(result)[_BEST], routes(result)[_SECOND]
    assert best.counted is not None
    assert set(best.counted.not_sized) == {"balance.c.BTC.below_minimum"}
    assert (best.counted.sized, best.allowed) == (0, 0)
    assert second.counted is not None
    assert second.allowed == 1
    assert second.denied == {"symbol.cooldown": second.counted.sized - 1}


def test_the_next_best_is_entered_where_the_best_is_denied(config: dict[str, Any]) -> None:
    config["guards"]["symbol"]["max_edge_bps"] = 100

    result = run(config)

    assert entered(result) == [_SECOND]
    assert routes(result)[_BEST].denied["symbol.edge_too_good"] >= 1


def test_denials_that_repeat_are_recorded_once_a_route(config: dict[str, Any]) -> None:
    config["guards"]["symbol"] = {"max_position_size_usd": 1}

    result = run(config)

    denied = [event for event in result.events if event["type"] == "decided"]
    # c asks more than b bids, so that b → c pays too.
    assert [(one["buy_venue"], one["sell_venue"]) for one in denied] == [_BEST, _SECOND, ("b", "c")]
    repeats = {one["decision_seq"]: one["count"] for one in result.events if one["type"] == "decisions_repeated"}
    tried = {one.decided_seq: one.counted for one in routes(result).values()}
    assert {seq: 1 + repeats[seq] for seq in tried} == {
        seq: counted.sized for seq, counted in tried.items() if counted is not None
    }
    (final,) = (one for one in result.events if one["type"] == "funnel_counted" and one["final"])
    assert final["over_threshold"] == sum(1 + count for count in repeats.values())
    assert Decimal(final["sized"]) == final["over_threshold"]
