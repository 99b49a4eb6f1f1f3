"""Venues of one spec: one session for what belongs together, open as long as anything that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from house import House, HouseAccount, HouseSettings, HouseSource, table

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    ExchangeWrapper,
    MarketContext,
    MarketData,
    MarketDataSpec,
    NoSettings,
    SymbolSource,
    VenueSpec,
)
from trioarb.cli.opened import without_orders
from trioarb.config.load import Loaded, load_table
from trioarb.course.course import Course
from trioarb.engine.opening import open_campaign
from trioarb.engine.world import open_markets
from trioarb.errors import PluginFault, VenueError
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.testing import ScriptedTape, listing, plugin_of, run_virtual
from trioarb.time.virtual import VirtualClock

#: Whatever is opened, in this order; it is closed in the reverse one.
OPENED = [
    *("session a", "market a", "session b", "market b"),
    *("source", "exchange a", "exchange b"),
]
KEYS = {"KEY": "the-key"}


def test_a_session_is_opened_before_its_market_and_closed_after_its_exchange() -> None:
    house = House()
    result = run_virtual(table(), plugins={"house": house.plugin})
    assert result.exit_code == 0
    assert {one["venue"] for one in result.of_type("order_filled")} == {"a", "b"}
    assert house.diary == [*(f"open {one}" for one in OPENED), *(f"close {one}" for one in reversed(OPENED))]


def test_each_table_has_a_session_of_its_own_and_the_source_shares_the_first() -> None:
    house = House()
    run_virtual(table(), plugins={"house": house.plugin})
    first, second = house.sessions
    assert first is not second
    assert first.context.can_trade  # its orders cost nothing, on paper too
    assert [house.used[f"{part} a"] for part in ("market", "exchange")] == [first, first]
    assert [house.used[f"{part} b"] for part in ("market", "exchange")] == [second, second]
    assert house.used["source"] is first


@pytest.mark.parametrize("broken", OPENED)
def test_an_error_in_the_middle_of_opening_leaves_nothing_open(broken: str) -> None:
    house = House(breaks=broken)
    with pytest.raises(VenueError, match=f"{broken} is broken"):
        run_virtual(table(), plugins={"house": house.plugin})
    assert house.left_open == []
    before = OPENED[: OPENED.index(broken)]
    assert house.diary == [*(f"open {one}" for one in before), *(f"close {one}" for one in reversed(before))]


def open_for(
    house: House, seconds: float = 5, given: dict[str, Any] | None = None, *, clock: VirtualClock | None = None
) -> bool:
    """Open a campaign at the house's venues, cancel that after some seconds, and return whether it was open by then."""
    plugins = load_plugins({"house": house.plugin})
    loaded = load_table(given or table(), plugins, environment=KEYS)
    return trio.run(_open, loaded, plugins, seconds, clock, clock=clock)


async def _open(loaded: Loaded, plugins: Plugins, seconds: float, clock: VirtualClock | None) -> bool:
    with trio.move_on_after(seconds):
        async with open_campaign(loaded.config, plugins, clock=clock):
            return True
    return False


@pytest.mark.parametrize("steps", range(len(OPENED)))
def test_cancelled_while_it_is_opened_nothing_is_left_open(steps: int) -> None:
    house = House(takes_seconds=1)
    assert not open_for(house, steps + 0.5, clock=VirtualClock())
    assert house.left_open == []
    assert house.diary[:steps] == [f"open {one}" for one in OPENED[:steps]]
    assert len(house.diary) == 2 * steps


def test_a_session_that_doesnt_open_in_time_is_given_up_and_named() -> None:
    house = House(takes_seconds=1_000)
    with pytest.raises(PluginFault, match=r"^\[exchanges\.a\]: plugin 'house': open did not return within 30 s$"):
        open_for(house, 5_000, clock=VirtualClock())
    assert house.left_open == []


def test_a_session_whose_own_task_fails_ends_the_campaign_in_order() -> None:
    house = House(fails_after_seconds=2)
    result = run_virtual(table(), plugins={"house": house.plugin})
    assert result.exit_code == 1
    assert "[exchanges.a]: plugin 'house': close raised VenueError: the line is dead" in result.campaign.error
    assert result.of_type("phase_entered")[-1]["phase"] == "CLOSED"
    assert house.left_open == []


def test_a_session_may_let_nothing_be_entered_at_its_venue() -> None:
    house = House(holds="closed for maintenance")
    result = run_virtual(table(), plugins={"house": house.plugin})
    assert result.of_type("order_submitted") == []
    held = [(one["venue"], one["reason"]) for one in result.of_type("entries_held")]
    assert held == [("a", "closed for maintenance"), ("b", "closed for maintenance")]
    assert house.left_open == []


def test_a_market_of_another_plugin_leaves_the_session_to_the_exchange() -> None:
    rows = [(1.0, "BTCUSDT", 100.0, 5.0, 100.1, 5.0)]

    @asynccontextmanager
    async def open_market(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        yield ScriptedTape(rows, listings=[listing("BTC")])

    other = plugin_of(MarketDataSpec(name="other", doc="other quotes", open=open_market))
    house = House()
    given = table(exchanges={"a": {"plugin": "house", "market": {"plugin": "other"}}, "b": {"plugin": "house"}})
    assert run_virtual(given, plugins={"house": house.plugin, "other": other}).exit_code == 0
    assert len(house.sessions) == 2
    assert set(house.used) == {"exchange a", "market b", "exchange b", "source"}


def test_a_market_that_is_reached_otherwise_has_a_session_of_its_own() -> None:
    house = House()
    there = {"plugin": "house", "market": {"url": "there"}}
    assert run_virtual(table(exchanges={"a": there, "b": {"plugin": "house"}}), plugins={"house": house.plugin})
    account, quotes = house.used["exchange a"], house.used["market a"]
    assert (account.settings.url, quotes.settings.url) == ("here", "there")
    assert type(quotes.settings) is HouseSettings  # it has nothing to do with the account
    assert house.left_open == []
    same = {"plugin": "house", "url": "there", "market": {"plugin": "house", "url": "there"}}
    assert run_virtual(table(exchanges={"a": same, "b": {"plugin": "house"}}), plugins={"house": house.plugin})
    assert house.used["exchange a"] is house.used["market a"]


def test_a_source_that_no_venue_suits_has_a_session_of_its_own() -> None:
    house = House()
    universe = {"source": "house", "mode": "FULL_MARKET", "settings": {"url": "elsewhere"}}
    assert run_virtual(table(universe=universe), plugins={"house": house.plugin}).exit_code == 0
    own = house.used["source"]
    assert own.settings == HouseSettings(url="elsewhere")
    assert own.context.venue is None
    assert len(house.sessions) == 3
    assert house.left_open == []


def test_what_a_wrapper_wraps_shares_the_session_too() -> None:
    @asynccontextmanager
    async def open_wrapper(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        assert context.inner is not None
        yield ExchangeWrapper(context.inner)

    wrapper = plugin_of(ExchangeSpec(name="wrapper", doc="passes all on", open=open_wrapper, wraps=True))
    house = House()
    wrapped = {"plugin": "wrapper", "wraps": {"plugin": "house"}, "market": {"plugin": "house"}}
    given = table(exchanges={"a": wrapped, "b": {"plugin": "house"}})
    assert run_virtual(given, plugins={"house": house.plugin, "wrapper": wrapper}).exit_code == 0
    assert house.used["exchange a"] is house.used["market a"]


def test_what_is_questionable_of_shared_settings_is_said_once() -> None:
    plugins = load_plugins({"house": House().plugin})
    far = {"plugin": "house", "url": "far"}
    loaded = load_table(table(exchanges={"a": far, "b": {"plugin": "house", "market": {"url": "far"}}}), plugins)
    assert loaded.warnings == ("exchanges.a: it is far", "exchanges.b.market: it is far")


def real(mode: str) -> dict[str, Any]:
    """Return a campaign at a real venue."""
    venue = {"plugin": "house", "api_key": {"env": "KEY"}, "paper": {"balances": {"USDT": "1000", "BTC": "1"}}}
    return table(
        session={"mode": mode, "clock": "real", "loop_interval_ms": 0},
        exchanges={"a": venue, "b": venue},
        live={"capital_cap_usd": 100},
    )


def test_on_paper_the_session_of_a_real_venue_has_no_key_and_cant_trade() -> None:
    house = House(is_real=True)
    assert open_for(house, given=real("paper"))
    assert [type(one.settings) for one in house.sessions] == [HouseSettings, HouseSettings]
    assert not any(one.context.can_trade for one in house.sessions)
    assert set(house.used) == {"market a", "market b", "source"}


def test_a_real_venue_that_got_into_a_paper_campaign_cant_trade() -> None:
    # The configuration keeps it out; this is what holds if that fails.
    loaded = load_table(table(), load_plugins({"house": House().plugin}), environment=KEYS)
    house = House(is_real=True)
    assert trio.run(_open, loaded, load_plugins({"house": house.plugin}), 5, None)
    assert set(house.used) >= {"exchange a", "exchange b"}
    assert not any(one.context.can_trade for one in house.sessions)


def test_in_shadow_mode_the_account_is_asked_by_a_session_that_is_closed_again() -> None:
    house = House(is_real=True)
    assert open_for(house, given=real("shadow"))
    asked = ["session a", "exchange a"]
    place = house.diary.index("open exchange a") - 1
    assert house.diary[place : place + 4] == [
        *(f"open {one}" for one in asked),
        *(f"close {one}" for one in reversed(asked)),
    ]
    assert not any(one.context.can_trade for one in house.sessions)
    assert type(house.used["market a"].settings) is HouseSettings
    assert type(house.used["exchange a"].settings) is HouseAccount
    assert house.left_open == []


def test_in_live_mode_one_session_trades_and_shows_quotes() -> None:
    house = House(is_real=True)
    assert open_for(house, given=real("live"))
    for one in house.sessions:
        assert isinstance(one.settings, HouseAccount)
        assert one.settings.api_key == "the-key"
        assert one.context.can_trade
    assert house.used["market a"] is house.used["exchange a"]


def test_in_live_mode_too_a_session_of_quotes_alone_has_no_key_and_cant_trade() -> None:
    house = House(is_real=True)
    given = real("live")
    given["exchanges"]["a"] = given["exchanges"]["a"] | {"market": {"url": "for quotes only"}}
    assert open_for(house, given=given)
    quotes = house.used["market a"]
    assert type(quotes.settings) is HouseSettings
    assert not quotes.context.can_trade
    assert house.used["exchange a"].context.can_trade


def test_where_a_live_configuration_is_only_looked_at_no_session_can_trade() -> None:
    house = House(is_real=True)
    plugins = load_plugins({"house": house.plugin})
    loaded = load_table(real("live"), plugins, environment=KEYS)
    assert trio.run(_open, loaded, without_orders(plugins), 5, None)
    assert set(house.used) == {"market a", "market b", "source", "exchange a", "exchange b"}
    assert not any(one.context.can_trade for one in house.sessions)


def test_who_records_quotes_opens_no_account() -> None:
    house = House(is_real=True)
    plugins = load_plugins({"house": house.plugin})
    config = load_table(real("live"), plugins, environment=KEYS).config

    async def record() -> None:
        async with open_markets(config, plugins, None):
            pass

    trio.run(record)
    assert [type(one.settings) for one in house.sessions] == [HouseSettings, HouseSettings]
    assert not any(one.context.can_trade for one in house.sessions)


def test_a_part_of_a_venue_that_is_opened_alone_has_a_session_of_its_own() -> None:
    house = House()
    spec = load_plugins({"house": house.plugin}).get(MarketDataSpec, "house")

    async def open_market() -> None:
        async with spec.open(HouseSettings(), MarketContext(venue="a", seed=1)):
            assert house.diary == ["open session a", "open market a"]

    trio.run(open_market)
    assert house.left_open == []


def test_where_a_course_is_told_no_session_is_opened() -> None:
    class Told(Course):
        is_told, start_ns = True, 1

        def told_market(self, venue: str) -> MarketData:
            return ScriptedTape([], listings=[listing("BTC")])

        def told_source(self) -> SymbolSource:
            return HouseSource()

    house = House()
    plugins = load_plugins({"house": house.plugin})
    config = load_table(table(), plugins).config

    async def replay() -> None:
        async with open_markets(config, plugins, None, course=Told(), accounts=True):
            pass

    trio.run(replay)
    assert house.diary == []


def test_a_session_that_is_nothing_is_named() -> None:
    house = House()

    @asynccontextmanager
    async def nothing(settings: HouseSettings, context: object) -> AsyncIterator[None]:
        yield None

    spec = load_plugins({"house": house.plugin}).get(VenueSpec, "house")
    plugin = plugin_of(attrs.evolve(spec, open=nothing))
    with pytest.raises(PluginFault, match=r"^\[exchanges\.a\]: plugin 'house': open gave nothing to share"):
        run_virtual(table(), plugins={"house": plugin})
