"""A simulated venue that acknowledges orders, and tells what becomes of them by its stream of updates, as scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import msgspec
import trio

from trioarb.api import (
    SECOND_NS,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Fill,
    Order,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderUpdate,
    Turn,
    VenueError,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings

__all__ = ["Said", "Tell", "TellingExchange", "at_once", "parts", "telling"]


@attrs.frozen
class Said:
    """A message ``after_ms`` of the order's arrival; ``None`` cuts the stream instead."""

    after_ms: int
    update: OrderUpdate | None


#: What is told of the order of this number, whose whole report this is; ``None``: it is answered at once.
Tell = Callable[[int, OrderReport], Sequence[Said] | None]


def at_once(number: int, report: OrderReport) -> Sequence[Said]:
    """Tell the whole of it as one message."""
    return [Said(1, OrderUpdate.from_report(report))]


class TellingExchange(PaperExchange):
    """What it would have told while its stream was cut is lost."""

    def __init__(
        self, settings: PaperSettings, context: ExchangeContext, tell: Tell, away: tuple[float, float]
    ) -> None:
        super().__init__(settings, context)
        self._away_ns = tuple(context.time.now_ns() + int(second * SECOND_NS) for second in away)
        self._tell = tell
        self._numbers = 0
        self._clock = context.time
        self._name = context.venue
        self._turn = Turn.VENUE.order(venue=context.venue, number=3)
        self._bell = context.time.bell(self._turn)
        self._due: list[tuple[int, int, OrderUpdate | None]] = []
        self.streams = True

    def answers_at_ns(self, order: Order) -> None:
        return None

    async def place(self, order: Order) -> OrderReport:
        report = await super().place(order)
        self._numbers += 1
        said = self._tell(self._numbers, report)
        if said is None:
            return report
        for number, one in enumerate(said):
            at_ns = self._clock.now_ns() + one.after_ms * 1_000_000
            self._due.append((at_ns, len(self._due) + number, one.update))
        self._due.sort(key=lambda due: due[:2])
        self._bell.ring()
        return OrderReport(
            client_order_id=order.client_order_id, venue_order_id=report.venue_order_id, status=OrderStatus.OPEN
        )

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        """Return those of which something is still to be told."""
        ids = dict.fromkeys(update.client_order_id for _, _, update in self._due if update is not None)
        return [OrderUpdate(client_order_id=order_id, venue_order_id="v", filled=Decimal(0)) for order_id in ids]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        if self._away_ns[0] <= self._clock.now_ns() < self._away_ns[1]:
            raise VenueError(f"{self._name}: not to be had")
        self._due = [due for due in self._due if due[0] >= self._clock.now_ns()]
        task_status.started()
        while True:
            while self._due and self._due[0][0] <= self._clock.now_ns():
                update = self._due.pop(0)[2]
                if update is None:
                    raise VenueError(f"{self._name}: the stream was cut")
                sink(update)
            await self._bell.wait(self._due[0][0] if self._due else None)


def parts(report: OrderReport, count: int) -> tuple[Fill, ...]:
    """Return the fills of a report, the first of them in so many parts."""
    first, *others = report.fills
    part = first.quantity / count
    return (
        *(
            msgspec.structs.replace(
                first,
                fill_id=f"{first.fill_id}.{number}",
                quantity=part,
                fee=first.fee / count,
            )
            for number in range(count)
        ),
        *others,
    )


def telling(tells: Mapping[str, Tell], away: tuple[float, float] = (0, 0)) -> ExchangeSpec:
    """Return the exchange named ``telling``; a venue that isn't among ``tells`` is a plain paper venue.

    ``away``: from when to when, in seconds of the campaign, no stream can be had.
    """

    @asynccontextmanager
    async def open_exchange(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        tell = tells.get(context.venue)
        if tell is None:
            yield PaperExchange(settings, context)
        else:
            yield TellingExchange(settings, context, tell, away)

    return ExchangeSpec(name="telling", doc="tells", settings=PaperSettings, open=open_exchange)
