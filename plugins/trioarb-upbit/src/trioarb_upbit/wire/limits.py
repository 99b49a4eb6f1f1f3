"""Upbit's limits, by the page on rate limits of 2026-10-07. An answer's `Remaining` goes before any of them."""

from __future__ import annotations

from trioarb_upbit.dialect.limit import Limit

__all__ = [
    "DEFAULT",
    "LIMITS",
    "MARKET",
    "ORDER",
    "ORDERBOOK",
    "TICKER",
    "TRADE",
    "WEBSOCKET_CONNECT",
    "WEBSOCKET_MESSAGE",
]

#: Groups of requests for market data; each is counted by address.
MARKET, TICKER, ORDERBOOK, TRADE = "market", "ticker", "orderbook", "trade"
#: Groups of requests of an account; counted by *pocket*: all keys of a main or sub account share them.
DEFAULT, ORDER = "default", "order"
WEBSOCKET_CONNECT, WEBSOCKET_MESSAGE = "websocket-connect", "websocket-message"

LIMITS: tuple[Limit, ...] = (
    *(Limit(group=group, requests=10, seconds=1, scope="ip") for group in (MARKET, TICKER, ORDERBOOK, TRADE)),
    Limit(group=DEFAULT, requests=30, seconds=1, scope="account"),
    Limit(group=ORDER, requests=8, seconds=1, scope="account"),
    Limit(group=WEBSOCKET_CONNECT, requests=5, seconds=1, scope="ip"),
    Limit(group=WEBSOCKET_MESSAGE, requests=5, seconds=1, scope="ip"),
    Limit(group=WEBSOCKET_MESSAGE, requests=100, seconds=60, scope="ip"),
)
