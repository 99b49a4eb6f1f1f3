"""Shadow mode: the paper model against books that move by a known amount at a known time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from trioarb.cli.running import report_of
from trioarb.engine.shadowing import Shadowing, moments_of
from trioarb.journal.fold import Folds
from trioarb.model.event import (
    Event,
    Look,
    MarketDown,
    MarketUp,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderShadowed,
    OrderSubmitted,
    Record,
    Unmeasured,
)
from trioarb.model.market import Level, TradingRules
from trioarb.model.order import Purpose, Side, TimeInForce
from trioarb.model.wire import decode
from trioarb.quotes.board import QuoteBoard
from trioarb.report.rows import Rows
from trioarb.report.shadow import shadow_lines
from trioarb.report.summary import summarise
from trioarb.state.shadow import LookError, error_of, outcome_of, rested_of
from trioarb.testing import CampaignResult, ScriptedRow, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.findings import Check, Violation
from trioarb.verify.verification import Verifier

D = Decimal
SPREAD = (Path(__file__).parents[2] / "configs" / "spread.toml").read_text(encoding="utf-8")
#: When the gap opens, and how long after it prices move.
START, MOVES_MS = 1.0, 30
#: Best bid, size, best ask, size.
Book = tuple[float, float, float, float]
A, B = (100.00, 9.0, 100.10, 9.0), (101.50, 9.0, 101.60, 9.0)


def rows(first: Book, changes: Sequence[tuple[float, Book]], until: float) -> list[ScriptedRow]:
    """Quotes each quarter of a second, and at each change (seconds after `START`)."""
    times = [tick / 4 for tick in range(int(until * 4))] + [START + at for at, _ in changes]
    found, book, later = list[ScriptedRow](), first, list(changes)
    for at in sorted(set(times)):
        while later and START + later[0][0] <= at:
            book = later.pop(0)[1]
        found.append((at, "BTCUSDT", *book))
    return found


def run(
    *,
    latency_ms: float = 0,
    a: Sequence[tuple[float, Book]] = (),
    b: Sequence[tuple[float, Book]] = (),
    mode: str = "shadow",
    until: float = 10,
    more: Sequence[str] = (),
    **strategy: Any,
) -> CampaignResult:
    """One entry: bought at a and sold at b as soon as their books are there, and held."""
    table = two_venues()
    held = {"exit_bps": 2000, "max_holding_seconds": 1000}
    table["strategy"] = {"entry_bps": 20, "order_size_usd": 500, **(strategy or held)}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["session"] |= {"close_positions_at_end": False, "mode": mode, "shadow_after_ms": [20, 50, 1000]}
    table["execution"] = {"residual_policy": "hold"}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": str(latency_ms), "tick_size": "0.01", "lot_size": "0.01", "taker_fee_bps": 1}
    closed = (100.00, 9.0, 100.10, 9.0)
    tapes = {
        "a": ScriptedTape(rows(A, a, until), listings=[listing("BTC")]),
        "b": ScriptedTape(rows(closed, [(0, B), *b], until), listings=[listing("BTC")]),
    }
    return run_virtual(table, plugins={"market": scripted_market(tapes)}, overrides=more)


def records(result: CampaignResult) -> list[Record]:
    return [decode(json.dumps(event).encode()) for event in result.events]


def shadowed(result: CampaignResult) -> dict[str, OrderShadowed]:
    """Return the first comparison at each venue."""
    found = dict[str, OrderShadowed]()
    for record in records(result):
        if isinstance(record.event, OrderShadowed):
            found.setdefault(record.event.venue, record.event)
    return found


def violations(records: Sequence[Record]) -> list[Violation]:
    verifier = Verifier()
    verifier.fold(records)
    return list(verifier.result().violations)


def figures(result: CampaignResult, venue: str, at: str) -> Any:
    return result.campaign.state.shadow.compared[venue][at]


def test_a_model_without_latency_is_too_good_by_what_the_book_moved() -> None:
    result = run(a=[(MOVES_MS / 1000, (100.40, 9.0, 100.50, 9.0))])

    bought = shadowed(result)["a"]
    quantity = bought.quantity
    assert [(fill.price, fill.size) for fill in bought.fills] == [(D("100.1"), quantity)]
    # Before it moved, the model is right; after it, nothing is had within the limit, and the rest costs 0.40 more.
    for at, error in (("x1", 0), ("20ms", 0), ("50ms", D("0.4")), ("1000ms", D("0.4"))):
        one = figures(result, "a", at)
        assert (one.looks, one.cost_usd) == (1, error * quantity), at
        assert one.same == (not error)
        assert one.book_share == (not error)
        assert one.model_share == 1
    assert figures(result, "b", "50ms").cost_usd == 0
    overall = result.campaign.state.shadow.overall["50ms"]
    assert (overall.looks, overall.cost_usd) == (2, D("0.4") * quantity)
    assert not violations(records(result))


def test_a_worse_price_within_the_limit_is_the_error_in_basis_points() -> None:
    # The whole of b goes, then comes back better: the unwind's limit leaves room, and it would have sold at 101.60.
    result = run(b=[(MOVES_MS / 1000, (101.60, 9.0, 101.70, 9.0))])

    sold = shadowed(result)["b"]
    look = {one.at: one for one in sold.looks}["50ms"]
    assert look.levels == (Level(D("101.6"), sold.quantity),)
    one = figures(result, "b", "50ms")
    # Sold at 101.50 by the model, and at 101.60 by the book: the model is worse than that, and its error below zero.
    assert one.cost_usd == D("-0.1") * sold.quantity
    assert one.mean_bps == (D(-10_000) * D("0.1") / D("101.5")).quantize(D("0.0001"))
    assert (one.percentile_bps(50), one.worst_bps) == (D("-9.85"), D("-9.85"))
    assert one.same == 1


def test_a_model_with_the_right_latency_has_no_error_at_all() -> None:
    result = run(a=[(MOVES_MS / 1000, (100.40, 9.0, 100.50, 9.0))], latency_ms=50)

    bought, found = shadowed(result)["a"], result.campaign.state.shadow
    assert not bought.fills
    assert [look.at for look in bought.looks] == ["20ms", "x0.5", "x1", "50ms", "x2", "x5", "1000ms"]
    by_look = {look.at: outcome_of(look.levels, bought.quantity) for look in bought.looks}
    assert (by_look["x0.5"], by_look["x1"], by_look["x2"]) == ("full", "none", "none")
    # All orders, those included that even out the leg at b.
    right = found.overall["x1"]
    assert right.looks == found.orders.total() > 2
    assert (right.same, right.cost_usd, set(right.errors)) == (right.looks, 0, {0})


def test_a_whole_campaign_has_no_error_at_its_own_latency_and_one_at_others() -> None:
    result = run_virtual(
        SPREAD,
        overrides=["session.mode=shadow", "session.max_runtime_seconds=400", "session.max_iterations=1000000"],
    )

    overall = result.campaign.state.shadow.overall
    assert overall["x1"].looks > 100
    assert (overall["x1"].same, overall["x1"].cost_usd) == (overall["x1"].looks, 0)
    assert not any(overall["x1"].errors.keys())
    assert overall["x1"].taken
    assert overall["1000ms"].cost_usd > 1
    assert overall["1000ms"].same < overall["1000ms"].looks
    submitted = {event["client_order_id"] for event in result.of_type("order_submitted")}
    assert {event["client_order_id"] for event in result.of_type("order_shadowed")} == submitted
    assert len(result.of_type("order_shadowed")) == len(submitted)
    assert not violations(records(result))


def test_two_runs_say_the_same_and_other_modes_say_nothing() -> None:
    moves = [(MOVES_MS / 1000, (100.40, 9.0, 100.50, 9.0))]
    first, again, paper = run(a=moves), run(a=moves), run(a=moves, mode="paper")

    assert first.events == again.events
    assert not paper.of_type("order_shadowed")
    assert paper.campaign.shadowing is None
    assert paper.campaign.state.shadow.orders.total() == 0
    assert "shadow" not in summarise(report_of(paper.campaign, None))
    # But for what is said of the orders, nothing happens otherwise.
    assert told(first) == told(paper)


def told(result: CampaignResult) -> list[dict[str, Any]]:
    digits = {"seq", "campaign_id", "config_digest", "client_order_id", "decision_seq", "fill_id", "mode"}
    return [
        {name: value for name, value in event.items() if name not in digits}
        for event in result.events
        if event["type"] != "order_shadowed"
    ]


def test_what_cannot_be_measured_is_said_and_never_guessed() -> None:
    withdrawn = run(a=[(MOVES_MS / 1000, (100.00, 9.0, 0.0, 0.0))])
    assert {look.at: look.unmeasured for look in shadowed(withdrawn)["a"].looks} == {
        "x1": None,
        "20ms": None,
        "50ms": Unmeasured.WITHDRAWN,
        "1000ms": Unmeasured.WITHDRAWN,
    }
    ended = run(until=1.5)
    looks = {look.at: look.unmeasured for look in shadowed(ended)["a"].looks}
    assert looks == {"x1": None, "20ms": None, "50ms": None, "1000ms": Unmeasured.ENDED}
    one = figures(ended, "a", "1000ms")
    assert (one.looks, one.cost_usd, one.unmeasured) == (0, 0, {"ended": 1})

    stale = run(more=["engine.market_stale_seconds=0.03"])
    assert {look.at: look.unmeasured for look in shadowed(stale)["a"].looks}["50ms"] is Unmeasured.DOWN
    for result in (withdrawn, ended, stale):
        assert not violations(records(result))


def test_what_an_earlier_order_of_ours_took_is_not_there_for_the_next() -> None:
    """One level of 9.0 that stays: two orders of 4.92 are more than it has for both."""
    result = run(plugin="inventory", more=["guards.symbol.cooldown_seconds=0.3"], until=2.5)

    first, second, *_ = [
        record.event
        for record in records(result)
        if isinstance(record.event, OrderShadowed) and record.event.venue == "a"
    ]
    left = 9 - first.quantity
    assert 0 < left < second.quantity
    assert [sum(fill.size for fill in one.fills) for one in (first, second)] == [first.quantity, left]
    assert {look.taken for look in first.looks} == {None}
    seen = [(look.levels, look.taken) for look in second.looks if look.unmeasured is None]
    assert seen == [((Level(D("100.1"), left),), first.quantity)] * 3
    overall = result.campaign.state.shadow.overall["x1"]
    assert (overall.same, overall.cost_usd) == (overall.looks, 0)


def test_summary_table_and_export_say_the_same() -> None:
    result = run(a=[(MOVES_MS / 1000, (100.40, 9.0, 100.50, 9.0))])
    quantity = shadowed(result)["a"].quantity

    told = summarise(report_of(result.campaign, None))["shadow"]
    at_a = told["venues"]["a"]["after"]["50ms"]
    assert (told["orders"], told["refused"]) == (2, 0)
    assert (at_a["orders"], at_a["same_outcome"], at_a["after_ms"]) == (1, 0, 50.0)
    assert (at_a["filled_model"], at_a["filled_book"]) == ("1", "0")
    assert D(at_a["error_usd"]) == D("0.4") * quantity
    assert D(at_a["error_bps"]) == (10_000 * D("0.4") / D("100.1")).quantize(D("0.0001"))
    assert told["after"]["x1"]["same_outcome"] == 2
    shown = dict(shadow_lines(result.campaign.state.shadow))
    assert shown["50 ms, 2 orders"] == f"50% the same, price +0.00 bps, {D('0.4') * quantity:+.2f} USD"

    rows: list[dict[str, Any]] = []
    projections = Rows(lambda table, row: rows.append(dict(row)) if table == "shadow" else None).projections
    folds = Folds(projections)
    for record in records(result):
        folds.apply(record)
    row = next(one for one in rows if one["venue"] == "a" and one["at"] == "50ms")
    assert (row["filled"], row["book_filled"], row["beyond"]) == (quantity, 0, D("100.5"))
    assert row["error"] == row["error_usd"] == D("0.4") * quantity
    assert len(rows) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"venue": "c"},
        {"quantity": D(77)},
        {"sent_ns": 1},
        {"fills": ()},
        {"is_refused": True},
        {"reached": D(1)},
        {"usd_rate": D(-1)},
        {"client_order_id": "another"},
        {"looks": (Look(at="x1", after_ns=0, beyond=D(1)), Look(at="x1", after_ns=0, beyond=D(1)))},
        {"looks": (Look(at="x1", after_ns=10**12, beyond=D(101)),)},
        {"looks": (Look(at="x1", after_ns=0, levels=(Level(D("100.1"), D(999)),)),)},
        {"looks": (Look(at="x1", after_ns=0, levels=(Level(D(999), D(1)),), beyond=D(1000)),)},
        {"looks": (Look(at="x1", after_ns=0, levels=(Level(D("100.1"), D(1)),)),)},
        {"looks": (Look(at="x1", after_ns=0, levels=(Level(D("100.1"), D(1)),), unmeasured=Unmeasured.ENDED),)},
    ],
)
def test_a_comparison_that_contradicts_its_order_is_found(change: dict[str, Any]) -> None:
    sound, spoilt, is_first = records(run()), list[Record](), True
    for record in sound:
        event = record.event
        if is_first and isinstance(event, OrderShadowed):
            event, is_first = replace(event, **change), False
        spoilt.append(record._replace(event=event))

    assert not violations(sound)
    assert {one.check for one in violations(spoilt)} == {Check.MARKS}


def test_an_order_that_is_compared_twice_is_found() -> None:
    sound = records(run())
    last = next(record for record in sound if isinstance(record.event, OrderShadowed))
    twice = [*sound[: last.seq], *(one._replace(seq=one.seq + 1) for one in sound[last.seq - 1 :])]

    assert any("compared before" in one.what for one in violations(twice))


def test_when_books_are_looked_at() -> None:
    assert moments_of(0, None, ()) == (("x1", 0),)
    assert moments_of(None, None, [D(5)]) == (("5ms", 5_000_000),)
    assert moments_of(40_000_000, 50_000_001, [D(100)]) == (
        ("x0.5", 20_000_000),
        ("half_trip", 25_000_000),
        ("x1", 40_000_000),
        ("trip", 50_000_001),
        ("x2", 80_000_000),
        ("100ms", 100_000_000),
        ("x5", 200_000_000),
    )


D1, D2, D3 = D(1), D(2), D(3)


@pytest.mark.parametrize(
    ("side", "fills", "levels", "beyond", "price_bps", "cost"),
    [
        (Side.BUY, [(100, 1)], [(100, 1)], None, D(0), D(0)),
        (Side.BUY, [(100, 1)], [(101, 1)], None, D(100), D1),
        (Side.SELL, [(100, 1)], [(99, 1)], None, D(100), D1),
        (Side.SELL, [(100, 1)], [(101, 1)], None, D(-100), -D1),
        # Nothing within the limit: the model's claim would have cost two more.
        (Side.BUY, [(100, 1)], [], 102, None, D2),
        # Half of it, and the rest three worse.
        (Side.BUY, [(100, 2)], [(100, 1)], 103, D(0), D3),
        (Side.SELL, [(100, 2)], [(100, 1)], 97, D(0), D3),
        # The model claims less than there is: deeper levels of the book are no error of its price.
        (Side.BUY, [(100, 1)], [(100, 1), (101, 1)], None, D(0), D(0)),
        (Side.BUY, [], [(100, 2)], None, None, D(0)),
    ],
)
def test_the_error_is_what_the_claim_would_have_cost_more(
    side: Side, fills: Any, levels: Any, beyond: Any, price_bps: Decimal | None, cost: Decimal
) -> None:
    event = OrderShadowed(
        client_order_id="1",
        venue="a",
        symbol="BTCUSDT",
        side=side,
        purpose=Purpose.LEG,
        rests=False,
        sent_ns=0,
        quantity=D2,
        limit_price=D(100),
        fills=tuple(Level(D(price), D(size)) for price, size in fills),
        is_refused=False,
        looks=(),
    )
    look = Look(
        at="x1",
        after_ns=0,
        levels=tuple(Level(D(price), D(size)) for price, size in levels),
        beyond=None if beyond is None else D(beyond),
    )
    assert error_of(event, look) == LookError(price_bps=price_bps, cost=cost)


def test_a_look_from_which_nothing_was_seen_has_no_error() -> None:
    found = shadowed(run())["a"]
    assert error_of(found, Look(at="x1", after_ns=0, unmeasured=Unmeasured.DOWN)) is None


def rest(a: Sequence[tuple[float, Book]], *, resting: str = "through", until: float = 10) -> OrderShadowed:
    """Return what is said of an order that rests at a with the limit 100.2: a asks 100.4, b bids as much."""
    table = two_venues()
    for venue in table["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01", "latency_ms": 20, "taker_fee_bps": 4, "min_notional": 5}
    table["exchanges"]["a"] |= {"maker_fee_bps": 1, "resting": resting}
    table["strategy"] = {"plugin": "maker_taker", "maker": "a", "order_size_usd": 400, "reach_bps": 30}
    table["guards"]["symbol"] = {"cooldown_seconds": 1000}
    table["session"]["mode"] = "shadow"
    tapes = {
        "a": ScriptedTape(rows((100.0, 50.0, 100.4, 50.0), a, until), listings=[listing("BTC")]),
        "b": ScriptedTape(rows((100.4, 50.0, 100.6, 50.0), [], until), listings=[listing("BTC")]),
    }
    result = run_virtual(table, plugins={"market": scripted_market(tapes)})
    assert not violations(records(result))
    found = shadowed(result)["a"]
    assert (found.rests, found.looks, found.limit_price) == (True, (), D("100.2"))
    return found


def test_a_resting_order_that_the_other_side_came_to_is_confirmed() -> None:
    found = rest([(2, (100.0, 50.0, 100.2, 1.5))])

    assert found.fills[0].size == D("1.5")
    assert found.reached == D("1.5")
    # It was above all other bids: what else was filled of it, a book can't tell.
    assert found.uncertain == found.quantity - D("1.5")
    known = rested_of(found)
    assert (known["confirmed"], known["contradicted"], known["missed"]) == (D("1.5"), 0, 0)


def test_a_resting_order_that_stood_in_front_may_have_filled_or_not() -> None:
    found = rest([])

    assert (found.fills, found.reached, found.uncertain) == ((), 0, found.quantity)
    assert set(rested_of(found).values()) == {0}


class Watched:
    """One venue's book and an order to buy 3 at 100.2 that rests there, beside a campaign."""

    def __init__(self, purpose: Purpose = Purpose.LEG) -> None:
        self.board = QuoteBoard(("a",))
        self.show(100.3, 100.5)
        instrument = SimpleNamespace(quote="USDT", rules=TradingRules())
        world: Any = SimpleNamespace(
            boards={"BTCUSDT": self.board},
            instruments={"BTCUSDT": {"a": instrument}},
            rates=SimpleNamespace(usd={"USDT": D1}),
        )
        self.shadowing = Shadowing(world, {"a": ()}, stale_ns=10**9)
        self.seq = 0
        order = OrderSubmitted(
            client_order_id="1",
            pair_id="p1",
            purpose=purpose,
            venue="a",
            symbol="BTCUSDT",
            side=Side.BUY,
            quantity=D3,
            limit_price=D("100.2"),
            locked_asset="USDT",
            locked=D(1000),
            time_in_force=TimeInForce.GTC,
            post_only=True,
        )
        self.tell(order)
        self.tell(OrderAcknowledged(client_order_id="1", venue_order_id="a-1"))
        self.shadowing.follow()

    def show(self, bid: float, ask: float, size: float = 1.0) -> None:
        self.board.put(0, bid, size if bid > 0 else 0.0, ask, size, 0, self.board.serial[0] + 1)
        self.board.followed.tell(0)

    def tell(self, event: Event) -> None:
        self.seq += 1
        self.shadowing.folds[type(event)](event, Record(self.seq, self.seq, event))

    def fill(self, quantity: Decimal) -> None:
        self.tell(
            OrderFilled(
                client_order_id="1",
                fill_id="1",
                venue="a",
                symbol="BTCUSDT",
                side=Side.BUY,
                base="BTC",
                quote="USDT",
                quantity=quantity,
                price=D("100.2"),
                fee=D(0),
                fee_asset="USDT",
            )
        )

    def end(self) -> dict[str, Decimal]:
        """Cancel what is left; return what is to be said of the order: what was reached is the first of it."""
        self.tell(OrderCancelled(client_order_id="1", unfilled=D1))
        (event,) = self.shadowing.compared()
        assert event.reached is not None
        return {"reached": event.reached, **rested_of(event)}


def parts(**known: object) -> dict[str, object]:
    return {"reached": 0, "confirmed": 0, "uncertain": 0, "contradicted": 0, "missed": 0, **known}


def test_nobody_can_have_traded_with_an_order_that_always_stood_behind_better_ones() -> None:
    watched = Watched()
    watched.show(100.4, 100.6)
    watched.fill(D2)
    assert watched.end() == parts(contradicted=2)


def test_an_order_that_came_to_the_front_may_have_been_filled() -> None:
    watched = Watched()
    watched.show(100.2, 100.5)
    watched.show(100.3, 100.5)
    watched.fill(D2)
    assert watched.end() == parts(uncertain=2)


def test_what_was_reached_and_the_model_has_not_is_missed() -> None:
    watched = Watched()
    watched.show(100.1, 100.2, 2.5)
    watched.show(100.1, 100.2, 1.5)
    watched.fill(D2)
    assert watched.end() == parts(reached=D("2.5"), confirmed=2, missed=D("0.5"))


def test_while_a_side_is_gone_nothing_is_known() -> None:
    watched = Watched()
    watched.show(-1.0, 100.5)
    watched.show(100.3, 100.5)
    watched.fill(D2)
    assert watched.end() == parts(uncertain=2)


def test_while_market_data_is_down_nothing_is_known() -> None:
    watched = Watched()
    watched.tell(MarketDown(venue="a", reason="cut"))
    watched.tell(MarketUp(venue="a"))
    watched.fill(D2)
    assert watched.end() == parts(uncertain=2)


def test_what_a_venue_closed_by_force_was_no_order_of_ours() -> None:
    watched = Watched(Purpose.LIQUIDATION)
    watched.fill(D3)
    assert list(watched.shadowing.compared()) == []


def test_an_order_that_rested_when_the_process_died_was_not_watched() -> None:
    watched = Watched()
    watched.shadowing.begin()
    watched.fill(D2)
    assert watched.end() == parts(uncertain=2)


def test_what_was_compared_before_a_resume_is_not_looked_at_again() -> None:
    result = run()
    world: Any = result.campaign.world
    moments = {venue: moments_of(0, None, [D(20)]) for venue in "ab"}
    resumed = Shadowing(world, moments, stale_ns=10**9)
    folds = Folds([resumed])
    for record in records(result):
        folds.apply(record)

    assert resumed.due_ns is not None
    resumed.look(result.records[-1].ts_ns)
    assert list(resumed.compared()) == []
    assert resumed.due_ns is None


def test_a_look_that_nobody_took_in_time_is_none() -> None:
    """As after a crash: what the book shows much later is not what it showed then."""
    result = run()
    world: Any = result.campaign.world
    shadowing = Shadowing(world, {venue: moments_of(0, None, [D(20)]) for venue in "ab"}, stale_ns=10**12)
    folds = Folds([shadowing])
    for record in records(result):
        if not isinstance(record.event, OrderShadowed):
            folds.apply(record)
    shadowing.look(result.records[-1].ts_ns)

    found = list(shadowing.compared())
    assert len(found) == 2
    assert {(look.unmeasured, look.levels) for one in found for look in one.looks} == {(Unmeasured.MISSED, ())}
