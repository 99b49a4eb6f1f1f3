"""Frames to the WebSocket API (``/ws-api/v3``), one request each.

In a session that logged on, which takes an Ed25519 key, a request needs neither key nor signature any more: a `Moment`
instead of a `Stamp`. Without one, each request is signed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from trioarb.api import Order
from trioarb_binance.wire.order_parameters import spot_order
from trioarb_binance.wire.request import ORDERS, WEIGHT
from trioarb_binance.wire.signer import Stamp

__all__ = [
    "CONNECT_WEIGHT",
    "Frame",
    "Moment",
    "cancel_order",
    "log_on",
    "ping",
    "place_order",
    "query_order",
    "server_time",
    "signature_payload",
    "subscribe_account",
    "subscribe_account_signed",
]

#: What connecting weighs.
CONNECT_WEIGHT = 2

_encode = msgspec.json.Encoder().encode


@attrs.frozen(kw_only=True)
class Frame:
    """A request as the text of one frame; its answer has the same ``id``. The text may hold keys, and isn't shown.

    ``group``, ``weight`` and ``is_read`` are as those of a `trioarb.venue.Request`.
    """

    id: int
    method: str
    text: str = attrs.field(repr=False)
    group: str = WEIGHT
    weight: int = 1
    is_read: bool = False


@attrs.frozen(kw_only=True)
class Moment:
    """When a request of a session that logged on is sent; as a `Stamp`, of nobody who signs."""

    now_ms: int
    recv_window_ms: int | None = None


def ping(id: int) -> Frame:
    """Return a request that nothing comes of but an answer."""
    return _frame(id, "ping", None, weight=1, is_read=True)


def server_time(id: int) -> Frame:
    """Return the request for the venue's clock."""
    return _frame(id, "time", None, weight=1, is_read=True)


def log_on(id: int, stamp: Stamp) -> Frame:
    """Return the request that authenticates the session.

    Raises:
        ValueError: with an HMAC secret, which Binance doesn't take for this.
    """
    if not stamp.signer.logs_on:
        raise ValueError("Binance: session.logon takes an Ed25519 key; with a secret, sign each request instead")
    return _frame(id, "session.logon", _stamped({}, stamp), weight=2, is_read=True)


def subscribe_account(id: int) -> Frame:
    """Return the request for the account's events, of a session that logged on."""
    return _frame(id, "userDataStream.subscribe", None, weight=2, is_read=True)


def subscribe_account_signed(id: int, stamp: Stamp) -> Frame:
    """Return the request for the account's events with any key, without logging on."""
    return _frame(id, "userDataStream.subscribe.signature", _stamped({}, stamp), weight=2, is_read=True)


def place_order(id: int, order: Order, *, native_id: str, client_id: str, stamp: Stamp | Moment) -> Frame:
    """Return the request that sends an order."""
    parameters = _stamped(spot_order(order, native_id=native_id, client_id=client_id), stamp)
    return _frame(id, "order.place", parameters, weight=1, group=ORDERS)


def cancel_order(
    id: int, native_id: str, stamp: Stamp | Moment, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Frame:
    """Return the request that cancels an order."""
    return _frame(id, "order.cancel", _stamped(_named(native_id, client_id, venue_order_id), stamp), weight=1)


def query_order(
    id: int, native_id: str, stamp: Stamp | Moment, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Frame:
    """Return the request for an order as it stands."""
    parameters = _stamped(_named(native_id, client_id, venue_order_id), stamp)
    return _frame(id, "order.status", parameters, weight=4, is_read=True)


def signature_payload(parameters: Mapping[str, str | int]) -> str:
    """Return what of a request is signed: all parameters by their names, values as they are, in UTF-8."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))


def _stamped(parameters: Mapping[str, str | int], stamp: Stamp | Moment) -> dict[str, str | int]:
    stamped: dict[str, str | int] = {**parameters, "timestamp": stamp.now_ms}
    if stamp.recv_window_ms is not None:
        stamped["recvWindow"] = stamp.recv_window_ms
    if isinstance(stamp, Stamp):
        stamped["apiKey"] = stamp.signer.api_key
        stamped["signature"] = stamp.signer.sign(signature_payload(stamped))
    return stamped


def _named(native_id: str, client_id: str | None, venue_order_id: str | None) -> dict[str, str | int]:
    named: dict[str, str | int] = {"symbol": native_id}
    if venue_order_id is not None:
        named["orderId"] = int(venue_order_id)
    if client_id is not None:
        named["origClientOrderId"] = client_id
    if len(named) == 1:
        raise ValueError("an order is named by its client id, or by the venue's own")
    return named


def _frame(
    id: int,
    method: str,
    parameters: Mapping[str, str | int] | None,
    *,
    weight: int,
    group: str = WEIGHT,
    is_read: bool = False,
) -> Frame:
    message: dict[str, object] = {"id": id, "method": method}
    if parameters is not None:
        message["params"] = parameters
    return Frame(id=id, method=method, text=_encode(message).decode(), group=group, weight=weight, is_read=is_read)
