"""Tell the campaign's events in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    Decided,
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

    start_ns: int | None = None

    def observe(record: Record) -> None:
        nonlocal start_ns
        if start_ns is None:
            start_ns = record.ts_ns
        at = f"{(record.ts_ns - start_ns) / SECOND_NS:.3f}s"

        def tell(level: str, message: str, **details: object) -> None:
            getattr(log, level)(message, at=at, **details)

        match record.event:
            case CampaignOpened() as opened:
                tell(
                    "info",
                    "campaign opened",
                    campaign=opened.campaign_id,
                    env=opened.env,
                    mode=opened.mode,
                    clock=opened.clock,
                    symbols=len(opened.symbols),
                    venues=",".join(opened.venues),
                )
            case PhaseEntered(phase=phase, reason=reason):
                tell("info", phase.value.lower(), **({"because": reason} if reason else {}))
            case Decided(answer=Answer.STOP) as stop:
                tell(
                    "error",
                    "emergency stop",
                    rule=f"{stop.tier}.{stop.rule}",
                    value=stop.value,
                    limit=stop.limit,
                    **({"symbol": stop.symbol} if stop.symbol else {}),
                )
            case PositionOpened() as position:
                tell(
                    "info",
                    "position opened",
                    symbol=position.symbol,
                    trade=position.trade_id,
                    quantity=text(position.quantity),
                    buy=f"{position.buy_venue}@{text(position.buy_price)}",
                    sell=f"{position.sell_venue}@{text(position.sell_price)}",
                )
            case PositionClosed() as closed:
                tell(
                    "info",
                    "position closed",
                    symbol=closed.symbol,
                    trade=closed.trade_id,
                    reason=closed.reason.value,
                    pnl_usd=text(closed.pnl_usd),
                )
            case PairEnded(kind=PairKind.ENTRY, outcome=PairOutcome.FLAT, pnl_usd=pnl_usd) as ended if pnl_usd:
                tell("warning", "entry unwound", symbol=ended.symbol, trade=ended.trade_id, pnl_usd=text(pnl_usd))
            case ResidualLeft() as residual:
                tell(
                    "error",
                    "residual left",
                    symbol=residual.symbol,
                    venue=residual.venue,
                    quantity=f"{text(residual.quantity)} {residual.asset}",
                    cost_usd=text(residual.cost_usd),
                    unknown=residual.unknown,
                )
            case GuardTripped(answer=Answer.DENY | Answer.ALLOW as answer) as tripped:
                concerned = {"symbol": tripped.symbol, "venue": tripped.venue}
                tell(
                    "warning" if answer is Answer.DENY else "info",
                    "guard tripped" if answer is Answer.DENY else "guard recovered",
                    rule=f"{tripped.tier}.{tripped.rule}",
                    **{what: name for what, name in concerned.items() if name is not None},
                    value=tripped.value,
                    limit=tripped.limit,
                )
            case KillSwitchPulled(source=source):
                tell("warning", "kill switch pulled", source=source)
            case MarketUp(venue=venue):
                tell("info", "market data is up", venue=venue)
            case MarketStale(venue=venue, last_quote_ns=last_ns):
                tell("warning", "no quotes", venue=venue, seconds=f"{(record.ts_ns - last_ns) / SECOND_NS:.3f}")
            case MarketDown(venue=venue, reason=reason):
                tell("warning", "market data is down", venue=venue, because=reason)
            case OrderRejected(client_order_id=order, reason=reason):
                tell("warning", "order rejected", order=order, reason=reason)
            case OrderUnknown(client_order_id=order, reason=reason):
                tell("warning", "order unanswered; asking the venue", order=order, reason=reason)
            case SymbolQuarantined() as quarantined:
                tell(
                    "error",
                    "symbol quarantined",
                    symbol=quarantined.symbol,
                    failures=quarantined.failures,
                    error=quarantined.error,
                )
            case SymbolRestarted(symbol=symbol, failures=failures):
                tell("info", "symbol restarted", symbol=symbol, failures=failures)
            case SymbolRetired(symbol=symbol, failures=failures):
                tell("error", "symbol retired; it trades no more", symbol=symbol, failures=failures)
            case CampaignEnded(ended_by=ended_by, error=error):
                tell("info", "campaign ended", by=ended_by.value, **({"error": error} if error else {}))
            case _ if in_detail:
                row = to_json_object(record)
                row.pop("ts_ns")
                tell("debug", row.pop("type").replace("_", " "), **row)
            case _:
                pass

    return observe
