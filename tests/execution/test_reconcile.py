"""A venue that holds something else than the books say is noticed while the campaign runs, and only then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
import trio

from trioarb.builtin.paper import PaperExchange
from trioarb.errors import VenueError
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues


def rows(bid: float) -> Iterator[tuple[float, str, float, float, float, float]]:
    for second in range(1, 260):
        yield float(second), "BTCUSDT", bid, 50.0, bid + 0.1, 50.0


def run() -> CampaignResult:
    """Run four minutes in which one pair is opened."""
    table: dict[str, Any] = two_venues()
    table["strategy"] = {"entry_bps": 20, "exit_bps": 20, "order_size_usd": 400}
    table["guards"] = {"global": {}, "symbol": {"cooldown_seconds": 1000}}
    tapes = {name: ScriptedTape(list(rows(bid)), listings=[listing("BTC")]) for name, bid in (("a", 100), ("b", 101))}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


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
