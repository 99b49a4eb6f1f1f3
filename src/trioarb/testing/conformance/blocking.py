"""What code did that holds the thread: it slept, read a file, used a socket, or began a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["watched"]

#: Functions written in C, by module and name, or by the type whose methods they are.
_WAITS = {
    *(("posix", name) for name in ("open", "system", "fork")),
    *(("_thread", name) for name in ("start_new_thread", "start_joinable_thread")),
    ("io", "open"),
    ("_io", "open"),
    ("time", "sleep"),
    ("select", "select"),
    ("_socket", "getaddrinfo"),
    ("_posixsubprocess", "fork_exec"),
}
_OF_TYPES = {"socket", "epoll", "poll", "kqueue"}


@contextmanager
def watched() -> Iterator[list[str]]:
    """Give a list of what was called inside that holds the thread, such as ``time.sleep``, each once."""
    found = list[str]()

    def see(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and (name := _waits(called)) and name not in found:
            found.append(name)

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _waits(called: Any) -> str:
    """Return the name of a function that holds the thread, '' of any other."""
    module, name = getattr(called, "__module__", None), getattr(called, "__name__", "")
    if (module, name) in _WAITS:
        return f"{str(module).lstrip('_')}.{name}"
    of_type = type(getattr(called, "__self__", None))
    if of_type.__name__ in _OF_TYPES and name not in ("close", "fileno"):
        return f"{of_type.__name__}.{name}"
    return ""
