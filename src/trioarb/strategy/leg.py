"""One leg of a trade: what one side costs at one venue, and how much of it can be paid for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import msgspec

from trioarb.model.fx import Said
from trioarb.model.market import Instrument, Level
from trioarb.model.number import BPS, EXACT, ZERO
from trioarb.model.order import Side
from trioarb.model.trade import Account
from trioarb.quotes.board import Touch

__all__ = ["Leg", "least"]


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a trade at one venue: its price there now, and what is free to be spent.

    ``touch`` is absent before the venue's first quote, and a side of it once that was withdrawn. ``free_base`` and
    ``free_quote`` are what is not locked or claimed; on ``margin`` a sell may borrow ``max_borrow_usd`` beyond it. On
    ``perpetual`` they are the contracts that are held, below zero if short, and the collateral that is not bound.
    ``kept_base`` and ``kept_quote`` of it are what open positions need to be closed: an entry doesn't spend that.

    Prices and limits are the venue's own. ``usd_per_quote`` is what its quote asset is worth; ``said``: what that is
    sold and bought for in the symbol's quote asset, if it is another.
    """

    side: Side
    instrument: Instrument
    touch: Touch | None
    free_base: Decimal
    free_quote: Decimal
    account: Account
    max_borrow_usd: Decimal
    usd_per_quote: Decimal
    kept_base: Decimal = ZERO
    kept_quote: Decimal = ZERO
    said: Said | None = None

    @property
    def fx_rate(self) -> Decimal | None:
        """What the quote asset of the venue costs if it is paid here, or brings if it is received."""
        if self.said is None:
            return None
        return self.said.ask if self.side is Side.BUY else self.said.bid

    def in_common(self, price: Decimal) -> Decimal:
        """Return a price of the venue in the symbol's quote asset."""
        rate = self.fx_rate
        return price if rate is None else EXACT.multiply(price, rate)

    @property
    def venue(self) -> str:
        return self.instrument.venue

    @property
    def reversed(self) -> Leg:
        """The same place, traded the other way."""
        return msgspec.structs.replace(self, side=Side.SELL if self.side is Side.BUY else Side.BUY)

    @property
    def entering(self) -> Leg:
        """The same, without what is kept for closing."""
        if not self.kept_base and not self.kept_quote:
            return self
        return msgspec.structs.replace(
            self,
            free_base=self.free_base - self.kept_base,
            free_quote=self.free_quote - self.kept_quote,
            kept_base=ZERO,
            kept_quote=ZERO,
        )

    @property
    def price(self) -> Decimal:
        """What the venue asks of a buyer, or bids a seller."""
        price = None if self.touch is None else self.touch.ask if self.side is Side.BUY else self.touch.bid
        if price is None:
            raise AssertionError(f"{self.instrument.symbol}: {self.venue} has no price on this side")
        return price

    @property
    def is_priced(self) -> bool:
        """Whether the venue has this side at all."""
        return self.touch is not None and (self.touch.ask if self.side is Side.BUY else self.touch.bid) is not None

    @property
    def displayed(self) -> Decimal:
        """How much of it the venue shows at that price."""
        if self.touch is None:
            return ZERO
        return self.touch.ask_size if self.side is Side.BUY else self.touch.bid_size

    @property
    def levels(self) -> Iterator[Level]:
        """The levels that can be traded with, best first."""
        if self.touch is None:
            return iter(())
        return self.touch.asks() if self.side is Side.BUY else self.touch.bids()

    def displayed_within(self, limit: Decimal) -> Decimal:
        """Return how much the venue shows at prices no worse than a limit, and at the touch."""
        displayed, is_buy = self.displayed, self.side is Side.BUY
        for level in islice(self.levels, 1, None):
            if level.price > limit if is_buy else level.price < limit:
                break
            displayed = EXACT.add(displayed, level.size)
        return displayed

    @property
    def limit(self) -> Decimal:
        """The limit at the touch."""
        return self.limit_at(self.price)

    def limit_at(self, price: Decimal) -> Decimal:
        """Return the limit of an order that is to fill at a price: a buyer's is rounded down to the tick, a seller's
        up.
        """
        rules = self.instrument.rules
        return rules.floor_price(price) if self.side is Side.BUY else rules.ceil_price(price)

    def limit_beyond(self, slippage_bps: Decimal) -> Decimal:
        """Return the limit so far beyond the touch, and never further by rounding."""
        if self.side is Side.BUY:
            return self.limit_at(self.price * (BPS + slippage_bps) / BPS)
        return self.limit_at(self.price * (BPS - slippage_bps) / BPS)

    def payable(self, limit: Decimal) -> Decimal:
        """Return how much base asset can be traded at a limit: bought, the fee included, or sold.

        Of contracts: what closes those that are held, and what beyond it can be margined, the fee included.
        """
        contract = self.instrument.contract
        if contract is not None:
            return self._marginable(limit, contract.leverage)
        if self.side is Side.BUY:
            return self.free_quote * BPS / (limit * (BPS + max(self.instrument.taker_fee_bps, ZERO))) if limit else ZERO
        if self.account is Account.SPOT or not limit or not self.usd_per_quote:
            return self.free_base
        return self.free_base + self.max_borrow_usd / (limit * self.usd_per_quote)

    def _marginable(self, limit: Decimal, leverage: Decimal) -> Decimal:
        closes = max(ZERO, -self.free_base if self.side is Side.BUY else self.free_base)
        if not limit:
            return closes
        each = limit * (BPS / leverage + max(self.instrument.taker_fee_bps, ZERO))
        return closes + max(ZERO, self.free_quote) * BPS / each

    def lots(self, quantity: Decimal) -> Decimal:
        """Return the largest quantity, not above the given one, that is whole lots here."""
        return self.instrument.rules.floor_quantity(quantity)

    def takes(self, quantity: Decimal, price: Decimal) -> bool:
        """Return whether the venue takes an order of this size at this price."""
        return self.instrument.rules.takes(quantity, price)


def least(instrument: Instrument, limit: Decimal) -> Decimal:
    """Return the smallest quantity that a venue takes at a limit."""
    return instrument.rules.least(limit)
