from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from trioarb.api import (
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    NoSettings,
    Opportunity,
    Refusal,
    hookimpl,
)
from trioarb.report.advice import advise


def advice(ran: Any) -> str:
    sentences = advise(ran.report)
    assert 1 <= len(sentences) <= 3
    assert all(sentence.endswith(".") for sentence in sentences)
    return " ".join(sentences)


def test_there_is_none_after_a_trade(ran: Any) -> None:
    assert advise(ran.report) == ()


def test_no_quotes_at_all(silent: Any) -> None:
    text = advice(silent)

    assert "No quote arrived" in text
    assert "exchanges.a.market, exchanges.b.market" in text
    assert "session." not in text, "the data ended it, no limit did"


def test_no_quotes_before_the_limit(run: Callable[..., Any]) -> None:
    text = advice(run("session.max_iterations=1"))

    assert "No quote arrived in 0 s" in text
    assert "raise session.max_iterations = 1" in text


def test_all_quotes_refused(scripted: Callable[..., Any]) -> None:
    crossed = [(0, 101.0, 100.0), (1, float("nan"), 100.0)]
    text = advice(scripted(a=crossed, b=crossed))

    assert "All 4 quotes were refused" in text
    assert "exchanges.a.market" in text


def test_one_venue_is_silent(scripted: Callable[..., Any]) -> None:
    text = advice(scripted(a=[(0, 99.0, 100.0), (1, 99.0, 100.0)]))

    assert "exchanges.b.market brought none" in text
    assert "exchanges.a.market" not in text


def test_never_two_fresh_quotes(scripted: Callable[..., Any]) -> None:
    text = advice(scripted(a=[(0, 99.0, 100.0)], b=[(5, 99.0, 100.0), (6, 99.0, 100.0)]))

    assert "strategy.max_quote_age_ms = 2000" in text


def test_edge_never_positive(run: Callable[..., Any]) -> None:
    ran = run("exchanges.a.taker_fee_bps=200", "exchanges.b.taker_fee_bps=200")
    text = advice(ran)
    highest = max(task.highest_edge_bps for task in ran.campaign.symbols.values())

    assert "no edge was above zero" in text
    assert f"{highest:.2f} bps" in text
    assert "exchanges.a.taker_fee_bps = 200, exchanges.b.taker_fee_bps = 200" in text


def test_edge_below_the_threshold(run: Callable[..., Any]) -> None:
    ran = run("strategy.entry_bps=500")
    text = advice(ran)
    highest = max(task.highest_edge_bps for task in ran.campaign.symbols.values())

    assert highest > 0
    assert "none reached strategy.entry_bps = 500" in text
    assert f"{highest:.2f} bps" in text
    assert "Lower strategy.entry_bps" in text


def test_a_threshold_that_would_lose_money_is_not_recommended(run: Callable[..., Any]) -> None:
    text = advice(run("strategy.entry_bps=500", "strategy.exit_bps=-499"))

    assert "Lower strategy.entry_bps" not in text
    assert "more than 499 bps" in text


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["exchanges.a.balances={}", "exchanges.b.balances={}"], ".balances.USDT."),
        (
            ["exchanges.a.inventory_usd_per_symbol=0", "exchanges.b.inventory_usd_per_symbol=0"],
            ".inventory_usd_per_symbol = 0.",
        ),
        (["strategy.order_size_usd=1"], "strategy.order_size_usd = 1."),
        (["strategy.order_size_base=1e-12"], "strategy.order_size_base = 0.000000000001."),
    ],
)
def test_over_the_threshold_but_not_sized(run: Callable[..., Any], overrides: list[str], key: str) -> None:
    text = advice(run(*overrides))

    assert "no order could be sized" in text
    assert "below_minimum" in text
    assert text.endswith(key)


def test_what_is_too_good_to_be_true_is_said_so_before_its_size(run: Callable[..., Any]) -> None:
    text = advice(run("strategy.order_size_usd=1", "guards.symbol.max_edge_bps=11"))

    assert "none was sized: symbol.edge_too_good denied" in text
    assert (
        "which comes from guards.symbol.max_edge_bps = 11 (higher edges are no opportunity, but two coins of one"
        in text
    )
    assert "order_size_usd" not in text, "a larger order would not help"


def test_a_limit_whose_digits_have_no_end_is_shortened(run: Callable[..., Any]) -> None:
    text = advice(run("guards.portfolio.total_capital_usd=100", "universe.top_n=7"))

    assert "against a limit of 14.2857, which comes from" in text


def test_what_is_shown_is_too_small(run: Callable[..., Any]) -> None:
    tiny = [f"exchanges.{venue}.market.size_usd=0.01" for venue in "ab"]
    text = advice(run(*tiny, "universe.mode=SINGLE", "universe.symbol=ADAUSDT", "strategy.entry_bps=1"))

    assert "displayed_size." in text
    assert "smallest order of ADAUSDT (5 USDT, in lots of 0.1 ADA)" in text


@pytest.mark.parametrize(
    ("override", "rule", "key"),
    [
        ("guards.symbol.max_position_size_usd=1", "symbol.position_size", "guards.symbol.max_position_size_usd = 1"),
        (
            "guards.portfolio.total_capital_usd=10",
            "portfolio.allocation",
            "guards.portfolio.total_capital_usd = 10 (capital, divided by the symbols of the universe",
        ),
        (
            "guards.global.max_total_exposure_usd=0",
            "global.total_exposure",
            "guards.global.max_total_exposure_usd = 0",
        ),
    ],
)
def test_sized_but_denied(run: Callable[..., Any], override: str, rule: str, key: str) -> None:
    text = advice(run(override))

    assert "the guards allowed none" in text
    assert rule in text
    assert "against a limit of " in text
    assert key in text


class _Curfew(GuardTier):
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        return Refusal(answer=Answer.DENY, rule="night", value="03:00", limit="08:00 to 20:00")


class _CurfewPlugin:
    @hookimpl
    def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
        @asynccontextmanager
        async def opened(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
            yield _Curfew()

        return [GuardTierSpec(name="curfew", doc="", settings=NoSettings, open=opened, rank=50)]


def test_a_third_partys_rule_is_named(run: Callable[..., Any]) -> None:
    text = advice(run("guards.curfew={}", plugins={"curfew": _CurfewPlugin()}))

    assert "curfew.night" in text
    assert "03:00 against a limit of 08:00 to 20:00" in text
    assert "see [guards.curfew]" in text


class _Wrong(GuardTier):
    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        raise ValueError("no such symbol")


class _WrongPlugin:
    @hookimpl
    def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
        @asynccontextmanager
        async def opened(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
            yield _Wrong()

        return [GuardTierSpec(name="wrong", doc="", settings=NoSettings, open=opened, rank=50)]


def test_a_tier_that_fails_is_no_limit(run: Callable[..., Any]) -> None:
    text = advice(run("guards.wrong={}", plugins={"wrong": _WrongPlugin()}))

    assert "check raised ValueError: no such symbol. Its plugin has to be mended." in text
    assert "against a limit" not in text


def test_allowed_but_rejected(run: Callable[..., Any]) -> None:
    text = advice(run("exchanges.b.reject_rate=1"))

    assert "no position came of it" in text
    assert "were rejected" in text
    assert "exchanges.b.reject_rate = 1" in text
    assert "exchanges.a.reject_rate" not in text


def test_allowed_but_too_late(scripted: Callable[..., Any]) -> None:
    gone = scripted(
        "exchanges.a.inventory_usd_per_symbol=0",
        "exchanges.a.latency_ms=1500",
        "exchanges.b.latency_ms=1500",
        "strategy.entry_bps=10",
        a=[(0, 99.9, 100.0), (1, 104.9, 105.0), (3, 104.9, 105.0)],
        b=[(0, 101.0, 101.1), (1, 95.0, 95.1), (3, 95.0, 95.1)],
    )
    text = advice(gone)

    assert "The guards allowed 1 entry" in text
    assert "found nothing at their limit" in text
    assert "exchanges.a.latency_ms = 1500" in text


def test_allowed_but_taken_before_by_ourselves(scripted: Callable[..., Any]) -> None:
    """What a displays is bought at once, and given back since b is gone on arrival; then a displays it on."""
    taken = scripted(
        "session.loop_interval_ms=0",
        "guards.symbol.circuit_breaker_loss_count=9",
        a=[(second, 99.9, 100.0) for second in range(30)],
        b=[(1, 101.0, 101.1), (1.02, 95.0, 95.1), (10, 101.0, 101.1), *((t, 95.0, 101.1) for t in (10.05, 20))],
    )
    text = advice(taken)

    assert "The guards allowed 2 entries, and no position came of it" in text
    assert "orders of ours had taken what is displayed there before" in text
    assert "prices had moved" not in text
    assert "Smaller orders would change that (strategy.order_size_usd = 500)" in text
