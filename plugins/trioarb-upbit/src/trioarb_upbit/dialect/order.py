"""Orders as bodies of requests tell of them, and what that is to the engine.

Source: both venues' pages on placing and asking for orders. States: ``wait`` and ``watch`` may fill, ``done`` and
``cancel`` can't any more. A trade comes without its fee: the order's is shared out by value, as it was charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact

from trioarb.api import (
    EXACT,
    ZERO,
    ClientIds,
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
    VenueError,
    VenueOrder,
    floor_to,
    per_unit,
    text,
)
from trioarb.venue import WireError
from trioarb_upbit.dialect.client_id import ours_of
from trioarb_upbit.dialect.market import assets_of, symbol_of
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, or_zero

__all__ = ["RestOrder", "RestTrade", "report_of", "status_and_reason", "update_of", "venue_order_of"]

_FEE_STEP = Decimal("1e-12")
#: Rates of fees have no more digits than this.
_RATE_STEP = Decimal("1e-6")
#: Wide enough for what is nonsense, too: a large fee of next to nothing.
_RATES = Context(prec=100)
#: To which digit a trade's fee is rounded down.
_CHARGED_STEP = Decimal("1e-8")


class RestTrade(Exact, frozen=True, kw_only=True):
    """One execution of an order: ``volume`` in base asset, ``funds`` in quote asset."""

    uuid: str
    price: Decimal
    volume: Decimal
    funds: Decimal | UnsetType = UNSET
    market: str | UnsetType = UNSET
    side: str | UnsetType = UNSET
    trend: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET


class RestOrder(Exact, frozen=True, kw_only=True):
    """An order. ``price`` of a market buy is the money that it may spend. ``trades``: where one alone was asked for.

    Names are the dialect's own; `renamed` gives it those of an endpoint.
    """

    venue_order_id: str
    market: str
    side: str
    type: str
    client_id: str | UnsetType | None = UNSET
    state: str | UnsetType = UNSET
    price: Decimal | UnsetType | None = UNSET
    volume: Decimal | UnsetType | None = UNSET
    remaining_volume: Decimal | UnsetType | None = UNSET
    executed_volume: Decimal | UnsetType | None = UNSET
    executed_funds: Decimal | UnsetType | None = UNSET
    avg_price: Decimal | UnsetType | None = UNSET
    paid_fee: Decimal | UnsetType | None = UNSET
    reserved_fee: Decimal | UnsetType | None = UNSET
    remaining_fee: Decimal | UnsetType | None = UNSET
    locked: Decimal | UnsetType | None = UNSET
    time_in_force: str | UnsetType | None = UNSET
    created_at: str | UnsetType | None = UNSET
    trades_count: int | UnsetType = UNSET
    trades: tuple[RestTrade, ...] | UnsetType = UNSET
    smp_type: str | UnsetType | None = UNSET
    prevented_volume: Decimal | UnsetType | None = UNSET
    prevented_locked: Decimal | UnsetType | None = UNSET
    stp_type: str | UnsetType | None = UNSET
    cancel_type: str | UnsetType | None = UNSET
    canceling_id: str | UnsetType | None = UNSET


def status_and_reason(
    state: str, *, rest: Decimal, time_in_force: str | None, cancel_type: str | None = None
) -> tuple[OrderStatus, str]:
    """Return what a state is to the engine. ``rest``: what of its volume is not filled; 0 where it had none.

    ``cancel`` of what doesn't rest is its own doing: it has expired. At Bithumb such an order that was filled in part
    is ``done``.

    Raises:
        WireError: there is no such state in the documents.
    """
    if state in ("wait", "watch", "trade", "prevented"):
        return OrderStatus.OPEN, ""
    if state == "done":
        return (OrderStatus.EXPIRED, "the rest didn't fill at once") if rest else (OrderStatus.FILLED, "")
    if state == "cancel":
        if cancel_type == "tif_cancel" or time_in_force in ("ioc", "fok"):
            return OrderStatus.EXPIRED, cancel_type or time_in_force or ""
        return OrderStatus.CANCELLED, cancel_type or ""
    raise WireError(f"an order's state is {state!r:.40}; expected wait, watch, trade, prevented, done or cancel")


def report_of(order: RestOrder, ids: ClientIds, *, asked: str = "") -> OrderReport:
    """Return an order with every fill that it ever had; ``asked``: our id of it, if it was asked for by that.

    Raises:
        WireError: it isn't what the documents say.
        VenueError: it counts more than its trades, which are told later then.
    """
    status, reason = _status(order)
    fills, executed = _fills(order), or_zero(order.executed_volume)
    filled = sum((fill.quantity for fill in fills), ZERO)
    if filled != executed:
        raise VenueError(
            f"order {order.venue_order_id}: {text(executed)} are filled, and its trades are {text(filled)}; to be "
            "asked for again"
        )
    return OrderReport(
        client_order_id=asked or ours_of(ids, order.client_id or None, order.venue_order_id),
        venue_order_id=order.venue_order_id,
        status=status,
        fills=fills,
        reason=reason,
    )


def update_of(order: RestOrder, ids: ClientIds) -> OrderUpdate:
    """Return an order of a list: how much of it is filled, and no fills, which lists don't have."""
    status, reason = _status(order)
    return OrderUpdate(
        client_order_id=ours_of(ids, order.client_id or None, order.venue_order_id),
        venue_order_id=order.venue_order_id,
        status=status,
        filled=or_zero(order.executed_volume),
        reason=reason,
    )


def venue_order_of(order: RestOrder, ids: ClientIds, venue: str) -> VenueOrder:
    """Return an order of a list as the engine would have sent it, and what became of it where nothing was filled."""
    status, reason = _status(order)
    ours = ours_of(ids, order.client_id or None, order.venue_order_id)
    price, volume = or_zero(order.price), or_zero(order.volume)
    is_limit = order.type == "limit"
    time = order.time_in_force or ""
    is_known = status.is_final and not or_zero(order.executed_volume)
    return VenueOrder(
        order=Order(
            client_order_id=ours,
            venue=venue,
            symbol=symbol_of(order.market),
            side=_side(order.side),
            quantity=volume,
            limit_price=price if is_limit else ZERO,
            amount=ZERO if is_limit or volume else price,
            type=OrderType.LIMIT if is_limit else OrderType.MARKET,
            time_in_force=_TIMES.get(time, TimeInForce.GTC if is_limit else TimeInForce.IOC),
            post_only=time == "post_only",
        ),
        report=OrderReport(client_order_id=ours, venue_order_id=order.venue_order_id, status=status, reason=reason)
        if is_known
        else None,
    )


_TIMES: Mapping[str, TimeInForce] = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "post_only": TimeInForce.GTC}


def _status(order: RestOrder) -> tuple[OrderStatus, str]:
    volume = or_zero(order.volume)
    return status_and_reason(
        order.state or "",
        rest=EXACT.subtract(volume, or_zero(order.executed_volume)) if volume else ZERO,
        time_in_force=order.time_in_force or None,
        cancel_type=order.cancel_type or None,
    )


def _fills(order: RestOrder) -> tuple[Fill, ...]:
    trades = order.trades or ()
    if not trades:
        return ()
    _, quote = assets_of(order.market)
    if order.paid_fee is UNSET or order.paid_fee is None:
        raise WireError(f"order {order.venue_order_id} has trades, and no paid_fee")
    values = [EXACT.multiply(trade.price, trade.volume) for trade in trades]
    return tuple(
        Fill(fill_id=trade.uuid, quantity=trade.volume, price=trade.price, fee=fee, fee_asset=quote)
        for trade, fee in zip(trades, _shares(order.paid_fee, values), strict=True)
    )


def _shares(fee: Decimal, values: list[Decimal]) -> list[Decimal]:
    """Share a fee out as it was charged, trade by trade, where a rate comes to it exactly; else by value.

    Then what is left of rounding is in the last share, so that all of them are the fee.
    """
    total = sum(values, ZERO)
    if not total:
        raise WireError("an order's trades are worth nothing")
    charged = [EXACT.multiply(value, _rate(fee, total)) for value in values]
    for fees in (charged, [floor_to(one, _CHARGED_STEP) for one in charged]):
        if sum(fees, ZERO) == fee:
            return fees
    try:
        rate = EXACT.divide(fee, total)
        shares = [EXACT.multiply(rate, value) for value in values[:-1]]
    except Inexact:
        shares = [floor_to(per_unit(EXACT.multiply(fee, value), total), _FEE_STEP) for value in values[:-1]]
    return [*shares, EXACT.subtract(fee, sum(shares, ZERO))]


def _rate(fee: Decimal, total: Decimal) -> Decimal:
    """Return the rate of a fee that was rounded."""
    return per_unit(fee, total).quantize(_RATE_STEP, context=_RATES)


def _side(side: str) -> Side:
    if side not in ("bid", "ask"):
        raise WireError(f"an order's side is {side!r:.40}; expected bid or ask")
    return Side.BUY if side == "bid" else Side.SELL
