"""Every combination of what can become of the two legs, for entries and for exits, ends as it has to."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from itertools import product
from math import inf
from typing import Any

import attrs
import msgspec
import pytest
import recompute
import structlog
import trio
from effort import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
    Turn,
    VenueError,
    event,
    floor_to,
)
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.journal.fold import Folds
from trioarb.model.trade import EndedBy
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.state.exposure import Exposure
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, scripted_market, two_venues
from trioarb.time.virtual import VirtualClock


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Tracebacks of bugs that are meant are not drawn; that takes longer than the campaign."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


FULL, HALF, NONE = Decimal(1), Decimal("0.5"), Decimal(0)
LOT = Decimal("0.01")
#: How long an order is under way; a paper venue takes 40 ms more.
WAY_NS = SECOND_NS // 50
#: Venue, bid and ask: while there is a gap, and once it is closed.
WIDE = (("a", 100.0, 100.1), ("b", 101.0, 101.1))
CLOSED = (("a", 100.5, 100.6), ("b", 100.4, 100.5))


class Answer(Enum):
    """How the venue answers."""

    REPORT = "the report"
    REFUSAL = "it refuses"
    LOST = "the answer is lost"
    SILENCE = "none ever comes"
    DOWN = "from now on it can't be reached, for a while"
    GONE = "it can't be reached any more"
    MUTE = "neither to this nor to anything else"
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
    NEVER_ANSWERED = (FULL, Answer.MUTE)

    @property
    def filled(self) -> Decimal:
        return self.value[0] or NONE


UNKNOWABLE = {Fate.NEVER_KNOWN, Fate.NEVER_ANSWERED}
Fates = Mapping[str, Mapping[int, Fate]]


class FatefulExchange(Exchange):
    """Passes orders on to a paper venue; the n-th of them meets its fate, all others are filled as usual."""

    def __init__(
        self, context: ExchangeContext, fates: Mapping[int, Fate], down_seconds: float, sent: list[Order]
    ) -> None:
        assert context.inner is not None
        self._sent = sent
        self._inner = context.inner
        self.account = self._inner.account
        self.max_borrow_usd = self._inner.max_borrow_usd
        self._venue, self._time = context.venue, context.time
        self._fates = fates
        self._down_ns = int(down_seconds * SECOND_NS)
        self._orders = 0
        self._down_until_ns: float = 0
        self._is_mute = False
        self._reports: dict[str, OrderReport] = {}

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return await self._inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._inner.balances()

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        return self._inner.seed_inventory(instrument, quote)

    async def place(self, order: Order) -> OrderReport:
        self._orders += 1
        self._sent.append(order)
        await self._require_connection()
        await self._time.sleep(WAY_NS, Turn.VENUE.order(symbol=order.symbol, venue=self._venue))
        share, answer = self._fates.get(self._orders, Fate.FILLED).value
        if share is not None:
            report = await self._execute(order, share)
        match answer:
            case Answer.REFUSAL:
                raise OrderRejected("refused")
            case Answer.SILENCE | Answer.MUTE:
                self._is_mute = answer is Answer.MUTE
                await trio.sleep_forever()
            case Answer.BUG:
                raise KeyError("a bug in the plugin")
            case Answer.DOWN:
                self._down_until_ns = self._time.now_ns() + self._down_ns
            case Answer.GONE:
                self._down_until_ns = inf
            case Answer.REPORT:
                return report
        raise VenueError("connection lost")

    async def order(self, client_order_id: str) -> OrderReport | None:
        await self._require_connection()
        return self._reports.get(client_order_id) or await self._inner.order(client_order_id)

    async def _execute(self, order: Order, share: Decimal) -> OrderReport:
        """Let a share of the order fill; the rest is cancelled."""
        quantity = floor_to(order.quantity * share, LOT)
        if quantity:
            report = await self._inner.place(msgspec.structs.replace(order, quantity=quantity))
        else:
            report = OrderReport(
                client_order_id=order.client_order_id, venue_order_id="x", status=OrderStatus.CANCELLED
            )
        if quantity < order.quantity:
            report = msgspec.structs.replace(report, status=OrderStatus.CANCELLED)
        self._reports[order.client_order_id] = report
        return report

    async def _require_connection(self) -> None:
        if self._is_mute:
            await trio.sleep_forever()
        if self._time.now_ns() < self._down_until_ns:
            raise VenueError("connection refused")


class Cause(Enum):
    ENDED = "ended"
    HURRIED = "ended in a hurry"
    CANCELLED = "cancelled"


@attrs.frozen
class End:
    """The campaign ends at a second: of its own, or because the scope around it is cancelled."""

    second: float
    cause: Cause = Cause.ENDED


def run(
    fates: Fates,
    *,
    account: str = "spot",
    down_seconds: float = 2,
    end: End | None = None,
    gap_until: int = 20,
    then: Sequence[tuple[str, float, float]] = CLOSED,
    overrides: Sequence[str] = (),
) -> CampaignResult:
    """Enter at second 1 (buy at a, sell at b); from second 20 on the exit threshold is met."""

    @asynccontextmanager
    async def open_exchange(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        yield FatefulExchange(context, fates.get(context.venue, {}), down_seconds, sent)

    quotes: dict[str, list[Any]] = {"a": [], "b": []}
    for second in range(1, 60):
        for venue, bid, ask in WIDE if second < gap_until else then:
            quotes[venue].append((float(second), "BTCUSDT", bid, 50.0, ask, 50.0))
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")]) for venue, rows in quotes.items()}
    spec = ExchangeSpec(name="fateful", doc="scripted fates", open=open_exchange, wraps=True)
    table = two_venues()
    table["execution"] = {"residual_policy": "hold"}
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
    sent: list[Order] = []
    around, clock = trio.CancelScope(), VirtualClock()

    async def end_it(end: End) -> None:
        await trio.sleep_until(end.second)
        if end.cause is Cause.CANCELLED:
            around.cancel()
            return
        campaigns[0].end(EndedBy.SIGNAL)
        if end.cause is Cause.HURRIED:
            campaigns[0].parts.executor.hurry()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            if end is not None:
                nursery.start_soon(end_it, end)
            with around:
                await run_campaign(config, plugins, clock=clock, observers=[records.append], on_open=campaigns.append)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)
    assert len({order.client_order_id for order in sent}) == len(sent), "an order was sent twice"
    result = CampaignResult(campaign=campaigns[0], records=tuple(records), events=tuple(map(to_json_object, records)))
    check_urgency(result, sent)
    return result


def check_urgency(result: CampaignResult, sent: Sequence[Order]) -> None:
    """Whatever doesn't open a position goes before what does, where a venue's limits make orders wait."""
    kinds = {event["pair_id"]: event["kind"] for event in result.of_type("pair_opened")}
    opening = {
        event["client_order_id"]
        for event in result.of_type("order_submitted")
        if kinds[event["pair_id"]] == "entry" and event["purpose"] == "leg"
    }
    assert {order.client_order_id for order in sent if not order.urgent} == opening & {
        order.client_order_id for order in sent
    }


def check(result: CampaignResult, *, account: str = "spot") -> recompute.Books:
    """Every pair ended once, every order has its last word or a residual that names it, and the money is all there."""
    books = recompute.check(result.events, borrow_usd=dict.fromkeys("ab", "5000") if account == "margin" else {})
    campaign = result.campaign
    assert {event["outcome"] for event in result.of_type("pair_ended")} <= {"hedged", "flat", "residual"}
    assert not list(campaign.parts.ledger.imbalances())
    assert campaign.parts.ledger.open_orders == books.unanswered
    assert list(campaign.parts.trades.residuals) == books.open_residuals
    assert campaign.state.exposure.exposure_usd() == books.exposure_usd()
    assert campaign.state.statistics.pnl_usd == books.total_pnl_usd
    assert (books.exposure_usd() > 0) == bool(books.open_residuals or books.open_positions)
    is_clean = not books.unanswered and not books.open_positions
    assert not (campaign.problems if is_clean else books.open_positions and not campaign.problems)
    if campaign.ended_by is EndedBy.ERROR:
        assert (result.exit_code, campaign.error) == (1, "the campaign was cancelled")
    else:
        assert campaign.error == ""
        assert result.exit_code == (0 if is_clean and not books.open_residuals else 3)
    return books


ENDS = [End(0.01), End(0.01, Cause.CANCELLED), End(0.07, Cause.CANCELLED), End(0.5)]
#: One of each answer: the campaign's end comes on top of it.
SOME = [
    *(Fate.FILLED, Fate.PARTIAL, Fate.NOTHING, Fate.REJECTED, Fate.ACK_LOST_FILLED, Fate.NEVER_ARRIVED),
    *(Fate.TIMED_OUT_FILLED, Fate.DOWN_PARTIAL, Fate.NEVER_KNOWN, Fate.NEVER_ANSWERED),
]
CASES = [*((a, b, None) for a, b in product(Fate, Fate)), *product(SOME, SOME, ENDS)]


def is_telling(at_a: Fate, at_b: Fate, end: End | None) -> bool:
    """Whether a case shows what none of the others does: a fate beside a leg that fills, the ends beside few fates.

    The other combinations are long; what the pure machine makes of each is in `test_pair_machine`.
    """
    if end is None:
        return at_a is Fate.FILLED or at_b in (Fate.FILLED, at_a)
    return (at_a, at_b) in TOLD_AT_THE_END


TOLD_AT_THE_END = [(Fate.FILLED, Fate.FILLED), (Fate.FILLED, Fate.REJECTED), (Fate.ACK_LOST_FILLED, Fate.PARTIAL)]


def name(part: Fate | End | None) -> str:
    if isinstance(part, Fate):
        return part.name
    return "-" if part is None else f"{part.cause.value} after {part.second} s"


each_case = pytest.mark.parametrize(
    ("at_a", "at_b", "end"),
    [case if is_telling(*case) else pytest.param(*case, marks=pytest.mark.long) for case in CASES],
    ids=name,
)


def at(second: float, end: End | None) -> End | None:
    return None if end is None else attrs.evolve(end, second=second + end.second)


def check_in_flight(result: CampaignResult, pair_id: str, end: End | None) -> None:
    """The end, if it comes while the legs are under way, is recorded before the pair's."""
    if end is not None and end.second < 0.02:
        (draining,) = (event for event in result.of_type("phase_entered") if event["phase"] == "DRAINING")
        (opened,) = (event for event in result.of_type("pair_opened") if event["pair_id"] == pair_id)
        (ended,) = (event for event in result.of_type("pair_ended") if event["pair_id"] == pair_id)
        assert opened["seq"] < draining["seq"] < ended["seq"]


@each_case
def test_entry(at_a: Fate, at_b: Fate, end: End | None) -> None:
    result = run({"a": {1: at_a}, "b": {1: at_b}}, end=at(1, end))
    assert not check(result).open_positions
    check_in_flight(result, "p1", end)
    entry = result.of_type("pair_ended")[0]
    if UNKNOWABLE & {at_a, at_b}:
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


@each_case
def test_exit(at_a: Fate, at_b: Fate, end: End | None) -> None:
    result = run({"a": {2: at_a}, "b": {2: at_b}}, end=at(20, end))
    check(result)
    assert result.of_type("pair_ended")[0]["outcome"] == "hedged"
    check_in_flight(result, "p2", end)
    first = next(event for event in result.of_type("pair_ended") if event["kind"] == "exit")
    purposes = {event["purpose"] for event in result.of_type("order_submitted") if event["pair_id"] == first["pair_id"]}
    assert purposes <= {"leg", "complete"}, "an exit is completed forward, never reopened"
    assert len(result.of_type("position_closed")) == 1
    if UNKNOWABLE & {at_a, at_b}:
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
    assert Decimal(residual.get("mark_price", 0)) == 100, "what a bids"
    (pair,), (ended,) = result.of_type("pair_opened"), result.of_type("pair_ended")
    execution = result.campaign.config.execution
    longest = execution.hedge_deadline_seconds + execution.leg_timeout_seconds
    assert ended["ts_ns"] - pair["ts_ns"] < longest * SECOND_NS
    assert result.campaign.state.exposure.exposure_usd() == Decimal(residual["cost_usd"])
    assert result.exit_code == 3


# Fates that are learnt late

#: What is late, given its fate; and the second in which it is sent.
LATE: Mapping[str, tuple[Callable[[Fate], Fates], int]] = {
    "the bought leg of an entry": (lambda late: {"a": {1: late}}, 1),
    "the sold leg of an entry": (lambda late: {"b": {1: late}}, 1),
    "the only leg of an entry": (lambda late: {"a": {1: late}, "b": {1: Fate.REJECTED}}, 1),
    "both legs of an entry": (lambda late: {"a": {1: late}, "b": {1: late}}, 1),
    "a hedge": (lambda late: {"b": {1: Fate.PARTIAL, 2: late}}, 1),
    "an unwinding": (lambda late: {"a": {2: late}, "b": {1: Fate.REJECTED}}, 1),
    "the sold leg of an exit": (lambda late: {"a": {2: late}}, 20),
    "the bought leg of an exit": (lambda late: {"b": {2: late}}, 20),
    "both legs of an exit": (lambda late: {"a": {2: late}, "b": {2: late}}, 20),
    "a completion": (lambda late: {"b": {2: Fate.PARTIAL, 3: late}}, 20),
}
DOWN = [Fate.DOWN_FILLED, Fate.DOWN_PARTIAL, Fate.DOWN_NOTHING, Fate.DOWN_NEVER_ARRIVED]
#: A pair waits five seconds for its orders. The venue is back after twelve; it is asked every five, or at the end.
BACK_SECONDS, END_SECONDS = 12, 13.5


def net(result: CampaignResult) -> dict[str, Decimal]:
    """Return what was bought and not sold, by venue."""
    bought = dict.fromkeys("ab", NONE)
    for fill in result.of_type("order_filled"):
        bought[fill["venue"]] += Decimal(fill["quantity"]) * (1 if fill["side"] == "buy" else -1)
    return bought


def late_orders(result: CampaignResult) -> dict[str, int]:
    """Return the orders whose pair ended without them, and where in the journal it did."""
    ended = {event["pair_id"]: event["seq"] for event in result.of_type("pair_ended")}
    left = result.of_type("residual_left")
    return {event["client_order_id"]: ended[event["pair_id"]] for event in left if event["unknown"]}


@pytest.mark.parametrize("account", ["spot", pytest.param("margin", marks=pytest.mark.long)])
@pytest.mark.parametrize("is_draining", [False, True], ids=["running", "draining"])
@pytest.mark.parametrize("fate", DOWN, ids=lambda fate: fate.name)
@pytest.mark.parametrize("what", LATE)
def test_a_fate_that_is_learnt_late(what: str, fate: Fate, is_draining: bool, account: str) -> None:
    fates, second = LATE[what]
    end = End(second + END_SECONDS) if is_draining else None
    result = run(fates(fate), account=account, down_seconds=BACK_SECONDS, end=end)

    books = check(result, account=account)
    assert not books.open_positions
    late = late_orders(result)
    assert len(late) == (2 if "both" in what else 1)
    assert not books.unanswered
    resolved = result.of_type("residual_resolved")
    assert len(resolved) == len(late)
    for order_id, ended_seq in late.items():
        words = [event for event in result.events if event.get("client_order_id") == order_id]
        last = [one["type"] for one in words if one["seq"] > ended_seq and one["type"].startswith("order_")]
        assert (
            last
            == {
                Fate.DOWN_FILLED: ["order_acknowledged", "order_filled"],
                Fate.DOWN_PARTIAL: ["order_acknowledged", "order_filled", "order_cancelled"],
                Fate.DOWN_NOTHING: ["order_acknowledged", "order_cancelled"],
                Fate.DOWN_NEVER_ARRIVED: ["order_rejected"],
            }[fate]
        )
    (draining,) = (event for event in result.of_type("phase_entered") if event["phase"] == "DRAINING")
    assert all((event["seq"] > draining["seq"]) == is_draining for event in resolved)
    left: dict[str, Decimal] = dict.fromkeys("ab", NONE)
    for residual in result.campaign.parts.trades.residuals.values():
        left[residual.venue] += residual.quantity
        assert not residual.unknown
        assert not residual.possible
    assert left == net(result), "what is left is what was not traded back"
    assert result.exit_code == (3 if result.campaign.parts.trades.residuals else 0)
    check_nothing_offsets(result)


def check_nothing_offsets(result: CampaignResult) -> None:
    """What is left at a venue is all long or all short, and nothing is left where everything was traded back."""
    residuals = result.campaign.parts.trades.residuals.values()
    assert all(residual.quantity * net(result)[residual.venue] > 0 for residual in residuals)


@pytest.mark.parametrize("fate", [Fate.DOWN_NOTHING, Fate.DOWN_NEVER_ARRIVED], ids=lambda fate: fate.name)
def test_an_unwinding_that_turns_out_to_have_failed_leaves_its_leg(fate: Fate) -> None:
    result = run({"a": {2: fate}, "b": {1: Fate.REJECTED}}, down_seconds=BACK_SECONDS)
    check_nothing_offsets(result)
    assert result.exit_code == 3


@pytest.mark.parametrize("fate", [Fate.DOWN_FILLED, Fate.DOWN_PARTIAL], ids=lambda fate: fate.name)
def test_an_unwinding_that_turns_out_to_have_filled_takes_its_leg_away(fate: Fate) -> None:
    result = run({"a": {2: fate}, "b": {1: Fate.REJECTED}}, down_seconds=BACK_SECONDS)
    check_nothing_offsets(result)
    assert result.exit_code == (0 if fate is Fate.DOWN_FILLED else 3)


def test_an_exit_that_is_learnt_late_brought_what_it_would_have_brought_in_time() -> None:
    late = run({"b": {2: Fate.DOWN_FILLED}}, down_seconds=BACK_SECONDS)
    in_time = run({})
    assert late.of_type("residual_resolved")
    assert late.campaign.state.statistics.pnl_usd == in_time.campaign.state.statistics.pnl_usd
    assert late.campaign.state.statistics.fees_usd == in_time.campaign.state.statistics.fees_usd


@pytest.mark.parametrize("fate", [Fate.DOWN_FILLED, Fate.DOWN_NOTHING], ids=lambda fate: fate.name)
@pytest.mark.parametrize("what", ["both legs of an entry", "both legs of an exit"])
def test_legs_without_an_answer_hedge_each_other_so_one_of_them_is_exposed(what: str, fate: Fate) -> None:
    result = run(LATE[what][0](fate), down_seconds=BACK_SECONDS)
    check(result)

    folded, highest = Folds([exposure := Exposure()]), NONE
    for record in result.records:
        folded.apply(record)
        if isinstance(record.event, event.PairEnded | event.ResidualResolved):
            highest = max(highest, exposure.exposure_usd())
    reserved = [Decimal(one["reserved_usd"]) for one in result.of_type("pair_opened")]
    assert NONE < highest < max(reserved) * Decimal("1.05")
    if fate is Fate.DOWN_FILLED and "exit" in what:
        assert result.of_type("position_closed")
        assert exposure.exposure_usd() == 0
        assert result.exit_code == 0


@pytest.mark.parametrize("what", LATE)
def test_a_venue_that_is_down_until_the_end_leaves_orders_of_unknown_fate(what: str) -> None:
    fates, second = LATE[what]
    result = run(fates(Fate.DOWN_FILLED), down_seconds=BACK_SECONDS, end=End(second + 8))

    books = check(result)
    assert books.unanswered == set(late_orders(result))
    assert not result.of_type("residual_resolved")
    assert result.exit_code == 3


def test_a_loss_that_is_learnt_late_stops_the_campaign() -> None:
    result = run(
        {"a": {1: Fate.DOWN_FILLED}, "b": {1: Fate.REJECTED}},
        down_seconds=BACK_SECONDS,
        gap_until=2,
        then=[("a", 99.0, 99.1), ("b", 99.0, 99.1)],
        overrides=["guards.global.emergency_stop_loss_usd=4"],
    )

    check(result)
    (resolved,) = result.of_type("residual_resolved")
    assert Decimal(resolved["pnl_usd"]) < -4
    (stop,) = result.of_type("guard_tripped")
    assert (stop["rule"], stop["answer"], stop["ts_ns"]) == ("emergency_stop", "STOP", resolved["ts_ns"])
    assert result.events[-1]["ended_by"] == "emergency_stop"


@pytest.mark.parametrize("end", [None, End(1 + END_SECONDS)], ids=name)
def test_a_venue_that_never_answers_does_not_keep_others_from_being_asked(end: End | None) -> None:
    result = run({"a": {1: Fate.NEVER_ANSWERED}, "b": {1: Fate.DOWN_FILLED}}, down_seconds=BACK_SECONDS, end=end)

    check(result)
    assert [event["venue"] for event in result.of_type("order_filled")] == ["b"]


@pytest.mark.parametrize(
    ("fates", "second"), [({"a": {1: Fate.NEVER_ANSWERED}}, 1), ({"b": {2: Fate.NEVER_ANSWERED}}, 20)]
)
def test_an_order_that_a_hurry_leaves_without_an_answer_is_called_unknown(fates: Fates, second: int) -> None:
    result = run(fates, end=End(second + 0.5, Cause.HURRIED))

    check(result)
    assert result.of_type("order_unknown")
    opened, ended = result.of_type("pair_opened")[-1], result.of_type("pair_ended")[-1]
    longest = Decimal("0.5") + result.campaign.config.execution.hurry_seconds + 1  # a moment more to ask
    assert ended["ts_ns"] - opened["ts_ns"] <= longest * SECOND_NS


# Any fates

AN_END = st.builds(End, st.floats(0.9, 45), st.sampled_from([Cause.ENDED, Cause.CANCELLED]))


@settings(max_examples=examples(200, 40))
@given(
    fates=st.fixed_dictionaries(dict.fromkeys("ab", st.dictionaries(st.integers(1, 8), st.sampled_from(Fate)))),
    down_seconds=st.sampled_from([0.3, 2, 7, 12, 30]),
    end=st.none() | AN_END,
    gap_until=st.sampled_from([2, 20, 60]),
    account=st.sampled_from(["spot", "margin"]),
    hold=st.sampled_from([0.5, 3, 1000]),
    latency_ms=st.sampled_from([0, 40, 900]),
)
# A fate is learnt while the exit of the same trade is in flight.
@example(
    fates={
        "a": {2: Fate.DOWN_FILLED},
        "b": {1: Fate.PARTIAL, 2: Fate.NOTHING, 3: Fate.PARTIAL, 4: Fate.TIMED_OUT_FILLED},
    },
    down_seconds=7,
    end=None,
    gap_until=2,
    account="spot",
    hold=0.5,
    latency_ms=0,
)
def test_any_fates_add_up(
    fates: Fates,
    down_seconds: float,
    end: End | None,
    gap_until: int,
    account: str,
    hold: float,
    latency_ms: int,
) -> None:
    """Entry after entry, each held for a while."""
    overrides = ["guards.symbol.cooldown_seconds=4", f"strategy.max_holding_seconds={hold}"]
    overrides += [f"exchanges.{venue}.wraps.latency_ms={latency_ms}" for venue in "ab"]
    result = run(fates, account=account, down_seconds=down_seconds, end=end, gap_until=gap_until, overrides=overrides)
    check(result, account=account)
