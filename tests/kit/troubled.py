"""A venue in memory that can be made to misbehave, with an exchange that does everything right.

The venue fills as the paper exchange does; between both is a wire of some milliseconds, on which things go wrong. To be
broken in one way: a class below `Right` that does one thing wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import trio

from trioarb.api import (
    Account,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExchangeWrapper,
    Instrument,
    Listing,
    Offer,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderUpdate,
    SelfTrade,
    Side,
    VenueError,
    VenueOrder,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.testing import plugin_of
from trioarb.testing.conformance import Report, judge
from trioarb.testing.conformance.stage import QuotedStage, Trouble

__all__ = ["SETTINGS", "Right", "TroubledStage", "judged"]

SETTINGS: Mapping[str, Any] = {
    "balances": {"USDT": "100000", "BTC": "1000"},
    "tick_size": "0.01",
    "lot_size": "0.001",
    "min_notional": "5",
    "taker_fee_bps": "10",
    "maker_fee_bps": "2",
    "latency_ms": 5,
    "inventory_usd_per_symbol": 50,
}
_WIRE_SECONDS = 0.002
_LATE_SECONDS = 1.0


class TroubledStage(QuotedStage):
    """What goes wrong, and how often still."""

    troubles = frozenset(Trouble)

    def __init__(self) -> None:
        super().__init__(lambda: 0)
        self.on: dict[Trouble, int] = {}
        self.halted: set[str] = set()
        self.arrived: list[str] = []
        self.cuts: list[Callable[[], None]] = []

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        self.on[trouble] = times
        if trouble is Trouble.CUT:
            for cut in self.cuts:
                cut()

    async def calm(self) -> None:
        self.on.clear()

    async def halt(self, symbol: str) -> None:
        self.halted.add(symbol)

    def orders(self, symbol: str) -> int | None:
        return len(self.arrived)

    def happens(self, trouble: Trouble) -> bool:
        left = self.on.get(trouble, 0)
        self.on[trouble] = left - 1
        return left > 0


class Right(ExchangeWrapper):
    """Asks the venue over a wire, and makes of what it answers what the contract wants."""

    def __init__(self, inner: Exchange, stage: TroubledStage, context: ExchangeContext) -> None:
        super().__init__(inner)
        self.stage, self.context = stage, context
        self.offers = frozenset({*inner.offers, Offer.SELF_TRADE})
        if self.account is Account.PERPETUAL:
            self.offers |= {Offer.REDUCE_ONLY}
        self.account_id = "an-account"
        self.own: dict[str, Order] = {}

    async def wire(self) -> None:
        """Send a request, and get its answer."""
        await trio.sleep(_WIRE_SECONDS)
        if self.stage.happens(Trouble.SERVER_ERROR):
            raise VenueError("503: try again")
        if self.stage.happens(Trouble.MALFORMED):
            raise VenueError("half a message")

    async def begin(self) -> None:
        """Look, as it is opened, whether the venue is there."""
        await self.wire()

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        await self.wire()
        return await self.inner.instruments(listings)

    async def balances(self) -> Mapping[str, Decimal]:
        await self.wire()
        return await self.inner.balances()

    async def place(self, order: Order) -> OrderReport:
        await self.wire()
        if self.stage.happens(Trouble.TOO_MANY):
            raise OrderRejected("429: too many requests")
        if order.symbol in self.stage.halted:
            raise OrderRejected(f"{order.symbol} is halted")
        if order.self_trade is SelfTrade.CANCEL_NEW and self.meets_own(order):
            raise OrderRejected("it would trade with an order of one's own")
        if order.reduce_only and not await self.would_reduce(order):
            raise OrderRejected("it would make the position larger")
        self.stage.arrived.append(order.client_order_id)
        report = await self.inner.place(order)
        if not report.status.is_final:
            self.own[order.client_order_id] = order
        if self.stage.happens(Trouble.LOST_ANSWER):
            raise VenueError("no answer came")
        return report

    async def would_reduce(self, order: Order) -> bool:
        held = (await self.inner.positions()).get(order.symbol)
        return held is not None and (held.quantity > 0) is (order.side is Side.SELL)

    def meets_own(self, order: Order) -> bool:
        return any(
            one.side is not order.side
            and (
                order.limit_price >= one.limit_price if order.side is Side.BUY else order.limit_price <= one.limit_price
            )
            for one in self.own.values()
        )

    async def cancel(self, client_order_id: str) -> None:
        await self.wire()
        self.own.pop(client_order_id, None)
        await self.inner.cancel(client_order_id)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        await self.wire()
        return await self.inner.open_orders(symbols)

    def answer(self, order: Order) -> OrderReport:
        self.stage.arrived.append(order.client_order_id)
        return self.inner.answer(order)

    async def order(self, client_order_id: str) -> OrderReport | None:
        await self.wire()
        return await self.inner.order(client_order_id)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        await self.wire()
        return await self.inner.orders(symbols, since_ns)

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        is_cut = False
        with trio.CancelScope() as scope:

            def cut() -> None:
                nonlocal is_cut
                is_cut = True
                scope.cancel()

            self.stage.cuts.append(cut)
            try:
                async with trio.open_nursery() as nursery:
                    await self.inner.updates(lambda update: self.tell(update, sink, nursery), task_status=task_status)
            finally:
                self.stage.cuts.remove(cut)
        if is_cut:
            raise VenueError("the stream was cut")

    def tell(self, update: OrderUpdate, sink: OrderSink, nursery: trio.Nursery) -> None:
        if update.fills and self.stage.happens(Trouble.LATE):
            nursery.start_soon(self.tell_late, update, sink)
            update = msgspec.structs.replace(update, fills=())
        for one in self.said(update):
            sink(one)

    async def tell_late(self, update: OrderUpdate, sink: OrderSink) -> None:
        await trio.sleep(_LATE_SECONDS)
        sink(update)

    def said(self, update: OrderUpdate) -> Iterator[OrderUpdate]:
        """Yield what is heard of a message, the one that nobody knows passed over."""
        yield update
        if self.stage.on.get(Trouble.REPEATED):
            yield update


def judged(
    kind: type[Right] = Right,
    *,
    settings: Mapping[str, Any] = SETTINGS,
    real: bool = False,
    cases: Sequence[str] = (),
) -> Report:
    """Judge an exchange of this class."""
    opened: deque[TroubledStage] = deque(maxlen=1)

    @asynccontextmanager
    async def open_stage() -> AsyncIterator[TroubledStage]:
        opened.append(TroubledStage())
        yield opened[0]

    @asynccontextmanager
    async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        venue = PaperExchange(settings, attrs.evolve(context, inner=None))
        opened[0].now_ns = context.time.now_ns
        exchange = kind(venue, opened[0], context)
        await exchange.begin()
        venue.open()
        try:
            yield exchange
        finally:
            venue.close()

    spec = ExchangeSpec(name="mine", doc="", settings=PaperSettings, open=open_exchange, live=real, real=real)
    return judge(
        kind="exchange",
        name="mine",
        settings=settings,
        stage=open_stage,
        plugins={"mine": plugin_of(spec)},
        cases=cases,
    )
