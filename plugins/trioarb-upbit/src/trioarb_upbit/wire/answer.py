"""Upbit's answers and what they are to the engine. Where the venue refused or failed, each raises `VenueError`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from trioarb.api import ClientIds, Instrument, Listing, OrderReport, OrderUpdate, VenueOrder
from trioarb.venue import Response
from trioarb_upbit.dialect import account as accounts
from trioarb_upbit.dialect.account import Account
from trioarb_upbit.dialect.answer import Accepted, accepted, decode_answer, taken, told_of
from trioarb_upbit.dialect.chance import Chance, fees_of, least_total, status_of
from trioarb_upbit.dialect.market import BookBody, Market, Price, TradeBody, instrument_of, listing_of
from trioarb_upbit.dialect.order import RestOrder, update_of, venue_order_of
from trioarb_upbit.dialect.stream import Depth, depth_of
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, renamed
from trioarb_upbit.wire.rules import DEFAULT_FEES_BPS, trading_rules

__all__ = [
    "Tick",
    "UpbitOrder",
    "acknowledgement",
    "balances",
    "books",
    "cancelled",
    "chance",
    "instruments",
    "listings",
    "markets",
    "order_report",
    "order_updates",
    "prices",
    "ticks",
    "trades",
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


def markets(response: Response) -> tuple[Market, ...]:
    """Return all markets."""
    return decode_answer(tuple[Market, ...], response, "the markets")


def prices(response: Response) -> tuple[Price, ...]:
    """Return last prices and volumes."""
    return decode_answer(tuple[Price, ...], response, "the prices")


def ticks(response: Response) -> dict[str, Decimal]:
    """Return the present price steps, by market."""
    return {one.market: one.tick_size for one in decode_answer(tuple[Tick, ...], response, "the price steps")}


def books(response: Response) -> dict[str, Depth]:
    """Return books, by market."""
    bodies = decode_answer(tuple[BookBody, ...], response, "the books")
    return {one.market: depth_of(one.timestamp, one.orderbook_units) for one in bodies}


def trades(response: Response) -> tuple[TradeBody, ...]:
    """Return a market's last trades, the newest first."""
    return decode_answer(tuple[TradeBody, ...], response, "the trades")


def chance(response: Response) -> Chance:
    """Return fees, least order and state of one market."""
    return decode_answer(Chance, response, "a market's conditions")


def listings(all_markets: Iterable[Market], all_prices: Iterable[Price]) -> tuple[Listing, ...]:
    """Return the markets as a source of symbols tells of them, in the venue's order."""
    by_market = {one.market: one for one in all_prices}
    return tuple(listing_of(one, by_market.get(one.market)) for one in all_markets)


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
    found = dict[str, Instrument]()
    for listing in wanted:
        market = f"{listing.quote}-{listing.base}"
        conditions = chances.get(market)
        rules = trading_rules(
            listing.quote,
            tick_size=tick_sizes.get(market),
            price=last_prices.get(market),
            least_total=least_total(conditions) if conditions else None,
        )
        fees = fees_of(conditions) if conditions else DEFAULT_FEES_BPS.get(listing.quote)
        if rules is None or fees is None:
            continue
        status = status_of(conditions.market.state if conditions else None)
        found[listing.symbol] = instrument_of(listing, venue=venue, rules=rules, fees_bps=fees, status=status)
    return found


def balances(response: Response) -> dict[str, Decimal]:
    """Return what is owned by asset, free and locked together."""
    return accounts.balances(decode_answer(tuple[Account, ...], response, "the balances"))


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


def order_updates(response: Response, ids: ClientIds) -> tuple[OrderUpdate, ...]:
    """Return a list of orders, without their fills."""
    return tuple(update_of(one, ids) for one in _orders(response))


def venue_orders(response: Response, ids: ClientIds, venue: str) -> tuple[VenueOrder, ...]:
    """Return a list of orders as the venue remembers them."""
    return tuple(venue_order_of(one, ids, venue) for one in _orders(response))


def _orders(response: Response) -> tuple[RestOrder, ...]:
    return decode_answer(tuple[UpbitOrder, ...], response, "the orders")  # type: ignore[valid-type]
