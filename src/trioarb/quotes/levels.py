"""Levels beyond the best: as columns, as one quote's, and what is wrong with some.

A column of levels has the shape (4, levels, rows): prices and sizes of the bids, then those of the asks, as `Levels`
has them. Beyond a quote's last level both are NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from operator import gt, lt
from typing import TYPE_CHECKING, Any

from trioarb.plugin.contract import Levels

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["InColumn", "are_sound", "at_row", "each_row", "looked_up", "sound_rows", "up_to_the_last"]

#: Levels that are looked up when somebody looks: a column of them and a row, whose levels were judged; or a function
#: and what it is to be called with, whose answer wasn't.
InColumn = tuple[Any, Any]

#: Rows that are looked at together, so that what is computed of them stays in the cache.
_SLICE_ROWS = 4_096


def looked_up(levels: Levels | InColumn | None, bid: float, ask: float) -> Levels | None:
    """Return the levels of a quote with this best bid and ask, wherever they are; none where a function's can't be."""
    if levels is None or len(levels) == 4:
        return levels
    column, row = levels
    if not callable(column):
        return at_row(column, row)
    found: Levels | None = column(row)
    return found if found is not None and are_sound(found, bid, ask) else None


def at_row(column: Array, row: int) -> Levels:
    """Return the levels of one row of a column, those that aren't there included."""
    bids, bid_sizes, asks, ask_sizes = column[:, :, row].tolist()
    return bids, bid_sizes, asks, ask_sizes


def each_row(column: Array, is_last: Array) -> Iterator[InColumn]:
    """Yield each row of a column, which somebody may keep; ``is_last``: those that are kept beyond the other rows'
    time, so that they must not keep the others in memory.
    """
    import numpy as np

    rows = np.ascontiguousarray(column)
    for row, is_own in enumerate(is_last.tolist()):
        yield (rows[:, :, row : row + 1].copy(), 0) if is_own else (rows, row)


def up_to_the_last(prices: Sequence[float], sizes: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a side's sound levels without those that aren't there."""
    count = next((number for number, price in enumerate(prices) if price != price), len(prices))
    return tuple(prices[:count]), tuple(sizes[:count])


def are_sound(levels: Levels, bid: float, ask: float) -> bool:
    """Return whether levels can follow a best bid and ask (NaN where that side isn't there): as `sound_rows`."""
    bids, bid_sizes, asks, ask_sizes = levels
    # As a rule all are there and in order, which takes less to see. A size that is NaN makes their sum one.
    if (
        not bids
        or (
            (bids[0] < bid and bids[-1] > 0.0 and all(map(gt, bids, bids[1:])))
            and min(bid_sizes) > 0.0
            and sum(bid_sizes) < inf
        )
    ) and (
        not asks
        or (
            (asks[0] > ask and asks[-1] < inf and all(map(lt, asks, asks[1:])))
            and min(ask_sizes) > 0.0
            and sum(ask_sizes) < inf
        )
    ):
        return True
    for is_bid, best, prices, sizes in ((True, bid, bids, bid_sizes), (False, ask, asks, ask_sizes)):
        before = best
        for price, size in zip(prices, sizes, strict=True):
            if price == price or size == size:
                follows = price < before if is_bid else price > before
                if not (follows and 0.0 < price < inf and 0.0 < size < inf):
                    return False
            before = price
    return True


def sound_rows(column: Array, bid: Array, ask: Array) -> Array:
    """Return at which rows levels can follow the best: prices and sizes are above zero and finite, each bid is below
    the one before it and each ask above, and none comes after one that isn't there. ``bid`` and ``ask`` are NaN where
    that side isn't there.
    """
    import numpy as np

    rows = column.shape[2]
    is_sound = np.ones(rows, dtype=bool)
    if not column.shape[1]:
        return is_sound
    for first in range(0, rows, _SLICE_ROWS):
        here = slice(first, first + _SLICE_ROWS)
        bids, bid_sizes, asks, ask_sizes = column[:, :, here]
        # As a rule all levels are there and in order, which takes less to see than where they are not.
        if not _are_whole(-bids, bid_sizes, -bid[here], -0.0):
            is_sound[here] &= _sound(-bids, bid_sizes, -bid[here], -inf, -0.0)
        if not _are_whole(asks, ask_sizes, ask[here], inf):
            is_sound[here] &= _sound(asks, ask_sizes, ask[here], 0.0, inf)
    return is_sound


def _are_whole(prices: Array, sizes: Array, best: Array, below: float) -> bool:
    """Return whether prices rise from the best on at all rows, up to less than ``below``, and all sizes can be."""
    return bool(
        (prices[0] > best).all()
        and (prices[1:] > prices[:-1]).all()
        and (prices[-1] < below).all()
        and sizes.min() > 0.0
        and sizes.max() < inf
    )


def _sound(prices: Array, sizes: Array, best: Array, above: float, below: float) -> Array:
    """Return at which rows all levels can follow the best one before them; prices rise."""
    import numpy as np

    before = np.concatenate((best[None], prices[:-1]))
    with np.errstate(invalid="ignore"):
        follows = (prices > before) & (prices > above) & (prices < below) & (sizes > 0.0) & (sizes < inf)
    is_there = ~(np.isnan(prices) & np.isnan(sizes))
    return np.asarray((follows | ~is_there).all(axis=0))
