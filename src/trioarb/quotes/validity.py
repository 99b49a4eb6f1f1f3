"""What a row of a recording says: a quote of both sides, a quote with a side withdrawn, or nothing that can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Verdicts", "verdicts"]


@attrs.frozen
class Verdicts:
    """At which rows which it is, as arrays of truth; each row is one of the three.

    ``whole``: both sides have a price and a size. ``withdrawn``: a side has none, that is, NaN or 0 for its price or
    its size; it leaves the board. ``refused``: a number is negative or infinite, or the bid is above the ask.
    """

    whole: Any
    withdrawn: Any
    refused: Any


def verdicts(columns: Mapping[str, Any]) -> Verdicts:
    """Judge the rows of ``bid``, ``bid_size``, ``ask`` and ``ask_size``."""
    import numpy as np

    bid, bid_size, ask, ask_size = (columns[name] for name in ("bid", "bid_size", "ask", "ask_size"))
    most = float("inf")
    refused = np.zeros(len(bid), dtype=bool)
    for column in (bid, bid_size, ask, ask_size):
        refused |= (column < 0) | (column == most)  # false for NaN
    has_bid, has_ask = (bid > 0) & (bid_size > 0), (ask > 0) & (ask_size > 0)
    refused |= has_bid & has_ask & (bid > ask)
    whole = has_bid & has_ask & ~refused
    return Verdicts(whole, ~whole & ~refused, refused)
