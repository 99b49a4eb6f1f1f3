"""Requests to Binance spot by REST. Weights are those of its page; symbols are the venue's (``native_id``).

Where an order is named by both ids, Binance looks for the order id and then compares the client id.
"""

from __future__ import annotations

from trioarb.api import Order
from trioarb.venue import Request
from trioarb_binance.wire.order_parameters import spot_order
from trioarb_binance.wire.request import ORDERS, WALLET, public, signed
from trioarb_binance.wire.signer import Stamp

__all__ = [
    "account",
    "account_commission",
    "all_orders",
    "cancel_all",
    "cancel_order",
    "depth",
    "exchange_info",
    "execution_rules",
    "key_permissions",
    "my_trades",
    "new_order",
    "open_orders",
    "query_order",
    "reference_price",
    "server_time",
    "system_status",
    "ticker_24h",
    "trade_fees",
]

#: Up to so many levels, a snapshot of the book weighs so much.
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_MOST_LEVELS = 5_000


def server_time() -> Request:
    """Return the request for the venue's clock."""
    return public("/api/v3/time", weight=1)


def exchange_info(native_id: str | None = None) -> Request:
    """Return the request for all symbols, or one, and the limits."""
    return public("/api/v3/exchangeInfo", {"symbol": native_id}, weight=20)


def ticker_24h(native_id: str | None = None) -> Request:
    """Return the request for the last 24 hours of a symbol, or of all."""
    return public("/api/v3/ticker/24hr", {"symbol": native_id}, weight=2 if native_id else 80)


def depth(native_id: str, levels: int = _MOST_LEVELS) -> Request:
    """Return the request for a snapshot of a book.

    Raises:
        ValueError: more than 5,000 levels, or less than one.
    """
    if not 1 <= levels <= _MOST_LEVELS:
        raise ValueError(f"levels = {levels}; Binance tells from 1 to {_MOST_LEVELS}")
    weight = next(weight for most, weight in _DEPTH_WEIGHTS if levels <= most)
    return public("/api/v3/depth", {"symbol": native_id, "limit": levels}, weight=weight)


def execution_rules(native_id: str | None = None) -> Request:
    """Return the request for the price range in which a symbol, or each, executes."""
    return public("/api/v3/executionRules", {"symbol": native_id}, weight=2 if native_id else 40)


def reference_price(native_id: str) -> Request:
    """Return the request for the price that the range is around. -2043: there never was one."""
    return public("/api/v3/referencePrice", {"symbol": native_id}, weight=2)


def system_status() -> Request:
    """Return the request that tells of maintenance (status 1)."""
    return public("/sapi/v1/system/status", weight=1, group=WALLET)


def account(stamp: Stamp, *, nonzero_only: bool = False) -> Request:
    """Return the request for balances and what the account may do."""
    omits = "true" if nonzero_only else None
    return signed("GET", "/api/v3/account", {"omitZeroBalances": omits}, stamp, weight=20)


def account_commission(native_id: str, stamp: Stamp) -> Request:
    """Return the request for everything that the fees of a symbol are made of."""
    return signed("GET", "/api/v3/account/commission", {"symbol": native_id}, stamp, weight=20)


def trade_fees(stamp: Stamp, native_id: str | None = None) -> Request:
    """Return the request for maker and taker fee of a symbol, or of all symbols at once."""
    return signed("GET", "/sapi/v1/asset/tradeFee", {"symbol": native_id}, stamp, weight=1, group=WALLET)


def key_permissions(stamp: Stamp) -> Request:
    """Return the request for what the key itself may do: read, trade, withdraw."""
    return signed("GET", "/sapi/v1/account/apiRestrictions", {}, stamp, weight=1, group=WALLET)


def new_order(order: Order, *, native_id: str, client_id: str, stamp: Stamp) -> Request:
    """Return the request that sends an order. It weighs nothing where it succeeds (since 2026-04-02)."""
    parameters = spot_order(order, native_id=native_id, client_id=client_id)
    return signed("POST", "/api/v3/order", parameters, stamp, weight=1, group=ORDERS)


def cancel_order(
    native_id: str, stamp: Stamp, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Request:
    """Return the request that cancels an order; by the venue's own id alone it is carried out sooner."""
    return signed("DELETE", "/api/v3/order", _named(native_id, client_id, venue_order_id), stamp, weight=1)


def cancel_all(native_id: str, stamp: Stamp) -> Request:
    """Return the request that cancels all orders of a symbol, others' than ours, too."""
    return signed("DELETE", "/api/v3/openOrders", {"symbol": native_id}, stamp, weight=1)


def query_order(
    native_id: str, stamp: Stamp, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Request:
    """Return the request for an order as it stands. The answer tells no fills: `my_trades` does."""
    return signed("GET", "/api/v3/order", _named(native_id, client_id, venue_order_id), stamp, weight=4)


def open_orders(stamp: Stamp, native_id: str | None = None) -> Request:
    """Return the request for the open orders of a symbol, or of all."""
    return signed("GET", "/api/v3/openOrders", {"symbol": native_id}, stamp, weight=6 if native_id else 80)


def all_orders(
    native_id: str,
    stamp: Stamp,
    *,
    start_ms: int | None = None,
    from_order_id: int | None = None,
    limit: int | None = None,
) -> Request:
    """Return the request for orders of a symbol, whatever became of them, the oldest first: those from ``start_ms`` on,
    or from an order on; 500 unless ``limit`` (at most 1,000) says otherwise.
    """
    parameters = {"symbol": native_id, "orderId": from_order_id, "startTime": start_ms, "limit": limit}
    return signed("GET", "/api/v3/allOrders", parameters, stamp, weight=20)


def my_trades(
    native_id: str,
    stamp: Stamp,
    *,
    venue_order_id: str | None = None,
    start_ms: int | None = None,
    from_id: int | None = None,
    limit: int | None = None,
) -> Request:
    """Return the request for fills of an order, or of a symbol; of no more than 24 hours from ``start_ms`` on."""
    parameters = {
        "symbol": native_id,
        "orderId": venue_order_id,
        "startTime": start_ms,
        "fromId": from_id,
        "limit": limit,
    }
    return signed("GET", "/api/v3/myTrades", parameters, stamp, weight=5 if venue_order_id else 20)


def _named(native_id: str, client_id: str | None, venue_order_id: str | None) -> dict[str, str | None]:
    if client_id is None and venue_order_id is None:
        raise ValueError("an order is named by its client id, or by the venue's own")
    return {"symbol": native_id, "orderId": venue_order_id, "origClientOrderId": client_id}
