"""How state follows from events: a projection says, for each type of event, what it does with one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, get_args, get_type_hints

from trioarb.model.event import Event, Record

__all__ = ["Fold", "Folding", "Folds", "Projection"]

#: Changes a projection's state by an event, which is that of the record. It must not record events itself.
Fold = Callable[[Any, Record], None]


class Projection(Protocol):
    """State that is a fold over the journal. ``folds`` says how each event that changes it does so."""

    @property
    def folds(self) -> Mapping[type[Event], Fold]: ...


class Folding:
    """A projection that folds events by its methods' annotations, so that none of them can be forgotten in a list.

    A method that takes an event and its record, and nothing else, folds the events of the type, or of the types, that
    its first parameter is annotated with.
    """

    _folding: ClassVar[Mapping[type[Event], str]]

    def __init_subclass__(cls) -> None:
        cls._folding = _folding(cls)

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        return {kind: getattr(self, name) for kind, name in self._folding.items()}


def _folding(cls: type[Folding]) -> Mapping[type[Event], str]:
    """Return the names of the methods that fold, by type of event.

    Raises:
        TypeError: two of them fold the same.
    """
    found: dict[type[Event], str] = {}
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        annotations = method.__annotations__
        if len(annotations) != 3 or list(annotations.values())[1] != "Record":
            continue
        hint = next(iter(get_type_hints(method).values()))
        for kind in get_args(hint) or [hint]:
            if isinstance(kind, type) and issubclass(kind, Event):
                if kind in found:
                    raise TypeError(f"{cls.__name__} folds {kind.__name__} by {found[kind]} and by {name}")
                found[kind] = name
    return found


class Folds(dict[type[Event], tuple[Fold, ...]]):
    """The handlers of several projections by type of event, in the projections' order; a type is looked up once."""

    def __init__(self, projections: Iterable[Projection] = ()) -> None:
        super().__init__()
        self._projections = list(projections)

    def add(self, projections: Iterable[Projection]) -> None:
        self._projections += projections
        self.clear()

    def remove(self, projection: Projection) -> None:
        self._projections.remove(projection)
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
