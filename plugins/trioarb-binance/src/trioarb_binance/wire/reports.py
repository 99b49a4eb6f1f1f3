"""Orders of Binance spot as the engine's: reports, updates and fills.

Ids of fills are Binance's trade ids: the same one in the answer to an order, in the account's events and in the list of
its trades, so that each fill is counted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import UnsetType

from trioarb.api import (
    ZERO,
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    OrderUpdate,
    SelfTrade,
    Side,
    TimeInForce,
)
from trioarb.venue import WireError
from trioarb_binance.wire.account_message import ExecutionReport
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.order_body import OrderBody, Trade

__all__ = ["needs_trades", "order_of", "report_of", "update_of", "update_of_event"]

#: A status that isn't here is none that can be relied on: whoever asked has to take the order for unknown.
_STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
_SELF_TRADE = {
    "EXPIRE_TAKER": SelfTrade.CANCEL_NEW,
    "EXPIRE_MAKER": SelfTrade.CANCEL_OLD,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
}


def needs_trades(body: OrderBody) -> bool:
    """Return whether an answer counts fills that it doesn't tell: then the order's trades have to be asked for."""
    return bool(_executed(body)) and isinstance(body.fills, UnsetType)


def report_of(body: OrderBody, *, quote: str, trades: Iterable[Trade] = ()) -> OrderReport:
    """Return what an answer says of an order, with all its fills; ``trades`` are the order's, where `needs_trades`.

    ``quote``: the symbol's quote asset, which stands for a fee of nothing in no asset.

    Raises:
        WireError: the status isn't known, or the fills aren't what the answer counts: the order has to be asked for.
    """
    status = OrderStatus.OPEN if isinstance(body.status, UnsetType) else _status(body.status)
    fills = _fills_in(body, quote) or tuple(_fill_of(one, quote) for one in trades if one.order_id == body.order_id)
    executed, counted = _executed(body), sum((one.quantity for one in fills), ZERO)
    if executed != counted:
        raise WireError(
            f"Binance: {body.symbol} order {body.order_id}: {executed} are filled, its fills come to {counted}; "
            "ask for its trades again"
        )
    return OrderReport(
        client_order_id=_ours(body.own_client_id, body.order_id),
        venue_order_id=str(body.order_id),
        status=status,
        fills=fills,
        reason=_reason(body.expiry_reason, ""),
    )


def update_of(body: OrderBody) -> OrderUpdate:
    """Return what a list of orders says of one, which is how much of it is filled, but not by which fills.

    Raises:
        WireError: the status isn't known, or missing.
    """
    if isinstance(body.status, UnsetType):
        raise WireError(f"Binance: {body.symbol} order {body.order_id} has no status")
    return OrderUpdate(
        client_order_id=_ours(body.own_client_id, body.order_id),
        venue_order_id=str(body.order_id),
        status=_status(body.status),
        filled=_executed(body),
        reason=_reason(body.expiry_reason, ""),
    )


def update_of_event(event: ExecutionReport, *, quote: str) -> OrderUpdate:
    """Return what an event says of an order; ``quote`` as in `report_of`.

    Raises:
        WireError: the status isn't known, or what was filled can't be.
    """
    fills: tuple[Fill, ...] = ()
    if event.execution == "TRADE":
        fee = event.fee or ZERO
        if not (event.last_quantity > 0 and event.last_price > 0 and event.trade_id >= 0):
            raise WireError(f"Binance: {event.symbol} order {event.order_id}: a trade without quantity, price or id")
        fills = (_fill(str(event.trade_id), event.last_quantity, event.last_price, fee, event.fee_asset, quote),)
    return OrderUpdate(
        client_order_id=_ours(event.own_client_id, event.order_id),
        venue_order_id=str(event.order_id),
        status=_status(event.status),
        fills=fills,
        filled=event.filled,
        reason=_reason(event.expiry_reason, event.reject_reason),
    )


def order_of(body: OrderBody, *, symbol: str, venue: str) -> Order | None:
    """Return the order that Binance tells of; ``None``: it is of a kind that only others than the engine send.

    Raises:
        WireError: a side, or time in force, isn't known.
    """
    try:
        side = Side[str(body.side)]
        rests = body.type == "LIMIT_MAKER"
        time_in_force = TimeInForce.GTC if rests else TimeInForce[str(body.time_in_force)]
    except KeyError as error:
        raise WireError(f"Binance: {body.symbol} order {body.order_id} has {error}, which isn't known") from None
    amount, quantity = _set(body.orig_quote_order_qty), _set(body.orig_qty)
    if body.type == "MARKET":
        by_amount = bool(amount) and side is Side.BUY
        return Order(
            client_order_id=_ours(body.own_client_id, body.order_id),
            venue=venue,
            symbol=symbol,
            side=side,
            quantity=ZERO if by_amount else quantity,
            amount=amount if by_amount else ZERO,
            type=OrderType.MARKET,
            self_trade=_SELF_TRADE.get(str(body.self_trade_prevention_mode)),
        )
    if body.type not in ("LIMIT", "LIMIT_MAKER"):
        return None
    return Order(
        client_order_id=_ours(body.own_client_id, body.order_id),
        venue=venue,
        symbol=symbol,
        side=side,
        quantity=quantity,
        limit_price=_set(body.price),
        time_in_force=time_in_force,
        post_only=rests,
        self_trade=_SELF_TRADE.get(str(body.self_trade_prevention_mode)),
    )


def _ours(client_id: str, order_id: int) -> str:
    """Return our own client id, somebody else's as it is, or the venue's id where there is none."""
    return CLIENT_IDS.decode(client_id) or client_id or str(order_id)


def _status(status: str) -> OrderStatus:
    known = _STATUSES.get(status)
    if known is None:
        raise WireError(f"Binance: an order has the status {status!r:.40}, which isn't known; take it for unknown")
    return known


def _reason(expiry: str | UnsetType, reject: str) -> str:
    if isinstance(expiry, str) and expiry != "NONE":
        return expiry
    return "" if reject == "NONE" else reject


def _executed(body: OrderBody) -> Decimal:
    return _set(body.executed_qty)


def _set(value: Decimal | UnsetType) -> Decimal:
    return ZERO if isinstance(value, UnsetType) else value


def _fills_in(body: OrderBody, quote: str) -> tuple[Fill, ...]:
    if isinstance(body.fills, UnsetType):
        return ()
    fills = list[Fill]()
    for one in body.fills:
        if isinstance(one.trade_id, UnsetType):
            raise WireError(f"Binance: {body.symbol} order {body.order_id}: a fill without an id; ask for its trades")
        fills.append(_fill(str(one.trade_id), one.qty, one.price, one.commission, one.commission_asset, quote))
    return tuple(fills)


def _fill_of(trade: Trade, quote: str) -> Fill:
    return _fill(str(trade.id), trade.qty, trade.price, trade.commission, trade.commission_asset, quote)


def _fill(fill_id: str, quantity: Decimal, price: Decimal, fee: Decimal, asset: str | None, quote: str) -> Fill:
    if fee and not asset:
        raise WireError(f"Binance: fill {fill_id} has a fee of {fee} in no asset")
    return Fill(fill_id=fill_id, quantity=quantity, price=price, fee=fee, fee_asset=asset or quote)
