"""Price steps that depend on the price."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import attrs

from trioarb.api import ZERO, TickRange, TradingRules

__all__ = ["bands", "rules_with"]


def bands(*steps: tuple[str, str]) -> tuple[TickRange, ...]:
    """Return a table: from which price on there is which step, as text, the lowest first and from 0 on."""
    ends = [following for _, (following, _) in pairwise(steps)]
    return tuple(
        TickRange.of(at_least=start, below=end, step=step)
        for (start, step), end in zip(steps, [*ends, None], strict=True)
    )


def rules_with(
    table: Sequence[TickRange],
    *,
    tick_size: Decimal | None,
    price: Decimal | None,
    lot_size: Decimal,
    min_notional: Decimal | None,
) -> TradingRules:
    """Return the rules of a market; where its own step differs from the table's, that goes first.

    ``tick_size`` is what the venue says of the market *now*: its step at the last ``price``, which the table's range of
    that price gets. Where that can't be (nobody knows the price, or no range would begin and end at a multiple of its
    step any more), it is the step of all prices: an order may be refused then, and none has a price that was never
    meant. Without a table and a ``tick_size`` there is no step.
    """
    if tick_size is not None and not (price is None and any(one.step == tick_size for one in table)):
        if price is None or not table:
            return TradingRules(tick_size=tick_size, lot_size=lot_size, min_notional=min_notional)
        own = tuple(attrs.evolve(one, step=tick_size) if _holds(one, max(price, ZERO)) else one for one in table)
        try:
            return TradingRules(ticks=own, lot_size=lot_size, min_notional=min_notional)
        except ValueError:
            return TradingRules(tick_size=tick_size, lot_size=lot_size, min_notional=min_notional)
    return TradingRules(ticks=tuple(table), lot_size=lot_size, min_notional=min_notional)


def _holds(one: TickRange, price: Decimal) -> bool:
    return one.at_least <= price and (one.below is None or price < one.below)
