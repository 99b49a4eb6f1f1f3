"""The history of a campaign holds what its state says, over time and taken apart."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest
from streams import STREAMS, stream

from trioarb.journal.fold import Folds
from trioarb.model.contract import ChargeKind
from trioarb.model.event import (
    Decided,
    DecisionsRepeated,
    FundingPaid,
    MarketsMarked,
    OrderFilled,
    Record,
    ResidualLeft,
)
from trioarb.model.number import EXACT
from trioarb.model.order import Side
from trioarb.model.trade import Answer
from trioarb.report.history import History
from trioarb.state.state import State


def total(amounts: Iterable[Decimal]) -> Decimal:
    found = Decimal(0)
    for amount in amounts:
        found = EXACT.add(found, amount)
    return found


def folded(records: Iterable[Record]) -> tuple[History, State]:
    history = History()
    state = State(on_over=history.end_trade)
    folds = Folds([*state.projections, history])
    for record in records:
        folds.apply(record)
    return history, state


@pytest.mark.parametrize("name", STREAMS)
def test_every_way_to_take_pnl_apart_sums_to_all_of_it(name: str) -> None:
    history, state = folded(stream(name))

    pnl = state.statistics.pnl_usd
    unassigned = total(one.usd for one in history.unassigned.values())
    assert total(one.usd for one in history.by_symbol.values()) == pnl
    assert total(one.usd for one in history.by_hour_of_day) == pnl
    assert total(usd for _, usd in history.by_hour.points) == pnl
    assert total([unassigned, *(one.usd for one in history.by_route.values())]) == pnl
    for side in Side:
        assert total([unassigned, *(one.usd for (_, at), one in history.by_place.items() if at is side)]) == pnl
    assert not history.pnl.points or history.pnl.points[-1][1] == pnl
    for symbol, one in history.by_symbol.items():
        assert one.usd == state.statistics.symbols[symbol].pnl_usd


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_counted_is_what_the_journal_says(name: str) -> None:
    records = stream(name)
    history, state = folded(records)

    events = [record.event for record in records]
    fees: dict[str, list[Decimal]] = {}
    for event in events:
        if isinstance(event, OrderFilled):
            fees.setdefault(event.fee_asset, []).append(event.fee)
    assert {asset: total(fee for _, fee in series.points) for asset, series in history.fees.items()} == {
        asset: total(amounts) for asset, amounts in fees.items()
    }
    denied = {rule: total(count for _, count in series.points) for rule, series in history.denials.items()}
    assert denied == {rule: count for rule, count in state.statistics.by_rule.items() if count}
    assert {reason.value: one.count for reason, one in history.exits.items()} == state.statistics.exits
    assert history.holding.count == state.statistics.closed
    assert history.residuals.keys() == state.trades.residuals.keys()
    assert history.residuals_left == sum(isinstance(event, ResidualLeft) for event in events)
    asked = [
        event
        for event in events
        if isinstance(event, Decided)
        and event.edge_bps is not None
        and event.buy_venue is not None
        and event.answer is not Answer.REDUCE
    ]
    assert history.allowed.count == sum(event.answer is Answer.ALLOW for event in asked)
    again = [event for event in events if isinstance(event, DecisionsRepeated)]
    assert len(asked) <= history.seen.count <= len(asked) + sum(event.count for event in again)


@pytest.mark.parametrize("name", STREAMS)
def test_nothing_of_trades_that_are_over_is_kept(name: str) -> None:
    history, state = folded(stream(name))
    open_ids = {position.trade_id for position in state.trades.positions()}
    assert history._held == open_ids
    assert set(history._routes) <= open_ids | {pair.trade_id for pair in state.trades.pairs.values()}
    if not state.trades.pairs:
        assert not history._legs
        assert not history._orders_of
        assert not history._pairs


def test_alone_it_knows_the_same_as_beside_a_state() -> None:
    records = stream("residual")
    alone, (beside, _) = History(), folded(records)
    for record in records:
        alone.apply(record)
    assert alone.filled.histogram() == beside.filled.histogram()
    assert alone.by_route == beside.by_route
    assert alone.pnl == beside.pnl


def test_drawdown_is_how_far_the_worth_fell_below_its_highest() -> None:
    def marked(seconds: int, usd: int) -> Record:
        event = MarketsMarked(reason="minute", bids={}, asks={}, last=(), unrealised_usd={"BTCUSDT": Decimal(usd)})
        return Record(seconds, seconds * 10**9, event)

    history = History()
    for record in [marked(1, 5), marked(2, 12), marked(3, 4), marked(4, 9)]:
        history.apply(record)
    assert [int(usd) for _, usd in history.worth.points] == [5, 12, 4, 9]
    assert [int(usd) for _, usd in history.drawdown.points] == [0, 0, 8, 3]


def test_what_belongs_to_no_trade_is_part_of_pnl_and_of_no_route() -> None:
    paid = FundingPaid(
        charge_id="c1",
        charged_at_ns=10**9,
        kind=ChargeKind.FUNDING,
        venue="a",
        symbol="BTCUSDT",
        quantity=Decimal(1),
        mark=Decimal(100),
        rate_bps=Decimal(-1),
        asset="USDT",
        amount=Decimal("-0.01"),
        amount_usd=Decimal("-0.01"),
    )
    history = History()
    history.apply(Record(1, 10**9, paid))
    assert history.pnl.points == ((10**9, Decimal("-0.01")),)
    assert history.unassigned["BTCUSDT"].usd == history.by_symbol["BTCUSDT"].usd == Decimal("-0.01")
    assert not history.by_route
    assert not history.by_place
