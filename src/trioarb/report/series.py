"""Figures over time and how figures are distributed, in memory that does not grow with how many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import Enum

import attrs

from trioarb.model.number import EXACT, ZERO
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
    #: Of the spans that are over, times and values.
    _past: list[tuple[int, Decimal]] = attrs.field(factory=list, init=False)
    #: The present span: where it ends, a time in it, and the value.
    _end_ns: int = attrs.field(default=-1, init=False)
    _at_ns: int = attrs.field(default=0, init=False)
    _value: Decimal = attrs.field(default=ZERO, init=False)

    def put(self, ts_ns: int, value: Decimal) -> None:
        if ts_ns >= self._end_ns:
            self._begin(ts_ns, value)
        elif self.keep is Keep.SUM:
            self._value = EXACT.add(self._value, value)
        elif self.keep is Keep.LAST or value > self._value:
            self._at_ns, self._value = ts_ns, value

    def _begin(self, ts_ns: int, value: Decimal) -> None:
        """Begin another span with its first value."""
        if self._end_ns >= 0:
            self._past.append((self._at_ns, self._value))
        start_ns = ts_ns - ts_ns % self.step_ns
        self._end_ns = start_ns + self.step_ns
        self._at_ns, self._value = start_ns if self.keep is Keep.SUM else ts_ns, value
        if len(self._past) >= self.most:
            points, self._end_ns = self.points, -1
            self._past.clear()
            self.step_ns *= 2
            for earlier_ns, earlier in points:
                self.put(earlier_ns, earlier)

    @property
    def points(self) -> Sequence[tuple[int, Decimal]]:
        """Times (of sums: where their span begins), in nanoseconds since the epoch, and values, the earliest first."""
        return (*self._past, (self._at_ns, self._value)) if self._end_ns >= 0 else ()

    def __len__(self) -> int:
        return len(self._past) + (self._end_ns >= 0)


#: Between a power of two and the next there are so many bins of equal width, so a value is known to half of one.
#: What is nearer to zero than the least is zero.
_STEPS, _LEAST, _GREATEST = 32, 1e-4, 1e12
#: So that all that is above zero is in bins above 0.
_OFFSET = 1 - math.frexp(_LEAST)[1] * _STEPS
_MOST_LATEST = 1_024


@attrs.define
class Distribution:
    """How many values were about how large; each is known to 2 %, and what is smaller than 0.0001 is zero.

    ``least``, ``greatest`` and ``total`` are those of the very values.
    """

    #: The latest values, and how often each came: the same ones come again and again.
    _latest: dict[float, int] = attrs.field(factory=dict, init=False, eq=False)
    _count: int = attrs.field(default=0, init=False)
    _total: float = attrs.field(default=0.0, init=False)
    _least: float = attrs.field(default=math.inf, init=False)
    _greatest: float = attrs.field(default=-math.inf, init=False)
    _bins: dict[int, int] = attrs.field(factory=dict, init=False)

    def add(self, value: float, count: int = 1) -> None:
        """Add a finite value, so many times."""
        latest = self._latest
        latest[value] = latest.get(value, 0) + count
        if len(latest) == _MOST_LATEST:
            self._sort()

    def _sort(self) -> None:
        """Put the latest values into bins."""
        for value, count in self._latest.items():
            self._count += count
            self._total += value * count
            self._least, self._greatest = min(self._least, value), max(self._greatest, value)
            place, size = 0, abs(value)
            if size >= _LEAST:
                fraction, power = math.frexp(min(size, _GREATEST))
                place = int((fraction - 0.5) * 2 * _STEPS) + power * _STEPS + _OFFSET
                place = -place if value < 0 else place
            self._bins[place] = self._bins.get(place, 0) + count
        self._latest.clear()

    @property
    def count(self) -> int:
        self._sort()
        return self._count

    @property
    def total(self) -> float:
        self._sort()
        return self._total

    @property
    def least(self) -> float:
        """The least value; infinite without any."""
        self._sort()
        return self._least

    @property
    def greatest(self) -> float:
        """The greatest value; infinite, below zero, without any."""
        self._sort()
        return self._greatest

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
        self._sort()
        for place, count in sorted(self._bins.items()):
            size = 0.0
            if place:
                power, step = divmod(abs(place) - _OFFSET, _STEPS)
                size = math.ldexp(0.5 + (step + 0.5) / 2 / _STEPS, power)
            yield min(max(math.copysign(size, place), self._least), self._greatest), count


@attrs.define
class Tally:
    """How many, and what they came to in USD."""

    count: int = 0
    usd: Decimal = Decimal(0)

    def add(self, usd: Decimal, count: int = 1) -> None:
        self.count += count
        self.usd = EXACT.add(self.usd, usd)
