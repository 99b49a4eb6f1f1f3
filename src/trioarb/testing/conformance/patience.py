"""Run a case apart, so that a plugin that can't be ended doesn't hold up the judge."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import FrameType

import trio

import trioarb
from trioarb.testing.conformance.case import Failed

__all__ = ["raised_at", "run_apart"]

#: Code in these folders is not the plugin's, but what is installed below the standard library may be.
_OURS = tuple(str(Path(module.__file__ or "").parent) for module in (trio, trioarb))
#: How long a call may keep the thread, and how often it is looked at; how long one that did may take to end.
_MOST_HELD_SECONDS, _LOOK_SECONDS, _HELD_TO_END_SECONDS = 2.0, 0.1, 10.0
_STANDARD = str(Path(threading.__file__ or "").parent)
_INSTALLED = ("site-packages", "dist-packages")


def run_apart(run: Callable[[], None], seconds: float) -> None:
    """Run something in a thread of its own, and raise what it raises.

    ``seconds`` are real ones. What has not ended by then is left behind: the thread doesn't keep the process alive.

    Raises:
        Failed: it has not ended, or a function held the thread; says which one.
    """
    raised: list[BaseException] = []

    def held() -> None:
        try:
            run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=held, name="trioarb case", daemon=True)
    thread.start()
    holder = _joined(thread, seconds)
    if holder:
        raise Failed(f"that no call holds the thread for {_MOST_HELD_SECONDS:g} s: all that is under way waits", holder)
    if thread.is_alive():
        frame = _frame(sys._current_frames().get(thread.ident or 0))
        raise Failed(
            f"an end within {seconds:g} s",
            "something waits, and doesn't let itself be cancelled" if frame is None else _named(frame),
        )
    if raised:
        raise raised[0]


def raised_at(error: BaseException) -> str:
    """Return where in a plugin's code an error came from, as the end of a sentence; '' where none of it raised it."""
    while error.__cause__ is not None:
        error = error.__cause__
    places = [
        f", at {frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_the_plugins(frame.f_code.co_filename)
    ]
    return places[-1] if places else ""


def _joined(thread: threading.Thread, seconds: float) -> str:
    """Wait until it has ended, or for so long; return which function of a plugin held it meanwhile, if one did.

    What was held is given some more time to end, so that it doesn't disturb the cases that follow.
    """
    until, holder = monotonic() + seconds, ""
    at, since = (0, 0), monotonic()
    while thread.is_alive() and (left := until - monotonic()) > 0:
        thread.join(min(left, _LOOK_SECONDS))
        frame = _frame(sys._current_frames().get(thread.ident or 0))
        place = (0, 0) if frame is None else (id(frame), frame.f_lasti)
        if place != at:
            at, since = place, monotonic()
        elif frame is not None and not holder and monotonic() - since >= _MOST_HELD_SECONDS:
            holder, until = _named(frame), min(until, monotonic() + _HELD_TO_END_SECONDS)
    return holder


def _frame(frame: FrameType | None) -> FrameType | None:
    """Return the call of a plugin that has the thread now; to import something may take its time."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        if _is_the_plugins(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def _named(frame: FrameType) -> str:
    return f"{frame.f_code.co_name} holds the thread, at {frame.f_code.co_filename}:{frame.f_lineno}"


def _is_the_plugins(file: str) -> bool:
    if file.startswith((*_OURS, "<")):
        return False
    return not file.startswith(_STANDARD) or any(name in file for name in _INSTALLED)
