"""Where a symbol's quotes and evaluations went."""

from __future__ import annotations

from collections import Counter

import attrs

from trioarb.model.event import FunnelCounted

__all__ = ["Funnel", "Passed"]


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
            iterations=self.iterations,
            seen=self.seen,
            refused=self.refused,
            withdrawn=self.withdrawn,
            conflated=self.conflated,
            evaluated=self.evaluated,
            fresh=self.fresh,
            edge_positive=self.edge_positive,
            over_threshold=self.over_threshold,
            sized=self.sized,
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
        return cls(
            iterations=counted.iterations,
            seen=counted.seen,
            refused=counted.refused,
            withdrawn=counted.withdrawn,
            conflated=counted.conflated,
            stale=counted.evaluated - counted.fresh,
            edge_positive=counted.edge_positive,
            over_threshold=counted.over_threshold,
            sized=counted.sized,
            not_sized=Counter(counted.not_sized),
        )


@attrs.frozen
class Passed:
    """Quotes that were passed over: what the funnel has to count of them. ``highest_edge_bps`` of the fresh ones."""

    seen: int
    refused: int
    fresh: int
    edge_positive: int
    highest_edge_bps: float | None
