"""Bithumb's limits, by the page on them of 2026-10-27. All are counted by address, and may change with the traffic.

More than 20 orders and cancels in a second of one coin may be restricted, says the page, too.
"""

from __future__ import annotations

from trioarb.venue import Limit
from trioarb_upbit.dialect.limit import limit_rules

__all__ = [
    "BOOK",
    "CANCEL",
    "CANCEL_SEVERAL",
    "CONNECTS",
    "LIMITS",
    "ORDER",
    "PRIVATE",
    "PUBLIC",
    "TICKER",
    "TRADE",
]

#: Classes of requests for market data.
BOOK, TICKER, TRADE, PUBLIC = "public-book", "public-ticker", "public-trade", "public-other"
#: Classes of requests of an account.
ORDER, CANCEL, PRIVATE = "private-order", "private-cancel", "private-other"
CANCEL_SEVERAL = "private-cancel-several"

LIMITS = limit_rules(
    {
        **{group: [Limit(count=150, seconds=1.0)] for group in (BOOK, TICKER, TRADE, PUBLIC)},
        **{group: [Limit(count=140, seconds=1.0)] for group in (ORDER, CANCEL, PRIVATE)},
        CANCEL_SEVERAL: [Limit(count=20, seconds=1.0)],
    }
)

#: How often a stream may be connected to: (count, seconds). For messages no limit is documented.
CONNECTS = ((10, 1.0),)
