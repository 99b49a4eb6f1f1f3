"""A venue's record, and the rules by which its health turns."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

import attrs

from trioarb.api import (
    EXACT,
    SECOND_NS,
    ZERO,
    Count,
    PositiveCount,
    PositiveMilliseconds,
    PositiveMoney,
    PositiveSeconds,
    Probability,
    Seconds,
    seconds_to_ns,
    setting,
    text,
)
from trioarb.builtin.guard_exchange_window import Answered, OrderWindow

__all__ = ["ExchangeSettings", "Health", "Turn", "VenueRecord", "doubts", "next_turn"]

_HOUR_NS = 3_600 * SECOND_NS
_DAY_NS = 24 * _HOUR_NS


@attrs.frozen(kw_only=True)
class ExchangeSettings:
    window_orders: PositiveCount = setting(50, doc="how many of a venue's last orders are looked back upon")
    window_seconds: PositiveSeconds = setting(Decimal(300), doc="for how long an order is looked back upon")
    min_orders: PositiveCount = setting(5, doc="fewer orders than this tell no latency and no error rate")
    degraded_latency_ms: PositiveMilliseconds = setting(
        Decimal(1_000), doc="time to an order's answer (90 % are faster); above it: DEGRADED"
    )
    degraded_error_rate: Probability = setting(
        Decimal("0.2"), doc="share of orders that were rejected or not answered; above it: DEGRADED"
    )
    degraded_pause_seconds: Seconds = setting(Decimal(30), doc="a DEGRADED venue gets one entry in this time")
    down_unknown_count: PositiveCount = setting(3, doc="orders in a row without an answer; from it on: DOWN")
    down_error_rate: Probability = setting(
        Decimal("0.5"), doc="share of orders that were rejected or not answered; above it: DOWN"
    )
    down_seconds: Seconds = setting(Decimal(60), doc="how long DOWN lasts at least; then one entry probes the venue")
    freeze_after_downs: Count = setting(5, doc="times DOWN within an hour; from it on: FROZEN; 0: never")
    max_venue_daily_loss_usd: PositiveMoney = setting(
        Decimal(200), doc="loss of pairs that the venue failed, in the UTC day; from it on: FROZEN"
    )


def doubts(settings: ExchangeSettings) -> Iterable[str]:
    """Yield what makes no sense together."""
    if settings.window_orders < settings.min_orders:
        yield "window_orders is below min_orders: latency and error rate are never told"
    if settings.down_error_rate < settings.degraded_error_rate:
        yield "down_error_rate is below degraded_error_rate: errors never make a venue DEGRADED"


class Health(Enum):
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    FROZEN = "FROZEN"


@attrs.frozen
class Turn:
    """Another health, why, and the limit that was passed."""

    health: Health
    reason: str
    limit: str


@attrs.define
class VenueRecord:
    """What was folded of one venue. Its health, ``reason``, ``limit`` and ``until_ns`` are those of its last turn.

    ``probing``: DEGRADED after having been DOWN. ``lifted``: the user wants it FROZEN no longer. ``market_problem`` is
    empty as long as none is known, ``market_up`` is true once it is known that quotes come. ``liquidated`` says which
    contracts the venue closed by force. ``entries`` are the pairs
    in flight that open a position, ``last_priced`` residuals that are valued at the last price of a side that was
    withdrawn.
    """

    orders: OrderWindow
    health: Health = Health.HEALTHY
    reason: str = ""
    limit: str = ""
    until_ns: int = 0
    probing: bool = False
    lifted: bool = False
    market_up: bool = False
    market_problem: str = ""
    unanswered_in_a_row: int = 0
    last_allowed_ns: int | None = None
    entries: set[str] = attrs.field(factory=set)
    last_priced: set[str] = attrs.field(factory=set)
    liquidated: str = ""
    _downs_ns: list[int] = attrs.field(factory=list)
    _loss_usd: Decimal = ZERO
    _loss_day: int = -1

    @classmethod
    def of(cls, settings: ExchangeSettings) -> VenueRecord:
        return cls(
            OrderWindow(
                most=settings.window_orders,
                window_ns=seconds_to_ns(settings.window_seconds),
                slow_ns=seconds_to_ns(settings.degraded_latency_ms / 1000),
            )
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing at all speaks against it, so that it stays HEALTHY whatever the limits and the time are."""
        return (
            self.health is Health.HEALTHY
            and not self.orders.failed
            and not self.orders.slow
            and not self.unanswered_in_a_row
            and not self.market_problem
            and not self.liquidated
            and not self._loss_usd
        )

    def answer(self, answered: Answered, *, unknown: bool) -> None:
        """Count an order that has its answer, or never will (``unknown``)."""
        self.orders.leave(answered.at_ns)
        self.orders.enter(answered)
        self.unanswered_in_a_row = self.unanswered_in_a_row + 1 if unknown else 0

    def daily_loss_usd(self, now_ns: int) -> Decimal:
        return self._loss_usd if now_ns // _DAY_NS == self._loss_day else ZERO

    def lose(self, amount_usd: Decimal, now_ns: int) -> None:
        self._loss_usd = EXACT.add(self.daily_loss_usd(now_ns), amount_usd)
        self._loss_day = now_ns // _DAY_NS

    def downs(self, now_ns: int) -> int:
        """Return how often it went DOWN within the last hour."""
        return sum(now_ns - at_ns < _HOUR_NS for at_ns in self._downs_ns)

    def lift(self) -> None:
        """Let it be FROZEN no longer, and forgive what froze it."""
        if self.health is Health.FROZEN:
            self.lifted, self.liquidated, self._loss_usd, self._downs_ns = True, "", ZERO, []

    def turn(self, turn: Turn, *, until_ns: int, now_ns: int) -> None:
        """Take another health. A venue that was DOWN or FROZEN starts with a clean record."""
        before, self.health = self.health, turn.health
        self.reason, self.limit, self.until_ns = turn.reason, turn.limit, until_ns
        self.probing, self.lifted = before is Health.DOWN and self.health is Health.DEGRADED, False
        if self.health is Health.DOWN:
            self._downs_ns.append(now_ns)
        if before in (Health.DOWN, Health.FROZEN):
            self.orders.clear()
            self.unanswered_in_a_row, self.last_allowed_ns = 0, None


def next_turn(venue: VenueRecord, limits: ExchangeSettings, now_ns: int) -> Turn | None:
    """Return how a venue's health has to change, or ``None``. It depends on the record and the time alone."""
    if venue.is_clean:
        return None
    if venue.health is Health.FROZEN:
        return Turn(Health.HEALTHY, "the stop was cleared", "no stop") if venue.lifted else None
    if venue.liquidated:
        return Turn(Health.FROZEN, venue.liquidated, "no liquidation")
    loss = venue.daily_loss_usd(now_ns)
    if loss >= limits.max_venue_daily_loss_usd:
        at_last = f" (residuals at last prices: {len(venue.last_priced)})" if venue.last_priced else ""
        return Turn(Health.FROZEN, f"{text(loss)} USD lost{at_last}", text(limits.max_venue_daily_loss_usd))
    if venue.health is Health.DOWN:
        is_over = now_ns >= venue.until_ns and venue.market_up
        return Turn(Health.DEGRADED, "one entry may probe it", "one entry") if is_over else None
    window = venue.orders
    window.leave(now_ns)
    down = _down(venue, window, limits)
    if down is not None:
        downs = venue.downs(now_ns) + 1
        if 0 < limits.freeze_after_downs <= downs:
            return Turn(Health.FROZEN, f"DOWN {downs} times in an hour", str(limits.freeze_after_downs))
        return down
    degraded = _degraded(window, limits)
    if venue.health is Health.HEALTHY:
        return degraded if window.count >= limits.min_orders else None
    if degraded is None and window.count:
        reason = f"{window.failed} of {window.count} orders failed"
        return Turn(Health.HEALTHY, reason, text(limits.degraded_error_rate))
    return None


def _down(venue: VenueRecord, window: OrderWindow, limits: ExchangeSettings) -> Turn | None:
    count = window.count
    if venue.market_problem:
        return Turn(Health.DOWN, venue.market_problem, "quotes")
    if venue.unanswered_in_a_row >= limits.down_unknown_count:
        reason = f"{venue.unanswered_in_a_row} orders in a row without an answer"
        return Turn(Health.DOWN, reason, str(limits.down_unknown_count))
    if venue.probing and window.failed:
        return Turn(Health.DOWN, "an order failed that probed it", "no failed order")
    if count >= limits.min_orders and window.failed > limits.down_error_rate * count:
        return Turn(Health.DOWN, f"{window.failed} of {count} orders failed", text(limits.down_error_rate))
    return None


def _degraded(window: OrderWindow, limits: ExchangeSettings) -> Turn | None:
    count = window.count
    if window.failed > limits.degraded_error_rate * count:
        reason = f"{window.failed} of {count} orders failed"
        return Turn(Health.DEGRADED, reason, text(limits.degraded_error_rate))
    if window.is_slow:
        reason = f"orders take {window.latency_ns / 1_000_000:.3f} ms"
        return Turn(Health.DEGRADED, reason, f"{text(limits.degraded_latency_ms)} ms")
    return None
