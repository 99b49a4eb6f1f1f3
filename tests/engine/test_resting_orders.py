"""Orders that rest at paper venues in whole campaigns: the market fills them, however its quotes are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, Order, OrderReport, TimeInForce
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.model.wire import decode
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier


class Patient(PaperExchange):
    """Lets rest what doesn't fill at once."""

    def answers_at_ns(self, order: Order) -> None:
        return None

    async def place(self, order: Order) -> OrderReport:
        return await super().place(msgspec.structs.replace(order, time_in_force=TimeInForce.GTC))


@asynccontextmanager
async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
    venue = Patient(settings, context)
    venue.open()
    try:
        yield venue
    finally:
        venue.close()


def run(**session: object) -> CampaignResult:
    """Run a campaign whose first buy finds the market away, which comes back a second later."""
    rows: dict[str, list[tuple[float, str, float, float, float, float]]] = {"a": [], "b": []}
    for tick in range(400):
        at = tick / 10
        gap = 1.0 if at < 15 else 0.0
        # Venue a is away from just after the entry for a second, and trickles: little is displayed when it is back.
        moved = 0.5 if 0.05 < at < 1.2 else 0.0
        size = 0.7 if 0.05 < at < 3 else 50.0
        rows["a"].append((at, "BTCUSDT", 100.0 + moved, size, 100.1 + moved, size))
        rows["b"].append((at, "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0))
    rows["a"].insert(1, (0.02, "BTCUSDT", 100.5, 0.7, 100.6, 0.7))
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows.items()}
    config: dict[str, Any] = two_venues()
    config["session"] |= session
    for table in config["exchanges"].values():
        table |= {"tick_size": "0.1", "lot_size": "0.01"}
    config["exchanges"]["a"]["plugin"] = "patient"
    config["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    config["guards"]["symbol"] = {"cooldown_seconds": 100}
    config["execution"] = {"leg_timeout_seconds": 5}
    spec = ExchangeSpec(name="patient", doc="lets orders rest", settings=PaperSettings, open=open_exchange)
    return run_virtual(config, plugins={"market": scripted_market(tapes), "venue": plugin_of(spec)})


@pytest.mark.parametrize("interval_ms", [0, 700])
def test_the_market_fills_what_rests(interval_ms: int) -> None:
    """Each of the quotes at which it fills is shown, though no band of the strategy asks for it."""
    result = run(loop_interval_ms=interval_ms)

    assert result.exit_code == 0, (result.campaign.error, result.campaign.problems)
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in result.events)
    assert verifier.result().is_sound, verifier.result().violations
    (first, *_) = (one["client_order_id"] for one in result.of_type("order_submitted") if one["venue"] == "a")
    filled = [one for one in result.of_type("order_filled") if one["client_order_id"] == first]
    began_ns = result.events[0]["ts_ns"]
    assert [(one["ts_ns"] - began_ns) / 10**9 for one in filled] == [1.2, 3.0]
    assert {one["price"] for one in filled} == {"100.1"}
    assert not result.of_type("order_unknown")
    assert len(result.of_type("position_closed")) == 1


def test_the_funnel_is_the_same_whoever_watches() -> None:
    """Quotes that are shown because an order rests are counted as those that aren't."""
    result = run(loop_interval_ms=0)
    (counted,) = (one for one in result.of_type("funnel_counted") if one.get("final"))
    assert counted["seen"] == 801
