"""What a campaign records is in its journal before anything follows from it, whatever the disk does."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from small_journal import HEADER, fill, numbered, opening, settlement

from trioarb.errors import JournalError
from trioarb.journal import log as log_module
from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND, open_journal
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import Record

ORDER = pytest.mark.parametrize("inline", [True, False], ids=["inline", "thread"])


class Disk:
    """The module ``os`` as a log sees it; what is to go wrong can be put in the place of a call."""

    def __init__(self) -> None:
        self.syncs = 0
        self.before_sync: Callable[[], object] = lambda: None
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        if self.error is not None:
            raise self.error
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self.before_sync()
        self.syncs += 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(log_module, "os", disk)
    return disk


class Kept:
    """A journal that is written, and what was told of it."""

    def __init__(self, path: Path, *, each_order: bool = False, inline: bool = True) -> None:
        log = Log.create(path, KIND, HEADER)
        self.path = path
        self.writer = JournalWriter(log, last_seq=0, each_order=each_order, inline=inline)
        self.failures: list[str] = []
        self.copied = b""
        self.writer.rely(lambda error: self.failures.append(str(error)), self._copy)
        self.records: list[Record] = []

    def _copy(self, lines: bytes) -> None:
        self.copied += lines

    def record(self, *events: Any) -> None:
        for event in events:
            (step,) = numbered([[event]], first=len(self.records) + 1)
            self.records += step
            self.writer.append(step[0])

    @property
    def stored(self) -> list[Record]:
        if not self.path.stat().st_size:
            return []
        with open_journal(self.path) as journal:
            return list(journal.records())


async def test_a_step_is_written_when_its_task_awaits_and_not_before(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "j")
    kept.record(opening(), fill(0))
    await trio.lowlevel.checkpoint()
    assert not kept.stored, "nothing is written before all that it begins with can be"
    kept.writer.begin()
    assert kept.stored == kept.records
    for _ in range(3):
        kept.record(*settlement())
        assert len(kept.stored) == len(kept.records) - 3
        await trio.lowlevel.checkpoint()
        assert kept.stored == kept.records
    await kept.writer.close()
    assert kept.copied == b"".join(kept.path.read_bytes().splitlines(keepends=True)[1:])
    assert kept.writer.head == f"{len(kept.records)}:{kept.copied[-35:-3].decode()}"


@ORDER
async def test_an_order_waits_for_the_disk_if_it_is_to(tmp_path: Path, disk: Disk, inline: bool) -> None:
    kept = Kept(tmp_path / "j", each_order=True, inline=inline)
    kept.record(opening())
    kept.writer.begin()
    await trio.lowlevel.checkpoint()
    assert disk.syncs == 0, "only what something follows from is waited for"
    kept.record(fill(1))
    assert kept.writer.is_durable() is inline
    assert kept.stored == kept.records
    assert await kept.writer.durable()
    assert disk.syncs == 1
    assert kept.writer.is_durable()
    await kept.writer.close()
    assert disk.syncs == 1


async def test_without_that_it_is_durable_once_it_is_written(tmp_path: Path, disk: Disk) -> None:
    kept = Kept(tmp_path / "j", inline=False)
    kept.record(opening(), fill(1))
    assert kept.writer.is_durable()
    assert kept.stored == kept.records
    await kept.writer.close()
    assert disk.syncs == 0


async def test_who_waits_together_waits_for_few_syncs(tmp_path: Path, disk: Disk) -> None:
    kept = Kept(tmp_path / "j", each_order=True, inline=False)
    gate, entered = threading.Event(), threading.Event()
    disk.before_sync = lambda: (entered.set(), gate.wait(10))
    kept.record(opening())
    kept.writer.begin()
    durable = list[bool]()

    async def wait() -> None:
        durable.append(await kept.writer.durable())

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.to_thread.run_sync(entered.wait)
            for number in range(10):
                kept.record(fill(number))
                nursery.start_soon(wait)
            await trio.sleep(0.05)
            assert not durable
            gate.set()
    assert durable == [True] * 11
    assert disk.syncs == 2
    await kept.writer.close()


async def test_a_wait_can_be_given_up_while_the_disk_hangs(tmp_path: Path, disk: Disk) -> None:
    kept = Kept(tmp_path / "j", each_order=True, inline=False)
    gate = threading.Event()
    disk.before_sync = lambda: gate.wait(10)
    kept.record(opening())
    kept.writer.begin()
    with trio.move_on_after(0.05) as waiting:
        await kept.writer.durable()
    assert waiting.cancelled_caught
    assert kept.stored == kept.records
    gate.set()
    with trio.fail_after(10):
        assert await kept.writer.durable()
    await kept.writer.close()


@ORDER
async def test_a_sync_that_failed_is_never_tried_again(tmp_path: Path, disk: Disk, inline: bool) -> None:
    kept = Kept(tmp_path / "j", each_order=True, inline=inline)

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    kept.record(opening())
    kept.writer.begin()
    disk.before_sync = fail
    assert not await kept.writer.durable()
    assert kept.writer.failure is not None
    disk.before_sync = lambda: None
    for number in range(3):
        kept.record(fill(number))
        assert not await kept.writer.durable(), "what the disk has, nobody knows any more"
    assert disk.syncs == 0
    assert len(kept.failures) == 1
    assert "can't be forced to the disk: Input/output error" in kept.failures[0]
    with pytest.raises(JournalError, match="can't be forced to the disk"):
        await kept.writer.close()
    assert kept.stored == kept.records, "exits go on, and are written"


async def test_what_a_full_disk_did_not_take_is_kept_until_it_does(tmp_path: Path, disk: Disk) -> None:
    kept = Kept(tmp_path / "j")
    kept.record(opening())
    kept.writer.begin()
    disk.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for number in range(5):
        kept.record(fill(number))
        await trio.lowlevel.checkpoint()
        assert not kept.writer.is_durable()
    assert len(kept.stored) == 1
    assert len(kept.failures) == 1
    assert kept.copied.count(b"\n") == 6, "the second place has them"
    disk.error = None
    kept.record(fill(5))
    assert kept.writer.is_durable()
    assert kept.stored == kept.records
    disk.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    kept.record(fill(6), fill(7))
    assert not await kept.writer.durable()
    assert len(kept.failures) == 2
    with pytest.raises(JournalError, match=r"2 events \(8 to 9\) are missing in the journal: .* No space left"):
        await kept.writer.close()
    assert kept.stored == kept.records[:7]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_is_removed_or_replaced_is_told(
    tmp_path: Path, replaced: bool, autojump_clock: object
) -> None:
    kept = Kept(tmp_path / "j")
    kept.record(opening())
    kept.writer.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.writer.watch)
        await trio.sleep(5)
        assert not kept.failures
        kept.path.rename(tmp_path / "elsewhere")
        if replaced:
            kept.path.write_bytes(b"")
        await trio.sleep(2)
        assert kept.failures == [f"{kept.path} was removed or replaced while it was written"]
        assert not kept.writer.is_durable()
        nursery.cancel_scope.cancel()
    with pytest.raises(JournalError, match="was removed or replaced while it was written"):
        await kept.writer.close()


async def test_a_file_that_was_deleted_is_noticed_at_the_next_step(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "j")
    kept.record(opening())
    kept.writer.begin()
    kept.path.unlink()
    kept.record(fill(0))
    await trio.lowlevel.checkpoint()
    assert len(kept.failures) == 1
    with pytest.raises(JournalError, match="was removed or replaced"):
        await kept.writer.close()


async def test_what_can_not_be_written_down_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "j")
    kept.record(opening())
    with pytest.raises(TypeError, match="OrderFilled can't be written down"):
        kept.writer.append(Record(2, 3, replace(fill(0), fill_id=5)))
    kept.record(fill(1))
    await kept.writer.close()
    assert kept.stored == kept.records
