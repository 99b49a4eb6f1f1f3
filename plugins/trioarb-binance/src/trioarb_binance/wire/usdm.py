"""Requests to Binance's USDT-margined futures by REST: market data, funding, and orders.

Weights of market data are those that other clients count; what is counted really is in the answers' headers.
"""

from __future__ import annotations

from trioarb.api import Order
from trioarb.venue import Request
from trioarb_binance.wire.order_parameters import usdm_order
from trioarb_binance.wire.request import ORDERS, public, signed
from trioarb_binance.wire.signer import Stamp

__all__ = [
    "account",
    "all_orders",
    "book_ticker",
    "cancel_all",
    "cancel_order",
    "commission_rate",
    "depth",
    "exchange_info",
    "funding_rates",
    "new_order",
    "open_orders",
    "premium_index",
    "query_order",
    "server_time",
    "ticker_24h",
    "user_trades",
]

_DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}


def server_time() -> Request:
    """Return the request for the venue's clock."""
    return public("/fapi/v1/time", weight=1)


def exchange_info() -> Request:
    """Return the request for all contracts and the limits."""
    return public("/fapi/v1/exchangeInfo", weight=1)


def ticker_24h(native_id: str | None = None) -> Request:
    """Return the request for the last 24 hours of a contract, or of all."""
    return public("/fapi/v1/ticker/24hr", {"symbol": native_id}, weight=1 if native_id else 40)


def book_ticker(native_id: str | None = None) -> Request:
    """Return the request for the best prices of a contract, or of all."""
    return public("/fapi/v1/ticker/bookTicker", {"symbol": native_id}, weight=2 if native_id else 5)


def depth(native_id: str, levels: int = 1_000) -> Request:
    """Return the request for a snapshot of a book.

    Raises:
        ValueError: it isn't one of the depths that there are.
    """
    if levels not in _DEPTH_WEIGHTS:
        raise ValueError(f"levels = {levels}; Binance futures tell one of {', '.join(map(str, _DEPTH_WEIGHTS))}")
    return public("/fapi/v1/depth", {"symbol": native_id, "limit": levels}, weight=_DEPTH_WEIGHTS[levels])


def premium_index(native_id: str | None = None) -> Request:
    """Return the request for mark price, and rate and time of the next funding, of a contract, or of all."""
    return public("/fapi/v1/premiumIndex", {"symbol": native_id}, weight=1 if native_id else 10)


def funding_rates(native_id: str, *, start_ms: int | None = None, limit: int | None = None) -> Request:
    """Return the request for rates of fundings that were."""
    return public("/fapi/v1/fundingRate", {"symbol": native_id, "startTime": start_ms, "limit": limit}, weight=1)


def account(stamp: Stamp) -> Request:
    """Return the request for wallet and positions."""
    return signed("GET", "/fapi/v3/account", {}, stamp, weight=5)


def commission_rate(native_id: str, stamp: Stamp) -> Request:
    """Return the request for maker and taker fee of a contract."""
    return signed("GET", "/fapi/v1/commissionRate", {"symbol": native_id}, stamp, weight=20)


def new_order(order: Order, *, native_id: str, client_id: str, stamp: Stamp) -> Request:
    """Return the request that sends an order."""
    parameters = usdm_order(order, native_id=native_id, client_id=client_id)
    return signed("POST", "/fapi/v1/order", parameters, stamp, weight=1, group=ORDERS)


def cancel_order(
    native_id: str, stamp: Stamp, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Request:
    """Return the request that cancels an order."""
    return signed("DELETE", "/fapi/v1/order", _named(native_id, client_id, venue_order_id), stamp, weight=1)


def cancel_all(native_id: str, stamp: Stamp) -> Request:
    """Return the request that cancels all orders of a contract, others' than ours, too."""
    return signed("DELETE", "/fapi/v1/allOpenOrders", {"symbol": native_id}, stamp, weight=1)


def query_order(
    native_id: str, stamp: Stamp, *, client_id: str | None = None, venue_order_id: str | None = None
) -> Request:
    """Return the request for an order as it stands."""
    return signed("GET", "/fapi/v1/order", _named(native_id, client_id, venue_order_id), stamp, weight=1)


def open_orders(stamp: Stamp, native_id: str | None = None) -> Request:
    """Return the request for the open orders of a contract, or of all."""
    return signed("GET", "/fapi/v1/openOrders", {"symbol": native_id}, stamp, weight=1 if native_id else 40)


def all_orders(native_id: str, stamp: Stamp, *, start_ms: int | None = None, limit: int | None = None) -> Request:
    """Return the request for orders of a contract, whatever became of them."""
    return signed(
        "GET", "/fapi/v1/allOrders", {"symbol": native_id, "startTime": start_ms, "limit": limit}, stamp, weight=5
    )


def user_trades(
    native_id: str,
    stamp: Stamp,
    *,
    venue_order_id: str | None = None,
    start_ms: int | None = None,
    limit: int | None = None,
) -> Request:
    """Return the request for fills of an order, or of a contract."""
    parameters = {"symbol": native_id, "orderId": venue_order_id, "startTime": start_ms, "limit": limit}
    return signed("GET", "/fapi/v1/userTrades", parameters, stamp, weight=5)


def _named(native_id: str, client_id: str | None, venue_order_id: str | None) -> dict[str, str | None]:
    if client_id is None and venue_order_id is None:
        raise ValueError("an order is named by its client id, or by the venue's own")
    return {"symbol": native_id, "orderId": venue_order_id, "origClientOrderId": client_id}
