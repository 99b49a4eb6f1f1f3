"""What a quote asset is worth in another one: the rate, how old it is, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum

import msgspec

from trioarb.model.number import BPS, EXACT, per_unit

__all__ = ["FxState", "Said", "agreed", "deviation_bps", "median"]


class FxState(Enum):
    """Whether entries may rely on a rate. Only ``GOOD`` lets them; exits go on at the last rate whatever it is."""

    GOOD = "good"
    OLD = "old"
    DISPUTED = "disputed"
    AWAY = "away"
    FEW = "few"


class Said(msgspec.Struct, frozen=True):
    """What a source says that one unit of an asset is sold (``bid``) and bought (``ask``) for."""

    bid: Decimal
    ask: Decimal

    @property
    def middle(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def inverted(self) -> Said:
        """The same of the other asset: what one unit of it is sold and bought for, in this one."""
        return Said(per_unit(Decimal(1), self.ask), per_unit(Decimal(1), self.bid))


def median(values: Iterable[Decimal]) -> Decimal:
    """Return the median; of an even number, the middle between the two in the middle, exactly."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return EXACT.divide(EXACT.add(ordered[half - 1], ordered[half]), 2)


def deviation_bps(value: Decimal, of: Decimal) -> Decimal:
    """Return how far a value is from another one, in bps of that, to 20 digits."""
    return per_unit(abs(value - of) * BPS, of)


def agreed(said: Mapping[str, Said], outlier_bps: Decimal) -> dict[str, Said]:
    """Return the sources that are within so much of the median of all; none, if those are not more than half."""
    middle = median(one.middle for one in said.values())
    near = {name: one for name, one in said.items() if deviation_bps(one.middle, middle) <= outlier_bps}
    return near if 2 * len(near) > len(said) else {}
