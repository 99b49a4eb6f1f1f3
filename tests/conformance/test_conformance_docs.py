"""docs/conformance.md has every case, as the kit has it; its examples run."""

from __future__ import annotations

import re

from conformance_reference import PAGE, written

from trioarb.testing.conformance import KINDS, kind_named


def test_the_page_has_every_case() -> None:
    page = PAGE.read_text()
    assert written(page) == page, "run: python docs/conformance_reference.py"


def test_every_case_has_an_id_of_its_kind_and_says_when_it_is_passed() -> None:
    ids = set[str]()
    for kind in KINDS:
        found = kind_named(kind).cases
        assert found
        (prefix,) = {case.id.partition("-")[0] for case in found}
        assert [case.id for case in found] == sorted(case.id for case in found)
        assert not ids & {case.id for case in found}
        ids |= {case.id for case in found}
        for case in found:
            assert re.fullmatch(rf"{prefix}-\d\d", case.id)
            assert case.criteria.endswith("."), case.id
            assert case.criteria != case.title
