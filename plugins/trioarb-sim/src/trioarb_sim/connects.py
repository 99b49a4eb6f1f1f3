"""How often an address may open a WebSocket, and what closes many of them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import trio

from trioarb_sim.limits import Limit
from trioarb_sim.server import Socket

__all__ = ["Connects", "cut"]


class Connects:
    """Counts, by address, the connections of the last so many seconds."""

    def __init__(self, limit: Limit, share: Callable[[], float] = lambda: 1.0) -> None:
        self._limit, self._share = limit, share
        self._times: dict[str, deque[float]] = {}

    def are_too_many(self, address: str) -> bool:
        """Return whether one more would be too many; if not, it counts."""
        now = trio.current_time()
        times = self._times.setdefault(address, deque())
        while times and times[0] <= now - self._limit.seconds:
            times.popleft()
        if len(times) >= self._limit.cut_to(self._share()):
            return True
        times.append(now)
        return False


async def cut(sockets: Iterable[Socket]) -> None:
    """Close them without a word."""
    for socket in list(sockets):
        await socket.cut()
