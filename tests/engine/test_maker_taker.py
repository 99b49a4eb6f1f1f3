"""An order that rests at one venue and is hedged at the other: its life, what ends it, and where it may be cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli
import trio
from swarm import broken
from swarm_plan import Act, Plan, Stretch

from trioarb.model.wire import decode
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.time.campaign_time import SECOND_NS
from trioarb.verify.verification import Verifier

Row = tuple[float, str, float, float, float, float]
D = Decimal
#: What the order rests at: from there the hedge at 100.40 earns 5 bps.
LIMIT = "100.2"


def rows(
    changes: Mapping[str, Sequence[tuple[float, float, float, float]]], seconds: float = 10
) -> dict[str, list[Row]]:
    """Return quotes of two venues each quarter of a second: a asks 100.4, b bids as much.

    ``changes``: by venue, from when on, in seconds, which bid, ask, and size of both there is; 0 for none.
    """
    found: dict[str, list[Row]] = {"a": [], "b": []}
    for venue, told in found.items():
        bid, ask, size = (100.0, 100.4, 50.0) if venue == "a" else (100.4, 100.6, 50.0)
        later = sorted(changes.get(venue, ()))
        for tick in range(int(4 * seconds)):
            while later and later[0][0] <= tick / 4:
                _, bid, ask, size = later.pop(0)
            told.append((tick / 4, "BTCUSDT", bid, size, ask, size))
    return found


def table(**strategy: object) -> dict[str, Any]:
    config = two_venues()
    for venue in config["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01", "latency_ms": 20, "taker_fee_bps": 4, "min_notional": 5}
        venue["inventory_usd_per_symbol"] = 5_000
    config["exchanges"]["a"]["maker_fee_bps"] = 1
    config["strategy"] = {"plugin": "maker_taker", "maker": "a", "order_size_usd": 400, "reach_bps": 30, **strategy}
    config["guards"]["symbol"] = {"cooldown_seconds": 0}
    config["execution"] = {"residual_policy": "hold"}
    return config


def run(
    changes: Mapping[str, Sequence[tuple[float, float, float, float]]],
    *,
    seconds: float = 10,
    more: Mapping[str, Any] = {},
    **strategy: object,
) -> CampaignResult:
    tapes = {venue: ScriptedTape(told, listings=[listing("BTC")]) for venue, told in rows(changes, seconds).items()}
    config = table(**strategy)
    for key, value in more.items():
        name, _, rest = key.partition(".")
        config[name].setdefault(rest.partition(".")[0], {})
        target = config[name]
        *path, last = rest.split(".")
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value
    return run_virtual(config, plugins={"market": scripted_market(tapes)})


def check(result: CampaignResult, *, exit_code: int = 0) -> None:
    """See that the venues hold what the ledger says, and that the journal is sound."""
    assert result.exit_code == exit_code, (result.campaign.error, result.campaign.problems)
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in result.events)
    verification = verifier.result()
    assert verification.is_sound, verification.violations
    assert not any("holds" in problem for problem in (result.campaign.error, *result.campaign.problems))
    assert not result.campaign.parts.ledger.open_orders


def orders(result: CampaignResult, purpose: str = "leg") -> list[Mapping[str, Any]]:
    return [one for one in result.of_type("order_submitted") if one["purpose"] == purpose]


def seconds_of(result: CampaignResult, event: Mapping[str, Any]) -> float:
    return float(event["ts_ns"] - result.events[0]["ts_ns"]) / SECOND_NS


def test_an_order_rests_until_it_fills_and_is_hedged_at_once() -> None:
    result = run({"a": [(3, 100.0, 100.2, 50.0)]})

    check(result)
    opened = result.of_type("transaction_opened")[0]
    maker, hedge = opened["legs"]
    assert (maker["venue"], maker["side"], maker["limit"]) == ("a", "buy", LIMIT)
    assert (maker["time_in_force"], maker["post_only"]) == ("gtc", True)
    assert (hedge["venue"], hedge["side"], hedge["after"]) == ("b", "sell", 0)
    resting, (sold, *_) = orders(result)[0], orders(result, "hedge")
    assert (resting["time_in_force"], resting["post_only"], resting["limit_price"]) == ("gtc", True, LIMIT)
    bought, hedged = result.of_type("order_filled")[:2]
    assert (bought["client_order_id"], bought["price"]) == (resting["client_order_id"], LIMIT)
    # The maker fee is paid where it rested, and is recorded.
    fees = {one["venue"]: one["maker_fee_bps"] for one in result.of_type("instrument_listed")}
    assert D(fees["a"]) == 1
    assert D(bought["fee"]) == D(bought["quantity"]) * D(LIMIT) / 10_000
    assert (hedged["client_order_id"], hedged["price"]) == (sold["client_order_id"], "100.4")
    assert 3 <= seconds_of(result, bought) < 3.1
    assert seconds_of(result, hedged) - seconds_of(result, bought) < 0.1
    ended = result.of_type("pair_ended")[0]
    assert (ended["outcome"], ended["bought"]) == ("hedged", ended["sold"])
    assert D(ended["pnl_usd"]) > 0
    # No exit follows: what both legs differ by is earned.
    assert result.of_type("position_closed")[0]["reason"] == "once"


def test_an_order_does_not_rest_while_the_prices_that_it_is_made_of_are_doubted() -> None:
    """Twice they are apart for too long, and it is said once."""
    apart, together = (104.4, 104.6, 50.0), (100.0, 100.4, 50.0)
    changes = {"b": [(0, *apart), (7, *together), (9, *apart)]}
    result = run(changes, seconds=20, more={"guards.symbol.price_ratio_seconds": 5}, requote_bps=50)

    check(result)
    withdrawn = [seconds_of(result, one) for one in result.of_type("order_cancelled")]
    assert [one for one in withdrawn if 5 <= one < 5.3]
    assert 14 <= withdrawn[-1] < 14.3
    placed = [seconds_of(result, one) for one in orders(result)]
    assert not [at for at in placed if 5 <= at < 7 or at >= 14]
    assert len(result.of_type("guard_tripped")) == 1
    assert not result.of_type("order_filled")


def test_each_partial_fill_is_hedged_as_it_comes() -> None:
    result = run({"a": [(3, 100.0, 100.2, 1.0), (3.25, 100.0, 100.4, 50.0), (4, 100.0, 100.2, 50.0)]})

    check(result)
    hedges = [hedge for hedge in orders(result, "hedge") if hedge["pair_id"] == "p1"]
    assert hedges[0]["quantity"] == "1"
    assert sum(D(hedge["quantity"]) for hedge in hedges) == D(
        result.of_type("transaction_opened")[0]["legs"][0]["quantity"]
    )
    assert seconds_of(result, hedges[0]) < 3.2 < 4 <= seconds_of(result, hedges[1])
    # All the while it is one order that rests.
    assert len({one["client_order_id"] for one in orders(result) if one["pair_id"] == "p1"}) == 1


def test_a_part_that_has_filled_is_kept_hedged_when_the_rest_is_withdrawn() -> None:
    result = run({"a": [(3, 100.0, 100.2, 1.0), (3.25, 100.0, 100.4, 50.0)]}, seconds=6)

    check(result)
    cancelled = result.of_type("order_cancelled")[0]
    ended = result.of_type("pair_ended")[0]
    assert (ended["outcome"], ended["bought"], ended["sold"]) == ("hedged", "1", "1")
    assert D(cancelled["unfilled"]) > 0


def test_it_is_quoted_anew_once_its_price_has_moved_and_not_too_often() -> None:
    """b's bid rises by 20 bps at once, and again just after; each time what rests is withdrawn first."""
    moves = {"b": [(3, 100.6, 100.8, 50.0), (3.25, 100.8, 101.0, 50.0)]}
    result = run(moves, min_requote_ms=2_000, reach_bps=100)

    check(result)
    placed = [(seconds_of(result, one), one["limit_price"]) for one in orders(result)]
    assert [limit for _, limit in placed[:2]] == ["100.2", "100.3"]  # below what a asks
    assert all(later - before >= 2 for (before, _), (later, _) in pairwise(placed))
    ends = [seconds_of(result, one) for one in result.of_type("pair_ended")]
    assert 3 <= ends[0] < 3.2


def test_a_price_that_moves_by_less_leaves_it_where_it_is() -> None:
    result = run({"b": [(3, 100.45, 100.65, 50.0)]}, requote_bps=20, seconds=6)

    check(result)
    assert len(orders(result)) == 1


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"b": [(3, 0.0, 100.6, 50.0)]}, 3.2),  # nobody to hedge with
        ({"a": [(3, 99.0, 101.4, 50.0)]}, 3.2),  # out of reach
    ],
)
def test_it_is_withdrawn_where_nothing_can_hedge_it_and_out_of_reach(
    changes: dict[str, list[tuple[float, float, float, float]]], until: float
) -> None:
    result = run(changes, seconds=6)

    check(result)
    assert seconds_of(result, result.of_type("order_cancelled")[0]) < until
    assert not [one for one in orders(result) if seconds_of(result, one) > 3.1]


def test_it_is_withdrawn_when_the_other_side_is_stale() -> None:
    found = rows({}, 10)
    found["b"] = [row for row in found["b"] if row[0] < 3]
    tapes = {venue: ScriptedTape(told, listings=[listing("BTC")]) for venue, told in found.items()}
    config = table(max_quote_age_ms=1_000)
    config["guards"]["exchange"] = {"enabled": False}
    result = run_virtual(config, plugins={"market": scripted_market(tapes)})

    check(result)
    assert 3.7 < seconds_of(result, result.of_type("order_cancelled")[0]) < 3.9


def test_entries_that_are_fenced_withdraw_it(tmp_path: Path) -> None:
    """The kill switch denies every entry, and lets the campaign go on."""
    (tmp_path / "halt").touch()
    tapes = {venue: ScriptedTape(told, listings=[listing("BTC")]) for venue, told in rows({}, 10).items()}
    config = table()
    config["guards"]["symbol"] |= {"circuit_breaker_loss_count": 1, "circuit_breaker_duration": 100}
    config["guards"]["exchange"] = {"down_seconds": 5}
    # b's data ends: the venue is called down.
    tapes["b"] = ScriptedTape(rows({}, 3)["b"], listings=[listing("BTC")])
    result = run_virtual(config, plugins={"market": scripted_market(tapes)})

    check(result)
    cancelled = seconds_of(result, result.of_type("order_cancelled")[0])
    assert 2.7 < cancelled < 4.2, "before its quote is too old"
    assert any(one["venue"] == "b" and one["answer"] == "DENY" for one in result.of_type("guard_tripped"))


def test_the_end_withdraws_it_first() -> None:
    result = run({}, more={"session.max_runtime_seconds": 5})

    check(result)
    draining = next(one["seq"] for one in result.of_type("phase_entered") if one["phase"] == "DRAINING")
    assert 5 <= seconds_of(result, result.of_type("order_cancelled")[-1]) < 5.1
    assert not [one for one in result.events[draining:] if one["type"] in ("transaction_opened", "order_submitted")]


def test_orders_that_the_end_withdraws_together_are_cancelled_in_the_same_order() -> None:
    """The end wakes their tasks together, in whichever order Trio likes."""
    config = tomli.loads((Path(__file__).parents[2] / "configs" / "maker_taker.toml").read_text())

    def ended(seed: int) -> Sequence[Mapping[str, Any]]:
        trio._core._run._r.seed(seed)
        return run_virtual(config, overrides=["session.max_runtime_seconds=17"]).events

    first, *others = map(ended, range(6))
    cancelled = [one["ts_ns"] for one in first if one["type"] == "order_cancelled"]
    assert len(set(cancelled[-3:])) == 1
    assert all(other == first for other in others)


def test_a_post_only_order_that_would_take_is_refused_and_placed_anew() -> None:
    """While it is on its way, a's ask falls to its limit."""
    late = {"a": [(0.25, 100.0, 100.2, 50.0), (0.5, 100.0, 100.4, 50.0)]}
    result = run(late, more={"exchanges.a.latency_ms": 300})

    check(result)
    (refused, *_) = result.of_type("order_rejected")
    assert "would take" in refused["reason"]
    assert result.of_type("pair_ended")[0]["outcome"] == "flat"
    assert len(orders(result)) > 1


def test_what_it_may_cost_is_reserved_while_it_rests() -> None:
    """The hedge's stock, too: another symbol's entry can't spend it."""
    result = run({}, seconds=6)

    opened = result.of_type("transaction_opened")[0]
    quantity, limits = D(opened["legs"][0]["quantity"]), [D(leg["limit"]) for leg in opened["legs"]]
    assert D(opened["reserved_usd"]) == quantity * max(limits)
    decided = result.of_type("decided")[0]
    assert (decided["answer"], decided["notional_usd"]) == ("ALLOW", opened["reserved_usd"])
    assert D(decided["edge_bps"]) >= 5


def test_a_maker_that_takes_no_post_only_orders_is_named() -> None:
    config = table(maker="c")
    tapes = {venue: ScriptedTape(told, listings=[listing("BTC")]) for venue, told in rows({}, 3).items()}
    with pytest.raises(Exception, match=r"maker = 'c' takes no post-only orders for BTCUSDT; those that do: a, b"):
        run_virtual(config, plugins={"market": scripted_market(tapes)})


# Cut off anywhere


def plan(*stretches: Stretch) -> Plan:
    """Return a campaign of which one order after the other rests, fills in parts, and is hedged."""
    market = {"plugin": "dummy", "step_ms": 250, "basis_bps": 8, "basis_half_life_seconds": 1, "size_usd": 150}
    paper = {
        "plugin": "paper",
        "taker_fee_bps": 2,
        "maker_fee_bps": 1,
        "latency_ms": 40,
        "balances": {"USDT": 20_000},
        "inventory_usd_per_symbol": 10_000,
        "market": market,
    }
    config = {
        "session": {
            "clock": "virtual",
            "max_runtime_seconds": 12,
            "loop_interval_ms": 0,
            "seed": 5,
            "close_positions_at_end": True,
            "durability": "order",
        },
        "universe": {"source": "dummy", "mode": "FIXED_LIST", "whitelist": ["BTCUSDT"]},
        "execution": {"leg_timeout_seconds": 2, "hedge_deadline_seconds": 2},
        "exchanges": {"a": paper, "b": {**paper, "latency_ms": 70}},
        "strategy": {
            "plugin": "maker_taker",
            "entry_bps": 1,
            "order_size_usd": 300,
            "reach_bps": 30,
            "requote_bps": D("0.5"),
            "min_requote_ms": 200,
            "max_quote_age_ms": 5_000,
        },
        "guards": {"symbol": {"cooldown_seconds": 0}},
    }
    return Plan(seed=5, table=config, stretches=stretches, goes_on=False)


EVENTS = range(12, 52)


@pytest.mark.parametrize("k", EVENTS)
def test_killed_at_every_event(tmp_path: Path, k: int) -> None:
    """What rested is taken up: asked for, cancelled, and hedged as far as it filled."""
    act = Act(what="kill", at_seconds=0, counting="records", number=k)
    assert not broken(plan(Stretch(acts=(act,)), Stretch(close_only=k % 2 == 0)), tmp_path / "killed")


@pytest.mark.parametrize("k", EVENTS)
def test_cancelled_or_ended_at_every_event(tmp_path: Path, k: int) -> None:
    what = "cancel" if k % 2 else "signal"
    act = Act(what=what, at_seconds=0, counting="records", number=k)  # type: ignore[arg-type]
    assert not broken(plan(Stretch(acts=(act,))), tmp_path / "ended")
