"""How often something may be sent: so many in any so many seconds, for what a venue counts but doesn't answer."""

from __future__ import annotations

from collections import deque

import trio

__all__ = ["Pace"]


class Pace:
    """Lets pass at most ``count`` in any ``seconds``, for each of several limits at once, in the order asked.

    Args:
        limits: (count, seconds) of each.
        jitter_seconds: how much longer one message may be under way than another. So much is added to each of
            ``seconds``, as the venue counts when it receives.
    """

    def __init__(self, *limits: tuple[int, float], jitter_seconds: float = 0.1) -> None:
        if any(count < 1 or seconds <= 0.0 for count, seconds in limits):
            raise ValueError(f"limits of a pace are a count of 1 or more in a time above 0; got {limits}")
        self._limits, self._jitter_seconds = limits, jitter_seconds
        self._passed = [(deque[float](maxlen=count), seconds + jitter_seconds) for count, seconds in limits]
        self._turn = trio.Lock()

    def slower(self, halvings: int) -> Pace:
        """Return one that has let nothing pass yet, of limits that are halved.

        Args:
            halvings: So many times.
        """
        parts = 2**halvings
        limits = ((max(1, count // parts), seconds * max(1.0, parts / count)) for count, seconds in self._limits)
        return Pace(*limits, jitter_seconds=self._jitter_seconds)

    async def wait(self) -> None:
        """Return when the next one may pass, which then counts. Cancelled: it doesn't count."""
        async with self._turn:
            for passed, seconds in self._passed:
                if len(passed) == passed.maxlen:
                    await trio.sleep_until(passed[0] + seconds)
            for passed, _ in self._passed:
                passed.append(trio.current_time())
