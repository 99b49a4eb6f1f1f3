"""How state follows from events: a projection says, for each type of event, what it does with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from trioarb.model.event import Event, Record

__all__ = ["Fold", "Folds", "Projection"]

#: Changes a projection's state by an event, which is that of the record. It must not record events itself.
Fold = Callable[[Any, Record], None]


class Projection(Protocol):
    """State that is a fold over the journal. ``folds`` says how each event that changes it does so."""

    @property
    def folds(self) -> Mapping[type[Event], Fold]: ...


class Folds(dict[type[Event], tuple[Fold, ...]]):
    """The handlers of several projections by type of event, in the projections' order; a type is looked up once."""

    def __init__(self, projections: Iterable[Projection] = ()) -> None:
        super().__init__()
        self._projections = list(projections)

    def add(self, projections: Iterable[Projection]) -> None:
        self._projections += projections
        self.clear()

    def apply(self, record: Record) -> None:
        """Fold one record into all projections."""
        event = record.event
        for fold in self[type(event)]:
            fold(event, record)

    def __missing__(self, kind: type[Event]) -> tuple[Fold, ...]:
        found = (projection.folds.get(kind) for projection in self._projections)
        folds = self[kind] = tuple(fold for fold in found if fold is not None)
        return folds
