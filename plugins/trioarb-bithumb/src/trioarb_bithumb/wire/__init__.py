"""Bithumb's protocol as pure functions: requests, subscriptions, and what its answers and messages are to the engine.

Nothing here waits, reads a clock, draws a nonce or opens a socket. A request is built, then `signed` with the time of
the venue's clock, then sent by whoever has a connection. Endpoints, limits and oddities, with their sources:
docs/venues/bithumb.md.
"""

from trioarb_bithumb.wire.answer import (
    OrderPage,
    acknowledgement,
    cancelled,
    instruments,
    order_report,
    orders_by_id,
    page_of_orders,
    ticks_of,
)
from trioarb_bithumb.wire.authentication import private_headers, signed
from trioarb_bithumb.wire.limits import CONNECTS, LIMITS
from trioarb_bithumb.wire.message import MyOrder, decode, order_update
from trioarb_bithumb.wire.request import (
    CLIENT_IDS,
    MAIN_URL,
    OFFERS,
    PRIVATE_STREAM_URL,
    PUBLIC_STREAM_URL,
    cancel_order,
    cancel_orders,
    get_accounts,
    get_books,
    get_chance,
    get_closed_orders,
    get_markets,
    get_open_orders,
    get_order,
    get_order_list,
    get_orders,
    get_prices,
    get_trades,
    place_order,
)
from trioarb_bithumb.wire.retired import Generation, generation_of
from trioarb_bithumb.wire.rules import DEFAULT_FEES_BPS, KRW_TICKS, trading_rules
from trioarb_upbit.dialect.account import MyAsset
from trioarb_upbit.dialect.chance import status_in
from trioarb_upbit.dialect.failure import Failure, FailureKind, failure_of
from trioarb_upbit.dialect.listing import balances, books, chance, listings, markets, prices, trades
from trioarb_upbit.dialect.stream import Depth, Orderbook, StreamError, Ticker, Trade, Unknown, Up, depth_of
from trioarb_upbit.dialect.subscription import PING, Channel, Format, subscription

__all__ = [
    "CLIENT_IDS",
    "CONNECTS",
    "DEFAULT_FEES_BPS",
    "KRW_TICKS",
    "LIMITS",
    "MAIN_URL",
    "OFFERS",
    "PING",
    "PRIVATE_STREAM_URL",
    "PUBLIC_STREAM_URL",
    "Channel",
    "Depth",
    "Failure",
    "FailureKind",
    "Format",
    "Generation",
    "MyAsset",
    "MyOrder",
    "OrderPage",
    "Orderbook",
    "StreamError",
    "Ticker",
    "Trade",
    "Unknown",
    "Up",
    "acknowledgement",
    "balances",
    "books",
    "cancel_order",
    "cancel_orders",
    "cancelled",
    "chance",
    "decode",
    "depth_of",
    "failure_of",
    "generation_of",
    "get_accounts",
    "get_books",
    "get_chance",
    "get_closed_orders",
    "get_markets",
    "get_open_orders",
    "get_order",
    "get_order_list",
    "get_orders",
    "get_prices",
    "get_trades",
    "instruments",
    "listings",
    "markets",
    "order_report",
    "order_update",
    "orders_by_id",
    "page_of_orders",
    "place_order",
    "prices",
    "private_headers",
    "signed",
    "status_in",
    "subscription",
    "ticks_of",
    "trades",
    "trading_rules",
]
