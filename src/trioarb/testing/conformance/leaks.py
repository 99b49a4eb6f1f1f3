"""What a plugin left behind: tasks and threads that go on without it, sockets and files that nobody closed."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

import attrs
import trio

from trioarb.testing.conformance.case import Failed

__all__ = ["Footprint"]

#: How long the other end of a connection may take to close its own socket, which is of this process on a stage.
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.01
#: Threads of pools, which wait for work: Trio keeps its own for a while, a library one for the whole process.
_POOLED = ("Trio thread", "trio", "ThreadPoolExecutor")


@attrs.frozen(kw_only=True)
class Footprint:
    """What there is of this process: tasks, open sockets and files, threads, processes below it, its working folder.

    ``open``: what each open descriptor stands for. ``threads``: without those of pools.
    """

    tasks: tuple[trio.lowlevel.Task, ...]
    open: Mapping[int, str]
    threads: frozenset[threading.Thread]
    processes: frozenset[str]
    folder: str

    @classmethod
    def now(cls) -> Footprint:
        return cls(
            tasks=tuple(_tasks()),
            open=dict(_open()),
            threads=frozenset(_threads()),
            processes=frozenset(_processes()),
            folder=_folder(),
        )

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
        said = [
            f"a task that goes on: {name}" for name in sorted(one.name for one in _tasks() if one not in self.tasks)
        ]
        more = Counter(dict(_open()).values()) - Counter(self.open.values())
        said += [f"{count} open {what}{'s' if count > 1 else ''}" for what, count in sorted(more.items())]
        said += sorted(f"a thread that goes on: {one.name}" for one in _threads() if one not in self.threads)
        said += [f"process {one} that goes on" for one in sorted(_processes()) if one not in self.processes]
        if (folder := _folder()) != self.folder:
            said.append(f"another working folder, {folder}")
        return "; ".join(said)


def _tasks() -> Iterator[trio.lowlevel.Task]:
    """Yield all tasks but the running one and what it is part of."""
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        yield task


def _threads() -> Iterator[threading.Thread]:
    """Yield the threads that run, but for those of pools."""
    for one in threading.enumerate():
        if not one.name.startswith(_POOLED):
            yield one


def _processes() -> Iterator[str]:
    """Yield the ids of the processes that this one began; nothing where the system doesn't say."""
    for thread in threading.enumerate():
        with suppress(OSError), open(f"/proc/self/task/{thread.native_id}/children") as file:
            yield from file.read().split()


def _open() -> Iterator[tuple[int, str]]:
    """Yield what is open: sockets, pipes and files that are written; nothing where the system doesn't say.

    What is only read may well be kept by the standard library, such as a table of time zones.
    """
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with suppress(OSError, ValueError):
                mode = os.fstat(number := int(name)).st_mode
                if stat.S_ISSOCK(mode):
                    yield number, "socket"
                elif stat.S_ISFIFO(mode):
                    yield number, "pipe"
                elif stat.S_ISREG(mode) and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE:
                    yield number, "file"


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "one that is gone"
