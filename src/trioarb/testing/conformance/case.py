"""Numbered cases: what each takes, when it is passed, and what can come of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Generic, NoReturn, TypeVar

import attrs

__all__ = ["Case", "Cases", "Failed", "NotOffered", "Outcome", "Verdict", "expect", "not_offered"]

TrialT = TypeVar("TrialT")


class Verdict(Enum):
    """What came of a case."""

    PASS = "pass"
    FAIL = "fail"
    NOT_OFFERED = "not offered"
    """The plugin says that it lacks what the case is about, or the stage can't bring it about."""
    BLOCKED = "blocked"
    """A case that it needs has failed."""


class Failed(Exception):
    """What a case expected, and got instead."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}; got {got}")
        self.expected = expected
        self.got = got


class NotOffered(Exception):
    """Why a case can't be tried here."""


def expect(holds: bool, expected: str, got: object) -> None:
    """Go on if it holds.

    Raises:
        Failed: it doesn't.
    """
    if not holds:
        raise Failed(expected, str(got))


def not_offered(why: str) -> NoReturn:
    """End a case that can't be tried here.

    Raises:
        NotOffered: always.
    """
    raise NotOffered(why)


@attrs.frozen(kw_only=True)
class Case(Generic[TrialT]):
    """One thing that a plugin of a kind has to do right.

    ``id`` such as ``EX-07``; ``prerequisites`` in words, '' for none; ``needs`` are the ids of cases without which it
    would say nothing; ``criteria``: when it is passed. ``run`` returns if it is.

    Raises (``run``):
        Failed: it isn't.
        NotOffered: it can't be tried with this plugin, or on this stage.
    """

    id: str
    title: str
    criteria: str
    run: Callable[[TrialT], Awaitable[None]] = attrs.field(repr=False, eq=False)
    needs: tuple[str, ...] = ()
    prerequisites: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.title}"


class Cases(Generic[TrialT]):
    """The cases of a kind of plugins in the making, in the order in which they are run. A decorator adds one."""

    def __init__(self) -> None:
        self._cases: dict[str, Case[TrialT]] = {}

    def __call__(
        self, case_id: str, title: str, *, needs: tuple[str, ...] = (), prerequisites: str = ""
    ) -> Callable[[Callable[[TrialT], Awaitable[None]]], Callable[[TrialT], Awaitable[None]]]:
        """Add the function below; its docstring says when the case is passed.

        Raises:
            ValueError: there is one of this id, or none yet of an id that it needs.
        """
        if case_id in self._cases:
            raise ValueError(f"two cases have the id {case_id}")
        if unknown := [one for one in needs if one not in self._cases]:
            raise ValueError(f"{case_id} needs {', '.join(unknown)}, which stands before it nowhere")

        def add(run: Callable[[TrialT], Awaitable[None]]) -> Callable[[TrialT], Awaitable[None]]:
            criteria = " ".join((inspect.getdoc(run) or title).split())
            self._cases[case_id] = Case(
                id=case_id, title=title, criteria=criteria, run=run, needs=needs, prerequisites=prerequisites
            )
            return run

        return add

    def __iter__(self) -> Any:
        return iter(self._cases.values())


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of one case. ``expected`` and ``got`` of one that failed; ``why`` one was not tried."""

    case: Case[Any]
    verdict: Verdict
    expected: str = ""
    got: str = ""
    why: str = ""
