"""An exchange whose answers are kept as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

from trioarb.course.entry import ExchangeTerms
from trioarb.model.account import AccountStanding
from trioarb.model.contract import Charge, Contracts
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument, Listing, Quote
from trioarb.model.order import Order, OrderReport, OrderUpdate, VenueOrder
from trioarb.plugin.contract import Exchange, ExchangeWrapper, OrderSink

if TYPE_CHECKING:
    from trioarb.course.kept import KeptCourse

__all__ = ["KeptExchange", "Started"]

T = TypeVar("T")


class KeptExchange(ExchangeWrapper):
    """Asks the exchange, and keeps what it answers, or raises; what is cancelled has no answer."""

    def __init__(self, course: KeptCourse, venue: str, inner: Exchange) -> None:
        super().__init__(inner)
        self._course = course
        self._venue = venue
        terms = ExchangeTerms(**{one.name: getattr(inner, one.name) for one in attrs.fields(ExchangeTerms)})
        course.noted((venue, "terms", ""), terms)

    async def _answered(self, what: str, about: str, answer: Awaitable[T]) -> T:
        return await self._course.answered((self._venue, what, about), answer)

    def _seen(self, what: str, about: str, look: Callable[[], T]) -> T:
        key = self._venue, what, about
        try:
            value = look()
        except Exception as error:
            self._course.noted(key, error=error)
            raise
        self._course.noted(key, value)
        return value

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        return await self._answered("instruments", "", self.inner.instruments(listings))

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._answered("balances", "", self.inner.balances())

    async def standing(self) -> AccountStanding:
        return await self._answered("standing", "", self.inner.standing())

    async def positions(self) -> Mapping[str, Contracts]:
        return await self._answered("positions", "", self.inner.positions())

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        return await self._answered("charges", "", self.inner.charges(since_ns))

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        return await self._answered("liquidations", "", self.inner.liquidations(since_ns))

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        look = super().seed_inventory
        return self._seen("seed_inventory", instrument.symbol, lambda: look(instrument, quote))

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        tell = super().transfer
        return self._seen("transfer", f"{transfer_id} {amount.is_signed()}", lambda: tell(transfer_id, asset, amount))

    async def place(self, order: Order) -> OrderReport:
        return await self._answered("place", order.client_order_id, self.inner.place(order))

    async def cancel(self, client_order_id: str) -> None:
        await self._answered("cancel", client_order_id, self.inner.cancel(client_order_id))

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return await self._answered("open_orders", "", self.inner.open_orders(symbols))

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        key = self._venue, "updates", ""

        def on_update(update: OrderUpdate, /) -> None:
            self._course.said(key, update)
            sink(update)

        try:
            await self.inner.updates(on_update, task_status=Started(self._course, key, task_status))
        except Exception as error:
            self._course.said(key, error=error)
            raise

    def answers_at_ns(self, order: Order) -> int | None:
        look = super().answers_at_ns
        return self._seen("answers_at_ns", order.client_order_id, lambda: look(order))

    def answer(self, order: Order) -> OrderReport:
        look = super().answer
        return self._seen("answer", order.client_order_id, lambda: look(order))

    async def order(self, client_order_id: str) -> OrderReport | None:
        return await self._answered("order", client_order_id, self.inner.order(client_order_id))

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return await self._answered("orders", "", self.inner.orders(symbols, since_ns))


class Started(trio.TaskStatus[None]):
    """Keeps that somebody has subscribed."""

    def __init__(self, course: KeptCourse, key: tuple[str, str, str], status: trio.TaskStatus[None]) -> None:
        self._course = course
        self._key = key
        self._status = status

    def started(self, value: None = None) -> None:
        self._course.said(self._key)
        self._status.started()
