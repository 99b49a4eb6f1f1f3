"""Cancel something at each of its steps, and see that it lets itself be cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from trioarb.testing.conformance.case import Failed
from trioarb.testing.conformance.subject import ANSWER_SECONDS

__all__ = ["at_every_step"]

#: So many steps are tried at most: where each takes real requests, only some.
_MOST, _FEW = 400, 6


async def at_every_step(name: str, run: Callable[[int], Awaitable[None]], *, few: bool = False) -> int:
    """Run something again and again, cancelled before its first step, its second, and so on, until it ends uncancelled.

    It is called with the number of the step; returns how many steps were tried. With ``few`` the steps grow further
    apart, and no more than six are tried.

    Raises:
        Failed: it went on for ten seconds after it was cancelled.
    """
    most = _FEW if few else _MOST
    for number in range(1, most + 1):
        step = number * number if few else number
        if not await _cancelled_at(name, step, run):
            return number - 1
    return most


async def _cancelled_at(name: str, step: int, run: Callable[[int], Awaitable[None]]) -> bool:
    """Return whether it was cancelled before it ended."""
    scope = trio.CancelScope()

    async def cancelled() -> None:
        watch.task = trio.lowlevel.current_task()
        with scope:
            await run(step)

    watch = _Watch(scope, step)
    trio.lowlevel.add_instrument(watch)
    try:
        with trio.move_on_after(2 * ANSWER_SECONDS) as patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancelled)
    finally:
        trio.lowlevel.remove_instrument(watch)
    if patience.cancel_called:
        raise Failed(f"an end of {name} once it is cancelled, at its step {step}", f"{name} went on")
    return scope.cancelled_caught


@attrs.define(eq=False)
class _Watch(trio.abc.Instrument):
    """Cancels a task before its n-th step."""

    scope: trio.CancelScope
    step: int
    task: trio.lowlevel.Task | None = None
    _count: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self._count += 1
            if self._count == self.step:
                self.scope.cancel()
