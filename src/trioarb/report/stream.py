"""The stream of events as bytes, one line each: what `--events` writes, and what a journal's digest is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from trioarb.model.event import Record
from trioarb.model.wire import to_json_object

__all__ = ["StreamDigest", "event_line"]

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def event_line(record: Record) -> bytes:
    """Return the record as a line of JSON, newline included. Text that is no valid Unicode is escaped."""
    row = to_json_object(record)
    try:
        return f"{_encode(row)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(row, separators=(',', ':'))}\n".encode()


class StreamDigest:
    """SHA-256 of the lines of all records that went through `of`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass records on, and count them in."""
        update = self._hash.update
        for record in records:
            update(event_line(record))
            yield record
