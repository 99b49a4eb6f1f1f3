"""How long things take, in a fixed amount of memory."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

__all__ = ["LatencyHistogram"]

#: Buckets per power of two: quantiles are right within 1/16 of their value.
_SUB = 16
#: What takes longer than 2^_LONGEST ns, 18 minutes, counts as that.
_LONGEST = 40
_COUNT = (_LONGEST - 3) * _SUB


class LatencyHistogram:
    """Counts durations in nanoseconds, in buckets that grow with the duration. ``total_ns`` is their sum."""

    def __init__(self) -> None:
        self._counts = [0] * _COUNT
        self.count: int = 0
        self.total_ns: int = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration; one below zero, which clocks that are set can bring about, counts as 0."""
        if duration_ns < 0:
            duration_ns = 0
        self._counts[min(_bucket(duration_ns), _COUNT - 1)] += 1
        self.count += 1
        self.total_ns += duration_ns

    def quantile_us(self, q: float) -> float | None:
        """Return the upper bound, in µs, of the bucket that holds the quantile; ``None`` without a measurement."""
        return self.quantiles_us(q)[0] if self.count else None

    def quantiles_us(self, *qs: float) -> list[float]:
        """Return several quantiles, in one pass; there has to be a measurement."""
        seen = list(accumulate(self._counts))
        ranks = [max(1, round(q * self.count)) for q in qs]
        return [_upper_bound_ns(bisect_left(seen, rank)) / 1000 for rank in ranks]

    def at_most_ns(self, *bounds_ns: int) -> list[int]:
        """Return how many durations are known to be no longer than each bound: one whose bucket reaches beyond it
        isn't.
        """
        seen = list(accumulate(self._counts))
        return [self._up_to(seen, bound_ns) for bound_ns in bounds_ns]

    @staticmethod
    def _up_to(seen: list[int], bound_ns: int) -> int:
        bucket = min(_bucket(bound_ns), _COUNT - 1)
        # Of the bucket in which a bound lies, only a whole one counts.
        whole = bucket if _upper_bound_ns(bucket) <= bound_ns else bucket - 1
        return seen[whole] if whole >= 0 else 0


def _bucket(duration_ns: int) -> int:
    exponent = max(duration_ns.bit_length() - 5, 0)
    return exponent * _SUB + (duration_ns >> exponent)


def _upper_bound_ns(bucket: int) -> int:
    exponent = max((bucket - _SUB) // _SUB, 0)
    return (bucket - exponent * _SUB + 1) << exponent
