"""How often a venue may be asked: windows that begin anew at fixed times, as a venue counts them."""

from __future__ import annotations

from collections.abc import Callable

import attrs

__all__ = ["Limit", "Window"]


@attrs.frozen(kw_only=True)
class Limit:
    """At most ``most`` in each stretch of so many seconds, which begin at multiples of it."""

    most: int
    seconds: float

    def cut_to(self, share: float) -> int:
        """Return how much a share of it is; never nothing."""
        return max(1, int(self.most * share))


class Window:
    """Counts by key what falls into the present stretch of time. ``now``: seconds; ``share``: of the limit, now."""

    def __init__(self, limit: Limit, now: Callable[[], float], share: Callable[[], float] = lambda: 1.0) -> None:
        self._limit = limit
        self._now, self._share = now, share
        self._counts: dict[str, int] = {}
        self._number = -1

    @property
    def most(self) -> int:
        """How much is allowed now."""
        return self._limit.cut_to(self._share())

    def count(self, key: str, weight: int = 1) -> int:
        """Add to what a key has used of the present stretch, and return it."""
        self._turn()
        self._counts[key] = self._counts.get(key, 0) + weight
        return self._counts[key]

    @property
    def stretch(self) -> int:
        """The number of the present stretch of time."""
        self._turn()
        return self._number

    def take_back(self, key: str, stretch: int) -> None:
        """Count one less of what was counted in a stretch, if that is the present one."""
        if stretch == self.stretch and self._counts.get(key, 0):
            self._counts[key] -= 1

    def used(self, key: str) -> int:
        self._turn()
        return self._counts.get(key, 0)

    def is_exceeded(self, key: str) -> bool:
        return self.used(key) > self.most

    @property
    def seconds_left(self) -> float:
        """How long the present stretch goes on."""
        return self._limit.seconds - self._now() % self._limit.seconds

    def _turn(self) -> None:
        number = int(self._now() // self._limit.seconds)
        if number != self._number:
            self._number, self._counts = number, {}
