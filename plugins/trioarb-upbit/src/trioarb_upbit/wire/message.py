"""Messages of Upbit's streams. Source: the venue's pages on myOrder and myAsset (2026-11-06)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.api import EXACT, ZERO, ClientIds, Fill, OrderUpdate
from trioarb.venue import WireError
from trioarb_upbit.dialect.account import Balance, MyAsset
from trioarb_upbit.dialect.client_id import ours_of
from trioarb_upbit.dialect.market import assets_of
from trioarb_upbit.dialect.order import status_and_reason
from trioarb_upbit.dialect.stream import StreamDecoder, Unknown
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, Wire, renamed

__all__ = ["MY_ASSET_NAMES", "MyOrder", "decode", "order_update"]


class MyOrder(Exact, frozen=True, kw_only=True):
    """An order of this account, as it is after something happened to it.

    In state ``trade``, ``price``, ``volume`` and ``trade_fee`` are the trade's; in others the first two are
    the order's.
    """

    type: str
    code: str
    uuid: str
    ask_bid: str
    order_type: str
    state: str
    executed_volume: Decimal | None = None
    remaining_volume: Decimal | None = None
    trade_uuid: str | UnsetType | None = UNSET
    price: Decimal | UnsetType | None = UNSET
    avg_price: Decimal | UnsetType | None = UNSET
    volume: Decimal | UnsetType | None = UNSET
    trades_count: int | UnsetType | None = UNSET
    reserved_fee: Decimal | UnsetType | None = UNSET
    remaining_fee: Decimal | UnsetType | None = UNSET
    paid_fee: Decimal | UnsetType | None = UNSET
    locked: Decimal | UnsetType | None = UNSET
    executed_funds: Decimal | UnsetType | None = UNSET
    time_in_force: str | UnsetType | None = UNSET
    trade_fee: Decimal | UnsetType | None = UNSET
    is_maker: bool | UnsetType | None = UNSET
    identifier: str | UnsetType | None = UNSET
    smp_type: str | UnsetType | None = UNSET
    prevented_volume: Decimal | UnsetType | None = UNSET
    prevented_locked: Decimal | UnsetType | None = UNSET
    trade_timestamp: int | UnsetType | None = UNSET
    order_timestamp: int | UnsetType | None = UNSET
    timestamp: int | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


_MY_ORDER = {
    "type": "ty",
    "code": "cd",
    "uuid": "uid",
    "ask_bid": "ab",
    "order_type": "ot",
    "state": "s",
    "executed_volume": "ev",
    "remaining_volume": "rv",
    "trade_uuid": "tuid",
    "price": "p",
    "avg_price": "ap",
    "volume": "v",
    "trades_count": "tc",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "locked": "l",
    "executed_funds": "ef",
    "time_in_force": "tif",
    "trade_fee": "tf",
    "is_maker": "im",
    "identifier": "id",
    "smp_type": "smpt",
    "prevented_volume": "pv",
    "prevented_locked": "pl",
    "trade_timestamp": "ttms",
    "order_timestamp": "otms",
    "timestamp": "tms",
    "stream_type": "st",
}
MY_ASSET_NAMES: Mapping[str, str] = {
    "type": "ty",
    "assets": "ast",
    "asset_uuid": "astuid",
    "asset_timestamp": "asttms",
    "timestamp": "tms",
    "stream_type": "st",
}
_SHORT_BALANCE = renamed(Balance, {"currency": "cu", "balance": "b", "locked": "l"}, "Short")
MY_ASSET: tuple[type[Wire], type[Wire]] = (
    MyAsset,
    renamed(MyAsset, MY_ASSET_NAMES, "Short", assets=tuple[_SHORT_BALANCE, ...]),  # type: ignore[valid-type]
)
_STREAM = StreamDecoder({"myOrder": (MyOrder, renamed(MyOrder, _MY_ORDER, "Short")), "myAsset": MY_ASSET})


def decode(frame: bytes | str) -> tuple[Wire | Unknown, ...]:
    """Return the messages of a frame; a type that isn't known is `Unknown`, to be counted.

    Raises:
        WireError: it is no JSON, or a message that isn't what the documents say.
    """
    return _STREAM.decode(frame)


def order_update(message: MyOrder, ids: ClientIds) -> OrderUpdate:
    """Return what a message says of an order, in the engine's words.

    Raises:
        WireError: it isn't what the documents say.
    """
    executed = message.executed_volume or ZERO
    remaining = message.remaining_volume or ZERO
    status, reason = status_and_reason(message.state, rest=remaining, time_in_force=message.time_in_force or None)
    return OrderUpdate(
        client_order_id=ours_of(ids, message.identifier or None, message.uuid),
        venue_order_id=message.uuid,
        status=status,
        fills=(_fill(message),) if message.state == "trade" else (),
        filled=executed,
        # The venue has made it smaller, so that it doesn't trade with another of the account.
        quantity=EXACT.add(executed, remaining) if message.state == "prevented" else None,
        reason=reason,
    )


def _fill(message: MyOrder) -> Fill:
    price, volume, fee = message.price, message.volume, message.trade_fee
    if not (
        message.trade_uuid and isinstance(price, Decimal) and isinstance(volume, Decimal) and isinstance(fee, Decimal)
    ):
        raise WireError(f"order {message.uuid}: a trade without id, price, volume or fee")
    _, quote = assets_of(message.code)
    return Fill(fill_id=message.trade_uuid, quantity=volume, price=price, fee=fee, fee_asset=quote)
