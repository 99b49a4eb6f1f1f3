"""The exchange tier: how well each venue works, and how far it is trusted with entries."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs

from trioarb.api import (
    SECOND_NS,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Opportunity,
    PairKind,
    Record,
    Refusal,
    event,
    hookimpl,
    seconds_to_ns,
)
from trioarb.builtin.guard_exchange_health import (
    Answered,
    ExchangeSettings,
    Health,
    Turn,
    VenueRecord,
    doubts,
    next_turn,
)

__all__ = ["ExchangeSettings", "ExchangeTier"]

_RULE = "venue_health"
_RATE_STEP = Decimal("0.000001")

#: What a venue's health may turn with. All else that turns it is the time.
_TELLING = frozenset(
    {
        event.OrderAcknowledged,
        event.OrderRejected,
        event.OrderUnknown,
        event.PairEnded,
        event.ResidualResolved,
        event.MarketUp,
        event.MarketStale,
        event.MarketDown,
        event.StopCleared,
    }
)


@attrs.frozen
class _Sent:
    """An order without an answer yet. ``at_ns`` is of no use after a crash."""

    venue: str
    pair_id: str
    at_ns: int | None


class ExchangeTier(GuardTier):
    """Folds a record of every venue. Each turn of a venue's health is a `GuardTripped`, and is folded from it.

    HEALTHY venues get every entry, DEGRADED ones one in a while, DOWN and FROZEN ones none. A venue fails a pair if an
    order of the pair was rejected or not answered there, or if the pair left a residual there; the pair's loss is then
    the venue's, whoever else failed it too.
    """

    folds = _TELLING | {
        event.CampaignOpened,
        event.CampaignResumed,
        event.GuardTripped,
        event.Decided,
        event.PairOpened,
        event.OrderSubmitted,
        event.ResidualLeft,
    }
    reacts = _TELLING

    def __init__(self, settings: ExchangeSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._pause_ns = seconds_to_ns(settings.degraded_pause_seconds)
        self._venues: dict[str, VenueRecord] = {}
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
        return self._turns(record.ts_ns)

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
                health, _, reason = tripped.value.partition(": ")
                turn = Turn(Health(health), reason, tripped.limit)
                self._at(venue).turn(turn, until_ns=tripped.until_ns or 0, now_ns=record.ts_ns)
            case event.StopCleared():
                for one in self._venues.values():
                    one.lift()
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
                self._answer(order_id, record.ts_ns, failed=True, unknown=True)
            case event.ResidualLeft(residual_id=residual_id, pair_id=pair_id, venue=venue):
                self._failed_by.setdefault(pair_id, set()).add(venue)
                self._residual_at[residual_id] = venue
            case event.ResidualResolved(residual_id=residual_id, pnl_usd=pnl_usd):
                self._lose([self._residual_at.pop(residual_id)], pnl_usd, record.ts_ns)
            case event.PairEnded(pair_id=pair_id, pnl_usd=pnl_usd):
                for one in self._venues.values():
                    one.entries.discard(pair_id)
                self._lose(self._failed_by.pop(pair_id, ()), pnl_usd, record.ts_ns)
            case _:
                pass

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {"venues": {venue: dict(self._figures(one, now_ns)) for venue, one in self._venues.items()}}

    def _figures(self, one: VenueRecord, now_ns: int) -> Iterator[tuple[str, Any]]:
        window = one.window(self._settings, now_ns)
        yield "health", one.health.value
        if one.health is not Health.HEALTHY:
            yield "reason", one.reason
        yield "orders", len(window.orders)
        if window.orders:
            yield "error_rate", (Decimal(window.failed) / len(window.orders)).quantize(_RATE_STEP)
            yield "latency_p90_ms", window.latency_ns / 1_000_000
        yield "daily_loss_usd", one.daily_loss_usd(now_ns)

    def _at(self, venue: str) -> VenueRecord:
        if venue not in self._venues:
            self._venues[venue] = VenueRecord(deque(maxlen=self._settings.window_orders))
        return self._venues[venue]

    def _resume(self) -> None:
        """Forget what a crash made old: whether quotes come, and since when orders wait for their answer."""
        for one in self._venues.values():
            one.market_up, one.market_problem = False, ""
        self._sent = {order_id: attrs.evolve(sent, at_ns=None) for order_id, sent in self._sent.items()}

    def _answer(self, order_id: str, now_ns: int, *, failed: bool, unknown: bool = False) -> None:
        """Count an order's first answer, or that there was none; what is learnt of it later counts no more."""
        sent = self._sent.pop(order_id, None)
        if sent is None:
            return
        if failed:
            self._failed_by.setdefault(sent.pair_id, set()).add(sent.venue)
        if sent.at_ns is not None:
            self._at(sent.venue).answer(Answered(now_ns, now_ns - sent.at_ns, failed), unknown=unknown)

    def _lose(self, venues: Iterable[str], pnl_usd: Decimal, now_ns: int) -> None:
        if pnl_usd < 0:
            for venue in venues:
                self._at(venue).lose(-pnl_usd, now_ns)

    def _turns(self, now_ns: int) -> Iterator[GuardTripped]:
        for venue, one in self._venues.items():
            turn = next_turn(one, self._settings, now_ns)
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


def _deny(rule: str, value: str, limit: str) -> Refusal:
    return Refusal(answer=Answer.DENY, rule=rule, value=value, limit=limit)


@asynccontextmanager
async def _open(settings: ExchangeSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield ExchangeTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="exchange",
            doc="the health of every venue, by its orders, quotes and losses",
            settings=ExchangeSettings,
            open=_open,
            warnings=doubts,
            rank=50,
        )
    ]
