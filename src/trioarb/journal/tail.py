"""Follow a journal while its campaign writes it: what is whole so far, and then what was appended. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trioarb.errors import JournalError
from trioarb.journal.log import END, SUFFIX, LogReader, count_chained, hash_of
from trioarb.journal.recorded import KIND, DamagedJournal

__all__ = ["CutJournal", "JournalTail"]

_CHUNK = 1 << 20


class CutJournal(JournalError):
    """What was read is no longer there: the file was cut, replaced or removed; begin anew."""


class JournalTail:
    """``position`` is where the last whole step that was read ends, ``seq`` the number of events up to there, ``head``
    the hash of the last; ``size`` how long the file was when it was last looked at, ``torn`` how much
    of it isn't whole.

    Close it.
    """

    def __init__(self, path: Path) -> None:
        """Open it, and read its header.

        Raises:
            JournalError: it is missing, empty, not a journal, or one that this version can't read.
            DamagedLog: its header is not what was written.
        """
        self.path = path
        reader = LogReader(path, KIND, "journal")
        self.header: Mapping[str, Any] = reader.header
        self.position, self.size = reader.position, reader.size
        self._hash = reader.head
        self._fd = reader.hand_over()
        self.seq = self.torn = 0

    @property
    def head(self) -> str:
        """``SEQ:HASH`` of the last event that was read; empty before the first."""
        return f"{self.seq}:{self._hash.decode()}" if self.seq else ""

    def read(self) -> list[bytes]:
        """Return the lines of the whole steps that follow, about a megabyte of them; none: there are none yet.

        Raises:
            DamagedJournal: what follows is not what was written.
            CutJournal: the file is shorter than what was read, or is no longer at its path.
            JournalError: it can't be read.
        """
        try:
            self.size = self._looked_at()
            length = _CHUNK
            while True:
                data = os.pread(self._fd, min(length, self.size - self.position), self.position)
                *lines, _ = data.split(b"\n")
                count = count_chained(lines, self._hash)
                whole = count
                while whole and not lines[whole - 1].endswith(END, 0, -SUFFIX):
                    whole -= 1
                if whole:
                    break
                if count < len(lines):
                    raise self._damaged(count)
                if self.position + len(data) >= self.size or not data:
                    self.torn = len(data)
                    return []
                length *= 2  # a step may be longer
        except OSError as error:
            raise JournalError(f"{self.path} can't be read: {error.strerror}") from error
        block = lines[:whole]
        self.position += sum(map(len, block)) + whole
        self.seq, self._hash, self.torn = self.seq + whole, hash_of(block[-1]), 0
        return block

    def lines_at(self, position: int, length: int) -> list[bytes]:
        """Return the lines of what was read already that begin at a position, as many as are whole in ``length`` bytes.

        Raises:
            JournalError: it can't be read.
        """
        try:
            data = os.pread(self._fd, min(length, self.position - position), position)
        except OSError as error:
            raise JournalError(f"{self.path} can't be read: {error.strerror}") from error
        return data.split(b"\n")[:-1]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _looked_at(self) -> int:
        """Return how long the file is.

        Raises:
            CutJournal: it isn't what was read any more.
        """
        found = os.fstat(self._fd)
        try:
            is_there = os.path.samestat(found, os.stat(self.path))
        except (FileNotFoundError, NotADirectoryError):
            is_there = False
        if not is_there:
            raise CutJournal(f"{self.path} was removed, or another file was put in its place")
        if found.st_size < self.position:
            raise CutJournal(f"{self.path} was cut to {found.st_size:,} bytes, of {self.position:,} that were read")
        return found.st_size

    def _damaged(self, count: int) -> DamagedJournal:
        line = self.seq + 2 + count
        return DamagedJournal(
            f"{self.path} is damaged: line {line} is not what was written, or does not follow on line {line - 1}; its "
            f"events 1 to {self.seq} are sound; `trioarb repair {self.path} NEW` saves them",
            readable=self.seq,
        )
