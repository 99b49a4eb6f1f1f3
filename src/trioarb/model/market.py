"""What is traded, where, and at which prices."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import attrs
import msgspec

from trioarb.model.contract import ContractTerms
from trioarb.model.rules import TradingRules

__all__ = [
    "Book",
    "Instrument",
    "InstrumentStatus",
    "Level",
    "Listing",
    "Quote",
    "Route",
    "TradingRules",
    "Triangle",
    "VenuePart",
]


@attrs.frozen(kw_only=True)
class Listing:
    """A symbol as a source of symbols knows it.

    ``volume_24h_quote`` is the traded volume of the last 24 hours in quote asset; ``None``: unknown. ``price_step``:
    the power of ten of which all its prices are multiples, where recorded data is known so well. ``venue_quote``: in
    which asset the venue quotes it, where that is another that counts as ``quote``. ``venue_name``: what the venue
    calls it, as BASE-QUOTE, where that is something else.
    """

    symbol: str
    base: str
    quote: str
    volume_24h_quote: Decimal | None = None
    price_step: Decimal | None = attrs.field(default=None, eq=False)
    venue_quote: str | None = attrs.field(default=None, eq=False)
    venue_name: str | None = attrs.field(default=None, eq=False)


class VenuePart(Enum):
    """Which of a venue's plugins says something."""

    EXCHANGE = "exchange"
    MARKET = "market"


class InstrumentStatus(Enum):
    TRADING = "trading"
    HALTED = "halted"


@attrs.frozen(kw_only=True)
class Instrument:
    """A symbol as one venue lists it. Fees in basis points of the traded quote value.

    ``fee_asset``: what they are taken in, where that is known and neither base nor quote.
    ``counts_as``: the quote asset of the symbol, where this one's is another; its prices are converted for it. The
    engine fills it in, as the configuration says (``same_as``): an exchange plugin leaves it out.

    A ``HALTED`` one is neither entered nor left until it is ``TRADING`` again. ``contract``: it is a perpetual
    contract, and what is held of it is no base asset.
    """

    symbol: str
    venue: str
    native_id: str
    base: str
    quote: str
    rules: TradingRules
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    status: InstrumentStatus = InstrumentStatus.TRADING
    fee_asset: str | None = None
    contract: ContractTerms | None = None
    counts_as: str | None = None

    @property
    def common(self) -> str:
        """The quote asset in which the symbol is counted."""
        return self.counts_as or self.quote


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask at one venue, sizes in base asset; ``serial`` numbers the venue's quotes.

    A side that was withdrawn has the price NaN and the size 0.
    """

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    received_ns: int
    serial: int


class Level(NamedTuple):
    """A price, and the size that is displayed there, in base asset."""

    price: Decimal
    size: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Price levels of one venue, best first: prices and sizes of each side, as long as each other.

    A side that was withdrawn is empty. ``serial`` is that of the quote that is its first level.
    """

    bids: tuple[float, ...]
    bid_sizes: tuple[float, ...]
    asks: tuple[float, ...]
    ask_sizes: tuple[float, ...]
    received_ns: int
    serial: int


class Route(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Buy the symbol on one venue and sell it on the other."""

    symbol: str
    buy_venue: str
    sell_venue: str

    @property
    def reversed(self) -> Route:
        """The route that closes what this one opened."""
        return Route(symbol=self.symbol, buy_venue=self.sell_venue, sell_venue=self.buy_venue)


class Triangle(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Three symbols of three assets: the *money* a loop begins and ends with, a *bridge*, and what is bought and sold.

    ``home``: that in money (ETHUSDT); ``cross``: that in the bridge (ETHBTC); ``other``: the bridge in money (BTCUSDT).
    """

    home: str
    cross: str
    other: str

    @property
    def symbols(self) -> tuple[str, str, str]:
        return self.home, self.cross, self.other
