"""A configuration: what is taken, what is refused, and how it is said."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from trioarb.config.load import Loaded, load_config, load_table
from trioarb.config.schema import ClockKind, LogLevel, UniverseMode
from trioarb.errors import ConfigError, PluginError
from trioarb.plugin.registry import Plugins, Registered
from trioarb.plugin.spec import (
    ExchangeSpec,
    GuardTierSpec,
    MarketDataSpec,
    PluginSpec,
    StrategySpec,
    SymbolSourceSpec,
)
from trioarb.settings.convert import structure
from trioarb.settings.problem import Problem
from trioarb.settings.types import Amount, Count, FeeBps, PositiveMoney, setting


@attrs.frozen(kw_only=True)
class Rules:
    lot_size: Amount = setting(doc="size step")


@attrs.frozen(kw_only=True)
class PaperSettings:
    taker_fee_bps: FeeBps = setting(Decimal(4), doc="fee")
    balances: Mapping[str, Amount] = setting(factory=dict, doc="assets")
    instruments: Mapping[str, Rules] = setting(factory=dict, doc="rules by symbol")
    api_key: str = setting("", doc="key", secret=True)


@attrs.frozen(kw_only=True)
class TapeSettings:
    path: Path = setting(Path("quotes"), doc="file")


@attrs.frozen(kw_only=True)
class SpreadSettings:
    size_usd: PositiveMoney = setting(Decimal(500), doc="size")

    def __attrs_post_init__(self) -> None:
        if self.size_usd == 13:
            raise ValueError("13 is an unlucky size")


@attrs.frozen(kw_only=True)
class TierSettings:
    limit: Count = setting(2, doc="limit")


@asynccontextmanager
async def never_opened(settings: Any, context: Any) -> AsyncIterator[Any]:
    raise AssertionError("loading a configuration opens nothing")
    yield


def fee_warnings(settings: PaperSettings) -> Iterable[str]:
    if settings.taker_fee_bps > 50:
        yield "a fee that nothing can pay"


def failing_warnings(settings: Any) -> Iterable[str]:
    raise RuntimeError("oops")


SPECS: tuple[PluginSpec[Any, Any], ...] = (
    SymbolSourceSpec(name="dummy", doc="", open=never_opened),
    MarketDataSpec(name="dummy", doc="", open=never_opened),
    MarketDataSpec(name="tape", doc="", open=never_opened, settings=TapeSettings),
    ExchangeSpec(name="paper", doc="", open=never_opened, settings=PaperSettings, warnings=fee_warnings),
    ExchangeSpec(name="broken", doc="", open=never_opened, warnings=failing_warnings),
    StrategySpec(name="spread", doc="", open=never_opened, settings=SpreadSettings),
    GuardTierSpec(name="exchange", doc="", open=never_opened, settings=TierSettings, rank=50),
    GuardTierSpec(name="global", doc="", open=never_opened, settings=TierSettings, rank=100),
    GuardTierSpec(name="portfolio", doc="", open=never_opened, settings=TierSettings, rank=200),
    GuardTierSpec(name="symbol", doc="", open=never_opened, settings=TierSettings, rank=300),
    GuardTierSpec(name="hours", doc="", open=never_opened, settings=TierSettings),
)
PLUGINS = Plugins(tuple(Registered(spec=spec, distribution="test") for spec in SPECS))

GOOD = """
[universe]
top_n = 3

[exchanges.b]
market = { plugin = "tape", path = "b" }
taker_fee_bps = 5

[exchanges.a]
market = { plugin = "dummy" }
balances = { USDT = "100000" }
"""


def read(text: str) -> dict[str, Any]:
    return tomli.loads(text, parse_float=Decimal)


def load(text: str = GOOD, *overrides: str, **flags: Any) -> Loaded:
    return load_table(read(text), PLUGINS, overrides=overrides, **flags)


def problems(text: str = GOOD, *overrides: str, **flags: Any) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides, **flags)
    return list(caught.value.problems)


def refusal(step: Callable[[], Loaded]) -> tuple[Problem, ...]:
    """Return the problems of a configuration, none if it loads; whatever else is raised fails the test."""
    try:
        step()
    except ConfigError as error:
        return error.problems
    return ()


def keys(found: Iterable[Problem]) -> list[str]:
    return [problem.key for problem in found]


def test_absent_tables_have_defaults() -> None:
    config = load().config

    assert (config.env, config.log_level) == ("development", LogLevel.INFO)
    assert config.session.loop_interval_ms == 500
    assert config.universe.mode is UniverseMode.TOP_N
    assert config.fx == {"USD": 1, "USDT": 1}
    assert (config.source.plugin, config.strategy.plugin) == ("dummy", "spread")
    tiers = ("exchange", "global", "portfolio", "symbol")
    assert [guard.key for guard in config.guards] == [f"guards.{name}" for name in tiers]
    assert config.guards[0].settings == TierSettings(limit=2)


def test_plugin_tables_become_their_settings() -> None:
    venues = load().config.exchanges

    assert list(venues) == ["a", "b"]
    assert venues["a"].exchange.settings.balances == {"USDT": Decimal(100_000)}
    assert venues["b"].exchange.settings.taker_fee_bps == 5
    assert (venues["b"].market.plugin, venues["b"].market.key) == ("tape", "exchanges.b.market")
    assert venues["b"].market.settings == TapeSettings(path=Path("b"))


def test_guards_stand_in_the_order_of_rank_and_name() -> None:
    text = GOOD + '[guards.zz]\nplugin = "hours"\n[guards.hours]\nlimit = 5\n[guards.a]\nplugin = "symbol"\n'
    guards = load(text).config.guards

    assert [guard.key.removeprefix("guards.") for guard in guards] == [
        "exchange",
        "global",
        "portfolio",
        "a",
        "symbol",
        "hours",
        "zz",
    ]


def test_a_guard_tier_can_be_switched_off() -> None:
    loaded = load(GOOD + "[guards.exchange]\nenabled = false\nlimit = 5\n")

    assert "guards.exchange" not in [guard.key for guard in loaded.config.guards]
    (wrong,) = problems(GOOD + "[guards.exchange]\nenabled = 0\n")
    assert (wrong.key, wrong.value) == ("guards.exchange.enabled", "0")


def test_every_problem_is_reported_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        """
        envv = "x"
        [session]
        seed = "a"
        max_runtime_seconds = nan
        [universe]
        mode = "TOPN"
        top_n = 0
        whitelist = ["BTCUSDT", 5]
        [exchanges.b]
        market = { plugin = "dumy" }
        taker_fee_bpss = 4
        [exchanges.c]
        mrket = { plugin = "dummy" }
        taker_fee_bps = 5000
        [exchanges.d]
        market = 5
        balances = { USDT = -1 }
        [strategy]
        plugin = "spreed"
        [guards.globl]
        limit = 1
        """
    )

    assert [(problem.key, problem.value, problem.suggestion) for problem in found] == [
        ("envv", "", "env"),
        ("session.seed", '"a"', ""),
        ("session.max_runtime_seconds", "NaN", ""),
        ("universe.mode", '"TOPN"', "TOP_N"),
        ("universe.top_n", "0", ""),
        ("universe.whitelist[1]", "5", ""),
        ("exchanges.b.market.plugin", '"dumy"', "dummy"),
        ("exchanges.b.taker_fee_bpss", "", "taker_fee_bps"),
        ("exchanges.c.market", "", ""),
        ("exchanges.c.mrket", "", "market"),
        ("exchanges.c.taker_fee_bps", "5000", ""),
        ("exchanges.d.market", "5", ""),
        ("exchanges.d.balances.USDT", "-1", ""),
        ("strategy.plugin", '"spreed"', "spread"),
        ("guards.globl", '"globl"', "global"),
    ]
    assert all(problem.file == "<config>" for problem in found)
    assert all(problem.allowed for problem in found)


@pytest.mark.parametrize(
    ("override", "key", "allowed"),
    [
        ("session.seed=true", "session.seed", "whole number"),
        ("session.seed=9999999999999999999999", "session.seed", "whole number"),
        ("dashboard.port=65536", "dashboard.port", "≤ 65_535"),
        ("session.max_iterations=1.0", "session.max_iterations", "whole number, ≥ 1"),
        ('session.close_positions_at_end="false"', "session.close_positions_at_end", "true or false"),
        ("session.loop_interval_ms={}", "session.loop_interval_ms", "number, ms"),
        ("session=5", "session", "table"),
        ("exchanges=[]", "exchanges", "table"),
        ("exchanges.a=1", "exchanges.a", "table"),
        ("universe.blacklist=BTCUSDT", "universe.blacklist", "list of text"),
        ("universe.settings.x=1", "universe.settings.x", "no keys"),
        ("universe.source=dumb", "universe.source", "dummy"),
        ("fx.EUR=0", "fx.EUR", "number, > 0"),
        ("log.level=debug", "log.level", '"DEBUG" or'),
        ("exchanges.a.instruments.BTCUSDT={}", "exchanges.a.instruments.BTCUSDT.lot_size", "number, ≥ 0"),
        ("exchanges.a.market={}", "exchanges.a.market.plugin", '"dummy" or "tape"'),
        ('exchanges.a.market="tape"', "exchanges.a.market", '{ plugin = "dummy", … } or { plugin = "tape", … }'),
        (
            "exchanges.a.fee=1",
            "exchanges.a.fee",
            "plugin, market, paper, aliases, same_as, taker_fee_bps, balances, instruments, api_key",
        ),
        ("exchanges.b.market.paht=x", "exchanges.b.market.paht", "plugin, path"),
        ("strategy.size=1", "strategy.size", "plugin, size_usd"),
        ("guards.hours.plugin=5", "guards.hours.plugin", '"global" or "hours"'),
        ('exchanges."a b".market.plugin=dummy', 'exchanges."a b"', "letters, digits, _ and -"),
    ],
)
def test_a_bad_value_names_its_key_and_what_is_allowed(override: str, key: str, allowed: str) -> None:
    found = [problem for problem in problems(GOOD, override) if problem.key == key]

    assert len(found) == 1
    assert allowed in found[0].allowed
    assert found[0].file == "--set"


def test_a_settings_class_may_have_the_last_word() -> None:
    [problem] = problems(GOOD + "[strategy]\nsize_usd = 13")

    assert str(problem) == "<config>: strategy: 13 is an unlucky size"


def test_a_secret_is_not_shown_when_it_is_wrong() -> None:
    assert "12345" not in str(problems(GOOD + "api_key = 12345")[0])


@pytest.mark.parametrize(
    ("overrides", "key", "message"),
    [
        (["universe.mode=SINGLE"], "universe.symbol", "missing"),
        (["universe.mode=FIXED_LIST"], "universe.whitelist", "empty"),
        (["session.clock=virtual", "session.speed=2"], "session.speed", "no meaning"),
        (["engine.mode=single"], "engine.mode", "universe.top_n is 3"),
        (["universe.base_quote=EUR"], "universe.base_quote", "no rate in USD"),
    ],
)
def test_keys_must_agree(overrides: list[str], key: str, message: str) -> None:
    [problem] = problems(GOOD, *overrides)

    assert problem.key == key
    assert message in problem.message
    assert problem.allowed


def test_top_n_needs_its_number_and_a_campaign_two_venues() -> None:
    found = problems('[exchanges.only]\nmarket = { plugin = "dummy" }')

    assert [(problem.key, problem.value) for problem in found] == [("exchanges", "only"), ("universe.top_n", "")]
    assert "one venue only" in found[0].message


def test_a_rate_or_another_mode_settles_the_missing_rate() -> None:
    assert load(GOOD, "universe.base_quote=EUR", "fx.EUR=1.08").config.fx["EUR"] == Decimal("1.08")
    load(GOOD, "universe.base_quote=EUR", "universe.mode=SINGLE", "universe.symbol=BTCUSDT")


def test_a_wrong_key_doesnt_give_a_second_problem_where_others_depend_on_it() -> None:
    text = GOOD.replace("top_n = 3", 'mode = "SINGEL"')

    assert keys(problems(text)) == ["universe.mode"]


def test_overrides_take_toml_and_plain_text() -> None:
    config = load(
        GOOD,
        "universe.mode=TOP_N",
        "session.clock = 'virtual'",
        "exchanges.a.balances.USDT=5_000",
        'exchanges.a.balances."B.T"="0.5"',
        "exchanges.b.market.path=/data/quotes 1.parquet",
        "universe.blacklist=['BTCUSDT']",
        "env=a=b",
    ).config

    assert config.session.clock is ClockKind.VIRTUAL
    assert config.exchanges["a"].exchange.settings.balances == {"USDT": 5000, "B.T": Decimal("0.5")}
    assert config.exchanges["b"].market.settings.path == Path("/data/quotes 1.parquet")
    assert config.universe.blacklist == ("BTCUSDT",)
    assert config.env == "a=b"


def test_an_override_can_make_a_venue() -> None:
    config = load(GOOD, 'exchanges.c.market={plugin="dummy"}').config

    assert list(config.exchanges) == ["a", "b", "c"]


def test_a_star_stands_for_every_key_that_is_there() -> None:
    config = load(GOOD, "exchanges.*.market.plugin=tape", "exchanges.*.market.path=x").config

    assert {venue.market.settings.path for venue in config.exchanges.values()} == {Path("x")}


@pytest.mark.parametrize(
    "override",
    ["nothing", "=1", "a..b=1", ".a=1", "a.=1", '"a=1', "guards.*.limit=1", "session.seed.*=1", "a b=1"],
)
def test_a_malformed_override_is_a_problem(override: str) -> None:
    [problem] = problems(GOOD, override)

    assert problem.file == "--set"
    assert override in str(problem)


def test_an_override_cant_run_through_a_value() -> None:
    [problem] = problems(GOOD, "universe.top_n.x=1")

    assert str(problem) == "--set: universe.top_n.x: universe.top_n is not a table"


def test_the_last_override_wins_and_flags_win_over_overrides() -> None:
    loaded = load(
        GOOD,
        "session.max_iterations=1",
        "session.max_iterations=2",
        "session.max_runtime_seconds=5",
        "log.level=ERROR",
        iterations=7,
        runtime_seconds=Decimal("1.5"),
        log_level="DEBUG",
    )

    assert loaded.config.session.max_iterations == 7
    assert loaded.config.session.max_runtime_seconds == Decimal("1.5")
    assert loaded.config.log_level is LogLevel.DEBUG
    assert load(GOOD, "env=a", "env=b").config.env == "b"


def test_a_bad_flag_is_named() -> None:
    found = problems(GOOD, iterations=0, runtime_seconds=Decimal("-1"), log_level="LOUD")

    assert [(problem.file, problem.key) for problem in found] == [
        ("--iterations", "session.max_iterations"),
        ("--runtime", "session.max_runtime_seconds"),
        ("--log-level", "log.level"),
    ]


def test_warnings_carry_their_table() -> None:
    assert load(GOOD, "exchanges.b.taker_fee_bps=60").warnings == ("exchanges.b: a fee that nothing can pay",)


def test_a_plugin_that_fails_on_its_settings_is_named() -> None:
    text = GOOD.replace("taker_fee_bps = 5", 'plugin = "broken"')

    with pytest.raises(PluginError, match=r"exchange 'broken' failed on the settings of \[exchanges.b\].*oops"):
        load(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[session]\nseed = \n", r"not valid TOML: .*line 2, column 8"),
        (b"seed = 1\nseed = 2", "not valid TOML"),
        (b'env = "a"\nb = "\xff"', r"not UTF-8 text \(at line 2\)"),
    ],
)
def test_a_file_that_cant_be_parsed(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_config(path, PLUGINS)
    [problem] = caught.value.problems
    assert problem.file == str(path)
    assert re.search(message, problem.message)


def test_a_file_that_is_missing_or_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.toml: no such file"):
        load_config(tmp_path / "nowhere.toml", PLUGINS)
    with pytest.raises(ConfigError, match="a directory"):
        load_config(tmp_path, PLUGINS)


def test_a_file_is_read_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    loaded = load_config(path, PLUGINS, overrides=["env=x"], iterations=3)

    assert (loaded.config.env, loaded.config.session.max_iterations) == ("x", 3)


def test_a_table_of_python_values_is_taken_and_left_alone() -> None:
    table = {
        "universe": {"top_n": 1},
        "exchanges": {name: {"market": {"plugin": "tape", "path": Path("q")}, "taker_fee_bps": 0.1} for name in "ab"},
    }
    config = load_table(table, PLUGINS, overrides=["universe.top_n=2"]).config

    assert config.exchanges["a"].exchange.settings.taker_fee_bps == Decimal("0.1")
    assert config.universe.top_n == 2
    assert table["universe"] == {"top_n": 1}


@pytest.mark.parametrize(
    "same",
    [
        [],
        ["exchanges.b.taker_fee_bps=5.000"],
        ['exchanges.b.taker_fee_bps="5"'],
        ["exchanges.a.balances.USDT=100_000.0"],
        ["session.seed=7", "env=development", "guards.symbol.limit=2", "fx.USDT=1.00"],
        ["log.level=DEBUG"],
        ["exchanges.a.api_key=secret"],
    ],
)
def test_what_means_the_same_has_the_same_digest(same: list[str]) -> None:
    assert load(GOOD, *same).config.digest == load().config.digest


@pytest.mark.parametrize(
    "other",
    ["session.seed=8", "exchanges.a.market.plugin=tape", "guards.symbol.limit=3", "fx.EUR=1", "universe.top_n=4"],
)
def test_what_means_something_else_has_another_digest(other: str) -> None:
    assert load(GOOD, other).config.digest != load().config.digest


def test_a_digest_is_64_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", load().config.digest)


@given(amount=st.decimals(0, 10**12, places=6))
def test_a_number_has_one_digest_however_it_is_written(amount: Decimal) -> None:
    digests = {
        load(GOOD, f"exchanges.a.balances.USDT={written}").config.digest
        for written in (f"{amount:f}", f'"{amount:f}"', f"{amount:,f}".replace(",", "_"), f'"{amount:E}"')
    }

    assert len(digests) == 1


GARBAGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**4000, 10**4200)
    | st.decimals()
    | st.floats()
    | st.text(max_size=8)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TABLES = ("session", "universe", "exchanges", "a", "b", "market", "settings", "guards", "symbol", "fx", "strategy")
KEYS = ("plugin", "log", "seed", "mode", "top_n", "whitelist", "balances", "instruments", "level", "limit", "USDT")
PATHS = st.lists(st.sampled_from([*TABLES, *KEYS]), max_size=3)


@given(places=st.lists(st.tuples(PATHS, GARBAGE), max_size=4))
def test_garbage_is_loaded_or_refused(places: list[tuple[list[str], Any]]) -> None:
    table: Any = read(GOOD)
    for path, value in places:
        below = table
        for name in path[:-1]:
            below = below.setdefault(name, {}) if isinstance(below, dict) else {}
        if path and isinstance(below, dict):
            below[path[-1]] = value
    found = refusal(lambda: load_table(table, PLUGINS))
    assert all(problem.file and problem.message and str(problem) for problem in found)


@given(text=st.text(max_size=20) | st.sampled_from(["a.*", "*.*", '"', "session.", "exchanges.*"]), value=st.text())
def test_any_override_is_taken_or_refused(text: str, value: str) -> None:
    for override in (text, f"{text}={value}", f"session.{text}={value}"):
        found = refusal(lambda: load(GOOD, override))  # noqa: B023  # called at once
        assert all(problem.file == "--set" for problem in found)


def test_structuring_alone_reports_nested_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        structure({"instruments": {"X": {"lot": 1}, "Y": 5}}, PaperSettings, key="k")

    assert keys(caught.value.problems) == ["k.instruments.X.lot_size", "k.instruments.X.lot", "k.instruments.Y"]
