"""What a journal says of its campaign, as rows of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from trioarb.control.message import Held, Watched
from trioarb.dashboard.follower import Follower
from trioarb.dashboard.message import (
    Balance,
    Control,
    Denial,
    EventRow,
    Fill,
    Funnel,
    FxRow,
    Limit,
    OrderRow,
    PositionRow,
    PremiumRow,
    Reason,
    ResidualRow,
    Step,
    TradeRow,
    VenueRow,
)
from trioarb.model.event import Event, Record
from trioarb.model.number import EXACT, text
from trioarb.model.wire import event_type, to_json_object
from trioarb.report.fx import fx, premiums
from trioarb.report.narrator import told
from trioarb.state.funnel_total import FunnelTotal
from trioarb.state.snapshot import HeadRoom
from trioarb.state.state import State

__all__ = [
    "balances",
    "control",
    "event_row",
    "fills",
    "funnel",
    "fx_rows",
    "limits",
    "milliseconds",
    "orders",
    "positions",
    "premium_rows",
    "residuals",
    "trades",
    "venues",
]

#: So many rows of what there may be very many of.
_MOST = 200
_MOST_TRADES = 60
_STEPS = (
    *("seen", "evaluated", "fresh", "edge_positive", "over_threshold"),
    *("sized", "allowed", "sent", "filled", "closed"),
)
_LONG_TEXT = 600


def milliseconds(ns: int) -> int:
    """Return a time as the page has it."""
    return ns // 1_000_000


def positions(state: State, answered: Sequence[Held]) -> tuple[PositionRow, ...]:
    """Return what is open, the latest first; what it would bring as the campaign answered, else as it was marked."""
    held = state.trades.positions()[: -_MOST - 1 : -1]
    marks = {trade_id: one.unrealised_usd for trade_id, one in state.statistics.marks.items()}
    marks |= {one.trade_id: one.unrealised_usd for one in answered}
    return tuple(
        PositionRow(
            trade_id=one.trade_id,
            symbol=one.route.symbol,
            quantity=one.quantity,
            long_at=one.route.buy_venue,
            short_at=one.route.sell_venue,
            buy_price=one.buy_price,
            sell_price=one.sell_price,
            opened_ms=milliseconds(one.opened_ns),
            unrealised_usd=marks.get(one.trade_id),
        )
        for one in held
    )


def residuals(state: State) -> tuple[ResidualRow, ...]:
    """Return what pairs left one-sided, the latest first, and dust."""
    left = [
        ResidualRow(
            residual_id=one.residual_id,
            kind="residual",
            trade_id=one.trade_id,
            symbol=one.symbol,
            venue=one.venue,
            asset=one.asset,
            quantity=one.quantity,
            cost_usd=one.cost_usd,
            unknown=one.unknown or one.possible,
        )
        for one in reversed(state.trades.residuals.values())
    ]
    dust = [
        ResidualRow(
            residual_id=f"dust of {symbol} at {venue}",
            kind="dust",
            trade_id="",
            symbol=symbol,
            venue=venue,
            asset=one.asset,
            quantity=one.quantity,
            cost_usd=one.cost_usd,
            unknown=False,
        )
        for (symbol, venue), one in sorted(state.trades.dust.items())
        if one.quantity
    ]
    return tuple([*left, *dust][:_MOST])


def orders(follower: Follower) -> tuple[OrderRow, ...]:
    """Return the latest orders, the newest first."""
    return tuple(
        OrderRow(
            client_order_id=order_id,
            trade_id=one.trade_id,
            symbol=one.submitted.symbol,
            venue=one.submitted.venue,
            side=one.submitted.side.value,
            quantity=one.submitted.quantity,
            filled=one.filled,
            limit=one.submitted.limit_price,
            purpose=one.submitted.purpose.value,
            state=one.state,
            reason=one.reason,
            at_ms=milliseconds(one.at_ns),
        )
        for order_id, one in reversed(follower.recent.orders.items())
    )


def fills(follower: Follower) -> tuple[Fill, ...]:
    """Return the latest fills, the newest first."""
    return tuple(
        Fill(
            client_order_id=one.client_order_id,
            symbol=one.symbol,
            venue=one.venue,
            side=one.side.value,
            quantity=one.quantity,
            price=one.price,
            fee=one.fee,
            fee_asset=one.fee_asset,
            at_ms=milliseconds(ts_ns),
        )
        for ts_ns, one in reversed(follower.recent.fills)
    )


def trades(state: State) -> tuple[TradeRow, ...]:
    """Return the trades that were closed last, the newest first."""
    return tuple(
        TradeRow(
            trade_id=one.closed.trade_id,
            symbol=one.closed.symbol,
            quantity=one.closed.quantity,
            buy_venue=one.closed.buy_venue,
            sell_venue=one.closed.sell_venue,
            opened_ms=milliseconds(one.closed.opened_at_ns),
            closed_ms=milliseconds(one.closed_at_ns),
            pnl_usd=one.closed.pnl_usd,
            fees_usd=one.closed.fees_usd,
            reason=one.closed.reason.value,
        )
        for one in list(state.statistics.recent)[: -_MOST_TRADES - 1 : -1]
    )


def funnel(state: State, total: FunnelTotal, advice: Sequence[str]) -> Funnel:
    """Return the funnel of all symbols, and why things went no further, the most frequent reasons first."""
    statistics = state.statistics
    steps, before = [], 0
    for step in _STEPS:
        count = total.steps[step]
        steps.append(Step(step=step, count=count, share=count / before if before else None))
        before = count
    reasons = [Reason(step="sized", reason=why, count=count) for why, count in total.not_sized.items()]
    for rule, count in statistics.by_rule.items():
        last = statistics.denied.get(rule)
        value, limit = ("", "") if last is None else (last.value or "", last.limit or "")
        reasons.append(Reason(step="allowed", reason=rule, count=count, value=value, limit=limit))
    reasons.sort(key=lambda one: (-one.count, one.reason))
    return Funnel(steps=tuple(steps), reasons=tuple(reasons[:_MOST]), sentence=" ".join(advice))


def limits(rooms: Sequence[HeadRoom]) -> tuple[Limit, ...]:
    """Return how much of each guard's limit is used, the nearest to it first."""
    found = [
        Limit(
            tier=one.tier,
            rule=one.rule,
            scope="",
            value=float(one.used),
            limit=float(one.limit),
            unit="USD",
            share=float(one.used / one.limit) if one.limit else 1.0,
        )
        for one in rooms
        if one.limit is not None
    ]
    found.sort(key=lambda one: -one.share)
    return tuple(found[:_MOST])


def venues(follower: Follower, silent_ns: dict[str, int]) -> tuple[VenueRow, ...]:
    """Return how the venues stand; ``silent_ns``: for how long no quote came from each, where that is known."""
    state, opened = follower.state, follower.state.statistics.opened
    open_orders: dict[str, int] = {}
    for order in state.trades.orders.values():
        venue = order.submitted.venue
        open_orders[venue] = open_orders.get(venue, 0) + 1
    rows = []
    for venue in () if opened is None else opened.venues:
        one, age = follower.recent.of(venue), silent_ns.get(venue)
        held = "; ".join(f"{who}: {why}" for who, why in one.held.items())
        stands = one.state if one.state != "unknown" or venue not in state.statistics.heard else "up"
        rows.append(
            VenueRow(
                venue=venue,
                state="held" if held and stands == "up" else stands,
                reason="; ".join(filter(None, (one.reason, held))),
                since_ms=None if one.since_ns is None else milliseconds(one.since_ns),
                quote_age_ms=None if age is None else age / 1_000_000,
                orders_open=open_orders.get(venue, 0),
                orders=one.counts["orders"],
                fills=one.counts["fills"],
                errors=one.counts["errors"],
            )
        )
    return tuple(rows)


def fx_rows(state: State) -> tuple[FxRow, ...]:
    """Return what converted quote assets were worth when it was recorded last."""
    return tuple(
        FxRow(
            asset=asset,
            common=one["common"],
            state="constant" if one["constant"] else one["state"].value if one["state"] is not None else "unknown",
            bid=one["bid"],
            ask=one["ask"],
            age_seconds=one["age_seconds"],
            exposure=one["exposure"],
            exposure_usd=one["exposure_usd"],
        )
        for asset, one in fx(state).items()
    )


def premium_rows(state: State) -> tuple[PremiumRow, ...]:
    return tuple(
        PremiumRow(
            place=place,
            last_bps=float(one["last"]),
            least_bps=float(one["least"]),
            most_bps=float(one["most"]),
            mean_bps=float(one["mean"]),
        )
        for place, one in list(premiums(state).items())[:_MOST]
    )


def balances(state: State) -> tuple[Balance, ...]:
    """Return what the venues hold; of many assets those that have changed, first."""
    found = [
        Balance(venue=venue, asset=asset, final=one.final, change=EXACT.subtract(one.final, one.initial))
        for venue, by_asset in state.ledger.balances().items()
        for asset, one in by_asset.items()
    ]
    if len(found) > _MOST:
        found.sort(key=lambda one: not one.change)
    return tuple(found[:_MOST])


def control(state: State, answered: Watched | None) -> Control:
    """Return what people have told it, and what denies entries now; as it answered, where it did."""
    told_to, denials = state.control, () if answered is None else answered.denials
    if answered is not None:
        paused = answered.snapshot.paused or ""
    elif (by := told_to.paused) is not None:
        paused = f"by {by.who}" + (f": {by.why}" if by.why else "")
    else:
        paused = ""
    return Control(
        paused=paused,
        flattening=told_to.flattens,
        blacklisted=tuple(told_to.blacklisted),
        settings=dict(told_to.settings),
        denials=tuple(
            Denial(rule=one.rule, reason=one.reason, venue=one.venue, symbol=one.symbol) for one in denials[:_MOST]
        ),
    )


def event_row(record: Record) -> EventRow:
    """Return an event in words."""
    event, line = record.event, told(record)
    level, words = ("detail", _in_detail(record)) if line is None else line
    return EventRow(
        seq=record.seq,
        at_ms=milliseconds(record.ts_ns),
        type=event_type(type(event)),
        level=level,
        text=words[:_LONG_TEXT],
        symbol=_named(event, "symbol"),
        trade_id=_named(event, "trade_id"),
    )


def _named(event: Event, name: str) -> str | None:
    value = getattr(event, name, None)
    return value if isinstance(value, str) else None


def _in_detail(record: Record) -> str:
    row = to_json_object(record)
    return " ".join(_words(row))


def _words(row: dict[str, object]) -> Iterator[str]:
    for name, value in row.items():
        if name not in ("seq", "ts_ns", "type"):
            yield f"{name}={value if isinstance(value, str) else text(value) if isinstance(value, Decimal) else value}"
