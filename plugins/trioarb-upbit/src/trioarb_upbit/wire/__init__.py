"""Upbit's protocol as pure functions: requests, subscriptions, and what its answers and messages are to the engine.

Nothing here waits, reads a clock, draws a nonce or opens a socket. A request is built, then `signed`, then sent by
whoever has a connection. Endpoints, limits and oddities, with their sources: docs/venues/upbit.md.
"""

from trioarb_upbit.dialect.account import MyAsset
from trioarb_upbit.dialect.authentication import private_headers, signed
from trioarb_upbit.dialect.chance import status_in
from trioarb_upbit.dialect.failure import Failure, FailureKind, failure_of
from trioarb_upbit.dialect.limit import Remaining, remaining_of
from trioarb_upbit.dialect.listing import balances, books, chance, listings, markets, prices, trades
from trioarb_upbit.dialect.stream import (
    Depth,
    Orderbook,
    StreamError,
    Ticker,
    Trade,
    Unknown,
    Up,
    depth_of,
)
from trioarb_upbit.dialect.subscription import PING, Channel, Format, subscription
from trioarb_upbit.wire.answer import (
    acknowledgement,
    cancelled,
    instruments,
    listed_orders,
    order_report,
    order_updates,
    ticks,
    venue_orders,
)
from trioarb_upbit.wire.limits import CONNECTS, LIMITS, MESSAGES
from trioarb_upbit.wire.message import MyOrder, decode, order_update
from trioarb_upbit.wire.request import (
    CLIENT_IDS,
    MAIN_URL,
    OFFERS,
    PRIVATE_STREAM_URL,
    PUBLIC_STREAM_URL,
    cancel_order,
    get_accounts,
    get_all_prices,
    get_books,
    get_chance,
    get_closed_orders,
    get_markets,
    get_open_orders,
    get_order,
    get_orders,
    get_prices,
    get_ticks,
    get_trades,
    orderbook_code,
    place_order,
)
from trioarb_upbit.wire.rules import DEFAULT_FEES_BPS, KRW_TICKS, USDT_TICKS, trading_rules

__all__ = [
    "CLIENT_IDS",
    "CONNECTS",
    "DEFAULT_FEES_BPS",
    "KRW_TICKS",
    "LIMITS",
    "MAIN_URL",
    "MESSAGES",
    "OFFERS",
    "PING",
    "PRIVATE_STREAM_URL",
    "PUBLIC_STREAM_URL",
    "USDT_TICKS",
    "Channel",
    "Depth",
    "Failure",
    "FailureKind",
    "Format",
    "MyAsset",
    "MyOrder",
    "Orderbook",
    "Remaining",
    "StreamError",
    "Ticker",
    "Trade",
    "Unknown",
    "Up",
    "acknowledgement",
    "balances",
    "books",
    "cancel_order",
    "cancelled",
    "chance",
    "decode",
    "depth_of",
    "failure_of",
    "get_accounts",
    "get_all_prices",
    "get_books",
    "get_chance",
    "get_closed_orders",
    "get_markets",
    "get_open_orders",
    "get_order",
    "get_orders",
    "get_prices",
    "get_ticks",
    "get_trades",
    "instruments",
    "listed_orders",
    "listings",
    "markets",
    "order_report",
    "order_update",
    "order_updates",
    "orderbook_code",
    "place_order",
    "prices",
    "private_headers",
    "remaining_of",
    "signed",
    "status_in",
    "subscription",
    "ticks",
    "trades",
    "trading_rules",
    "venue_orders",
]
