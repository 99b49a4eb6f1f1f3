"""The funnel of a symbol, from quotes to closed trades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from trioarb.state.funnel import Funnel
from trioarb.state.funnel_total import COUNTED_STEPS, FUNNEL_STEPS, TRADED_STEPS, FunnelTotal
from trioarb.state.statistics import RouteStatistics, Statistics, SymbolStatistics

__all__ = ["FUNNEL_STEPS", "funnel_of", "funnel_total", "not_sized_of", "not_sized_total", "route_figures", "routes_of"]


def funnel_of(statistics: Statistics, symbol: str) -> dict[str, int]:
    """Return the count of every step, as it was last recorded."""
    traded = statistics.symbols.get(symbol) or SymbolStatistics()
    counted = traded.funnel or Funnel()
    return {step: getattr(counted, step) for step in COUNTED_STEPS} | {
        step: getattr(traded, step) for step in TRADED_STEPS
    }


def funnel_total(statistics: Statistics) -> dict[str, int]:
    """Return the counts of all symbols together."""
    return FunnelTotal.recorded(statistics).steps


def not_sized_of(statistics: Statistics, symbol: str) -> Counter[str]:
    """Return why opportunities of a symbol could not be sized."""
    one = statistics.symbols.get(symbol)
    return Counter() if one is None or one.funnel is None else Counter(one.funnel.not_sized)


def not_sized_total(statistics: Statistics) -> Counter[str]:
    """Return why opportunities could not be sized, over all symbols."""
    return Counter(FunnelTotal.recorded(statistics).not_sized)


def routes_of(statistics: Statistics, symbol: str) -> Iterator[tuple[str, RouteStatistics]]:
    """Yield the routes of a symbol that were tried, as ``buy>sell``, in the order of their venues."""
    one = statistics.symbols.get(symbol) or SymbolStatistics()
    for (buy_venue, sell_venue), route in sorted(one.routes.items()):
        yield f"{buy_venue}>{sell_venue}", route


def route_figures(route: RouteStatistics) -> Mapping[str, Any]:
    """Return where a route stopped, and how often."""
    counted = route.counted
    return {
        "over_threshold": 0 if counted is None else counted.over_threshold,
        "sized": 0 if counted is None else counted.sized,
        "not_sized": {} if counted is None else dict(sorted(counted.not_sized.items())),
        "denied": dict(sorted(route.denied.items())),
        "allowed": route.allowed,
        **({"reduced": dict(sorted(route.reduced.items()))} if route.reduced else {}),
    }
