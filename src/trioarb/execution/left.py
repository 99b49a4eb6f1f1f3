"""What a pair leaves on one side only: a residual if it is to be worked off, dust if no venue would take it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trioarb.model.event import DustLeft, Intent, OrderSubmitted, ResidualLeft
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Order, Side
from trioarb.quotes.board import Touch

__all__ = ["Left", "cost_usd", "side_of", "still_possible"]

_multiply = EXACT.multiply


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A one-sided quantity: long at its venue if positive, short if negative; and what it is worth.

    ``price`` is what a unit cost or brought. ``mark`` is what its side stands at, ``last_mark`` what it stood at when
    that was known last. ``client_order_id``: an order without an answer, of which it depends how much there is;
    ``possible``: it may not even exist, and has no value. ``usd_per_quote``: of its own quote asset, where the pair
    counts in USD.
    """

    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    price: Decimal
    mark: Decimal | None = None
    last_mark: Decimal | None = None
    possible: bool = False
    client_order_id: str | None = None
    usd_per_quote: Decimal | None = None

    @property
    def value(self) -> Decimal:
        if self.possible:
            return ZERO
        known = (mark for mark in (self.mark, self.last_mark) if mark is not None)
        return _multiply(self.quantity, next(known, self.price))

    @property
    def counted(self) -> Decimal:
        """Its value in what the pair counts in."""
        return self.value if self.usd_per_quote is None else _multiply(self.value, self.usd_per_quote)

    def residual(self, residual_id: str, opened: Intent, usd_per_quote: Decimal) -> ResidualLeft:
        """Return it as a residual of a pair."""
        return ResidualLeft(
            residual_id=residual_id,
            pair_id=opened.pair_id,
            trade_id=opened.trade_id,
            symbol=self.symbol,
            venue=self.venue,
            asset=self.asset,
            quantity=self.quantity,
            average_price=self.price,
            mark_price=self.mark,
            last_price=self.last_mark,
            cost_usd=cost_usd(self.quantity, self.price, self.usd_per_quote or usd_per_quote),
            unknown=self.client_order_id is not None,
            possible=self.possible,
            booked_value=self.value,
            client_order_id=self.client_order_id,
        )

    def dust(self, opened: Intent, usd_per_quote: Decimal) -> DustLeft:
        """Return it as dust of a pair."""
        return DustLeft(
            pair_id=opened.pair_id,
            trade_id=opened.trade_id,
            symbol=self.symbol,
            venue=self.venue,
            asset=self.asset,
            quantity=self.quantity,
            price=self.price,
            booked_value=self.value,
            cost_usd=cost_usd(self.quantity, self.price, self.usd_per_quote or usd_per_quote),
        )


def still_possible(order: Order | OrderSubmitted, asset: str) -> Left:
    """Return what stands for an order of which nothing is known."""
    return Left(
        symbol=order.symbol,
        venue=order.venue,
        asset=asset,
        quantity=order.quantity if order.side is Side.BUY else EXACT.minus(order.quantity),
        price=order.limit_price,
        possible=True,
        client_order_id=order.client_order_id,
    )


def cost_usd(quantity: Decimal, price: Decimal, usd_per_quote: Decimal) -> Decimal:
    """Return |quantity| × price in USD: what counts as exposure."""
    return _multiply(_multiply(quantity.copy_abs(), price), usd_per_quote)


def side_of(touch: Touch | None, quantity: Decimal) -> Decimal | None:
    """Return what a long quantity would be sold at, and a short one bought back."""
    return None if touch is None else touch.bid if quantity > 0 else touch.ask
