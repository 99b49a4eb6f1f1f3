"""A pair in flight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from trioarb.model.event import Intent, OrderSubmitted
from trioarb.model.order import Order, TimeInForce
from trioarb.strategy.market import Market

__all__ = ["Flight", "order_of"]


@attrs.define
class Flight:
    """A pair in flight: what the venues refused, and the orders whose fate is not known (yet).

    ``expected``: when those of them will be answered of which that is known, the next first.
    """

    market: Market
    opened: Intent
    refusals: Counter[str] = attrs.field(factory=Counter)
    unanswered: dict[str, Order] = attrs.field(factory=dict)
    expected: list[tuple[int, str, Order]] = attrs.field(factory=list)
    #: The order that rests at its venue.
    quoted: str | None = None
    #: Whether it should.
    stays: bool = True
    #: Of a loop: the markets of its symbols.
    along: Mapping[str, Market] = attrs.field(factory=dict)

    def market_of(self, symbol: str) -> Market:
        """Return the market of a symbol that it trades."""
        return self.along.get(symbol, self.market)


def order_of(submitted: OrderSubmitted) -> Order:
    """Return the order that was recorded as this intent."""
    return Order(
        client_order_id=submitted.client_order_id,
        venue=submitted.venue,
        symbol=submitted.symbol,
        side=submitted.side,
        quantity=submitted.quantity,
        limit_price=submitted.limit_price,
        time_in_force=TimeInForce.IOC if submitted.time_in_force is None else submitted.time_in_force,
        post_only=bool(submitted.post_only),
    )
