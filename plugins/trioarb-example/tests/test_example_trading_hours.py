"""The guard tier ``trading-hours``: when it refuses, and a whole campaign with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trioarb.api import Answer, TrioarbError
from trioarb.testing import ScriptedTape, listing, opportunity, run_virtual, scripted_market, two_venues, utc_ns

trading_hours = pytest.importorskip("trioarb_example.trading_hours", reason="trioarb-example is not installed")

PACKAGE = Path(__file__).parent.parent


def tier(from_hour: int, to_hour: int) -> Any:
    return trading_hours.TradingHours(trading_hours.TradingHoursSettings(from_hour=from_hour, to_hour=to_hour))


@pytest.mark.parametrize(
    ("from_hour", "to_hour", "closed"),
    [
        (9, 17, set(range(9, 17))),
        (22, 6, {22, 23, 0, 1, 2, 3, 4, 5}),
        (0, 24, set(range(24))),
        (22, 24, {22, 23}),
        (22, 0, {22, 23}),
        (24, 6, {0, 1, 2, 3, 4, 5}),
        (7, 7, set()),
        (24, 0, set()),
    ],
)
def test_hours_that_are_closed(from_hour: int, to_hour: int, closed: set[int]) -> None:
    guard = tier(from_hour, to_hour)
    times = {hour: utc_ns(f"2025-03-31T{hour:02}:30:00") for hour in range(24)}
    assert {hour for hour, at_ns in times.items() if guard.check(opportunity(), at_ns)} == closed


def test_closes_and_opens_to_the_nanosecond() -> None:
    guard = tier(9, 17)
    start, end = utc_ns("2025-03-31T09:00:00"), utc_ns("2025-03-31T17:00:00")
    assert guard.check(opportunity(), start - 1) is None
    assert guard.check(opportunity(), start) is not None
    assert guard.check(opportunity(), end - 1) is not None
    assert guard.check(opportunity(), end) is None


def test_says_the_time_and_what_is_allowed() -> None:
    refusal = tier(22, 6).check(opportunity(), utc_ns("2025-03-31T23:04:05"))
    assert refusal.answer is Answer.DENY
    assert (refusal.rule, refusal.value, refusal.limit) == ("closed_hours", "23:04:05 UTC", "not 22:00-06:00 UTC")


def test_the_example_config_trades_until_the_hours_are_closed() -> None:
    result = run_virtual(
        (PACKAGE / "example.toml").read_text(), overrides=[f"universe.settings.path={PACKAGE / 'symbols.csv'}"]
    )
    closed_ns = utc_ns("2025-01-01T01:00:00")
    decided = result.of_type("decided")
    assert result.exit_code == 0
    assert result.events[0]["symbols"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert result.refusals["hours.closed_hours"] > 0
    assert any(one["answer"] == "ALLOW" for one in decided)
    assert all(one["ts_ns"] < closed_ns for one in decided if one["answer"] == "ALLOW")
    refused = [one for one in decided if one.get("tier") == "hours"]
    assert {one["answer"] for one in refused} == {"DENY"}
    assert {one["rule"] for one in refused} == {"closed_hours"}
    assert all(one["ts_ns"] >= closed_ns for one in refused)


def test_a_position_is_closed_in_closed_hours() -> None:
    """The gap opens before 22:00 and reverts after it; a second one, in closed hours, is not entered."""
    dear, fair = (102.0, 100.0, 102.1, 100.0), (100.0, 100.0, 100.1, 100.0)
    start_ns, symbols = utc_ns("2025-03-31T21:59:50"), [listing("BTC")]
    venue_a = ScriptedTape([(at, "BTCUSDT", *fair) for at in (0, 5, 20, 70)], listings=symbols, start_ns=start_ns)
    gaps = [(0, fair), (5, dear), (20, fair), (70, dear)]
    venue_b = ScriptedTape([(at, "BTCUSDT", *row) for at, row in gaps], listings=symbols, start_ns=start_ns)
    table = two_venues()
    table["strategy"]["exit_bps"] = -20
    table["guards"]["hours"] = {"plugin": "trading-hours", "from_hour": 22, "to_hour": 6}

    result = run_virtual(table, plugins={"market": scripted_market({"a": venue_a, "b": venue_b})})

    assert result.exit_code == 0
    closed_ns = utc_ns("2025-03-31T22:00:00")
    (opened,), (closed,) = result.of_type("position_opened"), result.of_type("position_closed")
    assert opened["ts_ns"] < closed_ns < closed["ts_ns"]
    assert closed["reason"] == "edge"
    assert result.refusals == {"hours.closed_hours": 1}


def test_warns_of_hours_that_make_no_sense() -> None:
    for from_hour, to_hour, said in ((0, 24, "every hour is closed"), (7, 7, "no hour is closed")):
        table = two_venues("dummy")
        table["session"]["max_iterations"] = 1
        table["guards"]["hours"] = {"plugin": "trading-hours", "from_hour": from_hour, "to_hour": to_hour}
        assert any(f"guards.hours: {said}" in warning for warning in run_virtual(table).warnings)


@pytest.mark.parametrize("hours", [{}, {"from_hour": 22, "to_hour": 25}, {"from_hour": "ten", "to_hour": 6}])
def test_wrong_settings_are_refused_with_the_key(hours: dict[str, Any]) -> None:
    table = two_venues("dummy")
    table["guards"]["hours"] = {"plugin": "trading-hours", **hours}
    with pytest.raises(TrioarbError, match=r"guards\.hours\.(from|to)_hour"):
        run_virtual(table)
