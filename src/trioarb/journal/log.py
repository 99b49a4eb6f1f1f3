"""A file of JSON Lines that one process appends to, whole steps at a time; each line is chained to the one before.

Line 1 is the header. Every further line is a JSON object; ``"end":true`` stands in the last line of a step, and the
last field of each line is ``"hash"``: BLAKE2b, 16 bytes, of the hash before it and all that the line says before it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

from trioarb.errors import JournalError

__all__ = [
    "END",
    "SUFFIX",
    "DamagedLog",
    "Log",
    "LogReader",
    "body_of",
    "count_chained",
    "find",
    "hash_of",
    "is_in_use",
    "is_unbegun",
    "kind_of",
    "plain",
]

#: The version of the format, in every header. A reader refuses any other.
_FORMAT = 1
#: Stands at the end of the last line of a step.
END = b',"end":true'
_HASH, _CLOSE = b',"hash":"', b'"}'
_DIGITS = 32
#: So many bytes of a line are its hash and what ends it.
SUFFIX = len(_HASH) + _DIGITS + len(_CLOSE)
_CHUNK = 1 << 20
_TAIL = 1 << 16
_TRIES, _TRY_SECONDS = 3, 0.01
_ANY_KIND = b'{"trioarb_'
_KIND = re.compile(rb'\{"(trioarb_[a-z]+)":\d+[,}]')
_WHOLE_STEP = re.compile(re.escape(END + _HASH) + rb"[0-9a-f]{32}" + re.escape(_CLOSE) + rb"\n")
_SQLITE = b"SQLite format 3\0"


class DamagedLog(JournalError):
    """What stands in a log is not what was written; ``line`` is the first such line, those before it are sound."""

    def __init__(self, message: str, *, line: int) -> None:
        self.line = line
        super().__init__(message)


class Log:
    """A log that is open for appending, by this process alone: it holds the file's lock. Close it.

    A step is handed to the system in one write: whoever kills the process finds all of it in the file, or nothing.
    """

    def __init__(self, path: Path, fd: int, *, head: bytes, size: int) -> None:
        self.path = path
        #: The hash of the last line that was appended.
        self.head: bytes = head
        self._fd = fd
        self._size = size
        self._synced = -1
        self._pending = b""
        self._unwritten = 0

    @classmethod
    def create(cls, path: Path, kind: str, header: Mapping[str, Any], *, sync: bool = False) -> Self:
        """Begin a new log, and make its folder if that is missing. Nothing stands in the file before the first write.

        A file in which no step was ever completed is begun anew.

        Args:
            path: Where.
            kind: The name of the header's first field.
            header: What else stands in it, as JSON knows values.
            sync: Whether a power failure may not take the file's name.

        Raises:
            JournalError: There is something at the path, or it is in use, or it can't be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = _locked(path, os.O_RDWR | os.O_CREAT)
            try:
                if not _is_unbegun(fd):
                    raise JournalError(f"{path} exists already; resume it, or choose another path")
                os.ftruncate(fd, 0)
                if sync:
                    _sync_folder(path)
            except BaseException:
                os.close(fd)
                raise
        except OSError as error:
            raise JournalError(f"{path} can't be made: {error.strerror}") from error
        log = cls(path, fd, head=b"", size=0)
        text = json.dumps({kind: _FORMAT, **header}, separators=(",", ":"), ensure_ascii=False)
        log._chain([text[:-1].encode("utf-8", "backslashreplace")])
        log._unwritten = 0
        return log

    @classmethod
    def resume(cls, reader: LogReader) -> Self:
        """Append to a log that was read to its end; what is torn there is cut off.

        Args:
            reader: One that read it to its end, and holds its lock.

        Raises:
            JournalError: It can't be written.
        """
        fd = reader.hand_over()
        try:
            os.ftruncate(fd, reader.sound_size)
        except OSError as error:
            os.close(fd)
            raise JournalError(f"{reader.path} can't be written: {error.strerror}") from error
        return cls(reader.path, fd, head=reader.head, size=reader.sound_size)

    def append(self, step: Sequence[bytes]) -> bytes:
        """Append the lines of one step; return them as they were chained.

        What can't be written is kept, and written before what is appended next: see `write`.

        Args:
            step: JSON objects without their closing brace.
        """
        return self._chain([*step[:-1], step[-1] + END])

    def write(self) -> None:
        """Write what was appended.

        Raises:
            JournalError: it can't be written; what was begun of it is taken back, and all is kept for the next call.
        """
        if not self._pending:
            return
        done = 0
        try:
            while done < len(self._pending):
                written = os.pwrite(self._fd, self._pending[done:] if done else self._pending, self._size + done)
                if not written:
                    raise OSError(0, "nothing is taken")
                done += written
        except OSError as error:
            if done:
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size)
            raise JournalError(f"{self.path} can't be written: {error.strerror}") from error
        self._size += done
        self._pending, self._unwritten = b"", 0

    def sync(self) -> None:
        """Wait until what was written is on the disk. May run in a thread beside `append` and `write`.

        Raises:
            JournalError: it may not be, and nobody can find out: never try again.
        """
        size = self._size
        if size == self._synced:
            return
        try:
            if hasattr(fcntl, "F_FULLFSYNC"):
                fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
            else:
                os.fdatasync(self._fd)
        except OSError as error:
            raise JournalError(f"{self.path} can't be forced to the disk: {error.strerror}") from error
        self._synced = size

    def is_linked(self) -> bool:
        """Say whether the file still has a name. Quick."""
        return os.fstat(self._fd).st_nlink > 0

    def is_in_place(self) -> bool:
        """Say whether the file is still the one that others find at its path."""
        return _is_at(self._fd, self.path)

    def abandon(self) -> None:
        """Let others have the file at once; what is appended from now on goes nowhere. Safe from another thread."""
        if self._fd < 0:
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._fd)
        os.close(nowhere)

    def close(self) -> int:
        """Let others have the file; return how many lines could not be written. A second call does nothing."""
        if self._fd >= 0:
            with suppress(JournalError):
                self.write()
            os.close(self._fd)
            self._fd = -1
        return self._unwritten

    def _chain(self, bodies: Sequence[bytes]) -> bytes:
        lines, head = list[bytes](), self.head
        for body in bodies:
            head = _chained(head, body)
            lines.append(b"%b%b%b%b\n" % (body, _HASH, head, _CLOSE))
        chained = b"".join(lines)
        self._pending = self._pending + chained if self._pending else chained
        self.head = head
        self._unwritten += len(bodies)
        return chained


class LogReader:
    """Reads a log as it is when this is made, from its header on; close it. It changes nothing.

    Once `blocks` came to its end, ``head`` is the hash of the last line, ``torn`` the number of bytes after the last
    whole step, of a step that was cut off; ``sound_size`` is where that begins.
    """

    path: Path
    head: bytes
    position: int
    sound_size: int

    def __init__(self, path: Path, kind: str, noun: str, *, claimed: bool = False) -> None:
        """``claimed``: nobody else may append to it until this is closed. ``noun`` is what messages call it.

        Raises:
            JournalError: it is missing, in use, unreadable, no such log, or of another format.
            DamagedLog: its header is not what was written.
        """
        self.path, self._noun = path, noun
        self._is_claimed = claimed
        #: All of it was found to be what was written, and nobody can have changed it since.
        self._is_sound = False
        self._fd = -1
        real = find(path, noun)
        try:
            self._fd = _locked(real, os.O_RDWR) if claimed else os.open(real, os.O_RDONLY | os.O_CLOEXEC)
            self.size: int = os.fstat(self._fd).st_size
            first = self._first_line()
        except OSError as error:
            self.close()
            what = "resumed" if claimed else "read"
            raise JournalError(f"{path} can't be {what}: {error.strerror}; make it accessible, or copy it") from error
        except BaseException:
            self.close()
            raise
        try:
            self.header: Mapping[str, Any] = self._header(first, kind)
        except BaseException:
            self.close()
            raise
        self.head = self._first_hash = hash_of(first)
        #: How far it was read.
        self.position = self.sound_size = self._start = len(first) + 1
        self.torn: int = 0

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the lines from the second on, as they stand in the file; each list ends where a step does.

        Raises:
            DamagedLog: a line is not what was written, or does not follow on the one before it.
        """
        number, head, begun, rest = 1, self._first_hash, list[bytes](), b""
        sound, last = self._start, head
        self.position = self._start
        while self.position < self.size:
            chunk = self._bytes(self.position, min(_CHUNK, self.size - self.position))
            if not chunk:
                break  # it was cut meanwhile
            self.position += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            count = len(lines) if self._is_sound else count_chained(lines, head)
            begun += lines[:count]
            whole = len(begun)
            while whole and not begun[whole - 1].endswith(END, 0, -SUFFIX):
                whole -= 1
            if whole:
                block, begun = begun[:whole], begun[whole:]
                sound, last = sound + sum(map(len, block)) + whole, hash_of(block[-1])
                yield block
            if count < len(lines):
                raise self._damaged(number + count + 1)
            if lines:
                number, head = number + count, hash_of(lines[-1])
        if len(rest) > SUFFIX and rest[-SUFFIX - 1 : -1].startswith(_HASH) and rest[-3:-1] == _CLOSE:
            raise self._damaged(number + 1)  # a whole line, but for the newline after it
        self.sound_size, self.head, self.torn = sound, last, self.position - sound
        self._is_sound = self._is_claimed

    def mentions(self, words: Collection[bytes]) -> bool:
        """Say whether one of these stands anywhere after the header; nothing is checked.

        Args:
            words: What is looked for.
        """
        position, rest, longest = self._start, b"", max(map(len, words))
        while position < self.size:
            chunk = self._bytes(position, min(_CHUNK, self.size - position))
            if not chunk:
                break  # it was cut meanwhile
            # A word may begin in the chunk before.
            looked_at = rest + chunk
            if any(word in looked_at for word in words):
                return True
            position, rest = position + len(chunk), looked_at[-longest:]
        return False

    def last_number(self, pattern: re.Pattern[bytes]) -> int:
        """Return the number that a pattern finds last near the end; 0 if it finds none.

        Args:
            pattern: Its first group is the number.
        """
        tail = self._bytes(max(0, self.size - _TAIL), _TAIL)
        return max((int(found) for found in pattern.findall(tail)), default=0)

    def hand_over(self) -> int:
        """Return the file's descriptor, which belongs to the caller from now on."""
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._fd >= 0:
            os.close(self.hand_over())

    def _bytes(self, position: int, length: int) -> bytes:
        try:
            return os.pread(self._fd, length, position)
        except OSError as error:
            raise JournalError(f"{self.path} can't be read: {error.strerror}") from error

    def _first_line(self) -> bytes:
        """Return line 1, or what there is of it."""
        first, position = b"", 0
        while b"\n" not in first:
            chunk = self._bytes(position, _TAIL)
            if not chunk or (position == 0 and not chunk.startswith(b"{")):
                return first + chunk
            first, position = first + chunk, position + len(chunk)
        return first[: first.index(b"\n")]

    def _header(self, line: bytes, kind: str) -> Mapping[str, Any]:
        """Return what the header says.

        Raises:
            JournalError: it is none, or of another format.
            DamagedLog: it is not what was written.
        """
        path, noun, beginning = self.path, self._noun, f'{{"{kind}":'.encode()
        if line.startswith(_SQLITE):
            schema = int.from_bytes(line[60:64], "big")
            raise JournalError(
                f"{path} is a SQLite file (schema {schema}), as earlier versions kept their journals; this trioarb "
                f"reads JSON Lines of format {_FORMAT} only: use the version that wrote it"
            )
        if not line or (self.size == len(line) and (beginning.startswith(line) or line.startswith(beginning))):
            raise JournalError(f"{path} holds nothing: its campaign never began; start a new one")
        if not line.startswith(beginning):
            raise JournalError(f"{path} is not a trioarb {noun}: line 1 is not its header; is it the right file?")
        version = line[len(beginning) :].partition(b",")[0]
        if version.isdigit() and int(version) != _FORMAT:
            raise JournalError(
                f"{path} has format {int(version)} (line 1), and this trioarb reads format {_FORMAT} only; "
                "use the version that wrote it, or update trioarb"
            )
        body = line[:-SUFFIX]
        if line[-SUFFIX:] != _HASH + _chained(b"", body) + _CLOSE:
            raise self._damaged(1)
        try:
            header: dict[str, Any] = json.loads(body + b"}")
        except (ValueError, RecursionError):  # its hash is right, so somebody made it up
            raise self._damaged(1) from None
        return header

    def _damaged(self, line: int) -> DamagedLog:
        what = f"line {line} is not what was written" + (
            f", or does not follow on line {line - 1}: one of them was changed, or what stood between them is gone"
            if line > 1
            else ""
        )
        return DamagedLog(f"{self.path} is damaged: {what}", line=line)


def find(path: Path, noun: str) -> Path:
    """Return where a file really is.

    Raises:
        JournalError: there is none, or it is no file.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JournalError(f"{path}: there is no such {noun}") from error
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise JournalError(f"{path} is a folder; name the {noun} in it")
    if not stat.S_ISREG(mode):
        raise JournalError(f"{path} is not a regular file; name a {noun}")
    return path.resolve()


def is_unbegun(path: Path, *, remove: bool = False) -> bool:
    """Say whether nothing that is to be kept stands at a path: no file, or a log of which no step is whole.

    With ``remove`` such a file is removed, unless somebody uses it.
    """
    if not os.path.lexists(path):
        return True
    if not path.is_file():
        return False
    try:
        fd = _locked(path, os.O_RDWR)
    except (OSError, JournalError):
        return False
    try:
        unbegun = _is_unbegun(fd)
        if unbegun and remove:
            os.unlink(path)
    finally:
        os.close(fd)
    return unbegun


def kind_of(path: Path) -> str:
    """Return which of our logs a file says that it is; an empty text for any other file, and for what can't be read."""
    try:
        with path.open("rb") as file:
            found = _KIND.match(file.read(_CHUNK))
    except OSError:
        return ""
    return "" if found is None else found[1].decode()


def is_in_use(path: Path) -> bool:
    """Say whether a process has a log open for appending."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _is_unbegun(fd: int) -> bool:
    """Say whether a file is empty, or the beginning of a log: nothing followed from a step that is not whole."""
    data = os.pread(fd, _CHUNK, 0)
    return len(data) < _CHUNK and _ANY_KIND.startswith(data[: len(_ANY_KIND)]) and not _WHOLE_STEP.search(data)


def body_of(line: bytes) -> bytes:
    """Return all that stands before a line's hash."""
    return line[:-SUFFIX]


def hash_of(line: bytes) -> bytes:
    """Return a line's hash, as it stands in it."""
    return line[-_DIGITS - len(_CLOSE) : -len(_CLOSE)]


def plain(line: bytes) -> bytes:
    """Return a line without what the log added to it, and with its newline."""
    return body_of(line).removesuffix(END) + b"}\n"


def count_chained(lines: Sequence[bytes], head: bytes) -> int:
    """Return how many lines, from the first, are what was written after the line with the hash ``head``."""
    for count, line in enumerate(lines):
        head = _chained(head, line[:-SUFFIX])
        if line[-SUFFIX:] != _HASH + head + _CLOSE:
            return count
    return len(lines)


#: Copied for each line, which is quicker than to make one.
_UNHASHED = blake2b(digest_size=_DIGITS // 2)


def _chained(head: bytes, body: bytes) -> bytes:
    hashed = _UNHASHED.copy()
    hashed.update(head + body)
    return hashed.hexdigest().encode()


def _locked(path: Path, flags: int) -> int:
    """Open a file for this process alone.

    Raises:
        JournalError: another process has it; names that, where the system says it.
        OSError: it can't be opened.
    """
    tries = 0
    while True:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(fd, path):
                return fd
        except BlockingIOError:
            tries += 1
            if tries < _TRIES:  # somebody may just be looking whether it is in use
                os.close(fd)
                time.sleep(_TRY_SECONDS)
                continue
            holder = _holder(fd)
            os.close(fd)
            raise JournalError(f"{path} is in use by {holder}; wait until it ends, or choose another path") from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # removed, or replaced, before it was locked


def _holder(fd: int) -> str:
    """Name the process that holds a file's lock."""
    inode = os.fstat(fd).st_ino
    with suppress(OSError, ValueError, IndexError), open("/proc/locks") as locks:
        for line in locks:
            _, kind, _, _, process, place, *_ = line.split()
            if kind == "FLOCK" and int(place.rpartition(":")[2]) == inode and int(process) > 0:
                return f"process {process}"
    return "another process"


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync_folder(path: Path) -> None:
    folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
