"""A campaign cancelled at its k-th task step, for every k, leaves nothing behind."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import pytest
import trio

from trioarb.clock.virtual import VirtualClock
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.event import Record
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, scripted_market, two_venues

Where = Literal["before_task_step", "task_scheduled", "after_io_wait"]


def quotes(venue: str) -> Iterator[tuple[float, str, float, float, float, float]]:
    """Two symbols whose gap opens and closes every second; sometimes little is displayed, so legs fill in part."""
    for tick in range(18):
        second = 1 + tick / 4
        for symbol in ("BTCUSDT", "ETHUSDT"):
            price = 101.0 if venue == "b" and tick % 6 < 3 else 100.0
            size = 3.0 if venue == "b" and tick % 6 in (1, 4) else 50.0
            yield second, symbol, price, size, price + 0.1, size


def run(where: Where, k: int | None) -> tuple[Campaign, list[dict[str, Any]], int]:
    """Run the scripted campaign; cancel the scope around it at the k-th event of Trio's scheduler."""
    listings = [listing("BTC"), listing("ETH")]
    tapes = {venue: ScriptedTape(list(quotes(venue)), listings=listings) for venue in ("a", "b")}
    table = two_venues()
    for venue in table["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01", "latency_ms": 300}
    table["guards"] = {"symbol": {"cooldown_seconds": 1}}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    plugins = load_plugins({"market": scripted_market(tapes)})
    loaded = load_table(table, plugins)
    records: list[Record] = []
    opened: list[Campaign] = []
    around = trio.CancelScope()

    class CancelAt(trio.abc.Instrument):
        steps = 0

        def step(self, *_: object) -> None:
            self.steps += 1
            if self.steps == k:
                around.cancel()

    instrument = CancelAt()
    setattr(instrument, where, instrument.step)
    clock = VirtualClock()

    async def main() -> None:
        with around:
            await run_campaign(loaded.config, plugins, clock=clock, observers=[records.append], on_open=opened.append)

    trio.run(main, clock=clock, instruments=[instrument])
    events = [to_json_object(record) for record in records]
    return (opened[0] if opened else None), events, instrument.steps  # type: ignore[return-value]


def check(campaign: Campaign | None, events: list[dict[str, Any]]) -> None:
    if campaign is None:  # cancelled before anything was open
        assert not events
        return
    by_type = partial(of_type, events)
    assert events[-1]["type"] == "campaign_ended"
    assert {e["pair_id"] for e in by_type("pair_opened")} == {e["pair_id"] for e in by_type("pair_ended")}
    assert not campaign.parts.ledger.open_orders
    assert not list(campaign.parts.ledger.imbalances())
    assert {e["trade_id"] for e in by_type("position_opened")} == {e["trade_id"] for e in by_type("position_closed")}
    assert campaign.exposure.exposure_usd() == 0
    assert not by_type("residual_left")
    draining = next(number for number, event in enumerate(events) if event.get("phase") == "DRAINING")
    assert not [e for e in events[draining:] if e["type"] == "pair_opened" and e["kind"] == "entry"]
    assert campaign.error in ("", "the campaign was cancelled")
    net: dict[tuple[str, str], Decimal] = {}
    for fill in by_type("order_filled"):
        sign = 1 if fill["side"] == "buy" else -1
        net[fill["symbol"], "net"] = net.get((fill["symbol"], "net"), Decimal(0)) + sign * Decimal(fill["quantity"])
    assert not any(net.values()), "a leg was left behind"


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize("where", ["before_task_step", "task_scheduled", "after_io_wait"])
def test_cancelled_at_every_step(where: Where) -> None:
    campaign, events, steps = run(where, None)
    check(campaign, events)
    assert of_type(events, "position_closed")
    assert steps > 50
    for k in range(1, steps + 1):
        campaign, events, _ = run(where, k)
        try:
            check(campaign, events)
        except AssertionError as error:
            raise AssertionError(f"cancelled at step {k} of {steps} ({where})") from error
