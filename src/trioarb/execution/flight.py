"""A pair in flight, and the market it trades in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.execution.settlement import Marks
from trioarb.model.event import OrderSubmitted, PairOpened
from trioarb.model.market import Instrument
from trioarb.model.order import Order
from trioarb.quotes.board import QuoteBoard

__all__ = ["Flight", "Market", "order_of"]


@attrs.frozen(kw_only=True)
class Market:
    """One symbol: its instruments by venue, its quotes, and the value of its quote asset."""

    symbol: str
    instruments: Mapping[str, Instrument]
    board: QuoteBoard
    usd_per_quote: Decimal
    exit_bps: Decimal

    @property
    def base(self) -> str:
        return next(iter(self.instruments.values())).base

    def is_quoted(self, *venues: str) -> bool:
        """Whether each of the venues had a quote."""
        return all(self.board.is_quoted(venue) for venue in venues)

    def marks(self, buy_venue: str, sell_venue: str) -> Marks:
        """Return the touch of both venues."""
        buy, sell = self.board.touch(buy_venue), self.board.touch(sell_venue)
        return Marks(
            buy_bid=buy.bid if buy else None,
            buy_ask=buy.ask if buy else None,
            sell_bid=sell.bid if sell else None,
            sell_ask=sell.ask if sell else None,
        )


@attrs.define
class Flight:
    """A pair in flight: what the venues refused, and the orders whose fate is not known (yet)."""

    market: Market
    opened: PairOpened
    refusals: Counter[str] = attrs.field(factory=Counter)
    unanswered: dict[str, Order] = attrs.field(factory=dict)

    @property
    def marks(self) -> Marks:
        return self.market.marks(self.opened.buy_venue, self.opened.sell_venue)


def order_of(submitted: OrderSubmitted) -> Order:
    """Return the order that was recorded as this intent."""
    return Order(
        client_order_id=submitted.client_order_id,
        venue=submitted.venue,
        symbol=submitted.symbol,
        side=submitted.side,
        quantity=submitted.quantity,
        limit_price=submitted.limit_price,
    )
