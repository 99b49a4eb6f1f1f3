"""Where a campaign can be told something: a socket in the runtime folder, and a lock that its process holds."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import msgspec

from trioarb.errors import ControlError

__all__ = ["Place", "Running", "running_in"]

_PREFIX, _SOCKET, _LOCK = "control-", ".sock", ".lock"
#: Of the SHA-256 of a path, in hex.
_DIGITS = 16
#: The shortest that operating systems have (macOS: 104 bytes, the end included).
_LONGEST_ADDRESS = 103
_LONGEST_NOTE = 65_536


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What a process notes beside its socket: its campaign's journal, and the accounts that it trades with."""

    pid: int
    journal: str
    accounts: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Place:
    """``folder`` is the runtime folder; ``name`` stands for a journal's absolute path, whatever that is called by."""

    folder: Path
    name: str

    @classmethod
    def of(cls, journal: Path, folder: Path) -> Place:
        """Return the place of a journal's campaign, whether it runs or not."""
        path = os.fsencode(os.path.realpath(journal))
        return cls(folder=folder, name=hashlib.sha256(path).hexdigest()[:_DIGITS])

    @property
    def address(self) -> Path:
        """The socket."""
        return self.folder / f"{_PREFIX}{self.name}{_SOCKET}"

    @property
    def lock(self) -> Path:
        return self.folder / f"{_PREFIX}{self.name}{_LOCK}"

    @contextmanager
    def claimed(self, running: Running) -> Iterator[None]:
        """Have the place to oneself: what an earlier process left there is removed, and so is one's own at the end.

        Raises:
            ControlError: another process has it, or it can't be had.
        """
        if len(os.fsencode(self.address)) > _LONGEST_ADDRESS:
            raise ControlError(f"{self.address} is longer than a socket's path can be; set XDG_RUNTIME_DIR to another")
        try:
            fd = self._locked()
        except OSError as error:
            raise ControlError(f"{self.lock} can't be locked: {error.strerror or error}") from None
        try:
            try:
                self.address.unlink(missing_ok=True)
                os.ftruncate(fd, 0)
                os.pwrite(fd, msgspec.json.encode(running), 0)
            except OSError as error:
                raise ControlError(f"{self.address} can't be replaced: {error.strerror or error}") from None
            yield
        finally:
            with suppress(OSError):
                self.address.unlink(missing_ok=True)
                self.lock.unlink(missing_ok=True)
            os.close(fd)

    def _locked(self) -> int:
        """Return a descriptor of the lock file that is there now: who leaves takes it away before others get it."""
        while True:
            fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    return fd
            except BlockingIOError:
                os.close(fd)
                raise ControlError(f"{self.lock} is held by another process of this campaign") from None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def running(self) -> Running | None:
        """Return what the process notes that has the place now; ``None``: nobody has it."""
        try:
            fd = os.open(self.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with suppress(msgspec.DecodeError, OSError):
                return msgspec.json.decode(os.pread(fd, _LONGEST_NOTE, 0), type=Running)
            return None  # it is just being written
        except OSError:
            return None
        finally:
            os.close(fd)
        return None


def running_in(folder: Path) -> Sequence[tuple[Place, Running]]:
    """Return all places of a runtime folder that somebody has now, by the journals' paths."""
    names = (path.name.removeprefix(_PREFIX).removesuffix(_LOCK) for path in folder.glob(f"{_PREFIX}*{_LOCK}"))
    places = (Place(folder=folder, name=name) for name in names)
    found = ((place, running) for place in places if (running := place.running()) is not None)
    return sorted(found, key=lambda one: one[1].journal)
