"""The spread strategy: enter when the edge passes a threshold, leave when it has reverted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from math import inf

import attrs

from trioarb.api import (
    Bps,
    ExitBand,
    ExitReason,
    Loosens,
    OrderSize,
    Position,
    PositiveBps,
    PositiveMilliseconds,
    PositiveSeconds,
    Route,
    SizedSettings,
    Strategy,
    StrategyContext,
    StrategySpec,
    hookimpl,
    seconds_to_ns,
    setting,
    text,
)

__all__ = ["SpreadSettings", "SpreadStrategy"]


@attrs.frozen(kw_only=True)
class SpreadSettings(SizedSettings):
    entry_bps: Bps = setting(
        Decimal(10), doc="least edge of an entry, net of both taker fees", concerns="entry_edge", loosens=Loosens.LESS
    )
    exit_bps: Bps = setting(
        Decimal(-6), doc="least edge of the reversed route at which a position is closed", concerns="exit_edge"
    )
    max_quote_age_ms: PositiveMilliseconds = setting(
        Decimal(2_000), doc="older quotes are not acted upon", concerns="quote_age"
    )
    take_profit_bps: PositiveBps | None = setting(
        None,
        doc="close when this much of the entry notional is earned, fees paid; absent: don't",
        loosens=Loosens.NOTHING,
    )
    stop_loss_bps: PositiveBps | None = setting(
        None,
        doc="close when this much of the entry notional is lost, fees paid; absent: don't",
        loosens=Loosens.MORE_OR_NONE,
    )
    max_holding_seconds: PositiveSeconds | None = setting(
        None, doc="close after this time; absent: don't", loosens=Loosens.MORE_OR_NONE
    )


class SpreadStrategy(Strategy):
    def __init__(self, settings: SpreadSettings) -> None:
        self.retune(settings)

    def retune(self, settings: SpreadSettings) -> None:
        self.entry_bps = settings.entry_bps
        self.exit_bps = settings.exit_bps
        self.max_quote_age_ns = seconds_to_ns(settings.max_quote_age_ms / 1000)
        self._size = settings.order_size
        self._entry = float(settings.entry_bps)
        self._exit = float(settings.exit_bps)
        self._take_profit = inf if settings.take_profit_bps is None else float(settings.take_profit_bps)
        self._stop_loss = -inf if settings.stop_loss_bps is None else -float(settings.stop_loss_bps)
        self._max_holding_ns = (
            None if settings.max_holding_seconds is None else seconds_to_ns(settings.max_holding_seconds)
        )

    def entry_from_bps(self, route: Route) -> float:
        return self._entry

    def exit_band(self, position: Position) -> ExitBand:
        return ExitBand(
            edge_from_bps=self._exit,
            net_from_bps=self._take_profit,
            net_to_bps=self._stop_loss,
            from_ns=self._due_ns(position),
        )

    def entry(self, route: Route, edge_bps: float, now_ns: int) -> OrderSize | None:
        return self._size if edge_bps >= self._entry else None

    def exit(self, position: Position, edge_bps: float, net_bps: float, now_ns: int) -> ExitReason | None:
        due_ns = self._due_ns(position)
        if due_ns is not None and now_ns >= due_ns:
            return ExitReason.MAX_HOLDING
        if edge_bps >= self._exit:
            return ExitReason.EDGE
        if net_bps >= self._take_profit:
            return ExitReason.TAKE_PROFIT
        if net_bps <= self._stop_loss:
            return ExitReason.STOP_LOSS
        return None

    def _due_ns(self, position: Position) -> int | None:
        return None if self._max_holding_ns is None else position.opened_ns + self._max_holding_ns


def _warnings(settings: SpreadSettings) -> Iterable[str]:
    total = settings.entry_bps + settings.exit_bps
    if total <= 0:
        yield (
            f"entry_bps + exit_bps = {text(total)}: a trade that enters and leaves at these thresholds can't pay its "
            "fees; raise one of them"
        )


@asynccontextmanager
async def _open(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    yield SpreadStrategy(settings)


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(
            name="spread",
            doc="enter over an edge threshold, leave when the edge has reverted",
            settings=SpreadSettings,
            open=_open,
            warnings=_warnings,
            example={"order_size_usd": 500, "entry_bps": 10, "exit_bps": -6},
        )
    ]
