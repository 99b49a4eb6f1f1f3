"""Edges that were decided upon and not earned, as figures."""

from __future__ import annotations

from typing import Any

import attrs

from trioarb.state.state import State

__all__ = ["missed"]


def missed(state: State) -> dict[str, Any] | None:
    """Return what was missed: by what kept it, and the same by symbol and route; ``None`` if nothing was."""
    if not state.missed.edges:
        return None
    routes: dict[str, dict[str, dict[str, Any]]] = {}
    for (route, reason), one in sorted(state.missed.edges.items()):
        by_route = routes.setdefault(route.symbol, {}).setdefault(f"{route.buy_venue}>{route.sell_venue}", {})
        by_route[reason] = attrs.asdict(one)
    return {
        "by_reason": {reason: attrs.asdict(one) for reason, one in state.missed.by_reason().items()},
        "routes": routes,
    }
