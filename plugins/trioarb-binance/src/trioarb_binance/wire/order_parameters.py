"""An order as parameters of a request: the same by REST and by the WebSocket API."""

from __future__ import annotations

from trioarb.api import Order, OrderType, SelfTrade, text

__all__ = ["spot_order", "usdm_order"]

#: In Binance's words it is the taker or the maker that expires, and the taker is the new order.
_SELF_TRADE = {
    SelfTrade.CANCEL_NEW: "EXPIRE_TAKER",
    SelfTrade.CANCEL_OLD: "EXPIRE_MAKER",
    SelfTrade.CANCEL_BOTH: "EXPIRE_BOTH",
}


def spot_order(order: Order, *, native_id: str, client_id: str) -> dict[str, str]:
    """Return the parameters of a spot order. The answer is to tell its fills (``FULL``).

    Raises:
        ValueError: it is reduce-only, which spot doesn't know.
    """
    if order.reduce_only:
        raise ValueError("Binance spot has no reduce-only orders")
    parameters = _common(order, native_id=native_id, client_id=client_id, answer="FULL")
    if order.type is OrderType.MARKET:
        size = {"quoteOrderQty": text(order.amount)} if order.amount else {"quantity": text(order.quantity)}
        return {**parameters, "type": "MARKET", **size}
    priced = {"quantity": text(order.quantity), "price": text(order.limit_price)}
    if order.post_only:
        return {**parameters, "type": "LIMIT_MAKER", **priced}
    return {**parameters, "type": "LIMIT", **priced, "timeInForce": order.time_in_force.name}


def usdm_order(order: Order, *, native_id: str, client_id: str) -> dict[str, str]:
    """Return the parameters of an order of a USDT-margined contract, in one-way mode. The answer tells no fills.

    Raises:
        ValueError: it has an amount, which contracts don't know.
    """
    if order.amount:
        raise ValueError("Binance futures have no market orders by amount")
    parameters = _common(order, native_id=native_id, client_id=client_id, answer="RESULT")
    if order.reduce_only:
        parameters["reduceOnly"] = "true"
    if order.type is OrderType.MARKET:
        return {**parameters, "type": "MARKET", "quantity": text(order.quantity)}
    return {
        **parameters,
        "type": "LIMIT",
        "quantity": text(order.quantity),
        "price": text(order.limit_price),
        "timeInForce": "GTX" if order.post_only else order.time_in_force.name,
    }


def _common(order: Order, *, native_id: str, client_id: str, answer: str) -> dict[str, str]:
    parameters = {
        "symbol": native_id,
        "side": order.side.name,
        "newClientOrderId": client_id,
        "newOrderRespType": answer,
    }
    if order.self_trade is not None:
        parameters["selfTradePreventionMode"] = _SELF_TRADE[order.self_trade]
    return parameters
