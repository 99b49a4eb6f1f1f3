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

    Args:
        holds: Whether it does.
        expected: What the case wants, in words.
        got: What there is instead.

    Raises:
        Failed: It doesn't.
    """
    if not holds:
        raise Failed(expected, str(got))


def not_offered(why: str) -> NoReturn:
    """End a case that can't be tried here.

    Args:
        why: What the plugin lacks, or the stage can't do.

    Raises:
        NotOffered: Always.
    """
    raise NotOffered(why)


@attrs.frozen(kw_only=True)
class Case(Generic[TrialT]):
    """One thing that a plugin of a kind has to do right.

    Attributes:
        id: Such as ``EX-07``.
        title: What it is about, in a few words.
        criteria: When it is passed.
        run: Returns if it is; raises `Failed` if it isn't, and `NotOffered` where it can't be tried.
        needs: The ids of cases without which it would say nothing; they stand before it.
        prerequisites: What it takes, in words; '' for nothing.
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

        Args:
            case_id: Such as ``EX-07``.
            title: What it is about, in a few words.
            needs: The ids of cases without which it would say nothing.
            prerequisites: What it takes, in words.

        Raises:
            ValueError: There is one of this id, or none yet of an id that it needs.
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
    """What came of one case.

    Attributes:
        case: The case.
        verdict: What came of it.
        expected: Of one that failed: what was expected.
        got: Of one that failed: what there was instead.
        why: Why one was not tried.
    """

    case: Case[Any]
    verdict: Verdict
    expected: str = ""
    got: str = ""
    why: str = ""
