"""The parameters of an order, read as Binance reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from trioarb.api import ZERO, OrderType, SelfTrade, Side, TimeInForce
from trioarb_sim.binance.errors import ApiError
from trioarb_sim.order import OrderTerms

__all__ = ["illegal", "order_terms", "required", "whole"]

_CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIMES = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "GTC": TimeInForce.GTC}
_SELF_TRADES = {
    "NONE": None,
    "EXPIRE_TAKER": SelfTrade.CANCEL_NEW,
    "EXPIRE_MAKER": SelfTrade.CANCEL_OLD,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
}
#: By type: what it needs, and what it must not have.
_NEEDS = {
    "LIMIT": ({"timeInForce", "quantity", "price"}, {"quoteOrderQty"}),
    "LIMIT_MAKER": ({"quantity", "price"}, {"timeInForce", "quoteOrderQty"}),
    "MARKET": (set[str](), {"timeInForce", "price"}),
}


def required(params: Mapping[str, str], name: str) -> str:
    """Return a parameter.

    Raises:
        ApiError: it isn't there.
    """
    if not params.get(name):
        raise ApiError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return params[name]


def whole(params: Mapping[str, str], name: str, otherwise: int = 0) -> int:
    """Return a parameter that is a whole number, or what stands for it.

    Raises:
        ApiError: it is none.
    """
    if name not in params:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,20}", params[name]):
        raise illegal(name)
    return int(params[name])


def illegal(name: str, legal: str = "[0-9]{1,20}") -> ApiError:
    """Return how Binance says that a parameter can't be read."""
    return ApiError(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^{legal}$'.")


def order_terms(params: Mapping[str, str], client_id: str) -> OrderTerms:
    """Return what an order asks for. ``client_id``: that of an order that has none.

    Raises:
        ApiError: a parameter is missing, not allowed, or makes no sense.
    """
    side = _SIDES.get(required(params, "side"))
    if side is None:
        raise ApiError(400, -1117, "Invalid side.")
    kind = required(params, "type")
    if kind not in _NEEDS:
        raise ApiError(400, -1116, "Invalid orderType.")
    needed, forbidden = _NEEDS[kind]
    for name in sorted(needed):
        required(params, name)
    for name in sorted(forbidden & params.keys()):
        raise ApiError(400, -1106, f"Parameter '{name}' sent when not required.")
    if kind == "MARKET" and ("quantity" in params) == ("quoteOrderQty" in params):
        raise ApiError(400, -1128, "Combination of optional parameters invalid.")
    given_id = params.get("newClientOrderId", client_id)
    if not _CLIENT_ID.fullmatch(given_id):
        raise illegal("newClientOrderId", _CLIENT_ID.pattern)
    time_in_force = params.get("timeInForce", "GTC" if kind == "LIMIT_MAKER" else "IOC")
    if time_in_force not in _TIMES:
        raise ApiError(400, -1115, "Invalid timeInForce.")
    self_trade = params.get("selfTradePreventionMode", "NONE")
    if self_trade not in _SELF_TRADES:
        raise ApiError(400, -1013, "This symbol does not allow the specified self-trade prevention mode.")
    return OrderTerms(
        market=required(params, "symbol"),
        side=side,
        type=OrderType.MARKET if kind == "MARKET" else OrderType.LIMIT,
        time_in_force=_TIMES[time_in_force],
        post_only=kind == "LIMIT_MAKER",
        price=_decimal(params, "price"),
        quantity=_decimal(params, "quantity"),
        amount=_decimal(params, "quoteOrderQty"),
        client_id=given_id,
        self_trade=_SELF_TRADES[self_trade],
    )


def _decimal(params: Mapping[str, str], name: str) -> Decimal:
    if name not in params:
        return ZERO
    if not _NUMBER.fullmatch(params[name]):
        raise illegal(name, _NUMBER.pattern)
    return Decimal(params[name])
