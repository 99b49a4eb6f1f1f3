"""The global tier: limits over all symbols, and the emergency stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs

from trioarb.api import (
    EXACT,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    GuardTripped,
    Money,
    Opportunity,
    PositiveMoney,
    Record,
    Refusal,
    event,
    hookimpl,
    setting,
    text,
)

__all__ = ["GlobalSettings", "GlobalTier"]


@attrs.frozen(kw_only=True)
class GlobalSettings:
    max_total_exposure_usd: Money = setting(Decimal(10_000), doc="exposure over all symbols; beyond it: DENY")
    max_daily_loss_usd: PositiveMoney = setting(Decimal(1_000), doc="loss of the UTC day; from it on: DENY")
    emergency_stop_loss_usd: PositiveMoney = setting(
        Decimal(2_000), doc="loss of the UTC day; from it on: STOP, everything is closed"
    )


class GlobalTier(GuardTier):
    folds = frozenset({event.GuardTripped, event.Decided, event.StopCleared})
    reacts = frozenset({event.PairEnded, event.ResidualResolved})
    polls_marks = True

    def __init__(self, settings: GlobalSettings, context: GuardContext) -> None:
        self._settings = settings
        self._name = context.name
        self._risk = context.risk
        self._stopped_at: str | None = None

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
        exposure = EXACT.add(self._risk.exposure_usd(), opportunity.notional_usd)
        if exposure > limits.max_total_exposure_usd:
            return self._refuse(Answer.DENY, "total_exposure", text(exposure), limits.max_total_exposure_usd)
        return None

    def apply(self, record: Record) -> None:
        match record.event:
            case (
                event.GuardTripped(tier=self._name, answer=Answer.STOP, value=value)
                | event.Decided(tier=self._name, answer=Answer.STOP, value=value)
            ):
                self._stopped_at = value
            case event.StopCleared():
                self._stopped_at = None
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

    def stats(self, now_ns: int) -> Mapping[str, Any]:
        return {
            "total_exposure_usd": self._risk.exposure_usd(),
            "total_daily_loss_usd": self._risk.daily_loss_usd(now_ns),
        }

    def _refuse(self, answer: Answer, rule: str, value: str, limit: Decimal) -> Refusal:
        return Refusal(answer=answer, rule=rule, value=value, limit=text(limit))


@asynccontextmanager
async def _open(settings: GlobalSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield GlobalTier(settings, context)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [GuardTierSpec(name="global", doc="limits over all symbols", settings=GlobalSettings, open=_open, rank=100)]
