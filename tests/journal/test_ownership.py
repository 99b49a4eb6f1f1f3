"""One process at a time writes a journal; death gives it free."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile, salvage
from trioarb.journal.stored import open_journal
from trioarb.model.event import Record

MakeRecords = Callable[..., list[Record]]
Snapshot = Callable[[Path], dict[str, bytes]]
Campaign = Callable[[int], subprocess.Popen[str]]


def lock_of(path: Path) -> Path:
    return Path(f"{path}-lock")


def test_the_lock_names_its_process(path: Path, records: MakeRecords) -> None:
    file = JournalFile.create(path, {}, synchronous=False)
    assert lock_of(path).read_text() == str(os.getpid())
    file.write(records(1))
    file.close()
    assert not lock_of(path).exists()


def test_a_second_process_is_refused_until_the_first_is_dead(
    path: Path, campaign: Campaign, snapshot: Snapshot, records: MakeRecords
) -> None:
    child = campaign(300)
    before = snapshot(path.parent)

    with pytest.raises(JournalError, match=rf"{re.escape(str(path))} is in use by process {child.pid};"):
        JournalFile.resume(path, synchronous=False)
    with pytest.raises(JournalError, match="exists already"):
        JournalFile.create(path, {}, synchronous=False)
    assert snapshot(path.parent) == before

    child.send_signal(signal.SIGKILL)
    child.wait()
    assert lock_of(path).read_text() == str(child.pid)
    file = JournalFile.resume(path, synchronous=False)
    assert lock_of(path).read_text() == str(os.getpid())
    assert file.last_seq == 300
    file.write(records(1, first=301))
    file.close()


def test_a_symbolic_link_is_the_same_journal(path: Path, campaign: Campaign, tmp_path: Path) -> None:
    child = campaign(10)
    other = tmp_path / "other"
    other.mkdir()
    link = other / "link.journal"
    link.symlink_to(path)
    with pytest.raises(JournalError, match=f"in use by process {child.pid}"):
        JournalFile.resume(link, synchronous=False)
    with open_journal(link) as journal:
        assert journal.last_seq == 10
    assert os.listdir(other) == ["link.journal"]


def test_two_can_not_make_the_same_journal(path: Path) -> None:
    fd = os.open(lock_of(path), os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(JournalError, match="in use by another process"):
        JournalFile.create(path, {}, synchronous=False)
    os.write(fd, b"4711")
    with pytest.raises(JournalError, match="in use by process 4711"):
        JournalFile.create(path, {}, synchronous=False)
    assert os.listdir(path.parent) == [lock_of(path).name]
    os.close(fd)
    JournalFile.create(path, {}, synchronous=False).close()


def test_a_lock_that_was_given_back_while_it_was_taken_is_taken_anew(
    path: Path, stored: Callable[[int], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(1)
    flock = fcntl.flock
    given_back = 0

    def give_back_first(fd: int, operation: int) -> None:
        nonlocal given_back
        if given_back < 2:
            given_back += 1
            lock_of(path).unlink()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", give_back_first)
    file = JournalFile.resume(path, synchronous=False)
    assert given_back == 2
    assert lock_of(path).read_text() == str(os.getpid())
    with pytest.raises(JournalError, match="in use"):
        JournalFile.resume(path, synchronous=False)
    file.close()


@pytest.mark.parametrize("copied", [1, 2])
@pytest.mark.parametrize("still_open", [False, True])
def test_a_campaign_that_is_resumed_while_it_is_copied_is_read_anew(
    path: Path,
    campaign: Campaign,
    records: MakeRecords,
    monkeypatch: pytest.MonkeyPatch,
    copied: int,
    still_open: bool,
) -> None:
    child = campaign(2_000)
    child.kill()
    child.wait()
    copyfile = shutil.copyfile
    copies = 0
    files: list[JournalFile] = []

    def resume_meanwhile(source: Path, target: Path) -> None:
        nonlocal copies
        copies += 1
        if copies == copied:
            monkeypatch.setattr(shutil, "copyfile", copyfile)
            file = JournalFile.resume(path, synchronous=False)
            file.write(records(9_000, first=2_001))
            files.append(file)
            if not still_open:
                file.close()
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", resume_meanwhile)
    with open_journal(path) as journal:
        assert [record.seq for record in journal.records()] == list(range(1, 11_001))
    for file in files:
        file.close()


def test_a_repair_does_not_wait_for_the_writer(path: Path, campaign: Campaign) -> None:
    campaign(300)
    assert salvage(path, path.with_name("new.journal")) == 300


def test_it_is_never_written_by_two_at_once(path: Path, stored: Callable[[int], object]) -> None:
    stored(1)
    inside = threading.Lock()
    taken = 0

    def contend() -> None:
        nonlocal taken
        for _ in range(60):
            try:
                file = JournalFile.resume(path, synchronous=False)
            except JournalError as error:
                assert "in use" in str(error)  # noqa: PT017
                continue
            assert inside.acquire(blocking=False), "two hold the journal"
            taken += 1
            inside.release()
            file.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(contend) for _ in range(4)]:
            done.result()
    assert taken > 60
    assert os.listdir(path.parent) == [path.name]


def test_readers_do_not_get_in_the_way_of_a_writer(path: Path, stored: Callable[[int], object]) -> None:
    stored(1)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                with open_journal(path) as journal:
                    assert [record.seq for record in journal.records()] == [1]
            except JournalError as error:
                assert "changed while it was read" in str(error)  # noqa: PT017

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for _ in range(100):
                JournalFile.resume(path, synchronous=False).close()
        finally:
            stop.set()
        for reader in readers:
            reader.result()
