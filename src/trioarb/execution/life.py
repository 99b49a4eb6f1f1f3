"""The life of one order as its venue tells it: late or early, twice, in any order, with gaps.

A pure machine: what is heard goes in, the events that are new in the order's life come out. Whatever way the same
messages take, it ends in the same state; no fill counts twice, and none is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from trioarb.errors import VenueError
from trioarb.model.event import (
    Event,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
)
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.order import Fill, OrderStatus, OrderUpdate, Side

__all__ = ["Contradiction", "Life"]

_add, _subtract = EXACT.add, EXACT.subtract
_OPEN, _FILLED, _REJECTED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.REJECTED


class Contradiction(VenueError):
    """What a venue says of an order can't be. Nothing of the message counts."""


class Life:
    """What was heard of one order. `hear` takes a message, and returns what has to be recorded of it.

    ``filled``: sum of the fills. ``status``: OPEN until the last word is there, and all fills that it counts. What the
    venue counts and has not told is ``missing``: it has to be asked for.
    """

    __slots__ = (
        "_base",
        "_counted",
        "_fills",
        "_is_acknowledged",
        "_last",
        "_most",
        "_order",
        "_quote",
        "_trade_id",
        "filled",
        "status",
        "venue_order_id",
    )

    def __init__(self, order: OrderSubmitted, trade_id: str, base: str, quote: str) -> None:
        self._order = order
        self._trade_id = trade_id
        self._base = base
        self._quote = quote
        #: Fills by id; without figures those that an earlier process heard of.
        self._fills: dict[str, Fill | None] = {}
        self._is_acknowledged = False
        #: The last word, the most that the venue counted as filled, and the most that it may fill.
        self._last = _OPEN
        self._counted = ZERO
        self._most = order.quantity
        self.filled = ZERO
        self.status = _OPEN
        self.venue_order_id = ""

    def remember(self, fill_ids: Iterable[str], filled: Decimal, *, is_acknowledged: bool, last: OrderStatus) -> None:
        """Take up what the journal holds of the order; ``last`` is OPEN where that has no last word."""
        self._fills = dict.fromkeys(fill_ids)
        self._is_acknowledged = is_acknowledged
        self.filled = self._counted = filled
        self._last = self.status = last

    @property
    def is_done(self) -> bool:
        """Whether it has ended, and no fill of it is missing."""
        return self.status is not _OPEN and self._counted <= self.filled

    @property
    def missing(self) -> Decimal:
        """How much the venue counts as filled beyond the fills that it told of."""
        return max(ZERO, _subtract(self._counted, self.filled))

    def hear(self, update: OrderUpdate) -> list[Event]:
        """Take a message; return the events that are new, in the order in which they are to be recorded.

        A fill after the last word takes that back: `OrderReopened` stands before it, and another last word after it.

        Raises:
            Contradiction: it can't be, whatever else was heard: nothing of it counts.
        """
        new, filled, most = self._new_fills(update)
        status, counted = update.status, self._counted
        if update.filled is not None and update.filled > counted:
            counted = update.filled
        if most and (filled > most or counted > most):
            raise self._contradiction(f"{text(max(filled, counted))} filled of {text(most)}")
        # From here on nothing raises.
        order_id, events = update.client_order_id, list[Event]()
        self._counted, self._most = counted, most
        if update.venue_order_id:
            self.venue_order_id = update.venue_order_id
        if new and self.status is not _OPEN:
            self.status = _OPEN
            events.append(self._reopened())
        if not self._is_acknowledged and (status is not _REJECTED or filled):
            self._is_acknowledged = True
            events.append(OrderAcknowledged(client_order_id=order_id, venue_order_id=self.venue_order_id))
        if new:
            self.filled = filled
            for fill in new:
                self._fills[fill.fill_id] = fill
                events.append(self._filled(fill))
        if self._last is _OPEN:
            self._last = status
        if self.status is _OPEN:
            # A last word counts once all fills are there that it speaks of.
            is_last = counted <= filled if self._last is not _OPEN else filled == self._order.quantity
            if is_last:
                self._end(events, update.reason)
        return events

    def _new_fills(self, update: OrderUpdate) -> tuple[list[Fill], Decimal, Decimal]:
        """Return the fills that were not heard of yet, how much is filled with them, and how much may be."""
        most, filled, new = self._most, self.filled, list[Fill]()
        if update.quantity is not None:
            if update.quantity > self._order.quantity:
                what = f"its quantity is {text(update.quantity)}, of {text(self._order.quantity)} sent"
                raise self._contradiction(what)
            most = min(most, update.quantity)
        limit, is_buy = self._order.limit_price, self._order.side is Side.BUY
        for fill in update.fills:
            if fill.fill_id not in self._fills:
                if limit and (fill.price > limit if is_buy else fill.price < limit):
                    raise self._contradiction(f"filled at {text(fill.price)}, worse than its limit {text(limit)}")
                new.append(fill)
                filled = _add(filled, fill.quantity)
                continue
            known = self._fills[fill.fill_id]
            if known is not None and (known.quantity, known.price) != (fill.quantity, fill.price):
                was, now = (f"{text(one.quantity)} at {text(one.price)}" for one in (known, fill))
                raise self._contradiction(f"fill {fill.fill_id} was {was}, and now is {now}")
        return new, filled, most

    def _reopened(self) -> OrderReopened:
        order = self._order
        return OrderReopened(
            client_order_id=order.client_order_id,
            pair_id=order.pair_id,
            trade_id=self._trade_id,
            venue=order.venue,
            symbol=order.symbol,
            side=order.side,
            unfilled=_subtract(order.quantity, self.filled),
        )

    def _contradiction(self, what: str) -> Contradiction:
        return Contradiction(f"{self._order.venue} says of {self._order.client_order_id} what can't be: {what}")

    def _filled(self, fill: Fill) -> OrderFilled:
        order = self._order
        return OrderFilled(
            client_order_id=order.client_order_id,
            fill_id=fill.fill_id,
            venue=order.venue,
            symbol=order.symbol,
            side=order.side,
            base=self._base,
            quote=self._quote,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
        )

    def _end(self, events: list[Event], reason: str) -> None:
        order_id, unfilled = self._order.client_order_id, _subtract(self._order.quantity, self.filled)
        if not unfilled:
            self.status = _FILLED
        elif self._last is _REJECTED and not self.filled:
            self.status = _REJECTED
            events.append(OrderRejected(client_order_id=order_id, reason=reason))
        elif self._last is OrderStatus.EXPIRED:
            self.status = OrderStatus.EXPIRED
            events.append(OrderExpired(client_order_id=order_id, unfilled=unfilled))
        else:
            self.status = OrderStatus.CANCELLED
            events.append(OrderCancelled(client_order_id=order_id, unfilled=unfilled, reason=reason))
