"""How long things take to a paper venue and back: always as long, or drawn, each way from its own seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Context, Decimal
from enum import Enum
from pathlib import Path
from statistics import median

import attrs

from trioarb.api import ZERO, Amount, Milliseconds, setting

__all__ = ["Distribution", "Latency"]

_NS = 1_000_000
_ONE = Decimal(1)
_EXACT_ENOUGH = Context(prec=20)
#: No way takes longer.
_LONGEST_MS = Decimal(60_000)


class Distribution(Enum):
    CONSTANT = "constant"
    UNIFORM = "uniform"
    LOG_NORMAL = "log_normal"
    RECORDED = "recorded"


@attrs.frozen(kw_only=True)
class Latency:
    """How long one way takes, in milliseconds."""

    distribution: Distribution = setting(
        Distribution.CONSTANT,
        doc="constant: ms; uniform: from ms to most_ms; log_normal: ms is the median, sigma the spread of its log; "
        "recorded: one of file's",
    )
    ms: Milliseconds = setting(ZERO, doc="the one, the least, or the median", concerns="latency")
    most_ms: Milliseconds | None = setting(None, doc="uniform: the longest; log_normal: longer ones are cut to it")
    sigma: Amount = setting(Decimal("0.5"), doc="log_normal: standard deviation of the logarithm")
    file: Path | None = setting(None, doc="recorded: text file of latencies in milliseconds, one a line")

    def __attrs_post_init__(self) -> None:
        if self.distribution is Distribution.UNIFORM and (self.most_ms is None or self.most_ms < self.ms):
            raise ValueError("uniform: most_ms has to be there, and not below ms")
        if (self.distribution is Distribution.RECORDED) != (self.file is not None):
            raise ValueError("file belongs to recorded, and recorded needs one")
        if self.file is not None:
            _read(self.file)

    @property
    def is_nothing(self) -> bool:
        """Whether it takes no time at all."""
        return self.distribution is Distribution.CONSTANT and not self.ms

    def median_ns(self, factor: Decimal = _ONE) -> int:
        """Return what half of them don't take longer than, times a factor, in nanoseconds."""
        middle = self.ms
        match self.distribution:
            case Distribution.UNIFORM:
                middle = (self.ms + (self.most_ms or ZERO)) / 2
            case Distribution.LOG_NORMAL:
                middle = min(self.ms, _LONGEST_MS if self.most_ms is None else self.most_ms)
            case Distribution.RECORDED:
                assert self.file is not None
                middle = median(_read(self.file))
        return int(middle * factor * _NS)

    def drawn(self, seed: str, factor: Decimal = _ONE) -> Callable[[], int]:
        """Return what draws the next one, times a factor, in nanoseconds; the same from one seed, on every machine."""
        scale = factor * _NS
        chance, least_ns = random.Random(seed), int(self.ms * scale)
        match self.distribution:
            case Distribution.CONSTANT:
                return lambda: least_ns
            case Distribution.UNIFORM:
                width_ns = int((self.most_ms or ZERO) * scale) - least_ns
                return lambda: least_ns + int(chance.random() * width_ns)
            case Distribution.LOG_NORMAL:
                most_ns = int((_LONGEST_MS if self.most_ms is None else self.most_ms) * scale)
                return lambda: min(most_ns, int(least_ns * _exp(self.sigma * Decimal(_normal(chance)))))
            case Distribution.RECORDED:
                assert self.file is not None
                recorded_ns = [int(one * scale) for one in _read(self.file)]
                return lambda: recorded_ns[int(chance.random() * len(recorded_ns))]


def _normal(chance: random.Random) -> float:
    """Return a number of about the normal distribution: sums are the same on every machine, logarithms may not be."""
    return sum(chance.random() for _ in range(12)) - 6.0


def _exp(exponent: Decimal) -> Decimal:
    return _EXACT_ENOUGH.exp(exponent)


def _read(path: Path) -> tuple[Decimal, ...]:
    """Return the latencies of a file.

    Raises:
        ValueError: it can't be read, holds none, or a line is no number of milliseconds.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"file = {str(path)!r} can't be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            milliseconds = Decimal(line.strip())
        except ArithmeticError:
            milliseconds = Decimal(-1)
        if not milliseconds.is_finite() or not 0 <= milliseconds <= _LONGEST_MS:
            raise ValueError(f"{path}, line {number}: {line.strip()!r}; expected milliseconds, 0 to {_LONGEST_MS:,}")
        found.append(milliseconds)
    if not found:
        raise ValueError(f"{path} holds no latency; expected milliseconds, one a line")
    return tuple(found)
