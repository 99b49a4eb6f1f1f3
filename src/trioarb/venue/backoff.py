"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

__all__ = ["Backoff"]

_DOUBLED_AT_MOST = 30


@attrs.frozen(kw_only=True)
class Backoff:
    """Waits that double, each cut by up to half by chance, so that what broke together doesn't come back together.

    Args:
        first_seconds: The first wait.
        longest_seconds: No wait is longer.
        good_seconds: What held for so long wasn't a failure; waits begin again with the first.
        chance: Returns numbers from 0 up to 1.
    """

    first_seconds: float = attrs.field(default=0.25, validator=attrs.validators.gt(0))
    longest_seconds: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    good_seconds: float = 60.0
    chance: Callable[[], float] = random.random

    def wait_seconds(self, failures: int) -> float:
        """Return how long to wait.

        Args:
            failures: So many there were in a row; 0: after the first end of what held.
        """
        longest = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures, _DOUBLED_AT_MOST))
        return longest * (1.0 - 0.5 * self.chance())
