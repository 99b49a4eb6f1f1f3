"""Closed trades, open positions and residuals as rows; and what share of the trades earned something."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import msgspec

from trioarb.report.plain import iso_time, present
from trioarb.state.state import State
from trioarb.state.statistics import Statistics

__all__ = ["dust", "open_positions", "residuals", "trades", "unwound", "win_rate"]

_RATE_STEP = Decimal("0.000001")


def trades(statistics: Statistics) -> list[dict[str, Any]]:
    """Return the trades that were closed last, in the order in which they were closed."""
    rows = []
    for trade in statistics.recent:
        row = msgspec.structs.asdict(trade.closed)
        row["opened_at"] = iso_time(row.pop("opened_at_ns"))
        row["closed_at"] = iso_time(trade.closed_at_ns)
        row["exit_reason"] = row.pop("reason")
        rows.append(present(row))
    return rows


def open_positions(state: State) -> list[dict[str, Any]]:
    """Return the positions that are open, in the order in which they were opened."""
    marks = state.statistics.marks
    return [
        present(
            {
                "trade_id": position.trade_id,
                "symbol": position.route.symbol,
                "buy_venue": position.route.buy_venue,
                "sell_venue": position.route.sell_venue,
                "quantity": position.quantity,
                "entry_buy_price": position.buy_price,
                "entry_sell_price": position.sell_price,
                "opened_at": iso_time(position.opened_ns),
                "unrealised_usd": marks[position.trade_id].unrealised_usd if position.trade_id in marks else None,
            }
        )
        for position in state.trades.positions()
    ]


def residuals(state: State) -> list[dict[str, Any]]:
    """Return what could not be evened out, in the order in which it was left."""
    return [present(msgspec.structs.asdict(residual)) for residual in state.trades.residuals.values()]


def dust(state: State) -> list[dict[str, Any]]:
    """Return the dust of each symbol at each venue, long if positive, and what it is booked at in quote asset."""
    return [
        {"symbol": symbol, "venue": venue, **attrs.asdict(one)}
        for (symbol, venue), one in sorted(state.trades.dust.items())
        if one.quantity
    ]


def unwound(statistics: Statistics) -> list[dict[str, Any]]:
    """Return the entries that were unwound last: they cost something without opening a position."""
    return [
        present(
            {
                "trade_id": one.trade_id,
                "symbol": one.symbol,
                "outcome": one.outcome,
                "pnl_usd": one.pnl_usd,
                "fees_usd": one.fees_usd,
                "ended_at": iso_time(one.ended_at_ns),
            }
        )
        for one in statistics.unwound
    ]


def win_rate(statistics: Statistics) -> Decimal | None:
    """Return the share of closed trades and unwound entries that earned something; ``None`` if there is neither."""
    count = statistics.closed + statistics.unwound_count
    return (Decimal(statistics.won + statistics.unwound_won) / count).quantize(_RATE_STEP) if count else None
