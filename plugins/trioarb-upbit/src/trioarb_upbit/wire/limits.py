"""Upbit's limits, by the page on rate limits of 2026-10-07. An answer's `Remaining-Req` goes before any of them."""

from __future__ import annotations

from trioarb.venue import Limit
from trioarb_upbit.dialect.limit import limit_rules

__all__ = ["CONNECTS", "DEFAULT", "LIMITS", "MARKET", "MESSAGES", "ORDER", "ORDERBOOK", "TICKER", "TRADE"]

#: Groups of requests for market data; each is counted by address.
MARKET, TICKER, ORDERBOOK, TRADE = "market", "ticker", "orderbook", "trade"
#: Groups of requests of an account; counted by *pocket*: all keys of a main or sub account share them.
DEFAULT, ORDER = "default", "order"

LIMITS = limit_rules(
    {
        **{group: [Limit(count=10, seconds=1.0)] for group in (MARKET, TICKER, ORDERBOOK, TRADE)},
        DEFAULT: [Limit(count=30, seconds=1.0)],
        ORDER: [Limit(count=8, seconds=1.0)],
    },
    by_key=(DEFAULT, ORDER),
)

#: How often a stream may be connected to, and how many messages a connection may send: (count, seconds) of each limit.
CONNECTS = ((5, 1.0),)
MESSAGES = ((5, 1.0), (100, 60.0))
