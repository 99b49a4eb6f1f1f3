"""What a venue still has to say on a socket: messages in their order, some of them not before a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from trioarb_sim.server import Socket, SocketClosed

__all__ = ["Outbox"]

#: Whoever reads so slowly that more is waiting is cut off, as venues do.
_MOST = 20_000


class Outbox:
    """Messages are put in from anywhere, without waiting; one task sends them."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._waiting: deque[tuple[float, str | bytes]] = deque()
        self._is_news = trio.Event()
        self._is_full = False

    def put(self, message: str | bytes, *, after_seconds: float = 0) -> None:
        """Send a message after what was put in before, and not before so many seconds have gone by."""
        if len(self._waiting) >= _MOST:
            self._is_full = True
        else:
            self._waiting.append((trio.current_time() + after_seconds, message))
        self._is_news.set()

    async def run(self, is_slow: Callable[[], bool]) -> None:
        """Send until cancelled, or until nobody hears it. ``is_slow``: every message takes a second then.

        Raises:
            SocketClosed: the peer went away, or reads too slowly.
        """
        while True:
            while self._waiting:
                if self._is_full:
                    await self._socket.cut()
                    raise SocketClosed
                due, message = self._waiting.popleft()
                if is_slow():
                    due += 1
                if due > trio.current_time():
                    await trio.sleep_until(due)
                await self._socket.send(message)
            self._is_news = trio.Event()
            await self._is_news.wait()
