"""Markouts: where the market stood after fills, at the very moments, and what that comes to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from trioarb.cli.running import report_of
from trioarb.journal.fold import Folds
from trioarb.model.event import FillsMarkedOut, Record
from trioarb.model.wire import decode
from trioarb.report.markouts import markouts
from trioarb.report.rows import Rows
from trioarb.report.summary import summarise
from trioarb.testing import CampaignResult, ScriptedRow, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

SPREAD = (Path(__file__).parents[2] / "configs" / "spread.toml").read_text(encoding="utf-8")
START = 1.0


def rows(venue: str, until: float) -> Iterator[ScriptedRow]:
    """A gap that opens once; and prices that go on by a cent each quarter of a second, up at a and down at b."""
    for tick in range(int(until * 4)):
        at = START + tick / 4
        mid = 100 + tick / 100 if venue == "a" else (101.5 if tick < 4 else 100) - tick / 100
        yield at, "BTCUSDT", mid - 0.05, 9.0, mid + 0.05, 9.0


def run(until: float = 90, **engine: Any) -> CampaignResult:
    table = two_venues()
    table["engine"] = {"markouts": True, **engine}
    table["strategy"] = {"entry_bps": 20, "exit_bps": 2000, "order_size_usd": 400, "max_holding_seconds": 1000}
    table["guards"] |= {"symbol": {"cooldown_seconds": 1_000}}
    table["session"] |= {"close_positions_at_end": False}
    for venue in table["exchanges"].values():
        venue |= {"latency_ms": 50, "tick_size": "0.01", "lot_size": "0.01"}
    tapes = {venue: ScriptedTape(list(rows(venue, until)), listings=[listing("BTC")]) for venue in "ab"}
    return run_virtual(table, plugins={"market": scripted_market(tapes)})


def records(result: CampaignResult) -> list[Record]:
    return [decode(json.dumps(event).encode()) for event in result.events]


def marked(result: CampaignResult) -> list[tuple[int, FillsMarkedOut]]:
    return [(one.ts_ns, one.event) for one in records(result) if isinstance(one.event, FillsMarkedOut)]


def mid(venue: str, at_seconds: float, until: float) -> Decimal:
    """Return what the venue's last quote until then had in its middle."""
    _, _, bid, _, ask, _ = [row for row in rows(venue, until) if row[0] <= at_seconds + 1e-9][-1]
    return (Decimal(repr(bid)) + Decimal(repr(ask))) / 2


def test_the_market_is_looked_at_after_one_ten_and_sixty_seconds() -> None:
    result = run()
    found = marked(result)

    begun_ns = result.events[0]["ts_ns"]
    assert {event.venue for _, event in found} == {"a", "b"}
    for ts_ns, event in found:
        assert ts_ns == event.filled_ns + 60 * 10**9
        for seconds, seen in ((1, event.mid_1s), (10, event.mid_10s), (60, event.mid_60s)):
            assert seen == mid(event.venue, (event.filled_ns - begun_ns) / 1e9 + seconds, 90)


def test_it_is_what_was_filled_then_and_above_zero_is_good_for_us() -> None:
    result = run()
    fills = defaultdict[tuple[str, int], Decimal](Decimal)
    for event in result.of_type("order_filled"):
        fills[event["client_order_id"], event["ts_ns"]] += Decimal(event["quantity"]) * Decimal(event["price"])

    assert {(e.client_order_id, e.filled_ns): e.value for _, e in marked(result)} == fills
    bought, sold = (markouts(result.campaign.state) or [])[:2]
    assert (bought["venue"], bought["side"].value, sold["venue"], sold["side"].value) == ("a", "buy", "b", "sell")
    # Bought before it rose, and sold before it fell.
    for one in (bought, sold):
        gains = [one["after"][after]["gain_usd"] for after in ("1s", "10s", "60s")]
        assert gains == sorted(gains)
        assert gains[-1] > 0
        assert one["after"]["60s"]["bps"] > 200


def test_by_default_nobody_looks() -> None:
    result = run(markouts=False)

    assert not marked(result)
    assert markouts(result.campaign.state) is None


def test_what_still_waits_at_the_end_is_recorded_as_it_is() -> None:
    found = marked(run(until=20))

    assert len(found) == 2
    for _, event in found:
        assert event.mid_1s is not None
        assert event.mid_10s is not None
        assert event.mid_60s is None


def test_fills_that_nobody_could_look_after_are_not_marked_out() -> None:
    assert not marked(run(until=0.5))


def test_whole_campaigns_are_marked_out_the_same_way_each_time_and_go_on_as_they_would_have() -> None:
    overrides = ["session.max_runtime_seconds=200", "session.max_iterations=1000000"]
    first, again, without = (
        run_virtual(SPREAD, overrides=[f"engine.markouts={on}", *overrides]) for on in ("true", "true", "false")
    )

    assert [one for one in first.events if one["type"] == "fills_marked_out"]
    assert told(first) == told(again)
    assert told(first, "fills_marked_out") == told(without)


def told(result: CampaignResult, *left_out: str) -> list[dict[str, Any]]:
    """Return the events without their numbers, ids and the configuration's digest."""
    digits = {"seq", "campaign_id", "config_digest", "client_order_id", "decision_seq", "fill_id"}
    return [
        {name: value for name, value in event.items() if name not in digits}
        for event in result.events
        if event["type"] not in left_out
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"value": Decimal(1)},
        {"mid_60s": Decimal(-1)},
        {"filled_ns": 1},
        {"venue": "c"},
        {"quantity": Decimal(77)},
    ],
)
def test_a_markout_that_contradicts_its_fills_is_found(change: dict[str, Any]) -> None:
    sound, spoilt = records(run()), []
    for record in sound:
        event = replace(record.event, **change) if isinstance(record.event, FillsMarkedOut) else record.event
        spoilt.append(record._replace(event=event))

    assert not violations(sound)
    assert any("mark" in one or "mid" in one for one in violations(spoilt))


def violations(of: list[Record]) -> list[str]:
    verifier = Verifier()
    verifier.fold(of)
    return [one.what for one in verifier.result().violations]


def test_summary_and_export_have_them() -> None:
    result = run()
    rows: list[Any] = []
    made = Rows(lambda table, row: rows.append(row) if table == "markouts" else None)
    folds = Folds(made.projections)
    for record in records(result):
        folds.apply(record)

    for row, (_, event) in zip(rows, marked(result), strict=True):
        gain = event.quantity * (event.mid_60s or Decimal(0)) - event.value
        sign = 1 if event.side.value == "buy" else -1
        assert row["bps_60s"] == round(sign * gain / event.value * 10_000, 4)
        assert row["filled"] == event.filled_ns
    told = summarise(report_of(result.campaign))["markouts"]
    assert [one["after"]["1s"]["fills"] for one in told] == [1, 1]


def test_fills_of_orders_that_rested_are_told_from_those_that_took() -> None:
    text = (Path(__file__).parents[2] / "configs" / "maker_taker.toml").read_text(encoding="utf-8")
    result = run_virtual(text, overrides=["engine.markouts=true", "session.max_runtime_seconds=120"])

    resting = {one["client_order_id"] for one in result.of_type("order_submitted") if one.get("time_in_force") == "gtc"}
    found = [event for _, event in marked(result)]
    assert found
    for event in found:
        assert event.rests == (event.client_order_id in resting)
    assert {one["rests"] for one in markouts(result.campaign.state) or []} == {True, False}
