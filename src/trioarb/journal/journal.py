"""One ordered journal of events; all state is folded from it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from trioarb.journal.fold import Folds, Projection
from trioarb.model.event import Event, Record
from trioarb.settings.redact import Redactor

if TYPE_CHECKING:
    from trioarb.journal.writer import JournalWriter

__all__ = ["Journal", "Reactor", "uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Don't look for garbage meanwhile: a million events make none that is cyclic, and looking takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Reactor(Protocol):
    """Answers events with further events, once all projections have folded them."""

    def react(self, record: Record) -> Iterable[Event]: ...


class Journal:
    """Gives every event its number and time, folds it into the projections, then shows it to the observers.

    All of it happens synchronously: between two awaits, state and journal agree. What something is about to follow
    from has to be `durable` first; without a writer nothing is kept.
    """

    def __init__(self, now_ns: Callable[[], int], redactor: Redactor | None = None) -> None:
        self.seq: int = 0
        self.last_ns: int = 0
        self._now_ns = now_ns
        self._redactor = redactor or Redactor()
        self._writer: JournalWriter | None = None
        self._folds = Folds()
        self._observers: list[Callable[[Record], None]] = []
        self._reactors: list[Reactor] = []

    @property
    def writer(self) -> JournalWriter | None:
        """What writes the events down."""
        return self._writer

    def keep(self, writer: JournalWriter) -> None:
        """Write the events from now on."""
        self._writer = writer

    def attach(
        self,
        *,
        projections: Sequence[Projection] = (),
        observers: Sequence[Callable[[Record], None]] = (),
        reactors: Sequence[Reactor] = (),
    ) -> None:
        """Add who is told of the events from now on; projections are told before observers before reactors."""
        self._folds.add(projections)
        self._observers += observers
        self._reactors += reactors

    def record(self, event: Event) -> Record:
        """Append an event, and whatever the reactors answer to it; return the record of ``event`` itself.

        Raises:
            TypeError: a field holds what can't be written down; nothing was recorded.
        """
        if self._redactor:
            event = self._redactor.fields(event)
        record = Record(self.seq + 1, self._now_ns(), event)
        if self._writer is not None:
            self._writer.append(record)
        self.seq, self.last_ns = record.seq, record.ts_ns
        self._folds.apply(record)
        for observe in self._observers:
            observe(record)
        for reactor in self._reactors:
            for answer in reactor.react(record):
                self.record(answer)
        return record

    def fold(self, records: Iterable[Record]) -> None:
        """Fold what was recorded before, to go on after it. Nothing is written, observed or reacted to."""
        folds = self._folds
        with uncollected():
            for record in records:
                event = record.event
                for fold in folds[type(event)]:
                    fold(event, record)
                self.seq, self.last_ns = record.seq, record.ts_ns

    def begin(self) -> None:
        """Write what was recorded so far, in one piece; from now on each step."""
        if self._writer is not None:
            self._writer.begin()

    def end_step(self) -> None:
        """Write what was recorded, where more is recorded before the next await."""
        if self._writer is not None:
            self._writer.end_step()

    @property
    def is_failing(self) -> bool:
        """Whether what is recorded now can't be relied upon. It is kept, and written once that can be done."""
        return self._writer is not None and self._writer.failure is not None

    def is_durable(self) -> bool:
        """Write what was recorded; say whether it may be relied upon already."""
        return self._writer is None or self._writer.is_durable()

    async def durable(self) -> bool:
        """Write what was recorded, and wait until it may be relied upon; return whether it may.

        No checkpoint where nothing has to be waited for. Cancellation leaves everything as it is.
        """
        return self._writer is None or await self._writer.durable()
