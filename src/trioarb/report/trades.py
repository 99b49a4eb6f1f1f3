"""Closed trades, open positions and what was left, as rows; and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from trioarb.engine.campaign import Campaign
from trioarb.model.number import EXACT, ZERO
from trioarb.report.plain import iso_time, present

__all__ = ["open_positions", "residuals", "trades", "unrealised_usd", "win_rate"]

_RATE_STEP = Decimal("0.000001")


def trades(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the closed trades in the order in which they were closed."""
    return [
        present(
            {
                "trade_id": closed.trade_id,
                "symbol": closed.symbol,
                "buy_venue": closed.buy_venue,
                "sell_venue": closed.sell_venue,
                "quantity": closed.quantity,
                "entry_buy_price": closed.entry_buy_price,
                "entry_sell_price": closed.entry_sell_price,
                "exit_buy_price": closed.exit_buy_price,
                "exit_sell_price": closed.exit_sell_price,
                "fees_usd": closed.fees_usd,
                "pnl_usd": closed.pnl_usd,
                "opened_at": iso_time(closed.opened_at_ns),
                "closed_at": iso_time(trade.closed_at_ns),
                "exit_reason": closed.reason,
            }
        )
        for trade in campaign.statistics.trades
        for closed in (trade.closed,)
    ]


def open_positions(campaign: Campaign) -> list[dict[str, Any]]:
    """Return the positions that are open, in the order in which they were opened."""
    marks = _marks(campaign)
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
                "unrealised_usd": marks.get(position.trade_id),
            }
        )
        for position in campaign.parts.trades.positions()
    ]


def residuals(campaign: Campaign) -> list[dict[str, Any]]:
    """Return what could not be evened out, in the order in which it was left."""
    return [present(attrs.asdict(residual)) for residual in campaign.parts.trades.residuals.values()]


def unrealised_usd(campaign: Campaign) -> Decimal | None:
    """Return what the open positions would bring; ``None`` if one of them has no mark."""
    marks = _marks(campaign)
    total = ZERO
    for position in campaign.parts.trades.positions():
        mark = marks.get(position.trade_id)
        if mark is None:
            return None
        total = EXACT.add(total, mark)
    return total


def win_rate(campaign: Campaign) -> Decimal | None:
    """Return the share of closed trades that earned something, to six digits; ``None`` without a closed trade."""
    closed = campaign.statistics.trades
    if not closed:
        return None
    won = sum(trade.closed.pnl_usd > 0 for trade in closed)
    return (Decimal(won) / len(closed)).quantize(_RATE_STEP)


def _marks(campaign: Campaign) -> Mapping[str, Decimal | None]:
    return {mark.trade_id: mark.unrealised_usd for mark in campaign.statistics.marks}
