"""Shadow mode: look at the venues' books after each order, and record what they would have given it."""

from __future__ import annotations

from collections.abc import Iterator

from trioarb.engine.campaign import Campaign
from trioarb.model.event import (
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderShadowed,
    OrderSubmitted,
    Record,
)
from trioarb.time.campaign_time import Turn

__all__ = ["shadow_orders"]

_ORDER = Turn.SERVICE.order(number=11)
_ORDER_EVENTS = (OrderSubmitted, OrderAcknowledged, OrderFilled, OrderCancelled, OrderExpired, OrderRejected)


async def shadow_orders(campaign: Campaign) -> None:
    """Compare each order, in shadow mode. What is not measured at the end is recorded as such."""
    shadowing, time, journal = campaign.shadowing, campaign.parts.time, campaign.parts.journal
    if shadowing is None:
        return
    bell = time.bell(_ORDER)

    def observe(record: Record) -> None:
        if isinstance(record.event, OrderAcknowledged):
            shadowing.follow()
        if isinstance(record.event, _ORDER_EVENTS):
            bell.ring()

    def record(compared: Iterator[OrderShadowed]) -> None:
        for event in compared:
            journal.record(event)

    journal.attach(observers=[observe])
    shadowing.begin()
    try:
        while True:
            shadowing.look(time.now_ns())
            shadowing.follow()
            record(shadowing.compared())
            await bell.wait(shadowing.due_ns)
    finally:
        record(shadowing.end())
