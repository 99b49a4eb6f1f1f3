"""Market data of a venue of this dialect: books, of which each message shows all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import nan
from urllib.parse import urlsplit

import structlog
import trio

from trioarb.api import Feed, Listing, MarketDataError, QuoteSink, TradingRules
from trioarb.venue import Endpoint, Key, Pace, WebSocketSession, WireError, tls_context
from trioarb_upbit.dialect.stream import Orderbook, StreamError, Unknown, depth_of
from trioarb_upbit.dialect.struct import Wire
from trioarb_upbit.dialect.subscription import Channel, Format, subscription
from trioarb_upbit.settings import MarketSettings

__all__ = ["BookFeed"]


class BookFeed(Feed):
    """The books of one venue, by one connection.

    ``code_of`` makes the name of a market in a subscription, ``connects`` and ``messages`` are the stream's limits,
    each as a count and seconds. ``now_ns`` is campaign time.
    ``unknown`` counts messages that aren't decoded by their type, ``unreadable`` those that can't be, books
    that make no sense among them, which are withdrawn.
    """

    def __init__(
        self,
        settings: MarketSettings,
        usual_url: str,
        *,
        known: Sequence[Listing],
        rules: Mapping[str, TradingRules],
        decode: Callable[[bytes], Sequence[Wire | Unknown]],
        code_of: Callable[[str], str],
        connects: Sequence[tuple[int, float]],
        messages: Sequence[tuple[int, float]],
        now_ns: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._url = _with_path(settings.stream_url or usual_url, usual_url)
        self._listings = tuple(known)
        self._markets = {one.symbol: f"{one.quote}-{one.base}" for one in known}
        self._rules = rules
        self._decode = decode
        self._code_of = code_of
        self._connects = connects
        self._messages = messages
        self._now_ns = now_ns
        self._tickets = count(1)
        self._sinks: Mapping[str, QuoteSink] = {}
        self._refusal = ""
        self._log = structlog.get_logger("trioarb.venue")
        self.unknown = Counter[str]()
        self.unreadable = 0

    async def listings(self) -> Sequence[Listing]:
        return self._listings

    def rules(self, symbol: str) -> TradingRules | None:
        return self._rules.get(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Show the books of ``sinks`` until cancelled; a market that is silent and all of a lost connection withdraw.

        Raises:
            MarketDataError: the venue refuses what it is asked for.
            VenueError: it can't be connected to, and another try wouldn't change that.
        """
        self._sinks = {self._markets[symbol]: sink for symbol, sink in sinks.items()}
        try:
            await self._session().run(task_status=task_status)
        except ExceptionGroup as group:
            refused, other = group.split(MarketDataError)
            if refused is None or other is not None:
                raise
            raise MarketDataError(self._refusal) from group

    def _session(self) -> WebSocketSession:
        silent_seconds = float(self._settings.silent_seconds)
        return WebSocketSession(
            endpoint=Endpoint(
                url=self._url,
                tls=tls_context(self._settings.ca_file) if self._url.startswith("wss:") else None,
                proxy=self._settings.proxy,
            ),
            keys=dict.fromkeys(self._sinks, silent_seconds),
            # A message replaces the one before, so that each asks for everything.
            keys_per_message=max(1, len(self._sinks)),
            subscribe=lambda keys: [self._subscription()],
            on_message=self._take,
            on_connected=lambda: None,
            on_disconnected=self._lost,
            on_silent=self._silent,
            now_ns=self._now_ns,
            sends=lambda: Pace(*self._messages),
            connects=Pace(*self._connects),
        )

    def _subscription(self) -> str:
        channel = Channel(type="orderbook", codes=tuple(map(self._code_of, self._sinks)))
        return subscription(f"trioarb-{next(self._tickets)}", [channel], Format.SIMPLE)

    def _take(self, frame: bytes, received_ns: int) -> Key | None:
        try:
            messages = self._decode(frame)
        except WireError as error:
            self._count(error)
            return None
        heard: Key | None = None
        for message in messages:
            if isinstance(message, Orderbook):
                heard = self._show(message, received_ns) or heard
            elif isinstance(message, StreamError):
                self._refusal = f"{self._url} refuses the subscription: {message.name} ({message.message})"
                raise MarketDataError(self._refusal)
            elif isinstance(message, Unknown):
                self.unknown[message.type] += 1
        return heard

    def _show(self, message: Orderbook, received_ns: int) -> str | None:
        market = message.code.partition(".")[0]  # it may come with the depth that was asked for
        sink = self._sinks.get(market)
        if sink is None:
            return None
        try:
            book = depth_of(message.timestamp, message.orderbook_units)
        except WireError as error:
            self._count(error)
            self._withdraw(sink)
            return market
        bid, bid_size = (book.bids[0], book.bid_sizes[0]) if book.bids else (nan, nan)
        ask, ask_size = (book.asks[0], book.ask_sizes[0]) if book.asks else (nan, nan)
        levels = (book.bids[1:], book.bid_sizes[1:], book.asks[1:], book.ask_sizes[1:])
        sink(bid, bid_size, ask, ask_size, received_ns, book.venue_ns, levels)
        return market

    def _count(self, error: WireError) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            self._log.warning("a message can't be read; others like it are counted", error=str(error))

    def _lost(self, why: str) -> None:
        self._log.warning("market data is cut", why=why, markets=len(self._sinks))
        for sink in self._sinks.values():
            self._withdraw(sink)

    def _silent(self, market: Key) -> None:
        self._withdraw(self._sinks[str(market)])

    def _withdraw(self, sink: QuoteSink) -> None:
        sink(nan, nan, nan, nan, self._now_ns())


def _with_path(url: str, usual_url: str) -> str:
    """Return an address, at the usual path if it names none."""
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + urlsplit(usual_url).path
