"""Quotes that go wrong on purpose: what the engine sees of each fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
import trio
from recompute import check

from trioarb.api import (
    SECOND_NS,
    Feed,
    Levels,
    Listing,
    MarketContext,
    MarketDataError,
    MarketDataSpec,
    QuoteSink,
    Tape,
)
from trioarb.plugin.registry import load_plugins
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues


def quoted(seed: int = 7, **faults: Any) -> CampaignResult:
    """Two dummy markets for two minutes, the quotes of venue a being faulty: 8 a second without a fault."""
    config = two_venues("dummy")
    config["session"] |= {"max_runtime_seconds": 120, "seed": seed}
    config["universe"] |= {"mode": "FIXED_LIST", "whitelist": ["BTCUSDT", "ETHUSDT"]}
    config["execution"] = {"dust_usd": 6}  # more than the least order: a crumb of less is no residual
    if faults:
        config["exchanges"]["a"]["market"] = {"plugin": "faulty", "wraps": {"plugin": "dummy"}} | faults
    result = run_virtual(config)
    check(result.events)
    assert result.exit_code == 0
    return result


def counted(result: CampaignResult, counter: str) -> int:
    return sum(event[counter] for event in result.of_type("funnel_counted") if event["final"])


QUOTES = 960


def test_lost_quotes_are_not_seen() -> None:
    lost = counted(quoted(), "seen") - counted(quoted(drop="0.1"), "seen")

    assert 0.05 * QUOTES < lost < 0.15 * QUOTES


def test_crossed_quotes_are_seen_and_refused() -> None:
    result = quoted(crossed="0.1")

    assert counted(result, "seen") == counted(quoted(), "seen")
    assert 0.05 * QUOTES < counted(result, "refused") < 0.15 * QUOTES


@pytest.mark.parametrize("fault", ["stale", "drop"])
def test_a_venue_without_quotes_is_not_traded_at_and_time_goes_on(fault: str) -> None:
    result = quoted(**{fault: 1})

    assert counted(result, "seen") == counted(quoted(), "seen") - QUOTES
    assert not result.of_type("decided")


def test_an_endless_silence_lasts_as_long_as_the_campaign() -> None:
    """One row in thousands is passed on, without prices: else an endless tape would never come to its next one."""
    config = two_venues("dummy")
    config["session"]["max_runtime_seconds"] = 3_000
    config["universe"] |= {"mode": "SINGLE", "symbol": "BTCUSDT"}
    for venue in config["exchanges"].values():
        venue["market"] = {"plugin": "faulty", "drop": 1, "wraps": venue["market"]}

    result = run_virtual(config)

    assert result.events[-1]["ended_by"] == "runtime"
    assert result.campaign.runtime_seconds == 3_000
    assert 0 < counted(result, "seen") == counted(result, "withdrawn") < 10


def test_silences_have_their_length() -> None:
    lost = counted(quoted(), "seen") - counted(quoted(stale="0.01", stale_seconds=2), "seen")

    # 16 quotes each, of both symbols alike.
    assert 2 * 16 <= lost <= 12 * 16


def test_quotes_that_come_late_are_those_of_before() -> None:
    def decisions(result: CampaignResult) -> list[Mapping[str, Any]]:
        return [{**event, "seq": 0, "ts_ns": 0} for event in result.of_type("decided")]

    config = two_venues("dummy")
    config["session"] |= {"max_runtime_seconds": 60, "max_iterations": 300}
    config["universe"] |= {"mode": "SINGLE", "symbol": "BTCUSDT"}
    late = json.loads(json.dumps(config))
    for venue in late["exchanges"].values():
        venue["market"] = {"plugin": "faulty", "skew_ms": 250, "wraps": venue["market"]}
    on_time, later = run_virtual(config), run_virtual(late)

    assert on_time.of_type("decided")
    assert decisions(later) == decisions(on_time)
    assert [event["ts_ns"] - 250_000_000 for event in later.of_type("decided")] == [
        event["ts_ns"] for event in on_time.of_type("decided")
    ]


def test_a_wrapped_tape_keeps_its_start_and_its_rules() -> None:
    start_ns = 1_700_000_000 * SECOND_NS
    rows = [(float(second), "BTCUSDT", 100.0, 5.0, 101.0, 5.0) for second in range(30)]
    tapes = {venue: ScriptedTape(rows, listings=[listing("BTC")], start_ns=start_ns) for venue in ("a", "b")}
    config = two_venues()
    for venue in config["exchanges"].values():
        venue["market"] = {"plugin": "faulty", "drop": "0.2", "skew_ms": 500, "wraps": {"plugin": "scripted"}}

    result = run_virtual(config, plugins={"market": scripted_market(tapes)})

    assert result.events[0]["ts_ns"] == start_ns
    assert result.campaign.runtime_seconds == Decimal("29.5")
    assert 0 < counted(result, "seen") < 60


class TwoQuotes(Feed):
    """A feed with a quote every second, which breaks after the second one. The first says when the venue made it."""

    async def listings(self) -> Sequence[Listing]:
        return [listing("BTC")]

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        sinks["BTCUSDT"](100.0, 1.0, 101.0, 1.0, 0, 77)
        await trio.sleep(1)
        sinks["BTCUSDT"](101.0, 1.0, 102.0, 1.0, 1)
        await trio.sleep(1)
        raise MarketDataError("broken")


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({}, [(0.0, 100.0, 101.0, 0, 77), (1.0, 101.0, 102.0, 1, None)]),
        ({"skew_ms": Decimal(400)}, [(0.4, 100.0, 101.0, 400_000_000, 77), (1.4, 101.0, 102.0, 400_000_001, None)]),
        ({"drop": Decimal(1)}, []),
        ({"stale": Decimal(1)}, []),
    ],
)
async def test_a_wrapped_feed_stays_a_feed(
    faults: dict[str, Decimal], expected: list[tuple[float, float, float, int, int | None]], autojump_clock: object
) -> None:
    spec = load_plugins().get(MarketDataSpec, "faulty")
    context = MarketContext(venue="a", seed=7, inner=TwoQuotes())
    got: list[tuple[float, float, float, int, int | None]] = []
    begun = trio.current_time()

    def sink(
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
        received_ns: int,
        venue_ts_ns: int | None = None,
        levels: Levels | None = None,
        /,
    ) -> None:
        got.append((round(trio.current_time() - begun, 6), bid, ask, received_ns, venue_ts_ns))

    async with spec.open(spec.settings(**faults), context) as market:
        assert isinstance(market, Feed)
        assert not isinstance(market, Tape)
        assert await market.listings() == [listing("BTC")]
        with pytest.raises(MarketDataError, match="broken"):
            await market.run({"BTCUSDT": sink})

    assert got == expected


async def test_a_crossed_quote_of_a_feed_is_crossed(autojump_clock: object) -> None:
    spec = load_plugins().get(MarketDataSpec, "faulty")
    got = []
    async with spec.open(
        spec.settings(crossed=Decimal(1)), MarketContext(venue="a", seed=7, inner=TwoQuotes())
    ) as market:
        with pytest.raises(MarketDataError):
            await market.run({"BTCUSDT": lambda *quote: got.append(quote)})

    assert [bid > ask for bid, _, ask, *_ in got] == [True, True]
