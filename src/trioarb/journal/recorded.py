"""Read the events of a journal, and change nothing; or claim it, to go on with its campaign."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from trioarb.errors import JournalError, cut
from trioarb.journal.configured import Configured
from trioarb.journal.fold import Folds
from trioarb.journal.log import END, DamagedLog, Log, LogReader, body_of, hash_of
from trioarb.model.event import Record
from trioarb.model.wire import decode

__all__ = ["KIND", "ClaimedJournal", "DamagedJournal", "RecordedJournal", "claim", "open_journal", "salvage"]

#: The first field of a journal's header.
KIND = "trioarb_journal"
#: What else stands there, all of it text.
_HEADER = ("version", "campaign_id", "config_digest", "durability", "config")
_RESUMED, _COMMANDED = b',"type":"campaign_resumed",', b',"type":"commanded","command":"set",'
_BEGINNING = 100
_SEQ = re.compile(rb'^\{"seq":(\d+),', re.MULTILINE)


class DamagedJournal(JournalError):
    """A journal is not what was written; ``readable`` events from its start are sound."""

    def __init__(self, message: str, *, readable: int) -> None:
        self.readable = readable
        super().__init__(message)


class RecordedJournal:
    """A journal as it was when it was opened.

    ``header`` says who wrote it, and with which configuration. Once all of it was read, ``head`` is ``SEQ:HASH`` of its
    last event, and ``torn`` the number of bytes after that: of a step that was cut off, or is just being written.
    """

    def __init__(self, reader: LogReader) -> None:
        self.path = reader.path
        self.header = reader.header
        self.head = ""
        self._reader = reader
        #: The number that the last line gives, before any was checked: for how far something is.
        self.last_seq = reader.last_number(_SEQ)
        for name in _HEADER:
            if not isinstance(self.header.get(name, ""), str):
                raise self._damaged(f"line 1: its {name} is no text", 0)

    @property
    def torn(self) -> int:
        return self._reader.torn

    def records(self) -> Iterator[Record]:
        """Yield the events in order.

        Raises:
            DamagedJournal: after the last event that is sound, if what follows isn't.
            JournalError: there are none.
        """
        seq = 0
        for block in self.blocks():
            yield from self._records(block, seq)
            seq += len(block)

    def lines(self) -> Iterator[tuple[Record, bytes]]:
        """Yield the events in order, each with its line as it stands in the file; as `records`."""
        seq = 0
        for block in self.blocks():
            yield from zip(self._records(block, seq), block, strict=True)
            seq += len(block)

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the lines of whole steps in order, as they stand in the file; as `records`."""
        seq, head = 0, b""
        try:
            for block in self._reader.blocks():
                yield block
                seq, head = seq + len(block), hash_of(block[-1])
        except DamagedLog as error:
            raise self._damaged(str(error).partition(": ")[2], seq) from error
        if not head:
            raise JournalError(f"{self.path} holds nothing: its campaign never began; start a new one")
        self.head = f"{seq}:{head.decode()}"

    def configured(self) -> Configured:
        """Return the configuration that it begins with; what is read is to be folded into it."""
        return Configured(self.header.get("config", ""), self.header.get("config_digest", ""))

    def last_config(self) -> tuple[str, str, Mapping[str, str]]:
        """Return the configuration that it was last written with, as text, its digest, and what was set after that.

        Reads all of it, where anything of that changed since it began.

        Raises:
            JournalError: as `records`.
        """
        found = self.configured()
        # To look for a few words is a hundred times as quick as to check every line, which whoever folds does anyway.
        if self._reader.mentions((_RESUMED, _COMMANDED)):
            self._fold_config(found)
        return found.config, found.digest, found.settings

    def _fold_config(self, found: Configured) -> bytes:
        """Fold all that changes the configuration; return the last line."""
        seq, last, folds = 0, b"", Folds([found])
        for block in self.blocks():
            for number, line in enumerate(block, seq):
                beginning = line[:_BEGINNING]
                if _RESUMED in beginning or _COMMANDED in beginning:
                    folds.apply(next(self._records([line], number)))
            seq += len(block)
            last = block[-1]
        return last

    def _records(self, block: Iterable[bytes], seq: int) -> Iterator[Record]:
        """Yield the events of the lines that follow on event ``seq``; the line of each has its number and one more."""
        for line in block:
            try:
                record = decode(line)
            except ValueError as error:
                raise self._damaged(f"line {seq + 2} can't be read ({cut(str(error))})", seq) from error
            if record.seq != seq + 1:
                raise self._damaged(f"line {seq + 2}: event {record.seq} follows event {seq}", seq)
            seq += 1
            yield record

    def _damaged(self, what: str, readable: int) -> DamagedJournal:
        sound = f"its events 1 to {readable} are sound" if readable else "not one of its events can be read"
        offer = f"; `trioarb repair {self.path} NEW` saves them" if readable else ""
        return DamagedJournal(f"{self.path} is damaged: {what}; {sound}{offer}", readable=readable)


class ClaimedJournal(RecordedJournal):
    """A journal that nobody else can go on with. All of it is sound; it is as it was so far.

    ``config`` and ``config_digest`` are those that it was last written with, ``settings`` what was set after that.
    """

    def __init__(self, reader: LogReader) -> None:
        super().__init__(reader)
        self.first = next(self.records())
        found = self.configured()
        last = self._fold_config(found)
        self.config, self.config_digest, self.settings = found.config, found.digest, found.settings
        before = int(self.head.partition(":")[0]) - 1
        self.last_seq, self.last_ts_ns, _ = next(self._records([last], before))

    def go_on(self) -> Log:
        """Open it for appending, and cut off what is torn at its end.

        Raises:
            JournalError: it can't be written.
        """
        return Log.resume(self._reader)


@contextmanager
def open_journal(path: Path) -> Iterator[RecordedJournal]:
    """Open a journal for reading, also while a campaign writes it. Changes nothing.

    Raises:
        JournalError: it is missing, empty, not a journal, or one that this version can't read.
        DamagedJournal: its header is not what was written.
    """
    with _reading(path, claimed=False) as reader:
        yield RecordedJournal(reader)


@contextmanager
def claim(path: Path) -> Iterator[ClaimedJournal]:
    """Read all of a journal, and keep every other process from going on with it.

    Raises:
        JournalError: it is missing, read-only, in use, or not what it should be; it is as it was.
        DamagedJournal: not all of it is sound; it is as it was.
    """
    with _reading(path, claimed=True) as reader:
        yield ClaimedJournal(reader)


@contextmanager
def _reading(path: Path, *, claimed: bool) -> Iterator[LogReader]:
    try:
        reader = LogReader(path, KIND, "journal", claimed=claimed)
    except DamagedLog as error:
        raise DamagedJournal(f"{error}; nothing of it can be trusted", readable=0) from error
    try:
        yield reader
    finally:
        reader.close()


def salvage(path: Path, new_path: Path) -> int:
    """Copy all steps before the first line that is not what was written into a new journal; return how many events.

    Raises:
        JournalError: nothing can be saved, or the new journal can't be made.
    """
    with open_journal(path) as journal:
        log = Log.create(
            new_path, KIND, {key: value for key, value in journal.header.items() if key != KIND}, sync=True
        )
        saved = 0
        try:
            with suppress(DamagedJournal):
                for block in journal.blocks():
                    *bodies, last = map(body_of, block)
                    log.append([*bodies, last.removesuffix(END)])
                    log.write()
                    saved += len(block)
            log.sync()
        except BaseException:
            new_path.unlink()
            raise
        finally:
            log.close()
    if not saved:
        new_path.unlink()
        raise JournalError(f"{path}: not one of its events can be read; nothing can be saved")
    return saved
