"""Plugins that wrap another of their kind: how they are configured, and what is said when that is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import tomli
from configuration_reference import render_reference

from trioarb.api import (
    Exchange,
    ExchangeContext,
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    NoSettings,
    StrategySpec,
    SymbolSourceSpec,
    hookimpl,
    setting,
)
from trioarb.config.assembly import TIERS
from trioarb.config.load import Loaded, load_table
from trioarb.errors import CampaignError, ConfigError, PluginError
from trioarb.plugin.registry import Plugins, Registered, load_plugins
from trioarb.settings.problem import Problem
from trioarb.testing import plugin_of, run_virtual, two_venues


@attrs.frozen(kw_only=True)
class PaperSettings:
    latency_ms: Decimal = setting(Decimal(40), doc="latency")
    api_key: str = setting("", doc="key", secret=True)


@attrs.frozen(kw_only=True)
class SlowSettings:
    by_ms: Decimal = setting(Decimal(5), doc="how much slower")


@attrs.frozen(kw_only=True)
class OwnSettings:
    wraps: str = setting("", doc="a key of the plugin's own that happens to have this name")


@asynccontextmanager
async def never_opened(settings: Any, context: Any) -> AsyncIterator[Any]:
    raise AssertionError("loading a configuration opens nothing")
    yield


def warn(settings: Any) -> Iterable[str]:
    if getattr(settings, "latency_ms", 0) > 1000 or getattr(settings, "by_ms", 0) > 1000:
        yield "slower than it need be"


SPECS = (
    SymbolSourceSpec(name="dummy", doc="", open=never_opened),
    MarketDataSpec(name="dummy", doc="", open=never_opened),
    MarketDataSpec(name="late", doc="", open=never_opened, settings=SlowSettings, wraps=True),
    ExchangeSpec(name="paper", doc="", open=never_opened, settings=PaperSettings, warnings=warn),
    ExchangeSpec(name="own", doc="", open=never_opened, settings=OwnSettings),
    ExchangeSpec(name="slow", doc="", open=never_opened, settings=SlowSettings, warnings=warn, wraps=True),
    StrategySpec(name="spread", doc="", open=never_opened),
    *(GuardTierSpec(name=name, doc="", open=never_opened) for name in TIERS),
)
PLUGINS = Plugins(tuple(Registered(spec=spec, distribution="trioarb 0") for spec in SPECS))

GOOD = """
[universe]
top_n = 3

[exchanges.a]
plugin = "slow"
by_ms = 7
wraps = { plugin = "paper", latency_ms = 11 }
market = { plugin = "late", wraps = { plugin = "dummy" } }

[exchanges.b]
plugin = "slow"
market = { plugin = "dummy" }

[exchanges.b.wraps]
plugin = "slow"
by_ms = 8

[exchanges.b.wraps.wraps]
plugin = "paper"
"""


def load(*overrides: str, text: str = GOOD) -> Loaded:
    return load_table(tomli.loads(text, parse_float=Decimal), PLUGINS, overrides=overrides)


def problems(*overrides: str, text: str = GOOD) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(*overrides, text=text)
    return list(caught.value.problems)


def test_the_wrapped_table_becomes_the_settings_of_its_plugin() -> None:
    venue = load().config.exchanges["a"]

    assert (venue.exchange.plugin, venue.exchange.settings) == ("slow", SlowSettings(by_ms=Decimal(7)))
    assert venue.exchange.wraps is not None
    assert (venue.exchange.wraps.plugin, venue.exchange.wraps.key) == ("paper", "exchanges.a.wraps")
    assert venue.exchange.wraps.settings == PaperSettings(latency_ms=Decimal(11))
    assert venue.market.wraps is not None
    assert (venue.market.wraps.plugin, venue.market.wraps.key) == ("dummy", "exchanges.a.market.wraps")


def test_what_is_wrapped_may_wrap_another() -> None:
    outer = load().config.exchanges["b"].exchange

    assert outer.wraps is not None
    assert outer.wraps.settings == SlowSettings(by_ms=Decimal(8))
    assert outer.wraps.wraps is not None
    assert (outer.wraps.wraps.plugin, outer.wraps.wraps.key) == ("paper", "exchanges.b.wraps.wraps")
    assert outer.wraps.wraps.wraps is None


@pytest.mark.parametrize(
    ("override", "key", "said"),
    [
        ("exchanges.a.wraps.latency_ms=x", "exchanges.a.wraps.latency_ms", 'wrong value: "x" (allowed: number)'),
        (
            "exchanges.a.wraps.latencyms=5",
            "exchanges.a.wraps.latencyms",
            "unknown key (allowed: plugin, latency_ms, api_key); did you mean 'latency_ms'?",
        ),
        (
            "exchanges.a.wraps.plugin=papper",
            "exchanges.a.wraps.plugin",
            "of this name is installed: \"papper\" (allowed: own, paper, slow); did you mean 'paper'?",
        ),
        ("exchanges.a.wraps.plugin=5", "exchanges.a.wraps.plugin", '(allowed: "own" or "paper" or "slow")'),
        ("exchanges.a.wraps={}", "exchanges.a.wraps.plugin", 'missing; this key has no default (allowed: "own" or'),
        (
            "exchanges.a.wraps=paper",
            "exchanges.a.wraps",
            'value: "paper" (allowed: { plugin = "own", … } or { plugin = "paper", … } or { plugin = "slow", … })',
        ),
        (
            "exchanges.a.wraps={ plugin = 'paper', market = {} }",
            "exchanges.a.wraps.market",
            "unknown key (allowed: plugin, latency_ms, api_key)",
        ),
        (
            "exchanges.a.market.wraps.plugin=paper",
            "exchanges.a.market.wraps.plugin",
            'no market data plugin of this name is installed: "paper" (allowed: dummy, late)',
        ),
        (
            "exchanges.a.market.wraps=1",
            "exchanges.a.market.wraps",
            'wrong value: 1 (allowed: { plugin = "dummy", … } or { plugin = "late", … })',
        ),
        ("exchanges.b.wraps.wraps.plugin=slow", "exchanges.b.wraps.wraps.wraps", "missing; this key has no default"),
        ("exchanges.b.wraps.wraps.latency_ms=no", "exchanges.b.wraps.wraps.latency_ms", 'wrong value: "no"'),
        (
            "exchanges.b.wraps.wraps.wraps={ plugin = 'paper' }",
            "exchanges.b.wraps.wraps.wraps",
            'unknown key; the exchange plugin "paper" wraps no other (allowed: with plugin = "slow")',
        ),
        (
            "exchanges.b.market.wraps={ plugin = 'dummy' }",
            "exchanges.b.market.wraps",
            'unknown key; the market data plugin "dummy" wraps no other (allowed: with plugin = "late")',
        ),
        (
            "exchanges.a.byms=1",
            "exchanges.a.byms",
            "unknown key (allowed: plugin, market, paper, aliases, same_as, wraps, by_ms); did you mean 'by_ms'?",
        ),
        ("strategy.wraps={ plugin = 'spread' }", "strategy.wraps", "unknown key (allowed: plugin)"),
        ("guards.symbol.wraps=1", "guards.symbol.wraps", "unknown key (allowed: plugin, enabled)"),
        ("universe.settings.wraps=1", "universe.settings.wraps", "unknown key (allowed: no keys)"),
    ],
)
def test_a_problem_names_its_key_and_what_is_allowed(override: str, key: str, said: str) -> None:
    [problem] = problems(override)

    assert problem.key == key
    assert f": {key}: " in str(problem)
    assert said in str(problem)


def test_a_wrapper_without_what_it_wraps_is_told_what_it_may_wrap() -> None:
    text = GOOD.replace('wraps = { plugin = "paper", latency_ms = 11 }', 'wrap = { plugin = "paper" }')

    missing, unknown = problems(text=text)

    assert str(missing) == (
        "<config>: exchanges.a.wraps: missing; this key has no default "
        '(allowed: { plugin = "own", … } or { plugin = "paper", … } or { plugin = "slow", … })'
    )
    assert (unknown.key, unknown.suggestion) == ("exchanges.a.wrap", "wraps")


def test_everything_that_is_wrong_outside_and_inside_is_said_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        text=GOOD.replace("by_ms = 7", "by_ms = true")
        .replace("latency_ms = 11", 'latency_ms = "x"')
        .replace("by_ms = 8", "by = 8")
        .replace('[exchanges.b.wraps.wraps]\nplugin = "paper"', '[exchanges.b.wraps.wraps]\nplugin = "p"\nwraps = 1')
    )

    assert [problem.key for problem in found] == [
        "exchanges.a.by_ms",
        "exchanges.a.wraps.latency_ms",
        "exchanges.b.wraps.by",
        "exchanges.b.wraps.wraps.plugin",
    ]


def test_a_plugin_may_have_a_key_of_this_name_of_its_own() -> None:
    text = GOOD.replace('plugin = "slow"\nby_ms = 7\nwraps = { plugin = "paper", latency_ms = 11 }', 'plugin = "own"')

    assert load("exchanges.a.wraps=x", text=text).config.exchanges["a"].exchange.settings == OwnSettings(wraps="x")


def test_warnings_carry_the_table_that_they_are_about() -> None:
    questionable = ["exchanges.a.wraps.latency_ms=2000", "exchanges.b.by_ms=2000", "exchanges.b.wraps.by_ms=2000"]

    assert sorted(load(*questionable).warnings) == [
        "exchanges.a.wraps: slower than it need be",
        "exchanges.b.wraps: slower than it need be",
        "exchanges.b: slower than it need be",
    ]


def test_the_digest_covers_what_is_wrapped_but_its_secrets() -> None:
    digest = load().config.digest

    assert load("exchanges.a.wraps.latency_ms=11.0").config.digest == digest
    assert load("exchanges.a.wraps.api_key=secret").config.digest == digest
    assert load("exchanges.a.wraps.latency_ms=12").config.digest != digest
    assert load("exchanges.b.wraps.wraps.latency_ms=12").config.digest != digest
    assert (
        load("exchanges.a.market.wraps.plugin=late", "exchanges.a.market.wraps.wraps.plugin=dummy").config.digest
        != digest
    )


def test_the_reference_has_the_key_where_it_applies() -> None:
    sections = render_reference(PLUGINS).split("\n### ")
    with_key = [text.split("`\n")[0] for text in sections if "| `wraps` | table | required | what it wraps:" in text]

    assert with_key == ['`plugin = "slow"', '`plugin = "late"']


def test_a_kind_that_cant_wrap_is_refused_with_the_name_of_its_package() -> None:
    class Tiers:
        @hookimpl
        def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
            return [GuardTierSpec(name="double", doc="", open=never_opened, wraps=True)]

    with pytest.raises(PluginError, match=r"^acme: .*a guard tier can't wrap another; exchanges and market data can"):
        load_plugins({"acme": Tiers()})


def wrappers(opened: list[str], fault: str = "") -> object:
    """Plugins that pass what they wrap on as it is, and say when they are opened and closed."""

    def opener(kind: str) -> Any:
        @asynccontextmanager
        async def open_it(settings: Any, context: Any) -> AsyncIterator[Any]:
            if fault == f"{kind} open":
                raise RuntimeError("broken")
            name = f"{context.venue} {kind} around {type(context.inner).__name__}"
            opened.append(f"open {name}")
            yield object() if fault == f"{kind} type" else context.inner
            opened.append(f"close {name}")

        return open_it

    return plugin_of(
        ExchangeSpec(name="thin", doc="", open=opener("exchange"), settings=NoSettings, wraps=True),
        MarketDataSpec(name="thin", doc="", open=opener("market"), settings=NoSettings, wraps=True),
    )


def wrapped_a() -> dict[str, Any]:
    config = two_venues("dummy")
    config["session"]["max_iterations"] = 5
    table = config["exchanges"]["a"]
    config["exchanges"]["a"] = {
        "plugin": "thin",
        "wraps": {name: value for name, value in table.items() if name != "market"} | {"plugin": "paper"},
        "market": {"plugin": "thin", "wraps": {"plugin": "thin", "wraps": table["market"]}},
    }
    return config


def test_the_wrapped_plugin_is_opened_first_and_closed_last() -> None:
    opened: list[str] = []

    assert run_virtual(wrapped_a(), plugins={"thin": wrappers(opened)}).exit_code == 0
    assert opened == [
        "open a market around _DummyTape",
        "open a market around _DummyTape",
        "open a exchange around PaperExchange",
        "close a exchange around PaperExchange",
        "close a market around _DummyTape",
        "close a market around _DummyTape",
    ]


def test_a_wrapper_gets_the_context_of_the_one_that_it_wraps_and_that_one() -> None:
    contexts: list[ExchangeContext] = []
    paper = load_plugins().get(ExchangeSpec, "paper")

    @asynccontextmanager
    async def open_inner(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        contexts.append(context)
        async with paper.open(paper.settings(), context) as opened:
            yield opened

    @asynccontextmanager
    async def open_outer(settings: NoSettings, context: ExchangeContext) -> AsyncIterator[Exchange]:
        contexts.append(context)
        assert context.inner is not None
        yield context.inner

    config = two_venues("dummy")
    config["session"]["max_iterations"] = 1
    config["exchanges"]["a"] = {"plugin": "outer", "wraps": {"plugin": "inner"}, "market": {"plugin": "dummy"}}
    specs = (
        ExchangeSpec(name="outer", doc="", open=open_outer, wraps=True),
        ExchangeSpec(name="inner", doc="", open=open_inner),
    )
    run_virtual(config, plugins={"both": plugin_of(*specs)})

    inner, outer = contexts
    assert inner.inner is None
    assert outer.inner is not None
    assert attrs.evolve(outer, inner=None, settings=inner.settings, log=inner.log) == inner


@pytest.mark.parametrize(
    ("fault", "key"),
    [("exchange open", "exchanges.a"), ("market open", "exchanges.a.market.wraps")],
)
def test_what_a_wrapper_raises_is_blamed_on_its_own_table(fault: str, key: str) -> None:
    with pytest.raises(CampaignError) as caught:
        run_virtual(wrapped_a(), plugins={"thin": wrappers([], fault)})

    assert str(caught.value) == f"[{key}]: plugin 'thin': open raised RuntimeError: broken"


def test_a_wrapped_plugin_of_the_wrong_type_is_blamed_on_its_own_table() -> None:
    with pytest.raises(CampaignError) as caught:
        run_virtual(wrapped_a(), plugins={"thin": wrappers([], "market type")})

    assert (
        str(caught.value)
        == "[exchanges.a.market.wraps]: plugin 'thin': open gave a object, not a Tape or Feed; derive its class from it"
    )
