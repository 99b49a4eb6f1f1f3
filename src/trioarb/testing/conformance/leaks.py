"""What a plugin left behind: tasks that go on without it, and sockets that nobody closed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

import attrs
import trio

from trioarb.testing.conformance.case import Failed

__all__ = ["Footprint"]

#: How long the other end of a connection may take to close its own socket, which is of this process on a stage.
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.01


@attrs.frozen(kw_only=True)
class Footprint:
    """The tasks that there are, and how many sockets are open."""

    tasks: tuple[trio.lowlevel.Task, ...]
    sockets: int

    @classmethod
    def now(cls) -> Footprint:
        return cls(tasks=tuple(_tasks()), sockets=_sockets())

    async def expect_again(self, when: str, *, patient: bool) -> None:
        """Go on if there is no more than there was. ``patient``: sockets may take a moment, in real time.

        Raises:
            Failed: there is.
        """
        until = trio.current_time() + (_PATIENCE_SECONDS if patient else 0)
        while (left := self.left()) and trio.current_time() < until:  # noqa: ASYNC110  # nobody tells of sockets
            await trio.sleep(_PAUSE_SECONDS)
        if left:
            raise Failed(f"nothing left behind {when}", left)

    def left(self) -> str:
        """Return what there is beyond it now, or ''."""
        tasks = sorted(task.name for task in _tasks() if task not in self.tasks)
        sockets = _sockets() - self.sockets
        said = [f"a task that goes on: {name}" for name in tasks]
        if sockets > 0:
            said.append(f"{sockets} open socket{'s' if sockets > 1 else ''}")
        return "; ".join(said)


def _tasks() -> Iterator[trio.lowlevel.Task]:
    """Yield all tasks but the running one and what it is part of."""
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        yield task


def _sockets() -> int:
    """Return how many sockets this process has open; 0 where the system doesn't say."""
    count = 0
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError, ValueError):
                count += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return count
