"""How long evaluations take, in a fixed amount of memory."""

from __future__ import annotations

__all__ = ["LatencyHistogram"]

#: Buckets per power of two: quantiles are right within 1/16 of their value.
_SUB = 16


class LatencyHistogram:
    """Counts durations in nanoseconds, in buckets that grow with the duration."""

    def __init__(self) -> None:
        self._counts = [0] * (64 * _SUB)
        self.count = 0

    def add(self, duration_ns: int) -> None:
        self._counts[_bucket(duration_ns)] += 1
        self.count += 1

    def quantile_us(self, q: float) -> float | None:
        """Return the upper bound, in µs, of the bucket that holds the quantile; ``None`` without a measurement."""
        if not self.count:
            return None
        rank = max(1, round(q * self.count))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return _upper_bound_ns(bucket) / 1000
        raise AssertionError("the counts sum up to the rank")


def _bucket(duration_ns: int) -> int:
    exponent = max(duration_ns.bit_length() - 5, 0)
    return exponent * _SUB + (duration_ns >> exponent)


def _upper_bound_ns(bucket: int) -> int:
    exponent = max((bucket - _SUB) // _SUB, 0)
    return (bucket - exponent * _SUB + 1) << exponent
