"""What a row of a recording says: a quote of both sides, a quote with a side withdrawn, or nothing that can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trioarb.quotes.levels import sound_rows

__all__ = ["Verdicts", "have_sound_levels", "verdicts"]


@attrs.frozen
class Verdicts:
    """At which rows which it is, as arrays of truth; each row is one of the three.

    ``whole``: both sides have a price and a size. ``withdrawn``: a side has none, that is, NaN or 0 for its price or
    its size; it leaves the board. ``refused``: a number is negative or infinite, the bid is above the ask, or levels
    beyond the best can't follow it.
    """

    whole: Any
    withdrawn: Any
    refused: Any


def verdicts(columns: Mapping[str, Any], *, has_sound_levels: Any = None) -> Verdicts:
    """Judge the rows of ``bid``, ``bid_size``, ``ask`` and ``ask_size``.

    ``has_sound_levels``: at which rows levels can follow the best, see `have_sound_levels`; absent without any.
    """
    import numpy as np

    bid, bid_size, ask, ask_size = (columns[name] for name in ("bid", "bid_size", "ask", "ask_size"))
    most = float("inf")
    refused = np.zeros(len(bid), dtype=bool)
    for column in (bid, bid_size, ask, ask_size):
        refused |= (column < 0) | (column == most)  # false for NaN
    has_bid, has_ask = (bid > 0) & (bid_size > 0), (ask > 0) & (ask_size > 0)
    refused |= has_bid & has_ask & (bid > ask)
    if has_sound_levels is not None:
        refused |= ~has_sound_levels
    whole = has_bid & has_ask & ~refused
    return Verdicts(whole, ~whole & ~refused, refused)


def have_sound_levels(columns: Mapping[str, Any]) -> Any:
    """Return at which rows ``levels`` can follow ``bid``, ``bid_size``, ``ask`` and ``ask_size``."""
    import numpy as np

    bid, bid_size, ask, ask_size = (columns[name] for name in ("bid", "bid_size", "ask", "ask_size"))
    there = (bid > 0) & (bid_size > 0), (ask > 0) & (ask_size > 0)
    best = (
        price if is_there.all() else np.where(is_there, price, np.nan)
        for price, is_there in zip((bid, ask), there, strict=True)
    )
    return sound_rows(columns["levels"], *best)
