"""One budget for all campaigns of a key on this machine: a small file that counts what each of them has used.

Whoever wants to send locks the file, adds up, and writes what it takes, all at once; of large limits a little more than
it needs, to be used before the file's slot of time is over. A process that is killed leaves nothing to clean up: the
system frees its lock, and what it had taken is out of date after the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import attrs

from trioarb.venue.budget_file import UNUSABLE, BudgetFile, Record, slot_number

__all__ = ["Entry", "Full", "Ledger", "Want"]

#: At most such a part of a limit is taken ahead of need.
_AHEAD = 320
_AGAIN_SECONDS, _STUCK_SECONDS = 0.005, 1.0
#: The longest window of a venue is a day, the longest ban three.
_UNUSED_SECONDS = 5 * 86_400.0


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

    generation: int
    number: int
    left: int
    allowed: int


class Ledger:
    """The budget of a key, in a file that its campaigns share. Close it.

    Where the file can't be locked for a second, as somebody who holds it was stopped, nothing is counted there, and
    each campaign goes by its own count; so it is where it can't be read or written. An answer that takes longer than
    its window is counted from when it came, and of what was sent not any more in between.

    Args:
        path: The file, made if need be.
        clock: Seconds that all processes share.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Open it, or make it.

        Raises:
            VenueError: it can't be opened, or isn't ours.
        """
        self._file = BudgetFile(path)
        self._clock = clock
        self._ahead: dict[tuple[str, float], _Ahead] = {}
        self._stuck_since: float | None = None

    @classmethod
    def of_key(cls, folder: Path, venue: str, api_key: str) -> Ledger:
        """Open the ledger of a venue's key.

        Its name tells neither. Ledgers there that nobody has used for days are removed.

        Args:
            folder: Where ledgers are: in `runtime_folder`.
            venue: What tells one venue's from another's.
            api_key: The key; '': the ledger of all keys together.

        Raises:
            VenueError: The file can't be opened, or isn't ours.
        """
        _remove_old(folder)
        name = blake2b(f"{venue}\0{api_key}".encode(), digest_size=16, person=b"trioarb budget").hexdigest()
        return cls(folder / f"budget-{name}")

    def close(self) -> None:
        """Let the file go. What was taken stays taken until its window has passed."""
        self._file.close()

    def expect(self, windows: Sequence[tuple[str, float]]) -> None:
        """Make room for windows.

        Args:
            windows: Bucket and seconds of each.

        Raises:
            VenueError: There are too many.
        """
        with self._file.locked() as is_locked:
            for bucket, seconds in windows if is_locked else ():
                self._file.record(bucket, seconds)

    def take(self, wanted: Sequence[Want]) -> tuple[Entry, ...] | Full:
        """Take all that is wanted, or nothing. Never waits for longer than a millisecond.

        Args:
            wanted: How much of which windows.

        Returns:
            What was taken, to be settled or given back; or what is full, and for how long.
        """
        now = self._clock()
        try:
            missing = [one for one in wanted if not self._is_ahead(one, now)]
            if missing:
                with self._file.locked() as is_locked:
                    if not is_locked:
                        return self._stuck(now)
                    full = self._take(missing, now)
                if full is not None:
                    return full
            self._stuck_since = None
        except UNUSABLE:
            return ()
        return tuple(self._use(one, now) for one in wanted)

    def settle(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """Count what was taken from now on, as its answer has come, and at the weight that it had in the end.

        Args:
            entries: What was taken, and its weight.
        """
        now = self._clock()
        late = [one for one in entries if not self._is_settled(*one, now)]
        if not late:
            return
        with suppress(*UNUSABLE), self._file.locked() as is_locked:
            for entry, weight in late if is_locked else ():
                # Added first: whoever is killed in between leaves too much, not too little.
                number = slot_number(now, entry.seconds)
                self._file.add(entry.bucket, entry.seconds, number, weight)
                self._file.add(entry.bucket, entry.seconds, entry.number, -entry.weight)
                entry.number, entry.weight = number, weight

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Count what was taken no more.

        Args:
            entries: What was taken.
        """
        with suppress(*UNUSABLE), self._file.locked() as is_locked:
            for entry in entries if is_locked else ():
                self._file.add(entry.bucket, entry.seconds, entry.number, -entry.weight)
                entry.weight = 0

    def shut(self, windows: Sequence[tuple[str, float]], seconds: float) -> None:
        """Close windows to everybody for so long; never for less than before.

        Args:
            windows: Bucket and seconds of each.
            seconds: How long.
        """
        with suppress(*UNUSABLE), self._file.locked() as is_locked:
            now = self._clock()
            for bucket, length in windows if is_locked else ():
                record = self._file.record(bucket, length)
                until = max(record.closed_until if record.is_closed(now) else 0.0, now + seconds)
                self._file.shut(bucket, length, until)

    def used(self, bucket: str, seconds: float) -> int:
        """Return how much of a window all together have used; 0 where the file can't be read.

        Args:
            bucket: Which one.
            seconds: Which window of it.
        """
        with suppress(*UNUSABLE), self._file.locked() as is_locked:
            return self._file.record(bucket, seconds).used(self._clock()) if is_locked else 0
        return 0

    def _is_ahead(self, want: Want, now: float) -> bool:
        """Say whether what is wanted was taken before, and the venue hasn't closed the limit since."""
        ahead = self._ahead.get((want.bucket, want.seconds))
        return (
            ahead is not None
            and ahead.left >= want.weight
            and ahead.allowed <= want.allowed
            and ahead.number == slot_number(now, want.seconds)
            and ahead.generation == self._file.generation
            and not self._file.may_be_closed(want.bucket, want.seconds, now)
        )

    def _take(self, wanted: Sequence[Want], now: float) -> Full | None:
        """Take what is wanted, to be used at once, and perhaps more; or say why not."""
        found = [(one, self._file.record(one.bucket, one.seconds)) for one in wanted]
        closed = {one.bucket: record.closed_until - now for one, record in found if record.is_closed(now)}
        if closed:
            return Full(max(closed.values()), tuple(closed))
        wait = max((_wait(one, record, now) for one, record in found), default=0.0)
        if wait > 0.0:
            return Full(wait)
        for one, record in found:
            key, number = (one.bucket, one.seconds), slot_number(now, one.seconds)
            before = self._ahead.pop(key, None)
            if before is not None and before.left and before.generation == self._file.generation:
                self._file.add(*key, before.number, -before.left)
            taken = max(one.weight, min(one.allowed // _AHEAD, one.allowed - record.used(now)))
            self._file.add(*key, number, taken)
            self._ahead[key] = _Ahead(self._file.generation, number, taken, one.allowed)
        return None

    def _use(self, want: Want, now: float) -> Entry:
        self._ahead[want.bucket, want.seconds].left -= want.weight
        return Entry(want.bucket, want.seconds, slot_number(now, want.seconds), want.weight)

    def _is_settled(self, entry: Entry, weight: int, now: float) -> bool:
        """Say whether nothing has to be written for an answer that came now; what wasn't charged is used again."""
        number = slot_number(now, entry.seconds)
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


def _remove_old(folder: Path) -> None:
    """Remove budgets that are out of date; whoever has one open all the same comes to a new file."""
    for path in folder.glob("budget-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _UNUSED_SECONDS:  # noqa: TID251 - a file has no other time
                path.unlink()


def _wait(want: Want, record: Record, now: float) -> float:
    """Return how long until there is room; 0: there is."""
    used = record.used(now)
    excess = used - max(0, want.allowed - want.weight)
    return record.wait_seconds(now, excess) if used and excess > 0 else 0.0
