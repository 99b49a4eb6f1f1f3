"""How deep the venues' books are, and what a size beyond the best level costs there; only where levels are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from trioarb.quotes.window import ACCEPTED, Window
from trioarb.survey.distribution import Distribution

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Books", "Depths", "Side", "chosen", "looking_at_depth"]

#: One quote of so many is looked at, wherever windows begin: always some that come together, which lie together.
_EVERY, _TOGETHER = 32, 8
#: Which ones follows from their number by this odd factor: venues often take turns.
_SPREAD = 0x9E3779B1


@attrs.frozen(kw_only=True)
class Side:
    """One side of a venue's books of a symbol, over the quotes that were looked at.

    ``displayed``: mean value at the levels that are known, in quote asset. ``reached``: share of the books in which the
    size is displayed at all. ``slippage_bps``: median of how much worse than the best price its average is, where it
    is; absent if it is nowhere.
    """

    books: int
    displayed: float
    reached: float
    slippage_bps: float | None


@attrs.frozen(kw_only=True)
class Books:
    """The two sides of a venue's books of a symbol: to sell to, and to buy from."""

    bids: Side
    asks: Side


class Depths:
    """Looks at books window by window. ``sizes``: by symbol, the size to trade, in quote asset at the best price.

    ``worth``: what a venue's prices are worth in the symbol's quote asset, of symbols, venues and times; absent: they
    are in it. A book whose worth isn't known (NaN) isn't looked at.
    """

    def __init__(self, sizes: Array, venues: int, worth: Callable[[Array, Array, Array], Array] | None = None) -> None:
        import numpy as np

        cells = len(sizes) * venues
        self._venues = venues
        self._sizes = sizes
        self._worth = worth
        self._rows = 0
        #: By side (bids, asks) and cell of a window.
        self._books = np.zeros((2, cells), dtype=np.int64)
        self._reached = np.zeros((2, cells), dtype=np.int64)
        self._displayed = np.zeros((2, cells))
        self._slippage: Distribution | None = None

    def add(self, window: Window) -> None:
        """Look at one of every few of a window's rows."""
        import numpy as np

        before, self._rows = self._rows, self._rows + len(window)
        if window.levels is None:
            return
        rows = chosen(before, self._rows) - before
        rows = rows[window.kind[window.place[rows]] == ACCEPTED]
        if self._worth is not None:
            rows = rows[~np.isnan(self._worths(window, rows))]
        # The rows of a cell lie together, as distributions have it.
        rows = rows[np.argsort(window.cell[rows], kind="stable")]
        if not len(rows):
            return
        if self._slippage is None:
            self._slippage = Distribution(2 * len(self._books[0]))
        cell, place = window.cell[rows], window.place[rows]
        venue = cell % self._venues
        worth = None if self._worth is None else self._worths(window, rows)
        for side, best, best_size in (
            (0, window.bid[venue, place], window.bid_size[place]),
            (1, window.ask[venue, place], window.ask_size[place]),
        ):
            self._count(
                side,
                cell,
                _taken(best, window.levels[2 * side], rows),
                _taken(best_size, window.levels[2 * side + 1], rows),
                worth,
            )

    def _worths(self, window: Window, rows: Array) -> Array:
        assert self._worth is not None
        cell = window.cell[rows]
        return self._worth(cell // self._venues, cell % self._venues, window.ts_ns[rows])

    def _count(self, side: int, cell: Array, prices: Array, sizes: Array, worth: Array | None) -> None:
        """Count books whose levels are rows of these arrays, 0 where there is none."""
        import numpy as np

        if worth is not None:
            prices = prices * worth
        wanted = self._sizes[cell // self._venues] / prices[0]
        value, left = np.zeros(len(cell)), wanted.copy()
        for price, size in zip(prices, sizes, strict=True):
            part = np.minimum(left, size)
            value += part * price
            left -= part
        is_reached = left <= 0.0
        ratio = value / (wanted * prices[0])
        slippage = ratio if side else 2.0 - ratio
        cells = self._books.shape[1]
        self._books[side] += np.bincount(cell, minlength=cells)
        self._reached[side] += np.bincount(cell[is_reached], minlength=cells)
        self._displayed[side] += np.bincount(cell, weights=(prices * sizes).sum(axis=0), minlength=cells)
        assert self._slippage is not None
        ones = np.ones(int(is_reached.sum()), dtype=np.int64)
        self._slippage.add(side * cells + cell[is_reached], slippage[is_reached], ones)

    def books(self, symbol: int, venue: int) -> Books | None:
        """Return what was seen of a venue's books; ``None`` if no levels were."""
        cell = symbol * self._venues + venue
        if self._slippage is None or not self._books[0, cell]:
            return None
        return Books(bids=self._side(0, cell), asks=self._side(1, cell))

    def _side(self, side: int, cell: int) -> Side:
        assert self._slippage is not None
        books = int(self._books[side, cell])
        return Side(
            books=books,
            displayed=float(self._displayed[side, cell]) / books,
            reached=int(self._reached[side, cell]) / books,
            slippage_bps=self._slippage.quantile(side * self._books.shape[1] + cell, 0.5),
        )


def _taken(best: Array, beyond: Array, rows: Array) -> Array:
    """Return the levels of these rows, the best one first; 0 where there is none."""
    import numpy as np

    levels = np.empty((len(beyond) + 1, len(rows)))
    levels[0] = best
    beyond.take(rows, axis=1, out=levels[1:], mode="clip")
    np.copyto(levels, 0.0, where=np.isnan(levels))
    return levels


def chosen(first: int, end: int) -> Array:
    """Return which of the quotes with these numbers are looked at, in their order."""
    import numpy as np

    step = _EVERY * _TOGETHER
    block = np.arange(first // step, -(-end // step))
    begin = block * step + ((block * _SPREAD & 0xFFFFFFFF) >> 16) % _EVERY * _TOGETHER
    number = (begin[:, None] + np.arange(_TOGETHER)).reshape(-1)
    found: Array = number[(number >= first) & (number < end)]
    return found


def looking_at_depth(windows: Iterable[Window], depths: Depths) -> Iterator[Window]:
    """Yield windows on, having looked at their books."""
    for window in windows:
        depths.add(window)
        yield window
