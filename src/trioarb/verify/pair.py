"""The state of a pair, and of the trade that it belongs to."""

from __future__ import annotations

from decimal import Decimal

import attrs

from trioarb.model.event import (
    DustLeft,
    Intent,
    OrderSubmitted,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ResidualLeft,
    ResidualOffered,
    ResidualsPaired,
)
from trioarb.model.number import ZERO
from trioarb.verify.flow import Flow
from trioarb.verify.listings import Listed
from trioarb.verify.loop import Loop

__all__ = ["Pair", "Trade", "is_average"]

#: Average prices are cut after 20 digits.
_AVERAGE = Decimal("1e-19")


@attrs.define(eq=False)
class Trade:
    """A trade that isn't over. ``quantity``, ``cash`` and ``fees`` are its position's, ``realised`` what events say."""

    entry: Intent
    opened: PositionOpened | None = None
    opened_ns: int = 0
    quantity: Decimal = ZERO
    cash: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal = ZERO
    exposure_usd: Decimal = ZERO
    is_closed: bool = False
    pnl_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    exits: Flow = attrs.field(factory=Flow)
    #: What it opened late, of which `PositionOpened` is to follow, and how what was booked of it changed; and its
    #: entry, where that is closed at once.
    paired: ResidualsPaired | None = None
    paired_usd: Decimal = ZERO
    late_entry: Pair | None = None


@attrs.define(eq=False)
class Pair:
    """A pair, and its trade's position as it was before.

    ``undone`` are its orders without a last word. ``position`` is the event that opened, reduced or closed a position.
    """

    opened: Intent
    trade: Trade
    listed: Listed
    quantity_before: Decimal
    earned_before: Decimal
    is_entry: bool
    buy: Flow = attrs.field(factory=Flow)
    sell: Flow = attrs.field(factory=Flow)
    undone: dict[str, OrderSubmitted] = attrs.field(factory=dict)
    residuals: list[ResidualLeft] = attrs.field(factory=list)
    dust: list[DustLeft] = attrs.field(factory=list)
    #: By order: how much more it is than the pair wants; and what was traded of that, by venue.
    offered: dict[str, ResidualOffered] = attrs.field(factory=dict)
    taken: dict[str, Flow] = attrs.field(factory=dict)
    #: What its orders did after it had ended, by venue.
    late: dict[str, Flow] = attrs.field(factory=dict)
    position: PositionOpened | PositionReduced | PositionClosed | None = None
    #: What an entry without an exit bought and sold: it opened a position and closed it at once.
    traded_once: Decimal = ZERO
    has_ended: bool = False
    #: The legs of a transaction, by their places, that an order was sent for.
    sent_legs: set[int] = attrs.field(factory=set)
    #: What it is, if it goes through several symbols.
    loop: Loop | None = None

    def in_all(self, venue: str) -> Flow:
        """Return what it traded of its symbol at a venue, late fills included."""
        own, late = self.buy if venue == self.opened.buy_venue else self.sell, self.late.get(venue)
        return own if late is None else own.with_all(late)

    @property
    def earned(self) -> Decimal:
        if self.loop is not None:
            return self.loop.earned
        return self.buy.earned + self.sell.earned + sum((flow.earned for flow in self.taken.values()), ZERO)

    def listed_as(self, symbol: str) -> Listed:
        """Return how a symbol that it trades is listed."""
        return self.listed if self.loop is None else self.loop.listed.get(symbol, self.listed)

    def flow(self, symbol: str, venue: str) -> Flow | None:
        """Return what was traded of an instrument; ``None``: it has no leg there."""
        opened = self.opened
        if self.loop is not None:
            return self.loop.flows.get(symbol) if venue == opened.buy_venue else None
        if symbol != opened.symbol:
            return None
        return self.buy if venue == opened.buy_venue else self.sell if venue == opened.sell_venue else None


def is_average(price: Decimal, value: Decimal, quantity: Decimal) -> bool:
    """Return whether a price is value ÷ quantity, as far as it has digits."""
    return abs(price * quantity - value) <= value * _AVERAGE
