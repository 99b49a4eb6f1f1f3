"""Bithumb's answers about orders, and what they are to the engine.

Where the venue refused or failed, each raises `VenueError`; what both venues have in common is `dialect.listing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from trioarb.api import ClientIds, Instrument, Listing, OrderReport, OrderUpdate, VenueOrder
from trioarb.venue import Response
from trioarb_bithumb.wire.rules import DEFAULT_FEES_BPS, trading_rules
from trioarb_upbit.dialect import listing
from trioarb_upbit.dialect.answer import Accepted, accepted, decode_answer, taken, told_of
from trioarb_upbit.dialect.chance import Chance
from trioarb_upbit.dialect.order import RestOrder, update_of, venue_order_of
from trioarb_upbit.dialect.struct import UNSET, UnsetType, Wire, renamed

__all__ = [
    "ListedOrder",
    "OrderPage",
    "SingleOrder",
    "acknowledgement",
    "cancelled",
    "instruments",
    "order_report",
    "orders_by_id",
    "page_of_orders",
    "ticks_of",
]

#: Of ``GET /v1/order``: the names of Upbit, but for the client's id.
SingleOrder = renamed(
    RestOrder,
    {"venue_order_id": "uuid", "type": "ord_type", "client_id": "client_order_id", "canceling_id": "canceling_uuid"},
    "Single",
)
_NAMES_V2 = {
    "venue_order_id": "order_id",
    "type": "order_type",
    "client_id": "client_order_id",
    "canceling_id": "canceling_order_id",
}
#: Of the lists and answers below ``/v2``.
ListedOrder = renamed(RestOrder, _NAMES_V2, "Listed")
_ACCEPTED = renamed(Accepted, _NAMES_V2, "Listed")


class _Page(Wire, frozen=True, kw_only=True):
    data: tuple[ListedOrder, ...]  # type: ignore[valid-type]
    has_next: bool | UnsetType = UNSET
    next_key: str | UnsetType | None = UNSET


@attrs.frozen(kw_only=True)
class OrderPage:
    """Some orders of a list, without their fills. ``next_key`` is to be asked with next; ``None``: no more."""

    listed: tuple[RestOrder, ...]
    updates: tuple[OrderUpdate, ...]
    orders: tuple[VenueOrder, ...]
    next_key: str | None


def ticks_of(chances: Mapping[str, Chance]) -> dict[str, Decimal]:
    """Return the price steps that conditions tell of, by market; the larger of both sides."""
    found = dict[str, Decimal]()
    for market, chance in chances.items():
        units = [unit for unit in (chance.market.bid.price_unit, chance.market.ask.price_unit) if unit]
        if units:
            found[market] = max(units)
    return found


def instruments(
    wanted: Sequence[Listing],
    venue: str,
    *,
    last_prices: Mapping[str, Decimal],
    chances: Mapping[str, Chance],
) -> dict[str, Instrument]:
    """Return markets as they can be traded, by symbol; those whose price step isn't known are left out.

    Both mappings are by market. Without a chance, fees are the venue's usual ones, and it is taken to trade.
    """
    return listing.instruments(
        wanted,
        venue,
        rules_of=trading_rules,
        usual_fees_bps=DEFAULT_FEES_BPS,
        tick_sizes=ticks_of(chances),
        last_prices=last_prices,
        chances=chances,
    )


def acknowledgement(response: Response, client_order_id: str) -> OrderReport:
    """Return the acknowledgement of an order that was placed.

    Raises:
        OrderRejected: the venue refused it; it is certain that nothing was done.
        VenueError: what became of it is unknown.
    """
    return accepted(_ACCEPTED, response, client_order_id)


def cancelled(response: Response, client_order_id: str) -> None:
    """See that the venue took a request to cancel; of an order that is done there is nothing to take."""
    taken(response, client_order_id)


def order_report(response: Response, ids: ClientIds, client_order_id: str) -> OrderReport | None:
    """Return an order with all its fills; ``None``: the venue says ``order_not_found``, and nothing else is that.

    ``order_not_ready`` is an order that is being taken: to be asked for again.
    """
    return told_of(SingleOrder, response, ids, client_order_id)


def page_of_orders(response: Response, ids: ClientIds, venue: str) -> OrderPage:
    """Return a page of open or closed orders."""
    page = decode_answer(_Page, response, "the orders")
    has_more = page.has_next is True and bool(page.next_key)
    return _page(page.data, ids, venue, page.next_key or None if has_more else None)


def orders_by_id(response: Response, ids: ClientIds, venue: str) -> OrderPage:
    """Return orders that were asked for by their ids; the answer is a list, or a page."""
    if response.is_success and response.body.lstrip()[:1] != b"[":
        return page_of_orders(response, ids, venue)
    orders = decode_answer(tuple[ListedOrder, ...], response, "the orders")  # type: ignore[valid-type]
    return _page(orders, ids, venue, None)


def _page(orders: Sequence[RestOrder], ids: ClientIds, venue: str, next_key: str | None) -> OrderPage:
    return OrderPage(
        listed=tuple(orders),
        updates=tuple(update_of(one, ids) for one in orders),
        orders=tuple(venue_order_of(one, ids, venue) for one in orders),
        next_key=next_key,
    )
