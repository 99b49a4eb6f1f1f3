"""A guard that reduces: the opportunity is sized again below what it leaves, and every tier is asked about that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from trioarb.api import Answer, GuardTier, GuardTierSpec, Opportunity, OrderSize, Record, Refusal, event, text
from trioarb.model.wire import decode, to_json_object
from trioarb.report.trade_timeline import TradeTimeline
from trioarb.testing import (
    CampaignResult,
    ScriptedTape,
    listing,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
)
from trioarb.verify.verification import Verification, Verifier

#: Prices and sizes of what b bids, best first: its last level earns 1 % less than its first.
_LEVELS = ([(102.0, 3.0), (101.0, 10.0)], [(102.1, 3.0), (103.0, 10.0)])


def run(guards: dict[str, Any], *, tier: object | None = None, depth: int = 1) -> CampaignResult:
    table = two_venues()
    table["strategy"] = {"entry_bps": 10, "order_size_usd": 900}
    table["engine"] = {"depth": depth}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1, "max_position_count": 5}} | guards
    rows: dict[str, list[Any]] = {"a": [], "b": []}
    (bids, asks), second_best = _LEVELS, ([99.0], [10.0], [100.5], [10.0])
    for second in range(4):
        rows["a"].append((second, "BTCUSDT", 99.9, 10.0, 100.0, 20.0, second_best))
        beyond = ([bids[1][0]], [bids[1][1]], [asks[1][0]], [asks[1][1]])
        size = bids[0][1] if depth > 1 else 20.0
        rows["b"].append((second, "BTCUSDT", bids[0][0], size, *asks[0], beyond))
    markets = {venue: ScriptedTape(made, listings=[listing("BTC")]) for venue, made in rows.items()}
    plugins: dict[str, object] = {"market": scripted_market(markets)}
    if tier is not None:
        plugins["mine"] = tier
        table["guards"]["mine"] = {}
    return run_virtual(table, plugins=plugins)


def tier_of(answer: Callable[[Opportunity], Refusal | None]) -> object:
    class Mine(GuardTier):
        def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
            return answer(opportunity)

    @asynccontextmanager
    async def opened(settings: object, context: object) -> AsyncIterator[GuardTier]:
        yield Mine()

    return plugin_of(GuardTierSpec(name="mine", doc="a tier", open=opened))


def reduce_to(largest: OrderSize) -> Refusal:
    return Refusal(answer=Answer.REDUCE, rule="most", value="much", limit="less", largest=largest)


def decided(result: CampaignResult) -> list[dict[str, Any]]:
    return [dict(one) for one in result.of_type("decided")]


def verified(records: list[Record]) -> Verification:
    verifier = Verifier()
    verifier.fold(decode(json.dumps(one).encode()) for one in map(to_json_object, records))
    return verifier.result()


def problems(records: list[Record]) -> list[str]:
    return [violation.what for violation in verified(records).violations]


@pytest.mark.parametrize(
    ("guards", "rule"),
    [
        ({"symbol": {"max_position_size_usd": 250, "reduce": True}}, "symbol.position_size"),
        ({"global": {"max_total_exposure_usd": 250, "reduce": True}}, "global.total_exposure"),
        (
            {"portfolio": {"total_capital_usd": 250, "max_symbol_allocation_pct": "1", "reduce": True}},
            "portfolio.allocation",
        ),
    ],
)
def test_what_a_limit_leaves_is_entered(guards: dict[str, Any], rule: str) -> None:
    result = run(guards)

    reduced, allowed = decided(result)[:2]
    assert (reduced["answer"], f"{reduced['tier']}.{reduced['rule']}") == ("REDUCE", rule)
    assert (reduced["largest_usd"], reduced["limit"]) == ("250", "250")
    assert "pair_id" not in reduced
    assert allowed["answer"] == "ALLOW"
    assert Decimal("249.9") < Decimal(allowed["notional_usd"]) <= 250
    opened = result.of_type("pair_opened")[0]
    assert (opened["pair_id"], opened["quantity"]) == (allowed["pair_id"], allowed["quantity"])
    assert verified(list(result.records)).is_sound
    assert result.exit_code == 0


def test_without_the_key_it_is_denied() -> None:
    result = run({"symbol": {"max_position_size_usd": 250}})

    assert result.refusals.keys() == {"symbol.position_size"}
    assert not result.of_type("pair_opened")


def test_an_opportunity_is_sized_again_and_its_edge_is_that_of_the_smaller_size() -> None:
    whole = run({"symbol": {}}, depth=2)
    result = run({"symbol": {"max_position_size_usd": 250, "reduce": True}}, depth=2)

    asked, allowed = decided(result)[:2]
    assert [asked[name] for name in ("quantity", "edge_bps")] == [
        decided(whole)[0][name] for name in ("quantity", "edge_bps")
    ]
    assert len(asked["bids"]) == 2
    assert "bids" not in allowed
    assert Decimal(allowed["edge_bps"]) > Decimal(asked["edge_bps"])
    assert result.of_type("pair_opened")[0]["sell_limit"] == "102"
    assert verified(list(result.records)).is_sound


def test_a_limit_that_is_used_up_denies_and_so_does_one_that_leaves_too_little() -> None:
    result = run(
        {
            "global": {"max_total_exposure_usd": 1_000, "reduce": True},
            "symbol": {"max_position_size_usd": 600, "reduce": True, "max_position_count": 9, "cooldown_seconds": 0},
            "portfolio": {"total_capital_usd": 100_000},
        }
    )

    sizes = [Decimal(one["reserved_usd"]) for one in result.of_type("pair_opened") if one["kind"] == "entry"]
    assert sum(sizes) <= 1_000
    assert len(sizes) >= 2
    denied = [one for one in decided(result) if one["answer"] == "DENY"]
    assert (denied[0]["tier"], denied[0]["rule"]) == ("global", "total_exposure")
    assert denied[0]["value"].endswith("(order_size.below_minimum)")
    assert [one["answer"] for one in decided(result) if one["answer"] != "DENY"][-1] == "ALLOW"
    assert verified(list(result.records)).is_sound


def test_tiers_may_reduce_one_after_the_other() -> None:
    def in_base(opportunity: Opportunity) -> Refusal | None:
        return reduce_to(OrderSize(base=Decimal(1))) if opportunity.quantity > 1 else None

    result = run({"symbol": {"max_position_size_usd": 250, "reduce": True}}, tier=tier_of(in_base))

    answers = decided(result)[:3]
    assert [(one["answer"], one.get("rule")) for one in answers] == [
        ("REDUCE", "position_size"),
        ("REDUCE", "most"),
        ("ALLOW", None),
    ]
    assert Decimal(answers[2]["quantity"]) == 1
    statistics = result.campaign.state.statistics
    assert statistics.reduced == {"symbol.position_size": 1, "mine.most": 1}
    assert statistics.answers[Answer.REDUCE] == 2
    assert statistics.symbols["BTCUSDT"].rejected == sum(result.refusals.values())
    assert verified(list(result.records)).is_sound


def test_who_reduces_without_end_denies() -> None:
    result = run({}, tier=tier_of(lambda asked: reduce_to(OrderSize(usd=asked.notional_usd * Decimal("0.99")))))

    denied = decided(result)
    assert {(one["answer"], one["rule"]) for one in denied} == {("DENY", "most")}
    assert denied[0]["value"] == "much (reduced 8 times)"
    assert result.refusals["mine.most"] > len(denied)


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (OrderSize(usd=Decimal(0)), "largest.usd = Decimal('0'); expected a finite Decimal > 0"),
        (OrderSize(base=Decimal(-1)), "largest.base = Decimal('-1'); expected a finite Decimal > 0"),
        (OrderSize(usd=Decimal("NaN")), "largest.usd = Decimal('NaN'); expected a finite Decimal > 0"),
        (OrderSize(usd=Decimal(10_000)), "expected less than was asked about, 8.8"),
        (OrderSize(), "expected less than was asked about"),
        (OrderSize(usd=Decimal(10), entry_bps=Decimal(1)), "largest.entry_bps = Decimal('1'); expected None"),
    ],
)
def test_a_size_that_can_not_be_is_a_denial(largest: OrderSize, said: str) -> None:
    result = run({}, tier=tier_of(lambda _: reduce_to(largest)))

    denied = decided(result)[0]
    assert (denied["answer"], denied["tier"], denied["rule"]) == ("DENY", "mine", "error")
    assert said in denied["value"]
    assert not result.of_type("pair_opened")


def test_a_trade_says_what_it_was_reduced_by() -> None:
    result = run({"symbol": {"max_position_size_usd": 250, "reduce": True}})
    told = TradeTimeline("t1")
    for record in result.records:
        told.apply(record)

    (line,) = [line for line in told.lines() if "REDUCE" in line]
    asked = text(Decimal(decided(result)[0]["notional_usd"]))
    assert f"{asked} USD, to at most 250 USD (symbol.position_size: {asked}, limit 250)" in line


def _forge(result: CampaignResult, answer: Answer, **changes: Any) -> list[Record]:
    records = list(result.records)
    index = next(
        index
        for index, record in enumerate(records)
        if isinstance(record.event, event.Decided) and record.event.answer is answer
    )
    records[index] = records[index]._replace(event=replace(records[index].event, **changes))
    return records


def test_verify_finds_more_than_was_left() -> None:
    result = run({"symbol": {"max_position_size_usd": 250, "reduce": True}})
    reduce = Answer.REDUCE

    assert "is more than seq" in problems(_forge(result, reduce, largest_usd=Decimal(200)))[0]
    assert "is more than seq" in problems(_forge(result, reduce, quantity=Decimal(2)))[0]
    assert "of which nothing was allowed" in problems(_forge(result, reduce, buy_venue="b", sell_venue="a"))[0]
    assert "without a rule" in problems(_forge(result, reduce, largest_usd=None))[0]
