"""An exchange around another one conforms as that does, as long as nothing goes wrong; what goes wrong is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from trioarb.testing.conformance import Report, judge

PAPER = {
    "plugin": "paper",
    "balances": {"USDT": "100000", "BTC": "1000"},
    "tick_size": "0.01",
    "lot_size": "0.001",
    "min_notional": "5",
}


def judged(settings: Mapping[str, Any], *cases: str) -> Report:
    return judge(kind="exchange", name="faulty", settings={**settings, "wraps": PAPER}, cases=cases)


def test_without_faults_it_conforms() -> None:
    report = judged({})
    assert report.conforms, str(report)


def test_orders_that_are_acknowledged_and_told_of_later_are_right() -> None:
    report = judged({"acknowledge": 1}, "EX-11", "EX-15", "EX-20", "EX-27", "EX-43", "EX-50")
    assert report.conforms, str(report)


@pytest.mark.parametrize("fault", ["reject", "lose_ack", "partial", "duplicate_fills"])
def test_what_goes_wrong_fails_a_case(fault: str) -> None:
    assert [one.case.id for one in judged({fault: 1}, "EX-10").failed] == ["EX-10"]
