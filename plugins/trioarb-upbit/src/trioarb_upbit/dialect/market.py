"""Markets as bodies of requests tell of them: which there are, their prices and volumes, books and trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trioarb.api import Instrument, InstrumentStatus, Listing, TradingRules
from trioarb.venue import WireError
from trioarb_upbit.dialect.stream import OrderbookUnit
from trioarb_upbit.dialect.struct import UNSET, Exact, UnsetType, Wire

__all__ = [
    "BookBody",
    "Market",
    "MarketEvent",
    "Price",
    "TradeBody",
    "assets_of",
    "instrument_of",
    "listing_of",
    "symbol_of",
]


class MarketEvent(Wire, frozen=True, kw_only=True):
    """What the venue warns of; trading goes on meanwhile. ``caution``: signs of what, and whether they are seen."""

    warning: bool
    caution: Mapping[str, bool]


class Market(Wire, frozen=True, kw_only=True):
    """One of ``GET /v1/market/all``; ``market`` is QUOTE-BASE. With details: events (Upbit) or a warning (Bithumb)."""

    market: str
    korean_name: str
    english_name: str
    market_event: MarketEvent | UnsetType = UNSET
    market_warning: str | UnsetType = UNSET


class Price(Exact, frozen=True, kw_only=True):
    """One market of ``GET /v1/ticker``: the last 24 hours, and since 0:00 UTC. Times are Unix milliseconds."""

    market: str
    trade_price: Decimal
    timestamp: int
    acc_trade_price_24h: Decimal
    acc_trade_volume_24h: Decimal
    trade_date: str | UnsetType = UNSET
    trade_time: str | UnsetType = UNSET
    trade_date_kst: str | UnsetType = UNSET
    trade_time_kst: str | UnsetType = UNSET
    trade_timestamp: int | UnsetType = UNSET
    opening_price: Decimal | UnsetType = UNSET
    high_price: Decimal | UnsetType = UNSET
    low_price: Decimal | UnsetType = UNSET
    prev_closing_price: Decimal | UnsetType = UNSET
    change: str | UnsetType = UNSET
    change_price: Decimal | UnsetType = UNSET
    change_rate: Decimal | UnsetType = UNSET
    signed_change_price: Decimal | UnsetType = UNSET
    signed_change_rate: Decimal | UnsetType = UNSET
    trade_volume: Decimal | UnsetType = UNSET
    acc_trade_price: Decimal | UnsetType = UNSET
    acc_trade_volume: Decimal | UnsetType = UNSET
    highest_52_week_price: Decimal | UnsetType = UNSET
    highest_52_week_date: str | UnsetType = UNSET
    lowest_52_week_price: Decimal | UnsetType = UNSET
    lowest_52_week_date: str | UnsetType = UNSET


class TradeBody(Exact, frozen=True, kw_only=True):
    """One of ``GET /v1/trades/ticks``. ``ask_bid``: whether the taker sold (ASK) or bought (BID)."""

    market: str
    timestamp: int
    trade_price: Decimal
    trade_volume: Decimal
    ask_bid: str
    trade_date_utc: str | UnsetType = UNSET
    trade_time_utc: str | UnsetType = UNSET
    prev_closing_price: Decimal | UnsetType = UNSET
    change_price: Decimal | UnsetType = UNSET
    sequential_id: int | UnsetType = UNSET


class BookBody(Wire, frozen=True, kw_only=True):
    """One book of ``GET /v1/orderbook``."""

    market: str
    timestamp: int
    orderbook_units: tuple[OrderbookUnit, ...]
    total_ask_size: float | UnsetType = UNSET
    total_bid_size: float | UnsetType = UNSET
    level: float | UnsetType = UNSET


def assets_of(market: str) -> tuple[str, str]:
    """Return base and quote asset of a market's name, which is QUOTE-BASE.

    Raises:
        WireError: it is no such name.
    """
    quote, hyphen, base = market.partition("-")
    if not (quote and hyphen and base) or "-" in base:
        raise WireError(f"{market!r:.80} is no market's name; expected QUOTE-BASE")
    return base, quote


def symbol_of(market: str) -> str:
    """Return the engine's name of a market; raises as `assets_of` does."""
    base, quote = assets_of(market)
    return f"{base}{quote}"


def listing_of(market: Market, price: Price | None) -> Listing:
    """Return a market as a source of symbols tells of it; its volume is unknown without a ``price``."""
    base, quote = assets_of(market.market)
    return Listing.of(base=base, quote=quote, volume_24h_quote=price.acc_trade_price_24h if price else None)


def instrument_of(
    listing: Listing,
    *,
    venue: str,
    rules: TradingRules,
    fees_bps: tuple[Decimal, Decimal],
    status: InstrumentStatus = InstrumentStatus.TRADING,
) -> Instrument:
    """Return a market as it can be traded; ``fees_bps`` are maker's and taker's. Both are taken in the quote asset."""
    maker, taker = fees_bps
    return Instrument(
        symbol=listing.symbol,
        venue=venue,
        native_id=f"{listing.quote}-{listing.base}",
        base=listing.base,
        quote=listing.quote,
        rules=rules,
        maker_fee_bps=maker,
        taker_fee_bps=taker,
        status=status,
    )
