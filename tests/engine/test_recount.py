"""Every figure of a summary, counted a second time from nothing but the events, by code of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomli
from recount import Recount, differences, recount
from streams import STREAMS, stream

from trioarb.cli.running import report_of
from trioarb.model.wire import to_json_object
from trioarb.report.summary import summarise
from trioarb.state.state import State
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    run_virtual,
    scripted_market,
    two_venues,
)

CONFIGS = Path(__file__).parents[2] / "configs"
MANY = "session.max_iterations=1000000"


def config(name: str) -> str:
    return (CONFIGS / f"{name}.toml").read_text(encoding="utf-8")


def everywhere(name: str, setting: str) -> list[str]:
    """Return the setting for each venue of a configuration."""
    return [f"exchanges.{venue}.{setting}" for venue in tomli.loads(config(name))["exchanges"]]


def counted(result: CampaignResult) -> Recount:
    """Return the books of a campaign whose summary says the same, to the last digit."""
    books = recount(result.events)
    # As another program reads it.
    summary = json.loads(json.dumps(summarise(report_of(result.campaign))))
    assert not differences(books, summary)
    return books


#: For how many seconds each is run.
SHIPPED = {"spread": 30, "top10": 120, "maker_taker": 15, "triangular": 40, "kimchi": 60, "top50": 5, "chaos": 80}


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configurations_add_up(name: str, seed: int) -> None:
    seconds = f"session.max_runtime_seconds={SHIPPED[name]}"
    counted(run_virtual(config(name), overrides=[f"session.seed={seed}", seconds, MANY]))


EVERY_QUOTE = ["session.loop_interval_ms=0", "guards.exchange.enabled=false"]
BNB = "fee_assets.BNB.usd=600"
#: Each reaches what it is for; that is the third.
VARIATIONS: Mapping[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "fees in an asset of its own, with a market": (
        "spread",
        [*everywhere("spread", "fee_asset=BNB"), *everywhere("spread", "market.size_usd=50")],
        ["order_filled"],
    ),
    "rebates in an asset of its own": (
        "spread",
        [*everywhere("spread", "fee_asset=BNB"), *everywhere("spread", "taker_fee_bps=-0.5")],
        ["order_filled"],
    ),
    "interest on what is borrowed": (
        "spread",
        [
            *everywhere("spread", "account=margin"),
            *everywhere("spread", "max_borrow_usd=2000"),
            *everywhere("spread", "inventory_usd_per_symbol=0"),
            *everywhere("spread", "borrow_bps_per_day=300"),
            *everywhere("spread", "market.step_ms=4000"),
            "universe.top_n=2",
            "strategy.max_quote_age_ms=9000",
            "session.loop_interval_ms=4000",
            "strategy.exit_bps=90",
            "strategy.max_holding_seconds=3650",
            "session.max_runtime_seconds=3700",
        ],
        ["funding_paid"],
    ),
    "several levels, slow": (
        "spread",
        ["engine.depth=6", *EVERY_QUOTE, *everywhere("spread", "market.size_usd=50"), "exchanges.b.latency_ms=1500"],
        ["position_reduced"],
    ),
    "no time to hedge": (
        "spread",
        ["execution.hedge_deadline_seconds=0.001", *EVERY_QUOTE, *everywhere("spread", "reject_rate=0.5")],
        ["residual_worked", "residual_resolved"],
    ),
    "quotes that rest, with a fee of their own": (
        "maker_taker",
        [*everywhere("maker_taker", "maker_fee_bps=-1"), *everywhere("maker_taker", "resting=queue")],
        ["transaction_opened"],
    ),
    "quotes that rest, hedges that fail": (
        "maker_taker",
        ["execution.hedge_deadline_seconds=0.001", *EVERY_QUOTE, *everywhere("maker_taker", "reject_rate=0.5")],
        ["transaction_opened", "residual_worked"],
    ),
    "quotes without an answer": (
        "maker_taker",
        ["execution.leg_timeout_seconds=0.3", "exchanges.b.latency_ms=1000"],
        ["transaction_opened", "order_unknown", "residual_resolved"],
    ),
    "loops, fees in what is bought": (
        "triangular",
        everywhere("triangular", "fee_asset=received"),
        ["transaction_opened", "dust_left"],
    ),
    "loops that don't even out": (
        "triangular",
        ["execution.hedge_deadline_seconds=0.001", *everywhere("triangular", "reject_rate=0.3")],
        ["transaction_opened", "residual_left"],
    ),
    "loops without an answer": (
        "triangular",
        ["execution.leg_timeout_seconds=0.3", "exchanges.a.latency_ms=1000"],
        ["transaction_opened", "order_unknown", "residual_left"],
    ),
    "two monies, slow, some rejections": (
        "kimchi",
        [*everywhere("kimchi", "latency_ms=1500"), *everywhere("kimchi", "reject_rate=0.2")],
        ["fx_rated", "position_reduced"],
    ),
    "two monies, fees in what is bought": ("kimchi", everywhere("kimchi", "fee_asset=received"), ["fx_rated"]),
    "two monies, fees in a third asset": (
        "kimchi",
        [BNB, *everywhere("kimchi", "fee_asset=BNB"), *everywhere("kimchi", "taker_fee_bps=-0.5")],
        ["fx_rated"],
    ),
    "two monies, orders without an answer": (
        "kimchi",
        ["execution.leg_timeout_seconds=0.3", *everywhere("kimchi", "latency_ms=1000")],
        ["fx_rated", "order_unknown", "residual_left"],
    ),
    "residuals that stay": ("chaos", ["execution.residual_policy=hold"], ["residual_left", "order_unknown"]),
}
SECONDS = {"kimchi": 50, "chaos": 200, "maker_taker": 15}


@pytest.mark.parametrize("name", VARIATIONS)
def test_variations_add_up(name: str) -> None:
    of, overrides, wanted = VARIATIONS[name]
    seconds = f"session.max_runtime_seconds={SECONDS.get(of, 30)}"
    result = run_virtual(config(of), overrides=[seconds, MANY, "session.seed=1", *overrides])
    counted(result)
    assert {*wanted} <= {event["type"] for event in result.events}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_every_kind_add_up(name: str) -> None:
    state, books = State(), recount(map(to_json_object, stream(name)))
    for record in stream(name):
        state.apply(record)
    assert not books.problems
    assert state.statistics.pnl_usd == books.pnl_usd
    assert state.exposure.exposure_usd() == books.holdings.exposure_usd()
    assert state.equity.peak_exposure_usd == books.peak_exposure_usd
    assert {place: (one.free, one.final) for place, one in books.ledger.accounts.items() if one.initial} == {
        (venue, asset): (state.ledger.free(venue, asset), one.final)
        for venue, assets in state.ledger.balances().items()
        for asset, one in assets.items()
        if one.initial
    }


def hedging() -> CampaignResult:
    """Return a campaign whose entry leaves a little long at a, and whose exit leaves less short at b."""
    rows: dict[str, list[ScriptedRow]] = {"a": [], "b": []}
    for second in range(20):
        gap, bid_size = 1.0 if second < 4 else 0.0, 8.85 if second == 4 else 50.0
        rows["a"].append((float(second), "BTCUSDT", 99.9, bid_size, 100.0, 50.0))
        rows["b"].append((float(second), "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0))
        if not second:
            rows["b"].append((0.01, "BTCUSDT", 101.0, 8.85, 101.1, 50.0))
        if second == 4:
            rows["b"].append((4.01, "BTCUSDT", 100.0, 50.0, 100.1, 8.8))
    table = two_venues()
    table["strategy"] |= {"entry_bps": 20, "exit_bps": -30, "order_size_usd": 900}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["execution"] = {"hedge_deadline_seconds": "0.5"}
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 4, "latency_ms": 50, "min_notional": 10, "lot_size": "0.01"}
    tapes = {name: ScriptedTape(made, listings=[listing("BTC")]) for name, made in rows.items()}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def test_what_is_netted_adds_up() -> None:
    result = hedging()
    counted(result)
    assert result.of_type("residuals_netted")


def moving() -> CampaignResult:
    """Return a campaign that buys where it is cheap for a minute, and whose stock is moved back."""
    table = two_venues()
    table["strategy"] = {"plugin": "inventory", "entry_bps": 20, "order_size_usd": 400}
    table["guards"] |= {"global": {"max_total_exposure_usd": 100_000}, "symbol": {"cooldown_seconds": 1}}
    table["guards"]["portfolio"] = {"total_capital_usd": 100_000, "max_symbol_allocation_pct": 1}
    table["transfers"] = {"simulate": True, "check_seconds": 10, "most_fee_bps": 100}
    terms = {"BTC": {"fee": "0.001", "minutes": "0.4"}, "USDT": {"fee": "1", "minutes": "0.4"}}
    table["withdrawals"] = dict.fromkeys("ab", terms)
    tapes = {}
    for venue, paper in table["exchanges"].items():
        paper |= {"tick_size": "0.1", "lot_size": "0.01", "taker_fee_bps": 4, "latency_ms": 20}
        paper |= {"inventory_usd_per_symbol": 2_000, "balances": {"USDT": "3000"}}
        price = 101.0 if venue == "b" else 100.0
        rows: list[ScriptedRow] = [(tick / 2, "BTCUSDT", price, 50.0, price + 0.1, 50.0) for tick in range(120)]
        tapes[venue] = ScriptedTape(rows, listings=[listing("BTC")])
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def forced() -> CampaignResult:
    """Return a campaign whose one contract, sold at b, is closed by force as prices rise."""
    table = two_venues()
    table["strategy"] = {"entry_bps": 40, "exit_bps": 1_000, "order_size_base": 1}
    table["guards"]["symbol"] = {"cooldown_seconds": 100}
    margined = {"account": "perpetual", "leverage": 10, "maintenance_margin_bps": 100, "liquidation_fee_bps": 100}
    table["exchanges"]["b"] |= {**margined, "balances": {"USDT": "20"}, "inventory_usd_per_symbol": 0}
    tapes = {}
    for venue, paper in table["exchanges"].items():
        paper |= {"latency_ms": 100, "tick_size": "0.01", "lot_size": "0.01"}
        rows: list[ScriptedRow] = []
        for tick in range(160):
            second = tick / 4
            price = 100.0 + max(0.0, second - 10) + (1.5 if venue == "b" and 1 <= second < 2 else 0.0)
            rows.append((second, "BTCUSDT", round(price, 2), 50.0, round(price + 0.01, 2), 50.0))
        tapes[venue] = ScriptedTape(rows, listings=[listing("BTC")])
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def test_what_is_closed_by_force_adds_up() -> None:
    result = forced()
    counted(result)
    assert result.of_type("contracts_liquidated")


def test_what_is_moved_adds_up() -> None:
    books = counted(moving())
    assert books.moved.count > len(books.moved.under_way) > 0


# What it is worth

#: Figures that an event has of its own, beside those that all else follows from.
RESULTS = {
    "decided": ("quantity", "notional_usd", "edge_bps"),
    "pair_opened": ("quantity", "buy_limit", "sell_limit", "reserved_usd"),
    "transaction_opened": ("reserved_usd",),
    "order_submitted": ("quantity", "limit_price", "locked"),
    "order_filled": ("quantity", "price", "fee", "fee_value", "fx_rate"),
    "order_cancelled": ("unfilled",),
    "pair_ended": ("bought", "sold", "pnl_usd", "fees_usd", "dust", "dust_value_usd"),
    "position_opened": ("quantity", "buy_price", "sell_price", "cash", "fees", "realised", "exposure_usd"),
    "position_reduced": ("cash", "fees", "realised", "exposure_usd"),
    "position_closed": (
        "quantity",
        "entry_buy_price",
        "entry_sell_price",
        "exit_buy_price",
        "exit_sell_price",
        "pnl_usd",
        "fees_usd",
    ),
    "position_marked": ("quantity", "unrealised_usd"),
    "residual_left": ("quantity", "booked_value", "cost_usd"),
    "residual_taken": ("quantity", "rest", "value", "fees", "booked_value", "cost_usd", "pnl_usd"),
    "residual_resolved": ("pnl_usd", "fees_usd"),
    "residuals_netted": ("quantity", "value", "long_booked_value", "short_cost_usd", "pnl_usd"),
    "trade_corrected": ("before_usd", "pnl_usd", "fees_usd", "late_fees_usd"),
    "dust_left": ("quantity", "booked_value", "cost_usd"),
    "funding_paid": ("quantity", "mark", "rate_bps", "amount", "amount_usd"),
    "contracts_liquidated": ("quantity", "value", "fees", "balance", "maintenance"),
    "transfer_sent": ("amount", "fee", "value_usd", "fee_usd"),
    "transfer_arrived": ("amount",),
    "fx_rated": ("bid", "ask"),
    "markets_marked": ("unrealised_usd",),
    "equity_stated": ("start_usd", "now_usd", "arbitrage_usd", "inventory_usd", "fees_usd", "residuals_usd", "fx_usd"),
    "funnel_counted": ("iterations", "over_threshold", "sized"),
    "route_counted": ("over_threshold", "sized"),
}


@cache
def events(name: str) -> list[Mapping[str, Any]]:
    """Return the events of a stream, or of one of the campaigns above."""
    if name == "netted":
        return [*hedging().events]
    if name == "quotes that rest":
        overrides = ["session.max_runtime_seconds=5", MANY, "session.seed=1"]
        return [*run_virtual(config("maker_taker"), overrides=overrides).events]
    if name == "transfers":
        return [*moving().events]
    if name == "closed by force":
        return [*forced().events]
    if name == "fees in a third asset":
        overrides = [
            *VARIATIONS["fees in an asset of its own, with a market"][1],
            "session.max_runtime_seconds=5",
            MANY,
        ]
        return [*run_virtual(config("spread"), overrides=overrides).events]
    return [to_json_object(record) for record in stream(name)]


def spoiled(name: str) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield the events of a stream with one figure changed in its last digit, once for each figure that it has."""
    seen = set()
    for index, event in enumerate(events(name)):
        if not holds_figures(event, events(name)[index + 1 : index + 2]):
            continue
        for key in RESULTS.get(event["type"], ()):
            if key in event and event[key] not in ({}, None) and (event["type"], key) not in seen:
                seen.add((event["type"], key))
                changed = {**event, key: other(event[key])}
                yield f"{event['type']} {key}", [*events(name)[:index], changed, *events(name)[index + 1 :]]


def holds_figures(event: Mapping[str, Any], following: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether something follows from an event: of an answer only what it allows, of counters the last ones."""
    match event["type"]:
        case "decided":
            return bool(following) and following[0]["type"] == "pair_opened"
        case "fx_rated":
            return bool(event["state"] == "good")
        case "funnel_counted" | "route_counted":
            return bool(event["final"])
    return True


def other(value: Any) -> Any:
    """Return a figure that is off by its last digit; of several, the first is."""
    if isinstance(value, Mapping):
        (first, figure), *rest = value.items()
        return {first: other(figure), **dict(rest)}
    if isinstance(value, int):
        return value + 1
    number = Decimal(value)
    return format(number + Decimal((0, (1,), number.as_tuple().exponent)), "f")


SPOILED = (
    "crumbs",
    "dust",
    "two monies",
    "contracts, with funding",
    "margin, slow venue",
    "residual worked off",
    "position kept",
    "exit learnt late",
    "closed by force",
    "netted",
    "quotes that rest",
    "transfers",
    "fees in a third asset",
)


@pytest.mark.parametrize("name", SPOILED)
def test_a_figure_that_is_off_by_its_last_digit_is_noticed(name: str) -> None:
    unnoticed = [what for what, changed in spoiled(name) if not noticed(changed)]
    assert not unnoticed


def noticed(changed: list[Mapping[str, Any]]) -> bool:
    try:
        return bool(recount(changed).problems)
    except (LookupError, ArithmeticError):
        return True


def test_every_figure_is_spoiled_somewhere() -> None:
    spoilt = {what for name in SPOILED for what, _ in spoiled(name)}
    wanted = {f"{kind} {key}" for kind, keys in RESULTS.items() for key in keys}
    assert wanted == spoilt
