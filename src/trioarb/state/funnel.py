"""Where a symbol's quotes and evaluations went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import attrs

from trioarb.model.event import Event, FunnelCounted, RouteCounted
from trioarb.model.funnel import FUNNEL_COUNTERS
from trioarb.model.market import Route

__all__ = ["Funnel", "RouteFunnel"]


@attrs.define
class RouteFunnel:
    """How often a route was over the threshold, and what became of it. ``recorded``: how often it was, last time."""

    over_threshold: int = 0
    sized: int = 0
    not_sized: Counter[str] = attrs.field(factory=Counter)
    recorded: int = 0


@attrs.define
class Funnel:
    """Where a symbol's quotes and evaluations went.

    ``withdrawn``: quotes without one of their sides, or both. ``stale``: evaluations without a route between two fresh
    quotes. ``routes``: those that were tried.
    """

    iterations: int = 0
    seen: int = 0
    refused: int = 0
    withdrawn: int = 0
    conflated: int = 0
    stale: int = 0
    edge_positive: int = 0
    routes: dict[Route, RouteFunnel] = attrs.field(factory=dict)

    def of_route(self, route: Route) -> RouteFunnel:
        one = self.routes.get(route)
        if one is None:
            one = self.routes[route] = RouteFunnel()
        return one

    def counted(self, symbol: str, *, final: bool, highest_edge_bps: float | None = None) -> FunnelCounted:
        """Return the counters as they are now."""
        return FunnelCounted(
            symbol=symbol,
            **{name: getattr(self, name) for name in FUNNEL_COUNTERS},
            not_sized=dict(sorted(self.not_sized.items())),
            final=final,
            highest_edge_bps=highest_edge_bps,
        )

    def events(self, symbol: str, *, final: bool, highest_edge_bps: float | None = None) -> Iterator[Event]:
        """Yield the counters as they are now, and those of the routes that were tried since the last time."""
        yield self.counted(symbol, final=final, highest_edge_bps=highest_edge_bps)
        for route, one in sorted(self.routes.items()):
            if final or one.recorded != one.over_threshold:
                one.recorded = one.over_threshold
                yield RouteCounted(
                    symbol=symbol,
                    buy_venue=route.buy_venue,
                    sell_venue=route.sell_venue,
                    over_threshold=one.over_threshold,
                    sized=one.sized,
                    not_sized=dict(sorted(one.not_sized.items())),
                    final=final,
                )

    @property
    def evaluated(self) -> int:
        return self.iterations

    @property
    def fresh(self) -> int:
        return self.iterations - self.stale

    @property
    def over_threshold(self) -> int:
        return sum(one.over_threshold for one in self.routes.values())

    @property
    def sized(self) -> int:
        return sum(one.sized for one in self.routes.values())

    @property
    def not_sized(self) -> Counter[str]:
        return sum((one.not_sized for one in self.routes.values()), Counter[str]())

    @classmethod
    def of(cls, counted: FunnelCounted, routes: Iterable[RouteCounted]) -> Funnel:
        """Return the counters as they were."""
        counters = {name: getattr(counted, name) for name in FUNNEL_COUNTERS if name not in _DERIVED}
        funnel = cls(**counters, stale=counted.evaluated - counted.fresh)
        for one in routes:
            route = Route(symbol=one.symbol, buy_venue=one.buy_venue, sell_venue=one.sell_venue)
            funnel.routes[route] = RouteFunnel(
                one.over_threshold, one.sized, Counter(one.not_sized), recorded=one.over_threshold
            )
        return funnel


_DERIVED = ("evaluated", "fresh", "over_threshold", "sized")
