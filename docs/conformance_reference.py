"""Write the generated part of docs/conformance.md: every case, as the kit has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trioarb.testing.conformance import KINDS, Case, kind_named

PAGE = Path(__file__).with_name("conformance.md")
BEGIN, END = "<!-- cases: written by docs/conformance_reference.py -->", "<!-- end of cases -->"


def cases_of(kind: str) -> Iterator[str]:
    """Yield the lines about the cases of a kind of plugins."""
    yield f"### {kind.capitalize()}"
    yield ""
    yield "| case | needs | passed when |"
    yield "|---|---|---|"
    for case in kind_named(kind).cases:
        yield _row(case)
    yield ""


def _row(case: Case[Any]) -> str:
    needs = ", ".join(case.needs)
    if case.prerequisites:
        needs = "; ".join(filter(None, (needs, case.prerequisites)))
    return f"| **{case.id}** {case.title} | {needs} | {case.criteria} |"


def written(page: str) -> str:
    """Return the page with the cases of today."""
    head, _, rest = page.partition(BEGIN)
    _, _, foot = rest.partition(END)
    lines = [line for kind in KINDS for line in cases_of(kind)]
    return "\n".join([f"{head}{BEGIN}", "", *lines, f"{END}{foot}"])


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
