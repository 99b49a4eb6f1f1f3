"""Messages of a stream: books, trades and prices in four formats, and whatever else a venue sends.

Frames are binary, their text is JSON. A book's message is all of it that the venue shows: there are no changes to put
together, and no numbers by which a gap could be seen; only its time tells that it is old. Source: both venues' pages on
their streams, and recorded traffic of 2021 for the short names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
import msgspec

from trioarb.venue import WireError
from trioarb_upbit.dialect.struct import UNSET, UnsetType, Wire, decode, renamed

__all__ = [
    "Depth",
    "Orderbook",
    "OrderbookUnit",
    "StreamDecoder",
    "StreamError",
    "Ticker",
    "Trade",
    "Unknown",
    "Up",
    "depth_of",
]


class OrderbookUnit(Wire, frozen=True, kw_only=True):
    """The n-th best ask beside the n-th best bid. Where one side is shorter, price and size are 0."""

    ask_price: float
    bid_price: float
    ask_size: float
    bid_size: float


class Orderbook(Wire, frozen=True, kw_only=True):
    """``timestamp`` in Unix milliseconds; ``level``: in which steps prices are put together, 0 for none."""

    type: str
    code: str
    timestamp: int
    orderbook_units: tuple[OrderbookUnit, ...]
    total_ask_size: float | UnsetType = UNSET
    total_bid_size: float | UnsetType = UNSET
    level: float | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


class Trade(Wire, frozen=True, kw_only=True):
    """``ask_bid``: whether the taker sold (ASK) or bought (BID)."""

    type: str
    code: str
    timestamp: int
    trade_price: float
    trade_volume: float
    ask_bid: str
    trade_date: str | UnsetType = UNSET
    trade_time: str | UnsetType = UNSET
    trade_timestamp: int | UnsetType = UNSET
    prev_closing_price: float | UnsetType = UNSET
    change: str | UnsetType = UNSET
    change_price: float | UnsetType = UNSET
    sequential_id: int | UnsetType = UNSET
    best_ask_price: float | UnsetType = UNSET
    best_ask_size: float | UnsetType = UNSET
    best_bid_price: float | UnsetType = UNSET
    best_bid_size: float | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


class Ticker(Wire, frozen=True, kw_only=True):
    """``market_state``: PREVIEW, ACTIVE or DELISTED; what isn't ACTIVE, or is suspended, can't be traded."""

    type: str
    code: str
    timestamp: int
    trade_price: float
    opening_price: float | UnsetType = UNSET
    high_price: float | UnsetType = UNSET
    low_price: float | UnsetType = UNSET
    prev_closing_price: float | UnsetType = UNSET
    change: str | UnsetType = UNSET
    change_price: float | UnsetType = UNSET
    signed_change_price: float | UnsetType = UNSET
    change_rate: float | UnsetType = UNSET
    signed_change_rate: float | UnsetType = UNSET
    trade_volume: float | UnsetType = UNSET
    acc_trade_volume: float | UnsetType = UNSET
    acc_trade_volume_24h: float | UnsetType = UNSET
    acc_trade_price: float | UnsetType = UNSET
    acc_trade_price_24h: float | UnsetType = UNSET
    trade_date: str | UnsetType = UNSET
    trade_time: str | UnsetType = UNSET
    trade_timestamp: int | UnsetType = UNSET
    ask_bid: str | UnsetType = UNSET
    acc_ask_volume: float | UnsetType = UNSET
    acc_bid_volume: float | UnsetType = UNSET
    highest_52_week_price: float | UnsetType = UNSET
    highest_52_week_date: str | UnsetType = UNSET
    lowest_52_week_price: float | UnsetType = UNSET
    lowest_52_week_date: str | UnsetType = UNSET
    trade_status: str | UnsetType | None = UNSET
    market_state: str | UnsetType = UNSET
    market_state_for_ios: str | UnsetType | None = UNSET
    is_trading_suspended: bool | UnsetType = UNSET
    delisting_date: msgspec.Raw | UnsetType = UNSET
    market_warning: str | UnsetType = UNSET
    stream_type: str | UnsetType = UNSET


class Up(Wire, frozen=True, kw_only=True):
    """The connection is alive; sent every 10 s after the first `PING`."""

    status: str


class StreamError(Wire, frozen=True, kw_only=True):
    """The venue refused a message: INVALID_AUTH, WRONG_FORMAT, NO_TICKET, NO_TYPE, NO_CODES, INVALID_PARAM."""

    name: str | int = ""
    message: str = ""


@attrs.frozen
class Unknown:
    """A message of a type that isn't decoded, '' where it names none. To be counted."""

    type: str


_HEAD = {"type": "ty", "code": "cd", "timestamp": "tms", "stream_type": "st"}
_UNIT = {"ask_price": "ap", "bid_price": "bp", "ask_size": "as", "bid_size": "bs"}
_ORDERBOOK = {**_HEAD, "total_ask_size": "tas", "total_bid_size": "tbs", "orderbook_units": "obu", "level": "lv"}
_PRICES = {
    **_HEAD,
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "prev_closing_price": "pcp",
    "change": "c",
    "change_price": "cp",
    "trade_timestamp": "ttms",
}
_TRADE = {
    **_PRICES,
    "trade_date": "td",
    "trade_time": "ttm",
    "sequential_id": "sid",
    "best_ask_price": "bap",
    "best_ask_size": "bas",
    "best_bid_price": "bbp",
    "best_bid_size": "bbs",
}
_TICKER = {
    **_PRICES,
    "opening_price": "op",
    "high_price": "hp",
    "low_price": "lp",
    "signed_change_price": "scp",
    "change_rate": "cr",
    "signed_change_rate": "scr",
    "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h",
    "acc_trade_price": "atp",
    "acc_trade_price_24h": "atp24h",
    "trade_date": "tdt",
    "trade_time": "ttm",
    "acc_ask_volume": "aav",
    "acc_bid_volume": "abv",
    "highest_52_week_price": "h52wp",
    "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp",
    "lowest_52_week_date": "l52wdt",
    "trade_status": "ts",
    "market_state": "ms",
    "market_state_for_ios": "msfi",
    "is_trading_suspended": "its",
    "delisting_date": "dd",
    "market_warning": "mw",
}
_SHORT_UNIT = renamed(OrderbookUnit, _UNIT, "Short")
#: Of each type the struct with long names, and that with short ones.
PUBLIC: Mapping[str, tuple[type[Wire], type[Wire]]] = {
    "orderbook": (Orderbook, renamed(Orderbook, _ORDERBOOK, "Short", orderbook_units=tuple[_SHORT_UNIT, ...])),  # type: ignore[valid-type]
    "trade": (Trade, renamed(Trade, _TRADE, "Short")),
    "ticker": (Ticker, renamed(Ticker, _TICKER, "Short")),
}


class _Head(msgspec.Struct):
    type: str | UnsetType = UNSET
    ty: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    error: StreamError | UnsetType = UNSET


class StreamDecoder:
    """Decodes frames of either venue; ``more`` are types that the venue alone has, or has its own way."""

    def __init__(self, more: Mapping[str, tuple[type[Wire], type[Wire]]]) -> None:
        self._kinds: Mapping[str, tuple[type[Wire], type[Wire]]] = {**PUBLIC, **more}

    def decode(self, frame: bytes | str) -> tuple[Wire | Unknown, ...]:
        """Return the messages of a frame, one as a rule: the list formats may hold several.

        Raises:
            WireError: it is no JSON, or a message that isn't what the documents say.
        """
        start = frame[:1]
        if start in (b"[", "["):
            return tuple(self._one(bytes(part)) for part in decode(tuple[msgspec.Raw, ...], frame, "a frame"))
        return (self._one(frame),)

    def _one(self, message: bytes | str) -> Wire | Unknown:
        head = decode(_Head, message, "a message")
        if head.type is not UNSET and head.type in self._kinds:
            return decode(self._kinds[head.type][0], message, f"a message {head.type}")
        if head.ty is not UNSET and head.ty in self._kinds:
            return decode(self._kinds[head.ty][1], message, f"a message {head.ty}")
        if head.error is not UNSET:
            return head.error
        if head.status == "UP":
            return Up(status=head.status)
        return Unknown(head.type or head.ty or "")


@attrs.frozen(kw_only=True)
class Depth:
    """A book, best first, in the engine's words. Sizes are in base asset; an empty side shows nothing.

    ``venue_ns``: the venue's time of it, Unix nanoseconds.
    """

    bids: tuple[float, ...]
    bid_sizes: tuple[float, ...]
    asks: tuple[float, ...]
    ask_sizes: tuple[float, ...]
    venue_ns: int


def depth_of(timestamp_ms: int, units: Iterable[OrderbookUnit]) -> Depth:
    """Return a book without the places that are filled up with 0.

    Raises:
        WireError: a price or size is below 0, or no number.
    """
    bids, bid_sizes = list[float](), list[float]()
    asks, ask_sizes = list[float](), list[float]()
    for unit in units:
        bid, bid_size, ask, ask_size = unit.bid_price, unit.bid_size, unit.ask_price, unit.ask_size
        # JSON has no infinities, and what is too large for a float was refused.
        if not (bid >= 0.0 and bid_size >= 0.0 and ask >= 0.0 and ask_size >= 0.0):
            raise WireError("a book has a price or size that is below 0 or no number")
        if bid and bid_size:
            bids.append(bid)
            bid_sizes.append(bid_size)
        if ask and ask_size:
            asks.append(ask)
            ask_sizes.append(ask_size)
    return Depth(
        bids=tuple(bids),
        bid_sizes=tuple(bid_sizes),
        asks=tuple(asks),
        ask_sizes=tuple(ask_sizes),
        venue_ns=timestamp_ms * 1_000_000,
    )
