"""What a plugin can do wrong at the border, in each way at each method, fails a case of the kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from misbehaviour import CASES, Case, plugin
from troubled import SETTINGS

from trioarb.api import Exchange, Feed, GuardTier, Strategy, SymbolSource, Tape
from trioarb.testing.conformance import Report, judge

CONTRACTS = {**SETTINGS, "account": "perpetual", "inventory_usd_per_symbol": 0}
#: By contract: the kind, and settings with which all of it is tried.
JUDGED: Mapping[type[Any], tuple[str, Mapping[str, Any]]] = {
    Exchange: ("exchange", SETTINGS),
    GuardTier: ("guard tier", {}),
    Strategy: ("strategy", {}),
    SymbolSource: ("symbol source", {}),
    Tape: ("market data", {}),
    Feed: ("market data", {}),
}
#: Ahead of the campaigns' time there, which is of 2001, and not of the kit's.
NO_MISBEHAVIOUR = {"Feed.run: received_ns is an hour ahead"}
OF_CONTRACTS = {"positions", "charges", "liquidations"}


def judged(case: Case | None, contract: type[Any]) -> Report:
    kind, settings = JUDGED[contract]
    if case is not None and case.method in OF_CONTRACTS:
        settings = CONTRACTS
    return judge(kind=kind, name="odd", settings=settings, plugins={"odd": plugin(case)}, until_one_fails=True)


def of_each_method() -> list[Any]:
    """Return all; of each method one is tried always, the others in a long run."""
    seen: set[tuple[type[Any], str]] = set()
    found = []
    for case in CASES:
        if case.name not in NO_MISBEHAVIOUR:
            place = case.contract, case.method
            found.append(pytest.param(case, marks=[pytest.mark.long] if place in seen else [], id=case.name))
            seen.add(place)
    return found


@pytest.mark.parametrize("contract", JUDGED, ids=lambda contract: contract.__name__)
def test_without_a_misbehaviour_it_conforms(contract: type[Any]) -> None:
    right = Case(Feed, "run", "", "as it should") if contract is Feed else None  # else there is a tape
    report = judged(right, contract)
    assert report.conforms, str(report)


@pytest.mark.parametrize("case", of_each_method())
def test_a_misbehaviour_fails_a_case(case: Case) -> None:
    report = judged(case, case.contract)
    assert not report.conforms, report.counted()
    assert report.failed[0].got
