"""Who writes the journal's records to its file while a campaign runs."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import trio

from trioarb.errors import JournalError
from trioarb.model.event import Record

__all__ = ["InlineWriter", "JournalWriter", "RecordFile", "ThreadWriter"]

#: Records that `InlineWriter` gathers before it writes, or tries again to write.
_INLINE_BATCH = 512
#: Records, or seconds, for which `ThreadWriter` gathers before it commits.
_GATHER_RECORDS = 1_000
_GATHER_SECONDS = 0.02
_NO_END = 2**63 - 1
#: Time between two attempts of `ThreadWriter` to write what could not be written.
_RETRY_SECONDS = 0.2

_Tell = Callable[[Callable[[Any], None], Any], None]


class RecordFile(Protocol):
    """What a writer needs of a `JournalFile`."""

    @property
    def last_seq(self) -> int: ...

    def write(self, records: Sequence[Record]) -> None:
        """Append all of the records, or none and raise `JournalError`."""

    def close(self) -> None: ...


class JournalWriter(ABC):
    """Brings records to the file in their order, all of them, and what one step recorded in one transaction.

    A step is what happens between two awaits. A journal that is cut off between two steps can be gone on with; cut off
    inside of one it could not, since half of it would be done a second time.

    What can't be written is kept, and tried again with what follows: from the first failed write until one that
    succeeds, ``failure`` is set and nothing new is durable. Belongs to one Trio thread, as do all calls.
    """

    def __init__(self, file: RecordFile, *, each_order: bool) -> None:
        """``each_order``: `durable` waits until a record is in the file; else it relies on a later write."""
        self._file = file
        self._each_order = each_order
        self._written = file.last_seq
        self._callbacks: list[Callable[[JournalError], None]] = []
        #: Set at the first failed write, cleared when a later one succeeded.
        self.failure: JournalError | None = None

    @property
    def written(self) -> int:
        """Return the number of the last record that is known to be in the file."""
        return self._written

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what has to be done beside the campaign, until `close`."""
        task_status.started()

    @abstractmethod
    def append(self, record: Record) -> None:
        """Take the next record. Never raises, never waits for the disk longer than one write takes."""

    @abstractmethod
    def end_step(self) -> None:
        """Note that a step has ended. Never raises, never waits for the disk longer than one write takes."""

    @abstractmethod
    async def written_down(self) -> bool:
        """Wait until everything that was appended is in the file, however much; ``False`` when writing failed."""

    def is_durable(self, seq: int) -> bool:
        """Say whether the record may be relied upon, as far as is known without waiting."""
        return seq <= self._written or (not self._each_order and self.failure is None)

    @abstractmethod
    async def durable(self, seq: int) -> bool:
        """Wait until the record with this number may be relied upon; ``False`` when writing failed."""

    @abstractmethod
    async def close(self) -> None:
        """Write everything that is left, then close the file. Append nothing afterwards.

        Raises:
            JournalError: not all of it could be written, and which events are missing; or the file could not be
                closed in order. It is closed all the same.
        """

    def on_failure(self, callback: Callable[[JournalError], None]) -> None:
        """Have this called, in the Trio thread, when writing begins to fail. It must not raise."""
        self._callbacks.append(callback)

    def _succeed(self, seq: int) -> None:
        self._written = seq
        self.failure = None

    def _fail(self, error: JournalError) -> None:
        first = self.failure is None
        self.failure = error
        if first:
            for callback in self._callbacks:
                callback(error)


class InlineWriter(JournalWriter):
    """Writes in the caller, for virtual time: no thread, and no await that Trio could reorder.

    At most 512 records, and those of one step, wait in memory while writing succeeds.
    """

    def __init__(self, file: RecordFile, *, each_order: bool) -> None:
        super().__init__(file, each_order=each_order)
        self._pending: list[Record] = []
        self._write_at = _INLINE_BATCH
        self._closed = False

    def append(self, record: Record) -> None:
        self._pending.append(record)

    def end_step(self) -> None:
        if len(self._pending) >= self._write_at:
            self._write()

    async def written_down(self) -> bool:
        """See `JournalWriter.written_down`. Never a checkpoint."""
        if self._pending:
            self._write()
        return not self._pending

    async def durable(self, seq: int) -> bool:
        """Write what is gathered if this record must be in the file. Never a checkpoint."""
        if self._each_order and seq > self._written and self.failure is None:
            self._write()
        return self.is_durable(seq)

    async def close(self) -> None:
        """See `JournalWriter.close`. Never a checkpoint."""
        if self._closed:
            return
        self._closed = True
        if self._pending:
            self._write()
        _close(self._file, self._pending, self.failure)

    def _write(self) -> None:
        try:
            self._file.write(self._pending)
        except JournalError as error:
            self._write_at = len(self._pending) + _INLINE_BATCH
            self._fail(error)
        else:
            self._write_at = _INLINE_BATCH
            seq = self._pending[-1].seq
            self._pending.clear()
            self._succeed(seq)


class ThreadWriter(JournalWriter):
    """Writes in a thread of its own, for real time: whatever has come together meanwhile, in one transaction.

    What waits in memory is what the campaign records during one transaction (with ``each_order=False`` plus 20 ms);
    the thread writes faster than a campaign records. While writing fails everything is kept, but then the engine
    opens no more trades, and what still comes are the exits of those that are open.
    """

    def __init__(self, file: RecordFile, *, each_order: bool) -> None:
        super().__init__(file, each_order=each_order)
        self._queue: queue.SimpleQueue[list[Record] | None] = queue.SimpleQueue()
        #: Cuts the gathering short: there is enough to write, or the end has come.
        self._hurry = threading.Event()
        self._ending = threading.Event()
        self._step: list[Record] = []
        self._token: trio.lowlevel.TrioToken | None = None
        self._pending: list[Record] = []
        self._waiting: dict[int, trio.Event] = {}
        self._thread = trio.CancelScope(shield=True)
        self._stopped: trio.Event | None = None
        self._closed = False
        self._appended = file.last_seq
        self._finished = False
        self._last_error: JournalError | None = None
        self._problem: JournalError | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the thread until `close`, which has to be called: nothing else ends it, not even cancellation.

        If `close` is cancelled the thread is left behind, since it hangs in a write.
        """
        if self._closed:
            task_status.started()
            return
        self._stopped = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self.end_step()
        task_status.started()
        try:
            with self._thread:
                await trio.to_thread.run_sync(
                    self._work,
                    self._token,
                    thread_name="trioarb journal",
                    abandon_on_cancel=True,
                    limiter=trio.CapacityLimiter(1),
                )
        finally:
            self._stopped.set()
            self._wake(_NO_END)

    def append(self, record: Record) -> None:
        if not self._step and self._token is not None:
            # Called when whatever runs now awaits something.
            self._token.run_sync_soon(self.end_step, idempotent=True)
        self._step.append(record)

    def end_step(self) -> None:
        if not self._step:
            return
        self._appended = self._step[-1].seq
        self._queue.put(self._step)
        self._step = []
        if self._appended - self._written >= _GATHER_RECORDS:
            self._hurry.set()

    async def written_down(self) -> bool:
        """See `JournalWriter.written_down`. A waiter can be cancelled."""
        self.end_step()
        self._hurry.set()
        return await self._wait(self._appended)

    async def durable(self, seq: int) -> bool:
        """See `JournalWriter.durable`. A waiter can be cancelled; what is written stays the same."""
        if not self.is_durable(seq):
            await self._wait(seq)
        return self.is_durable(seq)

    async def _wait(self, seq: int) -> bool:
        stopped = self._stopped is not None and self._stopped.is_set()
        if seq > self._written and self.failure is None and not stopped:
            await self._waiting.setdefault(seq, trio.Event()).wait()
        return seq <= self._written

    async def close(self) -> None:
        """See `JournalWriter.close`. Give it a deadline: where the disk hangs it is cancelled, and `run` returns."""
        if self._closed:
            return
        self._closed = True
        self.end_step()
        self._queue.put(None)
        self._ending.set()
        self._hurry.set()
        if self._stopped is not None:
            try:
                await self._stopped.wait()
            except trio.Cancelled:
                self._thread.cancel()
                raise
        if not self._finished:
            # There is no thread: it never began, or something unexpected ended it.
            self._take_all()
            self._finish(_now)
        if self._problem is not None:
            raise self._problem

    def _work(self, token: trio.lowlevel.TrioToken) -> None:
        """Write until the end is asked for. In the thread, which alone has to do with the file meanwhile."""

        def tell(change: Callable[[Any], None], value: Any) -> None:
            # A thread that was left behind may outlive Trio.
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(change, value)

        failed = False
        while self._gather(failed):
            failed = not self._write(tell)
        self._finish(tell)

    def _gather(self, failed: bool) -> bool:
        """Wait for something to write; say whether more may come."""
        if failed:
            self._ending.wait(_RETRY_SECONDS)
        else:
            step = self._queue.get()
            if step is None:
                return False
            self._pending += step
            if not self._each_order:
                self._hurry.wait(_GATHER_SECONDS)
        self._hurry.clear()
        return self._take_all()

    def _take_all(self) -> bool:
        """Take what is in the queue; say whether the end has not been asked for."""
        with suppress(queue.Empty):
            while (step := self._queue.get_nowait()) is not None:
                self._pending += step
            return False
        return True

    def _write(self, tell: _Tell) -> bool:
        try:
            self._file.write(self._pending)
        except JournalError as error:
            self._last_error = error
            tell(self._fail, error)
            return False
        seq = self._pending[-1].seq
        self._pending.clear()
        tell(self._succeed, seq)
        return True

    def _finish(self, tell: _Tell) -> None:
        if self._pending:
            self._write(tell)
        try:
            _close(self._file, self._pending, self._last_error)
        except JournalError as error:
            self._problem = error
        self._finished = True

    def _succeed(self, seq: int) -> None:
        super()._succeed(seq)
        self._wake(seq)

    def _fail(self, error: JournalError) -> None:
        super()._fail(error)
        self._wake(_NO_END)

    def _wake(self, seq: int) -> None:
        for waited_for in [number for number in self._waiting if number <= seq]:
            self._waiting.pop(waited_for).set()


def _now(change: Callable[[Any], None], value: Any) -> None:
    change(value)


def _close(file: RecordFile, pending: Sequence[Record], failure: JournalError | None) -> None:
    """Close the file, and say what is missing in it."""
    try:
        file.close()
    except JournalError:
        if not pending:
            raise
    if pending:
        raise JournalError(
            f"{len(pending)} events ({pending[0].seq} to {pending[-1].seq}) are missing in the journal: {failure}"
        ) from failure
