"""Figures over time and how figures are distributed, in memory that does not grow with how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import Enum

import attrs

from trioarb.model.number import EXACT
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Distribution", "Keep", "Series", "Tally"]


class Keep(Enum):
    """What stands for all values of a span of time."""

    LAST = "last"
    HIGHEST = "highest"
    SUM = "sum"


@attrs.define
class Series:
    """Values over time, one a span of ``step_ns``; where there would be more than ``most``, spans become twice as long.

    Spans begin at multiples of the step since the epoch, so that those of an hour are hours of UTC. Times don't go
    back. What is summed is exact.
    """

    keep: Keep
    step_ns: int = SECOND_NS
    most: int = 720
    #: By number of its span: a time and the value.
    _values: dict[int, tuple[int, Decimal]] = attrs.field(factory=dict, init=False)

    def put(self, ts_ns: int, value: Decimal) -> None:
        self._put(ts_ns, value)
        while len(self._values) > self.most:
            self.step_ns *= 2
            values = list(self._values.values())
            self._values.clear()
            for earlier_ns, earlier in values:
                self._put(earlier_ns, earlier)

    def _put(self, ts_ns: int, value: Decimal) -> None:
        span = ts_ns // self.step_ns
        if self.keep is Keep.LAST:
            self._values[span] = ts_ns, value
            return
        there = self._values.get(span)
        if self.keep is Keep.SUM:
            self._values[span] = span * self.step_ns, value if there is None else EXACT.add(there[1], value)
        elif there is None or value > there[1]:
            self._values[span] = ts_ns, value

    @property
    def points(self) -> Sequence[tuple[int, Decimal]]:
        """Times (of sums: where their span begins), in nanoseconds since the epoch, and values, the earliest first."""
        return tuple(self._values.values())

    def __len__(self) -> int:
        return len(self._values)


#: Bins grow by so much, so a value is known to half of that. What is nearer to zero than the least is zero.
_GROWTH, _LEAST, _GREATEST = 1.04, 1e-4, 1e12
_LOG = math.log(_GROWTH)
_OFFSET = math.ceil(-math.log(_LEAST) / _LOG) + 1


@attrs.define
class Distribution:
    """How many values were about how large; each is known to 2 %, and what is smaller than 0.0001 is zero.

    ``least``, ``greatest`` and ``total`` are those of the very values.
    """

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    _bins: dict[int, int] = attrs.field(factory=dict, init=False)

    def add(self, value: float, count: int = 1) -> None:
        """Add a finite value, so many times."""
        self.count += count
        self.total += value * count
        if value < self.least:
            self.least = value
        if value > self.greatest:
            self.greatest = value
        size = abs(value)
        place = 0 if size < _LEAST else math.ceil(math.log(min(size, _GREATEST)) / _LOG) + _OFFSET
        place = -place if value < 0 else place
        self._bins[place] = self._bins.get(place, 0) + count

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """Return the value below which such a share (0 to 1) of all is; ``None`` without any."""
        if not self.count:
            return None
        rest = share * (self.count - 1)
        for value, count in self._ordered():
            rest -= count
            if rest < 0:
                return value
        return self.greatest

    def histogram(self, bins: int = 40) -> Sequence[tuple[float, float, int]]:
        """Return bins of equal width: from, to, how many. The outermost hold what is beyond them: 1 % at each side."""
        low, high = self.quantile(0.01), self.quantile(0.99)
        if low is None or high is None:
            return ()
        if low == high:
            return ((low, high, self.count),)
        width = (high - low) / bins
        counts = [0] * bins
        for value, count in self._ordered():
            counts[min(max(int((value - low) / width), 0), bins - 1)] += count
        return tuple((low + place * width, low + (place + 1) * width, count) for place, count in enumerate(counts))

    def _ordered(self) -> Iterator[tuple[float, int]]:
        """Yield the middles of bins, which are nowhere beyond the values themselves, and how many, the least first."""
        for place, count in sorted(self._bins.items()):
            size = 0.0 if not place else _GROWTH ** (abs(place) - _OFFSET) * 2 / (1 + _GROWTH)
            yield min(max(math.copysign(size, place), self.least), self.greatest), count


@attrs.define
class Tally:
    """How many, and what they came to in USD."""

    count: int = 0
    usd: Decimal = Decimal(0)

    def add(self, usd: Decimal, count: int = 1) -> None:
        self.count += count
        self.usd = EXACT.add(self.usd, usd)
