"""Rules of instruments: tables of price steps, least sizes, halts, and what changes while a campaign runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trioarb.api import (
    SECOND_NS,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    Instrument,
    InstrumentStatus,
    Record,
    TickRange,
    TradingRules,
    event,
)
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings
from trioarb.errors import ConfigError
from trioarb.testing import CampaignResult, ScriptedTape, listing, plugin_of, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

SECONDS = 60
#: Upbit's, in small.
TICKS = (
    TickRange(at_least=Decimal(0), below=Decimal(1), step=Decimal("0.001")),
    TickRange(at_least=Decimal(1), below=Decimal(100), step=Decimal("0.01")),
    TickRange(at_least=Decimal(100), step=Decimal("0.5")),
)


@given(st.decimals("0.001", "1000", places=6, allow_nan=False))
def test_prices_are_rounded_to_the_step_of_their_own_range(price: Decimal) -> None:
    rules = TradingRules(ticks=TICKS)
    low, high = rules.floor_price(price), rules.ceil_price(price)

    assert low <= price <= high
    assert not low or rules.has_price(low)
    assert rules.has_price(high)
    step = Decimal("0.001") if price < 1 else Decimal("0.01") if price < 100 else Decimal("0.5")
    assert price - low < step
    assert high - price < step


def test_rules_that_are_absent_are_none() -> None:
    rules = TradingRules()

    assert rules.has_price(Decimal("0.123456789"))
    assert rules.has_quantity(Decimal("0.123456789"))
    assert rules.takes(Decimal("1e-9"), Decimal(1))
    assert rules.floor_price(Decimal("0.123456789")) == Decimal("0.123456789")
    small = TradingRules(min_quantity=Decimal(3), lot_size=Decimal(2))
    assert not small.takes(Decimal(2), Decimal(1000))
    assert small.least(Decimal(1000)) == 4


@pytest.mark.parametrize(
    ("ticks", "said"),
    [
        ([{"at_least": 1, "step": 1}], "no step for prices below 1"),
        ([{"at_least": 0, "below": 1, "step": "0.1"}, {"at_least": 2, "step": 1}], "no step for prices from 1 to 2"),
        ([{"at_least": 0, "below": 3, "step": "0.1"}, {"at_least": 2, "step": 1}], "two steps for prices from 2 on"),
        ([{"at_least": 0, "below": 3, "step": "0.1"}], "no step for prices from 3 on"),
        ([{"at_least": 0, "below": "0.5", "step": "0.1"}, {"at_least": "0.5", "step": "0.2"}], "is no multiple of"),
    ],
)
def test_a_table_of_steps_with_a_hole_is_an_error(ticks: list[dict[str, Any]], said: str) -> None:
    config = two_venues("dummy")
    config["exchanges"]["a"]["instruments"] = {"BTCUSDT": {"ticks": ticks}}

    with pytest.raises(ConfigError, match=r"exchanges\.a\.instruments\.BTCUSDT: ticks: .*" + said):
        run_virtual(config)


def tape(venue: str) -> ScriptedTape:
    """Every ten seconds an edge of 30 bps from a to b opens, and five seconds later it has closed again."""
    rows = []
    for second in range(SECONDS):
        bid = 100.3 if venue == "b" and second % 10 < 5 else 100.0
        rows.append((float(second), "AAAUSDT", bid, 50.0, bid + 0.01, 50.0))
    return ScriptedTape(rows, listings=[listing("AAA")])


def venue(*changes: tuple[float, dict[str, Any]]) -> object:
    """Return a paper exchange whose venue b says at these seconds that its instrument has changed."""

    @asynccontextmanager
    async def opened(settings: PaperSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        exchange = PaperExchange(settings, context)

        async def tell() -> None:
            for at, change in changes:
                await context.time.sleep_until(context.time.now_ns() + round(at * SECOND_NS), (0, "", "", 0))
                instrument: Instrument = exchange._terms["AAAUSDT"].instrument
                if "tick_size" in change:
                    change = {"rules": attrs.evolve(instrument.rules, **change)}
                context.changed(attrs.evolve(instrument, **change))

        async with trio.open_nursery() as nursery:
            if context.venue == "b":
                nursery.start_soon(tell)
            yield exchange
            nursery.cancel_scope.cancel()

    return plugin_of(ExchangeSpec(name="telling", doc="changes", settings=PaperSettings, open=opened))


def run(*changes: tuple[float, dict[str, Any]], **overrides: Any) -> CampaignResult:
    config = two_venues()
    config["session"]["max_runtime_seconds"] = SECONDS
    config["strategy"] = {"exit_bps": -12, "max_holding_seconds": 300}
    config["guards"]["portfolio"] = {"max_symbol_allocation_pct": 1}
    for one in config["exchanges"].values():
        one |= {"plugin": "telling", **overrides}
    market = scripted_market({name: tape(name) for name in "ab"})
    return run_virtual(config, plugins={"venue": venue(*changes), "market": market})


def seconds(result: CampaignResult, kind: str, /, **fields: Any) -> list[float]:
    start_ns = result.events[0]["ts_ns"]
    found = [one for one in result.of_type(kind) if all(one.get(name) == value for name, value in fields.items())]
    return [(one["ts_ns"] - start_ns) / SECOND_NS for one in found]


def violations(records: Any) -> list[str]:
    verifier = Verifier()
    verifier.fold(records)
    return [str(one) for one in verifier.result().violations]


HALT = {"status": InstrumentStatus.HALTED}
TRADE = {"status": InstrumentStatus.TRADING}


def test_a_halted_instrument_is_neither_entered_nor_left_until_it_trades_again() -> None:
    always, halted = run(), run((14, HALT), (22, TRADE))

    assert any(14 < at < 36 for at in seconds(always, "pair_opened", kind="entry"))
    assert seconds(halted, "instrument_changed") == [14, 36]
    assert not [at for at in seconds(halted, "pair_opened") if 14 < at < 36]
    assert [at for at in seconds(halted, "pair_opened", kind="entry") if at > 36]
    assert [at for at in seconds(halted, "pair_opened", kind="exit") if at > 36]
    assert halted.campaign.symbols["AAAUSDT"].funnel.not_sized["halted.b"] > 0
    assert violations(halted.records) == []


def test_an_entry_where_the_symbol_is_halted_is_found() -> None:
    forged = [
        Record(one.seq, one.ts_ns, replace(one.event, status=InstrumentStatus.HALTED))
        if isinstance(one.event, event.InstrumentListed) and one.event.venue == "b"
        else one
        for one in run().records
    ]

    assert any("enters at b, where the symbol is halted" in one for one in violations(forged))


def test_other_rules_hold_from_then_on() -> None:
    result = run((12, {"tick_size": Decimal("0.1")}), tick_size="0.01")

    (changed,) = result.of_type("instrument_changed")
    assert (changed["venue"], changed["tick_size"]) == ("b", "0.1")
    limits = {
        Decimal(one["limit_price"]) % Decimal("0.1")
        for one in result.of_type("order_submitted")
        if one["venue"] == "b" and one["seq"] > changed["seq"]
    }
    assert limits == {0}
    assert violations(result.records) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"taker_fee_bps": Decimal(9)}, "other fees of AAAUSDT"),
        ({"venue": "a"}, "AAAUSDT.venue"),
        ({"status": "halted"}, "AAAUSDT.status"),
        ({"quote": "KRW"}, "other assets of AAAUSDT"),
        ({"base": None}, "AAAUSDT.base"),
    ],
)
def test_a_change_that_can_not_be_is_refused_where_it_is_told(change: dict[str, Any], said: str) -> None:
    result = run((5, change))

    assert result.of_type("instrument_changed") == []
    assert result.exit_code == 1
    assert said in result.campaign.error


def test_what_counts_as_what_is_not_the_venues_to_say() -> None:
    result = run((5, {"counts_as": "KRW", **HALT}))

    (changed,) = result.of_type("instrument_changed")
    assert "counts_as" not in changed
    assert violations(result.records) == []
