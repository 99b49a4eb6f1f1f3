"""Bithumb's limits, by the page on them of 2026-10-27. All are counted by address, and may change with the traffic.

More than 20 orders and cancels in a second of one coin may be restricted, says the page, too.
"""

from __future__ import annotations

from trioarb_upbit.dialect.limit import Limit

__all__ = [
    "BOOK",
    "CANCEL",
    "CANCEL_SEVERAL",
    "LIMITS",
    "ORDER",
    "PRIVATE",
    "PUBLIC",
    "TICKER",
    "TRADE",
    "WEBSOCKET_CONNECT",
]

#: Classes of requests for market data.
BOOK, TICKER, TRADE, PUBLIC = "public-book", "public-ticker", "public-trade", "public-other"
#: Classes of requests of an account.
ORDER, CANCEL, PRIVATE = "private-order", "private-cancel", "private-other"
CANCEL_SEVERAL = "private-cancel-several"
WEBSOCKET_CONNECT = "websocket-connect"

LIMITS: tuple[Limit, ...] = (
    *(Limit(group=group, requests=150, seconds=1, scope="ip") for group in (BOOK, TICKER, TRADE, PUBLIC)),
    *(Limit(group=group, requests=140, seconds=1, scope="ip") for group in (ORDER, CANCEL, PRIVATE)),
    Limit(group=CANCEL_SEVERAL, requests=20, seconds=1, scope="ip"),
    Limit(group=WEBSOCKET_CONNECT, requests=10, seconds=1, scope="ip"),
)
