"""Names and subscriptions of Binance's market streams. Names are in lower case, where a letter has one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

__all__ = [
    "MOST_STREAMS",
    "aggregate_trades",
    "book_ticker",
    "combined_path",
    "depth",
    "mark_price",
    "partial_depth",
    "reference_price",
    "subscribe",
    "unsubscribe",
]

#: Streams that one connection may have.
MOST_STREAMS = 1_024

_encode = msgspec.json.Encoder().encode


def book_ticker(native_id: str) -> str:
    """Return the stream of a symbol's best prices, told at each change."""
    return f"{native_id.lower()}@bookTicker"


def depth(native_id: str, every: str = "100ms") -> str:
    """Return the stream of a book's changes; ``every`` is ``100ms`` or ``1000ms``."""
    return f"{native_id.lower()}@depth@{every}" if every != "1000ms" else f"{native_id.lower()}@depth"


def partial_depth(native_id: str, levels: int, every: str = "100ms") -> str:
    """Return the stream of a book's best levels.

    Raises:
        ValueError: they aren't 5, 10 or 20.
    """
    if levels not in (5, 10, 20):
        raise ValueError(f"levels = {levels}; Binance streams 5, 10 or 20")
    return f"{native_id.lower()}@depth{levels}@{every}"


def mark_price(native_id: str) -> str:
    """Return the stream of a contract's mark price and funding, each second. USDT-margined futures only."""
    return f"{native_id.lower()}@markPrice@1s"


def reference_price(native_id: str) -> str:
    """Return the stream of the price that the range of executions is around. Spot only."""
    return f"{native_id.lower()}@referencePrice"


def aggregate_trades(native_id: str) -> str:
    """Return the stream of trades, those of one taker's order at one price together."""
    return f"{native_id.lower()}@aggTrade"


def combined_path(streams: Iterable[str] = ()) -> str:
    """Return the path of a connection whose messages say which stream they are of, subscribed to these from the start.

    With none, streams are subscribed to by `subscribe`.
    """
    names = quote("/".join(streams), safe="/@!+:")
    return f"/stream?streams={names}" if names else "/stream"


def subscribe(id: int, streams: Sequence[str]) -> str:
    """Return the frame that subscribes to streams; the answer to it has the same id."""
    return _frame(id, "SUBSCRIBE", streams)


def unsubscribe(id: int, streams: Sequence[str]) -> str:
    """Return the frame that ends subscriptions."""
    return _frame(id, "UNSUBSCRIBE", streams)


def _frame(id: int, method: str, streams: Sequence[str]) -> str:
    return _encode({"method": method, "params": streams, "id": id}).decode()
