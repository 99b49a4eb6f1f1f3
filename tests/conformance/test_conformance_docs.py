"""docs/conformance.md has every case, as the kit has it; its examples run."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conformance_reference import PAGE, written

from trioarb.testing.conformance import KINDS, Verdict, judge, kind_named


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


def test_the_stage_of_the_page_is_one() -> None:
    pytest.importorskip("trioarb_sim")
    pytest.importorskip("trioarb_binance")
    (block,) = (
        one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class AcmeStage" in one
    )
    page: dict[str, Any] = {}
    exec(block, page)

    @asynccontextmanager
    async def stage() -> Any:
        async with page["acme"]() as acme:
            acme.settings |= {"api_url": f"{acme.venue.socket_url}/ws-api/v3"}  # acme has but one address
            yield acme

    report = judge(kind="exchange", name="binance", stage=stage, cases=["EX-14", "EX-26", "EX-53"])

    assert report.conforms, str(report)
    assert report.of("EX-53").verdict is Verdict.PASS
    assert report.of("EX-26").why == "the stage can't halt a symbol"
