"""What came of all cases, for people and for programs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from trioarb.testing.conformance.case import Outcome, Verdict

__all__ = ["Report"]


@attrs.frozen(kw_only=True)
class Report:
    """The outcomes of a plugin's cases.

    Attributes:
        kind: The plugin's kind.
        plugin: Its name.
        outcomes: What came of each case that was asked for, in order.
    """

    kind: str
    plugin: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of the cases that failed, in order."""
        return tuple(one for one in self.outcomes if one.verdict is Verdict.FAIL)

    @property
    def conforms(self) -> bool:
        """Whether no case has failed. What isn't offered is no failure."""
        return not self.failed

    def of(self, case_id: str) -> Outcome:
        """Return what came of one case.

        Args:
            case_id: Its id.

        Raises:
            KeyError: It was not among them.
        """
        for one in self.outcomes:
            if one.case.id == case_id:
                return one
        raise KeyError(case_id)

    def counted(self) -> str:
        """Return how many cases came to what, such as ``31 pass, 2 fail``."""
        counts = Counter(one.verdict for one in self.outcomes)
        return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])

    def lines(self, *, all_cases: bool = True, width: int = 0) -> Iterator[str]:
        """Yield a line for each case, and below it what was expected and got, or why it was not tried.

        Args:
            all_cases: Without it only those that failed are shown, and the ids of those that therefore could not be
                tried.
            width: No line is longer, where a word allows it; 0 for lines as long as they are.
        """
        shown = [one for one in self.outcomes if all_cases or one.verdict is Verdict.FAIL]
        titles = max((len(one.case.title) for one in shown), default=0)
        for one in shown:
            yield f"{one.case.id}  {one.case.title:<{titles}}  {one.verdict.value}".rstrip()
            if one.verdict is Verdict.FAIL:
                yield from _wrapped("       expected ", one.expected, width)
                yield from _wrapped("       got      ", one.got, width)
            elif one.why:
                yield from _wrapped("       ", one.why, width)
        if not all_cases and (blocked := [one.case.id for one in self.outcomes if one.verdict is Verdict.BLOCKED]):
            yield f"blocked by these: {', '.join(blocked)}"

    def to_json_object(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.kind,
            "plugin": self.plugin,
            "conforms": self.conforms,
            "cases": [
                {
                    "id": one.case.id,
                    "title": one.case.title,
                    "outcome": one.verdict.value,
                    **({"expected": one.expected, "got": one.got} if one.verdict is Verdict.FAIL else {}),
                    **({"why": one.why} if one.why else {}),
                }
                for one in self.outcomes
            ],
        }

    def __str__(self) -> str:
        return "\n".join([f"{self.kind} {self.plugin}: {self.counted()}", *self.lines(all_cases=False)])


def _wrapped(before: str, said: str, width: int) -> Iterator[str]:
    """Yield what is said behind a word, in lines that are no wider; paths and numbers stay whole."""
    lines = [said]
    if width:
        lines = textwrap.wrap(said, width - len(before), break_long_words=False, break_on_hyphens=False) or [""]
    yield before + lines[0]
    yield from (" " * len(before) + line for line in lines[1:])
