"""Market data and sources of real venues conform, on the simulated ones, which know nothing of these plugins."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from trioarb.testing.conformance import Verdict, judge, kind_named
from trioarb_sim import stage

PACKAGES = {
    "binance": "trioarb_binance",
    "binance_usdm": "trioarb_binance",
    "upbit": "trioarb_upbit",
    "bithumb": "trioarb_bithumb",
}
VENUES = [
    pytest.param(venue, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"))
    for venue, package in PACKAGES.items()
]
#: Those in which something is waited for, in real time.
SLOW = {"MD-03", "MD-30", "MD-31", "MD-34"}
#: It waits for nothing while it is asked; and it is no tape.
NOT_OFFERED = {"MD-07"} | {f"MD-{number}" for number in range(10, 16)}


@pytest.mark.parametrize("venue", VENUES[::2])
def test_market_data_conforms(venue: str) -> None:
    cases = [case.id for case in kind_named("market data").cases if case.id not in SLOW]

    report = judge(kind="market data", name=venue, stage=getattr(stage, f"{venue}_market"), cases=cases)

    assert report.conforms, str(report)
    assert {one.case.id for one in report.outcomes if one.verdict is not Verdict.PASS} == NOT_OFFERED


@pytest.mark.long
@pytest.mark.parametrize("venue", VENUES)
def test_all_of_it_conforms(venue: str) -> None:
    report = judge(kind="symbol source", name=venue, stage=getattr(stage, f"{venue}_market"))
    assert report.conforms, str(report)

    report = judge(kind="market data", name=venue, stage=getattr(stage, f"{venue}_market"))

    assert report.conforms, str(report)
    assert {one.case.id for one in report.outcomes if one.verdict is not Verdict.PASS} == NOT_OFFERED


@pytest.mark.parametrize("venue", VENUES[::2])
def test_sources_conform(venue: str) -> None:
    report = judge(kind="symbol source", name=venue, stage=getattr(stage, f"{venue}_market"))
    assert {one.verdict for one in report.outcomes} == {Verdict.PASS}, list(report.lines())
