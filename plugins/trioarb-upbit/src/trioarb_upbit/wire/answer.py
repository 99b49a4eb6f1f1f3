"""Upbit's answers about orders and price steps, and what they are to the engine.

Where the venue refused or failed, each raises `VenueError`; what both venues have in common is `dialect.listing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from trioarb.api import ClientIds, Instrument, Listing, OrderReport, OrderUpdate, VenueOrder
from trioarb.venue import Response
from trioarb_upbit.dialect import listing
from trioarb_upbit.dialect.answer import Accepted, accepted, decode_answer, taken, told_of
from trioarb_upbit.dialect.chance import Chance
from trioarb_upbit.dialect.order import RestOrder, update_of, venue_order_of
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, renamed
from trioarb_upbit.wire.rules import DEFAULT_FEES_BPS, trading_rules

__all__ = [
    "Tick",
    "UpbitOrder",
    "acknowledgement",
    "cancelled",
    "instruments",
    "listed_orders",
    "order_report",
    "order_updates",
    "ticks",
    "venue_orders",
]

_NAMES = {"venue_order_id": "uuid", "type": "ord_type", "client_id": "identifier"}
UpbitOrder = renamed(RestOrder, _NAMES, "Upbit")
_ACCEPTED = renamed(Accepted, _NAMES, "Upbit")


class Tick(Exact, frozen=True, kw_only=True):
    """One market of ``GET /v1/orderbook/instruments``."""

    market: str
    quote_currency: str
    tick_size: Decimal
    supported_levels: tuple[str | int | float, ...] | UnsetType = UNSET


def ticks(response: Response) -> dict[str, Decimal]:
    """Return the present price steps, by market."""
    return {one.market: one.tick_size for one in decode_answer(tuple[Tick, ...], response, "the price steps")}


def instruments(
    wanted: Sequence[Listing],
    venue: str,
    *,
    tick_sizes: Mapping[str, Decimal],
    last_prices: Mapping[str, Decimal],
    chances: Mapping[str, Chance],
) -> dict[str, Instrument]:
    """Return markets as they can be traded, by symbol; those whose price step isn't known are left out.

    All mappings are by market. Without a chance, fees are the venue's usual ones, and it is taken to trade.
    """
    return listing.instruments(
        wanted,
        venue,
        rules_of=trading_rules,
        usual_fees_bps=DEFAULT_FEES_BPS,
        tick_sizes=tick_sizes,
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
    """Return an order with all its fills; ``None``: the venue says ``order_not_found``, and nothing else is that."""
    return told_of(UpbitOrder, response, ids, client_order_id)


def listed_orders(response: Response) -> tuple[RestOrder, ...]:
    """Return a list of orders as they are, without their trades."""
    return decode_answer(tuple[UpbitOrder, ...], response, "the orders")  # type: ignore[valid-type]


def order_updates(response: Response, ids: ClientIds) -> tuple[OrderUpdate, ...]:
    """Return a list of orders, without their fills."""
    return tuple(update_of(one, ids) for one in listed_orders(response))


def venue_orders(response: Response, ids: ClientIds, venue: str) -> tuple[VenueOrder, ...]:
    """Return a list of orders as the venue remembers them."""
    return tuple(venue_order_of(one, ids, venue) for one in listed_orders(response))
