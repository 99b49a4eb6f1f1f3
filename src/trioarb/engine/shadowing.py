"""Hold what the paper model fills orders with against what their venues' books showed afterwards.

Nothing is done for a quote but where an order rests: books are looked at some times after each order was sent, by
campaign time. An order is compared once it has its last word and all of its looks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial

import attrs

from trioarb.engine.shadow_book import Taken, facing, find, is_within
from trioarb.engine.world import World
from trioarb.journal.fold import Folding
from trioarb.model.event import (
    Look,
    MarketDown,
    MarketStale,
    MarketUp,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderShadowed,
    OrderSubmitted,
    Record,
    Unmeasured,
)
from trioarb.model.market import Level
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.order import Purpose, Side
from trioarb.quotes.board import Touch

__all__ = ["Shadowing", "moments_of"]

_MS = 1_000_000
#: Multiples of the configured latency after which books are looked at.
_MULTIPLES = (Decimal("0.5"), Decimal(1), Decimal(2), Decimal(5))
#: A look that is late by more, beside a quarter of its time, is none: it would say something else than it is called.
_MOST_LATE_NS = 10 * _MS

#: What a look is called, and how long after the order was sent it is due.
Moment = tuple[str, int]


def moments_of(arrival_ns: int | None, round_trip_ns: int | None, after_ms: Sequence[Decimal]) -> tuple[Moment, ...]:
    """Return when books of a venue are looked at, in the order of their times.

    ``arrival_ns``: the latency that its orders are simulated with, ``round_trip_ns``: what was measured of the real
    venue; each ``None`` where it isn't known.
    """
    found = dict[str, int]()
    if arrival_ns is not None:
        found |= {f"x{text(times)}": int(times * arrival_ns) for times in _MULTIPLES if arrival_ns or times == 1}
    if round_trip_ns is not None:
        found |= {"half_trip": round_trip_ns // 2, "trip": round_trip_ns}
    found |= {f"{text(one)}ms": int(one * _MS) for one in after_ms}
    return tuple(sorted(found.items(), key=lambda moment: moment[1]))


@attrs.define(eq=False)
class _Order:
    """An order that is compared: ``number`` is that of its event. What rests is looked at with each quote.

    ``is_first``: there was a time at which no better price than its own was displayed on its side; ``is_blind``: a
    time at which nothing was known.
    """

    submitted: OrderSubmitted
    number: int
    sent_ns: int
    usd_rate: Decimal | None
    moments: Sequence[Moment]
    fills: list[Level] = attrs.field(factory=list)
    looks: list[Look] = attrs.field(factory=list)
    is_refused: bool = False
    is_done: bool = False
    is_at_rest: bool = False
    is_first: bool = False
    is_blind: bool = False
    reached: Decimal = ZERO

    @property
    def place(self) -> tuple[str, str, Side]:
        return self.submitted.venue, self.submitted.symbol, self.submitted.side

    @property
    def is_known(self) -> bool:
        return self.is_done and len(self.looks) == len(self.moments)

    def watch(self, touch: Touch | None) -> None:
        """Look at a quote that came while it rests."""
        order, side = self.submitted, self.submitted.side
        own = None if touch is None else (touch.bid if side is Side.BUY else touch.ask)
        other = None if touch is None else (touch.ask if side is Side.BUY else touch.bid)
        if touch is None or own is None or other is None:
            self.is_blind = True
            return
        self.is_first = self.is_first or (own <= order.limit_price if side is Side.BUY else own >= order.limit_price)
        if is_within(other, side, order.limit_price):
            there = (level.size for level in facing(side, touch) if is_within(level.price, side, order.limit_price))
            self.reached = max(self.reached, min(order.quantity, sum(there, ZERO)))

    def event(self) -> OrderShadowed:
        order = self.submitted
        rest = EXACT.subtract(order.quantity, self.reached)
        return OrderShadowed(
            client_order_id=order.client_order_id,
            venue=order.venue,
            symbol=order.symbol,
            side=order.side,
            purpose=order.purpose,
            rests=order.rests,
            sent_ns=self.sent_ns,
            quantity=order.quantity,
            limit_price=order.limit_price,
            fills=tuple(self.fills),
            is_refused=self.is_refused,
            looks=tuple(self.looks),
            reached=self.reached if order.rests else None,
            uncertain=(rest if self.is_first or self.is_blind else ZERO) if order.rests else None,
            usd_rate=self.usd_rate,
        )


class Shadowing(Folding):
    """Folds orders, and keeps those that were not compared yet: after a crash, too, from what the journal holds.

    ``moments``: by venue, when its books are looked at.
    """

    def __init__(self, world: World, moments: Mapping[str, Sequence[Moment]], *, stale_ns: int) -> None:
        self._world, self._moments, self._stale_ns = world, moments, stale_ns
        self._orders: dict[str, _Order] = {}
        self._taken = Taken()
        self._down: set[str] = set()
        #: When which order is looked at next.
        self._agenda: list[tuple[int, int, str]] = []
        self._followed: set[tuple[str, str]] = set()

    # What happens to orders

    def _submit(self, event: OrderSubmitted, record: Record) -> None:
        if event.purpose is Purpose.LIQUIDATION:
            return  # nobody sent it
        instrument = self._world.instruments.get(event.symbol, {}).get(event.venue)
        usd_rate = None if instrument is None else self._world.rates.usd.get(instrument.quote)
        moments = () if event.rests else self._moments[event.venue]
        order = _Order(event, record.seq, record.ts_ns, usd_rate, moments)
        self._orders[event.client_order_id] = order
        self._plan(order)

    def _acknowledge(self, event: OrderAcknowledged, _: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is not None and order.submitted.rests:
            order.is_at_rest = True

    def _fill(self, event: OrderFilled, _: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is None:
            return
        order.fills.append(Level(event.price, event.quantity))
        filled = sum((fill.size for fill in order.fills), ZERO)
        order.is_done = order.is_done or filled == order.submitted.quantity
        touch = self._touch(order)
        if order.submitted.rests:
            order.watch(touch)  # it may hear of its fill before it is shown the quote that filled it
        elif touch is not None:
            self._taken.note(order.place, order.number, event.price, event.quantity, touch)

    def _finish(self, event: OrderCancelled | OrderExpired | OrderRejected, _: Record) -> None:
        order = self._orders.get(event.client_order_id)
        if order is not None:
            order.is_done, order.is_refused = True, isinstance(event, OrderRejected)

    def _compare(self, event: OrderShadowed, _: Record) -> None:
        self._orders.pop(event.client_order_id, None)

    def _lose(self, event: MarketDown | MarketStale, _: Record) -> None:
        self._down.add(event.venue)
        for order in self._orders.values():
            if order.is_at_rest and order.submitted.venue == event.venue:
                order.is_blind = True

    def _regain(self, event: MarketUp, _: Record) -> None:
        self._down.discard(event.venue)

    # What is looked at

    @property
    def due_ns(self) -> int | None:
        """When somebody has to look next; ``None``: nothing is waited for."""
        return self._agenda[0][0] if self._agenda else None

    def begin(self) -> None:
        """Go on with what was under way when an earlier process ended: nobody looked at what rested meanwhile."""
        for order in self._orders.values():
            order.is_blind = order.is_blind or order.is_at_rest
        self.follow()

    def follow(self) -> None:
        """Have the quotes shown where an order rests, and no others."""
        resting = (one.submitted for one in self._orders.values() if one.is_at_rest and not one.is_done)
        places = {(one.symbol, one.venue) for one in resting if one.symbol in self._world.boards}
        for symbol, venue in sorted(places ^ self._followed):
            board = self._world.boards[symbol]
            told = partial(self._watch, symbol, venue) if (symbol, venue) in places else None
            board.followed.follow(board.venues.index(venue), told, who="shadow mode")
        for symbol, venue in sorted(places - self._followed):
            self._watch(symbol, venue)
        self._followed = places

    def look(self, now_ns: int) -> None:
        """Take the looks that are due."""
        while self._agenda and self._agenda[0][0] <= now_ns:
            _, _, order_id = heapq.heappop(self._agenda)
            order = self._orders.get(order_id)
            if order is not None:  # an earlier process compared it otherwise
                order.looks.append(self._look(order, now_ns))
                self._plan(order)

    def compared(self) -> Iterator[OrderShadowed]:
        """Yield what is to be recorded of the orders about which all is known, in the order of their sending."""
        for order in tuple(self._orders.values()):
            if order.is_known:
                yield order.event()

    def end(self) -> Iterator[OrderShadowed]:
        """Yield what is to be recorded when nobody will look any more: of the orders with a last word."""
        for order in tuple(self._orders.values()):
            order.looks += [
                Look(at=at, after_ns=after_ns, unmeasured=Unmeasured.ENDED)
                for at, after_ns in order.moments[len(order.looks) :]
            ]
        self._agenda.clear()
        yield from self.compared()

    def _plan(self, order: _Order) -> None:
        if len(order.looks) < len(order.moments):
            due_ns = order.sent_ns + order.moments[len(order.looks)][1]
            heapq.heappush(self._agenda, (due_ns, order.number, order.submitted.client_order_id))

    def _look(self, order: _Order, now_ns: int) -> Look:
        at, after_ns = order.moments[len(order.looks)]
        late_ns, submitted = now_ns - order.sent_ns - after_ns, order.submitted
        if late_ns > _MOST_LATE_NS + after_ns // 4:
            return Look(at=at, after_ns=after_ns, unmeasured=Unmeasured.MISSED)
        after_ns += late_ns
        touch = self._touch(order)
        if touch is None or self._is_down(order, now_ns):
            return Look(at=at, after_ns=after_ns, unmeasured=Unmeasured.DOWN)
        self._taken.forget_gone(order.place, touch)
        lot = self._world.instruments[submitted.symbol][submitted.venue].rules.lot
        found = find(
            facing(submitted.side, touch),
            submitted.side,
            submitted.limit_price,
            submitted.quantity,
            lot=lot,
            taken_of=partial(self._taken.before, order.place, order.number),
        )
        if not found.levels and found.beyond is None:
            return Look(at=at, after_ns=after_ns, unmeasured=Unmeasured.WITHDRAWN)
        return Look(at=at, after_ns=after_ns, levels=found.levels, taken=found.taken, beyond=found.beyond)

    def _touch(self, order: _Order) -> Touch | None:
        board = self._world.boards.get(order.submitted.symbol)
        return None if board is None else board.touch(order.submitted.venue)

    def _is_down(self, order: _Order, now_ns: int) -> bool:
        venue = order.submitted.venue
        newest_ns = self._world.boards[order.submitted.symbol].newest_ns(venue)
        return venue in self._down or now_ns - newest_ns > self._stale_ns

    def _watch(self, symbol: str, venue: str) -> None:
        touch = self._world.boards[symbol].touch(venue)
        for order in self._orders.values():
            if order.is_at_rest and not order.is_done and order.place[:2] == (venue, symbol):
                order.watch(touch)
