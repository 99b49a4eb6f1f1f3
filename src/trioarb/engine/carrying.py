"""What an earlier campaign lost on this UTC day, which counts in the limits of this one."""

from __future__ import annotations

from decimal import Decimal

from trioarb.model.event import LossCarried
from trioarb.model.number import ZERO
from trioarb.state.state import State

__all__ = ["carried_loss"]


def carried_loss(earlier: State, now_ns: int) -> LossCarried:
    """Return the loss that a campaign comes to on the UTC day of ``now_ns``, by its own loss basis.

    What that campaign carried itself is part of it. A gain is nothing: it raises no limit of this one.
    """
    opened = earlier.statistics.opened
    by_symbol = {symbol: _loss(earlier, now_ns, symbol) for symbol in sorted(earlier.statistics.symbols)}
    return LossCarried(
        campaign_id=opened.campaign_id if opened is not None else "",
        total_usd=_loss(earlier, now_ns),
        pnl_usd={symbol: loss for symbol, loss in by_symbol.items() if loss},
    )


def _loss(earlier: State, now_ns: int, symbol: str | None = None) -> Decimal:
    return min(ZERO, -earlier.marks.daily_loss_usd(now_ns, symbol))
