"""Whole campaigns, and their books kept a second time from nothing but the events, by code of its own."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from recompute import Books, check

from trioarb.api import GuardContext, GuardTier, GuardTierSpec, NoSettings, Opportunity, Record, Refusal, VenueError
from trioarb.model.wire import decode
from trioarb.state.statistics import RECENT_TRADES
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
    utc_ns,
)
from trioarb.verify.verification import Verifier

SPREAD, CHAOS, TOP10 = (
    (Path(__file__).parents[2] / "configs" / f"{name}.toml").read_text(encoding="utf-8")
    for name in ("spread", "chaos", "top10")
)
#: Without the bound on how far stock drifts, by which little of it, or none, trades nothing.
UNBOUND = "\n".join(line for line in TOP10.splitlines() if not line.startswith("max_imbalance"))
#: The only error of a campaign whose venues work: one is cut off at the very end.
CANT_BE_ASKED = "balances can't be read"
EVERY_QUOTE = ["session.loop_interval_ms=0", "session.max_iterations=1000000", "session.max_runtime_seconds=60"]
SMALL = ["exchanges.a.market.size_usd=50", "exchanges.b.market.size_usd=50"]
MARGIN = [
    f"exchanges.{venue}.{setting}"
    for venue in "ab"
    for setting in ("account=margin", "max_borrow_usd=2000", "inventory_usd_per_symbol=0")
]
DEEP = ["engine.depth=6", *SMALL]


def both(setting: str) -> list[str]:
    return [f"exchanges.{venue}.{setting}" for venue in "ab"]


def held_by_venues(result: CampaignResult) -> dict[str, dict[str, Decimal]]:
    """Return what the venues themselves say they hold, those that can be asked."""

    async def ask() -> dict[str, dict[str, Decimal]]:
        held = {}
        for venue, exchange in result.campaign.world.exchanges.items():
            with suppress(VenueError):
                held[venue] = dict(await exchange.balances())
        return held

    return trio.run(ask)


def agree(result: CampaignResult, books: Books) -> None:
    """Compare the engine's figures with the recomputed ones: equal to the last digit, not nearly."""
    campaign = result.campaign
    statistics, exposure = campaign.state.statistics, campaign.state.exposure
    booked = {
        (venue, asset): (one.initial, one.trades, one.fees, one.final)
        for venue, assets in campaign.parts.ledger.balances().items()
        for asset, one in assets.items()
    }
    assert {key: figures for key, figures in booked.items() if any(figures)} == {
        (venue, asset): (one.initial, one.trades, one.fees, one.final)
        for venue, assets in books.assets.items()
        for asset, one in assets.items()
        if one.initial or one.trades or one.fees
    }
    unanswered_at = {one["venue"] for one in books.orders(books.unanswered)}
    for venue, assets in held_by_venues(result).items():
        if venue in unanswered_at:  # it may have filled what the books don't know of
            continue
        assert {asset: amount for asset, amount in assets.items() if amount} == {
            asset: one.final for asset, one in books.assets[venue].items() if one.final
        }
    for venue, asset in booked:
        assert campaign.parts.ledger.free(venue, asset) == books.assets[venue][asset].free
    assert exposure.exposure_usd() == books.exposure_usd()
    assert exposure.daily_loss_usd(result.events[-1]["ts_ns"]) == books.daily_loss_usd()
    for symbol in campaign.symbols:
        assert exposure.exposure_usd(symbol) == books.exposure_usd(symbol)
        assert statistics.of(symbol).pnl_usd == books.pnl_usd[symbol]
        assert statistics.of(symbol).fees_usd == books.fees_usd[symbol]
    assert exposure.open_positions() == len(books.open_positions)
    assert [position.trade_id for position in campaign.parts.trades.positions()] == books.open_positions
    assert list(campaign.parts.trades.residuals) == books.open_residuals
    assert campaign.parts.ledger.open_orders == books.unanswered
    if not campaign.error:
        assert result.exit_code == (3 if statistics.is_stopped or books.open_residuals or campaign.problems else 0)
    assert statistics.pnl_usd == books.total_pnl_usd
    assert statistics.fees_usd == books.total_fees_usd
    assert {answer.value: count for answer, count in statistics.decisions.items()} == books.decisions
    assert statistics.by_rule == books.by_rule
    assert statistics.closed == len(books.closed_trades)
    recent = list(statistics.recent)
    assert {one.closed.trade_id for one in recent} <= set(books.closed_trades)
    assert len(recent) == min(statistics.closed, RECENT_TRADES)
    for one in recent:
        trade = books.trades[one.closed.trade_id]
        assert (one.closed.pnl_usd, one.closed.fees_usd) == (trade.pnl_usd, trade.fees_usd)


def second_opinion(result: CampaignResult, books: Books) -> None:
    """Hold `trioarb verify` against the recomputation: it finds nothing, and comes to the same."""
    verifier = Verifier()
    verifier.fold(decode(json.dumps(event).encode()) for event in result.events)
    verification = verifier.result()
    assert not verification.violations
    facts = verification.facts
    assert facts.pnl_usd == books.total_pnl_usd
    assert set(facts.open_positions) == set(books.open_positions)
    assert [left.residual_id for left in facts.residuals] == books.open_residuals
    assert set(facts.unknown_orders) == books.unanswered


#: Losses are those that were realised: marks are recorded with answers only.
PLAIN = ('engine.loss_basis="realised"',)


def audited(config: str | Mapping[str, Any], *, plugins: Any = None, overrides: Sequence[str] = ()) -> CampaignResult:
    """Run a campaign, keep its books again, and compare."""
    result = run_virtual(config, plugins=plugins, overrides=[*PLAIN, *overrides])
    assert not result.campaign.error or CANT_BE_ASKED in result.campaign.error
    loaded = result.campaign.config
    limits: dict[str, Any] = {"max_concurrent_pairs": loaded.engine.max_concurrent_pairs}
    limits |= {guard.plugin: attrs.asdict(guard.settings) for guard in loaded.guards}
    borrow_usd = {
        venue: exchange.max_borrow_usd
        for venue, exchange in result.campaign.world.exchanges.items()
        if exchange.account.value == "margin"
    }
    books = check(result.events, limits=limits, borrow_usd=borrow_usd)
    agree(result, books)
    second_opinion(result, books)
    return result


VARIATIONS = {
    "as shipped": [],
    "every quote": EVERY_QUOTE,
    "slow venue": ["exchanges.b.latency_ms=2000"],
    "some rejections": ["exchanges.b.reject_rate=0.3"],
    "rejections on both": both("reject_rate=0.3"),
    "only rejections": ["exchanges.b.reject_rate=1"],
    "fee in what is bought": both("fee_asset=received"),
    "fee in an asset of its own": both("fee_asset=BNB"),
    "fee in an asset of its own, small sizes": [*SMALL, *both("fee_asset=BNB"), *EVERY_QUOTE],
    "rebates in an asset of its own": [*both("fee_asset=BNB"), *both("taker_fee_bps=-0.5")],
    "rebates": both("taker_fee_bps=-0.5"),
    "odd fees": ["exchanges.a.taker_fee_bps=3.7", "exchanges.b.taker_fee_bps=0"],
    "margin": MARGIN,
    "no inventory": both("inventory_usd_per_symbol=0"),
    "margin, slow, partial": [*MARGIN, *SMALL, "exchanges.b.latency_ms=2000"],
    "small sizes": SMALL,
    "small sizes, every quote": [*SMALL, *EVERY_QUOTE],
    "small sizes, fee in what is bought": [*SMALL, *both("fee_asset=received"), *EVERY_QUOTE],
    "no time to hedge": ["execution.hedge_deadline_seconds=0.001", *both("reject_rate=0.5"), *EVERY_QUOTE],
    "no answer in time": ["execution.leg_timeout_seconds=0.5", "exchanges.b.latency_ms=1000", *EVERY_QUOTE],
    "emergency stop": ["guards.global.emergency_stop_loss_usd=0.01", "guards.global.max_daily_loss_usd=0.01"],
    "daily loss": ["guards.global.max_daily_loss_usd=0.5", *EVERY_QUOTE],
    "breaker": ["guards.symbol.circuit_breaker_loss_count=1", "guards.symbol.circuit_breaker_duration=5", *EVERY_QUOTE],
    "no cooldown, tight exposure": [
        "guards.symbol.cooldown_seconds=0",
        "guards.global.max_total_exposure_usd=1500",
        *EVERY_QUOTE,
    ],
    "one position at a time": [
        "guards.symbol.cooldown_seconds=0",
        "guards.symbol.max_position_count=1",
        "engine.max_concurrent_pairs=1",
        *EVERY_QUOTE,
    ],
    "small positions": ["guards.symbol.max_position_size_usd=40", *SMALL, *EVERY_QUOTE],
    "small losses": ["guards.symbol.max_symbol_daily_loss_usd=0.3", "guards.symbol.cooldown_seconds=0", *EVERY_QUOTE],
    "positions kept": ["session.close_positions_at_end=false", "strategy.max_holding_seconds=100"],
    "positions kept, small sizes": ["session.close_positions_at_end=false", *SMALL, *EVERY_QUOTE],
    "several levels": [*DEEP, *EVERY_QUOTE],
    "several levels, slow, margin": [*DEEP, *MARGIN, "exchanges.b.latency_ms=2000"],
    "another unit of account": ["fx.USDT=0.99915", *SMALL],
    "little money": both("balances.USDT=700"),
}


SEEDS = [7, pytest.param(1, marks=pytest.mark.long), pytest.param(23, marks=pytest.mark.long)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("overrides", VARIATIONS.values(), ids=VARIATIONS)
def test_spread_adds_up(overrides: list[str], seed: int) -> None:
    audited(SPREAD, overrides=[f"session.seed={seed}", *overrides])


#: Chances that many more meet, so that much happens in a minute.
LIVELY = ["strategy.skew_bps=5", *both("market.basis_bps=8"), *both("market.dislocations_per_hour=400"), *EVERY_QUOTE]
ONCE = {
    "as shipped": ["session.max_iterations=1000000", "session.max_runtime_seconds=300"],
    "every quote": LIVELY,
    "slow venue": [*LIVELY, "exchanges.b.latency_ms=1000"],
    "small sizes, rejections": [*LIVELY, *SMALL, *both("reject_rate=0.3")],
    "no time to hedge": ["execution.hedge_deadline_seconds=0.001", *both("reject_rate=0.1"), *LIVELY],
    "residuals that stay": [
        *("execution.hedge_deadline_seconds=0.001", "execution.residual_policy=hold"),
        *(*both("reject_rate=0.4"), *LIVELY),
    ],
    "no answer in time": [*LIVELY, "execution.leg_timeout_seconds=0.5", "exchanges.b.latency_ms=1000"],
    "fee in what is bought": [*LIVELY, *both("fee_asset=received")],
    "little stock": [*LIVELY, *both("inventory_usd_per_symbol=700")],
    "on margin": [*LIVELY, *MARGIN],
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("overrides", ONCE.values(), ids=ONCE)
def test_trades_without_an_exit_add_up(overrides: list[str], seed: int) -> None:
    audited(UNBOUND, overrides=[f"session.seed={seed}", *overrides])


def test_trades_without_an_exit_reach_what_they_are_for() -> None:
    def run(name: str) -> CampaignResult:
        return run_virtual(UNBOUND, overrides=ONCE[name])

    for name in ONCE.keys() - {"no answer in time", "residuals that stay"}:
        closed = run(name).of_type("position_closed")
        assert closed, name
        assert {one["reason"] for one in closed} == {"once"}, name
    assert {one["purpose"] for one in run("slow venue").of_type("order_submitted")} == {"leg", "hedge", "unwind"}
    assert run("residuals that stay").of_type("residual_left")
    assert run("no answer in time").of_type("order_unknown")
    assert any("balance" in why for one in run("little stock").of_type("funnel_counted") for why in one["not_sized"])


def test_variations_reach_what_they_are_for() -> None:
    def run(name: str) -> CampaignResult:
        return run_virtual(SPREAD, overrides=VARIATIONS[name])

    assert run("as shipped").of_type("position_closed")
    assert {one["purpose"] for one in run("small sizes, every quote").of_type("order_submitted")} >= {"leg", "hedge"}
    assert "unwind" in {one["purpose"] for one in run("slow venue").of_type("order_submitted")}
    assert run("small sizes").of_type("position_reduced")
    assert run("no time to hedge").of_type("residual_left")
    assert run("no answer in time").of_type("order_unknown")
    assert run("emergency stop").exit_code == 3
    assert run("positions kept").of_type("position_marked")
    assert run("no cooldown, tight exposure").refusals["global.total_exposure"]
    assert run("breaker").refusals["symbol.circuit_breaker"]
    assert run("one position at a time").refusals["symbol.position_count"]
    assert run("one position at a time").refusals["engine.max_concurrent_pairs"]
    assert run("small positions").refusals["symbol.position_size"]
    assert run("small losses").refusals["symbol.daily_loss"]
    assert any(one["dust"] != "0" for one in run("small sizes").of_type("pair_ended"))


#: Without what streams do to orders: a fill that no stream told is a difference of balances in the end.
ANSWERED = [
    *both("late_fill=0"),
    *both("cut_stream=0"),
    *both("early_done=0"),
]
FAULTS = {
    "as shipped": [],
    "answers later than anybody waits": [
        *ANSWERED,
        "execution.leg_timeout_seconds=1",
        *both("disconnect=0.02"),
        *both("disconnect_seconds=15"),
        *both("lose_ack=0.05"),
    ],
    "in small parts, with a fee in what is bought": [
        *ANSWERED,
        "execution.leg_timeout_seconds=2",
        *both("partial=0.5"),
        *both("disconnect=0.01"),
        *both("disconnect_seconds=8"),
        *both("wraps.fee_asset=received"),
        *both("reorder_fills=0"),  # a part of such a fee has no end
    ],
    "on margin": [
        *ANSWERED,
        "execution.leg_timeout_seconds=0.5",
        *both("wraps.account=margin"),
        *both("wraps.max_borrow_usd=20000"),
        *both("wraps.inventory_usd_per_symbol=0"),
        *both("lose_ack=0.1"),
        *both("disconnect=0.02"),
        *both("disconnect_seconds=6"),
    ],
}


def suffering(overrides: Sequence[str], seed: int = 7) -> list[str]:
    shorter = ["session.max_runtime_seconds=300", *both("active_seconds=250")]
    return [*shorter, f"session.seed={seed}", *overrides]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("overrides", FAULTS.values(), ids=FAULTS)
def test_faults_add_up(overrides: list[str], seed: int) -> None:
    result = audited(CHAOS, overrides=suffering(overrides, seed))
    assert not result.campaign.error


@pytest.mark.parametrize("name", list(FAULTS)[1:])
def test_faults_leave_orders_whose_fate_is_learnt_late(name: str) -> None:
    result = run_virtual(CHAOS, overrides=[*suffering(FAULTS[name]), "execution.residual_policy=hold"])
    assert {one["pnl_usd"] == "0" for one in result.of_type("residual_resolved")} == {True, False}
    assert any(one["residual_id"].endswith(".late") for one in result.of_type("residual_left"))


# Cases of their own

CHEAP, DEAR = (100.0, 50.0, 100.1, 50.0), (102.0, 50.0, 102.1, 50.0)


class NeverEnds(BaseException):
    """The campaign records event after event; nothing in the engine may catch this."""


class Fuse(GuardTier):
    """Refuses nothing, but a campaign with so many events isn't going to end."""

    def __init__(self) -> None:
        self._left = 20_000

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return None

    def apply(self, record: Record) -> None:
        self._left -= 1
        if not self._left:
            raise NeverEnds(f"no end in sight: {record}")


@asynccontextmanager
async def open_fuse(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield Fuse()


def scripted(
    rows: Mapping[str, Sequence[ScriptedRow]], bases: Sequence[str], start_ns: int | None = None
) -> dict[str, object]:
    """Return plugins: markets that quote ``rows`` by venue, and the guard tier ``fuse``."""
    listings = [listing(base) for base in bases]
    tapes = {venue: ScriptedTape(rows[venue], listings=listings, start_ns=start_ns) for venue in rows}
    fuse = GuardTierSpec(name="fuse", doc="ends campaigns that never end", open=open_fuse, rank=0)
    return {"scripted": scripted_market(tapes), "fuse": plugin_of(fuse)}


def test_entries_of_one_instant_do_not_spend_the_same_money() -> None:
    bases = ("BTC", "ETH", "XRP")
    rows = {
        "a": [(0.0, f"{base}USDT", *CHEAP) for base in bases],
        "b": [(1.0, f"{base}USDT", *DEAR) for base in bases],
    }
    table = two_venues()
    table["exchanges"]["a"]["balances"] = {"USDT": "1200"}
    result = audited(table, plugins=scripted(rows, bases))
    assert result.of_type("position_opened")
    assert not [one for one in result.of_type("order_rejected") if "insufficient" in one["reason"]]


def test_legs_without_an_answer_are_recorded_in_the_same_order_every_time() -> None:
    rows = {"a": [(0.0, "BTCUSDT", *CHEAP)], "b": [(1.0, "BTCUSDT", *DEAR), (20.0, "BTCUSDT", *DEAR)]}
    table = two_venues()
    table["execution"] = {"leg_timeout_seconds": Decimal("0.25")}
    for venue in table["exchanges"].values():
        venue["latency_ms"] = 300
    runs = [audited(table, plugins=scripted(rows, ["BTC"])).events for _ in range(12)]
    assert len([one for one in runs[0] if one["type"] == "order_unknown"]) == 2
    assert all(run == runs[0] for run in runs)


def test_what_closing_a_position_needs_is_not_spent_on_another_entry() -> None:
    """If venue b spent on ETH what it got for BTC, buying BTC back would leave one leg open."""
    rows = {
        "a": [(0.0, "BTCUSDT", *CHEAP), (0.0, "ETHUSDT", *DEAR)],
        "b": [
            (0.0, "ETHUSDT", *DEAR),
            (1.0, "BTCUSDT", *DEAR),
            (3.0, "ETHUSDT", *CHEAP),
            (6.0, "BTCUSDT", *CHEAP),
            (30.0, "BTCUSDT", *CHEAP),
        ],
    }
    table = two_venues()
    table["exchanges"]["b"]["balances"] = {"USDT": "1"}
    table["strategy"] = {"exit_bps": -30, "max_quote_age_ms": 60_000}
    result = audited(table, plugins=scripted(rows, ["BTC", "ETH"]))
    (closed,) = result.of_type("position_closed")
    assert closed["symbol"] == "BTCUSDT"
    assert not result.of_type("residual_left")
    assert {why for one in result.of_type("funnel_counted") for why in one["not_sized"]} == {
        "balance.b.USDT.below_minimum"
    }


def run_exits_that_fill_nothing(latency_ms: int) -> CampaignResult:
    """Both venues show a little once, and then nothing new until the end: the rest can't be closed for a minute."""
    rows = {
        "a": [(0.0, "BTCUSDT", *CHEAP), (1.5, "BTCUSDT", 100.0, 1.0, 100.1, 1.0), (60.0, "BTCUSDT", *CHEAP)],
        "b": [(1.0, "BTCUSDT", *DEAR), (1.5, "BTCUSDT", 102.0, 1.0, 102.1, 1.0)],
    }
    table = two_venues()
    table["guards"]["fuse"] = {}
    table["session"]["max_runtime_seconds"] = 10
    table["strategy"]["max_holding_seconds"] = 2
    for venue in table["exchanges"].values():
        venue["latency_ms"] = latency_ms
    return audited(table, plugins=scripted(rows, ["BTC"]))


@pytest.mark.parametrize("latency_ms", [0, 40])
def test_an_exit_that_fills_nothing_is_not_tried_again_without_a_pause(latency_ms: int) -> None:
    result = run_exits_that_fill_nothing(latency_ms)
    assert len([one for one in result.of_type("pair_opened") if one["kind"] == "exit"]) < 150


def test_exits_that_fill_nothing_do_not_keep_a_campaign_from_its_end() -> None:
    result = run_exits_that_fill_nothing(40)
    assert result.events[-1]["ended_by"] == "runtime"
    assert result.events[-1]["ts_ns"] - result.events[0]["ts_ns"] < 27 * 10**9  # 10 to run, 15 to close positions


# Random campaigns

BASES = ("BTC", "ETH", "XRP", "PEPE")


def decimals(*texts: str) -> st.SearchStrategy[Decimal]:
    return st.sampled_from([Decimal(text) for text in texts])


@st.composite
def venue_tables(draw: st.DrawFn, prices: Mapping[str, Decimal]) -> dict[str, Any]:
    table: dict[str, Any] = {
        "market": {"plugin": "scripted"},
        "account": draw(st.sampled_from(["spot", "spot", "margin"])),
        "taker_fee_bps": draw(decimals("4", "0", "-2", "0.1", "3.7", "7.5", "30")),
        "fee_asset": draw(st.sampled_from(["quote", "received"])),
        "latency_ms": draw(st.sampled_from([40, 0, 1, 40, 0, 1, 300, 2000])),
        "reject_rate": draw(decimals("0", "0", "0", "0", "0.3", "1")),
        "balances": {"USDT": str(draw(st.sampled_from([100_000, 1_000, 60, 0])))},
        "inventory_usd_per_symbol": draw(st.sampled_from([5_000, 300, 0])),
        "instruments": {},
    }
    if table["account"] == "margin":
        table["max_borrow_usd"] = draw(st.sampled_from([10_000, 250, 0]))
    for base, price in prices.items():
        magnitude = Decimal(10) ** price.adjusted()
        table["instruments"][f"{base}USDT"] = {
            "tick_size": magnitude * draw(decimals("0.0001", "0.00001", "0.00005", "0.001", "0.0003")),
            "lot_size": draw(decimals("0.01", "1", "0.3", "7", "20", "0.000001")) / magnitude,
            "min_notional": draw(decimals("5", "0", "10", "50")),
        }
    return table


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Decimal]]:
    """Return a configuration, and the prices around which its symbols are to be quoted."""
    venues = draw(st.sampled_from(["ab", "ab", "abc", "abcd"]))
    bases = BASES[: draw(st.integers(1, len(BASES)))]
    prices = {base: Decimal(draw(st.integers(11, 89))).scaleb(draw(st.integers(-9, 4))) for base in bases}
    hold = draw(st.sampled_from([None, Decimal("0.5"), 3]))
    table: dict[str, Any] = {
        "session": {
            "clock": "virtual",
            "seed": draw(st.integers(0, 99)),
            "loop_interval_ms": draw(st.sampled_from([0, 0, 50, 700])),
            "max_runtime_seconds": draw(st.sampled_from([120, 3])),
            "close_positions_at_end": draw(st.booleans()),
        },
        "universe": {"source": "scripted", "mode": "FULL_MARKET"},
        "engine": {"max_concurrent_pairs": draw(st.sampled_from([10, 1, 2]))},
        "execution": {
            "hedge_deadline_seconds": draw(decimals("10", "0.5", "0.001")),
            "leg_timeout_seconds": draw(decimals("5", "5", "5", "0.25")),
            "unwind_slippage_bps": draw(st.sampled_from([20, 200, 0])),
        },
        "fx": {"USDT": draw(decimals("1", "0.99915", "0.00072"))},
        "exchanges": {venue: draw(venue_tables(prices)) for venue in venues},
        "strategy": {
            "entry_bps": draw(st.sampled_from([10, 0, 40])),
            "exit_bps": draw(st.sampled_from([-6, 5, -40])),
            "order_size_usd": draw(st.sampled_from([500, 61, 2_000])),
            **({} if hold is None else {"max_holding_seconds": hold}),
        },
        "guards": {
            "fuse": {},
            "global": {
                "max_total_exposure_usd": draw(st.sampled_from([10_000, 600, 150])),
                "max_daily_loss_usd": draw(decimals("1000", "1", "0.01")),
                "emergency_stop_loss_usd": draw(decimals("2000", "2000", "0.3")),
            },
            "portfolio": {
                "total_capital_usd": draw(st.sampled_from([10_000, 1_000])),
                "max_symbol_allocation_pct": draw(decimals("0.3", "1")),
                "weights": {"BTCUSDT": draw(decimals("1", "3"))},
            },
            "symbol": {
                "max_position_size_usd": draw(st.sampled_from([1_000, 500, 100])),
                "max_position_count": draw(st.sampled_from([2, 1, 5])),
                "cooldown_seconds": draw(decimals("0", "0.3", "2")),
                "max_symbol_daily_loss_usd": draw(decimals("200", "0.5")),
                "circuit_breaker_loss_count": draw(st.sampled_from([3, 1, 0])),
                "circuit_breaker_duration": draw(decimals("300", "0.7")),
            },
        },
    }
    usd = table["fx"]["USDT"]
    for venue in table["exchanges"].values():  # the same worth whatever the quote asset is worth
        venue["balances"]["USDT"] = str(Decimal(venue["balances"]["USDT"]) / usd.quantize(Decimal("1e-3") or usd))
    return table, prices


def tapes(
    table: Mapping[str, Any], prices: Mapping[str, Decimal], seed: int, steps: int
) -> dict[str, list[ScriptedRow]]:
    """Return random quotes by venue: at every step some symbols, often all at the same instant, stand apart."""
    chance = random.Random(seed)
    rows: dict[str, list[ScriptedRow]] = {venue: [] for venue in table["exchanges"]}
    usd = float(table["fx"]["USDT"])
    high, gaps = dict.fromkeys(prices, "a"), dict.fromkeys(prices, 0.0)
    at = 0.0
    for step in range(steps):
        at = round(at + chance.choice([0.0, 0.001, 0.04, 0.2, 0.2, 1.0]), 3)
        if step and chance.random() < 0.5:
            for base in prices if chance.random() < 0.5 else [chance.choice(list(prices))]:
                high[base], gaps[base] = chance.choice(list(rows)), chance.choice([0.0, 0.003, 0.008, 0.02])
        for base, price in prices.items():
            for venue in rows:
                if step and chance.random() < 0.3:
                    continue
                tick = table["exchanges"][venue]["instruments"][f"{base}USDT"]["tick_size"]
                middle = float(price) * (1 + gaps[base] * (venue == high[base]) + chance.choice([0, 0, 1e-4, -5e-4]))
                bid = (Decimal(repr(middle)) / tick).to_integral_value() * tick
                if chance.random() < 0.03:
                    bid += tick / 2  # a quote off the venue's own grid
                ask = bid + chance.choice([0, 1, 1, 4]) * tick
                if chance.random() < 0.02:
                    ask = chance.choice([bid - tick, Decimal("NaN"), Decimal(0)])  # to be refused
                worth = usd * middle
                bid_size, ask_size = (chance.choice([5.0, 61.7, 900.0, 900.0, 40_000.0]) / worth for _ in range(2))
                rows[venue].append((at, f"{base}USDT", float(bid), bid_size, float(ask), ask_size))
    return rows


@settings(max_examples=examples(150, 30))
@given(drawn=tables(), seed=st.integers(0, 2**32), steps=st.integers(2, 50), over_midnight=st.booleans())
def test_random_campaigns_add_up_and_keep_every_limit(
    drawn: tuple[dict[str, Any], dict[str, Decimal]], seed: int, steps: int, over_midnight: bool
) -> None:
    table, prices = drawn
    start_ns = utc_ns("2025-06-30T23:59:55") if over_midnight else None
    plugins = scripted(tapes(table, prices, seed, steps), list(prices), start_ns)
    first, again = audited(table, plugins=plugins), run_virtual(table, plugins=plugins, overrides=PLAIN)
    assert first.events == again.events


#: How often an order suffers what, and how long that lasts.
SUFFERED = st.fixed_dictionaries(
    {
        "delay": decimals("0", "0.3"),
        "delay_ms": st.sampled_from([100, 3_000]),
        **{name: decimals("0", "0.1") for name in ("reject", "lose_order", "duplicate_fills", "rate_limit")},
        "partial": decimals("0", "0.5"),
        "lose_ack": decimals("0", "0.3"),
        "disconnect": decimals("0", "0.2"),
        "disconnect_seconds": decimals("0.3", "2", "7"),
        "rate_limit_seconds": decimals("0.5", "4"),
    }
)


@settings(max_examples=examples(100, 20))
@given(
    drawn=tables(),
    seed=st.integers(0, 2**32),
    steps=st.integers(10, 50),
    suffered=st.lists(SUFFERED, min_size=4, max_size=4),
)
def test_random_campaigns_on_faulty_venues_add_up_and_keep_every_limit(
    drawn: tuple[dict[str, Any], dict[str, Decimal]], seed: int, steps: int, suffered: Sequence[dict[str, Any]]
) -> None:
    table, prices = drawn
    plugins = scripted(tapes(table, prices, seed, steps), list(prices))
    for (venue, exchange), faults in zip(list(table["exchanges"].items()), suffered, strict=False):
        market = exchange.pop("market")
        table["exchanges"][venue] = {
            "plugin": "faulty", "market": market, "wraps": {"plugin": "paper", **exchange}, **faults
        }  # fmt: skip
    first, again = audited(table, plugins=plugins), run_virtual(table, plugins=plugins, overrides=PLAIN)
    assert first.events == again.events
