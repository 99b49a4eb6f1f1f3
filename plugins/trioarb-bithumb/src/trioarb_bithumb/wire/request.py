"""Requests to Bithumb, not signed yet. Source: the venue's API reference, v2.1.5 (2026-11)."""

from __future__ import annotations

from collections.abc import Sequence

from trioarb.api import ClientIds, Offer, Order, OrderRejected, OrderType, SelfTrade, TimeInForce
from trioarb.venue import Request
from trioarb_bithumb.wire import limits
from trioarb_upbit.dialect.client_id import DIGITS
from trioarb_upbit.dialect.instruction import instruction
from trioarb_upbit.dialect.query import get, post

__all__ = [
    "CLIENT_IDS",
    "MAIN_URL",
    "OFFERS",
    "PRIVATE_STREAM_URL",
    "PUBLIC_STREAM_URL",
    "cancel_order",
    "cancel_orders",
    "get_accounts",
    "get_books",
    "get_chance",
    "get_closed_orders",
    "get_markets",
    "get_open_orders",
    "get_order",
    "get_order_list",
    "get_orders",
    "get_prices",
    "get_trades",
    "place_order",
]

MAIN_URL = "https://api.bithumb.com"
PUBLIC_STREAM_URL = "wss://ws-api.bithumb.com/websocket/v1"
PRIVATE_STREAM_URL = "wss://ws-api.bithumb.com/websocket/v2/private"

#: A ``client_order_id`` has 36 characters at most, letters, digits, ``-`` and ``_``.
CLIENT_IDS = ClientIds(alphabet=DIGITS, length=36)

#: What the venue has beyond immediate-or-cancel limit orders. It has market sells by quantity (`place_order` takes
#: them), but no market buys by quantity, so that market orders by quantity aren't offered. Of self-trades it cancels
#: the new order, always.
OFFERS = frozenset({Offer.FOK, Offer.GTC, Offer.POST_ONLY, Offer.MARKET_BY_AMOUNT, Offer.SELF_TRADE})

_MOST_CANCELS = 30
_MOST_IDS = 100
_MOST_DAYS_MS = 7 * 24 * 3_600_000


def get_markets(*, with_details: bool = True) -> Request:
    """Ask for all markets; with details also for what the venue warns of."""
    return get("/v1/market/all", {"isDetails": "true" if with_details else None}, group=limits.PUBLIC)


def get_prices(markets: Sequence[str]) -> Request:
    """Ask for the last 24 hours of some markets."""
    return get("/v1/ticker", {"markets": ",".join(markets)}, group=limits.TICKER)


def get_books(markets: Sequence[str]) -> Request:
    """Ask for books: 15 levels a side, or 30 of one market alone."""
    return get("/v1/orderbook", {"markets": ",".join(markets)}, group=limits.BOOK)


def get_trades(market: str, *, count: int | None = None) -> Request:
    """Ask for a market's last trades."""
    return get("/v1/trades/ticks", {"market": market, "count": _number(count)}, group=limits.TRADE)


def get_chance(market: str) -> Request:
    """Ask for the account's fees at a market, its least order, and whether it trades. To be signed."""
    return get("/v1/orders/chance", {"market": market}, group=limits.PRIVATE)


def get_accounts() -> Request:
    """Ask for what is owned. To be signed."""
    return get("/v1/accounts", {}, group=limits.PRIVATE)


def place_order(order: Order, market: str, *, client_id: str | None) -> Request:
    """Return an order of the engine; ``client_id``: the venue's form of its id, by `CLIENT_IDS`. To be signed.

    Raises:
        OrderRejected: the venue has no such order.
        ValueError: the order contradicts itself.
    """
    if order.self_trade not in (None, SelfTrade.CANCEL_NEW):
        raise OrderRejected(f"{order.client_order_id}: Bithumb cancels the new order of a self-trade, no other")
    rests_plainly = order.rests and not order.post_only
    if not market.startswith("KRW-") and order.type is OrderType.LIMIT and not rests_plainly:
        kind = "post-only" if order.post_only else TimeInForce(order.time_in_force).value.upper()
        raise OrderRejected(f"{order.client_order_id}: {kind} is for won markets only, and {market} is none")
    parameters = {"market": market, **instruction(order, type_field="order_type"), "client_order_id": client_id}
    return post("/v2/orders", parameters, group=limits.ORDER)


def cancel_order(*, order_id: str | None = None, client_id: str | None = None) -> Request:
    """Return the cancellation of an order, by one of its ids. To be signed."""
    ids = _one_of("order_id", order_id, client_id)
    return get("/v2/order", ids, group=limits.CANCEL, method="DELETE", is_read=False)


def cancel_orders(*, order_ids: Sequence[str] = (), client_ids: Sequence[str] = ()) -> Request:
    """Return the cancellation of some orders, 30 at most, by ids of one kind. To be signed.

    Raises:
        ValueError: none, too many, or of both kinds.
    """
    return post("/v2/orders/cancel", _some_of(order_ids, client_ids, _MOST_CANCELS), group=limits.CANCEL_SEVERAL)


def get_order(*, uuid: str | None = None, client_id: str | None = None) -> Request:
    """Ask for an order and its trades, by one of its ids. To be signed."""
    return get("/v1/order", _one_of("uuid", uuid, client_id), group=limits.PRIVATE)


def get_orders(*, order_ids: Sequence[str] = (), client_ids: Sequence[str] = ()) -> Request:
    """Ask for some orders, 100 at most, by ids of one kind. It changes nothing, though it is a POST. To be signed.

    Raises:
        ValueError: none, too many, or of both kinds.
    """
    ids = _some_of(order_ids, client_ids, _MOST_IDS)
    return post("/v2/orders/search", ids, group=limits.PRIVATE, is_read=True)


def get_open_orders(
    *, market: str | None = None, state: str | None = None, limit: int | None = None, next_key: str | None = None
) -> Request:
    """Ask for open orders, 100 at most; ``state``: wait, as by default, or watch. To be signed.

    ``next_key`` is that of the answer before.
    """
    return get(
        "/v2/orders/pending",
        {"market": market, "state": state, "limit": _number(limit), "next_key": next_key},
        group=limits.PRIVATE,
    )


def get_closed_orders(
    *,
    market: str | None = None,
    states: Sequence[str] = (),
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int | None = None,
    next_key: str | None = None,
) -> Request:
    """Ask for orders that are done or cancelled, 1,000 of seven days at most. To be signed.

    ``next_key`` is that of the answer before.

    Raises:
        ValueError: more than seven days.
    """
    if start_ms is not None and end_ms is not None and end_ms - start_ms > _MOST_DAYS_MS:
        raise ValueError("closed orders are asked for by seven days at most")
    return get(
        "/v2/orders/history",
        {
            "market": market,
            "state": states[0] if len(states) == 1 else None,
            "states": () if len(states) == 1 else states,
            "start_time": _number(start_ms),
            "end_time": _number(end_ms),
            "limit": _number(limit),
            "next_key": next_key,
        },
        group=limits.PRIVATE,
    )


def get_order_list(
    *, market: str, state: str | None = None, page: int | None = None, limit: int | None = None
) -> Request:
    """Ask for orders of one state by the older list, which knows no times. To be signed."""
    return get(
        "/v1/orders",
        {"market": market, "state": state, "page": _number(page), "limit": _number(limit)},
        group=limits.PRIVATE,
    )


def _one_of(name: str, venue_id: str | None, client_id: str | None) -> dict[str, str | None]:
    if not (venue_id or client_id):
        raise ValueError(f"an order needs an {name} or a client_order_id")
    return {name: venue_id} if venue_id else {"client_order_id": client_id}


def _some_of(order_ids: Sequence[str], client_ids: Sequence[str], most: int) -> dict[str, Sequence[str]]:
    if bool(order_ids) == bool(client_ids) or len(order_ids) + len(client_ids) > most:
        raise ValueError(f"orders are named by order_ids or by client_order_ids, from 1 to {most}")
    return {"order_ids": order_ids} if order_ids else {"client_order_ids": client_ids}


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)
