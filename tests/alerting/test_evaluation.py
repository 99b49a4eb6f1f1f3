"""When rules tell: throttled, lasting, over, within limits. Time is what the records say."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import Any

import attrs
import pytest

from trioarb.alerting.evaluation import Evaluation
from trioarb.alerting.figures import Figures
from trioarb.config.alerts import AlertRule, AlertTable, rules_of
from trioarb.model.alert import Alert, AlertMessage
from trioarb.model.event import (
    ClockJumped,
    Event,
    FundingPaid,
    FxRated,
    GuardTripped,
    MarketDown,
    MarketStale,
    MarketUp,
    OrderRejected,
    PhaseEntered,
    PositionOpened,
    Record,
)
from trioarb.model.fx import FxState
from trioarb.model.trade import Answer, Phase
from trioarb.state.state import State
from trioarb.time.campaign_time import SECOND_NS

START_NS = 1_800_000_000 * SECOND_NS


class Told:
    """An evaluation of some rules, shown events at seconds, and the lines that it told."""

    def __init__(self, *tables: AlertTable, state: Any = None) -> None:
        self.alerts: list[Alert] = []
        self.evaluation = Evaluation(rules_of(tables, ["log"]), self._tell)
        self.figures = Figures(
            rules_of(tables, ["log"]),
            state or State(),
            lambda number, seen, at_ns: self.evaluation.note(seen, at_ns, of=(number,)),
        )
        self._seq = 0

    def _tell(self, rule: AlertRule, alert: Alert) -> None:
        self.alerts.append(alert)

    def at(self, seconds: float, event: Event) -> None:
        self._seq += 1
        record = Record(self._seq, START_NS + round(seconds * SECOND_NS), event)
        self.evaluation.observe(record)
        self.figures.observe(record)

    def look(self, seconds: float) -> None:
        self.evaluation.look(START_NS + round(seconds * SECOND_NS))
        self.figures.look(START_NS + round(seconds * SECOND_NS))

    @property
    def said(self) -> list[tuple[float, bool, int]]:
        """When, whether it is over, and how many were held back."""
        return [((one.at_ns - START_NS) / SECOND_NS, one.is_over, one.held_back) for one in self.alerts]


def rule(*on: str, **more: Any) -> AlertTable:
    return AlertTable(
        on=on, **{key: Decimal(str(one)) if type(one) in (int, float) else one for key, one in more.items()}
    )


def stale(venue: str = "a") -> MarketStale:
    return MarketStale(venue=venue, last_quote_ns=START_NS)


JUMP = ClockJumped(late_seconds=Decimal(3), wall_step_seconds=Decimal(0))


def tripped(answer: Answer, **more: Any) -> GuardTripped:
    return GuardTripped(tier="portfolio", rule="daily_loss", answer=answer, value="12", limit="10", **more)


def test_what_begins_is_told_and_when_it_is_over() -> None:
    told = Told(rule("market_stale"))
    told.at(1, stale())
    told.at(2, MarketUp(venue="b"))
    told.at(3, MarketUp(venue="a"))
    assert told.said == [(1, False, 0), (3, True, 0)]
    assert told.alerts[0].text == "no quotes from a for 1.0 s"
    assert told.alerts[1].text == "quotes come from a again"
    assert [alert.about for alert in told.alerts] == ["a", "a"]


def test_without_recovery_nobody_is_told_that_it_is_over() -> None:
    told = Told(rule("market_stale", recovery=False))
    told.at(1, stale())
    told.at(2, MarketUp(venue="a"))
    assert told.said == [(1, False, 0)]


def test_the_same_is_told_once_in_a_while_and_the_rest_is_counted() -> None:
    told = Told(rule("clock_jump", throttle_seconds=60))
    for second in (0, 10, 20, 59):
        told.at(second, JUMP)
    assert told.said == [(0, False, 0)]
    told.at(61, MarketUp(venue="a"))  # any event says what time it is
    assert told.said == [(0, False, 0), (61, False, 2)]


def test_each_venue_is_throttled_by_itself() -> None:
    told = Told(rule("market_stale", throttle_seconds=60))
    told.at(0, stale("a"))
    told.at(1, stale("b"))
    assert [alert.about for alert in told.alerts] == ["a", "b"]


def test_what_flaps_is_told_again_only_if_it_still_lasts_when_the_throttle_ends() -> None:
    told = Told(rule("market_stale", throttle_seconds=60))
    told.at(0, stale())
    told.at(5, MarketUp(venue="a"))
    told.at(10, stale())
    told.at(15, MarketUp(venue="a"))
    told.at(20, stale())
    assert told.said == [(0, False, 0), (5, True, 0)]
    told.look(60)
    assert told.said[2:] == [(60, False, 1)]
    told.at(70, MarketUp(venue="a"))
    assert told.said[3:] == [(70, True, 0)]


def test_what_flapped_and_is_over_is_not_told_after_the_throttle() -> None:
    told = Told(rule("market_stale", throttle_seconds=60))
    told.at(0, stale())
    told.at(5, MarketUp(venue="a"))
    told.at(10, stale())
    told.at(15, MarketUp(venue="a"))
    told.look(100)
    assert told.said == [(0, False, 0), (5, True, 0)]


def test_only_what_lasts_long_enough_is_told() -> None:
    told = Told(rule("market_stale", for_seconds=30))
    told.at(0, stale())
    told.at(20, MarketUp(venue="a"))
    told.look(40)
    assert told.said == []
    told.at(50, stale())
    told.look(79)
    assert told.said == []
    told.look(80)
    assert told.said == [(80, False, 1)]


def test_a_guard_that_says_until_when_is_over_then() -> None:
    told = Told(rule("guard_tripped", guards=("portfolio",)), rule("guard_tripped", guards=("symbol",)))
    told.at(0, tripped(Answer.DENY, until_ns=START_NS + 30 * SECOND_NS))
    told.look(29)
    assert told.said == [(0, False, 0)]
    told.look(30)
    assert told.said == [(0, False, 0), (30, True, 0)]


def rated(reason: str, state: FxState) -> FxRated:
    return FxRated(asset="KRW", common="USDT", reason=reason, state=state, bids={}, asks={}, premiums={})


def test_a_rate_that_was_never_good_is_told_of_after_a_minute_and_once() -> None:
    told = Told(rule("fx_disputed", throttle_seconds=1))
    told.at(0, rated("start", FxState.OLD))
    assert told.said == []
    for minute in (1, 2, 3):
        told.at(60 * minute, rated("minute", FxState.OLD))
    assert told.said == [(60, False, 0)]
    told.at(200, rated("state", FxState.GOOD))
    told.at(240, rated("minute", FxState.GOOD))
    assert told.said == [(60, False, 0), (200, True, 0)]


def test_an_event_of_the_journal_is_told_by_its_name_and_narrowed_down() -> None:
    rejected = OrderRejected(client_order_id="c-1", reason="too small")
    told = Told(rule("order_rejected", throttle_seconds=0.001), rule("market_stale", venues=("b",)))
    told.at(0, rejected)
    told.at(1, stale("a"))
    told.at(2, rejected)
    assert [alert.text for alert in told.alerts] == ["order rejected: client_order_id=c-1 reason=too small"] * 2


def test_what_was_held_back_is_told_at_the_end() -> None:
    told = Told(rule("clock_jump", throttle_seconds=600), rule("market_stale", for_seconds=600))
    told.at(0, JUMP)
    told.at(1, JUMP)
    told.at(2, stale())
    told.evaluation.finish(START_NS + 3 * SECOND_NS)
    assert told.said == [(0, False, 0), (3, False, 0)]


def paid(amount: int) -> FundingPaid:
    from trioarb.model.contract import ChargeKind

    usd = Decimal(amount)
    return FundingPaid(
        charge_id="c",
        charged_at_ns=START_NS,
        kind=ChargeKind.FUNDING,
        venue="a",
        symbol="BTCUSDT",
        quantity=Decimal(1),
        mark=Decimal(1),
        rate_bps=Decimal(1),
        asset="USDT",
        amount=usd,
        amount_usd=usd,
    )


@attrs.define
class Books:
    """What figures look at of a state: PnL, and what is open."""

    pnl_usd: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)

    @property
    def statistics(self) -> Books:
        return self

    @property
    def marks(self) -> Books:
        return self

    def left_alone(self) -> AbstractContextManager[None]:
        return nullcontext()

    def unrealised_usd(self) -> Decimal:
        return self.unrealised

    def earn(self, told: Told, seconds: float, amount: int) -> None:
        self.pnl_usd += amount
        told.at(seconds, paid(amount))

    def mark(self, told: Told, seconds: float, amount: int) -> None:
        self.unrealised = Decimal(amount)
        told.figures.look_at_money(START_NS + round(seconds * SECOND_NS))


@pytest.fixture
def books() -> Books:
    return Books()


def test_pnl_beyond_its_band_is_told_once_and_that_it_is_back(books: Books) -> None:
    told = Told(rule("pnl", below_usd=-10, above_usd=100, throttle_seconds=0.001), state=books)
    for second, amount in enumerate((-5, -6, -1, 20, 200, -200)):
        books.earn(told, second, amount)
    assert [alert.line for alert in told.alerts] == [
        "PnL is -11.00 USD, below -10",
        "over: PnL is 8.00 USD, in its band again",
        "PnL is 208.00 USD, above 100",
        "over: PnL is 8.00 USD, in its band again",
    ]


def test_a_drawdown_counts_what_is_open_at_its_marks(books: Books) -> None:
    told = Told(rule("drawdown", above_usd=50), state=books)
    books.earn(told, 0, 40)
    books.mark(told, 1, -40)
    assert told.alerts == []
    books.mark(told, 2, -60)
    assert told.alerts[0].text == "PnL fell by 60.00 USD from its highest, 40.00; the limit is 50"
    books.mark(told, 3, -10)
    assert told.alerts[1].is_over


def opened() -> PositionOpened:
    one = Decimal(1)
    fields: dict[str, Any] = {"trade_id": "t1", "symbol": "BTCUSDT", "buy_venue": "a", "sell_venue": "b"}
    for name in PositionOpened.__struct_fields__:
        fields.setdefault(name, one)
    return PositionOpened(**fields)


def test_a_campaign_that_does_not_trade_is_told_of_and_that_it_trades_again() -> None:
    told = Told(rule("no_trade", minutes=1))
    told.at(0, MarketUp(venue="a"))
    told.look(100)
    assert told.alerts == []  # it doesn't run yet
    told.at(100, PhaseEntered(phase=Phase.RUNNING))
    told.at(150, opened())
    told.look(209)
    assert told.alerts == []
    told.look(212)
    assert told.said == [(210, False, 0)]
    told.at(220, opened())
    assert told.said == [(210, False, 0), (220, True, 0)]
    told.at(230, PhaseEntered(phase=Phase.DRAINING))
    told.look(1000)
    assert len(told.alerts) == 2


def test_a_venue_s_words_are_no_alert_of_their_own() -> None:
    told = Told(AlertTable(on=("venue_down",)), AlertTable(on=("market_down",)))
    told.at(1, MarketDown(venue="a", reason="502 <b>\r\ncritical: kill switch\x1b[2J \u202epulled"))
    assert len(told.alerts) == 2
    assert all(alert.line.isprintable() for alert in told.alerts)
    message = AlertMessage(campaign="c", env="e", mode="m", number=1, alerts=tuple(told.alerts))
    assert len(message.body.splitlines()) == 3
