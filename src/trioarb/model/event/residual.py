"""Events of what a transaction left over: residuals, which are worked off, and dust."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event.base import Event
from trioarb.model.number import ZERO

__all__ = [
    "DustLeft",
    "ResidualLeft",
    "ResidualOffered",
    "ResidualResolved",
    "ResidualTaken",
    "ResidualWorked",
    "ResidualsNetted",
    "ResidualsPaired",
]


class DustLeft(Event, frozen=True, kw_only=True):
    """What no venue takes of what a pair left, and worth next to nothing: long if positive, short if negative.

    ``booked_value`` (quote asset) is what it would bring now, or 0 where no price is known, and is part of the pair's
    PnL. ``cost_usd`` = |quantity| × ``price``, and counts as exposure.
    """

    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    price: Decimal
    booked_value: Decimal
    cost_usd: Decimal


class ResidualLeft(Event, frozen=True, kw_only=True):
    """One-sided quantity that could not be hedged, unwound or completed: long if positive, short if negative.

    ``cost_usd`` = |quantity| × average price, and counts as exposure until the residual is resolved. ``unknown``: the
    fill state of the order ``client_order_id`` is not known; ``possible``: the quantity exists only if that order
    filled. ``mark_price`` is what its side stands at, absent where there is none; ``last_price`` is there if it was
    withdrawn, and is what it stood at when it was looked at last. ``booked_value`` (quote asset) is what PnL, and with
    it every loss, counts it as: at the one, the other, or at cost; 0 while it is only possible.
    """

    residual_id: str
    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    average_price: Decimal
    cost_usd: Decimal
    unknown: bool
    possible: bool = False
    booked_value: Decimal = ZERO
    mark_price: Decimal | None = None
    last_price: Decimal | None = None
    client_order_id: str | None = None


class ResidualWorked(Event, frozen=True, kw_only=True):
    """An order, which follows, is to trade a residual away, or to make it large enough for that. Once it is done the
    residual is resolved, and what is left of it takes its place.
    """

    residual_id: str
    symbol: str
    client_order_id: str


class ResidualOffered(Event, frozen=True, kw_only=True):
    """A leg of a pair takes along what was left at its venue: its order, which follows, is larger by ``quantity``.

    What of the order is filled beyond the pair's own quantity belongs to residuals and dust there, not to the pair.
    """

    pair_id: str
    symbol: str
    venue: str
    client_order_id: str
    quantity: Decimal


class ResidualTaken(Event, frozen=True, kw_only=True):
    """A pair that ends has traded away what was left at a venue: of a residual, or (without a ``residual_id``) of dust.

    ``quantity`` is gone, ``rest`` is still there; both below zero where it is short. ``value`` in quote asset is what
    that brought, below zero where it was bought back, and ``fees`` what it cost. ``booked_value`` is what the rest is
    booked at, ``cost_usd`` what it counts as exposure. ``pnl_usd``: value − fees + the change of what is booked.
    """

    pair_id: str
    trade_id: str
    symbol: str
    venue: str
    quantity: Decimal
    rest: Decimal
    value: Decimal
    fees: Decimal
    booked_value: Decimal
    cost_usd: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal
    residual_id: str | None = None


class ResidualResolved(Event, frozen=True, kw_only=True):
    """A residual is one no longer: its order's last word came, or it was traded away.

    What is left of it follows as another residual, whose value is part of ``pnl_usd``: what the fills brought and
    cost, and how the value that was booked has changed.
    """

    residual_id: str
    symbol: str
    reason: str
    pnl_usd: Decimal
    fees_usd: Decimal


class ResidualsNetted(Event, frozen=True, kw_only=True):
    """Two residuals of a symbol hedge each other: ``quantity`` of both is one no longer, and no order was needed.

    The long one goes for what it is booked at (``value``, in quote asset), so ``pnl_usd``, how the value that was
    booked has changed, is the short one's. What is left of them keeps its share of value and exposure.
    """

    symbol: str
    long_id: str
    short_id: str
    quantity: Decimal
    long_rest: Decimal
    long_booked_value: Decimal
    long_cost_usd: Decimal
    short_rest: Decimal
    short_booked_value: Decimal
    short_cost_usd: Decimal
    value: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal = ZERO

    @property
    def rests(self) -> tuple[tuple[str, Decimal, Decimal, Decimal], ...]:
        """Of both: id, what is left, what that is booked at, and its exposure."""
        return (
            (self.long_id, self.long_rest, self.long_booked_value, self.long_cost_usd),
            (self.short_id, self.short_rest, self.short_booked_value, self.short_cost_usd),
        )


class ResidualsPaired(Event, frozen=True, kw_only=True):
    """Two residuals of an entry turn out to be what it wanted, since the fate of an order was learnt late: long where
    it buys, short where it sells. So much of both is a position, which `PositionOpened` says next.

    ``before_usd`` is what the trade had come to. ``pnl_usd``: how what was booked has changed, and less what the
    position keeps of cash and fees, if it is to be closed later.
    """

    trade_id: str
    pair_id: str
    symbol: str
    long_id: str
    short_id: str
    quantity: Decimal
    long_rest: Decimal
    long_booked_value: Decimal
    long_cost_usd: Decimal
    short_rest: Decimal
    short_booked_value: Decimal
    short_cost_usd: Decimal
    before_usd: Decimal
    pnl_usd: Decimal
    fees_usd: Decimal = ZERO

    @property
    def rests(self) -> tuple[tuple[str, Decimal, Decimal, Decimal], ...]:
        """Of both: id, what is left, what that is booked at, and its exposure."""
        return (
            (self.long_id, self.long_rest, self.long_booked_value, self.long_cost_usd),
            (self.short_id, self.short_rest, self.short_booked_value, self.short_cost_usd),
        )
