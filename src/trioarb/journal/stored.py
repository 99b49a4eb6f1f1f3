"""Read a journal, and change nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from trioarb.errors import JournalError
from trioarb.journal.codec import ENCODING, decode
from trioarb.journal.format import (
    APPLICATION_ID,
    CLOSED_KEY,
    ENCODING_KEY,
    OWN_KEYS,
    SCHEMA,
    beside,
    checksum,
    connect,
    damaged,
)
from trioarb.journal.ownership import LOCK_PAUSE_SECONDS, in_use
from trioarb.model.event import Record

__all__ = ["NO_END", "ROWS_PER_READ", "Source", "StoredJournal", "find", "given", "open_journal", "reading"]

#: Rows per SELECT. Between two of them no read transaction holds up the writer's checkpoints.
ROWS_PER_READ = 5_000
_READ_ATTEMPTS = 10

NO_END = 2**63 - 1

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


class Source:
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
            raise unreadable(path, error) from error
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
            if not is_damage(error):
                raise unreadable(path, error) from error
            raise damaged(path, f"its meta data can't be read ({error})", 0) from error
        encoding = meta.get(ENCODING_KEY)
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
            if not is_damage(error):
                raise unreadable(self.path, error) from error
            seq = 0
            for record in self.records(meta, NO_END):
                seq = record.seq
            raise damaged(self.path, str(error), seq) from error
        if last_seq is None:
            for _ in self.records(meta, NO_END):
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
            more = len(rows) == ROWS_PER_READ
            for number, ts_ns, type_name, body, crc in rows:
                if number != seq + 1:
                    where = f"event {number} follows event {seq}" if seq else f"it begins with event {number}"
                    raise damaged(self.path, where, seq)
                try:
                    if crc != checksum(number, ts_ns, type_name, body):
                        raise ValueError("it is not what was written")
                    event = decode(type_name, body)
                except (AttributeError, TypeError, ValueError) as error:
                    raise damaged(self.path, f"event {number} can't be read ({error})", seq) from error
                yield Record(number, ts_ns, event)
                seq = number
            if problem is not None:
                raise damaged(self.path, f"what follows event {seq} can't be read ({problem})", seq) from problem
        if meta.get(CLOSED_KEY) != "yes" and not self._has_wal:
            raise damaged(self.path, f"{self.path}-wal is missing, and with it what was written last", seq)

    def _rows(self, after: int, last_seq: int) -> tuple[list[tuple[int, int, str, bytes, int]], sqlite3.Error | None]:
        """Return the next rows, and the problem that kept it from returning more."""
        rows: list[tuple[int, int, str, bytes, int]] = []
        sql = "SELECT seq, ts_ns, type, body, crc FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        try:
            for row in self._connection.execute(sql, (after, last_seq, ROWS_PER_READ)):
                rows.append(row)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise unreadable(self.path, error) from error
            return rows, error
        return rows, None


class StoredJournal:
    """A journal as it was when it was opened. Reading it changes nothing."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._meta = source.identify()
        self._last_seq = source.last_seq(self._meta)

    @property
    def meta(self) -> Mapping[str, str]:
        return given(self._meta)

    @property
    def last_seq(self) -> int:
        return self._last_seq

    @property
    def last_ts_ns(self) -> int:
        """Return the time of the last event."""
        try:
            ts_ns: int = self._source.value("SELECT ts_ns FROM event WHERE seq = ?", self._last_seq)
        except sqlite3.Error as error:
            raise unreadable(self._source.path, error) from error
        return ts_ns

    @property
    def count(self) -> int:
        """Return how many events there are: ``last_seq``, unless some are missing."""
        try:
            count: int = self._source.value("SELECT count(*) FROM event WHERE seq <= ?", self._last_seq)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise unreadable(self._source.path, error) from error
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
    with reading(path, find(path)) as source:
        yield StoredJournal(source)


def given(meta: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in meta.items() if key not in OWN_KEYS}


def find(path: Path) -> Path:
    """Return where the file really is."""
    try:
        mode = path.stat().st_mode
        real = path.resolve()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JournalError(f"{path}: there is no such journal") from error
    except OSError as error:
        raise unreadable(path, error) from error
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


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether it is about what the file holds, rather than about access to it."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _ACCESS_PROBLEMS


def unreadable(path: Path, error: sqlite3.Error | OSError) -> JournalError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return JournalError(f"{path} is not a trioarb journal, nor any SQLite database; is it the right file?")
    return JournalError(f"{path} can't be read: {error}")


@contextmanager
def reading(path: Path, real: Path, *, owned: bool = False) -> Iterator[Source]:
    """Connect to the journal in a way that leaves it, and what is beside it, as it is.

    ``owned``: this process holds the lock, and has not begun to write.
    """
    with ExitStack() as stack:
        try:
            source = _source(path, real, stack, owned=owned)
        except (sqlite3.Error, OSError) as error:
            raise unreadable(path, error) from error
        yield source


def _source(path: Path, real: Path, stack: ExitStack, *, owned: bool) -> Source:
    """Find the way to read the journal.

    While somebody writes it, SQLite's own files are there to share. A ``-wal`` that a dead process left would be
    folded in by whoever opens it, so a copy is read. Where there is none, SQLite needs nothing but the file itself.
    """
    wal = beside(real, "-wal")
    for attempt in range(_READ_ATTEMPTS):
        if attempt:
            time.sleep(LOCK_PAUSE_SECONDS)
        with ExitStack() as trial, suppress(FileNotFoundError):
            if not owned and in_use(real):
                try:
                    connection = _connect_reading(real, "mode=ro", trial)
                    source = Source(path, connection, has_wal=True, frozen=None)
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
                    shutil.copyfile(wal, beside(copy, "-wal"))
                    source = Source(path, _connect_reading(copy, "mode=rw", trial), has_wal=True, frozen=None)
                else:
                    connection = _connect_reading(real, "mode=ro&immutable=1", trial)
                    source = Source(path, connection, has_wal=stamps[1] is not None, frozen=real)
                if stamps != (_stamp(real), _stamp(wal)) or (not owned and in_use(real)):
                    continue
            stack.push(trial.pop_all())
            return source
    raise JournalError(f"{path} can't be read: other processes open and close it all the time; try again")


def _connect_reading(path: Path, options: str, stack: ExitStack) -> sqlite3.Connection:
    connection = stack.enter_context(closing(connect(path, options)))
    # Else nothing could be read of a file that was cut off.
    connection.execute("PRAGMA writable_schema = ON")
    return connection
