"""Market data around other market data, some of whose quotes go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import trio

from trioarb.api import (
    SECOND_NS,
    Feed,
    Levels,
    LevelsLater,
    Listing,
    MarketContext,
    MarketData,
    QuoteSink,
    Tape,
    TapeRow,
    TradingRules,
    seconds_to_ns,
)
from trioarb_faults.chance import layer_around, stream
from trioarb_faults.settings import FaultyMarketSettings

__all__ = ["FaultyFeed", "FaultyTape"]

#: The bid of a crossed quote stands this far above its ask.
_CROSSED = 1.001
#: After so many rows of a tape that are swallowed one is passed on without prices (withdrawn): an endless tape of which
#: nothing remains would hold up time itself.
_MOST_SWALLOWED = 4096
_WITHOUT_PRICES = (math.nan, math.nan, math.nan, math.nan)
#: bid, bid_size, ask, ask_size
_Numbers = tuple[float, float, float, float]


class _FaultyMarket(MarketData):
    """One venue's quotes, in their order, and what becomes of each."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: MarketData) -> None:
        self.layer = layer_around(inner, _FaultyMarket)
        self._market = inner
        self._skew_ns = seconds_to_ns(settings.skew_ms / 1000)
        self._stale_ns = seconds_to_ns(settings.stale_seconds)
        self._stale_until_ns: int | None = None

        def chance(name: str) -> Callable[[], bool]:
            probability = float(getattr(settings, name))
            draw = stream(context.seed, context.venue, self.layer, name).random
            return lambda: probability > 0 and draw() < probability

        self._stale, self._drop, self._crossed = chance("stale"), chance("drop"), chance("crossed")

    async def listings(self) -> Sequence[Listing]:
        return await self._market.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._market.rules(symbol)

    def _spoil(self, quote: _Numbers, ts_ns: int) -> _Numbers | None:
        """Return what comes of a quote; ``None``: nothing does."""
        # Every quote draws from all streams: what one fault does must not shift another.
        stale, drop, crossed = self._stale(), self._drop(), self._crossed()
        if self._stale_until_ns is not None and ts_ns < self._stale_until_ns:
            return None
        if stale:
            self._stale_until_ns = ts_ns + self._stale_ns
        if stale or drop:
            return None
        bid, bid_size, ask, ask_size = quote
        return (ask * _CROSSED, bid_size, bid, ask_size) if crossed else quote


class FaultyTape(_FaultyMarket, Tape):
    """A tape, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Tape) -> None:
        super().__init__(settings, context, inner)
        self._inner = inner

    @property
    def start_ns(self) -> int | None:
        return self._inner.start_ns

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        swallowed = 0
        # What was quoted a little earlier comes now; before the first row there is nothing.
        first_ns = start_ns if self._inner.start_ns is None else start_ns - self._skew_ns
        for ts_ns, order, symbol, bid, bid_size, ask, ask_size, *beyond in self._inner.rows(symbols, first_ns):
            quote = self._spoil((bid, bid_size, ask, ask_size), ts_ns)
            if quote is None:
                swallowed += 1
                if swallowed < _MOST_SWALLOWED:
                    continue
            swallowed = 0
            # There are none of a crossed quote, and of one without prices.
            levels = beyond[0] if beyond and quote is not None and quote[0] == bid else None
            numbers = _WITHOUT_PRICES if quote is None else quote
            if levels is None:
                yield ts_ns + self._skew_ns, order, symbol, *numbers
            else:
                yield ts_ns + self._skew_ns, order, symbol, *numbers, levels


class FaultyFeed(_FaultyMarket, Feed):
    """A feed, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Feed) -> None:
        super().__init__(settings, context, inner)
        self._inner = inner

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        late, due = trio.open_memory_channel[tuple[float, Callable[[], None]]](math.inf)
        skew_ns, skew_seconds = self._skew_ns, self._skew_ns / SECOND_NS

        def spoiled(sink: QuoteSink) -> QuoteSink:
            def on_quote(
                bid: float,
                bid_size: float,
                ask: float,
                ask_size: float,
                received_ns: int,
                venue_ts_ns: int | None = None,
                levels: Levels | LevelsLater | None = None,
                /,
            ) -> None:
                quote = self._spoil((bid, bid_size, ask, ask_size), received_ns)
                if quote is None:
                    return
                if quote[0] != bid:
                    levels = None  # of a crossed quote
                if skew_ns:
                    levels = levels() if callable(levels) else levels  # as they are now, not when it is delivered
                    deliver = partial(sink, *quote, received_ns + skew_ns, venue_ts_ns, levels)
                    late.send_nowait((trio.current_time() + skew_seconds, deliver))
                else:
                    sink(*quote, received_ns, venue_ts_ns, levels)

            return on_quote

        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_deliver, due)
            try:
                await self._inner.run(
                    {symbol: spoiled(sink) for symbol, sink in sinks.items()}, task_status=task_status
                )
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
        # As it was raised, not in the nursery's group.
        if failure is not None:
            raise failure


async def _deliver(due: trio.MemoryReceiveChannel[tuple[float, Callable[[], None]]]) -> None:
    async for at, deliver in due:
        await trio.sleep_until(at)
        deliver()
