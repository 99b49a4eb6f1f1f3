"""An exchange that answers what it answered when its course was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import trio

from trioarb.course.entry import ExchangeTerms
from trioarb.course.told_time import Over
from trioarb.errors import VenueError
from trioarb.model.account import AccountStanding
from trioarb.model.contract import Charge, Contracts
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument, Listing, Quote
from trioarb.model.order import Order, OrderReport, OrderUpdate, VenueOrder
from trioarb.plugin.contract import Exchange, OrderSink

if TYPE_CHECKING:
    from trioarb.course.told import ToldCourse

__all__ = ["ToldExchange"]


class ToldExchange(Exchange):
    """Sends nothing. What the course doesn't know of an order has no answer; after its end nothing has."""

    def __init__(self, course: ToldCourse, venue: str) -> None:
        self._course = course
        self._venue = venue
        terms: ExchangeTerms = course.noted((venue, "terms", ""))
        for one in attrs.fields(ExchangeTerms):
            setattr(self, one.name, getattr(terms, one.name))

    async def _answered(self, what: str, about: str = "") -> Any:
        with _without_end():
            return await self._course.said((self._venue, what, about))

    def _seen(self, what: str, about: str) -> Any:
        return self._course.noted((self._venue, what, about))

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        found: Mapping[str, Instrument] = await self._answered("instruments")
        return found

    async def balances(self) -> Mapping[str, Decimal]:
        found: Mapping[str, Decimal] = await self._answered("balances")
        return found

    async def standing(self) -> AccountStanding:
        standing: AccountStanding = await self._answered("standing")
        return standing

    async def positions(self) -> Mapping[str, Contracts]:
        found: Mapping[str, Contracts] = await self._answered("positions")
        return found

    async def charges(self, since_ns: int) -> Sequence[Charge]:
        found: Sequence[Charge] = await self._answered("charges")
        return found

    async def liquidations(self, since_ns: int) -> Sequence[Liquidation]:
        found: Sequence[Liquidation] = await self._answered("liquidations")
        return found

    def seed_inventory(self, instrument: Instrument, quote: Quote | None) -> Decimal:
        granted: Decimal | None = self._seen("seed_inventory", instrument.symbol)
        return granted or Decimal(0)

    def transfer(self, transfer_id: str, asset: str, amount: Decimal) -> None:
        self._seen("transfer", f"{transfer_id} {amount.is_signed()}")

    async def place(self, order: Order) -> OrderReport:
        report: OrderReport = await self._answered("place", order.client_order_id)
        return report

    async def cancel(self, client_order_id: str) -> None:
        await self._answered("cancel", client_order_id)

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        found: Sequence[OrderUpdate] = await self._answered("open_orders")
        return found

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        while True:
            with _without_end():
                update: OrderUpdate | None = await self._course.heard((self._venue, "updates", ""))
            if update is None:
                task_status.started()
            else:
                sink(update)

    def answers_at_ns(self, order: Order) -> int | None:
        at_ns: int | None = self._seen("answers_at_ns", order.client_order_id)
        return at_ns

    def answer(self, order: Order) -> OrderReport:
        report: OrderReport | None = self._seen("answer", order.client_order_id)
        if report is None:
            raise VenueError("the recording of the run has no answer to this order")
        return report

    async def order(self, client_order_id: str) -> OrderReport | None:
        report: OrderReport | None = await self._answered("order", client_order_id)
        return report

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        found: Sequence[VenueOrder] = await self._answered("orders")
        return found


@contextmanager
def _without_end() -> Iterator[None]:
    """Let a venue have no answer any more once nothing more is told."""
    try:
        yield
    except Over:
        raise VenueError("the recording of the run doesn't go on") from None
