"""One budget for all campaigns of a key on this machine: a small file that counts what each of them has used.

For each window of a limit the file holds how much was used in each of the last slots of time. Whoever wants to send
locks the file, adds up, and writes what it takes, all at once; of large limits a little more than it needs, which lasts
for as long as the slot does. A process that is killed leaves nothing to clean up: the system frees its lock, and what
it had taken is out of date after the window. Times are the system's monotonic clock, which all processes share, and
which nobody sets.

The format: a head (mark, boot), then a fixed number of records of one size: name, time until which the limit is closed,
and slots of (number of the slot of time, count), all little-endian.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import attrs

from trioarb.errors import VenueError

__all__ = ["Entry", "Full", "Ledger", "Want"]

_MARK = b"trioarb budget 1"
_HEAD = struct.Struct("<16s16s")
_SLOTS = 32
#: What is used counts for two slots more than a window has: it may have been used at the slot's end, and the venue may
#: have counted it in the next one.
_LASTS = _SLOTS + 1
_RING = _LASTS + 2
#: At most such a part of a limit is taken ahead of need.
_AHEAD = 320
_RECORD = struct.Struct(f"<16sd{_RING * 2}q")
_SLOT = struct.Struct("<qq")
_CLOSED = struct.Struct("<d")
_CLOSED_AT, _SLOTS_AT = 16, 24
_RECORDS = 64
_SIZE = _HEAD.size + _RECORDS * _RECORD.size
#: Nobody holds the lock for longer than microseconds, unless it was stopped in there.
_TRIES, _TRY_SECONDS = 20, 0.00005
_AGAIN_SECONDS, _STUCK_SECONDS = 0.005, 1.0
#: No venue bans for longer; what says so is of another time.
_LONGEST_CLOSED_SECONDS = 4 * 86_400.0
#: What reading a file raises that a stranger has cut off, or whose disk fails.
_UNUSABLE = (OSError, struct.error)
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen(kw_only=True)
class Want:
    """So much of a window of a bucket, if no more than ``allowed`` is used with it, or nothing was."""

    bucket: str
    seconds: float
    weight: int
    allowed: int


@attrs.define
class Entry:
    """What was taken: the ledger's own note of where it stands."""

    bucket: str
    seconds: float
    number: int
    weight: int


@attrs.frozen
class Full:
    """There is no room for so many seconds; ``closed``: the buckets that the venue has closed."""

    seconds: float
    closed: tuple[str, ...] = ()


@attrs.define
class _Ahead:
    """What was taken of a window and not used, good for requests of which no less is allowed."""

    number: int
    left: int
    allowed: int


@attrs.frozen
class _Record:
    at: int
    closed_until: float
    slots: tuple[int, ...]

    def count(self, number: int) -> int:
        place = 2 * (number % _RING)
        return self.slots[place + 1] if self.slots[place] == number else 0


class Ledger:
    """The budget of a key, in a file that its campaigns share. Close it.

    Where the file can't be locked for a second, as somebody who holds it was stopped, nothing is counted there, and
    each campaign goes by its own count; so it is where it can't be read or written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._places: dict[tuple[str, float], tuple[int, bytes]] = {}
        self._ahead: dict[tuple[str, float], _Ahead] = {}
        self._stuck_since: float | None = None
        self._head = _HEAD.pack(_MARK, _boot())
        self._fd = -1
        self._open()

    @classmethod
    def of_key(cls, folder: Path, venue: str, api_key: str) -> Ledger:
        """Open the ledger of a venue's key, in a folder of `runtime_folder`; of all keys together, with an empty one.

        Its name tells neither.

        Raises:
            VenueError: the file can't be opened, or isn't ours.
        """
        name = blake2b(f"{venue}\0{api_key}".encode(), digest_size=16, person=b"trioarb budget").hexdigest()
        return cls(folder / f"budget-{name}")

    def close(self) -> None:
        """Let the file go. What was taken stays taken until its window has passed."""
        os.close(self._fd)

    def expect(self, windows: Sequence[tuple[str, float]]) -> None:
        """Make room for windows, given as bucket and seconds.

        Raises:
            VenueError: there are too many.
        """
        with self._locked() as is_locked:
            for bucket, seconds in windows if is_locked else ():
                self._record(bucket, seconds)

    def take(self, wanted: Sequence[Want]) -> tuple[Entry, ...] | Full:
        """Take all that is wanted, or nothing. Never waits for longer than a millisecond."""
        now = self._clock()
        try:
            missing = [one for one in wanted if not self._is_ahead(one, now)]
            if missing:
                with self._locked() as is_locked:
                    if not is_locked:
                        return self._stuck(now)
                    full = self._take(missing, now)
                if full is not None:
                    return full
            self._stuck_since = None
        except _UNUSABLE:
            return ()
        return tuple(self._use(one, now) for one in wanted)

    def settle(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """Count what was taken from now on, as its answer has come, and at the weight that it had in the end."""
        now = self._clock()
        late = [one for one in entries if not self._is_settled(*one, now)]
        if not late:
            return
        with suppress(*_UNUSABLE), self._locked() as is_locked:
            for entry, weight in late if is_locked else ():
                # Added first: whoever is killed in between leaves too much, not too little.
                number = _number(now, entry.seconds)
                self._add(entry.bucket, entry.seconds, number, weight)
                self._add(entry.bucket, entry.seconds, entry.number, -entry.weight)
                entry.number, entry.weight = number, weight

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Count what was taken no more."""
        with suppress(*_UNUSABLE), self._locked() as is_locked:
            for entry in entries if is_locked else ():
                self._add(entry.bucket, entry.seconds, entry.number, -entry.weight)
                entry.weight = 0

    def shut(self, windows: Sequence[tuple[str, float]], seconds: float) -> None:
        """Close windows, given as bucket and seconds, to everybody for so long; never for less than before."""
        with suppress(*_UNUSABLE), self._locked() as is_locked:
            now = self._clock()
            for bucket, length in windows if is_locked else ():
                record = self._record(bucket, length)
                until = max(record.closed_until if _is_closed(record, now) else 0.0, now + seconds)
                os.pwrite(self._fd, _CLOSED.pack(until), record.at + _CLOSED_AT)

    def used(self, bucket: str, seconds: float) -> int:
        """Return how much of a window all together have used."""
        with self._locked() as is_locked:
            return _used(self._record(bucket, seconds), seconds, self._clock()) if is_locked else 0

    def _is_ahead(self, want: Want, now: float) -> bool:
        """Say whether what is wanted was taken before, and the venue hasn't closed the limit since."""
        ahead = self._ahead.get((want.bucket, want.seconds))
        if ahead is None or ahead.left < want.weight or ahead.allowed > want.allowed:
            return False
        if ahead.number != _number(now, want.seconds):
            return False
        at, _ = self._places[want.bucket, want.seconds]
        (closed_until,) = _CLOSED.unpack(os.pread(self._fd, _CLOSED.size, at + _CLOSED_AT))
        return not closed_until > now

    def _take(self, wanted: Sequence[Want], now: float) -> Full | None:
        """Take what is wanted, to be used at once, and perhaps more; or say why not."""
        found = [(one, self._record(one.bucket, one.seconds)) for one in wanted]
        closed = {one.bucket: record.closed_until - now for one, record in found if _is_closed(record, now)}
        if closed:
            return Full(max(closed.values()), tuple(closed))
        wait = max((_wait(one, record, now) for one, record in found), default=0.0)
        if wait > 0.0:
            return Full(wait)
        for one, record in found:
            key, number = (one.bucket, one.seconds), _number(now, one.seconds)
            before = self._ahead.pop(key, None)
            if before is not None and before.left:
                self._add(*key, before.number, -before.left)
            room = one.allowed - _used(record, one.seconds, now)
            taken = max(one.weight, min(one.allowed // _AHEAD, room))
            self._add(*key, number, taken)
            self._ahead[key] = _Ahead(number, taken, one.allowed)
        return None

    def _use(self, want: Want, now: float) -> Entry:
        number, ahead = _number(now, want.seconds), self._ahead.get((want.bucket, want.seconds))
        if ahead is not None:  # it isn't there any more where somebody wrote into the file meanwhile
            ahead.left -= want.weight
        return Entry(want.bucket, want.seconds, number, want.weight)

    def _is_settled(self, entry: Entry, weight: int, now: float) -> bool:
        """Say whether nothing has to be written for an answer that came now; what wasn't charged is used again."""
        number = _number(now, entry.seconds)
        if entry.weight != weight:
            ahead = self._ahead.get((entry.bucket, entry.seconds))
            if ahead is None or not ahead.number == number == entry.number or weight > entry.weight:
                return False
            if ahead.left + entry.weight - weight > ahead.allowed // _AHEAD:
                return False  # too much to be kept from others
            ahead.left += entry.weight - weight
            entry.weight = weight
        return number <= entry.number + 1

    def _stuck(self, now: float) -> tuple[Entry, ...] | Full:
        if self._stuck_since is None:
            self._stuck_since = now
        return () if now - self._stuck_since >= _STUCK_SECONDS else Full(_AGAIN_SECONDS)

    def _open(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VenueError(f"the budget {self._path} can't be opened: {error.strerror}") from None
        if os.fstat(self._fd).st_uid != os.getuid():
            os.close(self._fd)
            raise VenueError(f"the budget {self._path} belongs to somebody else; remove it")

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the file's lock, if it can be had, over a file that others find."""
        if not self._lock():
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

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
                fcntl.flock(fd, fcntl.LOCK_UN)
                return False
            os.close(fd)
            self._forget()
        return False

    def _forget(self) -> None:
        self._places.clear()
        self._ahead.clear()

    def _record(self, bucket: str, seconds: float) -> _Record:
        """Return a window's record; it is made where there is none."""
        place = self._places.get((bucket, seconds))
        if place is not None:
            at, name = place
            read = os.pread(self._fd, _RECORD.size, at)
            if read.startswith(name):
                _, closed_until, *slots = _RECORD.unpack(read)
                return _Record(at, closed_until, tuple(slots))
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
            return self._record(bucket, seconds)
        raise VenueError(f"the budget {self._path} has no room for another limit than its {_RECORDS}")

    def _prepare(self) -> None:
        """Make it a file of this version and boot, where it is none."""
        if os.pread(self._fd, _HEAD.size, 0) == self._head and os.fstat(self._fd).st_size == _SIZE:
            return
        self._forget()
        os.pwrite(self._fd, bytes(_SIZE), 0)
        os.ftruncate(self._fd, _SIZE)
        os.pwrite(self._fd, self._head, 0)

    def _add(self, bucket: str, seconds: float, number: int, weight: int) -> None:
        """Add to what was used in a slot; what is taken off one that is out of date is off already."""
        record = self._record(bucket, seconds)
        place = number % _RING
        if weight < 0 and record.slots[2 * place] != number:
            return
        count = max(0, record.count(number) + weight)
        os.pwrite(self._fd, _SLOT.pack(number, count), record.at + _SLOTS_AT + place * _SLOT.size)


def _is_closed(record: _Record, now: float) -> bool:
    return now < record.closed_until < now + _LONGEST_CLOSED_SECONDS


def _number(now: float, seconds: float) -> int:
    return int(now / (seconds / _SLOTS))


def _used(record: _Record, seconds: float, now: float) -> int:
    newest = _number(now, seconds)
    return sum(
        count
        for number, count in zip(record.slots[::2], record.slots[1::2], strict=True)
        if newest - _LASTS <= number <= newest
    )


def _wait(want: Want, record: _Record, now: float) -> float:
    """Return how long until there is room; 0: there is."""
    used = _used(record, want.seconds, now)
    excess = used - max(0, want.allowed - want.weight)
    if not used or excess <= 0:
        return 0.0
    newest = _number(now, want.seconds)
    for number, count in sorted(zip(record.slots[::2], record.slots[1::2], strict=True)):
        if newest - _LASTS <= number <= newest:
            excess -= count
            if excess <= 0:
                return (number + _LASTS + 1) * (want.seconds / _SLOTS) - now
    return want.seconds


def _boot() -> bytes:
    """Return what tells this boot of the system from others, as far as it says so: the clock begins anew with it."""
    try:
        text = _BOOT.read_bytes()
    except OSError:
        text = b""
    return blake2b(text, digest_size=16).digest()
