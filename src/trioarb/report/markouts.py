"""Markouts as figures."""

from __future__ import annotations

from typing import Any

import attrs

from trioarb.state.state import State

__all__ = ["markouts"]


def markouts(state: State) -> list[dict[str, Any]] | None:
    """Return how markets went on after fills, by venue, side, purpose and resting or not; ``None`` if unknown."""
    rows = [
        {
            "venue": venue,
            "side": side,
            "purpose": purpose,
            "rests": rests,
            "after": {f"{seconds}s": {**attrs.asdict(one), "bps": one.bps} for seconds, one in sorted(found.items())},
        }
        for (venue, side, purpose, rests), found in sorted(
            state.markouts.of.items(), key=lambda item: (item[0][0], item[0][1].value, item[0][2].value, item[0][3])
        )
    ]
    return rows or None
