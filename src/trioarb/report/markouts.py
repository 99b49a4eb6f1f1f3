"""Markouts as figures."""

from __future__ import annotations

from typing import Any

import attrs

from trioarb.state.state import State

__all__ = ["markouts"]


def markouts(state: State) -> list[dict[str, Any]] | None:
    """Return how markets went on after fills, by venue, side and purpose; ``None`` where that wasn't looked at."""
    rows = [
        {
            "venue": venue,
            "side": side,
            "purpose": purpose,
            "after": {f"{seconds}s": {**attrs.asdict(one), "bps": one.bps} for seconds, one in sorted(found.items())},
        }
        for (venue, side, purpose), found in sorted(
            state.markouts.of.items(), key=lambda item: (item[0][0], item[0][1].value, item[0][2].value)
        )
    ]
    return rows or None
