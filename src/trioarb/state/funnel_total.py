"""The funnels of many symbols together."""

from __future__ import annotations

from typing import Self

import attrs

from trioarb.model.event import FunnelCounted
from trioarb.model.funnel import FUNNEL_COUNTERS
from trioarb.state.funnel import Funnel
from trioarb.state.statistics import Statistics, SymbolStatistics

__all__ = ["COUNTED_STEPS", "FUNNEL_STEPS", "TRADED_STEPS", "FunnelTotal"]

#: Iterations are what is evaluated.
COUNTED_STEPS = tuple(name for name in FUNNEL_COUNTERS if name != "iterations")
TRADED_STEPS = ("allowed", "sent", "filled", "closed")
FUNNEL_STEPS = (*COUNTED_STEPS, *TRADED_STEPS)


@attrs.define
class FunnelTotal:
    """How much came to each of the `FUNNEL_STEPS`, and how often an edge could not be sized, by reason."""

    steps: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(FUNNEL_STEPS, 0))
    not_sized: dict[str, int] = attrs.field(factory=dict)

    def add(self, counted: Funnel | FunnelCounted | None, traded: SymbolStatistics | None) -> None:
        """Add a symbol: where its quotes went, and what came of what was sized. Both of one moment."""
        steps, not_sized = self.steps, self.not_sized
        if counted is not None and (counted.seen or counted.withdrawn or counted.iterations):
            for step in COUNTED_STEPS:
                steps[step] += getattr(counted, step)
            for reason, count in counted.not_sized.items():
                not_sized[reason] = not_sized.get(reason, 0) + count
        if traded is not None:
            for step in TRADED_STEPS:
                steps[step] += getattr(traded, step)

    @classmethod
    def recorded(cls, statistics: Statistics) -> Self:
        """Return what a journal says: of each symbol as it was counted last, which is up to a minute ago."""
        total = cls()
        for one in statistics.symbols.values():
            total.add(one.funnel, one)
        return total
