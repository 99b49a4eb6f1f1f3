"""Market data of Binance: best prices at each change, or books."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import nan
from pathlib import Path

import attrs
import msgspec
import structlog
import trio

from trioarb.api import Feed, Listing, MarketDataError, QuoteSink, TradingRules, VenueError
from trioarb.venue import (
    Backoff,
    Endpoint,
    Heartbeat,
    Key,
    Pace,
    WebSocketSession,
    WireError,
    tls_context,
)
from trioarb_binance.asking import Ask
from trioarb_binance.books import Books
from trioarb_binance.dialect import Dialect, Listed
from trioarb_binance.wire import streams
from trioarb_binance.wire.market_message import (
    HEAD,
    BookTicker,
    DepthUpdate,
    MarketDecoder,
    PartialDepth,
    ServerShutdown,
    Streamed,
    StreamsAnswer,
    stream_of,
)

__all__ = ["BinanceFeed"]

#: Each connection has some streams to spare.
_STREAMS_A_CONNECTION = streams.MOST_STREAMS - 24
_STREAMS_A_MESSAGE = 100
#: Of five messages a second that a connection may send, the answers to pings take some.
_MESSAGES = (3, 1.0)
#: 300 in five minutes from one address; others at this address connect, too.
_CONNECTS = (200, 300.0)
#: Binance cuts a connection after 24 hours.
_LIFETIME_SECONDS = 23 * 3_600.0
_MS = 1_000_000

log = structlog.get_logger(__name__)

#: Takes what a stream tells, and the time at which it came.
Take = Callable[[object, int], None]


@attrs.frozen(kw_only=True)
class _Stream:
    """``take`` raises `WireError` for what can't be; ``withdraw`` takes the quote off the board, for what reason."""

    take: Take
    withdraw: Callable[[str, int], None]
    begin: Callable[[], None] = lambda: None


class BinanceFeed(Feed):
    """The quotes of spot, or of USDT-margined futures.

    With a depth of 1 by the stream of best prices; up to 20 by those of the best levels, each of which is a book of its
    own; beyond by the streams of changes, on snapshots.
    """

    def __init__(
        self,
        dialect: Dialect,
        listed: Listed,
        ask: Ask,
        *,
        stream_url: str,
        depth: int,
        silent_seconds: float = 60.0,
        ca_file: Path | None = None,
        proxy: str | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        backoff: Backoff | None = None,
    ) -> None:
        self._dialect, self._listed, self._ask = dialect, listed, ask
        self._depth = depth
        self._silent_seconds = silent_seconds or None
        self._now_ns = now_ns
        self._backoff = backoff
        is_secure = stream_url.startswith("wss:")
        self._endpoint = Endpoint(
            url=stream_url + streams.combined_path(),
            tls=tls_context(ca_file) if is_secure else None,
            proxy=proxy,
        )
        self._decoder = MarketDecoder(is_usdm=dialect.is_usdm)
        #: Messages that could not be read.
        self.refused = 0

    async def listings(self) -> Sequence[Listing]:
        return [market.listing for market in self._listed.markets.values()]

    def rules(self, symbol: str) -> TradingRules | None:
        market = self._listed.markets.get(symbol)
        return None if market is None else market.rules

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """As in the contract. While a connection is cut, its symbols are withdrawn, and it is opened again."""
        connects = Pace(_CONNECTS)
        symbols = list(sinks)
        async with trio.open_nursery() as nursery:
            for start in range(0, len(symbols), _STREAMS_A_CONNECTION):
                some = {symbol: sinks[symbol] for symbol in symbols[start : start + _STREAMS_A_CONNECTION]}
                await nursery.start(self._hear, some, connects)
            task_status.started()

    async def _hear(
        self, sinks: Mapping[str, QuoteSink], connects: Pace, *, task_status: trio.TaskStatus[None]
    ) -> None:
        books = Books(self._dialect, self._ask, self._depth, now_ns=self._now_ns, backoff=self._backoff)
        by_stream = dict(self._stream(symbol, sink, books) for symbol, sink in sinks.items())
        numbers = iter(range(1, 2**31))

        def on_connected() -> None:
            for stream in by_stream.values():
                stream.begin()

        def on_disconnected(why: str) -> None:
            log.warning("market data of Binance is cut", why=why, streams=len(by_stream))
            now_ns = self._now_ns()
            books.cut("the connection was cut", now_ns)
            for stream in by_stream.values():
                stream.withdraw("the connection was cut", now_ns)

        def on_silent(key: Key) -> None:
            by_stream[str(key)].withdraw("nothing came of it", self._now_ns())
            by_stream[str(key)].begin()

        session = WebSocketSession(
            endpoint=self._endpoint,
            keys=dict.fromkeys(by_stream, self._silent_seconds),
            keys_per_message=_STREAMS_A_MESSAGE,
            subscribe=lambda keys: [streams.subscribe(next(numbers), [str(key) for key in keys])],
            on_message=self._taker(by_stream, lambda: session.renew()),
            on_connected=on_connected,
            on_disconnected=on_disconnected,
            on_silent=on_silent,
            now_ns=self._now_ns,
            # Binance pings by itself, and pings of ours would count as messages.
            heartbeat=Heartbeat(ping_seconds=None),
            lifetime_seconds=_LIFETIME_SECONDS,
            backoff=self._backoff or Backoff(),
            sends=lambda: Pace(_MESSAGES),
            connects=connects,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(books.run)
            try:
                await session.run(task_status=task_status)
            except VenueError as error:
                raise MarketDataError(str(error)) from error

    def _taker(self, by_stream: Mapping[str, _Stream], renew: Callable[[], None]) -> Callable[[bytes, int], Key | None]:
        """Make what hands messages on, and returns the stream that one is of, if that is ours."""
        name_at = len(HEAD)
        begins = {HEAD + name.encode(): (name, self._decoder.of(name), one.take) for name, one in by_stream.items()}

        def on_message(message: bytes, received_ns: int) -> Key | None:
            known = begins.get(message[: message.find(b'"', name_at)])
            try:
                if known is None:
                    return self._hand_on(message, received_ns, by_stream, renew)
                name, decode, take = known
                take(decode(message).data, received_ns)
                return name
            except (msgspec.DecodeError, UnicodeDecodeError):
                return self._hand_on(message, received_ns, by_stream, renew)
            except WireError as error:
                return self._refuse(message, received_ns, by_stream, error)

        return on_message

    def _hand_on(
        self, message: bytes, received_ns: int, by_stream: Mapping[str, _Stream], renew: Callable[[], None]
    ) -> Key | None:
        """Hand on what isn't known by how it begins, or can't be read, which is said here."""
        try:
            told = self._decoder.decode(message)
            if type(told) is Streamed:
                if told.stream in by_stream:
                    by_stream[told.stream].take(told.data, received_ns)
                    return told.stream
                if type(told.data) is ServerShutdown:
                    renew()
            elif type(told) is StreamsAnswer and told.is_refusal:
                log.warning("Binance refused a subscription", answer=told.msg or told.error or told.code)
        except WireError as error:
            return self._refuse(message, received_ns, by_stream, error)
        return None

    def _refuse(
        self, message: bytes, received_ns: int, by_stream: Mapping[str, _Stream], error: WireError
    ) -> Key | None:
        self.refused += 1
        if self.refused.bit_count() == 1:
            log.warning("a message of Binance's was refused", refused=self.refused, why=str(error))
        name = stream_of(message)
        if name not in by_stream:
            return None
        # What it told is missing now.
        by_stream[name].withdraw("a message of it can't be read", received_ns)
        by_stream[name].begin()
        return name

    def _stream(self, symbol: str, sink: QuoteSink, books: Books) -> tuple[str, _Stream]:
        native_id = self._listed.markets[symbol].native_id
        if self._depth == 1:
            return streams.book_ticker(native_id), _best_of(sink)
        if self._depth <= 20:
            levels = next(levels for levels in (5, 10, 20) if self._depth <= levels)
            return streams.partial_depth(native_id, levels), _levels_of(sink)
        name = streams.depth(native_id)
        books.add(name, native_id, sink)
        return name, _changes_of(name, books)


def _best_of(sink: QuoteSink) -> _Stream:
    newest = 0

    def take(told: object, received_ns: int) -> None:
        nonlocal newest
        assert isinstance(told, BookTicker)
        if told.last_id < newest:  # while one connection takes over from another, both deliver
            return
        newest = told.last_id
        venue_ns = told.event_ms * _MS if isinstance(told.event_ms, int) else None
        # A side that isn't there has price and size 0, which withdraws it here, too.
        sink(told.bid, told.bid_size, told.ask, told.ask_size, received_ns, venue_ns)

    def withdraw(why: str, now_ns: int) -> None:
        nonlocal newest
        newest = 0
        sink(nan, nan, nan, nan, now_ns)

    return _Stream(take=take, withdraw=withdraw)


def _levels_of(sink: QuoteSink) -> _Stream:
    newest = 0

    def take(told: object, received_ns: int) -> None:
        nonlocal newest
        if isinstance(told, DepthUpdate):  # of futures
            last_id: int = told.last_id
            venue_ns: int | None = told.event_ms * _MS
        else:
            assert isinstance(told, PartialDepth)
            last_id, venue_ns = told.last_update_id, None
        if last_id < newest:
            return
        newest = last_id
        (bid, bid_size), *bids = told.bids or [(nan, nan)]
        (ask, ask_size), *asks = told.asks or [(nan, nan)]
        # At once, not when somebody looks: nobody here has seen yet whether they are in order.
        beyond = (
            [price for price, _ in bids],
            [size for _, size in bids],
            [price for price, _ in asks],
            [size for _, size in asks],
        )
        sink(bid, bid_size, ask, ask_size, received_ns, venue_ns, beyond)

    def withdraw(why: str, now_ns: int) -> None:
        nonlocal newest
        newest = 0
        sink(nan, nan, nan, nan, now_ns)

    return _Stream(take=take, withdraw=withdraw)


def _changes_of(stream: str, books: Books) -> _Stream:
    def take(told: object, received_ns: int) -> None:
        assert isinstance(told, DepthUpdate)
        books.take(stream, told, received_ns)

    return _Stream(take=take, withdraw=partial(books.withdraw, stream), begin=partial(books.need, stream))
