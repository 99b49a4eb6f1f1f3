"""Every combination of what can become of the two legs, for entries and for exits, ends as it has to."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from itertools import product
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Order,
    OrderReport,
    OrderStatus,
    VenueError,
)
from trioarb.builtin.paper import PaperExchange, PaperSettings
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues


class Fate(Enum):
    """What becomes of a leg."""

    FILLED = "filled"
    PARTIAL = "partial"
    NOTHING = "nothing"
    REJECTED = "rejected"
    ACK_LOST_FILLED = "ack lost, then filled"
    ACK_LOST_NOTHING = "ack lost, never arrived"
    SILENT_FILLED = "timed out, then filled"
    PLUGIN_BUG = "plugin raised, never arrived"
    NEVER_KNOWN = "venue down for good"


FULL, HALF, NONE = Decimal(1), Decimal("0.5"), Decimal(0)
FILLED = {
    Fate.FILLED: FULL,
    Fate.PARTIAL: HALF,
    Fate.NOTHING: NONE,
    Fate.REJECTED: NONE,
    Fate.ACK_LOST_FILLED: FULL,
    Fate.ACK_LOST_NOTHING: NONE,
    Fate.SILENT_FILLED: FULL,
    Fate.PLUGIN_BUG: NONE,
}


class FatefulExchange(PaperExchange):
    """A paper exchange whose n-th order meets a given fate; all others are filled as usual."""

    def __init__(self, settings: PaperSettings, context: ExchangeContext, fates: Mapping[int, Fate]) -> None:
        super().__init__(settings, context)
        self._fates = fates
        self._orders = 0
        self._down = False

    async def submit(self, order: Order) -> OrderReport:
        self._orders += 1
        match self._fates.get(self._orders, Fate.FILLED):
            case _ if self._down:
                raise VenueError("connection refused")
            case Fate.PARTIAL:
                report = await super().submit(attrs.evolve(order, quantity=order.quantity / 2))
                report = attrs.evolve(report, status=OrderStatus.CANCELLED)
                self._reports[order.client_order_id] = report
                return report
            case Fate.NOTHING:
                report = OrderReport(
                    client_order_id=order.client_order_id, venue_order_id="x", status=OrderStatus.CANCELLED
                )
                self._reports[order.client_order_id] = report
                return report
            case Fate.REJECTED:
                return await super().submit(attrs.evolve(order, quantity=Decimal("1e-9")))
            case Fate.ACK_LOST_FILLED:
                await super().submit(order)
                raise VenueError("connection lost")
            case Fate.ACK_LOST_NOTHING:
                raise VenueError("connection lost")
            case Fate.SILENT_FILLED:
                await super().submit(order)
                await trio.sleep_forever()
            case Fate.PLUGIN_BUG:
                raise KeyError("a bug in the plugin")
            case Fate.NEVER_KNOWN:
                self._down = True
                raise VenueError("connection lost")
        return await super().submit(order)

    async def order(self, client_order_id: str) -> OrderReport | None:
        if self._down:
            raise VenueError("connection refused")
        return await super().order(client_order_id)


def run(fates: Mapping[str, Mapping[int, Fate]], *, account: str = "spot") -> CampaignResult:
    """Enter at second 1 (buy at a, sell at b); from second 20 on the exit threshold is met."""

    @asynccontextmanager
    async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield FatefulExchange(settings, context, fates.get(context.venue, {}))

    wide = [("a", 100.0, 100.1), ("b", 101.0, 101.1)]
    closed = [("a", 100.5, 100.6), ("b", 100.4, 100.5)]
    quotes = {"a": [], "b": []}
    for second in range(1, 60):
        for venue, bid, ask in wide if second < 20 else closed:
            quotes[venue].append((float(second), "BTCUSDT", bid, 50.0, ask, 50.0))
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in quotes.items()}
    spec = ExchangeSpec(name="fateful", doc="scripted fates", settings=PaperSettings, open=open_exchange)
    config = two_venues()
    for venue in config["exchanges"].values():
        venue |= {"plugin": "fateful", "tick_size": "0.1", "lot_size": "0.01", "account": account}
        if account == "margin":
            venue["max_borrow_usd"] = 5000
    config["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    config["guards"] = {"symbol": {"cooldown_seconds": 1000}}
    return run_virtual(config, plugins={"market": scripted_market(tapes), "venue": plugin_of(spec)})


def of_type(result: CampaignResult, kind: str) -> list[dict[str, Any]]:
    return [event for event in result.events if event["type"] == kind]


def check_nothing_is_lost(result: CampaignResult) -> None:
    """Each order has an end or belongs to a residual of unknown fate; each pair ended once; money is conserved."""
    submitted = {event["client_order_id"]: event for event in of_type(result, "order_submitted")}
    filled: dict[str, Decimal] = dict.fromkeys(submitted, Decimal(0))
    for event in of_type(result, "order_filled"):
        filled[event["client_order_id"]] += Decimal(event["quantity"])
    ended = {
        event["client_order_id"] for kind in ("order_cancelled", "order_rejected") for event in of_type(result, kind)
    }
    ended |= {order for order, event in submitted.items() if filled[order] == Decimal(event["quantity"])}
    pairs = [event["pair_id"] for event in of_type(result, "pair_opened")]
    assert sorted(event["pair_id"] for event in of_type(result, "pair_ended")) == sorted(pairs)
    unknown = {event["pair_id"] for event in of_type(result, "residual_left") if event["unknown"]}
    assert {event["pair_id"] for order, event in submitted.items() if order not in ended} == unknown
    assert not list(result.campaign.parts.ledger.imbalances())
    assert result.campaign.error == ""
    if not unknown:
        assert not result.campaign.parts.ledger.open_orders
        assert not result.campaign.problems
    residuals = of_type(result, "residual_left")
    assert result.exit_code == (3 if residuals else 0)
    assert (result.campaign.exposure.exposure_usd() > 0) == bool(residuals)


@pytest.mark.parametrize(("at_a", "at_b"), list(product(Fate, Fate)), ids=lambda fate: fate.name)
def test_entry(at_a: Fate, at_b: Fate) -> None:
    result = run({"a": {1: at_a}, "b": {1: at_b}})
    check_nothing_is_lost(result)
    entry = of_type(result, "pair_ended")[0]
    if Fate.NEVER_KNOWN in (at_a, at_b):
        assert entry["outcome"] == "residual"
        return
    bought, sold = FILLED[at_a], FILLED[at_b]
    if bought == sold:
        assert entry["outcome"] == ("hedged" if bought else "flat")
    else:
        # Everything after the legs is filled, so an unequal pair is evened out one way or the other.
        assert entry["outcome"] in ("hedged", "flat")
        purposes = {event["purpose"] for event in of_type(result, "order_submitted") if event["pair_id"] == "p1"}
        assert purposes - {"leg"} in ({"hedge"}, {"unwind"})
        assert entry["bought"] == entry["sold"]
    if entry["outcome"] == "hedged":
        assert [event["reason"] for event in of_type(result, "position_closed")] == ["edge"]


@pytest.mark.parametrize(("at_a", "at_b"), list(product(Fate, Fate)), ids=lambda fate: fate.name)
def test_exit(at_a: Fate, at_b: Fate) -> None:
    result = run({"a": {2: at_a}, "b": {2: at_b}})
    check_nothing_is_lost(result)
    assert of_type(result, "pair_ended")[0]["outcome"] == "hedged"
    first = next(event for event in of_type(result, "pair_ended") if event["kind"] == "exit")
    purposes = {
        event["purpose"] for event in of_type(result, "order_submitted") if event["pair_id"] == first["pair_id"]
    }
    assert purposes <= {"leg", "complete"}, "an exit is completed forward, never reopened"
    assert len(of_type(result, "position_closed")) == 1
    if Fate.NEVER_KNOWN in (at_a, at_b):
        assert first["outcome"] == "residual"
        return
    sold, bought = FILLED[at_a], FILLED[at_b]
    assert ("complete" in purposes) == (sold != bought)
    assert first["outcome"] == "flat"
    reductions = of_type(result, "position_reduced")
    assert len(reductions) == (1 if HALF == sold == bought or {sold, bought} == {HALF, NONE} else 0)


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_what_can_not_be_evened_out_is_a_named_residual(account: str) -> None:
    # The sell leg and every later order at b is refused, and so is everything at a but the first leg.
    refuse = dict.fromkeys(range(2, 500), Fate.REJECTED)
    result = run({"a": refuse, "b": {1: Fate.REJECTED} | refuse}, account=account)
    check_nothing_is_lost(result)
    (residual,) = of_type(result, "residual_left")
    assert (residual["venue"], residual["asset"], residual["unknown"]) == ("a", "BTC", False)
    (fill,) = of_type(result, "order_filled")
    assert residual["quantity"] == fill["quantity"]
    assert residual["average_price"] == fill["price"]
    assert result.exit_code == 3
