"""The global tier: limits over all symbols, and the emergency stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs

from trioarb.api import (
    EXACT,
    SECOND_NS,
    ZERO,
    Amount,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Loosens,
    Money,
    Opportunity,
    OrderSize,
    PositiveMoney,
    Record,
    Refusal,
    event,
    hookimpl,
    setting,
    text,
)

__all__ = ["GlobalSettings", "GlobalTier"]

_DAY_NS = 86_400 * SECOND_NS
_PCT_STEP = Decimal("0.01")
#: A quantity that is reduced is found by halving, so often.
_HALF, _HALVINGS = Decimal("0.5"), 12


@attrs.frozen(kw_only=True)
class GlobalSettings:
    max_total_exposure_usd: Money = setting(
        Decimal(10_000), doc="exposure over all symbols; beyond it: DENY", loosens=Loosens.MORE
    )
    reduce: bool = setting(
        False,
        doc="an entry that would go beyond `max_total_exposure_usd`, or below `min_liquidation_distance_pct`, is made "
        "smaller instead of being denied",
        loosens=Loosens.MORE,
    )
    max_daily_loss_usd: PositiveMoney = setting(
        Decimal(1_000), doc="loss of the UTC day; from it on: DENY", loosens=Loosens.MORE
    )
    max_drawdown_usd: PositiveMoney | None = setting(
        None,
        doc="fall of PnL, marks included, below the campaign's highest; from it on: DENY; absent: no limit",
        loosens=Loosens.MORE_OR_NONE,
    )
    max_daily_drawdown_usd: PositiveMoney | None = setting(
        None,
        doc="fall of PnL, marks included, below the UTC day's highest; from it on: DENY; absent: no limit",
        loosens=Loosens.MORE_OR_NONE,
    )
    min_liquidation_distance_pct: Amount = setting(
        Decimal(5),
        doc="by how many percent the mark of any contract at a venue has to be away from its liquidation price once "
        "the entry was made; below it: DENY",
        loosens=Loosens.LESS,
    )
    emergency_stop_loss_usd: PositiveMoney = setting(
        Decimal(2_000), doc="loss of the UTC day; from it on: STOP, everything is closed", loosens=Loosens.MORE
    )


@attrs.define
class _Course:
    """What was realised, and the highest that it and marks together came to: ever, and on the UTC day."""

    realised_usd: Decimal = Decimal(0)
    highest_usd: Decimal = Decimal(0)
    day: int = -1
    highest_of_day_usd: Decimal = Decimal(0)

    def see(self, worth_usd: Decimal, ts_ns: int) -> None:
        """Take note of what realised PnL and marks come to."""
        day = ts_ns // _DAY_NS
        self.highest_of_day_usd = worth_usd if day != self.day else max(self.highest_of_day_usd, worth_usd)
        self.highest_usd, self.day = max(self.highest_usd, worth_usd), day


class GlobalTier(GuardTier):
    """Drawdowns count from the highest that was recorded: as results came with nothing open, and as marks did."""

    folds = frozenset(
        {
            *(event.GuardTripped, event.Decided, event.StopCleared),
            *(event.PairEnded, event.ResidualResolved, event.ResidualTaken),
            *(event.ResidualsNetted, event.ResidualsPaired, event.FundingPaid, event.MarketsMarked),
        }
    )
    reacts = frozenset(
        {event.PairEnded, event.ResidualResolved, event.ResidualTaken, event.ResidualsNetted, event.FundingPaid}
    )
    polls_marks = True

    def __init__(self, settings: GlobalSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._risk = context.risk
        self._stopped_at: str | None = None
        self._course = _Course()

    def retune(self, settings: GlobalSettings, settings_of: object) -> None:
        self._settings = settings

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        limits = self._settings
        if self._stopped_at is not None:
            return self._refuse(Answer.STOP, "emergency_stop", self._stopped_at, limits.emergency_stop_loss_usd)
        loss = self._risk.daily_loss_usd(now_ns)
        if loss >= limits.emergency_stop_loss_usd:
            return self._refuse(
                Answer.STOP, "emergency_stop", self._risk.loss_text(now_ns), limits.emergency_stop_loss_usd
            )
        if loss >= limits.max_daily_loss_usd:
            return self._refuse(Answer.DENY, "daily_loss", self._risk.loss_text(now_ns), limits.max_daily_loss_usd)
        if limits.max_drawdown_usd is not None or limits.max_daily_drawdown_usd is not None:
            for rule, limit, drawdown in self._drawdowns(now_ns):
                if limit is not None and drawdown >= limit:
                    return self._refuse(Answer.DENY, rule, self._risk.marked_text(drawdown), limit)
        if (refusal := self._near_liquidation(opportunity)) is not None:
            return refusal
        exposed, most = self._risk.exposure_usd(), limits.max_total_exposure_usd
        exposure = EXACT.add(exposed, opportunity.notional_usd)
        if exposure > most:
            left = EXACT.subtract(most, exposed) if limits.reduce else None
            return Refusal.beyond("total_exposure", exposure, most, left_usd=left)
        return None

    def _near_liquidation(self, opportunity: Opportunity) -> Refusal | None:
        """Refuse an entry after which contracts at one of its venues would be near their liquidation, or reduce it."""
        distance, venue = self._nearest(opportunity, opportunity.quantity)
        if distance is None or distance >= self._settings.min_liquidation_distance_pct:
            return None
        largest = self._far_enough(opportunity) if self._settings.reduce else None
        return Refusal(
            answer=Answer.REDUCE if largest else Answer.DENY,
            rule="liquidation_distance",
            value=f"{self._risk.marked_text(distance.quantize(_PCT_STEP))} at {venue}",
            limit=text(self._settings.min_liquidation_distance_pct),
            largest=OrderSize(base=largest) if largest else None,
        )

    def _nearest(self, opportunity: Opportunity, quantity: Decimal) -> tuple[Decimal | None, str]:
        """Return how far the nearest liquidation at its venues would be, and where; ``None``: nothing can be."""
        route = opportunity.route
        found = [
            (distance, venue)
            for venue, opens, price in (
                (route.buy_venue, quantity, opportunity.buy_limit),
                (route.sell_venue, EXACT.minus(quantity), opportunity.sell_limit),
            )
            if (distance := self._risk.liquidation_distance_pct(route.symbol, venue, opens=opens, price=price))
            is not None
        ]
        return min(found, key=lambda one: one[0], default=(None, ""))

    def _far_enough(self, opportunity: Opportunity) -> Decimal:
        """Return about the largest quantity with which nothing is too near; 0: there is none."""
        low, high = ZERO, opportunity.quantity
        for _ in range(_HALVINGS):
            middle = EXACT.multiply(EXACT.add(low, high), _HALF)
            distance, _venue = self._nearest(opportunity, middle)
            if distance is None or distance >= self._settings.min_liquidation_distance_pct:
                low = middle
            else:
                high = middle
        return low

    def apply(self, record: Record) -> None:
        match record.event:
            case (
                event.GuardTripped(tier=self._name, answer=Answer.STOP, value=value)
                | event.Decided(tier=self._name, answer=Answer.STOP, value=value)
            ):
                self._stopped_at = value
            case event.StopCleared():
                self._stopped_at = None
            case (
                event.PairEnded(pnl_usd=pnl_usd)
                | event.ResidualResolved(pnl_usd=pnl_usd)
                | event.ResidualTaken(pnl_usd=pnl_usd)
                | event.ResidualsNetted(pnl_usd=pnl_usd)
                | event.FundingPaid(amount_usd=pnl_usd)
            ):
                self._course.realised_usd = EXACT.add(self._course.realised_usd, pnl_usd)
                if not self._risk.open_positions():
                    self._course.see(self._course.realised_usd, record.ts_ns)
            case event.ResidualsPaired(pnl_usd=pnl_usd):  # the position that has the rest of it comes next
                self._course.realised_usd = EXACT.add(self._course.realised_usd, pnl_usd)
            case event.MarketsMarked(unrealised_usd=unrealised):
                worth = self._course.realised_usd
                for amount in unrealised.values():
                    worth = EXACT.add(worth, amount)
                self._course.see(worth, record.ts_ns)
            case _:
                pass

    def react(self, record: Record) -> Iterable[GuardTripped]:
        return self.poll(record.ts_ns)

    def poll(self, now_ns: int) -> Iterable[GuardTripped]:
        if self._stopped_at is not None:
            return
        loss = self._risk.daily_loss_usd(now_ns)
        if loss >= self._settings.emergency_stop_loss_usd:
            yield GuardTripped(
                tier=self._name,
                rule="emergency_stop",
                answer=Answer.STOP,
                value=self._risk.loss_text(now_ns),
                limit=text(self._settings.emergency_stop_loss_usd),
            )

    def _drawdowns(self, now_ns: int) -> Iterable[tuple[str, Decimal | None, Decimal]]:
        """Yield rule, limit, and how far realised PnL and marks are below their highest."""
        limits, course = self._settings, self._course
        now_usd = EXACT.add(course.realised_usd, self._risk.unrealised_usd())
        yield "drawdown", limits.max_drawdown_usd, EXACT.subtract(course.highest_usd, now_usd)
        highest = course.highest_of_day_usd if course.day == now_ns // _DAY_NS else now_usd
        yield "daily_drawdown", limits.max_daily_drawdown_usd, EXACT.subtract(highest, now_usd)

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        limits = self._settings
        exposure, loss = self._risk.exposure_usd(), self._risk.daily_loss_usd(now_ns)
        rooms: list[tuple[str, str, Decimal | None, Decimal]] = [
            ("total_exposure", "exposure", limits.max_total_exposure_usd, exposure),
            ("daily_loss", "loss of the day", limits.max_daily_loss_usd, loss),
            ("emergency_stop", "loss to the stop", limits.emergency_stop_loss_usd, loss),
        ]
        for rule, limit, fallen in self._drawdowns(now_ns):
            if limit is not None or rule == "drawdown":
                rooms.append((rule, f"{rule.replace('_', ' ')} of PnL", limit, max(ZERO, fallen)))
        return {
            "total_exposure_usd": exposure,
            "total_daily_loss_usd": loss,
            "head_room": {
                rule: {"name": name, "used_usd": used} | ({} if limit is None else {"limit_usd": limit})
                for rule, name, limit, used in rooms
            },
        }

    def _refuse(self, answer: Answer, rule: str, value: str, limit: Decimal) -> Refusal:
        return Refusal(answer=answer, rule=rule, value=value, limit=text(limit))


@asynccontextmanager
async def _open(settings: GlobalSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield GlobalTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [GuardTierSpec(name="global", doc="limits over all symbols", settings=GlobalSettings, open=_open, rank=100)]
