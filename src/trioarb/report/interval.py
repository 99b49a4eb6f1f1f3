"""Between what and what a figure lies, as far as so many trades can say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import attrs

__all__ = ["CERTAINTY", "Interval", "sum_interval", "wilson"]

#: How sure the interval of a sum is.
CERTAINTY = Decimal("0.99")
#: Of a share: quantile of the normal distribution for 95 %.
_Z = 1.959963984540054
#: The same of the certainty of a sum.
_Z_OF_SUM = 2.5758293035489004
_SAMPLES = 4_000
_SEED = 7
_STEP = Decimal("0.000001")


@attrs.frozen
class Interval:
    low: Decimal
    high: Decimal

    @property
    def width(self) -> Decimal:
        return self.high - self.low


def wilson(hits: int, count: int) -> Interval | None:
    """Return where a share lies with 95 %, of which ``hits`` of ``count`` were seen (Wilson 1927); ``None`` of none."""
    if not count:
        return None
    share, squared = hits / count, _Z * _Z
    middle = share + squared / (2 * count)
    reach = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count * count))
    whole = 1 + squared / count
    return Interval(_rounded((middle - reach) / whole), _rounded((middle + reach) / whole))


def sum_interval(amounts: Sequence[Decimal]) -> Interval | None:
    """Return where the sum of as many amounts would lie with `CERTAINTY`, drawn anew; ``None`` of fewer than two.

    A circular block bootstrap (Politis and Romano 1992): neighbours stay together in blocks of the cube root of their
    number, since trades that follow each other may share their luck. Drawn from a seed of its own, so that the same
    amounts have the same interval.
    """
    return _sum_interval(tuple(amounts))


@lru_cache(maxsize=256)  # whoever watches a campaign asks again and again
def _sum_interval(amounts: tuple[Decimal, ...]) -> Interval | None:
    import numpy as np

    count = len(amounts)
    if count < 2:
        return None
    length = math.ceil(count ** (1 / 3))
    blocks, rest = divmod(count, length)
    values = np.array([float(one) for one in amounts])
    sums = np.concatenate(([0.0], np.cumsum(np.concatenate((values, values[:length])))))
    chance = np.random.Generator(np.random.PCG64(_SEED))
    starts = (chance.random((_SAMPLES, blocks + 1)) * count).astype(np.int64)
    whole, last = starts[:, :blocks], starts[:, blocks]
    drawn = (sums[whole + length] - sums[whole]).sum(axis=1) + (sums[last + rest] - sums[last])
    beyond = (1 - float(CERTAINTY)) / 2
    low, high = np.quantile(drawn, (beyond, 1 - beyond))
    total = float(sums[count])
    # As far to both sides: the side on which rare amounts were missed looks shorter than it is. Few blocks are known to
    # vary less than they do, which Student's distribution makes good (its quantile, to the first order).
    reach = max(total - float(low), float(high) - total) * (1 + (_Z_OF_SUM**2 + 1) / (4 * max(1, blocks - 1)))
    return Interval(_rounded(total - reach), _rounded(total + reach))


def _rounded(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_STEP)
