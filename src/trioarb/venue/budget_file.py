"""The file of a budget that processes share: how much was used of each window in each of the last slots of time.

The format: a head (mark, boot), then a fixed number of records of one size: name, time until which the limit is closed,
and slots of (number of the slot of time, count), all little-endian. Times are those of the system's monotonic clock,
which all processes share, and which nobody sets.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import attrs

from trioarb.errors import VenueError

__all__ = ["UNUSABLE", "BudgetFile", "Record", "slot_number"]

#: What reading a file raises that a stranger has cut off, or whose disk fails.
UNUSABLE = (OSError, struct.error)

_MARK = b"trioarb budget 1"
_HEAD = struct.Struct("<16s16s")
_SLOTS = 32
#: What is used counts for two slots more than a window has: it may have been used at the slot's end, and the venue may
#: have counted it in the next one.
_LASTS = _SLOTS + 1
_RING = _LASTS + 2
_RECORD = struct.Struct(f"<16sd{_RING * 2}q")
_SLOT = struct.Struct("<qq")
_CLOSED = struct.Struct("<d")
_CLOSED_AT, _SLOTS_AT = 16, 24
_RECORDS = 64
_SIZE = _HEAD.size + _RECORDS * _RECORD.size
#: Nobody holds the lock for longer than microseconds, unless it was stopped in there.
_TRIES, _TRY_SECONDS = 20, 0.00005
#: No venue bans for longer; what says so is of another time.
_LONGEST_CLOSED_SECONDS = 4 * 86_400.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen
class Record:
    """What the file says of a window, as it was read."""

    seconds: float
    at: int
    closed_until: float
    slots: tuple[int, ...]

    def is_closed(self, now: float) -> bool:
        return now < self.closed_until < now + _LONGEST_CLOSED_SECONDS

    def used(self, now: float) -> int:
        """Return how much all together have used."""
        return sum(count for _, count in self._counts(now))

    def wait_seconds(self, now: float, excess: int) -> float:
        """Return how long until so much of what is used counts no more."""
        for number, count in sorted(self._counts(now)):
            excess -= count
            if excess <= 0:
                return (number + _LASTS + 1) * (self.seconds / _SLOTS) - now
        return self.seconds

    def _counts(self, now: float) -> list[tuple[int, int]]:
        newest = slot_number(now, self.seconds)
        slots = zip(self.slots[::2], self.slots[1::2], strict=True)
        return [slot for slot in slots if newest - _LASTS <= slot[0] <= newest]


class BudgetFile:
    """A file that is open, whoever has it open besides. Close it.

    What reads and writes raises one of `UNUSABLE` where the file can't be used any more, and belongs inside `locked`.
    """

    def __init__(self, path: Path) -> None:
        """Open it, or make it.

        Raises:
            VenueError: it can't be opened, or isn't ours.
        """
        self.path = path
        #: How often it turned out to be another file, or overwritten: what was known of it is nothing any more.
        self.generation: int = 0
        self._places: dict[tuple[str, float], tuple[int, bytes]] = {}
        self._head = _HEAD.pack(_MARK, _boot())
        self._fd = -1
        self._open()

    def close(self) -> None:
        os.close(self._fd)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the file's lock, over a file that others find; or say that it can't be had within a millisecond."""
        if not self._lock():
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def record(self, bucket: str, seconds: float) -> Record:
        """Return a window's record; it is made where there is none.

        Raises:
            VenueError: there are too many.
        """
        place = self._places.get((bucket, seconds))
        if place is not None:
            at, name = place
            read = os.pread(self._fd, _RECORD.size, at)
            if read.startswith(name):
                _, closed_until, *slots = _RECORD.unpack(read)
                return Record(seconds, at, closed_until, tuple(slots))
            self._forget()  # somebody else wrote into the file
        self._prepare()
        name = blake2b(f"{bucket}\0{seconds!r}".encode(), digest_size=16).digest()
        for number in range(_RECORDS):
            at = _HEAD.size + number * _RECORD.size
            there = os.pread(self._fd, 16, at)
            if there == bytes(16):
                os.pwrite(self._fd, name, at)
            elif there != name:
                continue
            self._places[bucket, seconds] = at, name
            return self.record(bucket, seconds)
        raise VenueError(f"the budget {self.path} has no room for another limit than its {_RECORDS}")

    def add(self, bucket: str, seconds: float, number: int, weight: int) -> None:
        """Add to what was used in a slot; what is taken off one that is out of date is off already."""
        record = self.record(bucket, seconds)
        place = number % _RING
        is_there = record.slots[2 * place] == number
        if weight < 0 and not is_there:
            return
        count = max(0, (record.slots[2 * place + 1] if is_there else 0) + weight)
        os.pwrite(self._fd, _SLOT.pack(number, count), record.at + _SLOTS_AT + place * _SLOT.size)

    def shut(self, bucket: str, seconds: float, until: float) -> None:
        """Close a window until then."""
        os.pwrite(self._fd, _CLOSED.pack(until), self.record(bucket, seconds).at + _CLOSED_AT)

    def may_be_closed(self, bucket: str, seconds: float, now: float) -> bool:
        """Say whether a window whose record was read before seems to be closed. Needs no lock."""
        at, _ = self._places[bucket, seconds]
        (closed_until,) = _CLOSED.unpack(os.pread(self._fd, _CLOSED.size, at + _CLOSED_AT))
        return bool(closed_until > now)

    def _open(self) -> None:
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VenueError(f"the budget {self.path} can't be opened: {error.strerror}") from None
        if os.fstat(self._fd).st_uid != os.getuid():
            os.close(self._fd)
            raise VenueError(f"the budget {self.path} belongs to somebody else; remove it")

    def _lock(self) -> bool:
        for number in range(_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_TRY_SECONDS if number else 0.0)
                continue
            except OSError:
                return False
            if os.fstat(self._fd).st_nlink:
                return True
            # It was removed; the others come to a new one.
            fd = self._fd
            try:
                self._open()
            except VenueError:
                self._fd = fd
                fcntl.flock(fd, fcntl.LOCK_UN)
                return False
            os.close(fd)
            self._forget()
        return False

    def _prepare(self) -> None:
        """Make it a file of this version and boot, where it is none."""
        if os.pread(self._fd, _HEAD.size, 0) == self._head and os.fstat(self._fd).st_size == _SIZE:
            return
        self._forget()
        os.pwrite(self._fd, bytes(_SIZE), 0)
        os.ftruncate(self._fd, _SIZE)
        os.pwrite(self._fd, self._head, 0)

    def _forget(self) -> None:
        self._places.clear()
        self.generation += 1


def slot_number(now: float, seconds: float) -> int:
    """Return the number of the slot of time in which ``now`` is, for a window of so many seconds."""
    return int(now / (seconds / _SLOTS))


def _boot() -> bytes:
    """Return what tells this boot of the system from others, as far as it says so: the clock begins anew with it."""
    try:
        text = _BOOT.read_bytes()
    except OSError:
        text = b""
    return blake2b(text, digest_size=16).digest()
