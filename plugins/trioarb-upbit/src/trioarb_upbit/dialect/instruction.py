"""An order of the engine as the parameters of one of the venue's.

Source: both venues' pages on placing orders. A market buy says how much money is spent, a market sell how much is sold.
"""

from __future__ import annotations

from trioarb.api import Order, OrderRejected, OrderType, Side, TimeInForce, text

__all__ = ["instruction"]

_TIMES = {TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok", TimeInForce.GTC: None}


def instruction(order: Order, *, type_field: str) -> dict[str, str | None]:
    """Return side, type, price, volume and time in force; ``type_field``: what the venue calls the type.

    Raises:
        OrderRejected: the venue has no such order.
        ValueError: the order contradicts itself.
    """
    if problem := order.problem():
        raise ValueError(f"{order.client_order_id}: {problem}")
    if order.reduce_only:
        raise OrderRejected(f"{order.client_order_id}: there is no reduce-only on a spot market")
    side = {"side": "bid" if order.side is Side.BUY else "ask"}
    if order.type is OrderType.LIMIT:
        return {
            **side,
            type_field: "limit",
            "price": text(order.limit_price),
            "volume": text(order.quantity),
            "time_in_force": "post_only" if order.post_only else _TIMES[order.time_in_force],
        }
    if order.time_in_force is TimeInForce.FOK:
        raise OrderRejected(f"{order.client_order_id}: no market order is all or nothing here")
    if order.amount:
        return {**side, type_field: "price", "price": text(order.amount)}
    if order.side is Side.BUY:
        raise OrderRejected(f"{order.client_order_id}: a market buy needs an amount of money, not a quantity")
    return {**side, type_field: "market", "volume": text(order.quantity)}
