"""Run a case apart, so that a plugin that can't be ended doesn't hold up the judge."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import trio

import trioarb
from trioarb.testing.conformance.case import Failed

__all__ = ["run_apart"]

#: Code in these folders is not the plugin's, but what is installed below the standard library may be.
_OURS = tuple(str(Path(module.__file__ or "").parent) for module in (trio, trioarb))
_STANDARD = str(Path(threading.__file__ or "").parent)
_INSTALLED = ("site-packages", "dist-packages")


def run_apart(run: Callable[[], None], seconds: float) -> None:
    """Run something in a thread of its own, and raise what it raises.

    ``seconds`` are real ones. What has not ended by then is left behind: the thread doesn't keep the process alive.

    Raises:
        Failed: it has not ended; says which function holds the thread, if one does.
    """
    raised: list[BaseException] = []

    def held() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=held, name="trioarb case", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)
        raise Failed(f"an end within {seconds:g} s", _holder(frame))
    if raised:
        raise raised[0]


def _holder(frame: FrameType | None) -> str:
    """Return which function of a plugin holds the thread."""
    while frame is not None:
        code = frame.f_code
        if _is_the_plugins(code.co_filename):
            return f"{code.co_name} holds the thread, at {code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "something waits, and doesn't let itself be cancelled"


def _is_the_plugins(file: str) -> bool:
    if file.startswith((*_OURS, "<")):
        return False
    return not file.startswith(_STANDARD) or any(name in file for name in _INSTALLED)
