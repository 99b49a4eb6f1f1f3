"""Events of orders and their fills."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.fx import FxState
from trioarb.model.order import Purpose, Side, TimeInForce

__all__ = [
    "FillsMarkedOut",
    "OrderAcknowledged",
    "OrderCancelled",
    "OrderExpired",
    "OrderFilled",
    "OrderRejected",
    "OrderReopened",
    "OrderSubmitted",
    "OrderUnknown",
]


class OrderSubmitted(Event, frozen=True, kw_only=True):
    """Recorded before the order is sent. ``locked`` of ``locked_asset`` stays locked until the order is done.

    ``durable`` is false for an order that had to go out although the journal could not be written. ``time_in_force``
    and ``post_only`` are absent from an immediate-or-cancel order.
    """

    client_order_id: str
    pair_id: str
    purpose: Purpose
    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    limit_price: Decimal
    locked_asset: str
    locked: Decimal
    durable: bool = True
    time_in_force: TimeInForce | None = None
    post_only: bool | None = None

    @property
    def rests(self) -> bool:
        """Whether it stays at its venue until it fills or is cancelled."""
        return self.time_in_force is TimeInForce.GTC


class OrderAcknowledged(Event, frozen=True, kw_only=True):
    """Its venue has taken the order."""

    client_order_id: str
    venue_order_id: str


class OrderFilled(Event, frozen=True, kw_only=True):
    """An order filled, in part or wholly; each fill counts once.

    ``fee_value``: what a fee in neither base nor quote asset is worth in quote asset, at the price of that moment.

    It is absent where the asset had none; the fee is then in no figure but the ledger, and told at the end.

    ``fx_rate``: what one unit of ``quote`` cost (bought) or brought (sold) in the symbol's quote asset then, if that is
    another; ``fx_state``: why entries might not have relied on it, absent if they might.
    """

    client_order_id: str
    fill_id: str
    venue: str
    symbol: str
    side: Side
    base: str
    quote: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    fee_value: Decimal | None = None
    fx_rate: Decimal | None = None
    fx_state: FxState | None = None


class FillsMarkedOut(Event, frozen=True, kw_only=True):
    """Where the mid of an order's venue stood a second, ten and sixty after fills that came at ``filled_ns``.

    ``value``: Σ quantity × price of these fills, in quote asset. ``rests``: the order stayed at its venue. A mid is
    absent where a side was withdrawn, and where the campaign ended before.
    """

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    purpose: Purpose
    rests: bool
    filled_ns: int
    quantity: Decimal
    value: Decimal
    mid_1s: Decimal | None = None
    mid_10s: Decimal | None = None
    mid_60s: Decimal | None = None


class OrderCancelled(Event, frozen=True, kw_only=True):
    """The unfilled rest of the order is gone. ``reason``: what the venue says of it, if it says anything."""

    client_order_id: str
    unfilled: Decimal
    reason: str = ""


class OrderExpired(Event, frozen=True, kw_only=True):
    """The unfilled rest of the order is gone by the order's own terms."""

    client_order_id: str
    unfilled: Decimal


class OrderRejected(Event, frozen=True, kw_only=True):
    """Its venue refused the order: nothing was and nothing will be filled."""

    client_order_id: str
    reason: str


class OrderReopened(Event, frozen=True, kw_only=True):
    """A venue takes back its last word on an order: what it filled late follows, and another last word.

    ``unfilled`` is what may fill again; nothing is locked for it.
    """

    client_order_id: str
    pair_id: str
    trade_id: str
    venue: str
    symbol: str
    side: Side
    unfilled: Decimal


class OrderUnknown(Event, frozen=True, kw_only=True):
    """No answer came; the venue is asked by ``client_order_id`` what became of the order."""

    client_order_id: str
    reason: str
