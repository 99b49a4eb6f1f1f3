"""What is traded, where, and at which prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from math import nan
from typing import NamedTuple

import attrs
import msgspec

from trioarb.model.contract import ContractTerms
from trioarb.model.given import Given, Maybe, MaybeText, Number
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
    """A symbol as a source of symbols, or market data, knows it.

    Attributes:
        symbol: What it is called here and in configurations.
        base: The asset that is bought and sold.
        quote: The asset that it is priced in.
        volume_24h_quote: What was traded in the last 24 hours, in quote asset; ``None``: unknown.
        price_step: The power of ten of which all its prices are multiples, where recorded data is known so well.
        venue_quote: In which asset the venue quotes it, where that is another that counts as ``quote``.
        venue_name: What the venue calls it, as BASE-QUOTE, where that is something else.
    """

    symbol: str
    base: str
    quote: str
    volume_24h_quote: Decimal | None = None
    price_step: Decimal | None = attrs.field(default=None, eq=False)
    venue_quote: str | None = attrs.field(default=None, eq=False)
    venue_name: str | None = attrs.field(default=None, eq=False)

    @classmethod
    def of(
        cls,
        *,
        base: str,
        quote: str,
        symbol: MaybeText = None,
        volume_24h_quote: Maybe = None,
        price_step: Maybe = None,
        venue_quote: MaybeText = None,
        venue_name: MaybeText = None,
    ) -> Listing:
        """Return a listing from what JSON gives; without a ``symbol``, that of base and quote.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        base, quote = given.name("base", base), given.name("quote", quote)
        return cls(
            symbol=given.maybe_name("symbol", symbol, base + quote),
            base=base,
            quote=quote,
            volume_24h_quote=given.maybe("volume_24h_quote", volume_24h_quote, at_least=0),
            price_step=given.maybe("price_step", price_step, above=0),
            venue_quote=given.maybe_name("venue_quote", venue_quote, None),
            venue_name=given.maybe_name("venue_name", venue_name, None),
        )


class VenuePart(Enum):
    """Which of a venue's plugins says something."""

    EXCHANGE = "exchange"
    MARKET = "market"


class InstrumentStatus(Enum):
    """Whether an instrument trades; one that is halted is neither entered nor left."""

    TRADING = "trading"
    HALTED = "halted"


@attrs.frozen(kw_only=True)
class Instrument:
    """A symbol as one venue lists it.

    Attributes:
        symbol: Ours, that of the listing.
        venue: Who lists it.
        native_id: The venue's own name of it.
        base: The asset that is bought and sold, by our name.
        quote: The asset that it is priced in, by our name.
        rules: What orders are taken.
        maker_fee_bps: Fee of an order that rested, in basis points of the traded quote value; below zero: a rebate.
        taker_fee_bps: Fee of an order that took.
        status: A halted one is neither entered nor left until it trades again.
        fee_asset: What fees are taken in, where that is known and neither base nor quote.
        contract: It is a perpetual contract, and what is held of it is no base asset.
        counts_as: The quote asset of the symbol, where this one's is another; its prices are converted for it. The
            engine fills it in, as the configuration says (``same_as``): an exchange plugin leaves it out.
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

    @classmethod
    def of(
        cls,
        *,
        symbol: str,
        venue: str,
        native_id: str | int,
        base: str,
        quote: str,
        rules: TradingRules,
        maker_fee_bps: Number,
        taker_fee_bps: Number,
        status: InstrumentStatus | str = InstrumentStatus.TRADING,
        fee_asset: MaybeText = None,
        contract: ContractTerms | None = None,
    ) -> Instrument:
        """Return an instrument from what JSON gives.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        return cls(
            symbol=given.name("symbol", symbol),
            venue=given.name("venue", venue),
            native_id=given.name("native_id", native_id),
            base=given.name("base", base),
            quote=given.name("quote", quote),
            rules=rules,
            maker_fee_bps=given.factor("maker_fee_bps", maker_fee_bps),
            taker_fee_bps=given.factor("taker_fee_bps", taker_fee_bps),
            status=given.member("status", status, InstrumentStatus),
            fee_asset=given.maybe_name("fee_asset", fee_asset, None),
            contract=contract,
        )

    @property
    def common(self) -> str:
        """The quote asset in which the symbol is counted."""
        return self.counts_as or self.quote


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask at one venue. A side that was withdrawn has the price NaN and the size 0.

    Attributes:
        bid: Best price to sell at, in quote asset per base.
        bid_size: How much is bid there, in base asset.
        ask: Best price to buy at.
        ask_size: How much is offered there.
        received_ns: Campaign time at which it came, in nanoseconds.
        serial: Numbers the venue's quotes.
    """

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    received_ns: int
    serial: int

    @classmethod
    def of(
        cls,
        *,
        bid: Maybe = None,
        bid_size: Maybe = None,
        ask: Maybe = None,
        ask_size: Maybe = None,
        received_ns: int,
        serial: int = 0,
    ) -> Quote:
        """Return a quote from what JSON gives. A side whose price or size is absent or 0 is withdrawn.

        Raises:
            WireError: a field can't be; names it.
        """
        given = Given(cls.__name__)
        bid_price, bid_depth = _side(given, "bid", bid, bid_size)
        ask_price, ask_depth = _side(given, "ask", ask, ask_size)
        return cls(
            bid=bid_price,
            bid_size=bid_depth,
            ask=ask_price,
            ask_size=ask_depth,
            received_ns=given.time("received_ns", received_ns),
            serial=serial,
        )


def _side(given: Given, name: str, price: Maybe, size: Maybe) -> tuple[float, float]:
    at, depth = given.maybe(name, price, at_least=0), given.maybe(f"{name}_size", size, at_least=0)
    return (float(at), float(depth)) if at and depth else (nan, 0.0)


class Level(NamedTuple):
    """A price, and the size that is displayed there, in base asset."""

    price: Decimal
    size: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Price levels of one venue, best first. A side that was withdrawn is empty.

    Attributes:
        bids: Prices to sell at, in quote asset per base.
        bid_sizes: As many sizes, in base asset.
        asks: Prices to buy at.
        ask_sizes: As many sizes.
        received_ns: Campaign time at which it came, in nanoseconds.
        serial: That of the quote that is its first level.
    """

    bids: tuple[float, ...]
    bid_sizes: tuple[float, ...]
    asks: tuple[float, ...]
    ask_sizes: tuple[float, ...]
    received_ns: int
    serial: int

    @classmethod
    def of(
        cls,
        *,
        bids: Iterable[Sequence[Number]],
        asks: Iterable[Sequence[Number]],
        received_ns: int,
        serial: int = 0,
    ) -> Book:
        """Return a book from what JSON gives.

        Args:
            bids: Levels as price and size, best first; what follows these two in a level is passed over. Levels without
                a size are left out.
            asks: The same of the other side.
            received_ns: Campaign time at which it came, in nanoseconds.
            serial: That of the quote that is its first level.

        Raises:
            WireError: A field can't be; names it, and which level.
        """
        given = Given(cls.__name__)
        bid_levels, ask_levels = _levels(given, "bids", bids), _levels(given, "asks", asks)
        return cls(
            bids=tuple(price for price, _ in bid_levels),
            bid_sizes=tuple(size for _, size in bid_levels),
            asks=tuple(price for price, _ in ask_levels),
            ask_sizes=tuple(size for _, size in ask_levels),
            received_ns=given.time("received_ns", received_ns),
            serial=serial,
        )


def _levels(given: Given, field: str, levels: Iterable[Sequence[Number]]) -> list[tuple[float, float]]:
    found = list[tuple[float, float]]()
    for number, level in enumerate(given.items(field, levels)):
        place = f"{field}[{number}]"
        if isinstance(level, str | bytes) or not isinstance(level, Sequence) or len(level) < 2:
            raise given.error(place, level, "a price and a size")
        price, size = given.quoted(f"{place}[0]", level[0], above=0), given.quoted(f"{place}[1]", level[1])
        if size:
            found.append((price, size))
    return found


class Route(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Buy the symbol on one venue and sell it on the other.

    Attributes:
        symbol: What is traded.
        buy_venue: Where it is bought.
        sell_venue: Where it is sold.
    """

    symbol: str
    buy_venue: str
    sell_venue: str

    @property
    def reversed(self) -> Route:
        """The route that closes what this one opened."""
        return Route(symbol=self.symbol, buy_venue=self.sell_venue, sell_venue=self.buy_venue)


class Triangle(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Three symbols of three assets: the *money* a loop begins and ends with, a *bridge*, and what is bought and sold.

    Attributes:
        home: That in money (ETHUSDT).
        cross: That in the bridge (ETHBTC).
        other: The bridge in money (BTCUSDT).
    """

    home: str
    cross: str
    other: str

    @property
    def symbols(self) -> tuple[str, str, str]:
        """All three, ``home`` first."""
        return self.home, self.cross, self.other
