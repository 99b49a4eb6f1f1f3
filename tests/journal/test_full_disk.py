"""Where the disk is full, nothing is lost that it could hold, and what is missing is named."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio

from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile
from trioarb.journal.stored import open_journal
from trioarb.journal.writer import InlineWriter, ThreadWriter
from trioarb.model.event import Record

MakeRecords = Callable[..., list[Record]]
Read = Callable[[Path], list[Record]]

FULL = "can't be written: database or disk is full"


def limit_pages(file: JournalFile, pages: int) -> None:
    """Make SQLite think that the disk holds so many pages more."""
    (used,) = file._connection.execute("PRAGMA page_count").fetchone()
    file._connection.execute(f"PRAGMA max_page_count = {used + pages}")


def test_a_write_that_does_not_fit_leaves_the_journal_as_it_was(path: Path, records: MakeRecords, read: Read) -> None:
    with closing(JournalFile.create(path, {}, synchronous=False)) as file:
        file.write(records(10))
        limit_pages(file, 20)
        with pytest.raises(JournalError, match=rf"campaign\.journal {FULL}"):
            file.write(records(2_000, first=11))
        assert file.last_seq == 10
        assert read(path) == records(10)
        file.write(records(5, first=11))
        limit_pages(file, 1_000)
        file.write(records(2_000, first=16))
    assert read(path) == records(2_015)


def test_meta_that_does_not_fit(path: Path) -> None:
    with closing(JournalFile.create(path, {"note": "short"}, synchronous=False)) as file:
        limit_pages(file, 0)
        with pytest.raises(JournalError, match=FULL):
            file.set_meta("note", "long" * 10_000)
        assert file.meta == {"note": "short"}


async def test_the_inline_writer_tries_again_with_each_batch(path: Path, records: MakeRecords, read: Read) -> None:
    file = JournalFile.create(path, {}, synchronous=False)
    writer = InlineWriter(file, each_order=False)
    failures: list[JournalError] = []
    writer.on_failure(failures.append)
    made = records(3_000)
    limit_pages(file, 0)

    for record in made[:1_500]:
        writer.append(record)
        writer.end_step()
    assert [str(failure) for failure in failures] == [f"{path} {FULL}"]
    assert writer.failure is not None
    assert not writer.is_durable(1)
    limit_pages(file, 10_000)
    for record in made[1_500:]:
        writer.append(record)
        writer.end_step()

    assert writer.failure is None
    assert await writer.durable(3_000)
    await writer.close()
    assert read(path) == made
    assert len(failures) == 1


async def test_the_thread_writer_tries_again_after_a_while(path: Path, records: MakeRecords, read: Read) -> None:
    file = JournalFile.create(path, {}, synchronous=False)
    writer = ThreadWriter(file, each_order=True)
    failures: list[JournalError] = []
    failed = trio.Event()
    writer.on_failure(failures.append)
    writer.on_failure(lambda error: failed.set())
    made = records(1_000)
    limit_pages(file, 0)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run)
            for record in made[:900]:
                writer.append(record)
            await failed.wait()
            assert not await writer.durable(900)
            for record in made[900:]:
                writer.append(record)
            limit_pages(file, 10_000)
            for _ in range(3_000):
                if writer.failure is None:
                    break
                await trio.sleep(0.01)
            assert await writer.durable(1_000)
            await writer.close()

    assert read(path) == made
    assert [str(failure) for failure in failures] == [f"{path} {FULL}"]


_LIMITED = """
import resource, sys, trio
from pathlib import Path
from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile
from trioarb.journal.writer import InlineWriter, ThreadWriter
from trioarb.model.event import KillSwitchPulled, Record

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path, kind, space_back):
    file = JournalFile.create(path, {}, synchronous=False)
    writer = kind(file, each_order=True)
    writer.on_failure(lambda error: print("failed:", error, flush=True))
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        limit(1_000_000)
        for seq in range(1, 10_001):
            writer.append(Record(seq, seq, KillSwitchPulled(source="x" * 300)))
            if not seq % 100 and not await writer.durable(seq):
                break
        print("relied upon:", writer.written)
        for seq in range(seq + 1, 10_001):
            writer.append(Record(seq, seq, KillSwitchPulled(source="x" * 300)))
        if space_back:
            limit(resource.RLIM_INFINITY)
        try:
            await writer.close()
        except JournalError as error:
            print("missing:", error)

trio.run(main, Path(sys.argv[1]), {"inline": InlineWriter, "thread": ThreadWriter}[sys.argv[2]], sys.argv[3] == "back")
"""


def with_limited_space(path: Path, kind: str, then: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path), kind, then], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    return ran.stdout.splitlines()


@pytest.mark.parametrize("kind", ["inline", "thread"])
def test_what_does_not_fit_in_the_end_is_named(path: Path, kind: str, read: Read) -> None:
    failed, relied_upon, missing = with_limited_space(path, kind, "full")

    held = read(path)
    assert failed == f"failed: {path} can't be written: disk I/O error"
    assert [record.seq for record in held] == list(range(1, len(held) + 1))
    assert 1_000 < len(held) < 10_000
    assert int(relied_upon.removeprefix("relied upon: ")) <= len(held)
    assert missing.startswith(
        f"missing: {10_000 - len(held)} events ({len(held) + 1} to 10000) are missing in the journal: {path} can't be"
    )
    with closing(JournalFile.resume(path, synchronous=False)) as file:
        assert file.last_seq == len(held)


@pytest.mark.parametrize("kind", ["inline", "thread"])
def test_space_that_comes_back_in_time_saves_everything(path: Path, kind: str, read: Read) -> None:
    with_limited_space(path, kind, "back")
    assert [record.seq for record in read(path)] == list(range(1, 10_001))


def test_a_journal_that_can_not_be_put_into_one_file_is_whole_with_its_log(path: Path, records: MakeRecords) -> None:
    file = JournalFile.create(path, {}, synchronous=False)
    file.write(records(800))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        with pytest.raises(
            JournalError, match=r"could not be closed in order: .*; what was written is safe as long as"
        ):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Path(f"{path}-wal").stat().st_size
    with open_journal(path) as journal:
        assert journal.count == len(list(journal.records())) == 800
    with closing(JournalFile.resume(path, synchronous=False)) as resumed:
        assert resumed.last_seq == 800
