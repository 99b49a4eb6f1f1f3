"""Upbit's exchange conforms, on the simulated venue, which knows nothing of this plugin."""

from __future__ import annotations

import pytest

from trioarb.testing.conformance import Verdict, judge, kind_named

stage = pytest.importorskip("trioarb_sim.stage", reason="trioarb-sim is not installed")

#: Those in which something is waited for, in real time.
SLOW = {"EX-04", "EX-05", "EX-52", "EX-60", "EX-61", "EX-62", "EX-70", "EX-71"}
NOT_OFFERED = {"EX-35", "EX-31", "EX-80", "EX-81", "EX-82", "EX-90", "EX-91", "EX-92"}


def test_it_conforms() -> None:
    cases = [case.id for case in kind_named("exchange").cases if case.id not in SLOW]

    report = judge(kind="exchange", name="upbit", stage=stage.upbit, cases=cases)

    assert report.conforms, str(report)
    assert {one.case.id for one in report.outcomes if one.verdict is not Verdict.PASS} == NOT_OFFERED


@pytest.mark.long
def test_it_conforms_where_it_takes_a_while() -> None:
    report = judge(kind="exchange", name="upbit", stage=stage.upbit, cases=sorted(SLOW))

    assert report.conforms, str(report)
    assert not [one for one in report.outcomes if one.verdict is not Verdict.PASS]
