"""What became of the edge of a trade: parts that sum to its PnL, to the last digit."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import tomli
from streams import STREAMS, Stream, stream

from trioarb.journal.fold import Folds
from trioarb.model.event import (
    Decided,
    FundingPaid,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    PositionClosed,
    Record,
    ResidualsPaired,
    TradeCorrected,
)
from trioarb.model.number import EXACT
from trioarb.model.order import Purpose
from trioarb.model.trade import ExitReason, PairKind
from trioarb.model.wire import decode
from trioarb.report.attribution import NAMES, attribution
from trioarb.report.rows import Rows
from trioarb.report.trade_timeline import TradeTimeline
from trioarb.state.attribution import Attributed, Attributions
from trioarb.state.ledger import Ledger
from trioarb.state.state import State
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues

CONFIGS = Path(__file__).parents[2] / "configs"
DEEP = ["engine.depth=6", "exchanges.*.market.size_usd=50", "exchanges.*.latency_ms=600"]


def total(amounts: Any) -> Decimal:
    found = Decimal(0)
    for amount in amounts:
        found = EXACT.add(found, amount)
    return found


def over(records: Stream) -> dict[str, Attributed]:
    """Return the trades that are over, by their ids."""
    found: dict[str, Attributed] = {}
    folds = Folds([Attributions(lambda trade: found.update({trade.trade_id: trade}))])
    for record in records:
        folds.apply(record)
        match record.event:
            case TradeCorrected(trade_id=trade_id) as event if trade_id in found:
                found[trade_id] = found[trade_id].corrected(event)
    return found


@pytest.mark.parametrize("name", STREAMS)
def test_the_parts_of_every_trade_sum_to_what_it_earned(name: str) -> None:
    records = stream(name)
    found, earned, closed = over(records), defaultdict[str, Decimal](Decimal), {}
    #: What a venue closed by force that belonged to no position: nobody decided upon it.
    forced = {
        record.event.trade_id
        for record in records
        if isinstance(record.event, PairOpened)
        and (record.event.kind, record.event.reason) == (PairKind.ENTRY, ExitReason.LIQUIDATED)
    }
    for record in records:
        if isinstance(record.event, PairEnded):
            earned[record.event.trade_id] = EXACT.add(earned[record.event.trade_id], record.event.pnl_usd)
        elif isinstance(record.event, FundingPaid) and record.event.trade_id is not None:
            earned[record.event.trade_id] = EXACT.add(earned[record.event.trade_id], record.event.amount_usd)
        elif isinstance(record.event, TradeCorrected):
            earned[record.event.trade_id] = record.event.pnl_usd
            closed.pop(record.event.trade_id, None)
        elif isinstance(record.event, ResidualsPaired):
            earned[record.event.trade_id] = EXACT.add(earned[record.event.trade_id], record.event.pnl_usd)
        elif isinstance(record.event, PositionClosed):
            closed[record.event.trade_id] = record.event.pnl_usd

    assert set(closed) <= set(found) <= set(earned)
    for trade_id, trade in found.items():
        assert total(trade.parts.values()) == trade.pnl_usd == earned[trade_id]
        assert (trade.decided_bps is None) == (trade_id in forced)
        assert closed.get(trade_id, trade.pnl_usd) == trade.pnl_usd


@pytest.mark.parametrize("name", ["partial fills", "residual", "dust"])
def test_without_a_decision_the_entry_is_one_part(name: str) -> None:
    records = [record for record in stream(name) if not isinstance(record.event, Decided)]

    for trade_id, trade in over(records).items():
        known = over(stream(name))[trade_id]
        assert trade.decided_usd is None
        assert total(trade.parts.values()) == trade.pnl_usd == known.pnl_usd
        entry = ("decided_usd", "unfilled_usd", "latency_usd", "slippage_usd", "uneven_usd")
        assert trade.entry_usd == total(known.parts[part] for part in entry)


@pytest.mark.parametrize("name", STREAMS)
def test_all_trades_together_come_to_the_campaign_s_pnl(name: str) -> None:
    state = State()
    for record in stream(name):
        state.apply(record)

    figures = attribution(state)
    amounts = {} if figures is None else {part: amount for part, amount in figures.items() if part != "entries"}
    assert total(amounts.values()) == state.statistics.pnl_usd


@pytest.mark.parametrize("name", STREAMS)
def test_the_exported_trades_have_them_too_those_that_were_unwound_included(name: str) -> None:
    rows: dict[str, Any] = {}
    made = Rows(lambda table, row: rows.update({row["trade_id"]: row}) if table == "trades" else None)
    folds, earned, state = Folds(made.projections), over(stream(name)), State()
    for record in stream(name):
        folds.apply(record)
        state.apply(record)
    made.finish(Ledger())

    assert len(rows) == state.statistics.closed + state.statistics.unwound_count
    for trade_id, row in rows.items():
        names = (
            "decided",
            "unfilled",
            "latency",
            "slippage",
            "uneven",
            "exit",
            "left",
            "entry",
            "funding",
            "late",
            "fx",
        )
        found = total(row.get(f"{name}_usd", 0) for name in names)
        assert EXACT.subtract(found, row["fees_usd"]) == row["pnl_usd"] == earned[trade_id].pnl_usd
        assert (row["reason"] == "unwound") == (row["quantity"] == 0)


def run(**prices: Any) -> CampaignResult:
    """Run with one trade: 4 BTC, bought at a for 100.1 and sold at b for 101 as decided after a second.

    ``ask`` and ``bid`` are what stands there when the orders arrive, of which ``size`` is displayed.
    """
    table = two_venues()
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_base": 4, "max_holding_seconds": 5}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    for venue in table["exchanges"].values():
        venue |= {"taker_fee_bps": 4, "latency_ms": 200, "tick_size": "0.1", "lot_size": "0.01"}
    ask, bid, size = prices.get("ask", 100.1), prices.get("bid", 101.0), prices.get("size", 9.0)
    a = [(1.0, 100.0, 100.1, 9.0), (1.1, 99.9, ask, 9.0), (2.0, 100.0, 100.1, 9.0), (6.1, 100.0, 100.1, 9.0)]
    b = [(1.0, 101.0, 101.1, 9.0), (1.1, bid, 101.3, size), (2.0, 101.0, 101.1, 9.0), (6.1, 101.0, 101.1, 9.0)]

    def tape(rows: Any) -> ScriptedTape:
        made = [(at, "BTCUSDT", bid, size, ask, size) for at, bid, ask, size in rows]
        return ScriptedTape(made, listings=[listing("BTC")])

    return run_virtual(table, plugins={"market": scripted_market({"a": tape(a), "b": tape(b)})})


def only(result: CampaignResult) -> tuple[Attributed, list[Record]]:
    records = [decode(json.dumps(event).encode()) for event in result.events]
    (trade,) = over(records).values()
    return trade, records


def test_prices_that_move_while_orders_are_on_their_way_are_latency() -> None:
    trade, _ = only(run(ask=100.0, bid=101.2))

    assert trade.decided_usd == 4 * (Decimal("101") - Decimal("100.1"))
    assert trade.latency_usd == 4 * (Decimal("0.1") + Decimal("0.2"))
    assert not trade.unfilled_usd
    assert not trade.slippage_usd
    assert not trade.uneven_usd
    # Closed by time at the touch of the other way round.
    assert trade.exit_usd == 4 * (Decimal("100") - Decimal("101.1"))
    assert trade.decided_bps is not None
    assert trade.sent_bps == trade.decided_bps
    assert trade.filled_bps is not None
    assert trade.filled_bps > trade.decided_bps


def test_what_one_leg_lacks_is_missed_and_the_other_leg_s_surplus_costs_to_be_evened_out() -> None:
    """Of b's leg 3 are filled: the fourth is sold again where it was bought, or sold at b beyond its touch."""
    trade, records = only(run(size=3.0))

    remedies = {
        record.event.client_order_id: record.event
        for record in records
        if isinstance(record.event, OrderSubmitted) and record.event.purpose is not Purpose.LEG
    }
    (fill,) = (r.event for r in records if isinstance(r.event, OrderFilled) and r.event.client_order_id in remedies)
    assert fill.quantity == 1
    assert trade.decided_usd == 4 * Decimal("0.9")
    if fill.venue == "b":
        assert not trade.unfilled_usd
        assert trade.uneven_usd == fill.price - 101
    else:
        assert trade.unfilled_usd == -Decimal("0.9")
        assert trade.uneven_usd == fill.price - Decimal("100.1")
    assert trade.uneven_usd < 0


def test_an_entry_that_filled_nothing_missed_all_of_its_edge() -> None:
    trade, _ = only(run(ask=100.2, bid=100.9))

    assert trade.unfilled_usd == -4 * Decimal("0.9")
    assert trade.decided_usd == 4 * Decimal("0.9")
    assert trade.filled_bps is None
    assert not trade.pnl_usd


def test_what_levels_cost_more_than_they_were_to_is_slippage() -> None:
    """Seven levels are looked at and the books move meanwhile: nothing is lost between the parts."""
    text = (CONFIGS / "spread.toml").read_text(encoding="utf-8")
    result = run_virtual(text, overrides=[*DEEP, "session.max_runtime_seconds=300"])
    trades = over([decode(json.dumps(event).encode()) for event in result.events])

    assert len(trades) > 5
    assert any(trade.slippage_usd for trade in trades.values())
    assert any(trade.latency_usd for trade in trades.values())
    for trade in trades.values():
        assert total(trade.parts.values()) == trade.pnl_usd


def test_explain_says_what_became_of_the_edge() -> None:
    _, records = only(run(ask=100.0))
    told = TradeTimeline("t1")
    for record in records:
        told.apply(record)
    lines = list(told.lines())

    edge = next(number for number, line in enumerate(lines) if line.startswith("Edge: decided "))
    shown = {line.strip().rpartition("  ")[0].strip(): line.split()[-1] for line in lines[edge + 1 :]}
    assert shown["edge decided, before fees"] == "+3.6"
    assert shown["latency: prices moved"] == "+0.4"
    assert Decimal(shown["until it was over"]) == told.pnl_usd


def in_two_monies(*, rate: float, later: float) -> tuple[Attributed, CampaignResult]:
    """Run with one trade: 2 BTC bought for USDT at a and sold for KRW at b; the rate is another once orders arrive."""
    table = two_venues()
    table["strategy"] = {"entry_bps": 20, "exit_bps": -200, "order_size_base": 2, "max_holding_seconds": 3}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["fx"] = {"KRW": {"symbol": "USDTKRW", "markets": ["b"], "outlier_bps": 500}}
    a, b = table["exchanges"].values()
    for venue, money in ((a, "USDT"), (b, "KRW")):
        venue |= {"taker_fee_bps": 4, "latency_ms": 200, "lot_size": "0.01", "balances": {money: "1000000"}}
    b |= {"same_as": {"KRW": "USDT"}, "balances": {"KRW": "100000000"}}
    coins = [(at, "BTCUSDT", 100.0, 9.0, 100.1, 9.0) for at in (1.0, 2.0, 3.0, 5.0)]
    korean = [
        (at, "BTCKRW", 141_000.0 if at < 1.1 else 141_050.0, 9.0, 141_100.0, 9.0) for at in (1.0, 1.1, 2.0, 3.0, 5.0)
    ]
    said = [(at, "USDTKRW", now, 1e6, now + 1, 1e6) for at, now in ((0.5, rate), (1.1, later), (3.0, later))]
    tapes = {
        "a": ScriptedTape(coins, listings=[listing("BTC")]),
        "b": ScriptedTape(
            sorted(korean + said, key=lambda row: row[0]), listings=[listing("BTC", "KRW"), listing("USDT", "KRW")]
        ),
    }
    result = run_virtual(table, plugins={"market": scripted_market(tapes)})
    trade, _ = only(result)
    return trade, result


def test_an_entry_in_two_monies_has_the_same_parts_at_the_rate_of_its_decision_and_one_for_how_that_moved() -> None:
    trade, result = in_two_monies(rate=1_390.0, later=1_396.0)
    decided = next(one for one in result.of_type("decided") if one["answer"] == "ALLOW")
    sold, bought = (
        next(one for one in result.of_type("order_filled") if (one["venue"], one["side"]) == place)
        for place in (("b", "sell"), ("a", "buy"))
    )

    at_decision, at_fill = Decimal(decided["sell_fx"]), Decimal(sold["fx_rate"])
    assert at_decision > at_fill
    assert Decimal(bought["price"]) == Decimal("100.1")
    assert trade.entry_usd is None
    assert trade.decided_usd == EXACT.multiply(2, 141_000 * at_decision - Decimal("100.1"))
    assert trade.latency_usd == EXACT.multiply(100, at_decision)
    assert not trade.unfilled_usd
    assert not trade.slippage_usd
    assert not trade.uneven_usd
    assert trade.fx_usd == EXACT.multiply(2 * 141_050, EXACT.subtract(at_fill, at_decision))
    assert total(trade.parts.values()) == trade.pnl_usd == Decimal(result.of_type("position_closed")[0]["pnl_usd"])
    assert trade.sent_bps is not None
    assert trade.sent_bps == trade.decided_bps == Decimal(decided["edge_bps"])
    assert trade.filled_bps is not None
    assert trade.filled_bps < trade.decided_bps
    # And told of so.
    figures = attribution(result.campaign.state)
    assert figures is not None
    assert figures["fx_usd"] == trade.fx_usd
    assert "rates that moved" in NAMES.values()


def test_a_rate_that_stands_still_is_no_part_of_what_an_entry_brought() -> None:
    trade, _ = in_two_monies(rate=1_390.0, later=1_390.0)
    assert trade.fx_usd == 0


class Entries:
    """What became of entries that were quoted or went around, by code of its own, from the events alone; in fractions.

    Fees are taken in quote asset, and nothing is learnt late.
    """

    def __init__(self, result: CampaignResult) -> None:
        self.parts: dict[str, dict[str, Fraction]] = {}
        self._decided = {one["pair_id"]: one for one in result.of_type("decided") if "pair_id" in one}
        self._purpose = {one["client_order_id"]: one["purpose"] for one in result.of_type("order_submitted")}
        self._fills: defaultdict[str, list[Any]] = defaultdict(list)
        self._taken: defaultdict[str, list[Any]] = defaultdict(list)
        self._left: defaultdict[str, Fraction] = defaultdict(Fraction)
        pair_of = {one["client_order_id"]: one["pair_id"] for one in result.of_type("order_submitted")}
        for one in result.of_type("order_filled"):
            self._fills[pair_of[one["client_order_id"]]].append(one)
        for one in result.of_type("residual_taken"):
            self._taken[one["pair_id"]].append(one)
        for one in result.of_type("residual_left"):
            self._left[one["pair_id"]] += Fraction(one["booked_value"])
        ended = {one["pair_id"]: one for one in result.of_type("pair_ended")}
        rates = result.of_type("campaign_opened")[0]["fx"]
        quotes = {one["symbol"]: one["quote"] for one in result.of_type("instrument_listed")}
        for opened in result.of_type("transaction_opened"):
            usd, pair_id = Fraction(rates[quotes[opened["symbol"]]]), opened["pair_id"]
            of = self._of_a_loop if len(opened["legs"]) == 3 else self._of_a_quote
            parts = {name: amount * usd for name, amount in of(opened).items()}
            self.parts[opened["trade_id"]] = parts | {
                "exit": Fraction(0),
                "fees": -Fraction(ended[pair_id]["fees_usd"]),
                "left": self._left[pair_id] * usd + Fraction(ended[pair_id]["dust_value_usd"]),
            }

    def _orders(
        self, pair_id: str, symbol: str, venue: str, purposes: set[str]
    ) -> list[list[tuple[Fraction, Fraction]]]:
        """Return what a pair's orders at a place traded at which prices, without what was left there before it."""
        by_order: dict[str, list[tuple[Fraction, Fraction]]] = {}
        for one in self._fills[pair_id]:
            order_id = one["client_order_id"]
            if (one["symbol"], one["venue"]) == (symbol, venue) and self._purpose[order_id] in purposes:
                by_order.setdefault(order_id, []).append((Fraction(one["quantity"]), Fraction(one["price"])))
        return list(by_order.values())

    def _of_a_quote(self, opened: Any) -> dict[str, Fraction]:
        pair_id, decided = opened["pair_id"], self._decided[opened["pair_id"]]
        quantity = Fraction(opened["legs"][0]["quantity"])
        margin = latency = slippage = all_cash = Fraction(0)
        nets = list[Fraction]()
        for leg in opened["legs"]:
            sign = 1 if leg["side"] == "sell" else -1
            price = Fraction(leg["limit"] if leg.get("post_only") else decided["bid" if sign > 0 else "ask"])
            margin += sign * price
            orders = self._orders(pair_id, leg["symbol"], leg["venue"], {"hedge", "leg"} if "after" in leg else {"leg"})
            taken = [one for one in self._taken[pair_id] if one["venue"] == leg["venue"]]
            strange = sum((abs(Fraction(one["quantity"])) for one in taken), Fraction(0))
            strange_cash = sum((abs(Fraction(one["value"])) for one in taken), Fraction(0))
            best = min if sign < 0 else max
            sizes = [
                [sum((size for size, _ in fills), Fraction(0)), best(price for _, price in fills)] for fills in orders
            ]
            filled, rest = sum((size for size, _ in sizes), Fraction(0)) - strange, strange
            for one in reversed(sizes):
                part = min(one[0], rest)
                one[0], rest = one[0] - part, rest - part
            moved = sum((sign * size * (top - price) for size, top in sizes), Fraction(0))
            value = sum((size * at for fills in orders for size, at in fills), Fraction(0)) - strange_cash
            latency += moved
            slippage += sign * (value - filled * price) - moved
            here = [one for one in self._fills[pair_id] if one["venue"] == leg["venue"]]
            net = sum(
                (Fraction(one["quantity"]) * (1 if one["side"] == leg["side"] else -1) for one in here), Fraction(0)
            )
            nets.append(net - strange)
            all_cash += sum(
                (
                    Fraction(one["quantity"]) * Fraction(one["price"]) * (1 if one["side"] == "sell" else -1)
                    for one in here
                ),
                Fraction(0),
            )
            all_cash -= sign * strange_cash
        held = max(Fraction(0), min(nets))
        return {
            "decided": quantity * margin,
            "unfilled": (held - quantity) * margin,
            "latency": latency,
            "slippage": slippage,
            "uneven": all_cash - held * margin - latency - slippage,
        }

    def _of_a_loop(self, opened: Any) -> dict[str, Fraction]:
        legs, pair_id = opened["legs"], opened["pair_id"]
        home, cross, other = (Fraction(leg["limit"]) for leg in legs)
        signs = [1 if leg["side"] == "sell" else -1 for leg in legs]
        quantity = Fraction(legs[1]["quantity"])
        margin = signs[0] * home + signs[1] * cross * other
        latency = slippage = cash = Fraction(0)
        around = list[Fraction]()
        for leg, sign, limit, worth in zip(legs, signs, (home, cross, other), (1, other, 1), strict=True):
            orders = self._orders(pair_id, leg["symbol"], leg["venue"], {"leg"})
            best = min if sign < 0 else max
            for fills in orders:
                filled, top = sum(size for size, _ in fills), best(price for _, price in fills)
                latency += sign * filled * (top - limit) * worth
                slippage += sign * sum(size * (price - top) for size, price in fills) * worth
            net = Fraction(0)
            for one in self._fills[pair_id]:
                if one["symbol"] != leg["symbol"]:
                    continue
                size, way = Fraction(one["quantity"]), 1 if one["side"] == "sell" else -1
                net += size * way * sign
                assert one["fee_asset"] == one["quote"]
                cash += Fraction(one["fee"]) * other if leg is legs[1] else way * size * Fraction(one["price"])
            around.append(net * quantity / Fraction(leg["quantity"]) if leg is legs[2] else net)
        even = max(Fraction(0), min(around)) * margin
        return {
            "decided": quantity * margin,
            "unfilled": even - quantity * margin,
            "latency": latency,
            "slippage": slippage,
            "uneven": cash - even - latency - slippage,
        }


def recomputed(result: CampaignResult) -> tuple[dict[str, Attributed], Entries]:
    """Hold the parts of a campaign's trades against code of its own, and return both."""
    trades, ours = over(list(result.records)), Entries(result)
    assert set(trades) == set(ours.parts)
    for trade_id, trade in trades.items():
        assert total(trade.parts.values()) == trade.pnl_usd
        assert trade.entry_usd is None
        told = {name.removesuffix("_usd"): float(amount) for name, amount in trade.parts.items()}
        expected = {name: pytest.approx(float(amount), abs=1e-12) for name, amount in ours.parts[trade_id].items()}
        assert told == expected
    figures = attribution(result.campaign.state)
    assert figures is not None
    assert (
        total(amount for name, amount in figures.items() if name != "entries")
        == result.campaign.state.statistics.pnl_usd
    )
    assert "entry_usd" not in figures
    return trades, ours


def shipped(name: str, **venue: Any) -> CampaignResult:
    table = tomli.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"] |= {"max_runtime_seconds": 300}
    for one in table["exchanges"].values():
        one |= venue
    return run_virtual(table)


@pytest.mark.parametrize(
    ("name", "latency_ms"), [("maker_taker", 20), ("maker_taker", 900), ("triangular", 5), ("triangular", 20)]
)
def test_quotes_and_loops_have_the_same_parts(name: str, latency_ms: int) -> None:
    trades, _ = recomputed(shipped(name, latency_ms=latency_ms))

    assert sum(trade.filled_bps is not None for trade in trades.values()) > 5
    assert any(trade.unfilled_usd for trade in trades.values())
    assert any(trade.latency_usd for trade in trades.values())


def test_how_the_touch_moved_before_a_quote_was_hedged_is_latency() -> None:
    """A purchase rests at 100.2, to be hedged at 100.4; when it fills, 100.3 is bid there."""
    table = two_venues()
    for venue in table["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01", "latency_ms": 20, "taker_fee_bps": 4, "maker_fee_bps": 1}
    table["strategy"] = {
        "plugin": "maker_taker",
        "maker": "a",
        "order_size_base": 2,
        "reach_bps": 30,
        "requote_bps": 99,
    }
    table["guards"]["symbol"] = {"cooldown_seconds": 1_000}
    prices = {"a": [(100.0, 100.4)] * 12 + [(100.0, 100.2)] * 8, "b": [(100.4, 100.6)] * 12 + [(100.3, 100.6)] * 8}

    def tape(venue: str) -> ScriptedTape:
        rows = [(at / 4, "BTCUSDT", bid, 5.0, ask, 5.0) for at, (bid, ask) in enumerate(prices[venue])]
        return ScriptedTape(rows, listings=[listing("BTC")])

    result = run_virtual(table, plugins={"market": scripted_market({"a": tape("a"), "b": tape("b")})})
    (trade,) = recomputed(result)[0].values()

    assert trade.decided_usd == 2 * (Decimal("100.4") - Decimal("100.2"))
    assert trade.latency_usd == -2 * Decimal("0.1")
    assert not trade.unfilled_usd
    assert not trade.slippage_usd
    assert not trade.uneven_usd
    assert trade.sent_bps is None
    (bought, sold) = result.of_type("order_filled")
    paid = Decimal(bought["price"]) * 2 + Decimal(bought["fee"])
    received = Decimal(sold["price"]) * 2 - Decimal(sold["fee"])
    assert trade.filled_bps == pytest.approx(10_000 * (received / paid - 1), abs=Decimal("1e-6"))


def test_the_edges_of_a_loop_are_those_of_going_around() -> None:
    result = shipped("triangular")
    trades = over(list(result.records))

    whole = [trade for trade in trades.values() if not trade.unfilled_usd and trade.filled_bps is not None]
    assert len(whole) > 20
    for trade in whole:
        assert trade.decided_bps is not None
        assert trade.sent_bps == pytest.approx(trade.decided_bps, abs=Decimal("0.5")), "but for what lots leave"
        if not trade.latency_usd and not trade.slippage_usd:
            assert trade.filled_bps == pytest.approx(trade.sent_bps, abs=Decimal("1e-5"))


@pytest.mark.parametrize("name", ["maker_taker", "triangular"])
def test_the_parts_of_quotes_and_loops_sum_to_what_they_earned_where_venues_fail(name: str) -> None:
    table = tomli.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"), parse_float=Decimal)
    table["session"] |= {"max_runtime_seconds": 200}
    faults = {"partial": "0.3", "lose_ack": "0.1", "lose_order": "0.03", "late_fill": "0.1"}
    for key, venue in table["exchanges"].items():
        market = venue.pop("market")
        table["exchanges"][key] = {"plugin": "faulty", **faults, "wraps": venue, "market": market}
    table["guards"]["exchange"] = {"enabled": False}

    result = run_virtual(table)
    trades = over(list(result.records))
    assert any(trade.late_usd for trade in trades.values())
    for trade in trades.values():
        assert trade.entry_usd is None
        assert total(trade.parts.values()) == trade.pnl_usd
    figures = attribution(result.campaign.state)
    assert figures is not None
    amounts = (amount for part, amount in figures.items() if part != "entries")
    assert total(amounts) == result.campaign.state.statistics.pnl_usd
