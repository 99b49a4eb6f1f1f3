"""What a journal's file looks like: a SQLite database with two tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zlib import crc32

from trioarb.errors import JournalError

__all__ = [
    "APPLICATION_ID",
    "CLOSED_KEY",
    "ENCODING_KEY",
    "OWN_KEYS",
    "SCHEMA",
    "SET_META",
    "TABLES",
    "DamagedJournal",
    "beside",
    "checksum",
    "connect",
    "damaged",
]

#: Marks a SQLite file as a journal of ours: "trio" in ASCII.
APPLICATION_ID = 0x7472_696F
SCHEMA = 1

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, "
    "crc INTEGER NOT NULL)",
)
SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

#: Kept in the table ``meta`` for ourselves: how bodies are encoded, and whether the file was closed in order.
ENCODING_KEY = "encoding"
CLOSED_KEY = "closed"
OWN_KEYS = frozenset({ENCODING_KEY, CLOSED_KEY})


class DamagedJournal(JournalError):
    """A journal has a hole, or can't be read to its end; ``readable`` events from its start are sound."""

    def __init__(self, message: str, *, readable: int) -> None:
        self.readable = readable
        super().__init__(message)


def damaged(path: Path, what: str, readable: int) -> DamagedJournal:
    sound = f"its events 1 to {readable} are sound" if readable else "not one of its events can be read"
    offer = f"; `trioarb repair {path} NEW` saves them" if readable else ""
    return DamagedJournal(f"{path} is damaged: {what}; {sound}{offer}", readable=readable)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def checksum(seq: int, ts_ns: int, type_name: str, body: bytes) -> int:
    """Return what tells whether any of it was altered; SQLite itself does not check what its pages hold."""
    of_type = _TYPE_CHECKSUMS.get(type_name)
    if of_type is None:
        of_type = _TYPE_CHECKSUMS[type_name] = crc32(type_name.encode())
    return crc32(body, (seq ^ ts_ns ^ ts_ns >> 32 ^ of_type) & 0xFFFF_FFFF)


_TYPE_CHECKSUMS: dict[str, int] = {}


def connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, isolation_level=None, check_same_thread=False)
