"""Plugins that want no entries at their venue, for reasons of their own that they take back one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import pytest
import trio

from trioarb.api import (
    SECOND_NS,
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExchangeWrapper,
    MarketContext,
    MarketData,
    MarketDataSpec,
    Turn,
    hookimpl,
)
from trioarb.errors import PluginFault
from trioarb.model.wire import decode
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues
from trioarb.verify.verification import Verifier

#: What a plugin says, and when: seconds (below 0: while it is opened), "hold" or "release", the reason.
Said = tuple[float, str, str]
Row = tuple[float, str, float, float, float, float]


@attrs.frozen(kw_only=True)
class _NoSettings:
    pass


class _Held(ExchangeWrapper):
    """A paper venue whose plugin says something beside."""


def holding(said: Mapping[str, Sequence[Said]]) -> object:
    """Return a plugin of exchanges that wraps one, and says this at these times, by venue."""

    @asynccontextmanager
    async def open_exchange(settings: _NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        begin_ns = context.time.now_ns()
        own = said.get(context.venue, ())
        for _, method, reason in (one for one in own if one[0] < 0):
            getattr(context, method)(reason)

        async def say() -> None:
            for number, (seconds, method, reason) in enumerate(one for one in own if one[0] >= 0):
                order = Turn.VENUE.order(venue=context.venue, number=100 + number)
                await context.time.sleep_until(begin_ns + int(seconds * SECOND_NS), order)
                getattr(context, method)(reason)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say)
            yield _Held(context.inner)
            nursery.cancel_scope.cancel()

    class Plugin:
        @hookimpl
        def trioarb_exchanges(self) -> list[ExchangeSpec]:
            spec = ExchangeSpec(name="holding", doc="says so", settings=_NoSettings, open=open_exchange, wraps=True)
            return [spec]

    return Plugin()


def rows(seconds: int = 30) -> dict[str, list[Row]]:
    """Return quotes of two venues each quarter of a second; a purchase at a and a sale at b always pay."""
    return {
        venue: [(tick / 4, "BTCUSDT", 100.0 + gap, 50.0, 100.1 + gap, 50.0) for tick in range(4 * seconds)]
        for venue, gap in (("a", 0.0), ("b", 1.0))
    }


def table() -> dict[str, Any]:
    config: dict[str, Any] = two_venues()
    for venue in config["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01"}
    config["strategy"] = {"plugin": "inventory", "entry_bps": 20, "order_size_usd": 100}
    config["guards"]["symbol"] = {"cooldown_seconds": 1}
    return config


def run(said: Mapping[str, Sequence[Said]]) -> CampaignResult:
    config = table()
    for venue, own in config["exchanges"].items():
        market = own.pop("market")
        config["exchanges"][venue] = {"market": market, "plugin": "holding", "wraps": {"plugin": "paper", **own}}
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows().items()}
    return run_virtual(config, plugins={"market": scripted_market(tapes), "holding": holding(said)})


def entries(result: CampaignResult) -> list[float]:
    """Return when entries were opened, in seconds."""
    began_ns = result.events[0]["ts_ns"]
    return [(one["ts_ns"] - began_ns) / SECOND_NS for one in result.of_type("pair_opened")]


def verified(events: Sequence[Mapping[str, Any]]) -> list[str]:
    verifier = Verifier()
    verifier.fold(decode(msgspec.json.encode(event)) for event in events)
    return [str(violation) for violation in verifier.result().violations]


def test_while_a_plugin_holds_a_reason_nothing_is_entered_there() -> None:
    said = [(5.1, "hold", "maintenance"), (8.1, "hold", "keys"), (11.1, "release", "maintenance")]
    result = run({"b": [*said, (16.1, "release", "keys")]})

    assert result.exit_code == 0, result.campaign.error
    assert verified(result.events) == []
    at = entries(result)
    assert any(one < 5.1 for one in at)
    assert any(one > 16.1 for one in at)
    assert not any(5.1 <= one <= 16.1 for one in at)
    told = [(one["type"], one["venue"], one["by"], one["reason"]) for one in result.events if "by" in one]
    assert told == [
        ("entries_held", "b", "exchange", "maintenance"),
        ("entries_held", "b", "exchange", "keys"),
        ("entries_released", "b", "exchange", "maintenance"),
        ("entries_released", "b", "exchange", "keys"),
    ]
    assert set(result.refusals) >= {"engine.held_by_exchange"}
    assert {one["value"] for one in result.of_type("decided") if one.get("rule") == "held_by_exchange"} == {
        "b: maintenance"
    }


def test_what_is_held_before_the_campaign_begins_counts_from_its_first_quote_and_is_recorded() -> None:
    result = run({"a": [(-1, "hold", "not warm"), (-1, "hold", "not warm"), (3.1, "release", "not warm")]})

    assert verified(result.events) == []
    assert len(result.of_type("entries_held")) == 1, "the same reason twice is held once"
    assert entries(result)[0] > 3.1


def test_what_is_said_while_the_venue_is_closed_is_not_recorded_after_the_end() -> None:
    @asynccontextmanager
    async def open_exchange(settings: _NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        yield _Held(context.inner)
        context.hold("closed")

    class Plugin:
        @hookimpl
        def trioarb_exchanges(self) -> list[ExchangeSpec]:
            return [ExchangeSpec(name="late", doc="", settings=_NoSettings, open=open_exchange, wraps=True)]

    config = table()
    for venue, own in config["exchanges"].items():
        market = own.pop("market")
        config["exchanges"][venue] = {"market": market, "plugin": "late", "wraps": {"plugin": "paper", **own}}
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows(3).items()}
    result = run_virtual(config, plugins={"market": scripted_market(tapes), "late": Plugin()})

    assert result.exit_code == 0, result.campaign.error
    assert result.events[-1]["type"] == "campaign_ended"


def test_a_feed_holds_what_concerns_its_venue() -> None:
    release: list[Callable[[str], None]] = []

    def market_of(context: MarketContext) -> MarketData:
        if context.venue == "a":
            context.hold("no snapshot yet")
            release.append(context.release)
        return ScriptedTape(rows()[context.venue], listings=[listing("BTC")])

    @asynccontextmanager
    async def open_market(settings: _NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        yield market_of(context)

    class Plugin:
        @hookimpl
        def trioarb_market_data(self) -> list[MarketDataSpec]:
            return [MarketDataSpec(name="warming", doc="", settings=_NoSettings, open=open_market)]

    config = table()
    config["exchanges"]["a"]["market"] = {"plugin": "warming"}
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows().items()}
    result = run_virtual(config, plugins={"market": scripted_market(tapes), "warming": Plugin()})

    assert result.exit_code == 0, result.campaign.error
    assert entries(result) == []
    assert result.refusals["engine.held_by_market"] > 10
    (held,) = result.of_type("entries_held")
    assert (held["by"], held["venue"], held["reason"]) == ("market", "a", "no snapshot yet")
    with pytest.raises(PluginFault, match="release was given reason = 5"):
        release[0](5)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 201])
def test_a_reason_that_can_not_be_written_down_raises_in_the_plugin(reason: str) -> None:
    result = run({"a": [(1, "hold", reason)]})

    assert result.exit_code == 1
    assert "[exchanges.a]: hold was given reason = " in result.campaign.error


def test_reasons_without_end_are_refused() -> None:
    result = run({"a": [(1, "hold", f"reason {number}") for number in range(101)]})

    assert result.exit_code == 1
    assert "hold was given more than 100 reasons that are not released" in result.campaign.error


def test_from_another_thread_it_is_refused() -> None:
    def hold_in_thread(context: MarketContext) -> None:
        async def main() -> None:
            await trio.to_thread.run_sync(context.hold, "another thread")

        trio.run(main)

    seen: list[MarketContext] = []

    @asynccontextmanager
    async def open_market(settings: _NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        seen.append(context)
        yield ScriptedTape(rows(2)[context.venue], listings=[listing("BTC")])

    class Plugin:
        @hookimpl
        def trioarb_market_data(self) -> list[MarketDataSpec]:
            return [MarketDataSpec(name="threads", doc="", settings=_NoSettings, open=open_market)]

    config = table()
    config["exchanges"]["a"]["market"] = {"plugin": "threads"}
    tapes = {venue: ScriptedTape(found, listings=[listing("BTC")]) for venue, found in rows(2).items()}
    run_virtual(config, plugins={"market": scripted_market(tapes), "threads": Plugin()})
    with pytest.raises(PluginFault, match=r"\[exchanges.a.market\]: hold was called from another thread"):
        hold_in_thread(seen[0])


def test_verify_finds_an_entry_that_a_held_reason_forbids() -> None:
    result = run({"b": [(5.1, "hold", "maintenance"), (16.1, "release", "maintenance")]})
    events = [dict(event) for event in result.events]
    entered = [place for place, one in enumerate(events) if one["type"] == "decided" and one["answer"] == "ALLOW"][3]
    (held,) = (one for one in events if one["type"] == "entries_held")
    moved = [one for one in events if one is not held]
    moved.insert(entered, held | {"ts_ns": events[entered]["ts_ns"]})
    for seq, event in enumerate(moved, 1):
        event["seq"] = seq
    assert any("enters at b, whose plugin wants no entries: maintenance" in one for one in verified(moved))
