"""What Binance says of contracts, as JSON: where it differs from spot."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trioarb_sim.binance import bodies
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.venue import BookChanged

__all__ = [
    "FUNDING_RATE",
    "changes_event",
    "listing",
    "mark_price_event",
    "next_funding_ms",
    "number_of",
    "plain",
    "premium",
]

#: What longs pay shorts at each funding: a usual rate, the same for all contracts.
FUNDING_RATE = "0.00010000"
_FUNDING_MS = 8 * 3_600_000
#: Numbers of changes have holes, as recorded ones do.
_SPREAD = 7
_STATES = {MarketState.TRADING: "TRADING", MarketState.HALTED: "BREAK", MarketState.CANCEL_ONLY: "BREAK"}


def number_of(change: int) -> int:
    """Return the number that a change of a book has here."""
    return change * _SPREAD


def plain(value: Decimal) -> str:
    """Return a price or size with no more digits than it has, as futures do."""
    return format(value, "f")


def listing(rules: MarketRules) -> dict[str, object]:
    """A contract of exchangeInfo."""
    if rules.listed is not None:
        return {**rules.listed}
    return {
        "symbol": rules.name,
        "pair": rules.base + rules.quote,
        "contractType": "CURRENT_QUARTER" if "_" in rules.name else "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": _STATES[rules.state],
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.quote,
        "pricePrecision": 8,
        "quantityPrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(rules.ticks[0][1]),
                "maxPrice": "1000000",
                "tickSize": plain(rules.ticks[0][1]),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(rules.min_quantity),
                "maxQty": "1000000",
                "stepSize": plain(rules.lot),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": plain(rules.min_quantity),
                "maxQty": "100000",
                "stepSize": plain(rules.lot),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": plain(rules.min_value)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def changes_event(market: str, changes: Sequence[BookChanged], previous_id: int, now_ms: int) -> dict[str, object]:
    """What changed of a book; ``previous_id`` is the number of the last change that was told before."""
    first_id, last_id = number_of(changes[0].first_id), number_of(changes[-1].last_id)
    event = bodies.depth_event(market, first_id, last_id, changes, now_ms)
    return {**event, "T": now_ms, "pu": previous_id}


def next_funding_ms(now_ms: int) -> int:
    return now_ms - now_ms % _FUNDING_MS + _FUNDING_MS


def mark_price_event(market: str, price: Decimal, now_ms: int) -> dict[str, object]:
    """Mark price and the next funding. Mark and index are the price of the last trade here."""
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": market,
        "p": bodies.number(price),
        "i": bodies.number(price),
        "P": bodies.number(price),
        "r": FUNDING_RATE,
        "T": next_funding_ms(now_ms),
    }


def premium(market: str, price: Decimal, now_ms: int) -> dict[str, object]:
    """The same as an answer."""
    return {
        "symbol": market,
        "markPrice": bodies.number(price),
        "indexPrice": bodies.number(price),
        "estimatedSettlePrice": bodies.number(price),
        "lastFundingRate": FUNDING_RATE,
        "interestRate": "0.00010000",
        "nextFundingTime": next_funding_ms(now_ms),
        "time": now_ms,
    }
