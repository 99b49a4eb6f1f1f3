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


class Window:
    """Counts by key what falls into the present stretch of time. ``now``: seconds."""

    def __init__(self, limit: Limit, now: Callable[[], float]) -> None:
        self.limit = limit
        self._now = now
        self._counts: dict[str, int] = {}
        self._number = -1

    def count(self, key: str, weight: int = 1) -> int:
        """Add to what a key has used of the present stretch, and return it."""
        self._turn()
        self._counts[key] = self._counts.get(key, 0) + weight
        return self._counts[key]

    def used(self, key: str) -> int:
        self._turn()
        return self._counts.get(key, 0)

    def is_exceeded(self, key: str) -> bool:
        return self.used(key) > self.limit.most

    @property
    def seconds_left(self) -> float:
        """How long the present stretch goes on."""
        return self.limit.seconds - self._now() % self.limit.seconds

    def _turn(self) -> None:
        number = int(self._now() // self.limit.seconds)
        if number != self._number:
            self._number, self._counts = number, {}
