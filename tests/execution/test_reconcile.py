"""A venue that holds or knows something else than the books say is noticed while the campaign runs, and at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from trioarb.api import Fill, Order, OrderReport, OrderStatus, Side, VenueOrder
from trioarb.builtin.paper import PaperExchange
from trioarb.config.load import load_table
from trioarb.engine.run import run_campaign
from trioarb.errors import VenueError
from trioarb.model.event import Record
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues, utc_ns

START_NS = utc_ns("2025-01-01T00:00:00")


def rows(bid: float) -> Iterator[tuple[float, str, float, float, float, float]]:
    for second in range(1, 260):
        yield float(second), "BTCUSDT", bid, 50.0, bid + 0.1, 50.0


def four_minutes() -> tuple[dict[str, Any], object]:
    """Return a campaign in which one pair is opened, and its market."""
    table: dict[str, Any] = two_venues()
    table["strategy"] = {"entry_bps": 20, "exit_bps": 20, "order_size_usd": 400}
    table["guards"] = {"global": {}, "symbol": {"cooldown_seconds": 1000}}
    tapes = {
        name: ScriptedTape(list(rows(bid)), listings=[listing("BTC")], start_ns=START_NS)
        for name, bid in (("a", 100), ("b", 101))
    }
    return table, scripted_market(tapes)


def run() -> CampaignResult:
    table, market = four_minutes()
    return run_virtual(table, plugins={"market": market})


def run_in_real_time() -> CampaignResult:
    """Run it by the real clock, which Trio's own makes short."""
    table, market = four_minutes()
    table["session"]["clock"] = "real"
    plugins, records = load_plugins({"market": market}), list[Record]()
    run = partial(run_campaign, load_table(table, plugins).config, plugins, observers=[records.append])
    campaign = trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    return CampaignResult(campaign=campaign, records=tuple(records), events=tuple(map(to_json_object, records)))


#: What a venue says it holds beyond what it does hold, by when it was asked (the first time is the opening).
Said = Mapping[int, Decimal]


def lie(monkeypatch: pytest.MonkeyPatch, said: Said, *, fails_at: int = 0) -> None:
    """Let venue b say something else than it holds, when it is asked for the n-th time."""
    balances, asked = PaperExchange.balances, dict[str, int]()

    async def lying(self: PaperExchange) -> Mapping[str, Decimal]:
        name = self._context.venue
        asked[name] = number = asked.get(name, 0) + 1
        held = dict(await balances(self))
        if name == "b":
            if number == fails_at:
                raise VenueError("not now")
            held["USDT"] += said.get(number, said.get(0, Decimal(0)) if number > 1 else Decimal(0))
        return held

    monkeypatch.setattr(PaperExchange, "balances", lying)


def test_where_the_venues_agree_nothing_is_said() -> None:
    result = run()
    assert not result.of_type("balance_differed")
    assert result.exit_code == 0


def test_what_differs_twice_is_booked_once_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, {0: Decimal(7)})
    result = run()
    (differed,) = result.of_type("balance_differed")
    assert Decimal(differed["held"]) - Decimal(differed["booked"]) == 7
    opened = result.events[0]["ts_ns"]
    assert differed["ts_ns"] - opened == 120 * 10**9
    (booked,) = [event for event in result.of_type("deposited") if event["reason"] == "difference"]
    assert (booked["venue"], booked["asset"], booked["amount"]) == ("b", "USDT", "7")
    assert any("while the campaign ran" in problem for problem in result.campaign.problems)
    assert result.exit_code == 3


def test_what_differs_at_the_end_only_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at the opening, after each of four minutes, and at the end."""
    lie(monkeypatch, {6: Decimal(7)})
    result = run()
    assert not result.of_type("balance_differed")
    assert result.exit_code == 1
    assert "b holds " in result.campaign.error
    assert "USDT, the ledger says " in result.campaign.error


def test_an_answer_that_lags_behind_once_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, {2: Decimal(7)})
    result = run()
    assert not result.of_type("balance_differed")
    assert result.exit_code == 0


def test_a_venue_that_does_not_answer_is_asked_again_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    lie(monkeypatch, {3: Decimal(7), 4: Decimal(7), 5: Decimal(7)}, fails_at=2)
    result = run()
    (differed,) = result.of_type("balance_differed")
    assert differed["ts_ns"] - result.events[0]["ts_ns"] == 180 * 10**9


def test_who_looks_twice_in_one_moment_sees_one_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the minute's look falls together with the one after a clock's jump."""
    result = run()
    lie(monkeypatch, {0: Decimal(7), 1: Decimal(7)})
    reconciler, journal = result.campaign.parts.reconciler, result.campaign.parts.journal
    recorded = journal.seq

    async def look_twice() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reconciler.look)
            nursery.start_soon(reconciler.look)
        await reconciler.look()

    trio.run(look_twice)
    assert journal.seq == recorded


def filled_beyond(order: Order) -> OrderReport:
    """Return what became of an order that keeps to no limit, as those of others may."""
    fill = Fill(fill_id="1", quantity=order.quantity, price=Decimal(50), fee=Decimal(9), fee_asset="BNB")
    return OrderReport(
        client_order_id=order.client_order_id, venue_order_id="1", status=OrderStatus.FILLED, fills=(fill,)
    )


def know(
    monkeypatch: pytest.MonkeyPatch, order_id: str, *, from_second: float, since: list[float] | None = None
) -> None:
    """Let venue b know an order that this campaign didn't send, from some second of the campaign on."""
    orders = PaperExchange.orders

    async def knowing(self: PaperExchange, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        found = list(await orders(self, symbols, since_ns))
        if self._context.venue == "b":
            if since is not None:
                since.append((since_ns - START_NS) / 10**9)
            at_ns = START_NS + round(from_second * 10**9)
            if self._context.time.now_ns() >= at_ns >= since_ns:
                order = Order(
                    client_order_id=order_id,
                    venue="b",
                    symbol="BTCUSDT",
                    side=Side.SELL,
                    quantity=Decimal("1.50"),
                    limit_price=Decimal(100),
                )
                found.append(VenueOrder(order=order, report=filled_beyond(order)))
        return found

    monkeypatch.setattr(PaperExchange, "orders", knowing)


@pytest.mark.parametrize("from_second", [30, 259])
def test_an_order_of_others_is_named_once_and_the_campaign_goes_on(
    monkeypatch: pytest.MonkeyPatch, from_second: int
) -> None:
    """In its first minute, or after the last: then at the end."""
    know(monkeypatch, "by-hand", from_second=from_second)
    result = run_in_real_time()
    said = "b knows orders that are not of this campaign: by-hand (sell 1.5 BTCUSDT)"
    assert result.campaign.problems == [said]
    assert result.events[-1]["problems"] == [said]
    assert result.events[-1]["ended_by"] == "end_of_data"
    assert result.exit_code == 3


@pytest.mark.parametrize("from_second", [30, 259])
def test_an_order_of_ours_that_the_journal_does_not_know_ends_the_campaign_with_an_error(
    monkeypatch: pytest.MonkeyPatch, from_second: int
) -> None:
    campaign_id = run_in_real_time().campaign.campaign_id
    know(monkeypatch, f"{campaign_id}-77", from_second=from_second)
    result = run_in_real_time()
    assert result.exit_code == 1
    assert result.campaign.error == (
        f"b knows {campaign_id}-77, which the journal doesn't: another process trades this campaign, or a plugin sends "
        "orders of its own"
    )
    assert result.events[-1]["ended_by"] == ("error" if from_second == 30 else "end_of_data")


def test_a_venue_is_asked_for_the_orders_since_it_was_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    since: list[float] = []
    know(monkeypatch, "x", from_second=10**6, since=since)
    assert run_in_real_time().exit_code == 0
    assert [round(one) for one in since] == [0, 0, 60, 120, 180]


def test_many_orders_of_others_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, "x", from_second=30)
    one = PaperExchange.orders

    async def many(self: PaperExchange, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        found = await one(self, symbols, since_ns)
        extra = [each for each in found if each.order.client_order_id == "x"] * 50
        return [
            replace(each, order=replace(each.order, client_order_id=f"x{number}")) for number, each in enumerate(extra)
        ]

    monkeypatch.setattr(PaperExchange, "orders", many)
    (said,) = run_in_real_time().campaign.problems
    assert said.count("(sell") == 5
    assert said.endswith(", 45 more")


@pytest.mark.parametrize("error", [VenueError("not now"), RuntimeError("broken")])
def test_a_venue_that_can_not_say_its_orders_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(PaperExchange, "orders", failing)
    lie(monkeypatch, {0: Decimal(7)})
    problems = run_in_real_time().campaign.problems
    named = [f"[exchanges.{venue}]: plugin 'paper': orders raised RuntimeError: broken" for venue in "ab"]
    assert [one for one in problems if "orders" in one] == ([] if isinstance(error, VenueError) else named)
    assert any("USDT while the campaign ran" in one for one in problems)
