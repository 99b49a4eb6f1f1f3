"""The health of venues: told by events alone, at the borders of its limits, and in whole campaigns."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from asking import ask
from checked import checked
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from trioarb.api import (
    SECOND_NS,
    Answer,
    ExchangeContext,
    ExchangeSpec,
    GuardContext,
    OrderRejected,
    OrderReport,
    Record,
    VenueError,
    event,
)
from trioarb.builtin.guard_exchange import ExchangeSettings, ExchangeTier
from trioarb.builtin.guard_exchange_health import Health, VenueRecord, next_turn
from trioarb.builtin.guard_exchange_window import Answered, OrderWindow
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.cli.running import report_of
from trioarb.journal.journal import Journal
from trioarb.model.event import CampaignOpened, Decided, OrderSubmitted, PairEnded, PairOpened, ResidualLeft
from trioarb.model.order import Order, Purpose, Side
from trioarb.model.trade import PairKind, PairOutcome
from trioarb.report.summary import summarise
from trioarb.report.table import print_summary
from trioarb.risk.guards import Guards
from trioarb.risk.holds import Holds
from trioarb.state.exposure import Exposure
from trioarb.state.marks import Marks
from trioarb.state.trades import Trades
from trioarb.testing import (
    CampaignResult,
    FixedRisk,
    ScriptedRow,
    ScriptedTape,
    listing,
    opportunity,
    plugin_of,
    run_virtual,
    scripted_market,
    two_venues,
    utc_ns,
)

NOON = utc_ns("2025-03-01T12:00:00")


class Desk:
    """The tier over three venues, all of them with quotes, and a journal to which orders and pairs are reported."""

    def __init__(self, **limits: Any) -> None:
        self.now_ns = NOON
        self.records: list[Record] = []
        self.settings = ExchangeSettings(**limits)
        self.tier = self.fresh_tier()
        self.journal = Journal(lambda: self.now_ns)
        self.trades = Trades()
        guards = Guards(
            journal=self.journal,
            trades=self.trades,
            marks=Marks(Exposure(), self.trades),
            tiers={"exchange": checked("exchange", self.tier)},
            holds=Holds(),
            max_concurrent_pairs=100,
        )
        self.guards = guards
        self.journal.attach(projections=[self.trades, guards], observers=[self.records.append], reactors=[guards])
        self._orders = 0
        self.journal.record(
            CampaignOpened(
                campaign_id="x",
                version="",
                config_digest="",
                env="",
                mode="paper",
                clock="virtual",
                seed=1,
                universe_mode="SINGLE",
                symbols=("BTCUSDT",),
                venues=("a", "b", "c"),
                fx={},
            )
        )
        for venue in "abc":
            self.journal.record(event.MarketUp(venue=venue))

    def fresh_tier(self) -> ExchangeTier:
        return ExchangeTier(self.settings, GuardContext(name="exchange", symbols=("BTCUSDT",), risk=FixedRisk()))

    def pass_seconds(self, seconds: float) -> None:
        """Let time go by, the tier being asked every second."""
        until_ns = self.now_ns + round(seconds * SECOND_NS)
        while self.now_ns < until_ns:
            self.now_ns = min(self.now_ns + SECOND_NS, until_ns)
            self.guards.poll(self.now_ns)

    def ask(self, buy: str = "a", sell: str = "b") -> PairOpened | Decided:
        wanted = opportunity(buy_venue=buy, sell_venue=sell)
        return ask(self.guards, wanted, self.now_ns, journal=self.journal, trades=self.trades)

    def answer(self, buy: str = "a", sell: str = "b") -> str:
        """Ask, and return ``ALLOW``, or the rule that denies; an allowed entry costs nothing and is over at once."""
        given = self.ask(buy, sell)
        if isinstance(given, PairOpened):
            self.end(given)
            return "ALLOW"
        assert (given.answer, given.tier) == (Answer.DENY, "exchange")
        return str(given.rule)

    def opened(self, buy: str = "a", sell: str = "b", kind: PairKind = PairKind.EXIT) -> PairOpened:
        """Open a pair without asking, as an exit is."""
        self._orders += 1
        opened = PairOpened(
            pair_id=f"x{self._orders}",
            trade_id=f"x{self._orders}",
            kind=kind,
            symbol="BTCUSDT",
            buy_venue=buy,
            sell_venue=sell,
            quantity=Decimal(1),
            buy_limit=Decimal(1),
            sell_limit=Decimal(1),
            reserved_usd=Decimal(0),
        )
        self.journal.record(opened)
        return opened

    def end(self, opened: PairOpened, pnl_usd: int | Decimal = 0) -> None:
        self.journal.record(
            PairEnded(
                pair_id=opened.pair_id,
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                kind=opened.kind,
                outcome=PairOutcome.FLAT,
                bought=Decimal(0),
                sold=Decimal(0),
                pnl_usd=Decimal(pnl_usd),
                fees_usd=Decimal(0),
            )
        )

    def order(self, opened: PairOpened, venue: str, fate: str = "ok", seconds: float = 0.05) -> str:
        """Send an order, which after a while is ``ok``, ``rejected``, ``unknown`` or still ``waiting``."""
        self._orders += 1
        order_id = f"o{self._orders}"
        self.journal.record(
            OrderSubmitted(
                client_order_id=order_id,
                pair_id=opened.pair_id,
                purpose=Purpose.LEG,
                venue=venue,
                symbol="BTCUSDT",
                side=Side.BUY,
                quantity=Decimal(1),
                limit_price=Decimal(1),
                locked_asset="USDT",
                locked=Decimal(1),
            )
        )
        self.now_ns += round(seconds * SECOND_NS)
        self.fate(order_id, fate)
        return order_id

    def fate(self, order_id: str, fate: str) -> None:
        match fate:
            case "ok":
                self.journal.record(event.OrderAcknowledged(client_order_id=order_id, venue_order_id="1"))
            case "rejected":
                self.journal.record(event.OrderRejected(client_order_id=order_id, reason="no"))
            case "unknown":
                self.journal.record(event.OrderUnknown(client_order_id=order_id, reason="no answer"))

    def orders(self, *fates: str, at: str = "b", seconds: float = 0.05) -> None:
        """Let orders of pairs that cost nothing meet these fates."""
        for fate in fates:
            opened = self.opened("a", "b") if at in "ab" else self.opened("a", "c")
            self.order(opened, at, fate, seconds)
            self.end(opened)

    def lose(
        self, usd: int | Decimal, *failing: str, residual: str | None = None, last_price: Decimal | None = None
    ) -> None:
        """Let a pair between a and b lose money, orders being rejected at some of its venues."""
        opened = self.opened()
        for venue in ("a", "b"):
            self.order(opened, venue, "rejected" if venue in failing else "ok")
        if residual is not None:
            self.journal.record(
                ResidualLeft(
                    residual_id=f"{opened.pair_id}.1",
                    pair_id=opened.pair_id,
                    trade_id=opened.trade_id,
                    symbol="BTCUSDT",
                    venue=residual,
                    asset="BTC",
                    quantity=Decimal(1),
                    average_price=Decimal(1),
                    cost_usd=Decimal(1),
                    unknown=False,
                    last_price=last_price,
                )
            )
        self.end(opened, -Decimal(usd))

    @property
    def turns(self) -> list[event.GuardTripped]:
        return [record.event for record in self.records if isinstance(record.event, event.GuardTripped)]

    def health(self, venue: str = "b") -> str:
        """Return a venue's health, which a tier that folds the whole journal again has to see as well."""
        again = self.fresh_tier()
        for record in self.records:
            again.apply(record)
        stats = self.tier.stats(self.now_ns)
        assert again.stats(self.now_ns) == stats
        return str(stats["venues"][venue]["health"])


def tolerant(**limits: Any) -> Desk:
    """Return a desk where nothing but what is given is ever wrong."""
    generous: dict[str, Any] = {
        "degraded_latency_ms": Decimal(10**9),
        "degraded_error_rate": Decimal(1),
        "down_error_rate": Decimal(1),
        "down_unknown_count": 10**6,
        "freeze_after_downs": 0,
        "max_venue_daily_loss_usd": Decimal(10**6),
    }
    return Desk(**(generous | limits))


# Healthy


def test_a_healthy_venue_gets_every_entry() -> None:
    desk = Desk()
    assert [desk.answer() for _ in range(10)] == ["ALLOW"] * 10
    desk.orders(*["ok"] * 20)
    assert desk.health() == "HEALTHY"
    assert desk.turns == []


def test_an_unknown_venue_gets_none() -> None:
    assert Desk().answer("a", "nowhere") == "unknown_venue"


# Down, and back


def test_orders_in_a_row_without_an_answer() -> None:
    desk = tolerant(down_unknown_count=3, down_seconds=Decimal(60))
    desk.orders("unknown", "unknown")
    assert desk.answer() == "ALLOW"
    desk.orders("unknown")
    (turn,) = desk.turns
    assert (turn.tier, turn.rule, turn.venue, turn.answer) == ("exchange", "venue_health", "b", Answer.DENY)
    assert turn.value == "DOWN: 3 orders in a row without an answer"
    assert turn.limit == "3"
    assert turn.until_ns == desk.now_ns + 60 * SECOND_NS
    denied = desk.ask()
    assert isinstance(denied, Decided)
    assert (denied.rule, denied.value, denied.limit) == ("down", "b: 3 orders in a row without an answer", "3")
    assert [desk.answer(*route) for route in ("ab", "ba", "bc", "cb", "ac", "ca")] == ["down"] * 4 + ["ALLOW"] * 2


@pytest.mark.parametrize("answered", ["ok", "rejected"])
def test_an_answer_in_between_breaks_the_row(answered: str) -> None:
    desk = tolerant(down_unknown_count=3)
    desk.orders("unknown", "unknown", answered, "unknown", "unknown")
    assert desk.health() == "HEALTHY"


def test_what_is_learnt_later_is_no_answer() -> None:
    desk = tolerant(down_unknown_count=3)
    for later in ("ok", "rejected", "ok"):
        opened = desk.opened()
        desk.fate(desk.order(opened, "b", "unknown"), later)
        desk.end(opened)
    assert desk.health() == "DOWN"


def test_orders_of_other_venues_do_not_count() -> None:
    desk = tolerant(down_unknown_count=3)
    desk.orders("unknown", "unknown")
    desk.orders("unknown", at="c")
    assert (desk.health("b"), desk.health("c")) == ("HEALTHY", "HEALTHY")


def down(**limits: Any) -> Desk:
    """Return a desk where b has just gone down."""
    desk = tolerant(**({"down_unknown_count": 1, "down_seconds": Decimal(60)} | limits))
    desk.orders("unknown")
    assert desk.health() == "DOWN"
    return desk


def test_after_a_while_one_entry_probes_a_venue_that_was_down() -> None:
    desk = down()
    desk.pass_seconds(59)
    assert desk.answer() == "down"
    desk.pass_seconds(1)
    assert desk.health() == "DEGRADED"
    probe = desk.ask()
    assert isinstance(probe, PairOpened)
    desk.pass_seconds(1_000)
    denied = desk.ask()
    assert isinstance(denied, Decided)
    assert (denied.rule, denied.value) == ("degraded", "b: an entry probes it")
    desk.order(probe, "a")
    assert desk.health() == "DEGRADED"
    desk.order(probe, "b")
    assert desk.health() == "HEALTHY"
    recovered = desk.turns[-1]
    assert (recovered.answer, recovered.value, recovered.until_ns) == (
        Answer.ALLOW,
        "HEALTHY: 0 of 1 orders failed",
        None,
    )
    assert desk.answer() == "ALLOW"


@pytest.mark.parametrize("fate", ["rejected", "unknown"])
def test_a_probe_that_fails_takes_it_down_again(fate: str) -> None:
    desk = down(down_unknown_count=100, down_error_rate=Decimal("0.5"), min_orders=1)
    desk.pass_seconds(60)
    probe = desk.ask()
    assert isinstance(probe, PairOpened)
    desk.order(probe, "b", fate)
    assert desk.health() == "DOWN"
    assert desk.turns[-1].value == "DOWN: an order failed that probed it"
    desk.end(probe)
    assert desk.answer() == "down"


def test_a_probe_that_sent_nothing_is_followed_by_another_after_the_pause() -> None:
    desk = down(degraded_pause_seconds=Decimal(30))
    desk.pass_seconds(60)
    assert desk.answer() == "ALLOW"
    assert desk.answer() == "degraded"
    desk.pass_seconds(30)
    assert desk.answer() == "ALLOW"


def test_the_pause_of_a_degraded_venue_does_not_delay_the_probe() -> None:
    desk = tolerant(down_unknown_count=1, down_seconds=Decimal(60), degraded_pause_seconds=Decimal(1_000))
    assert desk.answer() == "ALLOW"
    desk.orders("unknown")
    desk.pass_seconds(60)
    assert [desk.answer(), desk.answer()] == ["ALLOW", "degraded"]


def test_exits_prove_a_venue_as_well_as_entries() -> None:
    desk = down()
    desk.orders("ok", "ok")
    assert desk.health() == "DOWN", "it is down for as long as was said"
    desk.pass_seconds(60)
    desk.orders("ok")
    assert desk.health() == "HEALTHY"


def test_what_fails_while_it_is_down_does_not_count_afterwards() -> None:
    desk = down()
    desk.orders("unknown", "rejected", "unknown")
    desk.pass_seconds(60)
    assert desk.health() == "DEGRADED"
    assert len(desk.turns) == 2


@pytest.mark.parametrize("problem", ["stale", "down"])
def test_no_quotes_no_entries(problem: str) -> None:
    desk = tolerant(down_seconds=Decimal(60))
    desk.journal.record(
        event.MarketStale(venue="b", last_quote_ns=desk.now_ns - 10 * SECOND_NS)
        if problem == "stale"
        else event.MarketDown(venue="b", reason="its data has ended")
    )
    assert desk.answer() == "down"
    assert (
        desk.turns[0].value
        == {
            "stale": "DOWN: no quote for 10.000 s",
            "down": "DOWN: no market data: its data has ended",
        }[problem]
    )
    desk.pass_seconds(1_000)
    assert desk.answer() == "down", "quotes have to come first"
    desk.journal.record(event.MarketUp(venue="b"))
    assert desk.health() == "DEGRADED"
    assert desk.answer() == "ALLOW"


def test_quotes_that_come_again_do_not_shorten_it() -> None:
    desk = tolerant(down_seconds=Decimal(60))
    desk.journal.record(event.MarketStale(venue="b", last_quote_ns=desk.now_ns))
    desk.pass_seconds(5)
    desk.journal.record(event.MarketUp(venue="b"))
    desk.pass_seconds(54)
    assert desk.answer() == "down"
    desk.pass_seconds(1)
    assert desk.answer() == "ALLOW"


# Error rate and latency


def test_the_error_rates_at_their_borders() -> None:
    desk = tolerant(degraded_error_rate=Decimal("0.2"), down_error_rate=Decimal("0.5"), min_orders=5)
    desk.orders("rejected", "ok", "ok", "ok", "ok")
    assert desk.health() == "HEALTHY"  # 1 of 5
    desk.orders("unknown")
    assert desk.health() == "DEGRADED"  # 2 of 6
    assert (desk.turns[-1].value, desk.turns[-1].limit) == ("DEGRADED: 2 of 6 orders failed", "0.2")
    desk.orders("rejected", "rejected")
    assert desk.health() == "DEGRADED"  # 4 of 8
    desk.orders("rejected")
    assert desk.health() == "DOWN"  # 5 of 9
    assert (desk.turns[-1].value, desk.turns[-1].limit) == ("DOWN: 5 of 9 orders failed", "0.5")


def test_few_orders_tell_nothing() -> None:
    desk = tolerant(degraded_error_rate=Decimal("0.2"), down_error_rate=Decimal("0.5"), min_orders=5)
    desk.orders(*["rejected"] * 4)
    assert desk.health() == "HEALTHY"
    desk.orders("rejected")
    assert desk.health() == "DOWN"


def test_a_degraded_venue_recovers_with_its_error_rate() -> None:
    desk = tolerant(degraded_error_rate=Decimal("0.2"), min_orders=5)
    desk.orders("rejected", "rejected", "ok", "ok", "ok")
    assert desk.health() == "DEGRADED"
    desk.orders(*["ok"] * 4)
    assert desk.health() == "DEGRADED"  # 2 of 9
    desk.orders("ok")
    assert desk.health() == "HEALTHY"  # 2 of 10


def test_the_window_holds_so_many_orders() -> None:
    desk = tolerant(degraded_error_rate=Decimal("0.2"), min_orders=5, window_orders=5)
    desk.orders(*["ok"] * 50, "rejected", "rejected")
    assert desk.health() == "DEGRADED"


def test_old_orders_tell_nothing_but_no_order_does_not_heal() -> None:
    desk = tolerant(degraded_error_rate=Decimal("0.2"), min_orders=5, window_seconds=Decimal(100))
    desk.orders(*["rejected"] * 4, seconds=0)
    desk.pass_seconds(100)
    desk.orders("rejected", seconds=0)
    assert desk.health() == "HEALTHY"  # the others are too old
    desk.orders(*["rejected"] * 4, seconds=0)
    assert desk.health() == "DEGRADED"
    desk.pass_seconds(1_000)
    assert desk.health() == "DEGRADED"
    desk.orders("ok")
    assert desk.health() == "HEALTHY"


@pytest.mark.parametrize(("slow", "expected"), [(1, "HEALTHY"), (2, "DEGRADED")])
def test_one_order_in_ten_may_be_slow(slow: int, expected: str) -> None:
    desk = tolerant(degraded_latency_ms=Decimal(200))
    desk.orders(*["ok"] * (10 - slow), seconds=0.2)
    desk.orders(*["ok"] * slow, seconds=0.2 + 1e-9)
    assert desk.health() == expected
    if slow == 2:
        assert (desk.turns[0].value, desk.turns[0].limit) == ("DEGRADED: orders take 200.000 ms", "200 ms")


def test_a_degraded_venue_gets_one_entry_in_a_while() -> None:
    desk = tolerant(degraded_error_rate=Decimal(0), degraded_pause_seconds=Decimal("1.5"), min_orders=1)
    desk.orders("rejected")
    assert desk.health() == "DEGRADED"
    assert desk.answer() == "ALLOW"
    desk.now_ns += 1_500_000_000 - 1
    denied = desk.ask("c", "b")
    assert isinstance(denied, Decided)
    assert (denied.rule, denied.limit) == ("degraded", "1.5 s")
    assert denied.value == "b: 1.500 s after its last entry"
    assert desk.answer("a", "c") == "ALLOW"
    desk.now_ns += 1
    assert desk.answer("b", "c") == "ALLOW"
    assert desk.answer() == "degraded"


# Frozen


def test_losses_of_pairs_that_a_venue_failed_freeze_it() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(1_000)
    desk.lose(1_000, "a")
    assert (desk.health("a"), desk.health("b")) == ("FROZEN", "HEALTHY"), "b did nothing wrong"
    desk.lose(60, "b")
    desk.lose(Decimal("39.99"), residual="b")
    assert desk.health() == "HEALTHY"
    desk.lose(-500, "b")
    desk.lose(Decimal("0.01"), "b")
    assert desk.health() == "FROZEN"
    assert (desk.turns[-1].value, desk.turns[-1].limit) == ("FROZEN: 100 USD lost", "100")
    assert desk.turns[-1].until_ns is None
    assert desk.answer("c", "b") == "frozen"


def test_a_loss_that_counts_a_residual_at_its_last_price_says_so() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(60, residual="b", last_price=Decimal("0.9"))
    desk.lose(40, "b")
    assert desk.health() == "FROZEN"
    assert desk.turns[-1].value == "FROZEN: 100 USD lost (residuals at last prices: 1)"


def test_a_pair_that_both_venues_failed_counts_for_both() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(100, "a", residual="b")
    assert (desk.health("a"), desk.health("b"), desk.health("c")) == ("FROZEN", "FROZEN", "HEALTHY")


def test_an_unanswered_order_is_a_failure_whatever_is_learnt_later() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    opened = desk.opened()
    desk.fate(desk.order(opened, "b", "unknown"), "ok")
    desk.end(opened, -100)
    assert desk.health() == "FROZEN"


def test_what_a_residual_costs_in_the_end_counts_too() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(60, residual="b")
    desk.journal.record(
        event.ResidualResolved(
            residual_id="x1.1", symbol="BTCUSDT", reason="traded away", pnl_usd=Decimal(-40), fees_usd=Decimal(0)
        )
    )
    assert desk.health() == "FROZEN"


def test_a_days_losses_end_with_the_utc_day_but_a_frozen_venue_stays_frozen() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.now_ns = utc_ns("2025-03-01T23:59:59")
    desk.lose(99, "b")
    desk.lose(100, residual="a")
    desk.now_ns = utc_ns("2025-03-02T00:00:00")
    desk.lose(99, "b")
    assert (desk.health("a"), desk.health("b")) == ("FROZEN", "HEALTHY")
    desk.pass_seconds(3_600)
    assert desk.answer("a", "c") == "frozen"


@pytest.mark.parametrize(("early_ns", "expected"), [(0, "DOWN"), (1, "FROZEN")])
def test_going_down_too_often_within_an_hour_freezes(early_ns: int, expected: str) -> None:
    desk = tolerant(down_unknown_count=1, down_seconds=Decimal(60), freeze_after_downs=3)
    first_ns = desk.now_ns
    for minutes in (0, 20):
        desk.now_ns = first_ns + minutes * 60 * SECOND_NS
        desk.orders("unknown", seconds=0)
        assert desk.health() == "DOWN"
        desk.pass_seconds(60)
    desk.now_ns = first_ns + 3_600 * SECOND_NS - early_ns
    desk.orders("unknown", seconds=0)
    assert desk.health() == expected
    if expected == "FROZEN":
        assert (desk.turns[-1].value, desk.turns[-1].limit) == ("FROZEN: DOWN 3 times in an hour", "3")
        desk.pass_seconds(4_000)
        assert desk.health() == "FROZEN"


def test_only_a_cleared_stop_lifts_it() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(100, "b")
    desk.orders(*["ok"] * 50)
    desk.pass_seconds(86_400)
    assert desk.health() == "FROZEN"
    desk.journal.record(event.StopCleared())
    assert desk.health() == "HEALTHY"
    assert desk.turns[-1].value == "HEALTHY: the stop was cleared"
    assert desk.answer() == "ALLOW"


def test_what_froze_it_does_not_freeze_it_again_on_the_same_day() -> None:
    desk = tolerant(
        max_venue_daily_loss_usd=Decimal(100), down_unknown_count=1, down_seconds=Decimal(1), freeze_after_downs=2
    )
    desk.lose(100, "b")
    desk.orders("unknown", at="c")
    desk.pass_seconds(1)
    desk.orders("unknown", at="c")
    assert (desk.health("b"), desk.health("c")) == ("FROZEN", "FROZEN")
    desk.journal.record(event.StopCleared())
    desk.pass_seconds(10)
    assert (desk.health("b"), desk.health("c")) == ("HEALTHY", "HEALTHY")
    desk.lose(99, "b")
    desk.orders("unknown", at="c")
    assert (desk.health("b"), desk.health("c")) == ("HEALTHY", "DOWN")
    desk.lose(1, "b")
    desk.pass_seconds(1)
    desk.orders("unknown", at="c")
    assert (desk.health("b"), desk.health("c")) == ("FROZEN", "FROZEN")


def test_a_cleared_stop_forgives_only_what_froze() -> None:
    desk = tolerant(max_venue_daily_loss_usd=Decimal(100))
    desk.lose(60, "b")
    desk.journal.record(event.StopCleared())
    desk.lose(40, "b")
    assert desk.health() == "FROZEN"


# After a crash


def test_after_a_crash_it_is_not_known_whether_quotes_come() -> None:
    desk = down(down_seconds=Decimal(60))
    desk.journal.record(
        event.CampaignResumed(number=1, version="", config_digest="", last_seq=1, last_ts_ns=1, close_only=False)
    )
    desk.pass_seconds(100)
    assert desk.answer() == "down"
    desk.journal.record(event.MarketUp(venue="b"))
    assert desk.answer() == "ALLOW"


def test_an_order_that_waited_through_a_crash_was_not_slow() -> None:
    desk = tolerant(degraded_latency_ms=Decimal(200), min_orders=1, max_venue_daily_loss_usd=Decimal(100))
    opened = desk.opened()
    waiting = [desk.order(opened, "b", "waiting") for _ in range(2)]
    desk.now_ns += 3_600 * SECOND_NS
    desk.journal.record(
        event.CampaignResumed(number=1, version="", config_digest="", last_seq=1, last_ts_ns=1, close_only=False)
    )
    desk.fate(waiting[0], "ok")
    assert desk.health() == "HEALTHY"
    desk.fate(waiting[1], "rejected")
    desk.end(opened, -100)
    assert desk.health() == "FROZEN"


FATES = st.sampled_from(["ok", "ok", "rejected", "unknown"])
STEPS = st.one_of(
    st.tuples(st.just("orders"), st.lists(FATES, min_size=1, max_size=6), st.sampled_from("bc")),
    st.tuples(st.just("lose"), st.integers(1, 60), st.sampled_from("ab")),
    st.tuples(st.just("wait"), st.integers(1, 100), st.none()),
    st.tuples(st.just("stale"), st.none(), st.sampled_from("bc")),
    st.tuples(st.just("up"), st.none(), st.sampled_from("bc")),
    st.tuples(st.just("enter"), st.none(), st.none()),
    st.tuples(st.just("clear"), st.none(), st.none()),
)


@settings(max_examples=60)
@given(steps=st.lists(STEPS, max_size=25))
def test_folding_the_journal_again_gives_the_same_answers(steps: Sequence[tuple[str, Any, Any]]) -> None:
    desk = Desk(down_seconds=Decimal(20), freeze_after_downs=4, max_venue_daily_loss_usd=Decimal(100), min_orders=3)
    for what, value, venue in steps:
        match what:
            case "orders":
                desk.orders(*value, at=venue)
            case "lose":
                desk.lose(value, venue)
            case "wait":
                desk.pass_seconds(value)
            case "stale":
                desk.journal.record(event.MarketStale(venue=venue, last_quote_ns=desk.now_ns))
            case "up":
                desk.journal.record(event.MarketUp(venue=venue))
            case "enter":
                desk.answer()
            case _:
                desk.journal.record(event.StopCleared())
    again = desk.fresh_tier()
    for record in desk.records:
        again.apply(record)
    for later_ns in (desk.now_ns, desk.now_ns + 10 * SECOND_NS, desk.now_ns + 4_000 * SECOND_NS):
        assert again.stats(later_ns) == desk.tier.stats(later_ns)
        assert list(again.poll(later_ns)) == list(desk.tier.poll(later_ns))
        for buy, sell in ("ab", "ba", "bc", "ac"):
            asked = opportunity(buy_venue=buy, sell_venue=sell)
            assert again.check(asked, later_ns) == desk.tier.check(asked, later_ns)


PASSED = st.sampled_from([0, 1, SECOND_NS, 4 * SECOND_NS, 5 * SECOND_NS - 1, 5 * SECOND_NS, 60 * SECOND_NS])
LATENCIES = st.sampled_from([0, 1, 99_999_999, 100_000_000, 100_000_001, 3 * SECOND_NS])
SEEN = st.tuples(PASSED, st.one_of(st.none(), st.tuples(LATENCIES, st.booleans())))


@settings(max_examples=200)
@given(most=st.integers(1, 12), seen=st.lists(SEEN, max_size=60))
def test_what_is_counted_as_orders_come_and_go_is_what_their_list_says(
    most: int, seen: Sequence[tuple[int, tuple[int, bool] | None]]
) -> None:
    """An order (its latency, and whether it failed) enters, or only time goes by; counts are those of a new count."""
    limit_ns = 100_000_000
    window = OrderWindow(most=most, window_ns=5 * SECOND_NS, slow_ns=limit_ns)
    now_ns, entered = NOON, list[Answered]()
    for passed_ns, order in seen:
        now_ns += passed_ns
        if order is not None:
            entered.append(Answered(now_ns, *order))
            window.enter(entered[-1])
        window.leave(now_ns)
        orders = [one for one in entered[-most:] if now_ns - one.at_ns < 5 * SECOND_NS]
        latencies = sorted(one.latency_ns for one in orders)
        latency_ns = latencies[-(-9 * len(latencies) // 10) - 1] if latencies else 0
        assert (window.count, window.failed) == (len(orders), sum(one.failed for one in orders))
        assert window.slow == sum(one.latency_ns > limit_ns for one in orders)
        assert (window.latency_ns, window.is_slow) == (latency_ns, latency_ns > limit_ns)


@settings(max_examples=100)
@given(
    seen=st.lists(st.tuples(PASSED, LATENCIES, st.sampled_from(["ok", "ok", "failed", "unknown", "lose"])), max_size=40)
)
def test_a_venue_that_would_turn_is_never_taken_for_clean(seen: Sequence[tuple[int, int, str]]) -> None:
    """A venue that is clean is not held against the limits: whatever the strictest ones would turn it for is seen."""
    limits = ExchangeSettings(
        window_seconds=Decimal(5),
        min_orders=1,
        degraded_latency_ms=Decimal(100),
        degraded_error_rate=Decimal(0),
        down_error_rate=Decimal(0),
        down_unknown_count=1,
        max_venue_daily_loss_usd=Decimal("0.01"),
    )
    venue, now_ns = VenueRecord.of(limits), NOON
    for passed_ns, latency_ns, what in seen:
        now_ns += passed_ns
        if what == "lose":
            venue.lose(Decimal(1), now_ns)
        else:
            venue.answer(Answered(now_ns, latency_ns, what != "ok"), unknown=what == "unknown")
        speaks = what != "ok" or latency_ns > 100_000_000
        assert not (speaks and venue.is_clean)
        if speaks:
            turn = next_turn(venue, limits, now_ns)
            assert turn is not None
            assert turn.health is not Health.HEALTHY


# In campaigns


def gap(seconds: float, *, wide: bool) -> list[tuple[str, ScriptedRow]]:
    """Return a quote of each venue: with a gap that pays an entry, or without."""
    b = 101.0 if wide else 100.0
    return [
        ("a", (seconds, "BTCUSDT", 99.9, 100.0, 100.0, 100.0)),
        ("b", (seconds, "BTCUSDT", b, 100.0, b + 0.1, 100.0)),
    ]


def campaign(
    quotes: Sequence[tuple[str, ScriptedRow]], *, guards: dict[str, Any], venue_b: object = None, **b: Any
) -> CampaignResult:
    tapes = {
        venue: ScriptedTape([row for at, row in quotes if at == venue], listings=[listing("BTC")]) for venue in "ab"
    }
    plugins: dict[str, object] = {"market": scripted_market(tapes)}
    config = two_venues()
    if venue_b is not None:
        plugins["venue"], config["exchanges"]["b"]["plugin"] = venue_b, "odd"
    config["exchanges"]["b"] |= b
    symbol = {"cooldown_seconds": 0, "max_position_count": 1, "circuit_breaker_loss_count": 0}
    config["guards"] = {"symbol": symbol, **guards}
    config["strategy"] = {"entry_bps": 50, "exit_bps": -40, "order_size_usd": 500}
    return run_virtual(config, plugins=plugins)


def healths(result: CampaignResult, venue: str = "b") -> list[str]:
    return [turn["value"].partition(":")[0] for turn in result.of_type("guard_tripped") if turn.get("venue") == venue]


def flapping(last: int) -> list[tuple[str, ScriptedRow]]:
    """Return two quotes a second; every second second the gap is wide."""
    return [quote for tick in range(last * 2) for quote in gap(tick / 2, wide=tick % 4 < 2)]


def test_it_is_asked_unless_the_file_switches_it_off() -> None:
    without = campaign(flapping(20), guards={"exchange": {"enabled": False}}, reject_rate=1)
    assert "exchange" not in without.campaign.tiers
    assert without.of_type("order_rejected")
    with_it = campaign(flapping(20), guards={}, reject_rate=1)
    assert list(with_it.campaign.tiers) == ["exchange", "global", "portfolio", "symbol"]
    assert with_it.refusals["exchange.down"]
    assert len(with_it.of_type("order_rejected")) < len(without.of_type("order_rejected"))


class Unsteady(PaperExchange):
    """Answers nothing, or nothing good, to some of its orders."""

    bad: range
    error: Exception
    orders = 0

    async def place(self, order: Order) -> OrderReport:
        number, self.orders = self.orders, self.orders + 1
        if number in self.bad:
            raise self.error
        return await super().place(order)


def unsteady(bad: range, error: Exception) -> object:
    @asynccontextmanager
    async def opened(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[PaperExchange]:
        exchange = Unsteady(settings, context)
        exchange.bad, exchange.error = bad, error
        yield exchange

    return plugin_of(ExchangeSpec(name="odd", doc="an odd venue", settings=PaperSettings, open=opened))


def test_a_venue_that_fails_is_left_alone_probed_and_trusted_again() -> None:
    result = campaign(
        flapping(120),
        guards={"exchange": {"degraded_error_rate": 1, "down_error_rate": 1, "down_seconds": 20}},
        venue_b=unsteady(range(4, 8), VenueError("connection reset")),
    )
    assert healths(result) == ["DOWN", "DEGRADED", "DOWN", "DEGRADED", "HEALTHY"]
    turns = result.of_type("guard_tripped")
    entries = [pair["seq"] for pair in result.of_type("pair_opened") if pair["kind"] == "entry"]

    def between(first: int, last: int) -> int:
        return sum(turns[first]["seq"] < seq < turns[last]["seq"] for seq in entries)

    assert [between(number, number + 1) for number in range(4)] == [0, 1, 0, 1]
    assert turns[1]["ts_ns"] == turns[0]["ts_ns"] + 20 * SECOND_NS
    assert turns[4]["seq"] < entries[-1]
    assert result.refusals["exchange.down"]


def test_exits_go_on_whatever_its_health() -> None:
    """b's market data ends for a while with a position open, and the position is closed at its time."""
    quotes = [*gap(0, wide=True), *gap(1, wide=True)]
    quotes += [quote for second in range(2, 40) for quote in gap(second, wide=True) if quote[0] == "a"]
    quotes += [*gap(40, wide=False), *gap(41, wide=False), *gap(42, wide=False)]
    result = campaign(
        quotes,
        guards={"exchange": {"down_seconds": 3_600}},
    )
    assert healths(result) == ["DOWN"]
    (turn,) = result.of_type("guard_tripped")
    assert [event["ts_ns"] for event in result.of_type("position_closed")]
    assert all(event["ts_ns"] > turn["ts_ns"] for event in result.of_type("position_closed"))
    assert {event["reason"] for event in result.of_type("position_closed")} == {"edge"}


def test_two_replays_are_identical() -> None:
    def events() -> object:
        return campaign(
            flapping(60),
            guards={"exchange": {"down_seconds": 5, "degraded_pause_seconds": 3}},
            venue_b=unsteady(range(5, 9), OrderRejected("too many requests")),
        ).events

    first = events()
    assert first == events() == events()


def test_a_person_and_a_program_are_told_of_each_venues_health() -> None:
    result = campaign(
        flapping(30),
        guards={"exchange": {"down_unknown_count": 2, "down_seconds": 3_600}},
        venue_b=unsteady(range(4, 6), VenueError("connection reset")),
    )
    venues = summarise(report_of(result.campaign))["risk_stats"]["exchange"]["venues"]
    assert venues["a"]["health"] == "HEALTHY"
    assert "reason" not in venues["a"]
    assert (venues["b"]["health"], venues["b"]["reason"]) == ("DOWN", "2 orders in a row without an answer")
    assert venues["a"]["latency_p90_ms"] == 40
    assert Decimal(venues["a"]["error_rate"]) == 0
    for width in (60, 80, 140):
        console = Console(file=io.StringIO(), width=width)
        print_summary(console, report_of(result.campaign))
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        text = " ".join(" ".join(lines).split())
        assert "Venue: b is DOWN (2 orders in a row without an answer)" in text
        assert "latency_p90_ms 40.0" in text
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"window_orders": 3}, "window_orders is below min_orders"),
        ({"down_error_rate": "0.1"}, "down_error_rate is below degraded_error_rate"),
    ],
)
def test_settings_that_make_no_sense_together_are_pointed_out(table: dict[str, Any], text: str) -> None:
    assert any(text in warning for warning in campaign(gap(0, wide=False), guards={"exchange": table}).warnings)
