"""Follow a venue's stream of order updates; while it is cut no entry has a leg there, and open orders are asked for."""

from __future__ import annotations

import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.errors import PluginFault, VenueError
from trioarb.model.event import UpdatesDown, UpdatesUp
from trioarb.model.order import OrderUpdate
from trioarb.model.trade import EndedBy
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["OrderStream", "follow_updates"]

#: By which rule entries are denied where a stream is cut.
_RULE = "updates_down"
#: The pause before a stream that was cut is asked for again; it doubles, unless the stream was up for a while.
_FIRST_PAUSE_NS, _LONGEST_PAUSE_NS = SECOND_NS, 30 * SECOND_NS
_A_WHILE_NS = 60 * SECOND_NS
#: How often the venue is asked what it did while the stream was cut, until it says so.
_ASK_EVERY_NS = SECOND_NS
#: So many problems of a stream are named.
_MOST_NAMED = 10


async def follow_updates(campaign: Campaign, nursery: trio.Nursery) -> None:
    """Follow the streams of all venues that have one, beyond this call; return once each is up, or can't be had."""
    for venue, exchange in campaign.world.exchanges.items():
        if exchange.streams:
            await nursery.start(OrderStream(campaign, venue).run)


class OrderStream:
    """One venue's stream. What it says of our orders is recorded; whose other orders it speaks of is named once."""

    def __init__(self, campaign: Campaign, venue: str) -> None:
        self._campaign = campaign
        self._parts = campaign.parts
        self._venue = venue
        self._exchange = campaign.world.exchanges[venue]
        self._turn = Turn.VENUE.order(venue=venue, number=4)
        self._is_up = self._was_cut = False
        self._named: set[str] = set()
        self._log = structlog.get_logger("trioarb.updates")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the stream until cancelled, again each time it is cut; say ``started()`` once it is up or can't be."""
        time, pause_ns, has_started = self._parts.time, _FIRST_PAUSE_NS, False
        self._parts.guards.holds.hold(_RULE, "they have not begun", venue=self._venue)
        while True:
            since_ns, answered = time.now_ns(), trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, answered, nursery.cancel_scope)
                await answered.wait()
                await time.pick_up(self._turn)
                if self._is_up and self._was_cut:
                    await self._catch_up()
                if self._is_up:
                    self._go_on()
                if not has_started:
                    has_started = True
                    task_status.started()
            if time.now_ns() - since_ns >= _A_WHILE_NS:
                pause_ns = _FIRST_PAUSE_NS
            await time.sleep(pause_ns, self._turn)
            pause_ns = min(2 * pause_ns, _LONGEST_PAUSE_NS)

    async def _listen(self, answered: trio.Event, beside: trio.CancelScope) -> None:
        """Let the venue tell of its orders until the stream is cut, which ends what is asked beside it."""
        try:
            await self._exchange.updates(self._hear, task_status=_Subscribed(self, answered))
        except PluginFault as error:
            self._name(str(error))
            self._cut(str(error))
        except VenueError as error:
            self._cut(str(error))
        if answered.is_set():
            beside.cancel()
        answered.set()

    def subscribed(self) -> None:
        self._is_up = True
        self._parts.executor.stream_is_up(self._venue)

    def _cut(self, reason: str) -> None:
        self._is_up, self._was_cut = False, True
        self._parts.guards.holds.hold(_RULE, reason, venue=self._venue)
        self._parts.journal.record(UpdatesDown(venue=self._venue, reason=reason))
        self._parts.executor.stream_is_cut(self._venue)

    def _go_on(self) -> None:
        self._parts.guards.holds.release(_RULE, venue=self._venue)
        if self._was_cut:
            self._was_cut = False
            self._parts.journal.record(UpdatesUp(venue=self._venue))

    async def _catch_up(self) -> None:
        """Learn what became of our orders while the stream was cut, however often the venue has to be asked."""
        open_ids = await self._ask_for_open()
        for order in tuple(self._parts.trades.orders.values()):
            submitted = order.submitted
            # What isn't acknowledged is on its way, and waited for; to ask for it would be too early.
            if submitted.venue != self._venue or not order.is_acknowledged or submitted.client_order_id in open_ids:
                continue
            while not order.is_done and not await self._parts.executor.ask(order):
                await self._parts.time.sleep(_ASK_EVERY_NS, self._turn)

    async def _ask_for_open(self) -> frozenset[str]:
        """Return the orders that the venue calls open, and of which it told every fill."""
        symbols = [symbol for symbol, by_venue in self._parts.instruments.items() if self._venue in by_venue]
        while True:
            try:
                found = await self._exchange.open_orders(symbols)
            except PluginFault as error:
                self._name(str(error))
                return frozenset()
            except VenueError as error:
                self._log.warning("open orders not known yet", venue=self._venue, error=str(error))
                await self._parts.time.sleep(_ASK_EVERY_NS, self._turn)
                continue
            for update in found:
                self._hear(update)
            missing = self._parts.executor.missing_fills
            return frozenset(one.client_order_id for one in found) - missing

    def _hear(self, update: OrderUpdate) -> None:
        """Record what is said of an order of ours."""
        try:
            is_known = self._parts.executor.hear(self._venue, update)
        except (VenueError, PluginFault) as error:
            self._name(str(error))
            return
        if not is_known:
            self._hear_of_other(update)

    def _hear_of_other(self, update: OrderUpdate) -> None:
        """Take note of an order that isn't ours, or was done long ago: balances tell what that changed."""
        order_id, prefix = update.client_order_id, f"{self._campaign.campaign_id}-"
        self._log.debug("an update of an order that is not under way", venue=self._venue, order=order_id)
        if not order_id.startswith(prefix):
            self._name(f"{self._venue} tells of an order that is not of this campaign: {order_id}")
            return
        number = order_id.rpartition("-")[2]
        if not number.isdecimal() or int(number) > self._parts.trades.orders_submitted:
            what = "another process trades this campaign, or a plugin sends orders of its own"
            error = f"{self._venue} tells of {order_id}, which the journal doesn't know: {what}"
            self._campaign.end(EndedBy.ERROR, error)

    def _name(self, problem: str) -> None:
        """Name what is wrong, each thing once, and no more than a user could read."""
        if problem not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(problem)
            self._campaign.problems.append(self._campaign.config.redactor.text(problem))
            self._log.warning(problem)


class _Subscribed(trio.TaskStatus[None]):
    def __init__(self, stream: OrderStream, answered: trio.Event) -> None:
        self._stream = stream
        self._answered = answered

    def started(self, value: None = None) -> None:
        self._stream.subscribed()
        self._answered.set()
