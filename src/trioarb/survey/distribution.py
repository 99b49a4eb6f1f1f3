"""How edges were distributed over time: a histogram for each route, with exact extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["BINS_A_BP", "Distribution"]

#: Resolution and range of a histogram: tenths of a basis point, up to so many bps on both sides; what lies beyond
#: counts in the outermost bins.
BINS_A_BP, _REACH_BPS = 10, 500
_BINS = 2 * _REACH_BPS * BINS_A_BP
#: The bin of a ratio is ratio × steps − offset.
_STEPS = 1e4 * BINS_A_BP
_OFFSET = _STEPS - _BINS // 2
#: Histograms of so many rows are added up at once; of more, each row by itself.
_FEW_CELLS = 120_000


class Distribution:
    """For how many nanoseconds each of some rows (routes) stood at which value, in bps."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        self._ns = np.zeros((rows, _BINS), dtype=np.int64)
        self._highest = np.full(rows, -np.inf)

    def add(self, row: Array, ratio: Array, ns: Array) -> None:
        """Count values of rows that stood so long, 0 included: 10⁴ · (ratio − 1) each. Rows are in ascending order.

        NaN is no value. Nanoseconds may come as doubles: up to 104 days a sum of them is exact, and a window is much
        shorter.
        """
        import numpy as np

        if not len(row):
            return
        least, most = float(ratio.min()), float(ratio.max())
        if least != least:
            is_known = ratio == ratio
            self.add(row[is_known], ratio[is_known], ns[is_known])
            return
        lowest, highest = int(least * _STEPS - _OFFSET), int(most * _STEPS - _OFFSET)
        at = ratio * _STEPS
        at -= _OFFSET
        if lowest < 0 or highest >= _BINS:
            np.clip(at, 0, _BINS - 1, out=at)
            lowest, highest = max(0, min(lowest, _BINS - 1)), max(0, min(highest, _BINS - 1))
        found, first, last = at.astype(np.int64), int(row[0]), int(row[-1]) + 1
        rows, width, present = last - first, highest - lowest + 1, np.arange(first, last)
        if rows * width <= max(_FEW_CELLS, len(row)):  # only as many bins as there are values for
            found += (np.arange(rows) * width - lowest).take(row - first)
            summed = np.bincount(found, weights=ns, minlength=rows * width)
            self._ns[first:last, lowest : highest + 1] += summed.reshape(rows, width).astype(np.int64)
        else:
            found += (np.arange(rows) * _BINS).take(row - first)
            np.add.at(self._ns[first:last].reshape(-1), found, ns.astype(np.int64))
        begin = row.searchsorted(present)
        is_there = np.append(begin[1:], len(row)) > begin
        stood = ratio if ns.min() > 0 else np.where(ns > 0, ratio, -np.inf)
        best = 1e4 * (np.maximum.reduceat(stood, begin[is_there]) - 1.0)
        np.maximum.at(self._highest, present[is_there], best)

    def total_ns(self, row: int) -> int:
        """Return for how long a row had any value."""
        return int(self._ns[row].sum())

    def quantile(self, row: int, share: float) -> float | None:
        """Return the value below which a row was for this share of its time, to a tenth of a bp; ``None`` without any.

        It is the middle of a bin, and never above the highest.
        """
        import numpy as np

        total = self.total_ns(row)
        if not total:
            return None
        at = int(np.cumsum(self._ns[row]).searchsorted(share * total))
        middle = (at - _BINS // 2 + 0.5) / BINS_A_BP
        return min(middle, float(self._highest[row]))

    def highest(self, row: int) -> float | None:
        """Return the highest value, exactly; ``None`` without any."""
        return float(self._highest[row]) if self._highest[row] > float("-inf") else None

    def share_from(self, row: int, bps: float) -> float | None:
        """Return the share of a row's time at this value or above, to a tenth of a bp; ``None`` without any."""
        import numpy as np

        total = self.total_ns(row)
        first = int(np.clip(np.floor(bps * BINS_A_BP) + _BINS // 2, 0, _BINS - 1))
        return int(self._ns[row, first:].sum()) / total if total else None
