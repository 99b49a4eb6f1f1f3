"""The kit for plugin authors: what `trioarb.testing` promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import trio

from trioarb.api import (
    Answer,
    Feed,
    GuardContext,
    GuardTier,
    GuardTierSpec,
    Listing,
    MarketDataError,
    NoSettings,
    Opportunity,
    QuoteSink,
    Refusal,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    TradingRules,
    TrioarbError,
)
from trioarb.testing import (
    FixedRisk,
    ScriptedRow,
    ScriptedTape,
    listing,
    opportunity,
    plugin_of,
    run_real,
    run_virtual,
    scripted_market,
    two_venues,
    utc_ns,
)

CHEAP, DEAR = (100.0, 50.0, 100.1, 50.0), (102.0, 50.0, 102.1, 50.0)

SMALL = """
[session]
clock = "real"
max_iterations = 20
[universe]
top_n = 2
[exchanges.a]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
[exchanges.b]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
"""


def market(rows_a: Sequence[ScriptedRow], rows_b: Sequence[ScriptedRow], **options: Any) -> dict[str, object]:
    symbols = [listing("BTC"), listing("ETH")]
    tapes = {
        "a": ScriptedTape(rows_a, listings=symbols, **options),
        "b": ScriptedTape(rows_b, listings=symbols, **options),
    }
    return {"market": scripted_market(tapes)}


def test_runs_a_configuration_text_in_virtual_time() -> None:
    result = run_virtual(SMALL)
    assert result.exit_code == 0
    assert result.events[0]["clock"] == "virtual"
    assert result.events[-1] == {**result.events[-1], "type": "campaign_ended", "ended_by": "iterations"}
    assert [event["seq"] for event in result.events] == list(range(1, len(result.events) + 1))


def test_two_runs_are_the_same_and_leave_the_table_as_it_was() -> None:
    table = two_venues("dummy")
    table["session"]["max_runtime_seconds"] = 30
    before = repr(table)
    assert run_virtual(table).events == run_virtual(table).events
    assert repr(table) == before


def test_ends_without_a_limit_too() -> None:
    result = run_virtual(SMALL.replace("max_iterations = 20", "loop_interval_ms = 60_000"))
    first, last = result.events[0], result.events[-1]
    assert last["ended_by"] == "runtime"
    assert last["ts_ns"] - first["ts_ns"] == 3600 * 10**9


def test_overrides_are_laid_over_the_configuration() -> None:
    result = run_virtual(SMALL, overrides=["universe.mode=SINGLE", "universe.symbol=ETHUSDT"])
    assert result.events[0]["symbols"] == ["ETHUSDT"]


def test_a_wrong_configuration_raises() -> None:
    with pytest.raises(TrioarbError, match=r"session\.clokc"):
        run_virtual(SMALL, overrides=["session.clokc=virtual"])


def test_scripted_quotes_are_traded_at_their_times() -> None:
    start_ns = utc_ns("2025-06-30T12:00:00")
    plugins = market([(0, "BTCUSDT", *CHEAP)], [(0, "BTCUSDT", *CHEAP), (1.5, "BTCUSDT", *DEAR)], start_ns=start_ns)
    result = run_virtual(two_venues(), plugins=plugins)
    (decision,) = result.of_type("decided")
    assert (decision["answer"], decision["buy_venue"], decision["sell_venue"]) == ("ALLOW", "a", "b")
    assert decision["ts_ns"] == start_ns + 1_500_000_000
    assert result.events[-1]["ended_by"] == "end_of_data"


def test_scripted_quotes_of_one_time_keep_their_order() -> None:
    rows = [(0.0, "ETHUSDT", *CHEAP), (0.0, "BTCUSDT", *CHEAP)]
    tape = ScriptedTape(rows, listings=[listing("BTC"), listing("ETH")])
    assert [row[:3] for row in tape.rows(["BTCUSDT", "ETHUSDT"], 7)] == [(7, 0, "ETHUSDT"), (7, 1, "BTCUSDT")]


def test_scripted_quotes_that_are_wrong_are_the_engines_to_refuse() -> None:
    wrong = [(0.0, "BTCUSDT", -1.0, 1.0, 1.0, 1.0), (1.0, "BTCUSDT", 2.0, 1.0, 1.0, 1.0)]
    result = run_virtual(two_venues(), plugins=market(wrong, []))
    (counted,) = (event for event in result.of_type("funnel_counted") if event["symbol"] == "BTCUSDT")
    assert (counted["seen"], counted["refused"]) == (2, 2)


def test_scripted_rules_are_the_venues() -> None:
    rules = TradingRules(tick_size=Decimal("0.5"), lot_size=Decimal(2), min_notional=Decimal(10))
    result = run_virtual(two_venues(), plugins=market([(0, "BTCUSDT", *CHEAP)], [], rules=rules))
    assert {event["lot_size"] for event in result.of_type("instrument_listed")} == {"2"}


def test_a_script_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row 0: 'ETHUSDT' is not among the listings \['BTCUSDT'\]"):
        ScriptedTape([(0, "ETHUSDT", *CHEAP)], listings=[listing("BTC")])
    with pytest.raises(ValueError, match="row 1: at 1 s, but the row before it is at 2 s"):
        ScriptedTape([(2, "BTCUSDT", *CHEAP), (1, "BTCUSDT", *CHEAP)], listings=[listing("BTC")])


def test_a_venue_without_a_script() -> None:
    with pytest.raises(MarketDataError, match="nothing is scripted for the venue 'b'"):
        run_virtual(two_venues(), plugins={"market": scripted_market({"a": ScriptedTape([], listings=[])})})


def test_a_real_campaign_lasts_as_long_as_it_is_told() -> None:
    """Its market is a feed, which no virtual clock would let in."""

    class Ticking(Feed):
        async def listings(self) -> Sequence[Listing]:
            return [listing("BTC")]

        async def run(
            self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        ) -> None:
            task_status.started()
            while True:
                sinks["BTCUSDT"](*CHEAP, 0)
                await trio.sleep(0.01)

    result = run_real(two_venues(), seconds=0.2, plugins={"market": scripted_market({"a": Ticking(), "b": Ticking()})})
    assert result.exit_code == 0
    assert result.events[-1]["ended_by"] == "runtime"
    assert Decimal("0.2") <= result.campaign.runtime_seconds < 5
    assert max(event["seen"] for event in result.of_type("funnel_counted")) > 2


def test_plugins_written_in_the_test() -> None:
    class Never(GuardTier):
        def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
            return Refusal(answer=Answer.DENY, rule="never", value="now", limit="later")

    class One(SymbolSource):
        async def listings(self) -> Sequence[Listing]:
            return [listing("BTC")]

    @asynccontextmanager
    async def open_tier(settings: NoSettings, context: GuardContext) -> AsyncIterator[GuardTier]:
        yield Never()

    @asynccontextmanager
    async def open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
        yield One()

    mine = plugin_of(
        GuardTierSpec(name="never", doc="no entries", open=open_tier),
        SymbolSourceSpec(name="one", doc="one symbol", open=open_source),
    )
    table = two_venues()
    table["universe"]["source"] = "one"
    table["guards"]["never"] = {}
    result = run_virtual(table, plugins={"mine": mine, **market([(0, "BTCUSDT", *CHEAP)], [(1, "BTCUSDT", *DEAR)])})
    assert result.events[0]["symbols"] == ["BTCUSDT"]
    assert result.refusals == {"never.never": 1}


def test_builders() -> None:
    assert utc_ns("2025-01-01") == 1_735_689_600_000_000_000
    assert utc_ns("2025-01-01T01:00:00.000001+01:00") == 1_735_689_600_000_001_000
    assert opportunity(quantity=Decimal(2), sell_limit=Decimal(100), buy_limit=Decimal(99)).notional_usd == 200
    assert listing("ETH", "BTC") == Listing(symbol="ETHBTC", base="ETH", quote="BTC")
    risk = FixedRisk(exposure_usd=Decimal(5), open_positions=1)
    assert (risk.exposure_usd("BTCUSDT"), risk.daily_loss_usd(0)) == (Decimal(5), Decimal(0))
    assert risk.open_positions() == 1
