"""What is learnt of an order after its pair has ended changes what its trade came to, everywhere in the same way."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from recompute import check
from recount import differences, recount

from trioarb.cli.running import report_of
from trioarb.journal.fold import Folds
from trioarb.model.number import EXACT
from trioarb.model.wire import decode
from trioarb.report.rows import Rows
from trioarb.report.summary import summarise
from trioarb.report.trades import trades, unwound, win_rate
from trioarb.state.attribution import Attributed, Attributions
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

#: BTC's order is the first at each venue, ETH's the second, sent at the same moment: where a connection is lost with
#: that, the other one is executed, and its answer lost.
LATE = {
    "an entry, both legs": {"a": ["2:disconnect"], "b": ["2:disconnect"]},
    "an entry, one leg": {"b": ["2:disconnect"]},
    "an exit, both legs": {"a": ["4:disconnect"], "b": ["4:disconnect"]},
    "an exit, one leg": {"a": ["4:disconnect"]},
    "a fill after the cancellation of an entry": {"a": ["1:late_fill"]},
    "a fill after the cancellation of an exit": {"b": ["3:late_fill"]},
    "fills while the stream is cut": {"a": ["1:acknowledge", "1:cut_stream"], "b": ["3:acknowledge", "3:cut_stream"]},
}


def run(
    script: Mapping[str, list[str]],
    *,
    strategy: str = "spread",
    seconds: int = 60,
    residuals: str = "hold",
    first_exit: float = 50.0,
    rise: float = 0.0,
    delay_ms: int = 5_000,
) -> CampaignResult:
    """Run with a trade of BTC and one of ETH: gaps open at once, close after 30 s, and venues are away for twelve.

    ``first_exit``: what is displayed in the second in which gaps close. ``rise``: of all prices, two seconds later.
    """
    tapes = {}
    for venue, more in (("a", 0.0), ("b", 1.0)):
        rows = [
            (float(second), symbol, 100 + gap, size, 100.1 + gap, size)
            for second in range(1, seconds)
            for size in (first_exit if second == 30 else 50.0,)
            for gap in ((more if second < 30 else 0.2) + (rise if second >= 32 else 0.0),)
            for symbol in ("BTCUSDT", "ETHUSDT")
        ]
        tapes[venue] = ScriptedTape(rows, listings=[listing("BTC"), listing("ETH")])
    table = two_venues()
    for venue, paper in table["exchanges"].items():
        market = paper.pop("market")
        paper |= {"plugin": "paper", "tick_size": "0.1", "lot_size": "0.01", "latency_ms": 50, "taker_fee_bps": 4}
        table["exchanges"][venue] = {
            "plugin": "faulty",
            "market": market,
            "wraps": paper,
            "script": script.get(venue, []),
            "disconnect_seconds": 12,
            "cut_stream_seconds": 5,
            "delay_ms": delay_ms,
        }
    table["execution"] = {"residual_policy": residuals, "leg_timeout_seconds": 2}
    table["strategy"] = {"plugin": strategy, "entry_bps": 20, "order_size_usd": 400}
    if strategy == "spread":
        table["strategy"]["exit_bps"] = -20
    table["guards"] |= {"global": {}, "symbol": {"cooldown_seconds": 1_000}}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def earned(result: CampaignResult) -> dict[str, Decimal]:
    """Return what each trade came to by its pairs, by what was learnt of their orders, and by what was paired."""
    found, order_of, trade_of = defaultdict[str, Decimal](Decimal), {}, {}
    for event in result.events:
        match event:
            case {"type": "order_submitted"}:
                order_of[event["client_order_id"]] = event["purpose"]
            case {"type": "residual_left"}:
                is_late = order_of.get(event.get("client_order_id", ""), "work") != "work"
                trade_of[event["residual_id"]] = event["trade_id"] if is_late else None
            case {"type": "pair_ended" | "residuals_paired", "trade_id": trade_id}:
                found[trade_id] = EXACT.add(found[trade_id], Decimal(event["pnl_usd"]))
            case {"type": "residual_resolved"} if (trade_id := trade_of[event["residual_id"]]) is not None:
                found[trade_id] = EXACT.add(found[trade_id], Decimal(event["pnl_usd"]))
    return dict(found)


def rows_of(result: CampaignResult) -> dict[str, Mapping[str, Any]]:
    """Return the exported trades."""
    rows: dict[str, Mapping[str, Any]] = {}
    made = Rows(lambda table, row: rows.update({row["trade_id"]: row}) if table == "trades" else None)
    folds = Folds(made.projections)
    for record in result.records:
        folds.apply(record)
    made.finish(result.campaign.state.ledger)
    return rows


def btc(result: CampaignResult) -> dict[str, Any]:
    """Return the row of the trade of BTC, which was closed."""
    (row,) = (one for one in trades(result.campaign.state.statistics) if one["symbol"] == "BTCUSDT")
    return row


def total(amounts: Any) -> Decimal:
    found = Decimal(0)
    for amount in amounts:
        found = EXACT.add(found, amount)
    return found


@pytest.mark.parametrize("what", LATE)
def test_every_figure_of_a_trade_says_what_the_ledger_does(what: str) -> None:
    result = run(LATE[what])

    check(result.events)
    summary = json.loads(json.dumps(summarise(report_of(result.campaign))))
    assert differences(recount(result.events), summary) == []
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in result.events)
    assert verifier.result().violations == ()
    statistics, came_to = result.campaign.state.statistics, earned(result)
    listed = {row["trade_id"]: Decimal(row["pnl_usd"]) for row in (*trades(statistics), *unwound(statistics))}
    assert listed == {trade_id: pnl_usd for trade_id, pnl_usd in came_to.items() if pnl_usd}
    assert {trade_id: row["pnl_usd"] for trade_id, row in rows_of(result).items()} == listed
    rate = win_rate(statistics)
    assert rate is not None
    assert rate == Decimal(sum(one > 0 for one in listed.values())) / len(listed)
    for row in rows_of(result).values():
        parts = [
            amount for name, amount in row.items() if name.endswith("_usd") and name not in ("pnl_usd", "fees_usd")
        ]
        assert EXACT.subtract(total(parts), row["fees_usd"]) == row["pnl_usd"]
    totals = result.campaign.state.attributions.totals
    assert EXACT.add(total(totals.parts.values()), totals.residuals_usd) == statistics.pnl_usd
    assert not result.campaign.parts.trades.totals


@pytest.mark.parametrize("what", ["an entry, both legs", "an entry, one leg", "an exit, both legs", "an exit, one leg"])
def test_what_is_learnt_late_comes_to_what_it_would_have_come_to_in_time(what: str) -> None:
    late, in_time = run(LATE[what]), run({})

    assert not [one for one in late.campaign.parts.trades.residuals.values() if one.symbol == "BTCUSDT"]
    times = ("opened_at", "closed_at")
    told, expected = btc(late), btc(in_time)
    assert {key: told[key] for key in told if key not in times} == {
        key: expected[key] for key in expected if key not in times
    }
    assert any(one["symbol"] == "BTCUSDT" for one in late.of_type("residuals_paired")) == ("entry" in what)
    assert "BTCUSDT" not in {one["symbol"] for one in unwound(late.campaign.state.statistics)}


def test_an_entry_without_an_exit_is_closed_at_once_when_it_is_learnt_of() -> None:
    late, in_time = run(LATE["an entry, both legs"], strategy="inventory"), run({}, strategy="inventory")

    check(late.events)
    told, expected = btc(late), btc(in_time)
    assert (told["pnl_usd"], told["fees_usd"], told["exit_reason"]) == (
        expected["pnl_usd"],
        expected["fees_usd"],
        "once",
    )
    assert not late.campaign.parts.trades.positions()
    assert not late.campaign.parts.trades.totals


def test_a_position_that_an_entry_turns_out_to_have_opened_is_exposure_once() -> None:
    result = run(LATE["an entry, both legs"])

    (paired,) = result.of_type("residuals_paired")
    (opened,) = result.of_type("position_opened")
    assert opened["seq"] == paired["seq"] + 1
    verifier = Verifier()
    verifier.fold(result.records[: opened["seq"]])
    assert verifier.result().violations == ()
    assert verifier.result().facts.open_positions == ("t1",)


def test_what_a_trade_was_made_of_is_told_again_once_it_is_over() -> None:
    found = list[Attributed]()
    folds = Folds([Attributions(found.append)])
    for record in run(LATE["an entry, one leg"]).records:
        folds.apply(record)

    first, *_, last = [one for one in found if one.trade_id == "t1"]
    assert (first.trade_id, first.late_usd) == (last.trade_id, None)
    assert last.late_usd is not None
    assert total(last.parts.values()) == last.pnl_usd


def balanced(result: CampaignResult) -> bool:
    """Return whether all that the venues filled is booked, once, and what it left is resolved as it should be."""
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in result.events)
    check(result.events)
    return not (result.campaign.error or result.of_type("balance_differed") or verifier.result().violations)


def test_a_fill_after_the_cancellation_of_the_last_order_is_learnt_before_the_end() -> None:
    """Its stream would tell of it only after the campaign has ended."""
    held, worked = (run({"a": ["3:late_fill"]}, seconds=20, residuals=policy) for policy in ("hold", "work"))

    for result in (held, worked):
        assert balanced(result)
        (reopened,) = result.of_type("order_reopened")
        assert reopened["ts_ns"] - result.of_type("phase_entered")[-2]["ts_ns"] < 10**9
    assert (held.exit_code, worked.exit_code) == (3, 0)
    assert len(held.campaign.parts.trades.residuals) == 1
    assert not worked.campaign.parts.trades.residuals


def test_a_fill_that_is_told_while_the_stream_is_cut_is_asked_for_once_balances_differ() -> None:
    """The order was done, so that nobody asks about it when the stream is back."""
    result = run({"a": ["1:late_fill", "3:acknowledge", "3:cut_stream"]}, seconds=150)

    assert balanced(result)
    (reopened,) = result.of_type("order_reopened")
    assert reopened["client_order_id"].endswith("-1")
    assert 60 <= (reopened["ts_ns"] - result.events[0]["ts_ns"]) / 10**9 < 61


def test_an_order_that_works_off_a_residual_may_fill_after_its_last_word() -> None:
    """Its answer is lost. Its stream tells its last word while the venue is asked about it, which says more."""
    result = run({"a": ["1:late_fill", "4:lose_ack", "4:late_fill"]}, residuals="work")

    assert balanced(result)
    _, reopened = result.of_type("order_reopened")
    (worked,) = result.of_type("residual_worked")[:1]
    assert reopened["client_order_id"] == worked["client_order_id"]
    assert not result.campaign.parts.trades.residuals


def test_a_correction_while_another_exit_is_in_flight_counts_what_that_has_filled() -> None:
    result = run({"a": ["3:late_fill"], "b": ["6:lose_order"]}, first_exit=2.5, rise=0.1, delay_ms=17_500)

    (corrected,) = result.of_type("trade_corrected")
    *_, last = (one for one in result.of_type("pair_opened") if one["symbol"] == "BTCUSDT")
    (ended,) = (one for one in result.of_type("pair_ended") if one["pair_id"] == last["pair_id"])
    assert last["seq"] < corrected["seq"] < ended["seq"]
    assert Decimal(corrected["exit_sell_price"]) != 100
    assert balanced(result)


def test_the_end_waits_for_an_order_that_works_off_a_residual_and_may_be_lost() -> None:
    result = run({"a": ["1:late_fill", "4:lose_order"]}, residuals="work", seconds=7)

    assert balanced(result)
    lost = result.of_type("residual_worked")[0]["client_order_id"]
    (rejected,) = (one for one in result.of_type("order_rejected") if one["client_order_id"] == lost)
    draining = next(one for one in result.of_type("phase_entered") if one["phase"] == "DRAINING")
    assert rejected["seq"] > draining["seq"]
    assert not result.campaign.parts.trades.residuals
