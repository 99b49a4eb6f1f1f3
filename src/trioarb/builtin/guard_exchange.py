"""The exchange tier: how well each venue works, and how far it is trusted with entries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple

from trioarb.api import (
    SECOND_NS,
    Answer,
    ExitReason,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Opportunity,
    PairKind,
    Record,
    Refusal,
    Side,
    event,
    hookimpl,
    seconds_to_ns,
    text,
)
from trioarb.builtin.guard_exchange_health import ExchangeSettings, Health, Turn, VenueRecord, doubts, next_turn
from trioarb.builtin.guard_exchange_window import Answered

__all__ = ["ExchangeSettings", "ExchangeTier"]

_RULE = "venue_health"
_RATE_STEP = Decimal("0.000001")

#: What a venue's health may turn with. All else that turns it is the time.
_TELLING: frozenset[type[event.Event]] = frozenset(
    {
        event.OrderAcknowledged,
        event.OrderRejected,
        event.OrderUnknown,
        event.PairEnded,
        event.ResidualResolved,
        event.ResidualTaken,
        event.MarketUp,
        event.MarketStale,
        event.MarketDown,
        event.ContractsLiquidated,
        event.StopCleared,
    }
)


class _Sent(NamedTuple):
    """An order without an answer yet. ``at_ns`` is of no use after a crash."""

    venue: str
    pair_id: str
    at_ns: int | None


class ExchangeTier(GuardTier):
    """Folds a record of every venue. Each turn of a venue's health is a `GuardTripped`, and is folded from it.

    HEALTHY venues get every entry, DEGRADED ones one in a while, DOWN and FROZEN ones none. A venue fails a pair if an
    order of the pair was rejected or not answered there, or if the pair left a residual there; the pair's loss is then
    the venue's, whoever else failed it too. What a liquidation leaves anywhere is its venue's, which is FROZEN by it.
    """

    reacts = _TELLING

    def __init__(self, settings: ExchangeSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._pause_ns = seconds_to_ns(settings.degraded_pause_seconds)
        self._venues: dict[str, VenueRecord] = {}
        self._sent: dict[str, _Sent] = {}
        self._failed_by: dict[str, set[str]] = {}
        self._residual_at: dict[str, str] = {}
        #: Where contracts were closed by force last; and of each pair in flight that this made, where.
        self._forcing = ""
        self._forced_at: dict[str, str] = {}
        self._handlers: dict[type[event.Event], Callable[[Any, int], None]] = {
            event.CampaignOpened: self._open,
            event.CampaignResumed: self._resume,
            event.MarketUp: self._market_up,
            event.MarketStale: self._market_stale,
            event.MarketDown: self._market_down,
            event.GuardTripped: self._turn,
            event.StopCleared: self._lift,
            event.Decided: self._decided,
            event.PairOpened: self._pair_opened,
            event.TransactionOpened: self._pair_opened,
            event.ContractsLiquidated: self._liquidated,
            event.OrderSubmitted: self._submitted,
            event.OrderAcknowledged: self._acknowledged,
            event.OrderRejected: self._rejected,
            event.OrderUnknown: self._unknown,
            event.ResidualLeft: self._residual_left,
            event.ResidualResolved: self._residual_resolved,
            event.ResidualTaken: self._residual_taken,
            event.ResidualsNetted: self._residuals_netted,
            event.ResidualsPaired: self._residuals_netted,
            event.PairEnded: self._pair_ended,
        }
        self.folds = frozenset(self._handlers)

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        for venue in (opportunity.route.buy_venue, opportunity.route.sell_venue):
            one = self._venues.get(venue)
            if one is None:
                return _deny("unknown_venue", venue, ", ".join(self._venues) or "a venue of the campaign")
            if one.health is Health.HEALTHY:
                continue
            if one.health is not Health.DEGRADED:
                return _deny(one.health.value.lower(), f"{venue}: {one.reason}", one.limit)
            if one.probing and one.entries:
                return _deny("degraded", f"{venue}: an entry probes it", "one entry")
            if one.last_allowed_ns is not None and now_ns - one.last_allowed_ns < self._pause_ns:
                elapsed = f"{(now_ns - one.last_allowed_ns) / SECOND_NS:.3f} s after its last entry"
                return _deny("degraded", f"{venue}: {elapsed}", f"{text(self._settings.degraded_pause_seconds)} s")
        return None

    def react(self, record: Record) -> Iterable[GuardTripped]:
        return self._turns(record.ts_ns)

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        return self._turns(now_ns)

    def apply(self, record: Record) -> None:
        handler = self._handlers.get(type(record.event))
        if handler is not None:
            handler(record.event, record.ts_ns)

    def _open(self, opened: event.CampaignOpened, _: int) -> None:
        for venue in opened.venues:
            self._at(venue)

    def _resume(self, _: event.CampaignResumed, __: int) -> None:
        """Forget what a crash made old: whether quotes come, and since when orders wait for their answer."""
        for one in self._venues.values():
            one.market_up, one.market_problem = False, ""
        self._sent = {order_id: sent._replace(at_ns=None) for order_id, sent in self._sent.items()}

    def _market_up(self, up: event.MarketUp, _: int) -> None:
        self._at(up.venue).market_up, self._at(up.venue).market_problem = True, ""

    def _market_stale(self, stale: event.MarketStale, now_ns: int) -> None:
        silent = f"no quote for {(now_ns - stale.last_quote_ns) / SECOND_NS:.3f} s"
        self._at(stale.venue).market_up, self._at(stale.venue).market_problem = False, silent

    def _market_down(self, down: event.MarketDown, _: int) -> None:
        problem = f"no market data: {down.reason}"
        self._at(down.venue).market_up, self._at(down.venue).market_problem = False, problem

    def _turn(self, tripped: event.GuardTripped, now_ns: int) -> None:
        if tripped.tier != self._name or tripped.rule != _RULE or tripped.venue is None:
            return
        health, _, reason = tripped.value.partition(": ")
        turn = Turn(Health(health), reason, tripped.limit)
        self._at(tripped.venue).turn(turn, until_ns=tripped.until_ns or 0, now_ns=now_ns)

    def _lift(self, _: event.StopCleared, __: int) -> None:
        for one in self._venues.values():
            one.lift()

    def _decided(self, decided: event.Decided, now_ns: int) -> None:
        if decided.answer is Answer.ALLOW:
            for venue in (decided.buy_venue, decided.sell_venue):
                if venue is not None:
                    self._at(venue).last_allowed_ns = now_ns

    def _pair_opened(self, opened: event.Intent, _: int) -> None:
        if opened.reason is ExitReason.LIQUIDATED:
            self._forced_at[opened.pair_id] = self._forcing
        elif opened.kind is PairKind.ENTRY:
            for venue in dict.fromkeys(leg.venue for leg in opened.legs):
                self._at(venue).entries.add(opened.pair_id)

    def _liquidated(self, one: event.ContractsLiquidated, _: int) -> None:
        way = "bought" if one.side is Side.BUY else "sold"
        self._forcing = one.venue
        self._at(one.venue).liquidated = f"it {way} {text(one.quantity)} {one.symbol} by force"

    def _submitted(self, order: event.OrderSubmitted, now_ns: int) -> None:
        if order.pair_id in self._forced_at:  # nobody sent it
            return
        self._sent[order.client_order_id] = _Sent(order.venue, order.pair_id, now_ns)

    def _acknowledged(self, order: event.OrderAcknowledged, now_ns: int) -> None:
        self._answer(order.client_order_id, now_ns, failed=False)

    def _rejected(self, order: event.OrderRejected, now_ns: int) -> None:
        self._answer(order.client_order_id, now_ns, failed=True)

    def _unknown(self, order: event.OrderUnknown, now_ns: int) -> None:
        self._answer(order.client_order_id, now_ns, failed=True, unknown=True)

    def _residual_left(self, left: event.ResidualLeft, _: int) -> None:
        self._failed_by.setdefault(left.pair_id, set()).add(self._forced_at.get(left.pair_id, left.venue))
        self._residual_at[left.residual_id] = left.venue
        if left.last_price is not None:
            self._at(left.venue).last_priced.add(left.residual_id)

    def _residual_resolved(self, resolved: event.ResidualResolved, now_ns: int) -> None:
        venue = self._residual_at.pop(resolved.residual_id)
        self._at(venue).last_priced.discard(resolved.residual_id)
        self._lose([venue], resolved.pnl_usd, now_ns)

    def _residual_taken(self, taken: event.ResidualTaken, now_ns: int) -> None:
        if taken.residual_id is not None and not taken.rest:
            self._residual_at.pop(taken.residual_id)
            self._at(taken.venue).last_priced.discard(taken.residual_id)
        self._lose([taken.venue], taken.pnl_usd, now_ns)

    def _residuals_netted(self, netted: event.ResidualsNetted | event.ResidualsPaired, _: int) -> None:
        for residual_id, rest, _booked, _cost in netted.rests:
            if not rest:
                venue = self._residual_at.pop(residual_id)
                self._at(venue).last_priced.discard(residual_id)

    def _pair_ended(self, ended: event.PairEnded, now_ns: int) -> None:
        if ended.kind is PairKind.ENTRY:
            for one in self._venues.values():
                one.entries.discard(ended.pair_id)
        self._forced_at.pop(ended.pair_id, None)
        self._lose(self._failed_by.pop(ended.pair_id, ()), ended.pnl_usd, now_ns)

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {"venues": {venue: dict(self._figures(one, now_ns)) for venue, one in self._venues.items()}}

    def _figures(self, one: VenueRecord, now_ns: int) -> Iterator[tuple[str, Any]]:
        window = one.orders
        window.leave(now_ns)
        yield "health", one.health.value
        if one.health is not Health.HEALTHY:
            yield "reason", one.reason
        yield "last_orders", window.count
        if window.count:
            yield "error_rate", (Decimal(window.failed) / window.count).quantize(_RATE_STEP)
            yield "latency_p90_ms", window.latency_ns / 1_000_000
        yield "daily_loss_usd", one.daily_loss_usd(now_ns)

    def _at(self, venue: str) -> VenueRecord:
        if venue not in self._venues:
            self._venues[venue] = VenueRecord.of(self._settings)
        return self._venues[venue]

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

    def _turns(self, now_ns: int) -> Sequence[GuardTripped]:
        turning = []
        for venue, one in self._venues.items():
            if one.is_clean:
                continue
            turn = next_turn(one, self._settings, now_ns)
            if turn is not None:
                turning.append(self._tripped(venue, turn, now_ns))
        return turning

    def _tripped(self, venue: str, turn: Turn, now_ns: int) -> GuardTripped:
        is_down = turn.health is Health.DOWN
        return GuardTripped(
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
