"""A journal as a file: one SQLite database per campaign, written by one process and read by any."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

from trioarb.errors import JournalError
from trioarb.journal.codec import ENCODING, encode
from trioarb.journal.format import (
    APPLICATION_ID,
    CLOSED_KEY,
    ENCODING_KEY,
    OWN_KEYS,
    SCHEMA,
    SET_META,
    TABLES,
    DamagedJournal,
    beside,
    checksum,
    connect,
)
from trioarb.journal.ownership import Lock
from trioarb.journal.stored import NO_END, ROWS_PER_READ, Source, StoredJournal, find, given, reading
from trioarb.model.event import (
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Record,
    ResidualLeft,
    ResidualResolved,
)

__all__ = ["ClaimedJournal", "JournalFile", "claim", "require_free", "salvage"]

#: Rows per INSERT. Each statement lets go of the GIL once; under a busy Trio thread it takes long to come back.
_ROWS_PER_STATEMENT = 500

#: What is never the last event of a step.
_SETTLING = (PositionOpened, PositionReduced, PositionClosed, ResidualLeft, ResidualResolved)


class JournalFile:
    """A journal that is open for writing, by this process alone. Made by `create` and `resume`; close it.

    Usable from any thread, but never from two at once.
    """

    def __init__(
        self, path: Path, lock: Lock, connection: sqlite3.Connection, meta: Mapping[str, str], last_seq: int
    ) -> None:
        self.path = path
        self._connection = connection
        self._meta = dict(meta)
        self._last_seq = last_seq
        # At the latest when the interpreter exits: SQLite would delete the ``-wal``, and the file not say it is whole.
        self._finish = weakref.finalize(self, _finish, connection, lock, os.getpid())
        largest = min(_ROWS_PER_STATEMENT, connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // 5)
        self._inserts = [
            (rows, f"INSERT INTO event VALUES {', '.join(['(?, ?, ?, ?, ?)'] * rows)}") for rows in (largest, 50, 5, 1)
        ]

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, str], *, synchronous: bool) -> JournalFile:
        """Make a new journal, and its folder if that is missing.

        ``synchronous``: what `write` wrote survives a power failure, not just the death of the process.

        Raises:
            JournalError: the file exists, is being made by another process, or can't be made.
        """
        if not OWN_KEYS.isdisjoint(meta):
            raise ValueError(f"{', '.join(sorted(OWN_KEYS))}: kept by the journal itself")
        require_free(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{path} can't be made: {error.filename}: {error.strerror}") from error
        real = path.resolve()
        lock = Lock(real)
        try:
            require_free(path)
            _build(path, real, {**meta, ENCODING_KEY: ENCODING, CLOSED_KEY: "yes"})
            try:
                connection = _connect_writing(path, real, synchronous=synchronous)
            except BaseException:
                real.unlink()
                raise
            return cls(path, lock, connection, meta, 0)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def resume(cls, path: Path, *, synchronous: bool, replay: Callable[[Record], object] | None = None) -> JournalFile:
        """Open a journal to go on with it, once all of it was read and found sound; ``replay`` is shown every record.

        Raises:
            JournalError: it is missing, read-only, in use, or not what it should be; it is as it was.
            DamagedJournal: not all of it can be read; it is as it was.
        """
        with claim(path) as claimed:
            for record in claimed.records():
                if replay is not None:
                    replay(record)
            return claimed.go_on(synchronous=synchronous)

    @property
    def meta(self) -> Mapping[str, str]:
        return dict(self._meta)

    @property
    def last_seq(self) -> int:
        """Return the number of the last event that was written; 0 if none was."""
        return self._last_seq

    def write(self, records: Sequence[Record]) -> None:
        """Append all of the records, or none of them.

        Raises:
            JournalError: they don't follow on the last one, can't be encoded, or the file can't be written.
        """
        if not records:
            return
        if [record.seq for record in records] != list(range(self._last_seq + 1, self._last_seq + 1 + len(records))):
            raise JournalError(
                f"{self.path} can't be written: events {records[0].seq} to {records[-1].seq} don't follow on event "
                f"{self._last_seq}"
            )
        with self._transaction():
            self._insert(records)
        self._last_seq = records[-1].seq

    def _insert(self, records: Sequence[Record]) -> None:
        start = 0
        for rows, statement in self._inserts:
            while len(records) - start >= rows:
                values: list[object] = []
                for record in records[start : start + rows]:
                    seq, ts_ns = record.seq, record.ts_ns
                    type_name, body = encode(record.event)
                    values += (seq, ts_ns, type_name, body, checksum(seq, ts_ns, type_name, body))
                self._connection.execute(statement, values)
                start += rows

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value beside the events.

        Raises:
            JournalError: the file can't be written.
        """
        if key in OWN_KEYS:
            raise ValueError(f"{key}: kept by the journal itself")
        with self._transaction():
            self._connection.execute(SET_META, (key, value))
        self._meta[key] = value

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            raise JournalError(f"{self.path} can't be written: {error}") from error

    def close(self) -> None:
        """Put everything into the one file, and let others have it. A second call does nothing.

        Raises:
            JournalError: a part stays in the file ``-wal`` beside it. The journal is closed all the same.
        """
        try:
            self._finish()
        except sqlite3.Error as error:
            raise JournalError(
                f"{self.path} could not be closed in order: {error}; what was written is safe as long as "
                f"{self.path}-wal stays beside it"
            ) from error


def _finish(connection: sqlite3.Connection, lock: Lock, process: int) -> None:
    """Close a journal, unless this is a fork of the process that writes it."""
    if os.getpid() != process:
        return
    try:
        with closing(connection):
            connection.execute(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            )  # where the disk is full, this makes room for the mark
            _mark(connection, closed=True)
    finally:
        lock.release()


class ClaimedJournal:
    """A journal that no other process can go on with, to be read before this one does; it is as it was so far."""

    def __init__(self, path: Path, real: Path, lock: Lock, source: Source, to_read: ExitStack) -> None:
        self.path = path
        self._real = real
        self._lock: Lock | None = lock
        self._to_read = to_read
        self._is_sound = False
        self._stored = StoredJournal(source)
        self.meta = self._stored.meta
        self.last_ts_ns = self._stored.last_ts_ns

    def first(self) -> Record:
        """Return the first record."""
        return next(iter(self._stored.records()))

    def records(self) -> Iterator[Record]:
        """Yield every record, as `StoredJournal.records`."""
        yield from self._stored.records()
        self._is_sound = True

    def go_on(self, *, synchronous: bool) -> JournalFile:
        """Open it for writing, once all of it was read; ``synchronous`` is as in `JournalFile.create`.

        Raises:
            JournalError: it can't be written.
        """
        if self._lock is None or not self._is_sound:
            raise ValueError("not read to its end, or gone on with already")
        self._to_read.close()
        connection = _connect_writing(self.path, self._real, synchronous=synchronous)
        lock, self._lock = self._lock, None
        return JournalFile(self.path, lock, connection, self.meta, self._stored.last_seq)

    def release(self) -> None:
        """Let others have it, unless it was gone on with."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


@contextmanager
def claim(path: Path) -> Iterator[ClaimedJournal]:
    """Keep every other process from going on with a journal.

    Raises:
        JournalError: it is missing, read-only, in use, or not what it should be; it is as it was.
        DamagedJournal: its end can't be read; it is as it was.
    """
    real = find(path)
    for place in (real, real.parent):
        if not os.access(place, os.W_OK):
            raise JournalError(f"{path} can't be resumed: {place} is read-only; make it writable, or copy it")
    lock = Lock(real)
    with ExitStack() as stack:
        stack.callback(lambda: lock.release() if claimed is None else claimed.release())
        claimed: ClaimedJournal | None = None
        to_read = stack.enter_context(ExitStack())
        source = to_read.enter_context(reading(path, real, owned=True))
        claimed = ClaimedJournal(path, real, lock, source, to_read)
        yield claimed


def require_free(path: Path) -> None:
    """Raise `JournalError` if a new journal can't have this path, since there is something."""
    if os.path.lexists(path):
        raise JournalError(f"{path} exists already; resume it, or choose another path")
    if os.path.lexists(beside(path, "-wal")):
        raise JournalError(f"{path}-wal is left of another journal; put it aside, or choose another path")


def _build(path: Path, real: Path, meta: Mapping[str, str]) -> None:
    """Make an empty journal, so that nobody sees it half made."""
    unfinished = beside(real, "-new")
    try:
        for suffix in ("", "-journal", "-wal", "-shm"):
            beside(unfinished, suffix).unlink(missing_ok=True)
        with closing(connect(unfinished, "mode=rwc")) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("BEGIN")
            for table in TABLES:
                connection.execute(table)
            connection.executemany(SET_META, meta.items())
            connection.execute("COMMIT")
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise JournalError(f"{path} can't be made: its file system has no shared memory; choose another path")
        unfinished.rename(real)
        folder = os.open(real.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path} can't be made: {error}") from error


def _connect_writing(path: Path, real: Path, *, synchronous: bool) -> sqlite3.Connection:
    try:
        connection = connect(real, "mode=rw")
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if synchronous else 'NORMAL'}")
            connection.execute(f"PRAGMA fullfsync = {'ON' if synchronous else 'OFF'}")
            _mark(connection, closed=False)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise JournalError(f"{path} can't be opened for writing: {error}") from error
    return connection


def _mark(connection: sqlite3.Connection, *, closed: bool) -> None:
    """Note in the file itself whether events may be in the ``-wal`` beside it, so that its loss is noticed."""
    connection.execute(SET_META, (CLOSED_KEY, "yes" if closed else "no"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def salvage(path: Path, new_path: Path) -> int:
    """Copy all events before the first one that is missing or damaged into a new journal; return how many.

    A settlement that is not whole is left out: a campaign that goes on settles that pair itself.

    Raises:
        JournalError: nothing can be saved, or the new journal can't be made.
    """
    with reading(path, find(path)) as source:
        meta = source.identify()
        sound = _whole(_sound(source.records(meta, NO_END)))
        batch = list(islice(sound, ROWS_PER_READ))
        if not batch:
            raise JournalError(f"{path}: not one of its events can be read; nothing can be saved")
        file = JournalFile.create(new_path, given(meta), synchronous=True)
        try:
            while batch:
                file.write(batch)
                batch = list(islice(sound, ROWS_PER_READ))
            file.close()
        except BaseException:
            with suppress(JournalError):
                file.close()
            for suffix in ("", "-wal", "-shm"):
                beside(new_path, suffix).unlink(missing_ok=True)
            raise
    return file.last_seq


def _sound(records: Iterator[Record]) -> Iterator[Record]:
    with suppress(DamagedJournal):
        yield from records


def _whole(records: Iterator[Record]) -> Iterator[Record]:
    """Hold back what settles a pair until that has ended."""
    held: list[Record] = []
    for record in records:
        held.append(record)
        if not isinstance(record.event, _SETTLING):
            yield from held
            held.clear()
