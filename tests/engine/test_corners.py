"""Corners where a campaign once went wrong: limits, lots, remedies and venues that behave in unusual ways."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from trioarb.api import (
    ALWAYS,
    SECOND_NS,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExitBand,
    ExitReason,
    Order,
    OrderRejected,
    OrderReport,
    OrderSize,
    Position,
    Route,
    Strategy,
    StrategyContext,
    StrategySpec,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues

#: (seconds, base, bid, bid_size, ask, ask_size)
Row = tuple[float, str, float, float, float, float]


def run(a: list[Row], b: list[Row], config: dict[str, Any], **plugins: object) -> CampaignResult:
    bases = sorted({row[1] for row in a + b})
    tapes = {
        venue: ScriptedTape([(at, f"{base}USDT", *rest) for at, base, *rest in rows], listings=[*map(listing, bases)])
        for venue, rows in (("a", a), ("b", b))
    }
    return run_virtual(config, plugins={"market": scripted_market(tapes), **plugins})


def exchange(make: Callable[[PaperSettings, ExchangeContext], Exchange]) -> object:
    @asynccontextmanager
    async def opened(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield make(settings, context)

    return plugin_of(ExchangeSpec(name="odd", doc="an odd venue", settings=PaperSettings, open=opened))


def of_type(result: CampaignResult, kind: str) -> list[dict[str, Any]]:
    return [event for event in result.events if event["type"] == kind]


def test_no_entry_is_allowed_after_the_runtime_limit_while_a_pair_is_still_in_flight() -> None:
    config = two_venues()
    config["session"]["max_runtime_seconds"] = 1
    for venue in config["exchanges"].values():
        venue["latency_ms"] = 200
    flat = [(0.0, base, 99.0, 100.0, 100.0, 100.0) for base in ("AAA", "BBB")]
    a = [*flat, (1.1, "BBB", 99.0, 100.0, 100.0, 100.0)]
    b = [*flat, (0.95, "AAA", 101.0, 100.0, 102.0, 100.0), (1.05, "BBB", 101.0, 100.0, 102.0, 100.0)]

    result = run(a, b, config)

    assert [event["symbol"] for event in of_type(result, "decided")] == ["AAAUSDT"]
    assert [event["outcome"] for event in of_type(result, "pair_ended")] == ["hedged", "flat"]
    assert result.events[-1]["ended_by"] == "runtime"


class RaisesAtThird(Strategy):
    max_quote_age_ns = 10**10
    entry_bps = Decimal(10)
    exit_bps = Decimal(-6)

    def __init__(self) -> None:
        self._asked = 0

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        self._asked += 1
        if self._asked == 3:
            raise ValueError("the third is too many")
        return None

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        return None


def test_a_symbol_that_fails_in_its_last_iteration_still_lets_the_campaign_end() -> None:
    @asynccontextmanager
    async def opened(settings: object, context: StrategyContext) -> AsyncIterator[Strategy]:
        yield RaisesAtThird()

    config = two_venues()
    config["session"] |= {"max_iterations": 3, "loop_interval_ms": 500}
    config["strategy"] = {"plugin": "third"}
    rows: list[Row] = [(float(second), "BTC", 99.0, 100.0, 100.0, 100.0) for second in range(1000)]

    result = run(rows, rows, config, strategy=plugin_of(StrategySpec(name="third", doc="fails", open=opened)))

    assert result.events[-1]["ended_by"] == "iterations"
    assert result.campaign.runtime_seconds < 10


class FailsForASecond(Strategy):
    """Enters once; its exit fails from two seconds after the entry on, for a second."""

    entry_bps, exit_bps, max_quote_age_ns = Decimal(10), Decimal(-6), 2 * SECOND_NS

    def __init__(self) -> None:
        self._has_entered = False

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        if self._has_entered or edge_bps < 10:
            return None
        self._has_entered = True
        return OrderSize(usd=Decimal(500), base=None)

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        held_ns = now_ns - position.opened_ns
        if 2 * SECOND_NS <= held_ns < 2.95 * SECOND_NS:
            raise ValueError("not now")
        return ExitReason.MAX_HOLDING if held_ns >= 2 * SECOND_NS else None

    def exit_band(self, position: Position) -> ExitBand:
        return ExitBand(edge_from_bps=ALWAYS, from_ns=position.opened_ns + 2 * SECOND_NS)


@pytest.mark.parametrize("interval_ms", [0, 100])
def test_a_quarantined_symbol_is_not_evaluated_and_begins_anew(interval_ms: int) -> None:
    @asynccontextmanager
    async def opened(settings: object, context: StrategyContext) -> AsyncIterator[Strategy]:
        yield FailsForASecond()

    config = two_venues()
    config["session"]["loop_interval_ms"] = interval_ms
    config["strategy"] = {"plugin": "fails"}
    seconds = [number / 10 for number in range(100)]
    a: list[Row] = [(second, "BTC", 99.9, 100.0, 100.0, 100.0) for second in seconds]
    b: list[Row] = [(second, "BTC", 100.5, 100.0, 100.6, 100.0) for second in seconds]

    result = run(a, b, config, strategy=plugin_of(StrategySpec(name="fails", doc="fails", open=opened)))

    assert [event["failures"] for event in of_type(result, "symbol_quarantined")] == [1]
    (closed,), (restarted,) = of_type(result, "position_closed"), of_type(result, "symbol_restarted")
    assert closed["ts_ns"] - restarted["ts_ns"] < SECOND_NS


def test_each_leg_of_an_exit_goes_down_to_its_own_venues_lot() -> None:
    config = two_venues()
    config["strategy"] = {"order_size_base": 1, "exit_bps": -20}
    config["execution"] = {"dust_usd": 10}
    for venue, lot in (("a", "0.1"), ("b", "0.25")):
        config["exchanges"][venue]["instruments"] = {"BTCUSDT": {"lot_size": lot, "min_notional": 0}}
    later: list[Row] = [(5.0 + second, "BTC", 101.0, 100.0, 101.01, 100.0) for second in range(30)]
    a: list[Row] = [(0.0, "BTC", 99.0, 100.0, 100.0, 0.5), (0.02, "BTC", 99.0, 100.0, 100.0, 0.3), *later]
    b: list[Row] = [(0.0, "BTC", 101.0, 0.5, 102.0, 100.0), (0.02, "BTC", 101.0, 0.25, 102.0, 100.0), *later]

    result = run(a, b, config)

    assert result.exit_code == 0
    (opened,) = of_type(result, "position_opened")
    assert opened["quantity"] == "0.25"
    exit_pair = of_type(result, "pair_ended")[-1]
    assert (exit_pair["bought"], exit_pair["sold"], exit_pair["outcome"]) == ("0.25", "0.2", "flat")
    assert exit_pair["dust"] == "0.05"


def test_a_remedy_that_was_refused_once_is_tried_again_when_the_other_fills_nothing() -> None:
    class RefusesItsSecondOrder(PaperExchange):
        orders = 0

        async def place(self, order: Order) -> OrderReport:
            self.orders += 1
            if self.orders == 2:
                raise OrderRejected("429: too many requests")
            return await super().place(order)

    config = two_venues()
    config["exchanges"]["a"]["plugin"] = "odd"
    config["execution"] = {"max_exit_quote_age_ms": 60_000, "dust_usd": 10}
    a: list[Row] = [(0.0, "BTC", 99.0, 100.0, 100.0, 100.0)]
    a += [(1.0 + second, "BTC", 99.9, 100.0, 100.0, 100.0) for second in range(30)]
    b: list[Row] = [(0.0, "BTC", 99.0, 100.0, 102.0, 100.0), (1.0, "BTC", 101.0, 100.0, 102.0, 100.0)]
    b += [(1.02, "BTC", 50.0, 0.01, 102.0, 100.0)]

    result = run(a, b, config, venue=exchange(RefusesItsSecondOrder))

    assert not of_type(result, "residual_left")
    assert Counter(event["purpose"] for event in of_type(result, "order_submitted"))["unwind"] == 2
    assert result.exit_code == 0


def test_a_venue_that_answers_at_once_gives_the_same_events_every_time() -> None:
    class AnswersAtOnce(PaperExchange):
        async def place(self, order: Order) -> OrderReport:
            return self._arrive(order)

    def events() -> object:
        config = two_venues()
        for venue in config["exchanges"].values():
            venue["plugin"] = "odd"
        quotes: list[Row] = [(0.0, "BTC", 99.0, 100.0, 100.0, 100.0)]
        return run(quotes, [(0.0, "BTC", 101.0, 100.0, 102.0, 100.0)], config, venue=exchange(AnswersAtOnce)).events

    first = events()
    assert all(events() == first for _ in range(11))


def test_a_venue_that_fails_to_grant_inventory_costs_its_symbol_and_not_the_campaign() -> None:
    class GrantsNothing(PaperExchange):
        def seed_inventory(self, *_: object) -> Decimal:
            raise RuntimeError("no inventory here")

    config = two_venues()
    config["exchanges"]["a"]["plugin"] = "odd"
    rows: list[Row] = [(float(second), "BTC", 99.0, 100.0, 100.0, 100.0) for second in range(5)]

    result = run(rows, rows, config, venue=exchange(GrantsNothing))

    (quarantined,) = of_type(result, "symbol_quarantined")
    assert quarantined["error"] == "[exchanges.a]: plugin 'odd': seed_inventory raised RuntimeError: no inventory here"
    assert result.events[-1]["ended_by"] == "end_of_data"


def test_a_side_that_was_withdrawn_is_not_traded_on_and_an_exit_waits_for_it() -> None:
    nan = float("nan")
    config = two_venues()
    config["strategy"] = {"entry_bps": 50, "exit_bps": -40, "max_quote_age_ms": 60_000, "max_holding_seconds": 5}
    config["exchanges"]["b"]["max_quote_age_ms"] = 60_000
    config["execution"] = {"max_exit_quote_age_ms": 60_000}
    a: list[Row] = [(0.0, "BTC", 99.9, 100.0, 100.0, 100.0), (1.0, "BTC", 99.9, 100.0, nan, 100.0)]
    a += [(4.0, "BTC", 99.9, 100.0, 100.0, 100.0), (6.0, "BTC", 0.0, 100.0, 100.0, 100.0)]
    a += [(20.0, "BTC", 99.9, 100.0, 100.0, 100.0), (30.0, "BTC", 99.9, 100.0, 100.0, 100.0)]
    b: list[Row] = [(0.5, "BTC", 99.9, 100.0, 100.0, 100.0), (2.0, "BTC", 101.0, 100.0, 101.1, 100.0)]

    result = run(a, b, config)

    (opened,), (closed,) = of_type(result, "position_opened"), of_type(result, "position_closed")
    start_ns = result.events[0]["ts_ns"]
    assert 4 * SECOND_NS <= opened["ts_ns"] - start_ns < 5 * SECOND_NS
    assert 20 * SECOND_NS <= closed["ts_ns"] - start_ns < 21 * SECOND_NS
    counted = of_type(result, "funnel_counted")[-1]
    assert (counted["seen"], counted["withdrawn"], counted["refused"]) == (8, 2, 0)


@pytest.mark.parametrize("withdrawn", [float("nan"), -1.0])
def test_a_loss_counts_what_is_left_of_a_withdrawn_side_at_its_last_price_and_says_so(withdrawn: float) -> None:
    config = two_venues()
    config["strategy"] = {"entry_bps": 50, "exit_bps": -40, "max_quote_age_ms": 60_000}
    config["engine"] = {"loss_basis": "realised"}
    config["execution"] = {"hedge_deadline_seconds": 1, "residual_policy": "hold"}
    config["guards"]["global"] = {"max_daily_loss_usd": "0.45"}
    config["exchanges"]["b"]["latency_ms"] = 500
    a: list[Row] = [(0.0, base, 99.9, 100.0, 100.0, 100.0) for base in ("BTC", "ETH")]
    a += [(1.2, "BTC", withdrawn, 100.0, 100.0, 100.0), (9.0, "ETH", 99.9, 100.0, 100.0, 100.0)]
    b: list[Row] = [(0.5, base, 99.9, 100.0, 100.0, 100.0) for base in ("BTC", "ETH")]
    b += [(1.0, "BTC", 101.0, 100.0, 101.1, 100.0), (1.3, "BTC", withdrawn, 100.0, 101.1, 100.0)]
    b += [(8.0, "ETH", 101.0, 100.0, 101.1, 100.0), (9.5, "ETH", 101.0, 100.0, 101.1, 100.0)]

    result = run(a, b, config)

    (left,) = of_type(result, "residual_left")
    assert (left["venue"], left["last_price"], "mark_price" in left) == ("a", "99.9", False)
    assert Decimal(left["booked_value"]) == Decimal(left["quantity"]) * Decimal("99.9")
    denied = of_type(result, "decided")[-1]
    assert (denied["symbol"], denied["answer"], denied["rule"]) == ("ETHUSDT", "DENY", "daily_loss")
    assert denied["value"].endswith(" (residuals at last prices: 1)")


def test_a_quote_that_can_not_be_takes_its_venue_off_the_board() -> None:
    config = two_venues()
    config["strategy"] = {"entry_bps": 50, "max_quote_age_ms": 60_000}
    a: list[Row] = [(0.0, "BTC", 99.9, 100.0, 100.0, 100.0), (1.0, "BTC", 101.0, 100.0, 100.0, 100.0)]
    b: list[Row] = [(0.5, "BTC", 99.9, 100.0, 100.0, 100.0), (2.0, "BTC", 101.0, 100.0, 101.1, 100.0)]

    result = run(a, b, config)

    assert not of_type(result, "decided")
    counted = of_type(result, "funnel_counted")[-1]
    assert (counted["refused"], counted["evaluated"], counted["fresh"]) == (1, 3, 1)
