"""Every combination of what can become of the two legs, for entries and for exits, ends as it has to."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from itertools import product
from math import inf
from typing import Any

import attrs
import pytest
import recompute
import trio

from trioarb.api import (
    SECOND_NS,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Instrument,
    Listing,
    NoSettings,
    Order,
    OrderRejected,
    OrderReport,
    OrderStatus,
    Quote,
    Record,
    VenueError,
    floor_to,
)
from trioarb.clock.virtual import VirtualClock
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.trade import EndedBy
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, scripted_market, two_venues

FULL, HALF, NONE = Decimal(1), Decimal("0.5"), Decimal(0)
LOT = Decimal("0.01")


class Answer(Enum):
    """How the venue answers."""

    REPORT = "the report"
    REFUSAL = "it refuses"
    LOST = "the answer is lost"
    SILENCE = "none ever comes"
    DOWN = "from now on it can't be reached, for a while"
    GONE = "it can't be reached any more"
    BUG = "its plugin raises"


class Fate(Enum):
    """What becomes of an order: the share of it that fills (``None``: it never reaches the venue), and the answer."""

    FILLED = (FULL, Answer.REPORT)
    PARTIAL = (HALF, Answer.REPORT)
    NOTHING = (NONE, Answer.REPORT)
    REJECTED = (None, Answer.REFUSAL)
    ACK_LOST_FILLED = (FULL, Answer.LOST)
    ACK_LOST_PARTIAL = (HALF, Answer.LOST)
    ACK_LOST_NOTHING = (NONE, Answer.LOST)
    NEVER_ARRIVED = (None, Answer.LOST)
    TIMED_OUT_FILLED = (FULL, Answer.SILENCE)
    TIMED_OUT_NEVER_ARRIVED = (None, Answer.SILENCE)
    DOWN_FILLED = (FULL, Answer.DOWN)
    DOWN_PARTIAL = (HALF, Answer.DOWN)
    DOWN_NOTHING = (NONE, Answer.DOWN)
    DOWN_NEVER_ARRIVED = (None, Answer.DOWN)
    PLUGIN_BUG = (None, Answer.BUG)
    NEVER_KNOWN = (FULL, Answer.GONE)

    @property
    def filled(self) -> Decimal:
        return self.value[0] or NONE


Fates = Mapping[str, Mapping[int, Fate]]


class FatefulExchange(Exchange):
    """Passes orders on to a paper venue; the n-th of them meets its fate, all others are filled as usual."""

    def __init__(self, context: ExchangeContext, fates: Mapping[int, Fate], down_seconds: float) -> None:
        assert context.inner is not None
        self._inner = context.inner
        self.account = self._inner.account
        self.max_borrow_usd = self._inner.max_borrow_usd
        self._now_ns = context.time.now_ns
        self._fates = fates
        self._down_ns = int(down_seconds * SECOND_NS)
        self._orders = 0
        self._down_until_ns: float = 0
        self._reports: dict[str, OrderReport] = {}

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return await self._inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._inner.balances()

    def seed_inventory(self, instrument: Instrument, quote: Quote) -> Decimal:
        return self._inner.seed_inventory(instrument, quote)

    async def submit(self, order: Order) -> OrderReport:
        self._orders += 1
        self._require_connection()
        share, answer = self._fates.get(self._orders, Fate.FILLED).value
        if share is not None:
            report = await self._execute(order, share)
        match answer:
            case Answer.REFUSAL:
                raise OrderRejected("refused")
            case Answer.SILENCE:
                await trio.sleep_forever()
            case Answer.BUG:
                raise KeyError("a bug in the plugin")
            case Answer.DOWN:
                self._down_until_ns = self._now_ns() + self._down_ns
            case Answer.GONE:
                self._down_until_ns = inf
            case Answer.REPORT:
                return report
        raise VenueError("connection lost")

    async def order(self, client_order_id: str) -> OrderReport | None:
        self._require_connection()
        return self._reports.get(client_order_id) or await self._inner.order(client_order_id)

    async def _execute(self, order: Order, share: Decimal) -> OrderReport:
        """Let a share of the order fill; the rest is cancelled."""
        quantity = floor_to(order.quantity * share, LOT)
        if quantity:
            report = await self._inner.submit(attrs.evolve(order, quantity=quantity))
        else:
            report = OrderReport(
                client_order_id=order.client_order_id, venue_order_id="x", status=OrderStatus.CANCELLED
            )
        if quantity < order.quantity:
            report = attrs.evolve(report, status=OrderStatus.CANCELLED)
        self._reports[order.client_order_id] = report
        return report

    def _require_connection(self) -> None:
        if self._now_ns() < self._down_until_ns:
            raise VenueError("connection refused")


@attrs.frozen
class End:
    """The campaign ends at a second: of its own, or because the scope around it is cancelled."""

    second: float
    is_cancelled: bool


def run(
    fates: Fates,
    *,
    account: str = "spot",
    down_seconds: float = 2,
    end: End | None = None,
    closed_from: int = 20,
    overrides: Sequence[str] = (),
) -> CampaignResult:
    """Enter at second 1 (buy at a, sell at b); from second 20 on the exit threshold is met."""

    @asynccontextmanager
    async def open_exchange(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield FatefulExchange(context, fates.get(context.venue, {}), down_seconds)

    wide = [("a", 100.0, 100.1), ("b", 101.0, 101.1)]
    closed = [("a", 100.5, 100.6), ("b", 100.4, 100.5)]
    quotes: dict[str, list[Any]] = {"a": [], "b": []}
    for second in range(1, 60):
        for venue, bid, ask in wide if second < closed_from else closed:
            quotes[venue].append((float(second), "BTCUSDT", bid, 50.0, ask, 50.0))
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in quotes.items()}
    spec = ExchangeSpec(name="fateful", doc="scripted fates", open=open_exchange, wraps=True)
    table = two_venues()
    for venue, paper in table["exchanges"].items():
        market = paper.pop("market")
        paper |= {"plugin": "paper", "tick_size": "0.1", "lot_size": str(LOT), "account": account}
        if account == "margin":
            paper["max_borrow_usd"] = 5000
        table["exchanges"][venue] = {"plugin": "fateful", "market": market, "wraps": paper}
    table["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    table["guards"] = {"global": {}, "symbol": {"cooldown_seconds": 1000}}
    plugins = load_plugins({"market": scripted_market(tapes), "venue": plugin_of(spec)})
    config = load_table(table, plugins, overrides=overrides).config
    records: list[Record] = []
    campaigns: list[Campaign] = []
    around, clock = trio.CancelScope(), VirtualClock()

    async def end_it(end: End) -> None:
        await trio.sleep_until(end.second)
        if end.is_cancelled:
            around.cancel()
        else:
            campaigns[0].end(EndedBy.SIGNAL)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            if end is not None:
                nursery.start_soon(end_it, end)
            with around:
                await run_campaign(config, plugins, clock=clock, observers=[records.append], on_open=campaigns.append)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)
    return CampaignResult(campaign=campaigns[0], events=tuple(map(to_json_object, records)))


def check(result: CampaignResult, *, account: str = "spot") -> recompute.Books:
    """Every pair ended once, every order has its last word or a residual that names it, and the money is all there."""
    books = recompute.check(result.events, borrow_usd=dict.fromkeys("ab", "5000") if account == "margin" else {})
    campaign = result.campaign
    assert {event["outcome"] for event in result.of_type("pair_ended")} <= {"hedged", "flat", "residual"}
    assert not list(campaign.parts.ledger.imbalances())
    assert campaign.parts.ledger.open_orders == books.unanswered
    assert list(campaign.parts.trades.residuals) == books.open_residuals
    assert campaign.exposure.exposure_usd() == books.exposure_usd()
    assert campaign.statistics.pnl_usd == books.total_pnl_usd
    assert not books.open_positions
    assert (books.exposure_usd() > 0) == bool(books.open_residuals)
    if books.unanswered:
        assert campaign.problems, "the venue holds something else than the books, or can't be asked"
    else:
        assert not campaign.problems
    if campaign.ended_by is EndedBy.ERROR:
        assert (result.exit_code, campaign.error) == (1, "the campaign was cancelled")
    else:
        assert campaign.error == ""
        assert result.exit_code == (3 if books.open_residuals else 0)
    return books


ENDS = [None, *(End(after, how) for after, how in product((0.02, 0.06, 0.5), (False, True)))]
each_end = pytest.mark.parametrize(
    "end",
    ENDS,
    ids=lambda end: "runs on" if end is None else f"{'cancelled' if end.is_cancelled else 'ended'} +{end.second}",
)
each_fate = pytest.mark.parametrize(("at_a", "at_b"), list(product(Fate, Fate)), ids=lambda fate: fate.name)


def at(second: float, end: End | None) -> End | None:
    return None if end is None else attrs.evolve(end, second=second + end.second)


@each_end
@each_fate
def test_entry(at_a: Fate, at_b: Fate, end: End | None) -> None:
    result = run({"a": {1: at_a}, "b": {1: at_b}}, end=at(1, end))
    check(result)
    entry = result.of_type("pair_ended")[0]
    if Fate.NEVER_KNOWN in (at_a, at_b):
        assert entry["outcome"] == "residual"
        return
    if at_a.filled == at_b.filled:
        assert entry["outcome"] == ("hedged" if at_a.filled else "flat")
    else:
        # Everything after the legs is filled, so an unequal pair is evened out one way or the other.
        assert entry["outcome"] in ("hedged", "flat")
        purposes = {event["purpose"] for event in result.of_type("order_submitted") if event["pair_id"] == "p1"}
        assert purposes - {"leg"} in ({"hedge"}, {"unwind"})
        assert entry["bought"] == entry["sold"]
    if entry["outcome"] == "hedged":
        (closed,) = result.of_type("position_closed")
        assert closed["reason"] == ("edge" if end is None else "campaign_end")


@each_end
@each_fate
def test_exit(at_a: Fate, at_b: Fate, end: End | None) -> None:
    result = run({"a": {2: at_a}, "b": {2: at_b}}, end=at(20, end))
    check(result)
    assert result.of_type("pair_ended")[0]["outcome"] == "hedged"
    first = next(event for event in result.of_type("pair_ended") if event["kind"] == "exit")
    purposes = {event["purpose"] for event in result.of_type("order_submitted") if event["pair_id"] == first["pair_id"]}
    assert purposes <= {"leg", "complete"}, "an exit is completed forward, never reopened"
    assert len(result.of_type("position_closed")) == 1
    if Fate.NEVER_KNOWN in (at_a, at_b):
        assert first["outcome"] == "residual"
        return
    sold, bought = at_a.filled, at_b.filled
    assert ("complete" in purposes) == (sold != bought)
    assert first["outcome"] == "flat"
    reductions = result.of_type("position_reduced")
    assert len(reductions) == (1 if HALF == sold == bought or {sold, bought} == {HALF, NONE} else 0)


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_what_can_not_be_evened_out_is_a_named_residual(account: str) -> None:
    # The sell leg and every later order at b is refused, and so is everything at a but the first leg.
    refuse = dict.fromkeys(range(2, 500), Fate.REJECTED)
    result = run({"a": refuse, "b": {1: Fate.REJECTED} | refuse}, account=account)
    check(result, account=account)
    (residual,) = result.of_type("residual_left")
    assert (residual["venue"], residual["asset"], residual["unknown"]) == ("a", "BTC", False)
    (fill,) = result.of_type("order_filled")
    assert residual["quantity"] == fill["quantity"]
    assert residual["average_price"] == fill["price"]
    assert result.exit_code == 3
