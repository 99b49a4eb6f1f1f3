"""Messages of Bithumb's streams. Source: the venue's pages on Private v2 (2026-11-13) and on moving to it from v1."""

from __future__ import annotations

from decimal import Decimal

from trioarb.api import EXACT, ZERO, ClientIds, Fill, OrderUpdate
from trioarb.venue import WireError
from trioarb_bithumb.wire.retired import generation_of
from trioarb_upbit.dialect.client_id import ours_of
from trioarb_upbit.dialect.market import assets_of
from trioarb_upbit.dialect.order import status_and_reason
from trioarb_upbit.dialect.stream import StreamDecoder, Unknown
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, Wire, or_zero, renamed
from trioarb_upbit.wire.message import MY_ASSET

__all__ = ["MyOrder", "decode", "order_update"]


class MyOrder(Exact, frozen=True, kw_only=True):
    """An order of this account, as it is after something happened to it. What has no value is left out.

    A trade's message has a ``trade_id``, price and quantity, and no fee of its own: ``paid_fee`` is of all its trades.
    """

    type: str
    code: str
    order_id: str
    side: str
    order_type: str
    state: str
    client_order_id: str | UnsetType = UNSET
    time_in_force: str | UnsetType = UNSET
    order_price: Decimal | UnsetType = UNSET
    order_quantity: Decimal | UnsetType = UNSET
    order_amount: Decimal | UnsetType = UNSET
    remaining_quantity: Decimal | UnsetType = UNSET
    executed_quantity: Decimal | UnsetType = UNSET
    executed_amount: Decimal | UnsetType = UNSET
    trade_id: str | UnsetType = UNSET
    trade_price: Decimal | UnsetType = UNSET
    trade_quantity: Decimal | UnsetType = UNSET
    trade_amount: Decimal | UnsetType = UNSET
    reserved_fee: Decimal | UnsetType = UNSET
    remaining_fee: Decimal | UnsetType = UNSET
    paid_fee: Decimal | UnsetType = UNSET
    cancel_type: str | UnsetType = UNSET
    canceling_order_id: str | UnsetType = UNSET
    trade_timestamp: int | UnsetType = UNSET
    order_timestamp: int | UnsetType = UNSET
    timestamp: int | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


_MY_ORDER = {
    "type": "ty",
    "code": "cd",
    "order_id": "oid",
    "side": "sd",
    "order_type": "ot",
    "state": "s",
    "client_order_id": "coid",
    "time_in_force": "tif",
    "order_price": "op",
    "order_quantity": "oq",
    "order_amount": "oa",
    "remaining_quantity": "rq",
    "executed_quantity": "eq",
    "executed_amount": "ea",
    "trade_id": "tid",
    "trade_price": "tp",
    "trade_quantity": "tq",
    "trade_amount": "ta",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "cancel_type": "ct",
    "canceling_order_id": "cnoid",
    "trade_timestamp": "ttms",
    "order_timestamp": "otms",
    "timestamp": "tms",
    "stream_type": "st",
}
_STREAM = StreamDecoder({"myOrder": (MyOrder, renamed(MyOrder, _MY_ORDER, "Short")), "myAsset": MY_ASSET})


def decode(frame: bytes | str) -> tuple[Wire | Unknown, ...]:
    """Return the messages of a frame; a type that isn't known is `Unknown`, to be counted.

    A message of a stream that has ended is unknown, too, under that stream's name.

    Raises:
        WireError: it is no JSON, or a message that isn't what the documents say. So is ``myOrder`` of Private v1.
    """
    messages = _STREAM.decode(frame)
    if messages == (Unknown(""),):
        generation = generation_of(frame)
        return (Unknown(generation.value),) if generation else messages
    return messages


def order_update(message: MyOrder, ids: ClientIds, *, paid_before: Decimal | None = None) -> OrderUpdate:
    """Return what a message says of an order, in the engine's words.

    ``paid_before``: the order's ``paid_fee`` before this message, 0 of a new one. What a trade cost is the difference.
    Where it isn't known (after a cut), the fill is counted and not told: it has to be asked for.

    Raises:
        WireError: it isn't what the documents say.
    """
    executed = or_zero(message.executed_quantity)
    status, reason = status_and_reason(
        message.state,
        rest=_rest(message, executed),
        time_in_force=message.time_in_force or None,
        cancel_type=message.cancel_type or None,
    )
    is_trade = message.state == "trade"
    return OrderUpdate(
        client_order_id=ours_of(ids, message.client_order_id or None, message.order_id),
        venue_order_id=message.order_id,
        status=status,
        fills=(_fill(message, paid_before),) if is_trade and paid_before is not None else (),
        filled=executed,
        reason=reason,
    )


def _rest(message: MyOrder, executed: Decimal) -> Decimal:
    """Return what is not filled of an order by quantity; of one by money there is no such thing."""
    quantity = or_zero(message.order_quantity)
    return EXACT.subtract(quantity, executed) if quantity else ZERO


def _fill(message: MyOrder, paid_before: Decimal) -> Fill:
    price, quantity, paid = message.trade_price, message.trade_quantity, message.paid_fee
    if not (
        message.trade_id and isinstance(price, Decimal) and isinstance(quantity, Decimal) and isinstance(paid, Decimal)
    ):
        raise WireError(f"order {message.order_id}: a trade without id, price, quantity or fee")
    fee = EXACT.subtract(paid, paid_before)
    if fee < 0:
        raise WireError(f"order {message.order_id}: {paid} of fees are paid, after {paid_before}")
    _, quote = assets_of(message.code)
    return Fill(fill_id=message.trade_id, quantity=quantity, price=price, fee=fee, fee_asset=quote)
