"""Venues that acknowledge orders and tell the rest by a stream: late, early, twice, with gaps, and cut.

Whatever they say, every fill is booked once: balances agree at the end, and the journal is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from telling import Said, Tell, at_once, parts, telling

from trioarb.api import Fill, OrderReport, OrderStatus, OrderUpdate
from trioarb.model.wire import decode
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

OPEN, FILLED, CANCELLED, EXPIRED = (
    OrderStatus.OPEN,
    OrderStatus.FILLED,
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
)


def run(
    tells: Mapping[str, Tell],
    *,
    seconds: int = 30,
    shrinks: bool = False,
    cooldown: int = 100,
    away: tuple[float, float] = (0, 0),
    **execution: object,
) -> CampaignResult:
    """Run a campaign whose gap opens at once and closes after ten seconds.

    ``shrinks``: less is displayed at venue a once the first order is on its way. ``away``: from
    when to when, in seconds, no stream can be had.
    """
    rows: dict[str, list[tuple[float, str, float, float, float, float]]] = {"a": [], "b": []}
    for tick in range(4 * seconds):
        for venue in rows:
            gap = 1.0 if venue == "b" and tick < 40 else 0.0
            rows[venue].append((tick / 4, "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0))
    if shrinks:
        rows["a"].insert(1, (0.01, "BTCUSDT", 100.0, 2.0, 100.1, 2.0))
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows.items()}
    config: dict[str, Any] = two_venues()
    for table in config["exchanges"].values():
        table |= {"plugin": "telling", "tick_size": "0.1", "lot_size": "0.01"}
    config["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    config["guards"]["symbol"] = {"cooldown_seconds": cooldown}
    config["execution"] = {"residual_policy": "hold", **execution}
    plugins = {"market": scripted_market(tapes), "venue": plugin_of(telling(tells, away))}
    return run_virtual(config, plugins=plugins)


def kinds(result: CampaignResult, number: int) -> list[str]:
    """Return what was recorded of the order of this number."""
    return [
        event["type"].removeprefix("order_")
        for event in result.events
        if event.get("client_order_id", "").endswith(f"-{number}") and event["type"].startswith("order_")
    ]


def check(result: CampaignResult, *, exit_code: int = 0) -> None:
    """See that the venues hold what the ledger says, and that the journal is sound."""
    assert result.exit_code == exit_code, (result.campaign.error, result.campaign.problems)
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in result.events)
    verification = verifier.result()
    assert verification.is_sound, verification.violations
    assert not any("holds" in problem for problem in (result.campaign.error, *result.campaign.problems))


def update(report: OrderReport, status: OrderStatus, *fills: Fill, filled: Decimal | None = None) -> OrderUpdate:
    return OrderUpdate(
        client_order_id=report.client_order_id,
        venue_order_id=report.venue_order_id,
        status=status,
        fills=fills,
        filled=filled,
    )


def of_first(tell: Callable[[OrderReport], Sequence[Said]]) -> Tell:
    """Return one that tells so of the first order, and the rest at once."""
    return lambda number, report: tell(report) if number == 1 else at_once(number, report)


def test_orders_are_acknowledged_and_told_of_by_updates() -> None:
    result = run({"a": at_once, "b": at_once})

    check(result)
    assert kinds(result, 1) == ["submitted", "acknowledged", "filled"]
    assert len(result.of_type("position_closed")) == 1
    assert not result.of_type("order_unknown")


def test_one_venue_may_tell_and_the_other_answer() -> None:
    result = run({"b": at_once})

    check(result)
    assert len(result.of_type("position_closed")) == 1


def in_parts(report: OrderReport) -> Sequence[Said]:
    first, second = parts(report, 2)
    return [Said(10, update(report, OPEN, first)), Said(400, update(report, FILLED, second, filled=report.filled))]


def backwards(report: OrderReport) -> Sequence[Said]:
    first, second = parts(report, 2)
    return [
        Said(5, update(report, FILLED, filled=report.filled)),
        Said(10, update(report, FILLED, second, filled=report.filled)),
        Said(50, update(report, OPEN, first)),
        Said(60, update(report, OPEN)),
    ]


def again(report: OrderReport) -> Sequence[Said]:
    (fill,) = report.fills
    filled = update(report, FILLED, fill, filled=report.filled)
    return [Said(10, filled), Said(20, filled), Said(5_000, filled), Said(5_000, update(report, OPEN))]


@pytest.mark.parametrize("tell", [in_parts, backwards, again])
def test_whatever_way_updates_take_fills_count_once(tell: Callable[[OrderReport], Sequence[Said]]) -> None:
    result = run({"a": of_first(tell)})

    check(result)
    assert not result.of_type("order_unknown")
    assert len(result.of_type("position_closed")) == 1


def test_a_done_that_counts_more_than_was_told_is_asked_about() -> None:
    """The fill itself was lost on the way: it isn't waited for until the leg's timeout, and its order isn't unknown."""
    result = run({"a": of_first(lambda report: [Said(5, update(report, FILLED, filled=report.filled))])})

    check(result)
    (filled,) = (one for one in result.of_type("order_filled") if one["client_order_id"].endswith("-1"))
    assert filled["ts_ns"] - result.of_type("pair_opened")[0]["ts_ns"] < 10**9
    assert kinds(result, 1) == ["submitted", "acknowledged", "filled"]


def test_an_order_that_is_never_told_of_is_asked_about() -> None:
    result = run({"a": of_first(lambda report: [])})

    check(result)
    assert kinds(result, 1) == ["submitted", "acknowledged", "unknown", "filled"]


def test_what_expires_is_no_cancellation() -> None:
    """Half of the order finds something: the rest expires, and is sent again to even out the pair."""

    def expires(report: OrderReport) -> Sequence[Said]:
        return [Said(5, update(report, EXPIRED, *report.fills, filled=report.filled))]

    result = run({"a": of_first(expires)}, shrinks=True)

    check(result)
    assert kinds(result, 1) == ["submitted", "acknowledged", "filled", "expired"]


def test_a_fill_after_the_last_word_of_a_pair_in_flight_is_the_pair_s() -> None:
    """The cancellation raced the fill. The other leg is still under way, so the pair is evened out with it."""

    def races(report: OrderReport) -> Sequence[Said]:
        (fill,) = report.fills
        return [
            Said(5, update(report, CANCELLED, filled=Decimal(0))),
            Said(100, update(report, CANCELLED, fill, filled=report.filled)),
        ]

    result = run({"a": of_first(races), "b": of_first(lambda report: [Said(300, OrderUpdate.from_report(report))])})

    check(result)
    assert kinds(result, 1) == ["submitted", "acknowledged", "cancelled", "reopened", "filled"]
    assert not result.of_type("residual_left")
    assert len(result.of_type("position_closed")) == 1


def test_a_fill_after_its_pair_has_ended_is_a_residual() -> None:
    def late(report: OrderReport) -> Sequence[Said]:
        (fill,) = report.fills
        return [
            Said(5, update(report, CANCELLED, filled=Decimal(0))),
            Said(5_000, update(report, CANCELLED, fill, filled=report.filled)),
        ]

    result = run({"a": of_first(late)})

    check(result, exit_code=3)
    (reopened,) = result.of_type("order_reopened")
    possible, left = result.of_type("residual_left")
    assert (possible["possible"], left["possible"]) == (True, False)
    assert left["quantity"] == reopened["unfilled"]
    assert len(result.of_type("residual_resolved")) == 1


def test_while_updates_are_cut_nothing_is_entered_and_fills_are_found() -> None:
    """The stream is cut before anything was told of the second order, which filled meanwhile."""

    def cut(report: OrderReport) -> Sequence[Said]:
        return [Said(5, None), Said(10, OrderUpdate.from_report(report))]

    result = run({"a": of_first(cut)}, leg_timeout_seconds=20)

    check(result)
    (down,), (up,) = result.of_type("updates_down"), result.of_type("updates_up")
    assert down["reason"] == "a: the stream was cut"
    assert up["ts_ns"] - down["ts_ns"] < 2 * 10**9
    (filled,) = (one for one in result.of_type("order_filled") if one["client_order_id"].endswith("-1"))
    assert filled["seq"] < up["seq"]
    assert not result.of_type("order_unknown")


def test_who_waits_for_updates_asks_as_soon_as_they_are_cut() -> None:
    """And not only when the time for a leg is over."""

    def cut_before_it_is_told(report: OrderReport) -> Sequence[Said]:
        return [Said(100, None), Said(60_000, update(report, FILLED, *report.fills, filled=report.filled))]

    result = run({"a": of_first(cut_before_it_is_told)}, leg_timeout_seconds=20)

    check(result)
    (submitted,) = [one for one in result.of_type("order_submitted") if one["client_order_id"].endswith("-1")]
    (filled,) = [one for one in result.of_type("order_filled") if one["client_order_id"].endswith("-1")]
    (down, *_) = result.of_type("updates_down")
    assert 0 <= filled["ts_ns"] - down["ts_ns"] <= 10**9
    assert filled["ts_ns"] - submitted["ts_ns"] < 2 * 10**9
    assert not result.of_type("order_unknown")


def test_while_updates_are_down_no_entry_has_a_leg_there() -> None:
    def tell(number: int, report: OrderReport) -> Sequence[Said]:
        told = Said(1, OrderUpdate.from_report(report))
        return [told, Said(500, None)] if number == 1 else [told]

    result = run({"a": tell}, away=(0.4, 6), cooldown=1)

    check(result)
    assert result.refusals["engine.updates_down"] > 10
    down, *_, up = [one for one in result.events if one["type"] in ("updates_down", "updates_up")]
    entries = [one["seq"] for one in result.of_type("pair_opened") if one["kind"] == "entry"]
    assert any(seq > up["seq"] for seq in entries)
    assert not any(down["seq"] < seq < up["seq"] for seq in entries)


def test_a_stream_that_can_not_be_had_denies_every_entry() -> None:
    """From the start on, and as long as it can't be had; then trading begins."""
    result = run({"a": at_once}, away=(0, 5))

    check(result)
    downs, (up,) = result.of_type("updates_down"), result.of_type("updates_up")
    assert {one["reason"] for one in downs} == {"a: not to be had"}
    assert result.refusals["engine.updates_down"] > 10
    (first, *_) = result.of_type("pair_opened")
    assert first["seq"] > up["seq"]


def test_orders_of_others_are_named_and_change_nothing() -> None:
    def others(report: OrderReport) -> Sequence[Said]:
        other = msgspec.structs.replace(OrderUpdate.from_report(report), client_order_id="web-17")
        return [Said(1, OrderUpdate.from_report(report)), Said(2, other), Said(3, other)]

    result = run({"a": of_first(others)})

    check(result, exit_code=3)
    assert result.campaign.problems == ["a tells of an order that is not of this campaign: web-17"]


def test_an_order_of_ours_that_the_journal_does_not_know_ends_the_campaign() -> None:
    def ours(report: OrderReport) -> Sequence[Said]:
        name = report.client_order_id.rpartition("-")[0] + "-999"
        return [
            Said(1, OrderUpdate.from_report(report)),
            Said(2, msgspec.structs.replace(OrderUpdate.from_report(report), client_order_id=name)),
        ]

    result = run({"a": of_first(ours)})

    assert result.exit_code == 1
    assert "which the journal doesn't know: another process trades this campaign" in result.campaign.error


def test_what_can_not_be_is_named_and_asked_about() -> None:
    def too_much(report: OrderReport) -> Sequence[Said]:
        (fill,) = report.fills
        more = msgspec.structs.replace(fill, fill_id="other")
        return [Said(5, update(report, FILLED, fill, more, filled=2 * report.filled))]

    result = run({"a": of_first(too_much)})

    check(result, exit_code=3)
    (problem,) = result.campaign.problems
    assert problem.endswith("what can't be: 7.92 filled of 3.96"), problem
    assert kinds(result, 1) == ["submitted", "acknowledged", "unknown", "filled"]
