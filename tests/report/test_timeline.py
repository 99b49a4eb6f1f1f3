"""What a journal's timeline tells is what its events say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from streams import STREAMS, Stream, places, stream

from trioarb.model.event import (
    Decided,
    DecisionsRepeated,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
)
from trioarb.model.number import EXACT, text
from trioarb.model.order import Purpose
from trioarb.model.trade import Answer, PairKind
from trioarb.report.aligned import aligned
from trioarb.report.timeline import Timeline, utc
from trioarb.report.trade_timeline import TradeTimeline


def timeline(records: Stream) -> Timeline:
    told = Timeline()
    for record in records:
        told.apply(record)
    return told


def overview(records: Stream) -> list[str]:
    return list(timeline(records).overview("run.journal"))


def trade_timeline(records: Stream, trade_id: str) -> TradeTimeline:
    told = TradeTimeline(trade_id)
    for record in records:
        told.apply(record)
    return told


@pytest.mark.parametrize("name", STREAMS)
def test_the_overview_has_a_line_for_each_trade(name: str) -> None:
    records = stream(name)
    lines = overview(records)

    entries = [records[index].event for index in places(records, PairOpened, kind=PairKind.ENTRY)]
    closed = {records[index].event.trade_id: records[index] for index in places(records, PositionClosed)}
    assert timeline(records).trade_ids == tuple(entry.trade_id for entry in entries)
    for entry in entries:
        (line,) = [line for line in lines if line.split()[:1] == [entry.trade_id]]
        assert f"{entry.buy_venue} → {entry.sell_venue}" in line
        assert line.split()[1] == entry.symbol
        if entry.trade_id in closed:
            record = closed[entry.trade_id]
            assert utc(record.ts_ns) in line
            assert line.endswith(record.event.reason.value)
            assert f" {text(record.event.quantity)} " in line


@pytest.mark.parametrize("name", STREAMS)
def test_a_trade_s_profit_is_the_sum_of_its_parts(name: str) -> None:
    records = stream(name)
    for trade_id in timeline(records).trade_ids:
        told = trade_timeline(records, trade_id)
        pnl_usd = total = Decimal(0)
        left = {
            e.residual_id for e in (r.event for r in records) if isinstance(e, ResidualLeft) and e.trade_id == trade_id
        }
        for record in records:
            match record.event:
                case PairEnded(trade_id=of, pnl_usd=amount) if of == trade_id:
                    pnl_usd = EXACT.add(pnl_usd, amount)
                case ResidualResolved(residual_id=of, pnl_usd=amount) if of in left:
                    pnl_usd = EXACT.add(pnl_usd, amount)
                case ResidualTaken(residual_id=of, pnl_usd=amount) if of in left:
                    pnl_usd = EXACT.add(pnl_usd, amount)
                case ResidualsPaired(trade_id=of, pnl_usd=amount) if of == trade_id:
                    pnl_usd = EXACT.add(pnl_usd, amount)
                case ResidualsNetted(short_id=of, pnl_usd=amount) if of in left:
                    pnl_usd = EXACT.add(pnl_usd, amount)
        for amount in told.parts_usd().values():
            total = EXACT.add(total, amount)
        assert told.pnl_usd == total == pnl_usd


def test_a_trade_s_timeline_names_its_orders_and_why_they_were_sent() -> None:
    records = stream("partial fills")
    index = places(records, OrderSubmitted, purpose=Purpose.HEDGE)[0]
    order = records[index].event
    opened = next(record.event for record in records if getattr(record.event, "pair_id", "") == order.pair_id)
    trade_id = next(records[i].event for i in places(records, PairOpened, pair_id=opened.pair_id)).trade_id
    lines = list(trade_timeline(records, trade_id).lines())

    number = order.client_order_id.rpartition("-")[2]
    (line,) = [line for line in lines if f"hedge, order {number}:" in line]
    assert line.startswith(utc(records[index].ts_ns))
    assert f"{order.side.value} {text(order.quantity)}" in line
    assert "since 3.96 was bought and 3 sold" in line
    assert lines[0].startswith(f"Trade {trade_id}: ")
    assert any("quotes: a asks 100.1 for 50" in line for line in lines)
    assert any("edge 81.841389 bps" in line for line in lines)
    assert any(line.endswith("because of edge") for line in lines)


def test_an_order_of_unknown_fate_is_told_until_it_is_learnt() -> None:
    lines = list(trade_timeline(stream("entry learnt late"), "t1").lines())
    told = [line.partition("  ")[2].strip() for line in lines]

    unanswered = told.index("order 2 has no answer: connection lost; the venue is asked for it")
    learnt = next(number for number, line in enumerate(told) if line.endswith("learnt late"))
    resolved = next(number for number, line in enumerate(told) if line.startswith("residual p1.2 resolved"))
    assert unanswered < learnt < resolved
    assert any("residual p1.2.late" in line for line in told[resolved:])
    assert any(line == "3.96 of p1.1 and p1.2.late are what p1 wanted: -1.2654576 USD" for line in told), told
    assert any(line.startswith("late fills: sold") for line in told)


def test_tries_that_are_alike_are_told_once_with_how_many_came() -> None:
    records = stream("residual")
    hedges = len(places(records, OrderSubmitted, pair_id="p1", purpose=Purpose.HEDGE))
    unwinds = len(places(records, OrderSubmitted, pair_id="p1", purpose=Purpose.UNWIND))
    told = [line.partition("  ")[2].strip() for line in trade_timeline(records, "t1").lines()]

    assert hedges == unwinds > 10
    assert len([line for line in told if line.startswith(("hedge, ", "unwind, "))]) == 2
    assert f"… {hedges - 1} more like these" in told


def test_an_open_position_is_told_with_its_mark() -> None:
    lines = list(trade_timeline(stream("position kept"), "t1").lines())

    assert any("still open: 3.96 BTC, " in line for line in lines)
    assert any(line.strip().startswith("held by what is open") for line in lines)


def test_dust_and_another_unit_of_account_are_part_of_the_timeline() -> None:
    records = stream("dust")
    dusty = next(r.event for r in records if isinstance(r.event, PairEnded) and r.event.dust_value_usd)
    lines = list(trade_timeline(records, dusty.trade_id).lines())
    assert any(f"{text(dusty.dust)} is dust" in line for line in lines)
    assert any(line.strip().startswith("dust, at its value") for line in lines)

    lines = list(trade_timeline(stream("fees in base asset"), "t1").lines())
    assert lines[-1] == "  (at 0.99915 USD per USDT)"


def test_a_trade_that_is_not_there_has_no_timeline() -> None:
    assert list(trade_timeline(stream("partial fills"), "t900").lines()) == []


@pytest.mark.parametrize("name", ["partial fills", "spread", "stop"])
def test_refusals_are_counted_by_rule(name: str) -> None:
    records = stream(name)
    counts: dict[str, int] = {}
    for record in records:
        match record.event:
            case Decided(answer=Answer.DENY | Answer.STOP, tier=tier, rule=rule):
                counts[f"{tier}.{rule}"] = counts.get(f"{tier}.{rule}", 0) + 1
            case DecisionsRepeated(tier=tier, rule=rule, count=count):
                counts[f"{tier}.{rule}"] += count
    lines = overview(records)

    assert counts
    assert f"{sum(counts.values()):,} refusals" in lines
    for rule, count in counts.items():
        (line,) = [line for line in lines if line.split()[:1] == [rule]]
        assert line.split()[1] == f"{count:,}"


def test_a_symbol_s_timeline_has_its_funnel_refusals_and_trades() -> None:
    records = stream("partial fills")
    lines = list(timeline(records).of_symbol("ETHUSDT"))
    rows = {line.split()[0]: line.split() for line in lines if line}

    assert lines[0] == "ETHUSDT"
    allowed = len(places(records, Decided, symbol="ETHUSDT", answer=Answer.ALLOW))
    assert rows["allowed"] == ["allowed", str(allowed)]
    assert rows["closed"] == ["closed", str(len(places(records, PositionClosed, symbol="ETHUSDT")))]
    entries = [records[i].event.trade_id for i in places(records, PairOpened, symbol="ETHUSDT", kind=PairKind.ENTRY)]
    assert [trade_id for trade_id in timeline(records).trade_ids if trade_id in rows] == entries
    first, last = (records[places(records, Decided, symbol="ETHUSDT", answer=Answer.DENY)[i]].ts_ns for i in (0, -1))
    line = next(line for line in lines if line.startswith("symbol.cooldown"))
    assert utc(first) in line
    assert line.split()[1] == "DENY"
    assert "1 s" in line
    assert last >= first


def test_the_overview_says_how_it_ended_and_what_is_left() -> None:
    records = stream("entry learnt late")
    lines = overview(records)
    assert lines[1].endswith("UTC, ended by end_of_data")
    assert not [line for line in lines if line.startswith("Left: ")]
    lines = overview(records[: places(records, ResidualsPaired)[0]])
    assert [line for line in lines if line.startswith("Left: ")] == [
        "Left: p1.1 (BTCUSDT, t1): long 3.96 BTC at a, 396.3960 USD",
        "Left: p1.2.late (BTCUSDT, t1): short 3.96 BTC at b, 399.9600 USD",
    ]
    assert "One trade: trioarb explain run.journal --trade t1" in lines

    lines = overview(stream("entry learnt late")[:20])
    assert lines[1].endswith("not ended: it still runs, or broke off")
    assert any(", if 1816" in line for line in lines if line.startswith("Left: "))

    assert any(line.startswith("Resumed at ") for line in overview(stream("resumed")))


def test_a_timeline_that_has_hardly_begun() -> None:
    assert overview([])[0] == "The journal does not begin with a campaign."
    lines = overview(stream("partial fills")[:1])
    assert "No trades." in lines
    assert "No refusals." in lines
    assert "No counters were recorded." in list(timeline(stream("partial fills")[:1]).of_symbol("BTCUSDT"))


def test_every_kind_of_ending_is_told() -> None:
    endings = {line.split("  ")[-1] for name in STREAMS for line in overview(stream(name)) if line[:1] == "t"}
    assert {"edge", "max_holding", "campaign_end", "emergency_stop", "residual", "open"} <= endings
    assert "flat, evened out" in endings
    assert any("in flight" in line for line in overview(stream("partial fills")[:25]))


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert aligned([("a", "1", "x"), ("bcd", "22", "")], right={1}) == ["a     1  x", "bcd  22"]
