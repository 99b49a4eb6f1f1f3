"""Requests to Upbit, not signed yet. Source: the venue's API reference, v1.6.4 (2026-11)."""

from __future__ import annotations

from collections.abc import Sequence

from trioarb.api import ClientIds, Offer, Order, OrderRejected, SelfTrade
from trioarb.venue import Request
from trioarb_upbit.dialect.client_id import DIGITS
from trioarb_upbit.dialect.instruction import instruction
from trioarb_upbit.dialect.query import get, post
from trioarb_upbit.wire import limits

__all__ = [
    "CLIENT_IDS",
    "MAIN_URL",
    "OFFERS",
    "PRIVATE_STREAM_URL",
    "PUBLIC_STREAM_URL",
    "cancel_order",
    "get_accounts",
    "get_all_prices",
    "get_books",
    "get_chance",
    "get_closed_orders",
    "get_markets",
    "get_open_orders",
    "get_order",
    "get_orders",
    "get_prices",
    "get_ticks",
    "get_trades",
    "orderbook_code",
    "place_order",
]

MAIN_URL = "https://api.upbit.com"
PUBLIC_STREAM_URL = "wss://api.upbit.com/websocket/v1"
PRIVATE_STREAM_URL = "wss://api.upbit.com/websocket/v1/private"

#: An ``identifier`` is used once for ever, also where the first order failed. How long it may be isn't documented: 32
#: letters and digits are a UUID's without hyphens.
CLIENT_IDS = ClientIds(alphabet=DIGITS, length=32)

#: What the venue has beyond immediate-or-cancel limit orders. It has market sells by quantity (`place_order` takes
#: them), but no market buys by quantity, so that market orders by quantity aren't offered. Of self-trades it cancels
#: one order, the new or the old, never both.
OFFERS = frozenset({Offer.FOK, Offer.GTC, Offer.POST_ONLY, Offer.MARKET_BY_AMOUNT, Offer.SELF_TRADE})

_SELF_TRADES = {SelfTrade.CANCEL_NEW: "cancel_taker", SelfTrade.CANCEL_OLD: "cancel_maker"}
_DEPTHS = (1, 5, 15, 30)
_MOST_IDS = 100
_MOST_DAYS_MS = 7 * 24 * 3_600_000


def get_markets(*, with_details: bool = True) -> Request:
    """Ask for all markets; with details also for what the venue warns of."""
    return get("/v1/market/all", {"is_details": "true" if with_details else None}, group=limits.MARKET)


def get_all_prices(quotes: Sequence[str]) -> Request:
    """Ask for the last 24 hours of all markets of some quote assets."""
    return get("/v1/ticker/all", {"quote_currencies": ",".join(quotes)}, group=limits.TICKER)


def get_prices(markets: Sequence[str]) -> Request:
    """Ask for the last 24 hours of some markets."""
    return get("/v1/ticker", {"markets": ",".join(markets)}, group=limits.TICKER)


def get_books(markets: Sequence[str], *, depth: int | None = None) -> Request:
    """Ask for books of ``depth`` levels a side, 30 at most and by default."""
    count = None if depth is None else str(depth)
    return get("/v1/orderbook", {"markets": ",".join(markets), "count": count}, group=limits.ORDERBOOK)


def get_ticks(markets: Sequence[str]) -> Request:
    """Ask for the present price steps of some markets."""
    return get("/v1/orderbook/instruments", {"markets": ",".join(markets)}, group=limits.ORDERBOOK)


def get_trades(market: str, *, count: int | None = None) -> Request:
    """Ask for a market's last trades."""
    return get(
        "/v1/trades/ticks", {"market": market, "count": None if count is None else str(count)}, group=limits.TRADE
    )


def get_chance(market: str) -> Request:
    """Ask for the account's fees at a market, its least order, and whether it trades. To be signed."""
    return get("/v1/orders/chance", {"market": market}, group=limits.DEFAULT)


def get_accounts() -> Request:
    """Ask for what is owned. To be signed."""
    return get("/v1/accounts", {}, group=limits.DEFAULT)


def place_order(order: Order, market: str, *, identifier: str | None) -> Request:
    """Return an order of the engine; ``identifier``: the venue's form of its id, by `CLIENT_IDS`. To be signed.

    Raises:
        OrderRejected: the venue has no such order.
        ValueError: the order contradicts itself.
    """
    self_trade = None
    if order.self_trade is not None:
        self_trade = _SELF_TRADES.get(order.self_trade)
        if self_trade is None:
            raise OrderRejected(
                f"{order.client_order_id}: Upbit cancels the new or the old order of a self-trade, not both "
                "(its `reduce` makes both smaller)"
            )
    parameters = {
        "market": market,
        **instruction(order, type_field="ord_type"),
        "identifier": identifier,
        "smp_type": self_trade,
    }
    return post("/v1/orders", parameters, group=limits.ORDER)


def cancel_order(*, uuid: str | None = None, identifier: str | None = None) -> Request:
    """Return the cancellation of an order, by one of its ids. To be signed."""
    return get("/v1/order", _one_of(uuid, identifier), group=limits.DEFAULT, method="DELETE", is_read=False)


def get_order(*, uuid: str | None = None, identifier: str | None = None) -> Request:
    """Ask for an order and its trades, by one of its ids. To be signed."""
    return get("/v1/order", _one_of(uuid, identifier), group=limits.DEFAULT)


def get_orders(*, uuids: Sequence[str] = (), identifiers: Sequence[str] = ()) -> Request:
    """Ask for some orders by their ids, 100 at most, of one kind. To be signed.

    Raises:
        ValueError: none, too many, or of both kinds.
    """
    if bool(uuids) == bool(identifiers) or len(uuids) + len(identifiers) > _MOST_IDS:
        raise ValueError(f"orders are asked for by uuids or by identifiers, from 1 to {_MOST_IDS}")
    return get("/v1/orders/uuids", {"uuids": uuids, "identifiers": identifiers}, group=limits.DEFAULT)


def get_open_orders(
    *, market: str | None = None, states: Sequence[str] = (), page: int | None = None, limit: int | None = None
) -> Request:
    """Ask for open orders, of one market or all; ``states`` of wait and watch, wait alone by default. To be signed."""
    return get(
        "/v1/orders/open",
        {"market": market, "states": states, "page": _number(page), "limit": _number(limit)},
        group=limits.DEFAULT,
    )


def get_closed_orders(
    *,
    market: str | None = None,
    states: Sequence[str] = (),
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int | None = None,
) -> Request:
    """Ask for orders that are done or cancelled, of seven days at most; ``states``: one or both. To be signed.

    Raises:
        ValueError: more than seven days.
    """
    if start_ms is not None and end_ms is not None and end_ms - start_ms > _MOST_DAYS_MS:
        raise ValueError("closed orders are asked for by seven days at most")
    return get(
        "/v1/orders/closed",
        {
            "state": states[0] if len(states) == 1 else None,
            "states": () if len(states) == 1 else states,
            "market": market,
            "start_time": _number(start_ms),
            "end_time": _number(end_ms),
            "limit": _number(limit),
        },
        group=limits.DEFAULT,
    )


def orderbook_code(market: str, depth: int) -> str:
    """Return a market's name in a subscription to books of ``depth`` levels at least, of 30 where that is more."""
    return f"{market}.{next((one for one in _DEPTHS if one >= depth), _DEPTHS[-1])}"


def _one_of(uuid: str | None, identifier: str | None) -> dict[str, str | None]:
    if not (uuid or identifier):
        raise ValueError("an order needs a uuid or an identifier")
    return {"uuid": uuid} if uuid else {"identifier": identifier}


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)
