"""What a paper venue displays that is left for us."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioarb.api import Book, Side
from trioarb.builtin.paper_matching import Consumed, Level, Matching, matched, within
from trioarb.engine import market
from trioarb.quotes import window
from trioarb.testing import ScriptedTape, listing, run_virtual, scripted_market, two_venues

LOT = Decimal("0.01")
FOR_EVER_NS = 10**18


def book(
    asks: Sequence[tuple[float, float]] = (), *, bids: Sequence[tuple[float, float]] = (), serial: int = 1
) -> Book:
    return Book(
        bids=tuple(price for price, _ in bids),
        bid_sizes=tuple(size for _, size in bids),
        asks=tuple(price for price, _ in asks),
        ask_sizes=tuple(size for _, size in asks),
        received_ns=0,
        serial=serial,
    )


def buy(venue: Matching, shown: Book, quantity: str, *, limit: str = "1000", now_ns: int = 0) -> list[tuple[str, str]]:
    """Buy what can be had; return the fills."""
    levels = within(venue.left("X", Side.BUY, shown, now_ns), Side.BUY, Decimal(limit))
    matches = matched(levels, Decimal(quantity), LOT)
    venue.take("X", Side.BUY, shown, matches)
    return [(str(price), str(part)) for price, part in matches]


def left(venue: Matching, shown: Book) -> list[str]:
    return [str(one.quantity) for one in venue.left("X", Side.BUY, shown, 0)]


def until_changed() -> Matching:
    return Matching(Consumed.UNTIL_CHANGED, FOR_EVER_NS)


def test_an_order_walks_the_levels_within_its_limit() -> None:
    shown = book([(100.0, 2.0), (101.0, 3.0), (102.0, 4.0)], bids=[(99.0, 1.0), (98.0, 5.0)])

    assert buy(until_changed(), shown, "6") == [("100.0", "2.0"), ("101.0", "3.0"), ("102.0", "1.0")]
    assert buy(until_changed(), shown, "6", limit="101") == [("100.0", "2.0"), ("101.0", "3.0")]
    assert buy(until_changed(), shown, "1", limit="99.99") == []
    sold = matched(within(until_changed().left("X", Side.SELL, shown, 0), Side.SELL, Decimal(98)), Decimal(4), LOT)
    assert sold == [Level(Decimal(99), Decimal(1)), Level(Decimal(98), Decimal(3))]


def test_only_whole_lots_of_what_there_is_are_matched() -> None:
    shown = book([(100.0, 0.005), (101.0, 0.018)])

    assert buy(until_changed(), shown, "1") == [("100.0", "0.005"), ("101.0", "0.015")]


def test_what_was_taken_stays_taken_until_the_displayed_size_changes_by_more() -> None:
    venue = until_changed()
    assert buy(venue, book([(100.0, 10.0)]), "4") == [("100.0", "4")]

    assert left(venue, book([(100.0, 10.0)], serial=2)) == ["6.0"]
    assert left(venue, book([(100.0, 6.0)], serial=3)) == ["2.0"]
    assert left(venue, book([(100.0, 14.0)], serial=4)) == ["10.0"]
    assert left(venue, book([(100.0, 14.01)], serial=5)) == ["14.01"]
    assert left(venue, book([(100.0, 10.0)], serial=6)) == ["10.0"]


def test_a_price_that_is_displayed_no_more_is_forgotten_and_one_that_can_not_be_seen_is_not() -> None:
    venue = until_changed()
    buy(venue, book([(100.0, 10.0)]), "10")

    assert left(venue, book([(99.0, 1.0)], serial=2)) == ["1.0"]
    assert left(venue, book([(100.0, 10.0)], serial=3)) == ["0.0"]
    assert left(venue, book([], serial=4)) == []
    assert left(venue, book([(100.0, 10.0)], serial=5)) == ["0.0"]
    assert left(venue, book([(99.0, 1.0), (101.0, 1.0)], serial=6)) == ["1.0", "1.0"]
    assert left(venue, book([(100.0, 10.0)], serial=7)) == ["10.0"]


def test_between_orders_the_best_prices_are_followed() -> None:
    venue, shown = until_changed(), book([(100.0, 10.0)])
    buy(venue, shown, "10")

    assert venue.see("X", [98.0, nan], [1.0, nan], [99.0, nan], [1.0, 0.0]), "it may be there, behind the best"
    assert venue.see("X", (98.0,), (1.0,), (100.0,), (20.0,)), "it differs by no more than was taken"
    assert left(venue, shown) == ["0.0"]
    assert not venue.see("X", [98.0, 98.0], [1.0, 1.0], [100.0, 100.0], [20.01, 10.0])
    assert left(venue, shown) == ["10.0"]
    buy(venue, shown, "10")
    assert not venue.see("X", (98.0,), (1.0,), (100.5,), (1.0,)), "it is displayed no more"
    assert left(venue, shown) == ["10.0"]
    assert not venue.see("Y", (98.0,), (1.0,), (100.5,), (1.0,))


def test_until_the_next_quote() -> None:
    venue = Matching(Consumed.UNTIL_NEXT_QUOTE, FOR_EVER_NS)
    buy(venue, book([(100.0, 10.0)]), "10")

    assert left(venue, book([(100.0, 10.0)])) == ["0.0"]
    assert left(venue, book([(100.0, 10.0)], serial=2)) == ["10.0"]


def test_nothing_is_left_of_what_is_too_old() -> None:
    venue = Matching(Consumed.UNTIL_CHANGED, 10 * 10**9)
    shown = book([(100.0, 10.0)])

    assert venue.left("X", Side.BUY, shown, 10 * 10**9) == [(Decimal(100), Decimal(10))]
    assert venue.left("X", Side.BUY, shown, 10 * 10**9 + 1) == ()


def test_a_price_that_comes_back_is_there_again_in_whatever_way_quotes_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two orders a's ask goes away and comes back, of the same size; b's bid stays, with much on display."""
    asks = [100.0 if second % 3 < 2 else 100.3 for second in range(60)]
    a = [(second + 0.5, "BTCUSDT", asks[second] - 1, 9.0, asks[second], 2.0) for second in range(60)]
    b = [(float(second), "BTCUSDT", 100.5, 500.0 + second % 2 * 900, 101.0, 500.0) for second in range(60)]
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in (("a", a), ("b", b))}
    config = two_venues()
    config["strategy"] = {"order_size_usd": 900, "entry_bps": 30, "exit_bps": 500, "max_quote_age_ms": 5_000}
    config["guards"]["symbol"] = {"cooldown_seconds": 1, "max_position_count": 100, "circuit_breaker_loss_count": 0}
    config["guards"] |= {"portfolio": {"total_capital_usd": 10**6}, "global": {"max_total_exposure_usd": 10**6}}

    def bought() -> list[tuple[int, str]]:
        result = run_virtual(config, plugins={"market": scripted_market(tapes)})
        fills = [event for event in result.of_type("order_filled") if event["venue"] == "a" and event["side"] == "buy"]
        return [(event["ts_ns"], event["quantity"]) for event in fills if event["price"] == "100"]

    played = bought()
    assert len(played) > 10, "once each time that it is there"
    assert {quantity for _, quantity in played} == {"2"}
    monkeypatch.setattr(window, "WINDOW_ROWS", 7)
    monkeypatch.setattr(window, "ROWS_EACH", 0)
    assert bought() == played
    monkeypatch.setattr(market, "is_played", lambda campaign: False)
    assert bought() == played


SIZES = st.integers(1, 400).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(st.sampled_from([99.0, 100.0, 101.0]), SIZES, SIZES), max_size=30))
def test_no_more_is_taken_at_a_price_than_is_displayed_until_that_changes_by_more(
    looks: list[tuple[float, float, float]],
) -> None:
    """Of orders at a touch that moves: at each price, the sum of the fills since its memory could last have ended."""
    venue, taken, shown_at = until_changed(), dict[Decimal, Decimal](), dict[Decimal, Decimal]()
    for serial, (price, size, wanted) in enumerate(looks, 1):
        touch, displayed = Decimal(str(price)), Decimal(str(size))
        for one in list(taken):
            gone = one < touch  # it would be displayed in front of the touch
            if gone or (one == touch and abs(displayed - shown_at[one]) > taken[one]):
                del taken[one]
        before = taken.get(touch, Decimal(0))

        fills = buy(venue, book([(price, size)], serial=serial), str(wanted))

        filled = sum((Decimal(part) for _, part in fills), Decimal(0))
        assert filled == max(min(Decimal(str(wanted)), displayed - before), Decimal(0))
        if filled:
            taken[touch], shown_at[touch] = before + filled, displayed


def test_a_venue_that_went_silent_fills_nothing_at_its_frozen_prices() -> None:
    """The market falls while one venue stands still: nothing is bought or sold at what it showed last."""
    rising = [(second / 10, "FOOUSDT", 100.0, 50.0, 100.02, 50.0) for second in range(10)]
    falling = [
        (1 + second / 4, "FOOUSDT", 100.0 - second / 4, 50.0, 100.02 - second / 4, 50.0) for second in range(120)
    ]
    silent = [(second / 10, "FOOUSDT", 100.6, 50.0, 100.62, 50.0) for second in range(20)]
    listings = [listing("FOO")]
    tapes = {"a": ScriptedTape([*rising, *falling], listings=listings), "b": ScriptedTape(silent, listings=listings)}
    config = two_venues()
    config["strategy"] = {"order_size_usd": 900, "entry_bps": 10, "exit_bps": -6, "max_holding_seconds": 20}
    config["guards"]["symbol"] = {"cooldown_seconds": 1_000}
    config["execution"] = {"max_exit_quote_age_ms": 60_000}  # the engine itself would wait

    def fills(*overrides: str) -> list[tuple[str, float]]:
        result = run_virtual(config, plugins={"market": scripted_market(tapes)}, overrides=overrides)
        opened = result.of_type("campaign_opened")[0]["ts_ns"]
        return [(event["venue"], (event["ts_ns"] - opened) / 1e9) for event in result.of_type("order_filled")]

    assert not [venue for venue, second in fills() if venue == "b" and second > 12]
    assert [venue for venue, second in fills("exchanges.*.max_quote_age_ms=60000") if venue == "b" and second > 12]
