"""What is at risk and what was lost today, folded from the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import reduce

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    DustLeft,
    FundingPaid,
    Intent,
    LossCarried,
    PairEnded,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    TransferArrived,
    TransferSent,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.plugin.contract import RiskView
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Exposure"]

_DAY_NS = 86_400 * SECOND_NS


@attrs.define
class _Held:
    """Exposures of one symbol: of pairs in flight, positions and residuals by their id; and their sum."""

    by_id: dict[str, Decimal] = attrs.field(factory=dict)
    total: Decimal = ZERO
    positions: set[str] = attrs.field(factory=set)


class Exposure(RiskView, Folding):
    """The guards' view of the journal. The UTC day turns with the time that is asked about, not with an event."""

    def __init__(self) -> None:
        self._held: defaultdict[str, _Held] = defaultdict(_Held)
        self._total = ZERO
        self._symbol_of_trade: dict[str, str] = {}
        self._day = -1
        self._pnl_of_day: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._total_pnl_of_day = ZERO
        #: Open residuals that are valued at the last price of a side that was withdrawn: their symbol and day.
        self._last_priced: dict[str, tuple[str, int]] = {}
        #: Of each residual its trade, and whether it is long; by trade and symbol what short and long ones cost.
        self._side_of: dict[str, tuple[str, bool]] = {}
        self._sides: dict[tuple[str, str], tuple[dict[str, Decimal], dict[str, Decimal]]] = {}
        #: The transfers under way, and their symbols.
        self._moved: dict[str, str] = {}
        #: What dust cost by symbol and venue, below zero where it is short.
        self._dust: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        if symbol is not None:
            return self._held[symbol].total if symbol in self._held else ZERO
        return self._total

    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        return max(ZERO, EXACT.minus(self.daily_pnl_usd(now_ns, symbol)))

    def daily_pnl_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        """Return what was realised in the UTC day of ``now_ns``."""
        if now_ns // _DAY_NS != self._day:
            return ZERO
        return self._total_pnl_of_day if symbol is None else self._pnl_of_day.get(symbol, ZERO)

    def last_priced(self, now_ns: int, symbol: str | None = None) -> int:
        day = now_ns // _DAY_NS
        return sum(symbol in (None, of) and left == day for of, left in self._last_priced.values())

    def open_positions(self, symbol: str | None = None) -> int:
        if symbol is not None:
            return len(self._held[symbol].positions) if symbol in self._held else 0
        return len(self._symbol_of_trade)

    def _open_pair(self, opened: Intent, _: Record) -> None:
        if opened.reserved_usd:
            self._put(opened.symbol, opened.pair_id, opened.reserved_usd)

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        self._put(ended.symbol, ended.pair_id, ZERO)
        self._count(record.ts_ns, ended.symbol, ended.pnl_usd)

    def _carry(self, carried: LossCarried, record: Record) -> None:
        self._turn(record.ts_ns)
        for symbol, pnl in carried.pnl_usd.items():
            self._pnl_of_day[symbol] = EXACT.add(self._pnl_of_day[symbol], pnl)
        self._total_pnl_of_day = EXACT.add(self._total_pnl_of_day, carried.total_usd)

    def _open_position(self, opened: PositionOpened, _: Record) -> None:
        self._symbol_of_trade[opened.trade_id] = opened.symbol
        self._put(opened.symbol, opened.trade_id, opened.exposure_usd)
        self._held[opened.symbol].positions.add(opened.trade_id)

    def _reduce_position(self, reduced: PositionReduced, _: Record) -> None:
        self._put(self._symbol_of_trade[reduced.trade_id], reduced.trade_id, reduced.exposure_usd)

    def _close_position(self, closed: PositionClosed, _: Record) -> None:
        del self._symbol_of_trade[closed.trade_id]
        self._put(closed.symbol, closed.trade_id, ZERO)
        self._held[closed.symbol].positions.remove(closed.trade_id)

    def _leave_residual(self, left: ResidualLeft, record: Record) -> None:
        self._side_of[left.residual_id] = left.trade_id, left.quantity > 0
        self._put(left.symbol, left.residual_id, left.cost_usd)
        if left.last_price is not None:
            self._last_priced[left.residual_id] = left.symbol, record.ts_ns // _DAY_NS

    def _leave_dust(self, left: DustLeft, _: Record) -> None:
        at, sign = (left.symbol, left.venue), 1 if left.quantity > 0 else -1
        cost = self._dust[at] = EXACT.add(self._dust[at], EXACT.multiply(left.cost_usd, sign))
        self._put(left.symbol, f"dust at {left.venue}", cost.copy_abs())

    def _resolve_residual(self, resolved: ResidualResolved, record: Record) -> None:
        self._put(resolved.symbol, resolved.residual_id, ZERO)
        self._last_priced.pop(resolved.residual_id, None)
        self._count(record.ts_ns, resolved.symbol, resolved.pnl_usd)

    def _take_residual(self, taken: ResidualTaken, record: Record) -> None:
        if taken.residual_id is None:
            at = taken.symbol, taken.venue
            self._dust[at] = taken.cost_usd.copy_sign(self._dust[at])
            self._put(taken.symbol, f"dust at {taken.venue}", taken.cost_usd)
        else:
            self._shrink(taken.symbol, taken.residual_id, taken.rest, taken.cost_usd)
        self._count(record.ts_ns, taken.symbol, taken.pnl_usd)

    def _net_residuals(self, event: ResidualsNetted | ResidualsPaired, record: Record) -> None:
        for residual_id, rest, _, cost_usd in event.rests:
            self._shrink(event.symbol, residual_id, rest, cost_usd)
        self._count(record.ts_ns, event.symbol, event.pnl_usd)

    def _shrink(self, symbol: str, residual_id: str, rest: Decimal, cost_usd: Decimal) -> None:
        self._put(symbol, residual_id, cost_usd)
        if not rest:
            self._last_priced.pop(residual_id, None)

    def _send(self, sent: TransferSent, _: Record) -> None:
        self._put(sent.symbol or "", f"transfer {sent.transfer_id}", sent.value_usd)
        self._moved[sent.transfer_id] = sent.symbol or ""

    def _arrive(self, arrived: TransferArrived, _: Record) -> None:
        self._put(self._moved.pop(arrived.transfer_id), f"transfer {arrived.transfer_id}", ZERO)

    def _fund(self, paid: FundingPaid, record: Record) -> None:
        self._count(record.ts_ns, paid.symbol, paid.amount_usd)

    def _put(self, symbol: str, item: str, exposure: Decimal) -> None:
        """Set what a pair, position or residual exposes; 0 takes it out."""
        held = self._held[symbol]
        change = EXACT.subtract(exposure, held.by_id.pop(item, ZERO))
        if exposure:
            held.by_id[item] = exposure
        held.total = EXACT.add(held.total, change)
        self._total = EXACT.add(self._total, change)
        if item in self._side_of:
            self._hedge(symbol, item, exposure)

    def _hedge(self, symbol: str, residual_id: str, cost: Decimal) -> None:
        """Count the larger only of what is long and what is short of one trade and symbol: they hedge each other.

        An exit whose orders had no answer leaves both.
        """
        trade_id, is_long = self._side_of[residual_id]
        sides = self._sides.setdefault((trade_id, symbol), ({}, {}))
        if cost:
            sides[is_long][residual_id] = cost
        else:
            sides[is_long].pop(residual_id, None)
            del self._side_of[residual_id]
        short, long = ([*side.values()] for side in sides)
        self._put(symbol, f"hedged of {trade_id}", EXACT.minus(min(_total(short), _total(long))))
        if not short and not long:
            del self._sides[trade_id, symbol]

    def _turn(self, ts_ns: int) -> None:
        """Begin another UTC day, if one has begun."""
        day = ts_ns // _DAY_NS
        if day != self._day:
            self._day = day
            self._pnl_of_day.clear()
            self._total_pnl_of_day = ZERO

    def _count(self, ts_ns: int, symbol: str, pnl: Decimal) -> None:
        self._turn(ts_ns)
        self._pnl_of_day[symbol] = EXACT.add(self._pnl_of_day[symbol], pnl)
        self._total_pnl_of_day = EXACT.add(self._total_pnl_of_day, pnl)


def _total(costs: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, costs, ZERO)
