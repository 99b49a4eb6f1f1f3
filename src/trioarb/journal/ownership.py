"""The right to write a journal: one process has it at a time."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from trioarb.errors import JournalError
from trioarb.journal.format import beside

__all__ = ["LOCK_PAUSE_SECONDS", "Lock", "in_use"]

#: A reader who asks whether a journal is in use holds its lock for an instant.
_LOCK_ATTEMPTS = 10
LOCK_PAUSE_SECONDS = 0.02


class Lock:
    """The right to write a journal: ``<path>-lock``, locked, with our process id in it.

    The kernel takes the lock from a process that dies; the file then stays, and means nothing.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            JournalError: another process has it; names that.
        """
        self._path = beside(path, "-lock")
        for attempt in range(1, _LOCK_ATTEMPTS + 1):
            try:
                if self._take():
                    return
            except BlockingIOError:
                if attempt < _LOCK_ATTEMPTS:
                    time.sleep(LOCK_PAUSE_SECONDS)
            except OSError as error:
                raise JournalError(
                    f"{path} can't be opened for writing: {self._path}: {error.strerror}; "
                    "make its folder writable, or choose another path"
                ) from error
        raise JournalError(f"{path} is in use by {self._holder()}; wait until it ends, or choose another path")

    def _take(self) -> bool:
        """Say whether the file that was locked is still the one that others would find."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._is_at_path(fd):
                os.close(fd)
                return False
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True

    def _is_at_path(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _holder(self) -> str:
        try:
            return f"process {int(self._path.read_text())}"
        except (OSError, ValueError):
            return "another process"

    def release(self) -> None:
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._fd)


def in_use(path: Path) -> bool:
    """Say whether somebody writes the journal now. Makes and keeps nothing."""
    try:
        fd = os.open(beside(path, "-lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # a lock of somebody else that we may not even look at
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
