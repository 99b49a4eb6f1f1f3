"""Two residuals of a symbol that hedge each other are netted: as much of both is one no longer, without an order."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal, localcontext

from trioarb.model.event import ResidualLeft, ResidualsNetted
from trioarb.model.number import EXACT, share

__all__ = ["less", "netted", "to_net"]


def to_net(
    residuals: Iterable[ResidualLeft], displaceable: Collection[str] = ()
) -> tuple[ResidualLeft, ResidualLeft] | None:
    """Return the first long one and the first short one of a symbol that hedge each other; ``None``: there are none.

    They are at one venue, or both among those whose ids are ``displaceable``: they are then stock that one venue has
    more and the other has less than before, and nobody owes it.
    """
    known = tuple(residuals)
    for long in known:
        for short in known:
            if long.quantity > 0 > short.quantity and long.symbol == short.symbol:
                is_displaced = long.residual_id in displaceable and short.residual_id in displaceable
                if long.venue == short.venue or is_displaced:
                    return long, short
    return None


def netted(long: ResidualLeft, short: ResidualLeft, usd_per_quote: Decimal) -> ResidualsNetted:
    """Return the event that nets as much of both as there is of the smaller one."""
    quantity = min(long.quantity, abs(short.quantity))
    with localcontext(EXACT):
        long_booked, long_cost = less(long, quantity)
        short_booked, short_cost = less(short, quantity)
        change = long_booked + short_booked - long.booked_value - short.booked_value
        return ResidualsNetted(
            symbol=long.symbol,
            long_id=long.residual_id,
            short_id=short.residual_id,
            quantity=quantity,
            long_rest=long.quantity - quantity,
            long_booked_value=long_booked,
            long_cost_usd=long_cost,
            short_rest=short.quantity + quantity,
            short_booked_value=short_booked,
            short_cost_usd=short_cost,
            value=long.booked_value - long_booked,
            pnl_usd=change * usd_per_quote,
        )


def less(residual: ResidualLeft, quantity: Decimal) -> tuple[Decimal, Decimal]:
    """Return what is booked of a residual without so much of it, and its exposure. In exact arithmetic."""
    held = abs(residual.quantity)
    booked = residual.booked_value - share(residual.booked_value, quantity, held)
    return booked, residual.cost_usd - share(residual.cost_usd, quantity, held)
