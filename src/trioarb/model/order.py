"""Orders, and what venues say of them."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from trioarb.model.number import ZERO

__all__ = ["Fill", "Order", "OrderReport", "OrderStatus", "Purpose", "Side", "VenueOrder"]


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


class Purpose(Enum):
    """Why an order was sent."""

    LEG = "leg"
    HEDGE = "hedge"
    UNWIND = "unwind"
    COMPLETE = "complete"


class OrderStatus(Enum):
    FILLED = "filled"
    CANCELLED = "cancelled"
    """The rest was cancelled; there may be fills."""
    REJECTED = "rejected"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An immediate-or-cancel limit order; quantity in base asset, limit in quote asset per base."""

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    limit_price: Decimal


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. ``fee`` is what the venue took, in ``fee_asset``: the base or the quote asset."""

    fill_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """The final word of a venue on an order: its status, and every fill it ever had."""

    client_order_id: str
    venue_order_id: str
    status: OrderStatus
    fills: tuple[Fill, ...] = ()
    reason: str = ""

    @property
    def filled(self) -> Decimal:
        """Sum of the fills, in base asset."""
        return sum((fill.quantity for fill in self.fills), ZERO)


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its venue remembers it. ``report`` is absent while it is still open."""

    order: Order
    report: OrderReport | None
