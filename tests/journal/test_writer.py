"""Writers bring every record to the file, in order, and never claim what is not there."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile
from trioarb.journal.writer import InlineWriter, JournalWriter, ThreadWriter
from trioarb.model.event import Record

MakeRecords = Callable[..., list[Record]]


class FakeFile:
    """Remembers what was written. ``gate`` holds up every write while it is closed."""

    def __init__(self, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        self.transactions: list[list[int]] = []
        self.attempts: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        #: How many writes may pass, if not all.
        self.permits: threading.Semaphore | None = None
        self.writing = threading.Event()
        self.full = False
        self.bugs = 0
        self.closed = 0
        self.threads: set[threading.Thread] = set()

    @property
    def seqs(self) -> list[int]:
        return [seq for transaction in self.transactions for seq in transaction]

    def write(self, records: Sequence[Record]) -> None:
        assert not self.closed
        self.threads.add(threading.current_thread())
        seqs = [record.seq for record in records]
        self.attempts.append(seqs)
        self.writing.set()
        assert self.gate.wait(30)
        assert self.permits is None or self.permits.acquire(timeout=30)
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("a bug")
        if self.full:
            raise JournalError("the disk is full")
        self.transactions.append(seqs)
        self.last_seq = seqs[-1]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def file() -> Iterator[FakeFile]:
    file = FakeFile()
    yield file
    file.gate.set()


def append(writer: JournalWriter, records: list[Record]) -> None:
    """Append every record in a step of its own."""
    for record in records:
        writer.append(record)
        writer.end_step()


async def in_thread(event: threading.Event) -> None:
    assert await trio.to_thread.run_sync(event.wait, 30)


@asynccontextmanager
async def running(writer: JournalWriter) -> AsyncIterator[trio.Nursery]:
    """Run the writer beside a test that must not take for ever, and close it whatever becomes of that."""
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        try:
            with trio.fail_after(30):
                yield nursery
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 10, shield=True):
                await writer.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(30_000):
        if condition():
            return
        await trio.sleep(0.001)
    raise AssertionError("it never came")


# Inline


async def test_inline_writes_whole_steps(file: FakeFile, records: MakeRecords) -> None:
    writer = InlineWriter(file, each_order=False)
    for record in records(600):
        writer.append(record)
    assert not file.transactions
    writer.end_step()
    assert file.transactions == [list(range(1, 601))]
    await writer.close()


async def test_inline_writes_in_batches_of_512(file: FakeFile, records: MakeRecords) -> None:
    writer = InlineWriter(file, each_order=False)
    append(writer, records(1_100))
    assert file.transactions == [list(range(1, 513)), list(range(513, 1_025))]
    await writer.close()
    assert file.seqs == list(range(1, 1_101))
    assert file.closed == 1
    assert file.threads == {threading.current_thread()}


async def test_inline_writes_an_order_at_once(file: FakeFile, records: MakeRecords) -> None:
    writer = InlineWriter(file, each_order=True)
    append(writer, records(3))
    assert not writer.is_durable(3)
    with trio.testing.assert_no_checkpoints():
        assert await writer.durable(3)
        assert await writer.durable(2)
    assert file.transactions == [[1, 2, 3]]
    assert writer.is_durable(3)
    assert writer.written == 3
    with trio.testing.assert_no_checkpoints():
        await writer.close()


async def test_inline_relies_on_a_later_write(file: FakeFile, records: MakeRecords) -> None:
    writer = InlineWriter(file, each_order=False)
    append(writer, records(3))
    with trio.testing.assert_no_checkpoints():
        assert await writer.durable(3)
    assert writer.is_durable(3)
    assert not file.attempts


@pytest.mark.parametrize("each_order", [False, True])
async def test_inline_keeps_what_failed(file: FakeFile, records: MakeRecords, each_order: bool) -> None:
    writer = InlineWriter(file, each_order=each_order)
    failures: list[str] = []
    writer.on_failure(lambda error: failures.append(str(error)))
    append(writer, records(512))
    file.full = True
    append(writer, records(1_100, first=513))

    assert [len(attempt) for attempt in file.attempts] == [512, 512, 1_024]
    assert failures == ["the disk is full"]
    assert str(writer.failure) == "the disk is full"
    assert [writer.is_durable(512), writer.is_durable(513)] == [True, False]
    assert not await writer.durable(1_600)
    assert len(file.attempts) == 3

    file.full = False
    append(writer, records(500, first=1_613))
    assert writer.failure is None
    assert file.transactions[1:] == [list(range(513, 2_049))]
    await writer.close()
    assert file.seqs == list(range(1, 2_113))
    assert failures == ["the disk is full"]


async def test_inline_tells_of_each_failure_once(file: FakeFile, records: MakeRecords) -> None:
    writer = InlineWriter(file, each_order=True)
    failures: list[str] = []
    writer.on_failure(lambda error: failures.append(str(error)))
    writer.on_failure(lambda error: failures.append("again"))
    for full in (True, False, True):
        file.full = full
        append(writer, records(512, first=1 + 512 * len(file.attempts)))
    assert failures == ["the disk is full", "again"] * 2


@pytest.mark.parametrize("kind", [InlineWriter, ThreadWriter])
async def test_what_is_missing_in_the_end_is_named(
    file: FakeFile, records: MakeRecords, kind: type[InlineWriter | ThreadWriter]
) -> None:
    writer = kind(file, each_order=True)
    async with running(writer):
        append(writer, records(7))
        assert await writer.durable(7)
        file.full = True
        append(writer, records(5, first=8))
        with pytest.raises(JournalError, match=r"^5 events \(8 to 12\) are missing in the journal: the disk is full$"):
            await writer.close()
    assert file.seqs == list(range(1, 8))
    assert file.closed == 1
    assert writer.failure is not None


@pytest.mark.parametrize("kind", [InlineWriter, ThreadWriter])
@pytest.mark.parametrize("each_order", [False, True])
async def test_closing_writes_what_had_failed(
    file: FakeFile, records: MakeRecords, kind: type[InlineWriter | ThreadWriter], each_order: bool
) -> None:
    writer = kind(file, each_order=each_order)
    file.full = True
    failed = trio.Event()
    writer.on_failure(lambda error: failed.set())
    async with running(writer):
        append(writer, records(600))
        await failed.wait()
        append(writer, records(5, first=601))
        file.full = False
        await writer.close()
        await writer.close()
    assert file.seqs == list(range(1, 606))
    assert file.closed == 1


# In a thread


async def test_a_record_is_durable_when_its_commit_is_done(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    answers: list[bool] = []

    async def wait_for(seq: int) -> None:
        answers.append(await writer.durable(seq))

    async with running(writer) as nursery:
        file.gate.clear()
        append(writer, records(1))
        nursery.start_soon(wait_for, 1)
        await in_thread(file.writing)
        await trio.testing.wait_all_tasks_blocked()
        assert not answers
        assert not writer.is_durable(1)
        file.gate.set()
        assert await writer.durable(1)
        assert file.transactions == [[1]]
        await writer.close()
    assert answers == [True]
    assert threading.current_thread() not in file.threads


async def test_what_comes_together_is_one_transaction(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    answers: list[int] = []

    async def wait_for(seq: int) -> None:
        assert await writer.durable(seq)
        answers.append(seq)

    async with running(writer) as nursery:
        file.permits = threading.Semaphore(0)
        append(writer, records(1))
        await in_thread(file.writing)
        append(writer, records(99, first=2))
        for seq in (100, 1, 50, 50, 2, 100):
            nursery.start_soon(wait_for, seq)
        await trio.testing.wait_all_tasks_blocked()
        assert not answers
        file.permits.release()
        await until(lambda: len(file.attempts) == 2)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [1]
        file.permits.release()
        await until(lambda: len(answers) == 6)
    assert file.transactions == [[1], list(range(2, 101))]
    assert sorted(answers) == [1, 2, 50, 50, 100, 100]


async def test_batches_are_gathered(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=False)
    async with running(writer):
        append(writer, records(10))
        assert writer.is_durable(10)
        assert await writer.durable(10)
        await until(lambda: writer.written == 10)
        await writer.close()
    assert file.transactions == [list(range(1, 11))]


async def test_the_end_does_not_wait_for_a_batch(
    file: FakeFile, records: MakeRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.journal.writer._GATHER_SECONDS", 1_000)
    writer = ThreadWriter(file, each_order=False)
    async with running(writer):
        append(writer, records(10))
        await writer.close()
    assert file.seqs == list(range(1, 11))


async def test_a_full_batch_does_not_wait(
    file: FakeFile, records: MakeRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.journal.writer._GATHER_SECONDS", 1_000)
    writer = ThreadWriter(file, each_order=False)
    async with running(writer):
        append(writer, records(1_500))
        await until(lambda: writer.written >= 1_000)
        await writer.close()
    assert file.seqs == list(range(1, 1_501))


@pytest.mark.parametrize("each_order", [False, True])
async def test_what_one_step_records_is_in_one_transaction(
    file: FakeFile, records: MakeRecords, each_order: bool
) -> None:
    writer = ThreadWriter(file, each_order=each_order)
    made = records(3_000)
    steps = [made[at : at + 6] for at in range(0, 3_000, 6)]
    async with running(writer):
        for step in steps:
            for record in step:
                writer.append(record)
                time.sleep(0.00002)  # noqa: ASYNC251  # the thread has every opportunity to cut in
            await trio.lowlevel.checkpoint()
        await writer.close()
    assert file.seqs == list(range(1, 3_001))
    assert len(file.transactions) > 1
    assert all(transaction[-1] % 6 == 0 for transaction in file.transactions)


async def test_no_wake_up_is_lost(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    made = records(3_000)
    turn = iter(made)

    async def trade() -> None:
        for record in turn:
            writer.append(record)
            assert await writer.durable(record.seq)
            assert record.seq <= file.last_seq

    async with running(writer):
        async with trio.open_nursery() as trades:
            for _ in range(7):
                trades.start_soon(trade)
        await writer.close()
    assert file.seqs == list(range(1, 3_001))


async def test_a_failure_answers_those_who_wait(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    answers: list[bool] = []
    main = threading.current_thread()
    failed_in: list[threading.Thread] = []
    writer.on_failure(lambda error: failed_in.append(threading.current_thread()))

    async def wait_for(seq: int) -> None:
        answers.append(await writer.durable(seq))

    async with running(writer):
        file.gate.clear()
        file.full = True
        append(writer, records(3))
        async with trio.open_nursery() as waiting:
            for seq in (1, 2, 3):
                waiting.start_soon(wait_for, seq)
            await in_thread(file.writing)
            file.gate.set()
        assert answers == [False] * 3
        assert failed_in == [main]
        append(writer, records(1, first=4))
        with trio.testing.assert_no_checkpoints():
            assert not await writer.durable(4)
        file.full = False
        await until(lambda: writer.failure is None)
        assert await writer.durable(4)
        await writer.close()
    assert file.seqs == [1, 2, 3, 4]
    assert len(failed_in) == 1


async def test_it_is_not_tried_again_too_often(
    file: FakeFile, records: MakeRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.journal.writer._RETRY_SECONDS", 1_000)
    writer = ThreadWriter(file, each_order=False)
    file.full = True
    failed = trio.Event()
    writer.on_failure(lambda error: failed.set())
    async with running(writer):
        append(writer, records(1_000))
        await failed.wait()
        append(writer, records(5_000, first=1_001))
        await trio.sleep(0.1)
        assert len(file.attempts) == 1
        file.full = False
        await writer.close()
    assert file.seqs == list(range(1, 6_001))


async def test_a_waiter_who_leaves_takes_nothing_with_him(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    async with running(writer):
        file.gate.clear()
        append(writer, records(1))
        with trio.move_on_after(0.01) as impatient:
            await writer.durable(1)
        assert impatient.cancelled_caught
        file.gate.set()
        assert await writer.durable(1)
        await writer.close()
    assert file.seqs == [1]


async def test_it_outlives_a_cancelled_campaign_until_it_is_closed(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    ended = False

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal ended
        await writer.run(task_status=task_status)
        ended = True

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        file.gate.clear()
        append(writer, records(1))
        await in_thread(file.writing)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(deadline=trio.current_time() + 20, shield=True):
            await trio.testing.wait_all_tasks_blocked()
            assert not ended
            append(writer, records(2, first=2))
            file.gate.set()
            assert await writer.durable(3)
            append(writer, records(4, first=4))
            await writer.close()
    assert file.seqs == list(range(1, 8))
    assert file.closed == 1


async def test_a_disk_that_hangs_is_left_behind_after_the_deadline(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    async with running(writer):
        append(writer, records(1))
        assert await writer.durable(1)
        file.gate.clear()
        file.writing.clear()
        append(writer, records(2, first=2))
        await in_thread(file.writing)
        with trio.CancelScope(deadline=trio.current_time() + 0.05, shield=True) as closing:
            await writer.close()
        assert closing.cancelled_caught
    assert writer.written == 1
    assert not file.closed


@pytest.mark.parametrize("full", [False, True])
async def test_without_its_thread_it_is_written_at_the_end(file: FakeFile, records: MakeRecords, full: bool) -> None:
    writer = ThreadWriter(file, each_order=True)
    append(writer, records(3))
    file.full = full
    if full:
        with pytest.raises(JournalError, match=r"3 events \(1 to 3\) are missing"):
            await writer.close()
    else:
        await writer.close()
        assert file.seqs == [1, 2, 3]
    assert file.closed == 1
    with trio.fail_after(5):
        await writer.run()


async def test_a_bug_ends_the_thread_and_is_not_swallowed(file: FakeFile, records: MakeRecords) -> None:
    writer = ThreadWriter(file, each_order=True)
    answers: list[bool] = []

    async def wait() -> None:
        answers.append(await writer.durable(2))
        with trio.CancelScope(deadline=trio.current_time() + 20, shield=True):
            answers.append(await writer.durable(2))

    async def trade() -> None:
        async with running(writer) as nursery:
            file.bugs = 1
            append(writer, records(2))
            nursery.start_soon(wait)
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as raised:
        await trade()
    assert raised.group_contains(RuntimeError, match="a bug")
    assert answers[-1] is False
    assert file.seqs == [1, 2]
    assert file.closed == 1


async def test_it_goes_on_where_the_file_ends(records: MakeRecords) -> None:
    file = FakeFile(last_seq=10)
    writer = ThreadWriter(file, each_order=True)
    assert writer.is_durable(10)
    assert not writer.is_durable(11)
    async with running(writer):
        append(writer, records(1, first=11))
        assert await writer.durable(11)
        await writer.close()
    assert file.seqs == [11]


@pytest.mark.parametrize("kind", [InlineWriter, ThreadWriter])
@pytest.mark.parametrize("each_order", [False, True])
async def test_a_real_file_holds_everything(
    path: Path,
    records: MakeRecords,
    read: Callable[[Path], list[Record]],
    kind: type[InlineWriter | ThreadWriter],
    each_order: bool,
) -> None:
    writer = kind(JournalFile.create(path, {}, synchronous=each_order), each_order=each_order)
    made = records(2_500)
    async with running(writer):
        for record in made:
            writer.append(record)
            if not record.seq % 50:
                assert await writer.durable(record.seq)
        await writer.close()
    assert read(path) == made
    assert [name.name for name in path.parent.iterdir()] == [path.name]
