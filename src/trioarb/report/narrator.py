"""Tell the campaign's events in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    Commanded,
    ContractsLiquidated,
    Decided,
    DustLeft,
    EntriesHeld,
    EntriesReleased,
    Event,
    FxRated,
    GuardTripped,
    KillSwitchPulled,
    LossCarried,
    MarketDown,
    MarketStale,
    MarketUp,
    OrderRejected,
    OrderReopened,
    OrderShadowed,
    OrderUnknown,
    PairEnded,
    PhaseEntered,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualLeft,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    SymbolQuarantined,
    SymbolRestarted,
    SymbolRetired,
    TradeCorrected,
    TransferArrived,
    TransferSent,
    UniverseRefreshed,
    UpdatesDown,
    UpdatesUp,
)
from trioarb.model.fx import FxState
from trioarb.model.number import text
from trioarb.model.trade import Answer, PairKind, PairOutcome
from trioarb.model.wire import to_json_object
from trioarb.state.shadow import error_of, outcome_of
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["is_told", "narrate", "told"]

#: Level, message, and details by their names; none for an event that is detail.
_Line = tuple[str, str, Mapping[str, object]] | None


def narrate(log: Any, *, in_detail: bool) -> Callable[[Record], None]:
    """Return an observer that logs what a user wants to follow at INFO and, ``in_detail``, the rest at DEBUG."""
    start_ns: int | None = None

    def observe(record: Record) -> None:
        nonlocal start_ns
        if start_ns is None:
            start_ns = record.ts_ns
        of_interest = _OF_INTEREST.get(type(record.event))
        line = None if of_interest is None else of_interest(record.event, record.ts_ns)
        if line is None and in_detail:
            row = to_json_object(record)
            row.pop("ts_ns")
            line = "debug", row.pop("type").replace("_", " "), row
        if line is not None:
            level, message, details = line
            getattr(log, level)(message, at=f"{(record.ts_ns - start_ns) / SECOND_NS:.3f}s", **details)

    return observe


def is_told(kind: type[Event]) -> bool:
    """Say whether people may want to follow events of a type."""
    return kind in _OF_INTEREST


def told(record: Record) -> tuple[str, str] | None:
    """Return an event's level (``info``, ``warning``, ``error``) and what is to be said of it, if people follow it."""
    of_interest = _OF_INTEREST.get(type(record.event))
    line = None if of_interest is None else of_interest(record.event, record.ts_ns)
    if line is None:
        return None
    level, message, details = line
    return level, " ".join([message, *(f"{name}={value}" for name, value in details.items())])


def _open_campaign(opened: CampaignOpened, _: int) -> _Line:
    details = {
        "campaign": opened.campaign_id,
        "env": opened.env,
        "mode": opened.mode,
        "clock": opened.clock,
        "symbols": len(opened.symbols),
        "venues": ",".join(opened.venues),
    }
    return "info", "campaign opened", details


def _enter(entered: PhaseEntered, _: int) -> _Line:
    return "info", entered.phase.value.lower(), {"because": entered.reason} if entered.reason else {}


def _decide(decided: Decided, _: int) -> _Line:
    if decided.answer is not Answer.STOP:
        return None
    details = {"rule": f"{decided.tier}.{decided.rule}", "value": decided.value, "limit": decided.limit}
    return "error", "emergency stop", details | ({"symbol": decided.symbol} if decided.symbol else {})


def _open_position(opened: PositionOpened, _: int) -> _Line:
    details = {
        "symbol": opened.symbol,
        "trade": opened.trade_id,
        "quantity": text(opened.quantity),
        "buy": f"{opened.buy_venue}@{text(opened.buy_price)}",
        "sell": f"{opened.sell_venue}@{text(opened.sell_price)}",
    }
    return "info", "position opened", details


def _close_position(closed: PositionClosed, _: int) -> _Line:
    details = {
        "symbol": closed.symbol,
        "trade": closed.trade_id,
        "reason": closed.reason.value,
        "pnl_usd": text(closed.pnl_usd),
    }
    return "info", "position closed", details


def _end_pair(ended: PairEnded, _: int) -> _Line:
    if ended.kind is PairKind.ENTRY and ended.outcome is PairOutcome.FLAT and ended.pnl_usd:
        details = {"symbol": ended.symbol, "trade": ended.trade_id, "pnl_usd": text(ended.pnl_usd)}
        return "warning", "entry unwound", details
    return None


def _leave(left: ResidualLeft, _: int) -> _Line:
    details = {
        "symbol": left.symbol,
        "venue": left.venue,
        "quantity": f"{text(left.quantity)} {left.asset}",
        "cost_usd": text(left.cost_usd),
        "unknown": left.unknown,
    }
    return "error", "residual left", details


def _leave_dust(left: DustLeft, _: int) -> _Line:
    details = {"symbol": left.symbol, "venue": left.venue, "quantity": f"{text(left.quantity)} {left.asset}"}
    return "info", "dust left", {**details, "cost_usd": text(left.cost_usd)}


def _take(taken: ResidualTaken, _: int) -> _Line:
    details = {"symbol": taken.symbol, "venue": taken.venue, "quantity": text(taken.quantity), "pair": taken.pair_id}
    return "info", "residual traded away with a pair", {**details, "pnl_usd": text(taken.pnl_usd)}


def _net(netted: ResidualsNetted, _: int) -> _Line:
    details = {"symbol": netted.symbol, "quantity": text(netted.quantity), "pnl_usd": text(netted.pnl_usd)}
    return "info", "residuals netted", details


def _liquidate(liquidated: ContractsLiquidated, _: int) -> _Line:
    details = {
        "venue": liquidated.venue,
        "symbol": liquidated.symbol,
        liquidated.side.value: text(liquidated.quantity),
        "value": f"{text(liquidated.value)} {liquidated.asset}",
        "fees": text(liquidated.fees),
    }
    known = {"mark": liquidated.mark, "balance": liquidated.balance, "maintenance": liquidated.maintenance}
    details |= {name: text(amount) for name, amount in known.items() if amount is not None}
    return "error", "a venue closed contracts by force", details


def _pair_up(paired: ResidualsPaired, _: int) -> _Line:
    details = {"symbol": paired.symbol, "trade": paired.trade_id, "quantity": text(paired.quantity)}
    return "info", "an entry had opened a position", details


def _correct(corrected: TradeCorrected, _: int) -> _Line:
    details = {
        "symbol": corrected.symbol,
        "trade": corrected.trade_id,
        "pnl_usd": text(corrected.pnl_usd),
        "before_usd": text(corrected.before_usd),
    }
    return "info", "trade corrected, an order of it was learnt late", details


def _send(sent: TransferSent, ts_ns: int) -> _Line:
    details = {
        "transfer": sent.transfer_id,
        "amount": f"{text(sent.amount)} {sent.asset}",
        "fee": text(sent.fee),
        "source": sent.source,
        "target": sent.target,
        "arrives_in_minutes": round((sent.arrives_at_ns - ts_ns) / 60 / SECOND_NS, 1),
    }
    return "info", "transfer sent", details


def _arrive(arrived: TransferArrived, _: int) -> _Line:
    details = {"transfer": arrived.transfer_id, "amount": f"{text(arrived.amount)} {arrived.asset}"}
    return "info", "transfer arrived", details | {"target": arrived.target}


def _trip(tripped: GuardTripped, _: int) -> _Line:
    if tripped.answer is Answer.STOP:  # the decision that follows says it
        return None
    concerned = {"symbol": tripped.symbol, "venue": tripped.venue}
    details = {
        "rule": f"{tripped.tier}.{tripped.rule}",
        **{what: name for what, name in concerned.items() if name is not None},
        "value": tripped.value,
        "limit": tripped.limit,
    }
    if tripped.answer is Answer.DENY:
        return "warning", "guard tripped", details
    return "info", "guard recovered", details


def _carry(carried: LossCarried, _: int) -> _Line:
    details = {"campaign": carried.campaign_id, "total_usd": text(carried.total_usd)}
    return "info", "what an earlier campaign of this day lost counts", details


def _command(commanded: Commanded, _: int) -> _Line:
    names = ("symbol", "key", "before", "after", "why")
    details = {name: told for name in names if (told := getattr(commanded, name))}
    return "warning", f"somebody told the campaign to {commanded.command.value}", {"who": commanded.who, **details}


def _pull(pulled: KillSwitchPulled, _: int) -> _Line:
    return "warning", "kill switch pulled", {"source": pulled.source}


def _rate(rated: FxRated, _: int) -> _Line:
    if rated.reason != "state":
        return None
    details = {"asset": rated.asset, "state": rated.state.value}
    if rated.state is FxState.GOOD:
        said = "" if rated.bid is None or rated.ask is None else f"{text(rated.bid)} to {text(rated.ask)}"
        return "info", "the rate of a quote asset can be relied on", details | {rated.common: said}
    wrong = {"outliers": ",".join(rated.outliers), "old": ",".join(rated.old)}
    details |= {what: names for what, names in wrong.items() if names}
    return "warning", "the rate of a quote asset can't be relied on; nothing that needs it is entered", details


def _market_up(up: MarketUp, _: int) -> _Line:
    return "info", "market data is up", {"venue": up.venue}


def _market_stale(stale: MarketStale, ts_ns: int) -> _Line:
    seconds = f"{(ts_ns - stale.last_quote_ns) / SECOND_NS:.3f}"
    return "warning", "no quotes", {"venue": stale.venue, "seconds": seconds}


def _market_down(down: MarketDown, _: int) -> _Line:
    return "warning", "market data is down", {"venue": down.venue, "because": down.reason}


def _reject(rejected: OrderRejected, _: int) -> _Line:
    return "warning", "order rejected", {"order": rejected.client_order_id, "reason": rejected.reason}


def _reopen(reopened: OrderReopened, _: int) -> _Line:
    details = {"order": reopened.client_order_id, "venue": reopened.venue, "symbol": reopened.symbol}
    return "warning", "a venue filled more of an order after its last word", details


def _shadow(shadowed: OrderShadowed, _: int) -> _Line:
    """Tell of an order that the book would have filled otherwise, at the look that says most of it."""
    looks = {look.at: look for look in shadowed.looks if look.unmeasured is None}
    look = next((looks[at] for at in ("trip", "x2", "x1") if at in looks), None)
    if look is None or shadowed.is_refused:
        return None
    model, book = outcome_of(shadowed.fills, shadowed.quantity), outcome_of(look.levels, shadowed.quantity)
    error = error_of(shadowed, look)
    if model == book or error is None:
        return None
    details = {
        "order": shadowed.client_order_id,
        "venue": shadowed.venue,
        "after_ms": round(look.after_ns / 1_000_000, 1),
        "model": model,
        "book": book,
        "error": text(error.cost),
    }
    return "info", "the book would have filled an order otherwise", details


def _updates_down(down: UpdatesDown, _: int) -> _Line:
    return "warning", "order updates are down; no entry there", {"venue": down.venue, "because": down.reason}


def _updates_up(up: UpdatesUp, _: int) -> _Line:
    return "info", "order updates are up", {"venue": up.venue}


def _hold(held: EntriesHeld, _: int) -> _Line:
    return (
        "warning",
        f"the {held.by.value} plugin wants no entries there",
        {"venue": held.venue, "because": held.reason},
    )


def _release(released: EntriesReleased, _: int) -> _Line:
    details = {"venue": released.venue, "was": released.reason}
    return "info", f"the {released.by.value} plugin allows entries there again", details


def _miss_answer(unknown: OrderUnknown, _: int) -> _Line:
    details = {"order": unknown.client_order_id, "reason": unknown.reason}
    return "warning", "order unanswered; asking the venue", details


def _quarantine(failed: SymbolQuarantined, _: int) -> _Line:
    return "error", "symbol quarantined", {"symbol": failed.symbol, "failures": failed.failures, "error": failed.error}


def _restart(restarted: SymbolRestarted, _: int) -> _Line:
    return "info", "symbol restarted", {"symbol": restarted.symbol, "failures": restarted.failures}


def _retire(retired: SymbolRetired, _: int) -> _Line:
    return "error", "symbol retired; it trades no more", {"symbol": retired.symbol, "failures": retired.failures}


def _refresh(refreshed: UniverseRefreshed, _: int) -> _Line | None:
    if refreshed.error is not None:
        return "warning", "the symbols could not be chosen anew", {"error": refreshed.error}
    if not refreshed.added and not refreshed.dropped:
        return None
    changes = {"added": ",".join(refreshed.added), "dropped": ",".join(refreshed.dropped)}
    return "info", "symbols chosen anew", {"symbols": len(refreshed.symbols), **{k: v for k, v in changes.items() if v}}


def _end_campaign(ended: CampaignEnded, _: int) -> _Line:
    return "info", "campaign ended", {"by": ended.ended_by.value} | ({"error": ended.error} if ended.error else {})


_OF_INTEREST: Mapping[type[Event], Callable[[Any, int], _Line]] = {
    CampaignOpened: _open_campaign,
    PhaseEntered: _enter,
    ContractsLiquidated: _liquidate,
    Decided: _decide,
    PositionOpened: _open_position,
    PositionClosed: _close_position,
    PairEnded: _end_pair,
    DustLeft: _leave_dust,
    ResidualTaken: _take,
    ResidualsNetted: _net,
    ResidualsPaired: _pair_up,
    TradeCorrected: _correct,
    TransferSent: _send,
    TransferArrived: _arrive,
    ResidualLeft: _leave,
    GuardTripped: _trip,
    LossCarried: _carry,
    KillSwitchPulled: _pull,
    Commanded: _command,
    FxRated: _rate,
    MarketUp: _market_up,
    MarketStale: _market_stale,
    MarketDown: _market_down,
    OrderRejected: _reject,
    OrderReopened: _reopen,
    OrderShadowed: _shadow,
    OrderUnknown: _miss_answer,
    UpdatesDown: _updates_down,
    UpdatesUp: _updates_up,
    EntriesHeld: _hold,
    EntriesReleased: _release,
    SymbolQuarantined: _quarantine,
    SymbolRestarted: _restart,
    SymbolRetired: _retire,
    UniverseRefreshed: _refresh,
    CampaignEnded: _end_campaign,
}
