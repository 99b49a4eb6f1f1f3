"""Events of shadow mode: what a venue's book would have given the orders that were not sent."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

import msgspec

from trioarb.model.event.base import Event
from trioarb.model.market import Level
from trioarb.model.order import Purpose, Side

__all__ = ["Look", "OrderShadowed", "Unmeasured"]


class Unmeasured(Enum):
    """Why it isn't known what a book would have given an order."""

    ENDED = "ended"
    """The campaign had ended by then."""
    MISSED = "missed"
    """Nobody looked at that time: the process was down, or too busy."""
    DOWN = "down"
    """The venue's market data had ended or was stale."""
    WITHDRAWN = "withdrawn"
    """The side that the order takes from was not there."""


class Look(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stood in a venue's book for an order, ``after_ns`` after it was sent.

    ``at`` says which look it is: ``x1`` is once the latency that the simulated venue is configured with, ``trip`` the
    measured round trip to the venue, ``half_trip`` half of it, ``50ms`` so long. ``levels``: what the order would have
    taken, within its limit, best first. ``taken``: how much there was besides that counts as taken by earlier orders of
    ours. ``beyond``: the price at which the rest of it would have been had, whatever its limit; absent where there is
    no rest. ``unmeasured``: why it isn't known; there are no levels then.
    """

    at: str
    after_ns: int
    levels: tuple[Level, ...] = ()
    taken: Decimal | None = None
    beyond: Decimal | None = None
    unmeasured: Unmeasured | None = None


class OrderShadowed(Event, frozen=True, kw_only=True):
    """What the paper model filled of an order, and what its venue's book would have given it; in shadow mode only.

    ``fills``: price and quantity of each fill of the model, in their order. ``is_refused``: the model's venue rejected
    the order. ``looks`` are in the order of their times; an order that rests has none.

    Of an order that rests, ``reached`` is how much was seen at once on the other side at its limit or better, while it
    rested: so much would have filled. ``uncertain``: how much of the rest may have filled or not, by its place in the
    queue. ``usd_rate``: USD for one unit of the quote asset when it was sent; absent where that isn't known.
    """

    client_order_id: str
    venue: str
    symbol: str
    side: Side
    purpose: Purpose
    rests: bool
    sent_ns: int
    quantity: Decimal
    limit_price: Decimal
    fills: tuple[Level, ...]
    is_refused: bool
    looks: tuple[Look, ...]
    reached: Decimal | None = None
    uncertain: Decimal | None = None
    usd_rate: Decimal | None = None
