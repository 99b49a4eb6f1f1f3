"""What the campaign did so far, counted from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import attrs

from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    CampaignResumed,
    Decided,
    DecisionsRepeated,
    FunnelCounted,
    GuardTripped,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderUnknown,
    PairEnded,
    PairOpened,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    Record,
    ResidualResolved,
    StopCleared,
    SymbolQuarantined,
    SymbolRetired,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.trade import Answer, EndedBy, PairKind

__all__ = ["ClosedTrade", "Statistics", "SymbolStatistics"]


@attrs.frozen(kw_only=True)
class ClosedTrade:
    closed: PositionClosed
    closed_at_ns: int


@attrs.define
class SymbolStatistics:
    """``pnl_usd`` is realised; ``funnel`` the latest counters; ``sent``, ``filled``, ``closed`` count entries."""

    allowed: int = 0
    rejected: int = 0
    sent: int = 0
    filled: int = 0
    closed: int = 0
    pnl_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    circuit_breaker_triggered: bool = False
    quarantines: int = 0
    retired: bool = False
    funnel: FunnelCounted | None = None


class Statistics:
    """Totals over the campaign, and per symbol.

    A campaign that was resumed ran in several stretches: the present one since ``stretch_started_ns``, those before
    for ``ran_before_ns`` together.
    """

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolStatistics] = {}
        self.decisions: Counter[Answer] = Counter()
        self.by_rule: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.orders: Counter[str] = Counter()
        self.trades: list[ClosedTrade] = []
        self.marks: list[PositionMarked] = []
        self.ended: CampaignEnded | None = None
        self.is_stopped = False
        self.resumed: CampaignResumed | None = None
        self.stretch_started_ns = 0
        self.ran_before_ns = 0
        self._unsent_entries: dict[str, str] = {}

    def of(self, symbol: str) -> SymbolStatistics:
        return self.symbols.setdefault(symbol, SymbolStatistics())

    @property
    def pnl_usd(self) -> Decimal:
        """Realised PnL."""
        return _total(one.pnl_usd for one in self.symbols.values())

    @property
    def fees_usd(self) -> Decimal:
        return _total(one.fees_usd for one in self.symbols.values())

    @property
    def ended_by(self) -> EndedBy | None:
        return None if self.ended is None else self.ended.ended_by

    def apply(self, record: Record) -> None:
        match record.event:
            case FunnelCounted(symbol=symbol) as funnel:
                self.of(symbol).funnel = funnel
            case Decided(symbol=symbol, answer=answer, tier=tier, rule=rule):
                self._decide(symbol, answer, f"{tier}.{rule}", 1)
            case DecisionsRepeated(symbol=symbol, answer=answer, tier=tier, rule=rule, count=count):
                self._decide(symbol, answer, f"{tier}.{rule}", count)
            case OrderSubmitted(pair_id=pair_id):
                self.orders["submitted"] += 1
                entry_symbol = self._unsent_entries.pop(pair_id, "")
                if entry_symbol:
                    self.of(entry_symbol).sent += 1
            case OrderFilled():
                self.orders["fills"] += 1
            case OrderCancelled():
                self.orders["cancelled"] += 1
            case OrderRejected():
                self.orders["rejected"] += 1
            case OrderUnknown():
                self.orders["unanswered"] += 1
            case PairOpened(pair_id=pair_id, symbol=symbol, kind=PairKind.ENTRY):
                self._unsent_entries[pair_id] = symbol
            case PositionOpened(symbol=symbol):
                self.of(symbol).filled += 1
            case PositionClosed(symbol=symbol) as closed:
                self.of(symbol).closed += 1
                self.trades.append(ClosedTrade(closed=closed, closed_at_ns=record.ts_ns))
            case PairEnded(symbol=symbol) as ended:
                self._unsent_entries.pop(ended.pair_id, "")
                one = self.of(symbol)
                one.pnl_usd = EXACT.add(one.pnl_usd, ended.pnl_usd)
                one.fees_usd = EXACT.add(one.fees_usd, ended.fees_usd)
                self.pairs[ended.kind.value, ended.outcome.value] += 1
            case ResidualResolved(symbol=symbol) as resolved:
                one = self.of(symbol)
                one.pnl_usd = EXACT.add(one.pnl_usd, resolved.pnl_usd)
                one.fees_usd = EXACT.add(one.fees_usd, resolved.fees_usd)
            case PositionMarked() as mark:
                self.marks.append(mark)
            case CampaignOpened():
                self.stretch_started_ns = record.ts_ns
            case CampaignResumed() as resumed:
                self._resume(resumed, record.ts_ns)
            case StopCleared():
                self.is_stopped = False
            case GuardTripped(rule="circuit_breaker", symbol=str(symbol)):
                self.of(symbol).circuit_breaker_triggered = True
            case SymbolQuarantined(symbol=symbol):
                self.of(symbol).quarantines += 1
            case SymbolRetired(symbol=symbol):
                self.of(symbol).retired = True
            case CampaignEnded() as ended_campaign:
                self.ended = ended_campaign
            case _:
                pass

    def _resume(self, resumed: CampaignResumed, ts_ns: int) -> None:
        """Begin another stretch; the time in which nothing ran does not count."""
        self.resumed, self.ended = resumed, None
        self.marks.clear()
        self.ran_before_ns += resumed.last_ts_ns - self.stretch_started_ns
        self.stretch_started_ns = ts_ns

    def _decide(self, symbol: str, answer: Answer, rule: str, count: int) -> None:
        self.decisions[answer] += count
        self.is_stopped |= answer is Answer.STOP
        if answer is Answer.ALLOW:
            self.of(symbol).allowed += count
        else:
            self.of(symbol).rejected += count
            self.by_rule[rule] += count


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
