"""Two venues in real time that get into trouble when a test says so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Feed,
    Listing,
    MarketContext,
    MarketData,
    MarketDataSpec,
    NoSettings,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    QuoteSink,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    VenueError,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import plugin_of

__all__ = ["Trouble"]

_BTC = Listing(symbol="BTCUSDT", base="BTC", quote="USDT")
_KRW = Listing(symbol="USDTKRW", base="USDT", quote="KRW")


@attrs.define(eq=False)
class Trouble:
    """What goes wrong, by venue. ``bids`` are quoted each 20 ms, so are ``rates`` of USDT in KRW for who wants them.

    All else is empty where all is well.

    ``silent`` venues don't quote, ``rejecting`` ones take no orders; streams are cut by `cut`. ``contexts`` are those
    of opened exchanges.
    """

    bids: dict[str, float] = attrs.field(factory=lambda: {"a": 100.0, "b": 100.0})
    rates: dict[str, float] = attrs.field(factory=lambda: {"a": 1400.0, "b": 1400.0})
    silent: set[str] = attrs.field(factory=set)
    rejecting: set[str] = attrs.field(factory=set)
    cuts: dict[str, trio.Event] = attrs.field(factory=dict)
    contexts: dict[str, ExchangeContext] = attrs.field(factory=dict)

    def cut(self, venue: str) -> None:
        self.cuts[venue].set()

    @property
    def plugin(self) -> object:
        """The plugins named ``trouble``: a source, markets and exchanges."""

        @asynccontextmanager
        async def open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
            yield _Source()

        @asynccontextmanager
        async def open_market(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
            yield _Market(self, context.venue)

        @asynccontextmanager
        async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
            self.contexts[context.venue] = context
            yield _Venue(settings, context, self)

        return plugin_of(
            SymbolSourceSpec(name="trouble", doc="", open=open_source),
            MarketDataSpec(name="trouble", doc="", open=open_market, live=True),
            ExchangeSpec(name="trouble", doc="", open=open_exchange, settings=PaperSettings),
        )


class _Source(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return [_BTC]


class _Market(Feed):
    def __init__(self, trouble: Trouble, venue: str) -> None:
        self._trouble = trouble
        self._venue = venue

    async def listings(self) -> Sequence[Listing]:
        return [_BTC, _KRW]

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        while True:
            if self._venue not in self._trouble.silent:
                bid = self._trouble.bids[self._venue]
                sinks["BTCUSDT"](bid, 50.0, bid + 0.1, 50.0, time.time_ns())
                if "USDTKRW" in sinks:
                    rate = self._trouble.rates[self._venue]
                    sinks["USDTKRW"](rate, 10_000.0, rate + 1, 10_000.0, time.time_ns())
            await trio.sleep(0.02)


class _Venue(PaperExchange):
    def __init__(self, settings: PaperSettings, context: ExchangeContext, trouble: Trouble) -> None:
        super().__init__(settings, context)
        self._trouble = trouble
        self._at = context.venue
        self.streams = True

    def answers_at_ns(self, order: Order) -> None:
        return None

    async def place(self, order: Order) -> OrderReport:
        if self._at in self._trouble.rejecting:
            raise OrderRejected("account is restricted")
        return await super().place(order)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[object]:  # type: ignore[override]
        return []

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        cut = self._trouble.cuts[self._at] = trio.Event()
        task_status.started()
        await cut.wait()
        raise VenueError(f"{self._at}: the stream was cut")
