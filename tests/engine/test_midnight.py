"""Campaigns across midnight UTC: what a day lost is over with the day; latches, breakers and pauses are not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from trioarb.api import SECOND_NS, ExchangeContext, ExchangeSpec, Order, OrderRejected, OrderReport
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import (
    CampaignResult,
    ScriptedRow,
    ScriptedTape,
    listing,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
    utc_ns,
)

MIDNIGHT = utc_ns("2025-03-02T00:00:00")
#: From the start of every campaign here to midnight.
SECONDS_BEFORE = 20

#: (seconds before (negative) or after midnight, base, bid and ask at a, bid and ask at b)
Quotes = Iterable[tuple[float, str, tuple[float, float], tuple[float, float]]]

#: At a the touch is so wide that an entry that has to be unwound costs about 2.4 USD.
WIDE_A, DEAR_B = (99.6, 100.0), (101.0, 101.1)


class RefusesBitcoin(PaperExchange):
    async def place(self, order: Order) -> OrderReport:
        if order.symbol == "BTCUSDT":
            raise OrderRejected("too many requests")
        return await super().place(order)


@asynccontextmanager
async def open_venue(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[PaperExchange]:
    yield RefusesBitcoin(settings, context)


def play(quotes: Quotes, guards: dict[str, Any], *overrides: str) -> CampaignResult:
    """Run a campaign in which every entry of BTC is unwound, since b refuses its leg."""
    quotes = list(quotes)
    listings = [listing(base) for base in sorted({base for _, base, _, _ in quotes})]

    def rows(venue: int) -> list[ScriptedRow]:
        return [
            (SECONDS_BEFORE + at, f"{base}USDT", touch[venue][0], 100.0, touch[venue][1], 100.0)
            for at, base, *touch in quotes
        ]

    start_ns = MIDNIGHT - SECONDS_BEFORE * SECOND_NS
    tapes = {
        venue: ScriptedTape(rows(number), listings=listings, start_ns=start_ns) for number, venue in enumerate("ab")
    }
    config = two_venues()
    config["exchanges"]["b"]["plugin"] = "refuses"
    for venue in config["exchanges"].values():
        venue["consumed"] = "until_next_quote"  # an entry of each second is unwound at the same prices
    calm = {"cooldown_seconds": 0, "circuit_breaker_loss_count": 0}
    config["guards"] = {"exchange": {"enabled": False}, **guards, "symbol": calm | guards.get("symbol", {})}
    venue = ExchangeSpec(name="refuses", doc="refuses", settings=PaperSettings, open=open_venue)
    plugins = {"market": scripted_market(tapes), "venue": plugin_of(venue)}
    return run_virtual(config, plugins=plugins, overrides=overrides)


def every_second(bases: Sequence[str] = ("BTC",)) -> Quotes:
    """Yield a chance to enter each second, from 19.5 seconds before midnight to 19.5 after it."""
    for second in range(-SECONDS_BEFORE, SECONDS_BEFORE):
        for base in bases:
            yield second + 0.5, base, WIDE_A, DEAR_B


def entries(result: CampaignResult, symbol: str = "BTCUSDT") -> list[float]:
    """Return when entries were made, in seconds before (negative) and after midnight."""
    return [
        (pair["ts_ns"] - MIDNIGHT) / SECOND_NS
        for pair in result.of_type("pair_opened")
        if pair["kind"] == "entry" and pair["symbol"] == symbol
    ]


# Losses of a day


@pytest.mark.parametrize(
    ("guards", "rule"),
    [
        ({"global": {"max_daily_loss_usd": 5}}, "global.daily_loss"),
        ({"symbol": {"max_symbol_daily_loss_usd": 5}}, "symbol.daily_loss"),
    ],
)
def test_a_days_loss_denies_until_midnight(guards: dict[str, Any], rule: str) -> None:
    result = play(every_second(), guards)
    assert entries(result) == [-19.5, -18.5, -17.5, 0.5, 1.5, 2.5]
    assert set(result.refusals) == {rule}


def test_a_symbols_loss_is_its_own_on_both_days() -> None:
    result = play(every_second(["BTC", "BTC2"]), {"symbol": {"max_symbol_daily_loss_usd": 5}})
    assert entries(result) == [-19.5, -18.5, -17.5, 0.5, 1.5, 2.5]
    assert len(entries(result, "BTC2USDT")) == 2, "that one holds its positions"


def test_the_last_nanosecond_belongs_to_the_day() -> None:
    quotes = [(at, "BTC", WIDE_A, DEAR_B) for at in (-3.0, -2.0, -1e-9, 0.0)]
    result = play(quotes, {"global": {"max_daily_loss_usd": 4}})
    decided = [(one["ts_ns"] - MIDNIGHT, one["answer"]) for one in result.of_type("decided")]
    assert decided[-2:] == [(-1, "DENY"), (0, "ALLOW")]


def test_a_loss_belongs_to_the_day_on_which_it_is_realised() -> None:
    """The entry is decided before midnight, and unwound after it."""
    quotes = [(second - 0.5, "BTC", WIDE_A, DEAR_B) for second in range(10)]
    result = play(quotes, {"global": {"max_daily_loss_usd": 2}}, "exchanges.a.latency_ms=400")
    assert entries(result) == [-0.5]
    assert result.of_type("pair_ended")[0]["ts_ns"] > MIDNIGHT
    assert set(result.refusals) == {"global.daily_loss"}


#: An exchange tier that heeds nothing but losses.
LOSSES_ONLY = {"degraded_error_rate": 1, "down_error_rate": 1}


def test_a_venues_loss_of_the_day_ends_with_the_day() -> None:
    result = play(every_second(), {"exchange": {**LOSSES_ONLY, "max_venue_daily_loss_usd": 50}})
    assert len(entries(result)) == 40
    assert not result.of_type("guard_tripped")
    last_ns = result.events[-1]["ts_ns"]
    lost = result.campaign.tiers["exchange"].stats(last_ns)["venues"]["b"]["daily_loss_usd"]
    assert lost == result.campaign.state.exposure.daily_loss_usd(last_ns)
    assert 40 < lost < 50 < -result.campaign.state.statistics.pnl_usd


# What outlasts the day


def test_a_frozen_venue_stays_frozen() -> None:
    result = play(every_second(), {"exchange": {**LOSSES_ONLY, "max_venue_daily_loss_usd": 5}})
    assert entries(result) == [-19.5, -18.5, -17.5]
    assert set(result.refusals) == {"exchange.frozen"}
    (frozen,) = result.of_type("guard_tripped")
    assert (frozen["venue"], frozen["value"].partition(":")[0]) == ("b", "FROZEN")


def test_an_open_breaker_stays_open() -> None:
    result = play(every_second(), {"symbol": {"circuit_breaker_loss_count": 2, "circuit_breaker_duration": 30}})
    assert entries(result) == [-19.5, -18.5, 12.5, 13.5]
    assert set(result.refusals) == {"symbol.circuit_breaker"}


def test_a_routes_pause_after_an_unwound_entry_goes_on() -> None:
    result = play(every_second(), {"symbol": {"unwind_cooldown_seconds": 6}})
    made = entries(result)
    assert made == sorted(made)
    assert all(later - earlier >= 6 for earlier, later in pairwise(made))
    assert made[0] < 0 < made[-1]
    assert set(result.refusals) == {"symbol.unwind_cooldown"}


def test_losses_in_a_row_are_counted_on() -> None:
    result = play(every_second(), {"symbol": {"cooldown_seconds": 25, "circuit_breaker_loss_count": 2}})
    assert entries(result) == [-19.5, 5.5]
    assert result.refusals["symbol.circuit_breaker"]


def test_a_stop_shortly_before_midnight_holds_after_it() -> None:
    """Closing what is open takes until the new day, which has lost nothing yet."""
    quotes = [(second + 0.2, "ETH", (100.0, 100.1), DEAR_B) for second in range(-20, -4)]
    quotes += [(second + 0.2, "ETH", (100.0, 100.1), (100.0, 100.1)) for second in range(-4, 10)]
    quotes += [(second + 0.5, "BTC", WIDE_A, DEAR_B) for second in range(-2, 10)]
    result = play(
        sorted(quotes),
        {"global": {"emergency_stop_loss_usd": 2}},
        "exchanges.*.latency_ms=700",
        "strategy.exit_bps=1000",
        "session.close_positions_at_end=false",
        'engine.loss_basis="realised"',
    )
    (stop,) = (one for one in result.of_type("decided") if one["answer"] == "STOP")
    assert stop["ts_ns"] < MIDNIGHT < result.events[-1]["ts_ns"]
    assert result.campaign.state.exposure.daily_loss_usd(result.events[-1]["ts_ns"]) < 2
    assert not [pair for pair in result.of_type("pair_opened") if pair["kind"] == "entry" and pair["seq"] > stop["seq"]]
    assert len(result.of_type("position_closed")) == len(result.of_type("position_opened")) > 0
    assert (result.events[-1]["ended_by"], result.exit_code) == ("emergency_stop", 3)
