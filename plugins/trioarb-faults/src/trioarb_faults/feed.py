"""A feed around another one, some of whose quotes go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import trio

from trioarb.api import SECOND_NS, Feed, Listing, MarketContext, QuoteSink, TradingRules
from trioarb_faults.chance import layer_around
from trioarb_faults.quotes import QuoteFaults
from trioarb_faults.settings import FaultyMarketSettings

__all__ = ["FaultyFeed"]


class FaultyFeed(Feed):
    """A feed, some of whose quotes go wrong."""

    def __init__(self, settings: FaultyMarketSettings, context: MarketContext, inner: Feed) -> None:
        self.layer = layer_around(inner, FaultyFeed)
        self._inner = inner
        self._faults = QuoteFaults(settings, context, self.layer)

    def listings(self) -> Sequence[Listing]:
        return self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        late, due = trio.open_memory_channel[tuple[float, Callable[[], None]]](math.inf)
        skew_ns, skew_seconds = self._faults.skew_ns, self._faults.skew_ns / SECOND_NS

        def spoiled(sink: QuoteSink) -> QuoteSink:
            def on_quote(
                bid: float,
                bid_size: float,
                ask: float,
                ask_size: float,
                received_ns: int,
                venue_ts_ns: int | None = None,
                /,
            ) -> None:
                quote = self._faults.spoil((bid, bid_size, ask, ask_size), received_ns)
                if quote is None:
                    return
                if skew_ns:
                    deliver = partial(sink, *quote, received_ns + skew_ns, venue_ts_ns)
                    late.send_nowait((trio.current_time() + skew_seconds, deliver))
                else:
                    sink(*quote, received_ns, venue_ts_ns)

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
