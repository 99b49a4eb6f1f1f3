"""Events of positions: opened, marked, reduced, closed."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.trade import ExitReason

__all__ = ["PositionClosed", "PositionMarked", "PositionOpened", "PositionReduced"]


class PositionOpened(Event, frozen=True, kw_only=True):
    """``cash`` and ``fees`` in quote asset; ``exposure_usd`` = quantity × the higher entry price, in USD."""

    trade_id: str
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    buy_price: Decimal
    sell_price: Decimal
    cash: Decimal
    fees: Decimal
    realised: Decimal
    exposure_usd: Decimal


class PositionReduced(Event, frozen=True, kw_only=True):
    """An exit closed a part; the figures are those of what stays open."""

    trade_id: str
    quantity: Decimal
    cash: Decimal
    fees: Decimal
    realised: Decimal
    exposure_usd: Decimal


class PositionClosed(Event, frozen=True, kw_only=True):
    """The whole trade: ``quantity`` as it was opened, prices averaged over all entries and exits."""

    trade_id: str
    symbol: str
    buy_venue: str
    sell_venue: str
    quantity: Decimal
    entry_buy_price: Decimal
    entry_sell_price: Decimal
    exit_buy_price: Decimal | None = None
    exit_sell_price: Decimal | None = None
    fees_usd: Decimal
    pnl_usd: Decimal
    opened_at_ns: int
    reason: ExitReason


class PositionMarked(Event, frozen=True, kw_only=True):
    """What an open position would bring now, at the executable prices net of fees, less what it cost.

    ``unrealised_usd`` is absent where a quote is missing.
    """

    trade_id: str
    symbol: str
    quantity: Decimal
    unrealised_usd: Decimal | None = None
