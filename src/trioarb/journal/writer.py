"""Write what a campaign records to its journal, step by step."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

import trio

from trioarb.errors import JournalError
from trioarb.journal.log import Log
from trioarb.model.event import Record
from trioarb.model.wire import encode

__all__ = ["JournalWriter"]

_WATCH_SECONDS = 1


class JournalWriter(trio.abc.Instrument):
    """Writes each step in one piece: what is recorded between two awaits. Belongs to one Trio thread.

    From `begin` on a step is written when its task awaits, or earlier, before something follows from it. What can't be
    written is kept, and tried again with what follows: until that succeeds nothing new is durable. After a failed sync,
    or once the file is gone, nothing is any more.
    """

    def __init__(self, log: Log, *, last_seq: int, each_order: bool, inline: bool) -> None:
        """``each_order``: what is durable is on the disk; ``inline``: that is waited for in place, for virtual time."""
        self._log = log
        self._each_order = each_order
        self._inline = inline
        self._step: list[bytes] = []
        self._seq = self._written = self._synced = last_seq
        #: Since when the oldest event waits that isn't written yet, or synced.
        self._unwritten_ns = self._unsynced_ns = 0
        self._one = trio.CapacityLimiter(1)
        self._has_begun = False
        self._on_failure: Callable[[JournalError], None] = lambda error: None
        self._copy: Callable[[bytes], None] = lambda lines: None
        #: Why writing failed last, until it succeeds again; and why nothing can be relied upon for ever.
        self._failed: JournalError | None = None
        self._lost: JournalError | None = None
        self._is_told = False

    @property
    def failure(self) -> JournalError | None:
        """Why what is recorded now can't be relied upon."""
        return self._lost or self._failed

    @property
    def head(self) -> str:
        """``SEQ:HASH`` of the last event."""
        return f"{self._seq}:{self._log.head.decode()}"

    @property
    def unwritten(self) -> int:
        """How many events are not written yet."""
        return self._seq - self._written

    @property
    def unwritten_ns(self) -> int:
        """For how long the oldest of them waits."""
        return perf_counter_ns() - self._unwritten_ns if self.unwritten else 0

    @property
    def unsynced(self) -> int | None:
        """How many events may not be on the disk yet; ``None``: nothing waits for that."""
        return self._seq - self._synced if self._each_order else None

    @property
    def unsynced_ns(self) -> int:
        """For how long the oldest of them waits, at most."""
        return perf_counter_ns() - self._unsynced_ns if self.unsynced else 0

    def rely(self, on_failure: Callable[[JournalError], None], copy: Callable[[bytes], None]) -> None:
        """Call ``on_failure`` when writing begins to fail, ``copy`` with the lines of each step; neither may raise."""
        self._on_failure, self._copy = on_failure, copy

    def begin(self) -> None:
        """Write what the campaign starts with, and from now on each step, until `close`."""
        self.end_step()
        self._has_begun = True
        trio.lowlevel.add_instrument(self)

    def abandon(self) -> None:
        """Let others have the file, whatever Trio's thread goes on to write."""
        self._log.abandon()

    def let_go(self) -> None:
        """Close the file, where no campaign runs."""
        self._log.sync()
        self._log.close()

    async def watch(self) -> None:
        """Look once a second whether others still find the file."""
        while True:
            await trio.sleep(_WATCH_SECONDS)
            self._look(self._log.is_in_place())

    def append(self, record: Record) -> None:
        """Take the next record of a step.

        Raises:
            TypeError: it holds what can't be written down; it is not taken.
        """
        if not self._step:
            self._note_begin()
        self._step.append(encode(record))
        self._seq = record.seq

    def _note_begin(self) -> None:
        """Take note of when a step begins, which may be the first that isn't written, or synced."""
        now_ns = perf_counter_ns()
        if self._written == self._seq:
            self._unwritten_ns = now_ns
        if self._synced == self._seq:
            self._unsynced_ns = now_ns

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by Trio."""
        if self._step:
            self.end_step()

    def end_step(self) -> None:
        """Write what was recorded. Never raises."""
        if not self._step:
            return
        step, self._step = self._step, []
        self._copy(self._log.append(step))
        try:
            self._log.write()
        except JournalError as error:
            self._failed = error
        else:
            self._failed, self._written = None, self._seq
        self._look(self._log.is_linked())

    def is_durable(self) -> bool:
        """End the step; say whether what was recorded may be relied upon, without waiting in real time."""
        self.end_step()
        if self._each_order and self._inline:
            self._sync(self._seq)
            self._tell()
        return self.failure is None and (not self._each_order or self._synced >= self._seq)

    async def durable(self) -> bool:
        """Wait until what was recorded may be relied upon; ``False``: it never will, or not now.

        No checkpoint if nothing has to be waited for. Cancellation leaves everything as it is.
        """
        if self.is_durable():
            return True
        seq = self._seq
        if self.failure is None:
            await trio.to_thread.run_sync(self._sync, seq, abandon_on_cancel=True, limiter=self._one)
            self._tell()
        return self.failure is None and self._synced >= seq

    async def close(self) -> None:
        """Write everything, then close the file. Append nothing afterwards. A second call does nothing.

        Raises:
            JournalError: not all of it could be written, and which events are missing; or the file is gone.
        """
        if self._has_begun:
            self._has_begun = False
            trio.lowlevel.remove_instrument(self)
        self.end_step()
        try:
            await self.durable()
            self._look(self._log.is_in_place())
        finally:
            missing = self._log.close()
        if missing:
            events = f"{missing} events ({self._seq - missing + 1} to {self._seq})"
            raise JournalError(f"{events} are missing in the journal: {self._failed}")
        if self._lost is not None:
            raise self._lost

    def _sync(self, seq: int) -> None:
        """Force to the disk what was written, if this event is not there yet. In a thread, if need be."""
        written, now_ns = self._written, perf_counter_ns()
        if self.failure is not None or self._synced >= seq:
            return
        try:
            self._log.sync()
        except JournalError as error:
            self._lost = error
        else:
            # What was written meanwhile came after this began.
            self._synced, self._unsynced_ns = written, now_ns

    def _look(self, is_there: bool) -> None:
        if not is_there and self._lost is None:
            self._lost = JournalError(f"{self._log.path} was removed or replaced while it was written")
        self._tell()

    def _tell(self) -> None:
        failure = self.failure
        if failure is not None and not self._is_told:
            self._on_failure(failure)
        self._is_told = failure is not None
