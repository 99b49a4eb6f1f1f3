"""What Ctrl-C does where nothing has begun yet, or all is done: no traceback of Python's.

This is imported before anything else, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import signal

__all__ = ["EXIT_CODE", "SAID", "ignore", "leave_at_once", "raise_again"]

#: As of a process that the signal ended.
EXIT_CODE = 130
SAID = "interrupted; no campaign was begun"


def leave_at_once() -> None:
    """Let Ctrl-C end the process on the spot: while modules are imported there is nothing to clean up.

    An exception might come in the middle of a module that takes it for its own, or be told of by Python itself.
    """
    _swap(signal.default_int_handler, _leave)


def raise_again() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, as it does by default."""
    _swap(_leave, signal.default_int_handler)


def ignore() -> None:
    """Let Ctrl-C do nothing: what was to be done is done, and the exit code says how it went."""
    _swap(signal.default_int_handler, signal.SIG_IGN)


def _swap(old: object, new: signal._HANDLER) -> None:
    """Replace a handler by another, unless somebody else set one."""
    try:
        if signal.getsignal(signal.SIGINT) is old:
            signal.signal(signal.SIGINT, new)
    except ValueError:  # not in the main thread, which alone may
        pass


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, f"error: {SAID}\n".encode())
    finally:  # whether anybody can be told or not
        os._exit(EXIT_CODE)
