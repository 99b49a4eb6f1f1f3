"""One ordered journal of events; all state is folded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from trioarb.model.event import Event, Record

__all__ = ["Journal", "Projection", "Reactor"]


class Projection(Protocol):
    """State that is a fold over the journal."""

    def apply(self, record: Record) -> None:
        """Fold one event. Must not record events itself."""


class Reactor(Protocol):
    """Answers events with further events, once all projections have folded them."""

    def react(self, record: Record) -> Iterable[Event]: ...


class Journal:
    """Gives every event its number and time, folds it into the projections, then shows it to the observers.

    All of it happens synchronously: between two awaits, state and journal agree.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._seq = 0
        self._projections: list[Projection] = []
        self._observers: list[Callable[[Record], None]] = []
        self._reactors: list[Reactor] = []

    def attach(
        self,
        *,
        projections: Sequence[Projection] = (),
        observers: Sequence[Callable[[Record], None]] = (),
        reactors: Sequence[Reactor] = (),
    ) -> None:
        """Add who is told of the events from now on; projections are told before observers before reactors."""
        self._projections += projections
        self._observers += observers
        self._reactors += reactors

    def record(self, event: Event) -> Record:
        """Append an event, and whatever the reactors answer to it; return the record of ``event`` itself."""
        self._seq += 1
        record = Record(self._seq, self._now_ns(), event)
        for projection in self._projections:
            projection.apply(record)
        for observe in self._observers:
            observe(record)
        for reactor in self._reactors:
            for answer in reactor.react(record):
                self.record(answer)
        return record
