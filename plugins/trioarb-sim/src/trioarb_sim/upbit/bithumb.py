"""What Bithumb says of an account's orders in its own words: below ``/v2``, and on its private stream, Private v2."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trioarb.api import OrderType, Side
from trioarb_sim.order import Refusal, VenueOrder
from trioarb_sim.venue import OrderChanged

__all__ = ["in_first_version", "my_order", "page"]


def in_first_version(body: dict[str, object]) -> dict[str, object]:
    """Return an order as ``/v1`` names it: by ``uuid``, with ``ord_type``."""
    renamed = {"order_type": "ord_type"}
    return {renamed.get(name, name): value for name, value in body.items() if name != "order_id"}


def page(bodies: Sequence[dict[str, object]], *, limit: int, after: str) -> dict[str, object]:
    """Return a page of a list of ``/v2``, the newest first; ``after`` is the key of the page before, or nothing."""
    listed = list(reversed(bodies))
    start = int(after) if after.isdecimal() else 0
    shown = listed[start : start + limit]
    has_next = start + limit < len(listed)
    return {"data": shown, "has_next": has_next, "next_key": str(start + limit) if has_next else None}


def my_order(
    told: OrderChanged, state: str, *, time_in_force: str | None, order_id: str, trade_id: str
) -> dict[str, object]:
    """An order's event: what has no value is left out, and fees are those of all trades so far.

    Source: the venue's page on moving to Private v2.
    """
    one, execution = told.order, told.execution
    done = one.executions
    event: dict[str, object] = {
        "type": "myOrder",
        "code": one.terms.market,
        "order_id": order_id,
        "side": "BID" if one.terms.side is Side.BUY else "ASK",
        "order_type": _type(one),
        "state": state,
        "client_order_id": one.terms.client_id or None,
        "time_in_force": time_in_force,
        "order_price": _number(one.terms.price) or None,
        "order_quantity": _number(one.terms.quantity) or None,
        "order_amount": _number(one.terms.amount) or None,
        "remaining_quantity": _number(one.terms.quantity - told.filled) if one.terms.quantity else None,
        "executed_quantity": _number(told.filled),
        "executed_amount": _number(sum((each.price * each.quantity for each in done), Decimal(0))),
        "paid_fee": _number(sum((each.fee for each in done), Decimal(0))),
        "cancel_type": _cancel_type(told),
        "order_timestamp": one.created_ms,
        "timestamp": told.at_ms,
        "stream_type": "REALTIME",
    }
    if execution is not None:
        event |= {
            "trade_id": trade_id,
            "trade_price": _number(execution.price),
            "trade_quantity": _number(execution.quantity),
            "trade_amount": _number(execution.price * execution.quantity),
            "trade_timestamp": told.at_ms,
        }
    return {name: value for name, value in event.items() if value is not None}


def _cancel_type(told: OrderChanged) -> str | None:
    return "tif_cancel" if told.order.why == Refusal.WOULD_TAKE.value else None


def _type(one: VenueOrder) -> str:
    if one.terms.type is OrderType.LIMIT:
        return "limit"
    return "price" if one.terms.amount else "market"


def _number(value: Decimal) -> float:
    return float(value)
