"""The protocol that Upbit and Bithumb share. Pure: nothing here waits, reads a clock, draws a nonce or opens a socket.

Bithumb took over Upbit's protocol in 2024: tokens, queries, market names, books, streams and errors have one form, and
the names of some fields differ. Public for the package of Bithumb; `wire` of each venue is what to work with.
"""

from trioarb_upbit.dialect.account import Account, Balance, MyAsset, balances
from trioarb_upbit.dialect.answer import Accepted, accepted, decode_answer, taken, told_of
from trioarb_upbit.dialect.authentication import hashed_text, private_headers, signed
from trioarb_upbit.dialect.chance import Chance, ChanceMarket, ChanceSide, fees_of, least_total, status_of
from trioarb_upbit.dialect.client_id import DIGITS, ours_of
from trioarb_upbit.dialect.failure import Failure, FailureKind, failure_of
from trioarb_upbit.dialect.instruction import instruction
from trioarb_upbit.dialect.limit import Limit, Remaining, remaining_of
from trioarb_upbit.dialect.market import (
    BookBody,
    Market,
    MarketEvent,
    Price,
    TradeBody,
    assets_of,
    instrument_of,
    listing_of,
    symbol_of,
)
from trioarb_upbit.dialect.order import RestOrder, RestTrade, report_of, status_and_reason, update_of, venue_order_of
from trioarb_upbit.dialect.query import get, parameters, post
from trioarb_upbit.dialect.stream import (
    Depth,
    Orderbook,
    OrderbookUnit,
    StreamDecoder,
    StreamError,
    Ticker,
    Trade,
    Unknown,
    Up,
    depth_of,
)
from trioarb_upbit.dialect.struct import Exact, Wire, decode, encode, renamed
from trioarb_upbit.dialect.subscription import PING, Channel, Format, subscription
from trioarb_upbit.dialect.tick import bands, rules_with

__all__ = [
    "DIGITS",
    "PING",
    "Accepted",
    "Account",
    "Balance",
    "BookBody",
    "Chance",
    "ChanceMarket",
    "ChanceSide",
    "Channel",
    "Depth",
    "Exact",
    "Failure",
    "FailureKind",
    "Format",
    "Limit",
    "Market",
    "MarketEvent",
    "MyAsset",
    "Orderbook",
    "OrderbookUnit",
    "Price",
    "Remaining",
    "RestOrder",
    "RestTrade",
    "StreamDecoder",
    "StreamError",
    "Ticker",
    "Trade",
    "TradeBody",
    "Unknown",
    "Up",
    "Wire",
    "accepted",
    "assets_of",
    "balances",
    "bands",
    "decode",
    "decode_answer",
    "depth_of",
    "encode",
    "failure_of",
    "fees_of",
    "get",
    "hashed_text",
    "instruction",
    "instrument_of",
    "least_total",
    "listing_of",
    "ours_of",
    "parameters",
    "post",
    "private_headers",
    "remaining_of",
    "renamed",
    "report_of",
    "rules_with",
    "signed",
    "status_and_reason",
    "status_of",
    "subscription",
    "symbol_of",
    "taken",
    "told_of",
    "update_of",
    "venue_order_of",
]
