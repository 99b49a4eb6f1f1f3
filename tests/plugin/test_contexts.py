"""What plugins are opened with: time, settings, venue, and a log that says whose lines these are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import wraps
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from trioarb.alerting.trial import send_at_once
from trioarb.api import (
    SECOND_NS,
    AlertChannel,
    AlertChannelSpec,
    AlertMessage,
    ExchangeSpec,
    ExchangeWrapper,
    GuardTier,
    GuardTierSpec,
    Listing,
    MarketDataSpec,
    Opportunity,
    PluginContext,
    StrategySpec,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TrioarbError,
    Turn,
    setting,
)
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy
from trioarb.config.load import load_table
from trioarb.model.alert import Alert, Severity
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import PluginSpec
from trioarb.testing import ScriptedTape, listing, plugin_of, run_virtual, two_venues

START_NS = 1_700_000_000 * SECOND_NS
QUOTES = [(0.0, "BTCUSDT", 100.0, 50.0, 100.1, 50.0), (3.0, "BTCUSDT", 100.0, 50.0, 100.1, 50.0)]


@attrs.frozen(kw_only=True)
class Settings:
    number: int = setting(7, doc="tells one table from another")


class Source(SymbolSource):
    async def listings(self) -> Sequence[Listing]:
        return [listing("BTC", volume_24h_quote=Decimal(1000))]


class Guard(GuardTier):
    def check(self, opportunity: Opportunity, now_ns: int) -> None:
        return None


class Channel(AlertChannel):
    async def send(self, message: AlertMessage) -> None:
        pass


@attrs.define
class Told:
    """What each plugin was opened with, by its table and symbol, and what time it was then and later."""

    opened: dict[str, tuple[Any, PluginContext]] = attrs.field(factory=dict)
    then_ns: dict[str, int] = attrs.field(factory=dict)
    at_start: dict[str, int] = attrs.field(factory=dict)

    def spec(self, kind: type[PluginSpec[Any, Any]], name: str, make: Any, **more: Any) -> PluginSpec[Any, Any]:
        @asynccontextmanager
        async def opening(settings: Any, context: Any) -> AsyncIterator[Any]:
            context.log.info("opened", number=getattr(settings, "number", None))
            key = " ".join(filter(None, (kind.kind, context.venue, getattr(context, "symbol", ""))))
            self.opened[key], self.then_ns[key] = (settings, context), context.time.now_ns()
            yield make(settings, context)

        return kind(name=name, doc="a test's", open=opening, **({"settings": Settings} | more))


def plugin(told: Told) -> object:
    def wrapper(settings: Settings, context: Any) -> ExchangeWrapper:
        return ExchangeWrapper(context.inner)

    def tape(settings: Settings, context: Any) -> Tape:
        return ScriptedTape(QUOTES, listings=[listing("BTC")], start_ns=START_NS)

    return plugin_of(
        told.spec(SymbolSourceSpec, "told", lambda *_: Source(), settings=Settings),
        told.spec(MarketDataSpec, "told", tape),
        told.spec(ExchangeSpec, "told", wrapper, wraps=True),
        told.spec(GuardTierSpec, "told", lambda *_: Guard()),
        told.spec(StrategySpec, "told", lambda settings, context: SpreadStrategy(settings), settings=SpreadSettings),
        told.spec(AlertChannelSpec, "told", lambda *_: Channel()),
    )


def config() -> dict[str, Any]:
    table = two_venues("told")
    table["universe"]["settings"] = {"number": 1}
    for number, venue in enumerate(("a", "b")):
        own = table["exchanges"][venue]
        paper = {key: own.pop(key) for key in list(own) if key != "market"}
        own |= {"plugin": "told", "number": 20 + number, "wraps": {"plugin": "told", "number": 30, "wraps": {}}}
        own["wraps"]["wraps"] = {"plugin": "paper", **paper}
        own["market"] = {"plugin": "told", "number": 10 + number}
    table["guards"]["mine"] = {"plugin": "told", "number": 40}
    table["strategy"] = {"plugin": "told"}
    return table


def test_every_kind_is_opened_with_time_settings_venue_and_log() -> None:
    told = Told()
    with capture_logs() as lines:
        result = run_virtual(config(), plugins={"told": plugin(told)})
    assert result.exit_code == 0
    assert {key: context.venue for key, (_, context) in told.opened.items()} == {
        "market data a": "a",
        "market data b": "b",
        "symbol source": None,
        "exchange a": "a",
        "exchange b": "b",
        "guard tier": None,
        "strategy BTCUSDT": None,
    }
    for settings, context in told.opened.values():
        assert context.settings is settings
        assert context.time.now_ns() >= START_NS + 3 * SECOND_NS  # the campaign's time, long after it was opened
    said = [
        (line["kind"], line["plugin"], line["table"], line["number"]) for line in lines if line["event"] == "opened"
    ]
    assert said == [
        ("market data", "told", "exchanges.a.market", 10),
        ("market data", "told", "exchanges.b.market", 11),
        ("symbol source", "told", "universe.settings", 1),
        ("exchange", "told", "exchanges.a.wraps", 30),
        ("exchange", "told", "exchanges.a", 20),
        ("exchange", "told", "exchanges.b.wraps", 30),
        ("exchange", "told", "exchanges.b", 21),
        ("guard tier", "told", "guards.mine", 40),
        ("strategy", "told", "strategy", None),
    ]


async def test_a_channel_is_opened_with_them_too() -> None:
    told = Told()
    plugins = load_plugins({"told": plugin(told)})
    loaded = load_table(config() | {"channels": {"phone": {"plugin": "told", "number": 3}}}, plugins)
    alert = Alert(rule="r", incident="i", severity=Severity.INFO, about="", text="t", at_ns=1)
    with capture_logs() as lines:
        failed = await send_at_once(loaded.config, plugins, loaded.config.channels, alert, "a test")
    assert failed == {"phone": ""}
    ((settings, context),) = told.opened.values()
    assert (context.settings, context.venue) == (settings, None)
    assert [(line["kind"], line["table"], line["number"]) for line in lines] == [("alert channel", "channels.phone", 3)]


def test_in_virtual_time_nothing_that_is_opened_sees_the_machines_clock() -> None:
    """Also not before it is known when the campaign begins; and who waits then waits as long as it said."""

    def seen() -> tuple[dict[str, int], list[int]]:
        told, waited = Told(), list[int]()

        class Patient(SymbolSource):
            def __init__(self, settings: Any, context: PluginContext) -> None:
                self.time = context.time

            async def listings(self) -> Sequence[Listing]:
                before_ns = self.time.now_ns()
                await self.time.sleep(2 * SECOND_NS, Turn.SERVICE.order())
                waited.append(self.time.now_ns() - before_ns)
                return [listing("BTC", volume_24h_quote=Decimal(1000))]

        specs = plugin_of(told.spec(SymbolSourceSpec, "patient", Patient))
        table = config()
        table["universe"]["source"] = "patient"
        result = run_virtual(table, plugins={"told": plugin(told), "patient": specs})
        assert result.events[0]["ts_ns"] == START_NS
        return told.then_ns, waited

    first, again = seen(), seen()
    assert first == again
    assert first[1] == [2 * SECOND_NS]
    assert {key: at_ns for key, at_ns in first[0].items() if key.startswith(("guard", "strategy"))} == {
        "guard tier": START_NS,
        "strategy BTCUSDT": START_NS,
    }


class Earlier(Tape):
    """Lists at once, as market data did in earlier versions."""

    def listings(self) -> Sequence[Listing]:  # type: ignore[override]
        return [listing("BTC")]


class Waiting(Guard):
    async def check(self, opportunity: Opportunity, now_ns: int) -> None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_market_data_of_the_shape_of_before_is_refused(is_wrapped: bool) -> None:
    told, table = Told(), config()
    key = "exchanges.a.market"
    specs = [told.spec(MarketDataSpec, "earlier", lambda *_: Earlier())]
    table["exchanges"]["a"]["market"] = {"plugin": "earlier"}
    if is_wrapped:
        key = "exchanges.a.market.wraps"
        specs.append(told.spec(MarketDataSpec, "around", lambda settings, context: context.inner, wraps=True))
        table["exchanges"]["a"]["market"] = {"plugin": "around", "wraps": {"plugin": "earlier"}}
    with pytest.raises(TrioarbError) as refused:
        run_virtual(table, plugins={"told": plugin(told), "earlier": plugin_of(*specs)})
    assert refused.value.exit_code == 2
    assert str(refused.value) == (
        f"[{key}]: plugin 'earlier': the method listings of {Earlier.__module__}.Earlier isn't async, and it may wait "
        "now; write `async def listings`, or install a newer version of the plugin"
    )


def test_market_data_that_reads_the_time_as_before_is_refused() -> None:
    told, table = Told(), config()
    table["exchanges"]["b"]["market"] = {"plugin": "earlier"}
    specs = plugin_of(told.spec(MarketDataSpec, "earlier", lambda settings, context: context.now_ns()))
    said = r"\[exchanges.b.market\]: plugin 'earlier': MarketContext has no now_ns .* write context.time.now_ns, or"
    with pytest.raises(TrioarbError, match=said) as refused:
        run_virtual(table, plugins={"told": plugin(told), "earlier": specs})
    assert refused.value.exit_code == 2


def test_what_nobody_waits_for_is_refused_if_it_is_async() -> None:
    told, table = Told(), config()
    table["guards"]["mine"]["plugin"] = "waiting"
    specs = plugin_of(told.spec(GuardTierSpec, "waiting", lambda *_: Waiting()))
    with pytest.raises(TrioarbError, match=r"\[guards.mine\]: plugin 'waiting': the method check of \S+ is async"):
        run_virtual(table, plugins={"told": plugin(told), "waiting": specs})


def test_a_decorated_method_has_the_shape_of_what_it_decorates() -> None:
    def noted(method: Any) -> Any:
        @wraps(method)
        def around(*args: Any) -> Any:
            return method(*args)

        return around

    class Decorated(ScriptedTape):
        listings = noted(ScriptedTape.listings)

    tape = Decorated(QUOTES, listings=[listing("BTC")], start_ns=START_NS)
    odd = plugin_of(Told().spec(MarketDataSpec, "odd", lambda *_: tape))
    table = config()
    table["exchanges"]["a"]["market"] = {"plugin": "odd"}
    assert run_virtual(table, plugins={"told": plugin(Told()), "odd": odd}).exit_code == 0
