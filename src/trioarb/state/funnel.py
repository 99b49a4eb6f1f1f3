"""Where a symbol's quotes and evaluations went."""

from __future__ import annotations

from collections import Counter

import attrs

from trioarb.model.event import FunnelCounted
from trioarb.model.funnel import FUNNEL_COUNTERS

__all__ = ["Funnel"]


@attrs.define
class Funnel:
    """Where a symbol's quotes and evaluations went.

    ``withdrawn``: quotes without one of their sides, or both. ``stale``: evaluations without a route between two fresh
    quotes.
    """

    iterations: int = 0
    seen: int = 0
    refused: int = 0
    withdrawn: int = 0
    conflated: int = 0
    stale: int = 0
    edge_positive: int = 0
    over_threshold: int = 0
    sized: int = 0
    not_sized: Counter[str] = attrs.field(factory=Counter)

    def event(self, symbol: str, *, final: bool, highest_edge_bps: float | None = None) -> FunnelCounted:
        """Return the counters as they are now."""
        return FunnelCounted(
            symbol=symbol,
            **{name: getattr(self, name) for name in FUNNEL_COUNTERS},
            not_sized=dict(sorted(self.not_sized.items())),
            final=final,
            highest_edge_bps=highest_edge_bps,
        )

    @property
    def evaluated(self) -> int:
        return self.iterations

    @property
    def fresh(self) -> int:
        return self.iterations - self.stale

    @classmethod
    def of(cls, counted: FunnelCounted) -> Funnel:
        """Return the counters as they were."""
        counters = {name: getattr(counted, name) for name in FUNNEL_COUNTERS if name not in ("evaluated", "fresh")}
        return cls(**counters, stale=counted.evaluated - counted.fresh, not_sized=Counter(counted.not_sized))
