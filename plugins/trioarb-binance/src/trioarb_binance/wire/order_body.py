"""Bodies about orders and fills of spot."""

from __future__ import annotations

from decimal import Decimal

from msgspec import UNSET, UnsetType

from trioarb_binance.wire.body import Body

__all__ = ["OrderBody", "OrderFill", "Trade"]

MaybeDecimal = Decimal | UnsetType
MaybeInt = int | UnsetType
MaybeBool = bool | UnsetType
MaybeText = str | UnsetType


class OrderFill(Body, frozen=True):
    """A fill, as the answer to a new order tells it."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: MaybeInt = UNSET


class OrderBody(Body, frozen=True):
    """An order, as all answers about orders tell it. A mere acknowledgement has no status, a query no fills.

    ``client_order_id`` is that of the request, which is not the order's where one was cancelled: that one is
    ``orig_client_order_id`` then.
    """

    symbol: str
    order_id: int
    client_order_id: str
    order_list_id: MaybeInt = UNSET
    orig_client_order_id: MaybeText = UNSET
    transact_time: MaybeInt = UNSET
    price: MaybeDecimal = UNSET
    orig_qty: MaybeDecimal = UNSET
    executed_qty: MaybeDecimal = UNSET
    orig_quote_order_qty: MaybeDecimal = UNSET
    cummulative_quote_qty: MaybeDecimal = UNSET
    status: MaybeText = UNSET
    time_in_force: MaybeText = UNSET
    type: MaybeText = UNSET
    side: MaybeText = UNSET
    stop_price: MaybeDecimal = UNSET
    iceberg_qty: MaybeDecimal = UNSET
    time: MaybeInt = UNSET
    update_time: MaybeInt = UNSET
    is_working: MaybeBool = UNSET
    working_time: MaybeInt = UNSET
    self_trade_prevention_mode: MaybeText = UNSET
    fills: tuple[OrderFill, ...] | UnsetType = UNSET
    expiry_reason: MaybeText = UNSET
    prevented_match_id: MaybeInt = UNSET
    prevented_quantity: MaybeDecimal = UNSET
    strategy_id: MaybeInt = UNSET
    strategy_type: MaybeInt = UNSET
    trailing_delta: MaybeInt = UNSET
    trailing_time: MaybeInt = UNSET
    used_sor: MaybeBool = UNSET
    working_floor: MaybeText = UNSET
    peg_price_type: MaybeText = UNSET
    peg_offset_type: MaybeText = UNSET
    peg_offset_value: MaybeInt = UNSET
    pegged_price: MaybeDecimal = UNSET

    @property
    def own_client_id(self) -> str:
        """The client id of the order itself."""
        return self.orig_client_order_id or self.client_order_id


class Trade(Body, frozen=True):
    """A fill, as the list of an account's trades tells it."""

    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    order_list_id: MaybeInt = UNSET
    quote_qty: MaybeDecimal = UNSET
    time: MaybeInt = UNSET
    is_buyer: MaybeBool = UNSET
    is_maker: MaybeBool = UNSET
    is_best_match: MaybeBool = UNSET
