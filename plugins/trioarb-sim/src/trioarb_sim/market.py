"""A market's rules, as a venue checks them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.api import ZERO, OrderType, Side
from trioarb_sim.order import OrderTerms, Refusal, Refused

__all__ = ["FeeIn", "MarketRules", "MarketState"]


class MarketState(Enum):
    TRADING = "trading"
    HALTED = "halted"
    CANCEL_ONLY = "cancel only"


class FeeIn(Enum):
    """In which asset a fee is taken."""

    RECEIVED = "received"
    QUOTE = "quote"


@attrs.frozen(kw_only=True)
class MarketRules:
    """Rules of one market. ``ticks``: price steps by the price where they begin, in rising order."""

    name: str
    base: str
    quote: str
    ticks: tuple[tuple[Decimal, Decimal], ...]
    lot: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None
    min_value: Decimal = ZERO
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    fee_in: FeeIn = FeeIn.RECEIVED
    state: MarketState = MarketState.TRADING
    #: What is said to have been traded in 24 hours, in base asset.
    volume: Decimal = ZERO
    #: Between which multiples of the last price a limit has to be; ``None``: anywhere.
    price_band: tuple[Decimal, Decimal] | None = None
    #: The venue's own entry in its listing, where there is one: it is listed so again.
    listed: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the price step at a price."""
        return next(step for at_least, step in reversed(self.ticks) if price >= at_least)

    def check(self, terms: OrderTerms, reference: Decimal | None) -> None:
        """See whether an order keeps the rules. ``reference``: the price that market orders are valued at.

        Raises:
            Refused: it doesn't.
        """
        if self.state is MarketState.HALTED:
            raise Refused(Refusal.HALTED)
        if self.state is MarketState.CANCEL_ONLY:
            raise Refused(Refusal.CANCEL_ONLY)
        if terms.type is OrderType.LIMIT:
            self._check_price(terms, reference)
        if not terms.amount:
            self._check_quantity(terms)
        at = terms.price or reference
        value = terms.amount or (terms.quantity * at if at else None)
        if value is not None and value < self.min_value:
            raise Refused(Refusal.BELOW_MINIMUM_VALUE)

    def needs(self, terms: OrderTerms, worst: Decimal | None) -> tuple[str, Decimal]:
        """Return what an order sets apart: the asset, and how much of it. ``worst``: what a market buy may pay."""
        if terms.side is Side.SELL:
            return self.base, terms.quantity
        value = terms.amount or terms.quantity * (terms.price or worst or ZERO)
        fee = max(self.maker_fee, self.taker_fee, ZERO) if self.fee_in is FeeIn.QUOTE else ZERO
        return self.quote, value * (1 + fee)

    def _check_price(self, terms: OrderTerms, reference: Decimal | None) -> None:
        if terms.price <= 0 or terms.price % self.tick_at(terms.price):
            raise Refused(Refusal.OFF_TICK)
        if self.price_band is not None and reference is not None:
            least, most = self.price_band
            if not reference * least <= terms.price <= reference * most:
                raise Refused(Refusal.PRICE_OUT_OF_RANGE)

    def _check_quantity(self, terms: OrderTerms) -> None:
        if terms.quantity < self.min_quantity or terms.quantity <= 0:
            raise Refused(Refusal.TOO_SMALL)
        if self.max_quantity is not None and terms.quantity > self.max_quantity:
            raise Refused(Refusal.TOO_LARGE)
        if terms.quantity % self.lot:
            raise Refused(Refusal.OFF_LOT)
