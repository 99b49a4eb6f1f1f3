"""The connections that are kept open for orders: who gets the next one that is free."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from trioarb.venue.limit_rules import Priority
from trioarb.venue.line import Line
from trioarb.venue.request import Request, Response

__all__ = ["Lines"]


@attrs.define(eq=False)
class _Waiter:
    priority: Priority
    is_given: trio.Event = attrs.field(factory=trio.Event)
    line: Line | None = None


class Lines:
    """Several connections, so that one order whose answer is slow holds up no other."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._free = list(lines)
        self._waiting: list[_Waiter] = []

    @property
    def are_open(self) -> bool:
        """Whether all that are free are open."""
        return bool(self._free) and all(line.is_open for line in self._free)

    async def request(self, request: Request, priority: Priority) -> Response:
        """Send a request over the next connection that is free; those who wait go by priority, then as they came.

        Raises:
            RequestFailed: as `Line.request`.
        """
        line = self._next() or await self._wait(priority)
        try:
            return await line.request(request)
        finally:
            self._give(line)

    def _next(self) -> Line | None:
        """Take one that is free, one that is open if there is one."""
        if not self._free:
            return None
        line = next((line for line in self._free if line.is_open), self._free[0])
        self._free.remove(line)
        return line

    async def _wait(self, priority: Priority) -> Line:
        waiter = _Waiter(priority)
        self._waiting.append(waiter)
        self._waiting.sort(key=lambda one: one.priority)
        try:
            await waiter.is_given.wait()
        except BaseException:
            if waiter.line is not None:
                self._give(waiter.line)
            else:
                self._waiting.remove(waiter)
            raise
        assert waiter.line is not None
        return waiter.line

    def _give(self, line: Line) -> None:
        if not self._waiting:
            self._free.append(line)
            return
        waiter = self._waiting.pop(0)
        waiter.line = line
        waiter.is_given.set()
