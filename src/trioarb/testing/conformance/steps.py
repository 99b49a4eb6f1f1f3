"""Cancel something at each of its steps, and see that it lets itself be cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from enum import Enum, auto
from functools import partial
from inspect import signature
from types import coroutine
from typing import Any

import attrs
import trio

from trioarb.testing.conformance.case import Failed
from trioarb.testing.conformance.subject import ANSWER_SECONDS

__all__ = ["at_every_step"]

#: So many steps are tried at most: where each takes real requests, only some.
_MOST, _FEW = 400, 6
#: At so many of them it is cancelled while it waits, too.
_MOST_WAITS, _FEW_WAITS = 12, 2
#: By this it is known that a cancellation is ours, and not what `trio.sleep` ends by; Trio 0.30 has no reasons.
_REASON = "the judge cancels at every step"
_WHY: dict[str, Any] = {"reason": _REASON} if "reason" in signature(trio.CancelScope.cancel).parameters else {}


class _End(Enum):
    CANCELLED = auto()
    SWALLOWED = auto()
    """The cancellation came, and what came of it was an answer."""
    BEFORE = auto()
    """No cancellation came."""


async def at_every_step(name: str, run: Callable[[int], Awaitable[None]], *, few: bool = False) -> int:
    """Run something again and again, cancelled before its first step, its second, and so on, until it ends uncancelled;
    then cancelled while it waits after a step.

    It is called with a number of its own each time; returns how many steps were tried. With ``few`` the steps grow
    further apart, and no more than six are tried.

    Raises:
        Failed: it went on for ten seconds after it was cancelled, or answered as if it had not been.
    """
    most, tried = _FEW if few else _MOST, 0
    while tried < most:
        step = (tried + 1) ** 2 if few else tried + 1
        if await _cancelled_at(name, step, run) is not _End.CANCELLED:
            break
        tried += 1
    for step in range(1, min(tried + 1, _FEW_WAITS if few else _MOST_WAITS) + 1):
        if await _cancelled_at(name, step, run, number=_MOST + step) is _End.SWALLOWED:
            raise Failed(f"that trio.Cancelled leaves {name}, which is cancelled at its step {step}", "one swallowed")
    return tried


async def _cancelled_at(name: str, step: int, run: Callable[[int], Awaitable[None]], *, number: int = 0) -> _End:
    """Return what came of a cancellation; with a ``number`` to call it with, of one while it waits after the step."""
    scope = trio.CancelScope()
    came = False

    def see(error: object) -> None:
        nonlocal came
        came = came or (isinstance(error, trio.Cancelled) and getattr(error, "reason", None) == _REASON)

    async def cancelled() -> None:
        watch.task = trio.lowlevel.current_task()
        with scope:
            await _seen(run(number or step), see)

    watch = _Watch(scope, step, waits=number > 0)
    trio.lowlevel.add_instrument(watch)
    try:
        with trio.move_on_after(2 * ANSWER_SECONDS) as patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancelled)
    finally:
        trio.lowlevel.remove_instrument(watch)
    if patience.cancel_called:
        raise Failed(f"an end of {name} once it is cancelled, at its step {step}", f"{name} went on")
    if scope.cancelled_caught:
        return _End.CANCELLED
    return _End.SWALLOWED if came else _End.BEFORE


@coroutine
def _seen(awaited: Awaitable[None], see: Callable[[object], None]) -> Generator[Any, Any, None]:
    """Await something, and tell of each error that the loop raises in it where it waits."""
    inside = awaited.__await__()
    go_on: Callable[[], Any] = partial(next, inside)
    while True:
        try:
            waits_for = go_on()
        except StopIteration:
            return
        try:
            outcome = yield waits_for
        except BaseException as error:
            see(error)
            go_on = partial(inside.throw, error)
        else:
            see(getattr(outcome, "error", None))
            go_on = partial(inside.send, outcome)


@attrs.define(eq=False)
class _Watch(trio.abc.Instrument):
    """Cancels a task before its n-th step after the first, or while it waits after its n-th."""

    scope: trio.CancelScope
    step: int
    waits: bool
    task: trio.lowlevel.Task | None = None
    _count: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.waits:
            self._see(task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.waits:
            self._see(task)

    def _see(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self._count += 1
            if self._count == self.step:
                self.scope.cancel(**_WHY)
