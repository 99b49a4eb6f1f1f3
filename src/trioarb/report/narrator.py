"""Tell the campaign's events in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trioarb.journal.fold import Fold
from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    Decided,
    Event,
    GuardTripped,
    KillSwitchPulled,
    MarketDown,
    MarketStale,
    MarketUp,
    OrderRejected,
    OrderUnknown,
    PairEnded,
    PhaseEntered,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    SymbolQuarantined,
    SymbolRestarted,
    SymbolRetired,
)
from trioarb.model.number import text
from trioarb.model.trade import Answer, PairKind, PairOutcome
from trioarb.model.wire import to_json_object
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["narrate"]


def narrate(log: Any, *, in_detail: bool) -> Callable[[Record], None]:
    """Return an observer that logs what a user wants to follow at INFO and, ``in_detail``, the rest at DEBUG."""
    return _Narrator(log, in_detail=in_detail).observe


class _Narrator:
    """Says how each type of event is logged. What is not of interest among them is detail, as other types are."""

    def __init__(self, log: Any, *, in_detail: bool) -> None:
        self._log = log
        self._in_detail = in_detail
        self._start_ns: int | None = None
        self._folds = self.folds

    def observe(self, record: Record) -> None:
        if self._start_ns is None:
            self._start_ns = record.ts_ns
        self._folds.get(type(record.event), self._tell_detail)(record.event, record)

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        return {
            CampaignOpened: self._open_campaign,
            PhaseEntered: self._enter,
            Decided: self._decide,
            PositionOpened: self._open_position,
            PositionClosed: self._close_position,
            PairEnded: self._end_pair,
            ResidualLeft: self._leave,
            GuardTripped: self._trip,
            KillSwitchPulled: self._pull,
            MarketUp: self._market_up,
            MarketStale: self._market_stale,
            MarketDown: self._market_down,
            OrderRejected: self._reject,
            OrderUnknown: self._miss_answer,
            SymbolQuarantined: self._quarantine,
            SymbolRestarted: self._restart,
            SymbolRetired: self._retire,
            CampaignEnded: self._end_campaign,
        }

    def _tell(self, record: Record, level: str, message: str, **details: object) -> None:
        at_ns = record.ts_ns - (self._start_ns or 0)
        getattr(self._log, level)(message, at=f"{at_ns / SECOND_NS:.3f}s", **details)

    def _tell_detail(self, _: Event, record: Record) -> None:
        if self._in_detail:
            row = to_json_object(record)
            row.pop("ts_ns")
            self._tell(record, "debug", row.pop("type").replace("_", " "), **row)

    def _open_campaign(self, opened: CampaignOpened, record: Record) -> None:
        self._tell(
            record,
            "info",
            "campaign opened",
            campaign=opened.campaign_id,
            env=opened.env,
            mode=opened.mode,
            clock=opened.clock,
            symbols=len(opened.symbols),
            venues=",".join(opened.venues),
        )

    def _enter(self, entered: PhaseEntered, record: Record) -> None:
        because = {"because": entered.reason} if entered.reason else {}
        self._tell(record, "info", entered.phase.value.lower(), **because)

    def _decide(self, decided: Decided, record: Record) -> None:
        if decided.answer is not Answer.STOP:
            self._tell_detail(decided, record)
            return
        self._tell(
            record,
            "error",
            "emergency stop",
            rule=f"{decided.tier}.{decided.rule}",
            value=decided.value,
            limit=decided.limit,
            **({"symbol": decided.symbol} if decided.symbol else {}),
        )

    def _open_position(self, opened: PositionOpened, record: Record) -> None:
        self._tell(
            record,
            "info",
            "position opened",
            symbol=opened.symbol,
            trade=opened.trade_id,
            quantity=text(opened.quantity),
            buy=f"{opened.buy_venue}@{text(opened.buy_price)}",
            sell=f"{opened.sell_venue}@{text(opened.sell_price)}",
        )

    def _close_position(self, closed: PositionClosed, record: Record) -> None:
        self._tell(
            record,
            "info",
            "position closed",
            symbol=closed.symbol,
            trade=closed.trade_id,
            reason=closed.reason.value,
            pnl_usd=text(closed.pnl_usd),
        )

    def _end_pair(self, ended: PairEnded, record: Record) -> None:
        if ended.kind is PairKind.ENTRY and ended.outcome is PairOutcome.FLAT and ended.pnl_usd:
            pnl_usd = text(ended.pnl_usd)
            self._tell(record, "warning", "entry unwound", symbol=ended.symbol, trade=ended.trade_id, pnl_usd=pnl_usd)
        else:
            self._tell_detail(ended, record)

    def _leave(self, left: ResidualLeft, record: Record) -> None:
        self._tell(
            record,
            "error",
            "residual left",
            symbol=left.symbol,
            venue=left.venue,
            quantity=f"{text(left.quantity)} {left.asset}",
            cost_usd=text(left.cost_usd),
            unknown=left.unknown,
        )

    def _trip(self, tripped: GuardTripped, record: Record) -> None:
        if tripped.answer is Answer.STOP:  # the decision that follows says it
            self._tell_detail(tripped, record)
            return
        concerned = {"symbol": tripped.symbol, "venue": tripped.venue}
        denies = tripped.answer is Answer.DENY
        self._tell(
            record,
            "warning" if denies else "info",
            "guard tripped" if denies else "guard recovered",
            rule=f"{tripped.tier}.{tripped.rule}",
            **{what: name for what, name in concerned.items() if name is not None},
            value=tripped.value,
            limit=tripped.limit,
        )

    def _pull(self, pulled: KillSwitchPulled, record: Record) -> None:
        self._tell(record, "warning", "kill switch pulled", source=pulled.source)

    def _market_up(self, up: MarketUp, record: Record) -> None:
        self._tell(record, "info", "market data is up", venue=up.venue)

    def _market_stale(self, stale: MarketStale, record: Record) -> None:
        seconds = f"{(record.ts_ns - stale.last_quote_ns) / SECOND_NS:.3f}"
        self._tell(record, "warning", "no quotes", venue=stale.venue, seconds=seconds)

    def _market_down(self, down: MarketDown, record: Record) -> None:
        self._tell(record, "warning", "market data is down", venue=down.venue, because=down.reason)

    def _reject(self, rejected: OrderRejected, record: Record) -> None:
        self._tell(record, "warning", "order rejected", order=rejected.client_order_id, reason=rejected.reason)

    def _miss_answer(self, unknown: OrderUnknown, record: Record) -> None:
        message = "order unanswered; asking the venue"
        self._tell(record, "warning", message, order=unknown.client_order_id, reason=unknown.reason)

    def _quarantine(self, quarantined: SymbolQuarantined, record: Record) -> None:
        self._tell(
            record,
            "error",
            "symbol quarantined",
            symbol=quarantined.symbol,
            failures=quarantined.failures,
            error=quarantined.error,
        )

    def _restart(self, restarted: SymbolRestarted, record: Record) -> None:
        self._tell(record, "info", "symbol restarted", symbol=restarted.symbol, failures=restarted.failures)

    def _retire(self, retired: SymbolRetired, record: Record) -> None:
        message = "symbol retired; it trades no more"
        self._tell(record, "error", message, symbol=retired.symbol, failures=retired.failures)

    def _end_campaign(self, ended: CampaignEnded, record: Record) -> None:
        error = {"error": ended.error} if ended.error else {}
        self._tell(record, "info", "campaign ended", by=ended.ended_by.value, **error)
