"""An exchange around another one, which lets some of what passes through go wrong.

Whatever goes wrong on the way, what the wrapped venue executed is what this one remembers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

import msgspec
import structlog
import trio

from trioarb.api import (
    SECOND_NS,
    Contracts,
    ExchangeContext,
    ExchangeWrapper,
    Instrument,
    Listing,
    Order,
    OrderRejected,
    OrderReport,
    OrderSink,
    OrderStatus,
    OrderUpdate,
    Turn,
    VenueError,
    VenueOrder,
    seconds_to_ns,
)
from trioarb_faults.altered import Altered, cut
from trioarb_faults.chance import layer_around, stream
from trioarb_faults.fault import EPISODES, TELLING, Fault, parse_script
from trioarb_faults.memory import Memory
from trioarb_faults.settings import FaultyExchangeSettings
from trioarb_faults.told import Told, messages

__all__ = ["FaultyExchange"]

T = TypeVar("T")


class FaultyExchange(ExchangeWrapper):
    """Passes everything on to the venue that it wraps, and lets some of it go wrong.

    Every order takes the same number of draws from every fault's own random stream, used or not: switching a fault on
    doesn't shift what the others draw.
    """

    def __init__(self, settings: FaultyExchangeSettings, context: ExchangeContext, memory: Memory) -> None:
        assert context.inner is not None
        super().__init__(context.inner)
        self.layer = layer_around(context.inner, FaultyExchange)
        self._venue = context.venue
        self._time = context.time
        self._memory = memory
        self._delay_ns = seconds_to_ns(settings.delay_ms / 1000)
        self._script = parse_script(settings.script)
        self._chances = {fault: float(getattr(settings, fault.value)) for fault in Fault}
        self._streams = {fault: stream(context.seed, context.venue, self.layer, fault.value) for fault in Fault}
        self._episode_ns = {fault: seconds_to_ns(getattr(settings, f"{fault.value}_seconds")) for fault in EPISODES}
        self._until_ns = dict.fromkeys(EPISODES, 0)
        active = settings.active_seconds
        self._calm_from_ns = None if active is None else context.time.now_ns() + seconds_to_ns(active)
        scripted = {fault for suffered in self._script.values() for fault in suffered}
        self.streams = context.inner.streams or any(self._chances[one] or one in scripted for one in TELLING)
        self._told = Told(context.time, context.venue)
        self._cut_stream_ns = seconds_to_ns(settings.cut_stream_seconds)
        #: By how much the cancellations of these orders come late.
        self._late_cancels: dict[str, int] = {}
        self._submitted = 0
        self._instruments: dict[str, Instrument] = {}
        self._log = structlog.get_logger("trioarb.faulty")

    async def instruments(self, listings: Sequence[Listing]) -> Mapping[str, Instrument]:
        instruments = await self.inner.instruments(listings)
        self._instruments.update(instruments)
        return instruments

    async def balances(self) -> Mapping[str, Decimal]:
        return await self._asked(self.inner.balances)

    async def positions(self) -> Mapping[str, Contracts]:
        return await self._asked(self.inner.positions)

    async def place(self, order: Order) -> OrderReport:
        await self._pause(0, order)  # orders of the same moment are numbered alike every time
        faults = self._faults(order)
        self._refuse(faults)
        if Fault.LOSE_ORDER in faults:
            await trio.sleep_forever()
        before_ns, after_ns = self._delays(faults)
        if before_ns:
            await self._pause(before_ns, order)
            self._require_connection()
        if Fault.LATE_CANCEL in faults:
            self._late_cancels[order.client_order_id] = int(faults[Fault.LATE_CANCEL][0] * self._delay_ns)
        sent = self._alter(order, faults)
        answer: OrderReport | VenueError
        try:
            answer = self._reported(await self.inner.place(sent))
        except VenueError as error:
            answer = error
        if after_ns:
            await self._pause(after_ns, order)
        self._require_connection()
        if isinstance(answer, OrderReport) and answer.status.is_final:
            answer = self._tell(answer, faults)
        if Fault.LOSE_ACK in faults:
            raise VenueError(f"{self._venue}: the answer was lost")
        if isinstance(answer, VenueError):
            raise answer
        return _garbled(answer, faults)

    def _tell(self, report: OrderReport, faults: Mapping[Fault, tuple[float, float]]) -> OrderReport:
        """Return what the answer says of an order: all of it, or that it is acknowledged, if updates tell the rest."""
        if not any(fault in faults for fault in TELLING):
            return report
        if Fault.CUT_STREAM in faults:
            self._told.cut(self._time.now_ns() + self._cut_stream_ns)
        if not self._told.is_cut:
            self._told.tell(messages(report, faults), self._delay_ns)
        return OrderReport(
            client_order_id=report.client_order_id, venue_order_id=report.venue_order_id, status=OrderStatus.OPEN
        )

    async def cancel(self, client_order_id: str) -> None:
        late_ns = self._late_cancels.pop(client_order_id, 0)
        if late_ns:
            await self._time.sleep(late_ns, Turn.VENUE.order(venue=self._venue, number=1))
        await self._asked(lambda: self.inner.cancel(client_order_id))

    async def open_orders(self, symbols: Sequence[str]) -> Sequence[OrderUpdate]:
        return [self._updated(one) for one in await self._asked(lambda: self.inner.open_orders(symbols))]

    async def updates(self, sink: OrderSink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._told.require()
        async with trio.open_nursery() as nursery:
            if self.inner.streams:
                await nursery.start(partial(self._pass_on, sink))
            await nursery.start(self._told.run, sink)
            task_status.started()

    async def _pass_on(self, sink: OrderSink, *, task_status: trio.TaskStatus[None]) -> None:
        await self.inner.updates(lambda update: sink(self._updated(update)), task_status=task_status)

    def _updated(self, update: OrderUpdate) -> OrderUpdate:
        altered = self._memory.get(update.client_order_id)
        return update if altered is None else altered.updated(update)

    async def order(self, client_order_id: str) -> OrderReport | None:
        report = await self._asked(lambda: self.inner.order(client_order_id))
        return None if report is None else self._reported(report)

    async def orders(self, symbols: Sequence[str], since_ns: int) -> Sequence[VenueOrder]:
        return [self._remembered(one) for one in await self._asked(lambda: self.inner.orders(symbols, since_ns))]

    def _faults(self, order: Order) -> Mapping[Fault, tuple[float, float]]:
        """Return what happens to the next order, each fault with two numbers below 1 that say how."""
        self._submitted += 1
        scripted = self._script.get(self._submitted)
        is_calm = self._calm_from_ns is not None and self._time.now_ns() >= self._calm_from_ns
        faults = {}
        for fault, draws in self._streams.items():
            luck, how = draws.random(), (draws.random(), draws.random())
            by_chance = luck < self._chances[fault] and not is_calm
            if by_chance if scripted is None else fault in scripted:
                faults[fault] = how
        if faults:
            names = [fault.value for fault in faults]
            self._log.debug("faults", venue=self._venue, order=order.client_order_id, faults=names)
        return faults

    def _refuse(self, faults: Iterable[Fault]) -> None:
        """Let episodes begin, unless one holds already, and raise if the order doesn't get through."""
        if not any(map(self._holds, EPISODES)):
            for fault in EPISODES:
                if fault in faults:
                    self._until_ns[fault] = self._time.now_ns() + self._episode_ns[fault]
        self._require_connection()
        if self._holds(Fault.RATE_LIMIT):
            raise OrderRejected(self._too_many_requests())
        if self._holds(Fault.CLOCK_SKEW):
            raise OrderRejected(f"{self._venue}: timestamp outside of the receive window")
        if Fault.REJECT in faults:
            raise OrderRejected(f"{self._venue}: refused by a fault")

    def _holds(self, episode: Fault) -> bool:
        return self._time.now_ns() < self._until_ns[episode]

    def _require_connection(self) -> None:
        if self._holds(Fault.DISCONNECT):
            raise VenueError(f"{self._venue}: not connected, for {self._rest(Fault.DISCONNECT)} more")

    def _too_many_requests(self) -> str:
        return f"{self._venue}: 429 too many requests, for {self._rest(Fault.RATE_LIMIT)} more"

    def _rest(self, episode: Fault) -> str:
        return f"{(self._until_ns[episode] - self._time.now_ns()) / SECOND_NS:.3f} s"

    async def _asked(self, query: Callable[[], Awaitable[T]]) -> T:
        """Return what the venue answers, if it can be asked and the answer comes through."""
        self._require_connection()
        if self._holds(Fault.RATE_LIMIT):
            raise VenueError(self._too_many_requests())
        answer = await query()
        self._require_connection()
        return answer

    async def _pause(self, duration_ns: int, order: Order) -> None:
        await self._time.sleep(duration_ns, Turn.VENUE.order(symbol=order.symbol, venue=self._venue))

    def _delays(self, faults: Mapping[Fault, tuple[float, float]]) -> tuple[int, int]:
        """Return how much later the order arrives, and how much later its answer; one of them is 0."""
        if Fault.DELAY not in faults:
            return 0, 0
        which, amount = faults[Fault.DELAY]
        delay_ns = int(amount * self._delay_ns) + 1
        return (delay_ns, 0) if which < 0.5 else (0, delay_ns)

    def _alter(self, order: Order, faults: Mapping[Fault, tuple[float, float]]) -> Order:
        """Return what the wrapped venue gets instead of the order, and remember it."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None:  # the venue refuses it anyway
            return order
        sent = cut(order, instrument, faults[Fault.PARTIAL][0]) if Fault.PARTIAL in faults else order
        split = Fault.REORDER_FILLS in faults
        if split or sent is not order:
            altered = Altered(quantity=order.quantity, lot_size=instrument.rules.lot, split=split)
            self._memory.keep(order.client_order_id, altered)
        return sent

    def _reported(self, report: OrderReport) -> OrderReport:
        altered = self._memory.get(report.client_order_id)
        return report if altered is None else altered.reported(report)

    def _remembered(self, one: VenueOrder) -> VenueOrder:
        altered = self._memory.get(one.order.client_order_id)
        if altered is None:
            return one
        return VenueOrder(
            order=msgspec.structs.replace(one.order, quantity=altered.quantity),
            report=None if one.report is None else altered.reported(one.report),
        )


def _garbled(report: OrderReport, faults: Iterable[Fault]) -> OrderReport:
    fills = report.fills[::-1] if Fault.REORDER_FILLS in faults else report.fills
    return msgspec.structs.replace(report, fills=fills + fills[:1] if Fault.DUPLICATE_FILLS in faults else fills)
