"""What is at risk and what was lost today, folded from the journal."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import attrs

from trioarb.clock.service import SECOND_NS
from trioarb.model.event import (
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.plugin.contract import RiskView

__all__ = ["Exposure"]

_DAY_NS = 86_400 * SECOND_NS


@attrs.define
class _Held:
    """Exposures of one symbol: of pairs in flight, positions and residuals by their id."""

    by_id: dict[str, Decimal] = attrs.field(factory=dict)
    positions: set[str] = attrs.field(factory=set)

    @property
    def total(self) -> Decimal:
        total = ZERO
        for amount in self.by_id.values():
            total = EXACT.add(total, amount)
        return total


class Exposure(RiskView):
    """The guards' view of the journal. The UTC day turns with the time that is asked about, not with an event."""

    def __init__(self) -> None:
        self._held: defaultdict[str, _Held] = defaultdict(_Held)
        self._symbol_of_trade: dict[str, str] = {}
        self._day = -1
        self._pnl_of_day: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)

    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        if symbol is not None:
            return self._held[symbol].total if symbol in self._held else ZERO
        total = ZERO
        for held in self._held.values():
            total = EXACT.add(total, held.total)
        return total

    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        if now_ns // _DAY_NS != self._day:
            return ZERO
        amounts = self._pnl_of_day.values() if symbol is None else (self._pnl_of_day.get(symbol, ZERO),)
        pnl = ZERO
        for amount in amounts:
            pnl = EXACT.add(pnl, amount)
        return max(ZERO, -pnl)

    def open_positions(self, symbol: str | None = None) -> int:
        if symbol is not None:
            return len(self._held[symbol].positions) if symbol in self._held else 0
        return sum(len(held.positions) for held in self._held.values())

    def apply(self, record: Record) -> None:
        match record.event:
            case PairOpened(pair_id=pair_id, symbol=symbol, reserved_usd=reserved):
                if reserved:
                    self._held[symbol].by_id[pair_id] = reserved
            case PairEnded(pair_id=pair_id, symbol=symbol, pnl_usd=pnl):
                self._held[symbol].by_id.pop(pair_id, None)
                self._count(record.ts_ns, symbol, pnl)
            case PositionOpened(trade_id=trade_id, symbol=symbol, exposure_usd=exposure):
                self._symbol_of_trade[trade_id] = symbol
                self._held[symbol].by_id[trade_id] = exposure
                self._held[symbol].positions.add(trade_id)
            case PositionReduced(trade_id=trade_id, exposure_usd=exposure):
                self._held[self._symbol_of_trade[trade_id]].by_id[trade_id] = exposure
            case PositionClosed(trade_id=trade_id, symbol=symbol):
                del self._symbol_of_trade[trade_id]
                del self._held[symbol].by_id[trade_id]
                self._held[symbol].positions.remove(trade_id)
            case ResidualLeft(residual_id=residual_id, symbol=symbol, cost_usd=cost):
                self._held[symbol].by_id[residual_id] = cost
            case ResidualResolved(residual_id=residual_id, symbol=symbol, pnl_usd=pnl):
                del self._held[symbol].by_id[residual_id]
                self._count(record.ts_ns, symbol, pnl)
            case _:
                pass

    def _count(self, ts_ns: int, symbol: str, pnl: Decimal) -> None:
        day = ts_ns // _DAY_NS
        if day != self._day:
            self._day = day
            self._pnl_of_day.clear()
        self._pnl_of_day[symbol] = EXACT.add(self._pnl_of_day[symbol], pnl)
