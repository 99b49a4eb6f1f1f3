"""What all viewers of one thing are sent: the newest state wins, and it is encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

__all__ = ["Channel"]

#: Up to so many are sent a message at once; more of them one group after the other, so far apart.
_AT_ONCE, _APART_SECONDS, _GROUPS = 20, 0.016, 25


class Channel:
    """Keeps one message. Whoever follows gets it, and then the newest whenever they are ready: never a queue."""

    def __init__(self) -> None:
        self.viewers = 0
        self.is_closed = False
        self._came = 0
        self._message = b""
        self._number = 0
        self._event = trio.Event()

    def put(self, message: bytes) -> None:
        """Let a message take the place of the one before."""
        self._message = message
        self._number += 1
        self._wake()

    def close(self) -> None:
        """Let all who follow come to their end."""
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        event, self._event = self._event, trio.Event()
        event.set()

    @contextmanager
    def watched(self) -> Iterator[float]:
        """Count as a viewer meanwhile; yields for how long this one waits after a message before it takes it."""
        self.viewers += 1
        self._came += 1
        try:
            yield self._came // _AT_ONCE % _GROUPS * _APART_SECONDS
        finally:
            self.viewers -= 1

    async def next(self, seen: int, *, apart: float, quiet_seconds: float) -> tuple[int, bytes]:
        """Return the newest message and its number, once there is one after ``seen``; it is empty if none came."""
        if self._number == seen and not self.is_closed:
            event = self._event
            with trio.move_on_after(quiet_seconds):
                await event.wait()
            if self.viewers > _AT_ONCE and not self.is_closed:
                await trio.sleep(apart)
        return self._number, b"" if self._number == seen else self._message
