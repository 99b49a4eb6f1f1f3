"""A guard tier that refuses entries in given hours of the day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import attrs

from trioarb.api import (
    SECOND_NS,
    Answer,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    Hour,
    Opportunity,
    Refusal,
    hookimpl,
    setting,
)

__all__ = ["TradingHours", "TradingHoursSettings"]

_HOUR = 3_600
_DAY = 24 * _HOUR


@attrs.frozen(kw_only=True)
class TradingHoursSettings:
    """From ``from_hour`` on, up to but without ``to_hour``, no entry is made; past midnight if from > to."""

    from_hour: Hour = setting(doc="UTC hour in which entries begin to be refused; after to_hour: past midnight")
    to_hour: Hour = setting(doc="UTC hour in which entries are allowed again; the same as from_hour: no refusals")

    def is_closed(self, second_of_day: int) -> bool:
        start, end = self.from_hour * _HOUR, self.to_hour * _HOUR
        if start <= end:
            return start <= second_of_day < end
        return second_of_day >= start or second_of_day < end


class TradingHours(GuardTier):
    """Exits are never refused: no guard is asked about them."""

    def __init__(self, settings: TradingHoursSettings) -> None:
        self._settings = settings
        self._limit = f"not {settings.from_hour:02}:00-{settings.to_hour:02}:00 UTC"

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        second = now_ns // SECOND_NS % _DAY
        if not self._settings.is_closed(second):
            return None
        time = f"{second // _HOUR:02}:{second % _HOUR // 60:02}:{second % 60:02} UTC"
        return Refusal(answer=Answer.DENY, rule="closed_hours", value=time, limit=self._limit)


def _warnings(settings: TradingHoursSettings) -> Iterable[str]:
    closed = [settings.is_closed(hour * _HOUR) for hour in range(24)]
    if all(closed):
        yield "every hour is closed: no entry will be made; change from_hour or to_hour"
    if not any(closed):
        yield "no hour is closed: the tier refuses nothing; change from_hour or to_hour, or remove its table"


@asynccontextmanager
async def _open(settings: TradingHoursSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
    yield TradingHours(settings)


@hookimpl
def trioarb_guard_tiers() -> list[GuardTierSpec]:
    return [
        GuardTierSpec(
            name="trading-hours",
            doc="no entries in given hours of the day",
            settings=TradingHoursSettings,
            open=_open,
            warnings=_warnings,
            # After the built-in tiers (100 to 300): what they refuse is counted as theirs at any hour.
            rank=1000,
        )
    ]
