"""A journal that was cut, changed, half written or shared: what is whole is read, and everything else is named."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_journal import HEADER, fill, numbered

from trioarb.errors import JournalError
from trioarb.journal import log as log_module
from trioarb.journal.log import Log, LogReader, hash_of, is_unbegun, plain
from trioarb.journal.recorded import KIND, DamagedJournal, claim, open_journal, salvage
from trioarb.model.event import Record
from trioarb.model.wire import encode

Steps = list[list[Record]]
Store = Callable[[Sequence[Sequence[Record]]], None]


def read(path: Path) -> list[Record]:
    with open_journal(path) as journal:
        return list(journal.records())


def flat(steps: Sequence[Sequence[Record]]) -> list[Record]:
    return [record for step in steps for record in step]


def append(log: Log, step: Sequence[Record]) -> None:
    log.append([encode(record) for record in step])
    log.write()


def test_what_was_written_is_read(path: Path, steps: Steps, store: Store) -> None:
    store(steps)

    assert read(path) == flat(steps)
    with open_journal(path) as journal:
        assert journal.header == {KIND: 1, **HEADER}
        assert journal.last_seq == len(flat(steps))
        lines = [line for _, line in journal.lines()]
        assert journal.head == f"{len(lines)}:{hash_of(lines[-1]).decode()}"
        assert journal.torn == 0
    assert path.read_bytes().splitlines(keepends=True)[1:] == [line + b"\n" for line in lines]
    assert [plain(line) for line in lines] == [encode(record) + b"}\n" for record in flat(steps)]


@pytest.mark.parametrize("chunk", [7, 8, 11, 4096])
def test_a_word_is_found_wherever_it_begins(path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    # A log of its own, whose lines are short enough to be gone through in small pieces.
    log = Log.create(path, KIND, {})
    log.append([b'{"word":"abcdefg"', b'{"word":"hijklmn"'])
    log.write()
    log.close()
    monkeypatch.setattr(log_module, "_CHUNK", chunk)
    reader = LogReader(path, KIND, "journal")
    assert all(reader.mentions([word]) for word in (b"abcdefg", b"bcdef", b"hijklmn", b'"word":"'))
    assert not reader.mentions([b"gfedcba", b"abcdefgh"])
    reader.close()


def test_only_its_owner_may_read_it(path: Path, steps: Steps, store: Store) -> None:
    store(steps)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_cut_at_any_byte_whole_steps_are_left(path: Path, steps: Steps, store: Store) -> None:
    """What is left goes on as if the step that was cut off had never been."""
    store(steps)
    data = path.read_bytes()
    ends, lines = [0], data.splitlines(keepends=True)
    for step in steps:
        ends.append(len(b"".join(lines[: 1 + step[-1].seq])))

    for size in range(len(data)):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends[1:])
        if not whole:
            assert is_unbegun(path)
            with pytest.raises(JournalError, match="its campaign never began"):
                read(path)
            continue
        left = flat(steps[:whole])
        assert not is_unbegun(path)
        with claim(path) as claimed:
            assert list(claimed.records()) == left
            assert claimed.torn == size - ends[whole]
            assert (claimed.last_seq, claimed.last_ts_ns) == left[-1][:2]
            log = claimed.go_on()
        (further,) = numbered([[fill(3), fill(4)]], first=len(left) + 1)
        append(log, further)
        log.close()
        assert read(path) == left + further


def test_any_byte_that_is_changed_is_named(path: Path, steps: Steps, store: Store) -> None:
    store(steps)
    data, line = path.read_bytes(), 1
    for place, byte in enumerate(data):
        for other in {byte ^ 1, ord("\n")} - {byte}:
            path.write_bytes(data[:place] + bytes([other]) + data[place + 1 :])
            with pytest.raises(JournalError, match=rf"line {line}\b"):
                read(path)
        line += byte == ord("\n")


def test_lines_that_are_gone_doubled_or_exchanged_are_damage(path: Path, steps: Steps, store: Store) -> None:
    store(steps)
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(1, len(lines) - 1):
        for changed in (
            [*lines[:number], *lines[number + 1 :]],
            [*lines[: number + 1], *lines[number:]],
            [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]],
        ):
            path.write_bytes(b"".join(changed))
            with pytest.raises(DamagedJournal, match=r"line \d+ is not what was written, or does not follow"):
                read(path)


def test_what_is_sound_of_a_damaged_journal_is_saved(path: Path, steps: Steps, store: Store, tmp_path: Path) -> None:
    store(steps)
    data, saved = path.read_bytes(), tmp_path / "saved.journal"
    place = data.index(b'"f-7"') + 2
    path.write_bytes(data[:place] + b"F" + data[place + 1 :])

    with pytest.raises(DamagedJournal) as raised, claim(path):
        pass
    assert raised.value.readable == 3
    assert "its events 1 to 3 are sound; `trioarb repair" in str(raised.value)
    assert salvage(path, saved) == 3
    assert read(saved) == flat(steps)[:3]
    assert data.startswith(saved.read_bytes()), "the same lines, so the same hashes"
    with pytest.raises(JournalError, match="exists already"):
        salvage(path, saved)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing: its campaign never began"),
        (b"what?\n", "is not a trioarb journal: line 1 is not its header"),
        (b'{"seq":1,"type":"campaign_opened"}\n', "is not a trioarb journal: line 1 is not its header"),
        (b'{"trioarb_journal":2,"hash":"0"}\n', "has format 2"),
        (b"SQLite format 3\0" + bytes(44) + b"\0\0\0\1" + bytes(100), r"is a SQLite file \(schema 1\)"),
    ],
)
def test_what_is_no_journal_is_refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)

    for way in (open_journal, claim):
        with pytest.raises(JournalError, match=said) as raised, way(path):
            pass
        assert not isinstance(raised.value, DamagedJournal)
    assert path.read_bytes() == content


def test_a_journal_is_written_by_one_process(path: Path, steps: Steps, store: Store) -> None:
    store(steps)
    child = subprocess.Popen(
        [sys.executable, "-c", _CLAIMS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "claimed\n"
        with pytest.raises(JournalError, match=rf"in use by process {child.pid};"), claim(path):
            pass
        with pytest.raises(JournalError, match="in use by process"):
            Log.create(path, KIND, HEADER)
        assert read(path) == flat(steps), "it can be read all the time"
        child.kill()
    with claim(path) as claimed:
        assert list(claimed.records()) == flat(steps)


_CLAIMS = """
import sys
from pathlib import Path
from trioarb.journal.recorded import claim

with claim(Path(sys.argv[1])):
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_a_log_that_never_began_is_begun_anew_and_no_other(path: Path, steps: Steps) -> None:
    first = Log.create(path, KIND, HEADER)
    first.write()
    first.close()
    assert path.read_bytes().startswith(b'{"trioarb_journal":1,')
    assert is_unbegun(path)
    second = Log.create(path, KIND, HEADER)
    append(second, steps[0])
    second.close()

    assert not is_unbegun(path, remove=True)
    with pytest.raises(JournalError, match="exists already"):
        Log.create(path, KIND, HEADER)
    foreign = path.with_name("notes.txt")
    foreign.write_text("important")
    with pytest.raises(JournalError, match="exists already"):
        Log.create(foreign, KIND, HEADER)
    assert foreign.read_text() == "important"


def test_a_file_that_is_gone_or_replaced_is_noticed(path: Path, steps: Steps, store: Store) -> None:
    store(steps)
    with claim(path) as claimed:
        log = claimed.go_on()
    assert log.is_linked()
    assert log.is_in_place()
    path.rename(path.with_name("elsewhere"))
    assert log.is_linked()
    assert not log.is_in_place()
    path.write_bytes(b"")
    assert not log.is_in_place()
    path.with_name("elsewhere").unlink()
    assert not log.is_linked()
    log.close()


# faults of the system: the calls that a log makes of it, one of them failing


class Faulty:
    """The module ``os`` as a log sees it. Its ``number``-th call of a kind fails, or writes ``short`` bytes only."""

    def __init__(self, name: str, number: int, *, short: int | None = None, lasts: bool = False) -> None:
        self._name, self._number, self._short, self._lasts = name, number, short, lasts
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self._name:
            return real

        def call(*args: Any) -> Any:
            self.calls += 1
            if self.calls == self._number and self._short is not None:
                fd, data, offset = args
                return real(fd, data[: self._short], offset)
            if self.calls == self._number or (self._lasts and self.calls > self._number):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        return call


def test_short_writes_of_any_length_are_continued(
    path: Path, steps: Steps, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(steps)
    data = path.read_bytes()
    for short in range(1, len(data)):
        path.unlink()
        monkeypatch.setattr(log_module, "os", Faulty("pwrite", 3, short=short))
        store(steps)
        monkeypatch.undo()
        assert path.read_bytes() == data


def test_a_write_that_fails_after_any_part_is_taken_back_and_made_up_for(
    path: Path, steps: Steps, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(steps)
    data = path.read_bytes()
    path.unlink()
    first, second, third, fourth = steps
    whole = Log.create(path, KIND, HEADER)
    append(whole, first)
    append(whole, second)
    size = path.stat().st_size

    class Full(Faulty):
        """A disk with room for some bytes more."""

        def __init__(self, room: int) -> None:
            super().__init__("", 0)
            self.pwrite = lambda fd, part, offset: self.write(fd, part, offset, room)

        def write(self, fd: int, part: bytes, offset: int, room: int) -> int:
            if offset >= size + room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.pwrite(fd, part[: size + room - offset], offset)

    length = len(b"".join(data.splitlines(keepends=True)[4:7]))
    log = whole
    whole.append([encode(record) for record in third])
    for room in range(length):
        monkeypatch.setattr(log_module, "os", Full(room))
        with pytest.raises(JournalError, match="No space left"):
            log.write()
        monkeypatch.undo()
        assert path.stat().st_size == size
        assert read(path) == flat([first, second])
    append(log, fourth)
    assert log.close() == 0
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["open", "fstat", "pread", "pwrite", "ftruncate", "fsync", "fdatasync"])
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for ever"])
def test_whichever_call_fails_nothing_is_lost_without_a_word(
    path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch, name: str, lasts: bool
) -> None:
    """Make a journal, write to it, go on with it: for every k, the k-th call of a kind fails."""
    for number in range(1, 100):
        path.unlink(missing_ok=True)
        faulty = Faulty(name, number, lasts=lasts)
        monkeypatch.setattr(log_module, "os", faulty)
        told, taken = False, 0
        try:
            log = Log.create(path, KIND, HEADER, sync=True)
            try:
                for step in steps[:2]:
                    log.append([encode(record) for record in step])
                    log.write()
                    log.sync()
                    taken += len(step)
            finally:
                told = log.close() > 0
            with claim(path) as claimed:
                log = claimed.go_on()
            try:
                append(log, steps[2])
                taken += len(steps[2])
            finally:
                told = log.close() > 0 or told
        except JournalError:
            told = True
        monkeypatch.undo()
        kept = [] if is_unbegun(path) else read(path)
        assert len(kept) >= taken, "what was reported as written is there"
        assert kept in [flat(steps[:count]) for count in range(4)]
        if faulty.calls < number:
            assert not told
            assert kept == flat(steps[:3])
            return
        assert told or kept == flat(steps[:3])
    raise AssertionError("it never ends")


def test_a_reader_says_where_it_is(path: Path, steps: Steps, store: Store) -> None:
    store(steps)
    reader = LogReader(path, KIND, "journal")
    assert sum(map(len, reader.blocks())) == len(flat(steps))
    assert reader.position == reader.sound_size == reader.size == path.stat().st_size
    reader.close()
