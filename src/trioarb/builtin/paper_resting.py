"""Orders that rest at a paper venue, and when the market fills them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum

import attrs

from trioarb.api import EXACT, ZERO, Fill, Order, OrderReport, OrderStatus, Side
from trioarb.builtin.paper_matching import Level

__all__ = ["Resting", "RestingFills"]


class RestingFills(Enum):
    """When an order that rests fills: once the other side reaches its price, or also by its place in the queue."""

    THROUGH = "through"
    QUEUE = "queue"


@attrs.define
class Resting:
    """An order at rest: what it filled so far, and its place in the queue at its price.

    ``ahead`` is displayed before it, of what is ``displayed`` at its price; unknown until the price is seen.
    """

    order: Order
    venue_order_id: str
    fills: tuple[Fill, ...] = ()
    ahead: Decimal | None = None
    displayed: Decimal = ZERO

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def unfilled(self) -> Decimal:
        return EXACT.subtract(self.order.quantity, self.filled)

    def report(self, status: OrderStatus = OrderStatus.OPEN) -> OrderReport:
        return OrderReport(
            client_order_id=self.order.client_order_id,
            venue_order_id=self.venue_order_id,
            status=status,
            fills=self.fills,
        )

    def advance(self, own_side: Sequence[Level]) -> Decimal:
        """Take what its own side displays now, best first; return how much traded at its price reaches it.

        What vanishes at its price counts as traded, from the front of the queue, so that what others cancelled helps
        it, too; what comes stands behind it. Without levels, or where they don't reach as far, nothing is known.
        """
        shown = self._shown(own_side)
        if shown is None:
            return ZERO
        if self.ahead is None:
            self.ahead = self.displayed = shown
            return ZERO
        gone = EXACT.subtract(self.displayed, shown)
        self.displayed = shown
        if gone <= 0:
            return ZERO
        reaching = max(ZERO, EXACT.subtract(gone, self.ahead))
        self.ahead = max(ZERO, EXACT.subtract(self.ahead, gone))
        return min(reaching, self.unfilled)

    def _shown(self, own_side: Sequence[Level]) -> Decimal | None:
        """Return how much is displayed at its price; ``None``: it isn't known."""
        price, is_buy = self.order.limit_price, self.order.side is Side.BUY
        if not own_side:
            return None
        last = own_side[-1].price
        if price < last if is_buy else price > last:
            return None
        return next((level.quantity for level in own_side if level.price == price), ZERO)
