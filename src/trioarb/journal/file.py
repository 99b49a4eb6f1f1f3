"""A journal as a file: one SQLite database per campaign, written by one process and read by any."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

from trioarb.errors import JournalError
from trioarb.journal.codec import ENCODING, decode, encode
from trioarb.model.event import Record

__all__ = [
    "APPLICATION_ID",
    "SCHEMA",
    "ClaimedJournal",
    "DamagedJournal",
    "JournalFile",
    "StoredJournal",
    "claim",
    "open_journal",
    "require_free",
    "salvage",
]

#: Marks a SQLite file as a journal of ours: "trio" in ASCII.
APPLICATION_ID = 0x7472_696F
SCHEMA = 1

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, "
    "crc INTEGER NOT NULL)",
)
_SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

#: Kept in the table ``meta`` for ourselves: how bodies are encoded, and whether the file was closed in order.
_ENCODING_KEY = "encoding"
_CLOSED_KEY = "closed"
_OWN_KEYS = frozenset({_ENCODING_KEY, _CLOSED_KEY})

#: Rows per INSERT. Each statement lets go of the GIL once; under a busy Trio thread it takes long to come back.
_ROWS_PER_STATEMENT = 500
#: Rows per SELECT. Between two of them no read transaction holds up the writer's checkpoints.
_ROWS_PER_READ = 5_000
#: A reader who asks whether a journal is in use holds its lock for an instant.
_LOCK_ATTEMPTS = 10
_LOCK_PAUSE_SECONDS = 0.02
_READ_ATTEMPTS = 10

_NO_END = 2**63 - 1

_ACCESS_PROBLEMS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)


class DamagedJournal(JournalError):
    """A journal has a hole, or can't be read to its end; ``readable`` events from its start are sound."""

    def __init__(self, message: str, *, readable: int) -> None:
        self.readable = readable
        super().__init__(message)


def _damaged(path: Path, what: str, readable: int) -> DamagedJournal:
    sound = f"its events 1 to {readable} are sound" if readable else "not one of its events can be read"
    offer = f"; `trioarb repair {path} NEW` saves them" if readable else ""
    return DamagedJournal(f"{path} is damaged: {what}; {sound}{offer}", readable=readable)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _checksum(seq: int, ts_ns: int, type_name: str, body: bytes) -> int:
    """Return what tells whether any of it was altered; SQLite itself does not check what its pages hold."""
    return crc32(body, (seq ^ ts_ns ^ ts_ns >> 32 ^ _type_checksum(type_name)) & 0xFFFF_FFFF)


@cache
def _type_checksum(type_name: str) -> int:
    return crc32(type_name.encode())


# Ownership


class _Lock:
    """The right to write a journal: ``<path>-lock``, locked, with our process id in it.

    The kernel takes the lock from a process that dies; the file then stays, and means nothing.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            JournalError: another process has it; names that.
        """
        self._path = _beside(path, "-lock")
        for attempt in range(1, _LOCK_ATTEMPTS + 1):
            try:
                if self._take():
                    return
            except BlockingIOError:
                if attempt < _LOCK_ATTEMPTS:
                    time.sleep(_LOCK_PAUSE_SECONDS)
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


def _in_use(path: Path) -> bool:
    """Say whether somebody writes the journal now. Makes and keeps nothing."""
    try:
        fd = os.open(_beside(path, "-lock"), os.O_RDONLY | os.O_CLOEXEC)
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


# Writing


class JournalFile:
    """A journal that is open for writing, by this process alone. Made by `create` and `resume`; close it.

    Usable from any thread, but never from two at once.
    """

    def __init__(
        self, path: Path, lock: _Lock, connection: sqlite3.Connection, meta: Mapping[str, str], last_seq: int
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
        if not _OWN_KEYS.isdisjoint(meta):
            raise ValueError(f"{', '.join(sorted(_OWN_KEYS))}: kept by the journal itself")
        require_free(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"{path} can't be made: {error.filename}: {error.strerror}") from error
        real = path.resolve()
        lock = _Lock(real)
        try:
            require_free(path)
            _build(path, real, {**meta, _ENCODING_KEY: ENCODING, _CLOSED_KEY: "yes"})
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

    def stored(self) -> StoredJournal:
        """Return what it holds, to be read before more is written. Unlike `open_journal`, it opens nothing.

        Raises:
            JournalError: it holds no events.
        """
        return StoredJournal(_Source(self.path, self._connection, has_wal=True, frozen=None))

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
                    values += (seq, ts_ns, type_name, body, _checksum(seq, ts_ns, type_name, body))
                self._connection.execute(statement, values)
                start += rows

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value beside the events.

        Raises:
            JournalError: the file can't be written.
        """
        if key in _OWN_KEYS:
            raise ValueError(f"{key}: kept by the journal itself")
        with self._transaction():
            self._connection.execute(_SET_META, (key, value))
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


def _finish(connection: sqlite3.Connection, lock: _Lock, process: int) -> None:
    """Close a journal, unless this is a fork of the process that writes it."""
    if os.getpid() != process:
        return
    try:
        with closing(connection):
            _mark(connection, closed=True)
    finally:
        lock.release()


class ClaimedJournal:
    """A journal that no other process can go on with, to be read before this one does; it is as it was so far."""

    def __init__(self, path: Path, real: Path, lock: _Lock, source: _Source, reading: ExitStack) -> None:
        self.path = path
        self._real = real
        self._lock: _Lock | None = lock
        self._reading = reading
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
        self._reading.close()
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
    real = _find(path)
    for place in (real, real.parent):
        if not os.access(place, os.W_OK):
            raise JournalError(f"{path} can't be resumed: {place} is read-only; make it writable, or copy it")
    lock = _Lock(real)
    with ExitStack() as stack:
        stack.callback(lambda: lock.release() if claimed is None else claimed.release())
        claimed: ClaimedJournal | None = None
        reading = stack.enter_context(ExitStack())
        claimed = ClaimedJournal(path, real, lock, reading.enter_context(_reading(path, real, owned=True)), reading)
        yield claimed


def require_free(path: Path) -> None:
    """Raise `JournalError` if a new journal can't have this path, since there is something."""
    if os.path.lexists(path):
        raise JournalError(f"{path} exists already; resume it, or choose another path")
    if os.path.lexists(_beside(path, "-wal")):
        raise JournalError(f"{path}-wal is left of another journal; put it aside, or choose another path")


def _build(path: Path, real: Path, meta: Mapping[str, str]) -> None:
    """Make an empty journal, so that nobody sees it half made."""
    unfinished = _beside(real, "-new")
    try:
        for suffix in ("", "-journal", "-wal", "-shm"):
            _beside(unfinished, suffix).unlink(missing_ok=True)
        with closing(_connect(unfinished, "mode=rwc")) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("BEGIN")
            for table in _TABLES:
                connection.execute(table)
            connection.executemany(_SET_META, meta.items())
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


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, isolation_level=None, check_same_thread=False)


def _connect_writing(path: Path, real: Path, *, synchronous: bool) -> sqlite3.Connection:
    try:
        connection = _connect(real, "mode=rw")
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
    connection.execute(_SET_META, (_CLOSED_KEY, "yes" if closed else "no"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# Reading


class _Source:
    """A connection that reads a journal, and what there is to know of where it comes from."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, has_wal: bool, frozen: Path | None) -> None:
        """``frozen`` is the file if it is read without SQLite's locks: nobody wrote it when this was made."""
        self.path = path
        self._connection = connection
        self._has_wal = has_wal
        self._frozen = frozen
        self._stamp = frozen and _stamp(frozen)

    def value(self, sql: str, *values: object) -> Any:
        """Return the only value of the only row."""
        ((value,),) = self._connection.execute(sql, values).fetchall()
        return value

    def identify(self) -> dict[str, str]:
        """Return all of the table ``meta``, once it is certain that this is a journal that can be read."""
        path = self.path
        try:
            application_id, schema = self.value("PRAGMA application_id"), self.value("PRAGMA user_version")
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        if application_id != APPLICATION_ID:
            raise JournalError(f"{path} is not a trioarb journal; is it the right file?")
        if schema > SCHEMA:
            raise JournalError(
                f"{path} was written by a newer trioarb (schema {schema}, this one reads {SCHEMA}); update trioarb"
            )
        if schema != SCHEMA:
            raise JournalError(f"{path} has schema {schema}, which no trioarb has written; is it the right file?")
        try:
            meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _unreadable(path, error) from error
            raise _damaged(path, f"its meta data can't be read ({error})", 0) from error
        encoding = meta.get(_ENCODING_KEY)
        if encoding != ENCODING:
            raise JournalError(
                f"{path} is encoded as {encoding!r}, and this trioarb reads {ENCODING!r} only; "
                "use the version that wrote it, or update trioarb"
            )
        return meta

    def last_seq(self, meta: Mapping[str, str]) -> int:
        """Return the number of the last event."""
        try:
            last_seq: int | None = self.value("SELECT max(seq) FROM event")
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _unreadable(self.path, error) from error
            seq = 0
            for record in self.records(meta, _NO_END):
                seq = record.seq
            raise _damaged(self.path, str(error), seq) from error
        if last_seq is None:
            for _ in self.records(meta, _NO_END):
                pass
            raise JournalError(f"{self.path} holds no events: its campaign never began; start a new one")
        return last_seq

    def records(self, meta: Mapping[str, str], last_seq: int) -> Iterator[Record]:
        """Yield the events up to ``last_seq``.

        Raises:
            DamagedJournal: there is none at a place where one should be, or it can't be read.
        """
        seq = 0
        more = True
        while more:
            rows, problem = self._rows(seq, last_seq)
            if self._frozen is not None and _stamp(self._frozen) != self._stamp:
                raise JournalError(f"{self.path} was changed while it was read; read it again")
            more = len(rows) == _ROWS_PER_READ
            for number, ts_ns, type_name, body, crc in rows:
                if number != seq + 1:
                    where = f"event {number} follows event {seq}" if seq else f"it begins with event {number}"
                    raise _damaged(self.path, where, seq)
                try:
                    if crc != _checksum(number, ts_ns, type_name, body):
                        raise ValueError("it is not what was written")
                    event = decode(type_name, body)
                except (AttributeError, TypeError, ValueError) as error:
                    raise _damaged(self.path, f"event {number} can't be read ({error})", seq) from error
                yield Record(number, ts_ns, event)
                seq = number
            if problem is not None:
                raise _damaged(self.path, f"what follows event {seq} can't be read ({problem})", seq) from problem
        if meta.get(_CLOSED_KEY) != "yes" and not self._has_wal:
            raise _damaged(self.path, f"{self.path}-wal is missing, and with it what was written last", seq)

    def _rows(self, after: int, last_seq: int) -> tuple[list[tuple[int, int, str, bytes, int]], sqlite3.Error | None]:
        """Return the next rows, and the problem that kept it from returning more."""
        rows: list[tuple[int, int, str, bytes, int]] = []
        sql = "SELECT seq, ts_ns, type, body, crc FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        try:
            for row in self._connection.execute(sql, (after, last_seq, _ROWS_PER_READ)):
                rows.append(row)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _unreadable(self.path, error) from error
            return rows, error
        return rows, None


class StoredJournal:
    """A journal as it was when it was opened. Reading it changes nothing."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._meta = source.identify()
        self._last_seq = source.last_seq(self._meta)

    @property
    def meta(self) -> Mapping[str, str]:
        return _given(self._meta)

    @property
    def last_seq(self) -> int:
        return self._last_seq

    @property
    def last_ts_ns(self) -> int:
        """Return the time of the last event."""
        try:
            ts_ns: int = self._source.value("SELECT ts_ns FROM event WHERE seq = ?", self._last_seq)
        except sqlite3.Error as error:
            raise _unreadable(self._source.path, error) from error
        return ts_ns

    @property
    def count(self) -> int:
        """Return how many events there are: ``last_seq``, unless some are missing."""
        try:
            count: int = self._source.value("SELECT count(*) FROM event WHERE seq <= ?", self._last_seq)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise _unreadable(self._source.path, error) from error
            return sum(1 for _ in self.records())
        return count

    def records(self) -> Iterator[Record]:
        """Yield the events in order, a few thousand at a time in memory.

        Raises:
            DamagedJournal: after the last event that is sound, if more should follow.
        """
        return self._source.records(self._meta, self._last_seq)


@contextmanager
def open_journal(path: Path) -> Iterator[StoredJournal]:
    """Open a journal for reading, also while a campaign writes it. Changes nothing.

    Raises:
        JournalError: it is missing, empty, not a journal, or one that this version can't read.
        DamagedJournal: its end can't be read.
    """
    with _reading(path, _find(path)) as source:
        yield StoredJournal(source)


def salvage(path: Path, new_path: Path) -> int:
    """Copy all events before the first one that is missing or damaged into a new journal; return how many.

    Raises:
        JournalError: nothing can be saved, or the new journal can't be made.
    """
    with _reading(path, _find(path)) as source:
        meta = source.identify()
        sound = _sound(source.records(meta, _NO_END))
        batch = list(islice(sound, _ROWS_PER_READ))
        if not batch:
            raise JournalError(f"{path}: not one of its events can be read; nothing can be saved")
        file = JournalFile.create(new_path, _given(meta), synchronous=True)
        try:
            while batch:
                file.write(batch)
                batch = list(islice(sound, _ROWS_PER_READ))
            file.close()
        except BaseException:
            with suppress(JournalError):
                file.close()
            for suffix in ("", "-wal", "-shm"):
                _beside(new_path, suffix).unlink(missing_ok=True)
            raise
    return file.last_seq


def _sound(records: Iterator[Record]) -> Iterator[Record]:
    with suppress(DamagedJournal):
        yield from records


def _given(meta: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in meta.items() if key not in _OWN_KEYS}


def _find(path: Path) -> Path:
    """Return where the file really is."""
    try:
        mode = path.stat().st_mode
        real = path.resolve()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JournalError(f"{path}: there is no such journal") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise JournalError(f"{path} is a folder; name the journal in it")
    if not stat.S_ISREG(mode):
        raise JournalError(f"{path} is not a regular file; name a journal")
    if not os.access(real, os.R_OK):
        raise JournalError(f"{path} can't be read: you lack the permission to")
    return real


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written; nothing without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_damage(error: sqlite3.Error) -> bool:
    """Say whether it is about what the file holds, rather than about access to it."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _ACCESS_PROBLEMS


def _unreadable(path: Path, error: sqlite3.Error | OSError) -> JournalError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return JournalError(f"{path} is not a trioarb journal, nor any SQLite database; is it the right file?")
    return JournalError(f"{path} can't be read: {error}")


@contextmanager
def _reading(path: Path, real: Path, *, owned: bool = False) -> Iterator[_Source]:
    """Connect to the journal in a way that leaves it, and what is beside it, as it is.

    ``owned``: this process holds the lock, and has not begun to write.
    """
    with ExitStack() as stack:
        try:
            source = _source(path, real, stack, owned=owned)
        except (sqlite3.Error, OSError) as error:
            raise _unreadable(path, error) from error
        yield source


def _source(path: Path, real: Path, stack: ExitStack, *, owned: bool) -> _Source:
    """Find the way to read the journal.

    While somebody writes it, SQLite's own files are there to share. A ``-wal`` that a dead process left would be
    folded in by whoever opens it, so a copy is read. Where there is none, SQLite needs nothing but the file itself.
    """
    wal = _beside(real, "-wal")
    for attempt in range(_READ_ATTEMPTS):
        if attempt:
            time.sleep(_LOCK_PAUSE_SECONDS)
        with ExitStack() as trial, suppress(FileNotFoundError):
            if not owned and _in_use(real):
                try:
                    connection = _connect_reading(real, "mode=ro", trial)
                    source = _Source(path, connection, has_wal=True, frozen=None)
                    source.value("PRAGMA application_id")
                except sqlite3.OperationalError:
                    if attempt == _READ_ATTEMPTS - 1:
                        raise
                    continue  # it may have been closed just now
            else:
                stamps = _stamp(real), _stamp(wal)
                if stamps[1] is not None and wal.stat().st_size:
                    folder = trial.enter_context(tempfile.TemporaryDirectory(prefix="trioarb-"))
                    copy = Path(folder, "journal")
                    shutil.copyfile(real, copy)
                    shutil.copyfile(wal, _beside(copy, "-wal"))
                    source = _Source(path, _connect_reading(copy, "mode=rw", trial), has_wal=True, frozen=None)
                else:
                    connection = _connect_reading(real, "mode=ro&immutable=1", trial)
                    source = _Source(path, connection, has_wal=stamps[1] is not None, frozen=real)
                if stamps != (_stamp(real), _stamp(wal)) or (not owned and _in_use(real)):
                    continue
            stack.push(trial.pop_all())
            return source
    raise JournalError(f"{path} can't be read: other processes open and close it all the time; try again")


def _connect_reading(path: Path, options: str, stack: ExitStack) -> sqlite3.Connection:
    connection = stack.enter_context(closing(_connect(path, options)))
    # Else nothing could be read of a file that was cut off.
    connection.execute("PRAGMA writable_schema = ON")
    return connection
