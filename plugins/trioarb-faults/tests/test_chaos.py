"""The ready campaign ``configs/chaos.toml``: it meets every fault, and its books balance."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
import tomli
from recompute import check

from trioarb.testing import CampaignResult, run_virtual
from trioarb_faults.fault import Fault

CHAOS = Path(__file__).parents[3] / "configs" / "chaos.toml"


def counted(result: CampaignResult, counter: str) -> int:
    return sum(event[counter] for event in result.of_type("funnel_counted") if event["final"])


#: How each fault shows in the events of the ready campaign.
SEEN: Mapping[Fault, Callable[[CampaignResult], int]] = {
    Fault.DELAY: lambda result: _acknowledged_late(result),
    Fault.REJECT: lambda result: _reasons(result, "order_rejected", "refused by a fault"),
    Fault.PARTIAL: lambda result: len(result.of_type("order_cancelled")),
    Fault.LOSE_ACK: lambda result: _reasons(result, "order_unknown", "the answer was lost"),
    Fault.LOSE_ORDER: lambda result: _reasons(result, "order_unknown", "no answer within"),
    Fault.DUPLICATE_FILLS: lambda result: _reasons(result, "order_unknown", "one fill twice"),
    Fault.REORDER_FILLS: lambda result: _reordered(result),
    Fault.RATE_LIMIT: lambda result: _reasons(result, "order_rejected", "429 too many requests"),
    Fault.DISCONNECT: lambda result: _reasons(result, "order_unknown", "not connected"),
    Fault.CLOCK_SKEW: lambda result: _reasons(result, "order_rejected", "outside of the receive window"),
    Fault.ACKNOWLEDGE: lambda result: _answered_later(result),
    Fault.EARLY_DONE: lambda result: _filled_late(result),
    Fault.LATE_FILL: lambda result: len(result.of_type("order_reopened")),
    Fault.REPLAY_UPDATES: lambda result: _answered_later(result),  # what is told again changes nothing
    Fault.CUT_STREAM: lambda result: _reasons(result, "updates_down", "the stream of updates was cut"),
}


def _reasons(result: CampaignResult, kind: str, text: str) -> int:
    return sum(text in event["reason"] for event in result.of_type(kind))


def _acknowledged_late(result: CampaignResult) -> int:
    sent = {event["client_order_id"]: event["ts_ns"] for event in result.of_type("order_submitted")}
    unknown = {event["client_order_id"] for event in result.of_type("order_unknown")}
    answered = [event for event in result.of_type("order_acknowledged") if event["client_order_id"] not in unknown]
    return sum(event["ts_ns"] - sent[event["client_order_id"]] > 100_000_000 for event in answered)


def _reordered(result: CampaignResult) -> int:
    fills = result.of_type("order_filled")
    return sum(
        first["fill_id"].endswith("-1-2") and second["fill_id"].endswith("-1-1")
        for first, second in itertools.pairwise(fills)
    )


def _answered_later(result: CampaignResult) -> int:
    """Count acknowledgements that no fill and no last word followed at once."""
    events = [event for event in result.events if "client_order_id" in event]
    return sum(
        first["type"] == "order_acknowledged" and first["client_order_id"] != second["client_order_id"]
        for first, second in itertools.pairwise(events)
    )


def _filled_late(result: CampaignResult) -> int:
    """Count fills that came long after the acknowledgement, though no answer was missing."""
    acknowledged = {event["client_order_id"]: event["ts_ns"] for event in result.of_type("order_acknowledged")}
    fills = result.of_type("order_filled")
    return sum(event["ts_ns"] - acknowledged[event["client_order_id"]] > 50_000_000 for event in fills)


@pytest.fixture(scope="module")
def chaos() -> CampaignResult:
    return run_virtual(CHAOS.read_text())


@pytest.mark.parametrize("fault", SEEN, ids=lambda fault: fault.value)
def test_the_ready_campaign_meets_every_fault_of_venues(chaos: CampaignResult, fault: Fault) -> None:
    assert SEEN[fault](chaos) >= 3


def test_the_ready_campaign_meets_every_fault_of_market_data(chaos: CampaignResult) -> None:
    quotes = 2 * 5 * 4 * 1800

    assert counted(chaos, "refused") > 0.003 * quotes
    assert 0.9 * quotes < counted(chaos, "seen") < 0.98 * quotes
    assert counted(chaos, "fresh") < 0.99 * counted(chaos, "evaluated")


def test_the_ready_campaign_ends_well_and_its_books_balance(chaos: CampaignResult) -> None:
    limits = tomli.loads(CHAOS.read_text(), parse_float=Decimal)["guards"]
    check(chaos.events, limits=limits | {"max_concurrent_pairs": 10})

    assert chaos.exit_code in (0, 3)
    assert chaos.warnings == ()
    assert len(chaos.of_type("position_closed")) > 100


def test_chaos_is_the_same_in_every_process(tmp_path: Path) -> None:
    def events(hash_seed: int) -> bytes:
        folder = tmp_path / str(hash_seed)
        folder.mkdir()
        command = [sys.executable, "-m", "trioarb", "run", str(CHAOS), "--events", "events.jsonl", "--runtime", "300"]
        environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
        ran = subprocess.run(command, capture_output=True, env=environment, cwd=folder, timeout=60, check=False)
        assert ran.returncode in (0, 3), ran.stderr.decode()
        return (folder / "events.jsonl").read_bytes()

    first, second = events(1), events(2)

    assert first.count(b'"order_unknown"') > 10
    assert second == first
