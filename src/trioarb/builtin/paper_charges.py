"""What a paper venue charges and pays by itself: funding of contracts, interest on what is borrowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from trioarb.api import seconds_to_ns

__all__ = ["Rates"]


class Rates:
    """Rates in basis points, one after the other, each for one interval; intervals are counted from 1970 on (UTC).

    What is due at a time is due for what is held then. Times that passed before ``begin`` were nobody's.
    """

    def __init__(self, rates: Sequence[Decimal], interval_hours: Decimal) -> None:
        self._rates = tuple(rates)
        self._interval_ns = seconds_to_ns(interval_hours * 3_600)
        self._until_ns = 0

    def begin(self, now_ns: int) -> None:
        """Pass over what was due until now."""
        self._until_ns = now_ns

    def due(self, now_ns: int) -> Iterator[tuple[int, Decimal]]:
        """Yield times and rates that have become due since the last time."""
        number, last = self._until_ns // self._interval_ns + 1, now_ns // self._interval_ns
        self._until_ns = max(self._until_ns, now_ns)
        for one in range(number, last + 1):
            yield one * self._interval_ns, self._rates[one % len(self._rates)]
