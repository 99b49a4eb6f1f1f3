"""Events of the venues and what they list: instruments, market data, rates and marks."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from trioarb.model.event.base import Event
from trioarb.model.fx import FxState
from trioarb.model.market import Instrument, InstrumentStatus, VenuePart
from trioarb.model.number import text

__all__ = [
    "EntriesHeld",
    "EntriesReleased",
    "FxRated",
    "InstrumentChanged",
    "InstrumentListed",
    "MarketDown",
    "MarketStale",
    "MarketUp",
    "MarketsMarked",
    "UpdatesDown",
    "UpdatesUp",
    "terms_of",
]


class InstrumentListed(Event, frozen=True, kw_only=True):
    """How a venue lists a symbol. A rule that is absent is none; ``ticks`` are steps by the price where they begin.

    ``counts_as``: the quote asset of the symbol, where the venue's is another. What pairs, positions and residuals of
    it come to is counted in that one; limits, fills and marks are as the venue has them.

    ``leverage`` and ``maintenance_margin_bps`` are those of a perpetual contract. ``funding_bps``: what is to be paid
    for it each ``funding_interval_hours``; absent: no funding.

    ``maker_fee_bps`` is absent in journals from before it was recorded.
    """

    symbol: str
    venue: str
    native_id: str
    base: str
    quote: str
    taker_fee_bps: Decimal
    tick_size: Decimal | None = None
    ticks: Mapping[str, Decimal] | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None
    min_quantity: Decimal | None = None
    status: InstrumentStatus = InstrumentStatus.TRADING
    counts_as: str | None = None
    leverage: Decimal | None = None
    maintenance_margin_bps: Decimal | None = None
    funding_bps: Decimal | None = None
    funding_interval_hours: Decimal | None = None
    maker_fee_bps: Decimal | None = None


class InstrumentChanged(Event, frozen=True, kw_only=True):
    """A venue's rules for a symbol, or its status there, are others from now on: all of them, as they are now."""

    symbol: str
    venue: str
    native_id: str
    base: str
    quote: str
    taker_fee_bps: Decimal
    tick_size: Decimal | None = None
    ticks: Mapping[str, Decimal] | None = None
    lot_size: Decimal | None = None
    min_notional: Decimal | None = None
    min_quantity: Decimal | None = None
    status: InstrumentStatus = InstrumentStatus.TRADING
    counts_as: str | None = None
    leverage: Decimal | None = None
    maintenance_margin_bps: Decimal | None = None
    funding_bps: Decimal | None = None
    funding_interval_hours: Decimal | None = None
    maker_fee_bps: Decimal | None = None


def terms_of(instrument: Instrument) -> dict[str, Any]:
    """Return the fields of the events that say how a venue lists a symbol."""
    rules, contract = instrument.rules, instrument.contract
    return {
        "symbol": instrument.symbol,
        "venue": instrument.venue,
        "native_id": instrument.native_id,
        "base": instrument.base,
        "quote": instrument.quote,
        "taker_fee_bps": instrument.taker_fee_bps,
        "tick_size": rules.tick_size,
        "ticks": {text(one.at_least): one.step for one in rules.ticks} or None,
        "lot_size": rules.lot_size,
        "min_notional": rules.min_notional,
        "min_quantity": rules.min_quantity,
        "status": instrument.status,
        "counts_as": instrument.counts_as,
        "leverage": None if contract is None else contract.leverage,
        "maintenance_margin_bps": None if contract is None else contract.maintenance_margin_bps,
        "funding_bps": None if contract is None else contract.funding_bps,
        "funding_interval_hours": None if contract is None else contract.funding_interval_hours,
        "maker_fee_bps": instrument.maker_fee_bps,
    }


class FxRated(Event, frozen=True, kw_only=True):
    """What one unit of ``asset`` is sold (``bid``) and bought (``ask``) for in ``common``, and whether entries may rely
    on it from now on.

    ``reason``: the ``start``, another ``state``, or a ``minute`` that has gone by. ``bids`` and ``asks`` are those of
    the sources that count, of which the rate has the medians; ``outliers`` are too far from the others, ``old`` too
    old. Where ``state`` is not good, the rate is that of the last time, absent before the first. ``age_ns`` is that of
    the oldest quote in it. ``premiums`` (``SYMBOL@VENUE``): how far, in bps, the middle of a venue's prices, converted,
    stands above those of the venues that quote in ``common``.
    """

    asset: str
    common: str
    reason: str
    state: FxState
    bid: Decimal | None = None
    ask: Decimal | None = None
    age_ns: int | None = None
    bids: Mapping[str, Decimal]
    asks: Mapping[str, Decimal]
    outliers: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    premiums: Mapping[str, Decimal]


class MarketUp(Event, frozen=True, kw_only=True):
    """A venue's market data has begun, or quotes come again."""

    venue: str


class MarketStale(Event, frozen=True, kw_only=True):
    """No accepted quote of any symbol came from the venue for too long; its connection may look sound."""

    venue: str
    last_quote_ns: int


class MarketDown(Event, frozen=True, kw_only=True):
    """A venue's market data has ended or failed."""

    venue: str
    reason: str


class UpdatesDown(Event, frozen=True, kw_only=True):
    """A venue's stream of order updates was cut. Until it is up again no entry has a leg there."""

    venue: str
    reason: str


class UpdatesUp(Event, frozen=True, kw_only=True):
    """A venue's stream of order updates goes on, and its open orders were asked for."""

    venue: str


class EntriesHeld(Event, frozen=True, kw_only=True):
    """A plugin of a venue wants no entries there, until it takes the same reason back."""

    venue: str
    by: VenuePart
    reason: str


class EntriesReleased(Event, frozen=True, kw_only=True):
    """A plugin of a venue took a reason back; others may hold still."""

    venue: str
    by: VenuePart
    reason: str


class MarketsMarked(Event, frozen=True, kw_only=True):
    """At which prices what is open was valued, by ``SYMBOL@VENUE``, and what it is worth beyond what it is booked at.

    ``reason``: ``start`` and ``end`` of the campaign, each ``minute`` in which something is open, a ``day`` that
    begins with something open, an ``answer`` that said a loss and follows. ``last`` names the sides
    (``SYMBOL@VENUE bid``) that were withdrawn, and whose last price it is. ``unrealised_usd`` by symbol: positions if
    they were closed, fees paid; residuals and dust at their side's price. ``fx_bids`` and ``fx_asks``: by asset, at
    which rates prices and money in other quote assets were counted.
    """

    reason: str
    bids: Mapping[str, Decimal]
    asks: Mapping[str, Decimal]
    last: tuple[str, ...]
    unrealised_usd: Mapping[str, Decimal]
    fx_bids: Mapping[str, Decimal] | None = None
    fx_asks: Mapping[str, Decimal] | None = None
