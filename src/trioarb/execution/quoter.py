"""Keep an order at its venue as long as it should rest there, and hedge it as it fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs
import trio

from trioarb.execution.flight import Flight
from trioarb.execution.pair import Send, Withdraw
from trioarb.execution.sender import Sender, not_sent
from trioarb.model.event import TransactionOpened
from trioarb.model.market import Route
from trioarb.model.order import Order, Purpose
from trioarb.time.campaign_time import Bell, CampaignTime

__all__ = ["Quoted", "Quoter"]

#: Whether a quote that was placed then should rest on now, and when to look again if no quote comes before.
Stays = Callable[[int], tuple[bool, int]]


@attrs.define(eq=False)
class Quoted:
    """An entry that is quoted. ``stays`` says whether it should still rest; ``bell`` wakes who keeps it."""

    opened: TransactionOpened
    stays: Stays
    bell: Bell
    placed_ns: int = 0
    is_withdrawn: bool = False

    def is_on(self, route: Route) -> bool:
        """Return whether it enters on a route."""
        opened = self.opened
        return (opened.symbol, opened.buy_venue, opened.sell_venue) == (route.symbol, route.buy_venue, route.sell_venue)

    def withdraw(self) -> None:
        """Have it cancelled, whatever the market says."""
        self.is_withdrawn = True
        self.bell.ring()

    def look(self) -> None:
        """Wake who keeps it, if it should not rest on."""
        if not self.is_withdrawn and not self.stays(self.placed_ns)[0]:
            self.bell.ring()


class Quoter:
    """Places the resting leg of a transaction, and evens out what it fills while it rests."""

    def __init__(
        self,
        *,
        sender: Sender,
        time: CampaignTime,
        shields: set[trio.CancelScope],
        next_step: Callable[[Flight, bool], object],
        make: Callable[[Flight, Send], Order],
        level_ns: int,
        retry_ns: int,
        shield_seconds: float,
    ) -> None:
        self._sender = sender
        self._time = time
        self._shields = shields
        self._next_step = next_step
        self._make = make
        self._level_ns = level_ns
        self._retry_ns = retry_ns
        self._shield_seconds = shield_seconds

    async def keep(self, flight: Flight, quoted: Quoted, order: Order) -> None:
        """Send an order, and return once it is done, should rest no longer, or its fate is not known.

        Cancelled, it leaves the order where it is: `withdraw` is the caller's to call, in any case. What is being sent
        or hedged then is waited for.
        """
        sender, order_id = self._sender, order.client_order_id
        sender.submit(flight, order, Purpose.LEG)
        quoted.placed_ns = self._time.now_ns()
        try:
            with self._shielded():
                if not await sender.recorded(order):
                    sender.conclude(flight, order, not_sent(order))
                    return
                if not await sender.place(flight, order, quoted.bell):
                    return
            flight.quoted = order_id
            await self._rest(flight, quoted, order_id)
        finally:
            flight.quoted = None
            sender.let_rest(order)

    async def withdraw(self, flight: Flight) -> None:
        """Learn the last words of a transaction's orders; those that rest are cancelled."""
        for order in tuple(flight.unanswered.values()):
            if order.rests:
                await self._sender.withdraw(flight, order)
            else:
                await self._sender.find_out(flight, order)

    async def _rest(self, flight: Flight, quoted: Quoted, order_id: str) -> None:
        uneven_ns: int | None = None
        while order_id in flight.unanswered:
            now_ns = self._time.now_ns()
            flight.stays, until_ns = (False, now_ns) if quoted.is_withdrawn else quoted.stays(quoted.placed_ns)
            step = self._next_step(flight, uneven_ns is not None and now_ns >= uneven_ns + self._level_ns)
            if isinstance(step, Withdraw):
                return
            if isinstance(step, Send):
                uneven_ns = now_ns if uneven_ns is None else uneven_ns
                if not await self._hedge(flight, step):
                    await self._pause(quoted)
                continue
            uneven_ns = None
            await quoted.bell.wait(until_ns)

    async def _pause(self, quoted: Quoted) -> None:
        """Wait before another hedge is tried, unless the quote is to be withdrawn."""
        until_ns = self._time.now_ns() + self._retry_ns
        while self._time.now_ns() < until_ns and not quoted.is_withdrawn and quoted.stays(quoted.placed_ns)[0]:
            await quoted.bell.wait(until_ns)

    async def _hedge(self, flight: Flight, step: Send) -> bool:
        """Send what evens out; return whether some of it filled."""
        with self._shielded():
            order = self._make(flight, step)
            self._sender.submit(flight, order, step.purpose)
            await self._sender.recorded(order)
            if await self._sender.send(flight, order):
                return True
            flight.refusals[step.venue] += 1
        return False

    @contextmanager
    def _shielded(self) -> Iterator[None]:
        """Keep cancellation out for as long as an order may take."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._shield_seconds) as shield:
            self._shields.add(shield)
            try:
                yield
            finally:
                self._shields.discard(shield)
