"""Events of positions: opened, marked, reduced, closed; and what their trades came to."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.trade import ExitReason

__all__ = ["PositionClosed", "PositionMarked", "PositionOpened", "PositionReduced", "TradeCorrected"]


class PositionOpened(Event, frozen=True, kw_only=True):
    """An entry has opened a position.

    ``cash`` and ``fees`` in quote asset; ``exposure_usd`` = quantity × the higher entry price, in USD."""

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

    ``unrealised_usd`` is absent where a price was never known; a side that is gone counts as it was shown last.
    """

    trade_id: str
    symbol: str
    quantity: Decimal
    unrealised_usd: Decimal | None = None


class TradeCorrected(Event, frozen=True, kw_only=True):
    """What a trade came to, since what an order of it did was learnt after the pair of that order had ended.

    It takes the place of what `PositionClosed`, or an entry that was unwound (without ``had_position``), said before:
    ``before_usd``. ``late_fees_usd`` were learnt, ``fees_usd`` are all. Prices are averaged over all exits.
    ``realised`` (quote asset) is there while its position is open.
    No money moves: the `ResidualResolved` before says what was learnt.
    """

    trade_id: str
    pair_id: str
    symbol: str
    client_order_id: str
    before_usd: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    late_fees_usd: Decimal
    exit_buy_price: Decimal | None = None
    exit_sell_price: Decimal | None = None
    had_position: bool
    realised: Decimal | None = None
