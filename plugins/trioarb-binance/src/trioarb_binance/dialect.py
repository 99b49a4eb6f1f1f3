"""Spot and USDT-margined futures: what of their market data differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial

import attrs

from trioarb.api import InstrumentStatus, Listing, TradingRules
from trioarb.venue import BookRule, Request, linked, numbered
from trioarb_binance.asking import Ask, read
from trioarb_binance.wire import spot, usdm
from trioarb_binance.wire.body import decode, decode_many
from trioarb_binance.wire.instruments import is_perpetual, listing_of, rules_of, status_of, volumes_of
from trioarb_binance.wire.limits import VenueLimit, limits_of
from trioarb_binance.wire.listing_body import (
    ExchangeInfo,
    RateLimit,
    Symbol,
    Ticker24h,
    UsdmExchangeInfo,
    UsdmSymbol,
)

__all__ = ["SPOT", "USDM", "Dialect", "Info", "Listed", "Market"]


@attrs.frozen(kw_only=True)
class Market:
    """A symbol that is traded, as it is listed."""

    listing: Listing
    native_id: str
    rules: TradingRules


@attrs.frozen(kw_only=True)
class Listed:
    """Everything that is traded, by symbol."""

    markets: Mapping[str, Market]


@attrs.frozen(kw_only=True)
class Info:
    """What Binance says of its symbols, traded or not, and of its limits."""

    symbols: tuple[Symbol | UsdmSymbol, ...]
    limits: tuple[VenueLimit, ...]


@attrs.frozen(kw_only=True)
class Dialect:
    """``levels``: so many a side a snapshot of a book has; ``rule``: how changes follow one another.

    ``name`` is what the limits of its address are known by; ``about_limits``: the lightest request that tells them,
    given any symbol.
    """

    name: str
    is_usdm: bool
    rest_url: str
    stream_url: str
    levels: int
    rule: BookRule
    info: Callable[[], Request]
    tickers: Callable[[], Request]
    snapshot: Callable[[str, int], Request]
    about_limits: Callable[[str], Request]
    read: Callable[[bytes], tuple[Iterable[Symbol | UsdmSymbol], Iterable[RateLimit]]]

    async def ask_info(self, ask: Ask) -> Info:
        """Ask for symbols and limits.

        Raises:
            VenueError: they aren't known.
        """
        symbols, limits = await read(ask, self.info(), self.read)
        return Info(symbols=tuple(symbols), limits=limits_of(limits))

    async def listed(self, ask: Ask, info: Info | None = None) -> Listed:
        """Ask what is traded, in two requests, of which ``info`` is the first, if it was asked already.

        Raises:
            VenueError: it isn't known.
        """
        info = info or await self.ask_info(ask)
        volumes = volumes_of(await read(ask, self.tickers(), partial(decode_many, Ticker24h)))
        markets = (_market(one, volumes.get(one.symbol)) for one in info.symbols if _is_traded(one))
        return Listed(markets={one.listing.symbol: one for one in markets})


def _is_traded(symbol: Symbol | UsdmSymbol) -> bool:
    if isinstance(symbol, UsdmSymbol) and not is_perpetual(symbol):
        return False
    return status_of(symbol) is InstrumentStatus.TRADING


def _market(symbol: Symbol | UsdmSymbol, volume: Decimal | None) -> Market:
    return Market(listing=listing_of(symbol, volume), native_id=symbol.symbol, rules=rules_of(symbol.filters))


def _read_spot(body: bytes) -> tuple[Iterable[Symbol], Iterable[RateLimit]]:
    info = decode(ExchangeInfo, body)
    return info.symbols, info.rate_limits


def _read_usdm(body: bytes) -> tuple[Iterable[UsdmSymbol], Iterable[RateLimit]]:
    info = decode(UsdmExchangeInfo, body)
    return info.symbols, info.rate_limits


SPOT = Dialect(
    name="Binance",
    is_usdm=False,
    rest_url="https://api.binance.com",
    stream_url="wss://stream.binance.com:9443",
    levels=1_000,
    rule=numbered,
    info=spot.exchange_info,
    tickers=spot.ticker_24h,
    snapshot=spot.depth,
    about_limits=spot.exchange_info,
    read=_read_spot,
)
USDM = Dialect(
    name="Binance USDT-M",
    is_usdm=True,
    rest_url="https://fapi.binance.com",
    stream_url="wss://fstream.binance.com/public",
    levels=1_000,
    rule=linked,
    info=usdm.exchange_info,
    tickers=usdm.ticker_24h,
    snapshot=usdm.depth,
    about_limits=lambda native_id: usdm.exchange_info(),
    read=_read_usdm,
)
