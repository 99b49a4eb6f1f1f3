"""Edges that were decided upon and not earned, recomputed from the events."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from streams import STREAMS, Stream, stream

from trioarb.model.event import Decided, DecisionsRepeated, PairEnded, PairOpened, PositionOpened
from trioarb.model.number import EXACT
from trioarb.model.trade import Answer, PairKind
from trioarb.report.missed import missed
from trioarb.state.state import State
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues


def folded(records: Stream) -> State:
    state = State()
    for record in records:
        state.apply(record)
    return state


def recomputed(records: Stream) -> dict[str, list[Decimal]]:
    """Return by reason: how many, how often repeated, and what they would have earned."""
    found: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    rule_of: dict[int, str] = {}
    edge_of: dict[str, Decimal] = {}
    positions = {record.event.trade_id: record.event for record in records if isinstance(record.event, PositionOpened)}
    opened = {record.event.pair_id: record.event for record in records if isinstance(record.event, PairOpened)}
    rate = next(record.event.fx["USDT"] for record in records if hasattr(record.event, "fx"))

    def add(reason: str, count: int, repeated: int, usd: Decimal) -> None:
        before = found[reason]
        found[reason] = [before[0] + count, before[1] + repeated, EXACT.add(before[2], usd)]

    for seq, _, event in records:
        match event:
            case Decided(answer=Answer.ALLOW, pair_id=str(pair_id), edge_bps=Decimal() as edge):
                edge_of[pair_id] = edge
            case Decided(notional_usd=Decimal() as notional, edge_bps=Decimal() as edge):
                rule_of[seq] = f"{event.tier}.{event.rule}"
                add(rule_of[seq], 1, 0, EXACT.multiply(notional, edge) / 10_000)
            case DecisionsRepeated(decision_seq=seq_of, count=count) if seq_of in rule_of:
                add(rule_of[seq_of], 0, count, Decimal(0))
            case PairEnded(kind=PairKind.ENTRY, pair_id=pair_id, trade_id=trade_id) if pair_id in edge_of:
                pair = opened[pair_id]
                held = positions[trade_id].quantity if trade_id in positions else Decimal(0)
                notional = EXACT.multiply(pair.quantity - held, max(pair.buy_limit, pair.sell_limit))
                if pair.quantity > held:
                    add("not_filled", 1, 0, EXACT.multiply(EXACT.multiply(notional, rate), edge_of[pair_id]) / 10_000)
    return dict(found)


@pytest.mark.parametrize("name", STREAMS)
def test_what_was_missed_is_edge_times_notional_of_what_was_denied_or_not_filled(name: str) -> None:
    records = stream(name)
    expected, state = recomputed(records), folded(records)

    figures: dict[str, Any] = missed(state) or {"by_reason": {}, "routes": {}}
    found = figures["by_reason"]
    assert {reason: [one["count"], one["repeated"], float(one["edge_usd"])] for reason, one in found.items()} == {
        reason: [*one[:2], pytest.approx(float(one[2]))] for reason, one in expected.items()
    }
    of_routes: defaultdict[str, Decimal] = defaultdict(Decimal)
    for by_route in figures["routes"].values():
        for by_reason in by_route.values():
            for reason, one in by_reason.items():
                of_routes[reason] = EXACT.add(of_routes[reason], one["edge_usd"])
    assert of_routes == {reason: one["edge_usd"] for reason, one in found.items()}


def test_some_of_each_kind_were_missed() -> None:
    kinds = {reason for name in STREAMS for reason in recomputed(stream(name))}
    assert "not_filled" in kinds
    assert any(reason.startswith("symbol.") for reason in kinds)


def test_what_a_rule_takes_off_is_missed_and_the_rest_is_not() -> None:
    table = two_venues()
    table["strategy"] = {"entry_bps": 10, "order_size_usd": 900}
    table["guards"] |= {"symbol": {"cooldown_seconds": 100, "reduce": True, "max_position_size_usd": 300}}
    rows = {
        venue: [(float(second), "BTCUSDT", bid, 50.0, bid + 0.1, 50.0) for second in range(4)]
        for venue, bid in (("a", 99.9), ("b", 101.0))
    }
    tapes = {venue: ScriptedTape(of_venue, listings=[listing("BTC")]) for venue, of_venue in rows.items()}
    result = run_virtual(table, plugins={"market": scripted_market(tapes)})

    reduced, allowed = (one for one in result.of_type("decided") if one["answer"] in ("REDUCE", "ALLOW"))
    worth = [Decimal(one["notional_usd"]) * Decimal(one["edge_bps"]) / 10_000 for one in (reduced, allowed)]
    found = result.campaign.state.missed.by_reason()["symbol.position_size"]
    assert found.count == 1
    assert found.edge_usd == worth[0] - worth[1] > 0
