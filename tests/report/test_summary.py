from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

import trioarb
from trioarb.api import (
    GuardContext,
    GuardTier,
    GuardTierSpec,
    NoSettings,
    Opportunity,
    Refusal,
    hookimpl,
)
from trioarb.report.summary import summarise

#: What residuals bring beyond what they were booked at.
LEFT = {"residual_resolved", "residual_taken", "residuals_netted"}
FUNNEL = [
    "seen",
    "refused",
    "withdrawn",
    "conflated",
    "evaluated",
    "fresh",
    "edge_positive",
    "over_threshold",
    "sized",
    "allowed",
    "sent",
    "filled",
    "closed",
]
ALWAYS = {
    "verdict",
    "error_rates",
    "schema_version",
    "version",
    "campaign_id",
    "config_digest",
    "seed",
    "env",
    "mode",
    "clock",
    "ended_by",
    "exit_code",
    "problems",
    "resumed",
    "recovered",
    "warnings",
    "notes",
    "runtime_seconds",
    "universe",
    "universe_mode",
    "num_symbols",
    "symbols",
    "pnl_usd",
    "unrealised_usd",
    "fees_usd",
    "decisions",
    "pairs",
    "orders",
    "loop_latency_us",
    "process",
    "risk_stats",
    "iterations",
    "funnel",
    "highest_edge_bps",
    "not_sized",
    "routes",
    "balances",
    "closed_trades",
    "trades",
    "open_positions",
    "residuals",
    "dust",
    "equity",
    "unwound",
    "unwound_entries",
}
TRADE = {
    "trade_id",
    "symbol",
    "buy_venue",
    "sell_venue",
    "quantity",
    "entry_buy_price",
    "entry_sell_price",
    "exit_buy_price",
    "exit_sell_price",
    "fees_usd",
    "pnl_usd",
    "opened_at",
    "closed_at",
    "exit_reason",
}


@pytest.fixture(scope="module")
def summary(ran: Any) -> dict[str, Any]:
    return json.loads(json.dumps(summarise(ran.report), allow_nan=False))  # type: ignore[no-any-return]


def test_it_has_these_keys_and_no_others(summary: dict[str, Any]) -> None:
    assert set(summary) == ALWAYS | {"win_rate", "attribution", "missed", "performance"}
    assert summary["schema_version"] == 1
    assert summary["version"] == trioarb.__version__
    assert summary["trades"]
    for trade in summary["trades"]:
        assert set(trade) == TRADE


def test_it_survives_json_unchanged(ran: Any) -> None:
    summary = summarise(ran.report)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_the_reference_documents_keys(summary: dict[str, Any]) -> None:
    assert isinstance(summary["runtime_seconds"], float)
    assert summary["num_symbols"] == len(summary["symbols"]) == 10
    assert summary["universe_mode"] == "TOP_N"
    risk = summary["risk_stats"]
    assert set(risk["global"]) == {
        "total_exposure_usd",
        "total_daily_loss_usd",
        "trades_executed",
        "trades_rejected",
    }
    assert set(risk["portfolio"]) == {"total_allocated_capital", "symbol_allocations"}
    assert list(risk["symbols"]) == summary["symbols"]
    for figures in risk["symbols"].values():
        assert set(figures) == {"trades_executed", "trades_rejected", "circuit_breaker_triggered"}
    assert sum(map(Decimal, risk["portfolio"]["symbol_allocations"].values())) == Decimal(
        risk["portfolio"]["total_allocated_capital"]
    )


def test_the_symbols_figures_sum_to_the_global_ones(ran: Any, summary: dict[str, Any]) -> None:
    risk, decisions = summary["risk_stats"], summary["decisions"]
    for key in ("trades_executed", "trades_rejected"):
        assert risk["global"][key] == sum(figures[key] for figures in risk["symbols"].values())
    assert risk["global"]["trades_executed"] == len(ran.of_type("position_opened"))
    assert risk["global"]["trades_rejected"] == decisions["DENY"] + decisions["STOP"]
    assert sum(decisions["by_rule"].values()) == decisions["DENY"] + decisions["STOP"]


def test_decisions_are_those_of_the_events(ran: Any, summary: dict[str, Any]) -> None:
    counted: Counter[str] = Counter()
    for event in ran.of_type("decided", "decisions_repeated"):
        counted[event["answer"]] += event.get("count", 1)
    assert counted["ALLOW"]
    assert counted["DENY"]
    assert {answer: summary["decisions"][answer] for answer in ("ALLOW", "DENY", "STOP")} == {
        answer: counted[answer] for answer in ("ALLOW", "DENY", "STOP")
    }


def test_the_funnel_narrows(ran: Any, summary: dict[str, Any]) -> None:
    assert list(summary["funnel"]) == summary["symbols"]
    for symbol, funnel in summary["funnel"].items():
        assert list(funnel) == FUNNEL
        assert funnel["seen"] >= funnel["refused"] + funnel["conflated"]
        assert funnel["evaluated"] >= funnel["fresh"] >= funnel["edge_positive"] >= funnel["over_threshold"]
        not_sized = summary["not_sized"]["symbols"][symbol]
        assert funnel["over_threshold"] == funnel["sized"] + sum(not_sized.values())
        assert funnel["sized"] >= funnel["allowed"] >= funnel["sent"] >= funnel["filled"] >= funnel["closed"]
        assert funnel["sized"] == funnel["allowed"] + summary["risk_stats"]["symbols"][symbol]["trades_rejected"]
        assert summary["iterations"][symbol] == funnel["evaluated"] == 50
    finals = {event["symbol"]: event for event in ran.of_type("funnel_counted") if event["final"]}
    assert {symbol: [final[step] for step in FUNNEL[:8]] for symbol, final in finals.items()} == {
        symbol: [funnel[step] for step in FUNNEL[:8]] for symbol, funnel in summary["funnel"].items()
    }


def test_balances_add_up_to_the_last_digit(ran: Any, summary: dict[str, Any]) -> None:
    fees: Counter[tuple[str, str]] = Counter()
    for fill in ran.of_type("order_filled"):
        fees[fill["venue"], fill["fee_asset"]] += Decimal(fill["fee"])  # type: ignore[assignment]
    assert set(summary["balances"]) == {"a", "b"}
    for venue, assets in summary["balances"].items():
        for asset, one in assets.items():
            assert set(one) == {"initial", "trades", "fees", "final"}
            balance = {key: Decimal(value) for key, value in one.items()}
            assert balance["initial"] + balance["trades"] - balance["fees"] == balance["final"]
            assert balance["fees"] == fees[venue, asset]
    assert summary["balances"]["a"]["USDT"]["initial"] == "100000"


def test_trades_sum_to_the_totals(ran: Any, summary: dict[str, Any]) -> None:
    trades = summary["trades"]
    ends = ran.of_type("pair_ended")
    left = [event for event in ran.events if event["type"] in LEFT]
    assert Decimal(summary["pnl_usd"]) == sum(Decimal(event["pnl_usd"]) for event in (*ends, *left))
    assert Decimal(summary["fees_usd"]) == sum(Decimal(event.get("fees_usd", 0)) for event in (*ends, *left))
    traded = {trade["trade_id"] for trade in trades}
    assert sum(Decimal(trade["pnl_usd"]) for trade in trades) == sum(
        Decimal(end["pnl_usd"]) for end in ends if end["trade_id"] in traded
    )
    won = sum(Decimal(trade["pnl_usd"]) > 0 for trade in trades)
    assert Decimal(summary["win_rate"]) == round(Decimal(won) / len(trades), 6)
    assert len(trades) == sum(funnel["closed"] for funnel in summary["funnel"].values())


def test_times_are_utc_to_the_nanosecond(ran: Any, summary: dict[str, Any]) -> None:
    closed = ran.of_type("position_closed")
    for trade, event in zip(summary["trades"], closed, strict=True):
        for key, ns in (("opened_at", event["opened_at_ns"]), ("closed_at", event["ts_ns"])):
            assert trade[key].endswith(f".{ns % 10**9:09d}Z")
            assert datetime.fromisoformat(trade[key]) == datetime.fromtimestamp(ns // 10**9, UTC).replace(
                microsecond=ns % 10**9 // 1000
            )


def test_pairs_and_orders_are_those_of_the_events(ran: Any, summary: dict[str, Any]) -> None:
    for kind in ("entry", "exit"):
        ended = Counter(end["outcome"] for end in ran.of_type("pair_ended") if end["kind"] == kind)
        assert summary["pairs"][kind] == {outcome: ended[outcome] for outcome in ("hedged", "flat", "residual")}
    assert summary["orders"] == {
        "submitted": len(ran.of_type("order_submitted")),
        "fills": len(ran.of_type("order_filled")),
        "cancelled": len(ran.of_type("order_cancelled")),
        "rejected": len(ran.of_type("order_rejected")),
        "unanswered": len(ran.of_type("order_unknown")),
    }


def test_money_is_text_in_plain_digits_and_counts_are_integers(summary: dict[str, Any]) -> None:
    for path, value in _leaves(summary):
        if path[-1].endswith("_usd") or path[0] == "balances" or "price" in path[-1]:
            assert isinstance(value, str), path
            assert set(value) <= set("-0123456789."), path
        if path[0] in ("funnel", "iterations", "not_sized", "orders", "pairs"):
            assert type(value) is int, path
        assert value is not None, path


def test_what_was_not_measured_is_absent(run: Callable[..., Any]) -> None:
    summary = summarise(run("strategy.entry_bps=500").report)

    assert set(summary) == ALWAYS | {"advice"}
    assert summary["trades"] == summary["open_positions"] == summary["residuals"] == []
    assert summary["pnl_usd"] == summary["unrealised_usd"] == summary["fees_usd"] == "0"


def test_without_a_quote_there_is_no_latency_and_no_edge(silent: Any) -> None:
    summary = summarise(silent.report)

    assert set(summary) == (ALWAYS | {"advice"}) - {"loop_latency_us"}
    assert summary["highest_edge_bps"] == {}


def test_positions_that_stay_open_are_marked(run: Callable[..., Any]) -> None:
    ran = run("session.close_positions_at_end=false", "strategy.exit_bps=50")
    summary = summarise(ran.report)
    marks = {mark["trade_id"]: mark["unrealised_usd"] for mark in ran.of_type("position_marked")}

    assert summary["open_positions"]
    assert {one["trade_id"]: one["unrealised_usd"] for one in summary["open_positions"]} == marks
    assert Decimal(summary["unrealised_usd"]) == sum(map(Decimal, marks.values()))
    assert Decimal(summary["risk_stats"]["global"]["total_exposure_usd"]) > 0
    filled = sum(funnel["filled"] for funnel in summary["funnel"].values())
    assert filled == len(summary["open_positions"]) + len(summary["trades"])


def test_an_emergency_stop_is_told(run: Callable[..., Any]) -> None:
    summary = summarise(run("guards.global.emergency_stop_loss_usd=0.0001", "strategy.exit_bps=-40").report)

    assert summary["ended_by"] == "emergency_stop"
    assert summary["exit_code"] == 3
    assert summary["decisions"]["STOP"]
    risk = summary["risk_stats"]
    assert risk["global"]["trades_rejected"] == sum(one["trades_rejected"] for one in risk["symbols"].values())


def test_a_margin_account_is_told(run: Callable[..., Any]) -> None:
    (note,) = summarise(
        run("exchanges.b.account=margin", "exchanges.b.max_borrow_usd=100", "session.max_iterations=1").report
    )["notes"]

    assert "exchanges.b" in note
    assert "no interest" in note


@attrs.frozen(kw_only=True)
class _Mute(GuardTier):
    fails: bool

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return None

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        if self.fails:
            raise ValueError("no figures today")
        return {"asked": {"max": Decimal("1e3")}, "ratio": 0.5, "kinds": ("a", "b")}


class _Tiers:
    """Two tiers of a third party."""

    @hookimpl
    def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
        return [
            GuardTierSpec(name=name, doc="", settings=NoSettings, open=_opener(fails), rank=400)
            for name, fails in (("calm", False), ("mute", True))
        ]


def _opener(fails: bool) -> Any:
    @asynccontextmanager
    async def opened(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
        yield _Mute(fails=fails)

    return opened


def test_other_tiers_tell_their_figures_and_none_can_spoil_the_summary(run: Callable[..., Any]) -> None:
    ran = run("guards.calm={}", "guards.mute={}", "session.max_iterations=2", plugins={"tiers": _Tiers()})
    summary = json.loads(json.dumps(summarise(ran.report), allow_nan=False))

    assert summary["risk_stats"]["calm"] == {"asked": {"max": "1000"}, "ratio": 0.5, "kinds": ["a", "b"]}
    assert "plugin 'mute': stats raised ValueError: no figures today" in summary["risk_stats"]["mute"]["error"]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*path, "[]"))
    else:
        yield path, value
