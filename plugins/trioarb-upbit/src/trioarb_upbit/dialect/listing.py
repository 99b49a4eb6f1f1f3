"""Answers that both venues give in one form: markets, prices, books, trades, conditions, balances; and instruments.

Each raises `VenueError` where the venue refused the request or failed, and `WireError` where the body isn't what the
documents say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from trioarb.api import Instrument, Listing, TradingRules
from trioarb.venue import Response
from trioarb_upbit.dialect.account import Account
from trioarb_upbit.dialect.account import balances as owned
from trioarb_upbit.dialect.answer import decode_answer
from trioarb_upbit.dialect.chance import Chance, fees_of, least_total, status_of
from trioarb_upbit.dialect.market import BookBody, Market, Price, TradeBody, instrument_of, listing_of
from trioarb_upbit.dialect.stream import Depth, depth_of

__all__ = ["RulesOf", "balances", "books", "chance", "instruments", "listings", "markets", "prices", "trades"]


class RulesOf(Protocol):
    """A venue's rules for markets of a quote asset; ``None``: not known, so that no order may be sent."""

    def __call__(
        self, quote: str, *, tick_size: Decimal | None, price: Decimal | None, least_total: Decimal | None
    ) -> TradingRules | None: ...


def markets(response: Response) -> tuple[Market, ...]:
    """Return all markets."""
    return decode_answer(tuple[Market, ...], response, "the markets")


def prices(response: Response) -> tuple[Price, ...]:
    """Return last prices and volumes."""
    return decode_answer(tuple[Price, ...], response, "the prices")


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


def balances(response: Response) -> dict[str, Decimal]:
    """Return what is owned by asset, free and locked together."""
    return owned(decode_answer(tuple[Account, ...], response, "the balances"))


def listings(all_markets: Iterable[Market], all_prices: Iterable[Price]) -> tuple[Listing, ...]:
    """Return the markets as a source of symbols tells of them, in the venue's order."""
    by_market = {one.market: one for one in all_prices}
    return tuple(listing_of(one, by_market.get(one.market)) for one in all_markets)


def instruments(
    wanted: Sequence[Listing],
    venue: str,
    *,
    rules_of: RulesOf,
    usual_fees_bps: Mapping[str, tuple[Decimal, Decimal]],
    tick_sizes: Mapping[str, Decimal],
    last_prices: Mapping[str, Decimal],
    chances: Mapping[str, Chance],
) -> dict[str, Instrument]:
    """Return markets as they can be traded, by symbol; those whose price step or fees aren't known are left out.

    ``usual_fees_bps`` are maker's and taker's by quote asset, for markets without a chance, which are taken to trade;
    the other mappings are by market.
    """
    found = dict[str, Instrument]()
    for listing in wanted:
        market = f"{listing.quote}-{listing.base}"
        conditions = chances.get(market)
        rules = rules_of(
            listing.quote,
            tick_size=tick_sizes.get(market),
            price=last_prices.get(market),
            least_total=least_total(conditions) if conditions else None,
        )
        fees = fees_of(conditions) if conditions else usual_fees_bps.get(listing.quote)
        if rules is None or fees is None:
            continue
        status = status_of(conditions.market.state if conditions else None)
        found[listing.symbol] = instrument_of(listing, venue=venue, rules=rules, fees_bps=fees, status=status)
    return found
