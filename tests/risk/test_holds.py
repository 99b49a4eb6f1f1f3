"""Reasons that are held: who releases one lifts no other."""

from __future__ import annotations

from trioarb.model.market import Route
from trioarb.risk.holds import Holds

AB = Route(symbol="BTCUSDT", buy_venue="a", sell_venue="b")
CD = Route(symbol="ETHUSDT", buy_venue="c", sell_venue="d")


def why(holds: Holds, route: Route) -> str | None:
    refusal = holds.refusal(route)
    return None if refusal is None else f"{refusal.rule}: {refusal.value}"


def test_releasing_one_reason_lifts_no_other() -> None:
    holds = Holds()
    holds.hold("paused", "by somebody")
    holds.hold("clock_jump", "7 s late")
    assert why(holds, AB) == "paused: by somebody"
    holds.release("paused")
    assert why(holds, AB) == "clock_jump: 7 s late"
    holds.release("clock_jump")
    assert why(holds, AB) is None


def test_reasons_of_a_venue_stand_beside_each_other() -> None:
    holds = Holds()
    holds.hold("updates_down", "cut", venue="b")
    holds.hold("held_by_exchange", "maintenance", venue="b", name="maintenance")
    holds.hold("held_by_exchange", "keys", venue="b", name="keys")
    holds.release("updates_down", venue="b")
    holds.release("held_by_exchange", venue="b", name="maintenance")
    assert why(holds, AB) == "held_by_exchange: b: keys"
    assert why(holds, CD) is None


def test_a_reason_concerns_its_venue_and_symbol_only() -> None:
    holds = Holds()
    holds.hold("updates_down", "cut", venue="c")
    holds.hold("blacklisted", "by somebody", symbol="BTCUSDT")
    assert why(holds, AB) == "blacklisted: by somebody"
    assert why(holds, CD) == "updates_down: c: cut"
    holds.release("blacklisted")  # of all symbols, which isn't held
    holds.release("updates_down", venue="a")
    assert (why(holds, AB) is None, why(holds, CD) is None) == (False, False)


def test_held_again_it_says_what_is_so_now_and_keeps_its_place() -> None:
    holds = Holds()
    told: list[tuple[str | None, str | None]] = []
    holds.on_hold = lambda venue, symbol: told.append((venue, symbol))
    holds.hold("updates_down", "they have not begun", venue="a")
    holds.hold("paused", "by somebody")
    holds.hold("updates_down", "cut", venue="a")
    assert why(holds, AB) == "updates_down: a: cut"
    assert told == [("a", None), (None, None), ("a", None)]
    holds.release("updates_down", venue="a")
    assert why(holds, AB) == "paused: by somebody"
