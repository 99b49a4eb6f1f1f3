"""The exchange tier: how well each venue works, and how far it is trusted with entries."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.api import (
    EXACT,
    SECOND_NS,
    ZERO,
    Answer,
    Count,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Opportunity,
    PairKind,
    PositiveCount,
    PositiveMilliseconds,
    PositiveMoney,
    PositiveSeconds,
    Probability,
    Record,
    Refusal,
    Seconds,
    event,
    hookimpl,
    seconds_to_ns,
    setting,
)

__all__ = ["ExchangeSettings", "ExchangeTier", "Health"]

_RULE = "venue_health"
_HOUR_NS = 3_600 * SECOND_NS
_DAY_NS = 24 * _HOUR_NS

#: What a venue's health may change with. Everything else that changes it is the time.
_TELLING = (
    event.OrderAcknowledged,
    event.OrderRejected,
    event.OrderUnknown,
    event.PairEnded,
    event.ResidualResolved,
    event.MarketUp,
    event.MarketStale,
    event.MarketDown,
    event.StopCleared,
)


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


class Health(Enum):
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    FROZEN = "FROZEN"


@attrs.frozen
class _Turn:
    """Another health, why, and the limit that was passed."""

    health: Health
    reason: str
    limit: str


@attrs.frozen
class _Sent:
    """An order without an answer yet. ``at_ns`` is unknown after a crash."""

    venue: str
    pair_id: str
    at_ns: int | None


@attrs.frozen
class _Answered:
    """An order that has its answer, or never will (``failed``, as one that was rejected)."""

    at_ns: int
    latency_ns: int
    failed: bool


@attrs.frozen
class _Window:
    """What the last orders of a venue tell."""

    orders: tuple[_Answered, ...]

    @property
    def failed(self) -> int:
        return sum(order.failed for order in self.orders)

    @property
    def latency_ns(self) -> int:
        """The 90th percentile, by nearest rank; 0 without an order."""
        latencies = sorted(order.latency_ns for order in self.orders)
        return latencies[(9 * len(latencies) + 9) // 10 - 1] if latencies else 0


@attrs.define
class _Venue:
    """``probing``: DEGRADED after having been DOWN. ``lifted``: the user wants it FROZEN no longer."""

    orders: deque[_Answered]
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
    downs_ns: list[int] = attrs.field(factory=list)
    loss_usd: Decimal = ZERO
    loss_day: int = -1

    def daily_loss_usd(self, now_ns: int) -> Decimal:
        return self.loss_usd if now_ns // _DAY_NS == self.loss_day else ZERO

    def lose(self, amount_usd: Decimal, now_ns: int) -> None:
        self.loss_usd = EXACT.add(self.daily_loss_usd(now_ns), amount_usd)
        self.loss_day = now_ns // _DAY_NS

    def downs(self, now_ns: int) -> int:
        return sum(now_ns - at_ns < _HOUR_NS for at_ns in self.downs_ns)


class ExchangeTier(GuardTier):
    """Folds the health of every venue, whose every turn is a `GuardTripped`, and denies entries by it.

    HEALTHY venues get every entry, DEGRADED ones one in a while, DOWN and FROZEN ones none. Orders that are answered
    while a venue is DOWN tell nothing. A venue fails a pair if an order of the pair was rejected or not answered there,
    or if the pair left a residual there; the pair's loss is then the venue's, whoever else failed it too.
    """

    def __init__(self, settings: ExchangeSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._window_ns = seconds_to_ns(settings.window_seconds)
        self._latency_ns = seconds_to_ns(settings.degraded_latency_ms / 1000)
        self._pause_ns = seconds_to_ns(settings.degraded_pause_seconds)
        self._venues: dict[str, _Venue] = {}
        self._sent: dict[str, _Sent] = {}
        self._failed_by: dict[str, set[str]] = {}
        self._residual_at: dict[str, str] = {}

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        for venue in (opportunity.route.buy_venue, opportunity.route.sell_venue):
            one = self._venues.get(venue)
            if one is None:
                return _deny("unknown_venue", venue, ", ".join(self._venues) or "a venue of the campaign")
            if one.health in (Health.DOWN, Health.FROZEN):
                return _deny(one.health.value.lower(), f"{venue}: {one.reason}", one.limit)
            if one.health is Health.DEGRADED:
                if one.probing and one.entries:
                    return _deny("degraded", f"{venue}: an entry probes it", "one entry")
                if one.last_allowed_ns is not None and now_ns - one.last_allowed_ns < self._pause_ns:
                    elapsed = f"{(now_ns - one.last_allowed_ns) / SECOND_NS:.3f} s after its last entry"
                    return _deny("degraded", f"{venue}: {elapsed}", f"{self._settings.degraded_pause_seconds:f} s")
        return None

    def react(self, record: Record) -> Iterable[GuardTripped]:
        return self._turns(record.ts_ns) if isinstance(record.event, _TELLING) else ()

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        return self._turns(now_ns)

    def apply(self, record: Record) -> None:
        match record.event:
            case event.CampaignOpened(venues=venues):
                for venue in venues:
                    self._at(venue)
            case event.CampaignResumed():
                self._resume()
            case event.MarketUp(venue=venue):
                self._at(venue).market_up, self._at(venue).market_problem = True, ""
            case event.MarketStale(venue=venue, last_quote_ns=last_ns):
                silent = f"no quote for {(record.ts_ns - last_ns) / SECOND_NS:.3f} s"
                self._at(venue).market_up, self._at(venue).market_problem = False, silent
            case event.MarketDown(venue=venue, reason=reason):
                self._at(venue).market_up, self._at(venue).market_problem = False, f"no market data: {reason}"
            case event.GuardTripped(tier=self._name, rule="venue_health", venue=str(venue)) as tripped:
                self._turn(self._at(venue), tripped, record.ts_ns)
            case event.StopCleared():
                for one in self._venues.values():
                    if one.health is Health.FROZEN:
                        one.lifted, one.loss_usd, one.downs_ns = True, ZERO, []
            case event.Decided(answer=Answer.ALLOW, buy_venue=str(buy), sell_venue=str(sell)):
                for venue in (buy, sell):
                    self._at(venue).last_allowed_ns = record.ts_ns
            case _:
                self._apply_to_pairs(record)

    def _apply_to_pairs(self, record: Record) -> None:
        match record.event:
            case event.PairOpened(kind=PairKind.ENTRY, pair_id=pair_id, buy_venue=buy, sell_venue=sell):
                for venue in (buy, sell):
                    self._at(venue).entries.add(pair_id)
            case event.OrderSubmitted(client_order_id=order_id, venue=venue, pair_id=pair_id):
                self._sent[order_id] = _Sent(venue, pair_id, record.ts_ns)
            case event.OrderAcknowledged(client_order_id=order_id):
                self._answer(order_id, record.ts_ns, failed=False)
            case event.OrderRejected(client_order_id=order_id):
                self._answer(order_id, record.ts_ns, failed=True)
            case event.OrderUnknown(client_order_id=order_id):
                self._answer(order_id, record.ts_ns, failed=True, answered=False)
            case event.ResidualLeft(residual_id=residual_id, pair_id=pair_id, venue=venue):
                self._failed_by.setdefault(pair_id, set()).add(venue)
                self._residual_at[residual_id] = venue
            case event.ResidualResolved(residual_id=residual_id, pnl_usd=pnl_usd):
                venue = self._residual_at.pop(residual_id)
                self._lose([venue], pnl_usd, record.ts_ns)
            case event.PairEnded(pair_id=pair_id, pnl_usd=pnl_usd):
                for one in self._venues.values():
                    one.entries.discard(pair_id)
                self._lose(self._failed_by.pop(pair_id, ()), pnl_usd, record.ts_ns)
            case _:
                pass

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {"venues": {venue: dict(self._figures(one, now_ns)) for venue, one in self._venues.items()}}

    def _figures(self, one: _Venue, now_ns: int) -> Iterator[tuple[str, Any]]:
        window = self._window(one, now_ns)
        yield "health", one.health
        if one.health is not Health.HEALTHY:
            yield "reason", one.reason
        yield "orders", len(window.orders)
        if window.orders:
            yield "error_rate", (Decimal(window.failed) / len(window.orders)).quantize(Decimal("0.000001"))
            yield "latency_p90_ms", window.latency_ns / 1_000_000
        yield "daily_loss_usd", one.daily_loss_usd(now_ns)

    def _at(self, venue: str) -> _Venue:
        if venue not in self._venues:
            self._venues[venue] = _Venue(deque(maxlen=self._settings.window_orders))
        return self._venues[venue]

    def _resume(self) -> None:
        """Forget what a crash made old: whether quotes come, and since when orders wait for their answer."""
        for one in self._venues.values():
            one.market_up, one.market_problem = False, ""
        self._sent = {order_id: attrs.evolve(sent, at_ns=None) for order_id, sent in self._sent.items()}

    def _answer(self, order_id: str, now_ns: int, *, failed: bool, answered: bool = True) -> None:
        """Count an order's first answer, or that there was none; what is learnt of it later counts no more."""
        sent = self._sent.pop(order_id, None)
        if sent is None:
            return
        if failed:
            self._failed_by.setdefault(sent.pair_id, set()).add(sent.venue)
        one = self._at(sent.venue)
        if sent.at_ns is not None and one.health is not Health.DOWN:
            one.orders.append(_Answered(now_ns, now_ns - sent.at_ns, failed))
            one.unanswered_in_a_row = 0 if answered else one.unanswered_in_a_row + 1

    def _lose(self, venues: Iterable[str], pnl_usd: Decimal, now_ns: int) -> None:
        if pnl_usd < 0:
            for venue in venues:
                self._at(venue).lose(-pnl_usd, now_ns)

    def _turn(self, one: _Venue, tripped: GuardTripped, now_ns: int) -> None:
        """Fold a turn. A venue that is DOWN or probed starts with a clean record."""
        name, _, reason = tripped.value.partition(": ")
        before, one.health = one.health, Health(name)
        one.reason, one.limit, one.until_ns = reason, tripped.limit, tripped.until_ns or 0
        one.probing, one.lifted = before is Health.DOWN and one.health is Health.DEGRADED, False
        if one.health is Health.DOWN:
            one.downs_ns.append(now_ns)
        if one.health is Health.DOWN or one.probing:
            one.orders.clear()
            one.unanswered_in_a_row, one.last_allowed_ns = 0, None

    def _turns(self, now_ns: int) -> Iterator[GuardTripped]:
        for venue, one in self._venues.items():
            turn = self._next(one, now_ns)
            if turn is not None:
                is_down = turn.health is Health.DOWN
                yield GuardTripped(
                    tier=self._name,
                    rule=_RULE,
                    answer=Answer.ALLOW if turn.health is Health.HEALTHY else Answer.DENY,
                    venue=venue,
                    value=f"{turn.health.value}: {turn.reason}",
                    limit=turn.limit,
                    until_ns=now_ns + seconds_to_ns(self._settings.down_seconds) if is_down else None,
                )

    def _next(self, one: _Venue, now_ns: int) -> _Turn | None:
        """Return how a venue's health has to change, or ``None``."""
        limits = self._settings
        if one.health is Health.FROZEN:
            return _Turn(Health.HEALTHY, "the stop was cleared", "no stop") if one.lifted else None
        loss = one.daily_loss_usd(now_ns)
        if loss >= limits.max_venue_daily_loss_usd:
            return _Turn(Health.FROZEN, f"{loss:f} USD lost", f"{limits.max_venue_daily_loss_usd:f}")
        if one.health is Health.DOWN:
            is_over = now_ns >= one.until_ns and one.market_up
            return _Turn(Health.DEGRADED, "one entry may probe it", "one entry") if is_over else None
        window = self._window(one, now_ns)
        down = self._down(one, window)
        if down is not None:
            downs = one.downs(now_ns) + 1
            if 0 < limits.freeze_after_downs <= downs:
                return _Turn(Health.FROZEN, f"DOWN {downs} times in an hour", str(limits.freeze_after_downs))
            return down
        degraded = self._degraded(window)
        if one.health is Health.HEALTHY:
            return degraded if len(window.orders) >= limits.min_orders else None
        if degraded is None and window.orders:
            count = len(window.orders)
            return _Turn(Health.HEALTHY, f"{window.failed} of {count} orders failed", f"{limits.degraded_error_rate:f}")
        return None

    def _down(self, one: _Venue, window: _Window) -> _Turn | None:
        limits, count = self._settings, len(window.orders)
        if one.market_problem:
            return _Turn(Health.DOWN, one.market_problem, "quotes")
        if one.unanswered_in_a_row >= limits.down_unknown_count:
            reason = f"{one.unanswered_in_a_row} orders in a row without an answer"
            return _Turn(Health.DOWN, reason, str(limits.down_unknown_count))
        if one.probing and window.failed:
            return _Turn(Health.DOWN, "an order failed that probed it", "no failed order")
        if count >= limits.min_orders and window.failed > limits.down_error_rate * count:
            return _Turn(Health.DOWN, f"{window.failed} of {count} orders failed", f"{limits.down_error_rate:f}")
        return None

    def _degraded(self, window: _Window) -> _Turn | None:
        limits, count = self._settings, len(window.orders)
        if window.failed > limits.degraded_error_rate * count:
            reason = f"{window.failed} of {count} orders failed"
            return _Turn(Health.DEGRADED, reason, f"{limits.degraded_error_rate:f}")
        if window.latency_ns > self._latency_ns:
            reason = f"orders take {window.latency_ns / 1_000_000:.3f} ms"
            return _Turn(Health.DEGRADED, reason, f"{limits.degraded_latency_ms:f} ms")
        return None

    def _window(self, one: _Venue, now_ns: int) -> _Window:
        return _Window(tuple(order for order in one.orders if now_ns - order.at_ns < self._window_ns))


def _deny(rule: str, value: str, limit: str) -> Refusal:
    return Refusal(answer=Answer.DENY, rule=rule, value=value, limit=limit)


def _warnings(settings: ExchangeSettings) -> Iterable[str]:
    if settings.window_orders < settings.min_orders:
        yield "window_orders is below min_orders: latency and error rate are never told"
    if settings.down_error_rate < settings.degraded_error_rate:
        yield "down_error_rate is below degraded_error_rate: errors never make a venue DEGRADED"


@asynccontextmanager
async def _open(settings: ExchangeSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield ExchangeTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="exchange",
            doc="the health of every venue, told by its orders, quotes and losses; asked if the file names it",
            settings=ExchangeSettings,
            open=_open,
            warnings=_warnings,
            rank=50,
        )
    ]
