"""One table a venue, three modes: what is opened in each, and what has to be there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from trioarb.api import ExchangeSpec, MarketDataSpec, SymbolSourceSpec, hookimpl, setting
from trioarb.config.load import Loaded, load_table
from trioarb.config.quotes import Quotes
from trioarb.config.schema import Mode
from trioarb.errors import ConfigError
from trioarb.plugin.registry import load_plugins


@attrs.frozen(kw_only=True)
class AccountSettings:
    api_key: str = setting(secret=True, doc="a key")
    rest_url: str = setting("", doc="where it is")
    window: int = setting(5, doc="of orders only")


@attrs.frozen(kw_only=True)
class MarketSettings:
    rest_url: str = setting("", doc="where it is")
    silent: int = setting(60, doc="of quotes only")


@attrs.frozen(kw_only=True)
class SourceSettings:
    rest_url: str = setting("", doc="where it is")


@asynccontextmanager
async def unopened(settings: Any, context: Any) -> AsyncIterator[Any]:
    raise AssertionError("settings are looked at, and nothing is opened")
    yield


class Bourse:
    """A real venue's plugins."""

    @hookimpl
    def trioarb_exchanges(self) -> Sequence[ExchangeSpec]:
        return [
            ExchangeSpec(name="bourse", doc="an account", settings=AccountSettings, open=unopened, live=True, real=True)
        ]

    @hookimpl
    def trioarb_market_data(self) -> Sequence[MarketDataSpec]:
        return [MarketDataSpec(name="bourse", doc="quotes", settings=MarketSettings, open=unopened, live=True)]

    @hookimpl
    def trioarb_symbol_sources(self) -> Sequence[SymbolSourceSpec]:
        return [SymbolSourceSpec(name="bourse", doc="symbols", settings=SourceSettings, open=unopened, live=True)]


PLUGINS = load_plugins({"bourse": Bourse()})


def venue(**changes: Any) -> dict[str, Any]:
    table: dict[str, Any] = {
        "plugin": "bourse",
        "api_key": {"env": "KEY"},
        "rest_url": "https://here",
        "paper": {"taker_fee_bps": 7},
    }
    return {name: value for name, value in (table | changes).items() if value is not None}


def table(mode: str, a: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "session": {"mode": mode},
        "universe": {"source": "bourse", "mode": "SINGLE", "symbol": "BTCUSDT"},
        "exchanges": {"a": a if a is not None else venue(), "b": venue()},
        "live": {"capital_cap_usd": 100},
        "guards": {"global": {}, "portfolio": {}, "symbol": {}},
        **more,
    }


def load(given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Loaded:
    return load_table(given, PLUGINS, environment={} if environment is None else environment)


def problems(given: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(given, {"KEY": "the-key"})
    return {one.key: one.message for one in caught.value.problems}


def test_on_paper_what_stands_in_trades_and_keys_need_not_be_there() -> None:
    loaded = load(table("paper"))
    tables = loaded.config.exchanges["a"]
    assert (tables.exchange.plugin, tables.exchange.key) == ("paper", "exchanges.a.paper")
    assert tables.exchange.settings.taker_fee_bps == 7
    assert tables.real is not None
    assert tables.real.plugin == "bourse"
    # The account isn't opened: market data and source are all that talks to the outside.
    assert sorted(loaded.live) == ["exchanges.a.market", "exchanges.b.market", "universe.settings"]


def test_in_shadow_mode_the_account_is_opened_beside_and_needs_its_key() -> None:
    assert problems_of_key("shadow") == {"exchanges.a.api_key", "exchanges.b.api_key"}
    loaded = load(table("shadow"), {"KEY": "the-key"})
    assert loaded.config.exchanges["a"].exchange.plugin == "paper"
    assert "exchanges.a" in loaded.live


def test_in_live_mode_the_account_trades() -> None:
    assert problems_of_key("live") == {"exchanges.a.api_key", "exchanges.b.api_key"}
    tables = load(table("live"), {"KEY": "the-key"}).config.exchanges["a"]
    assert tables.exchange.plugin == "bourse"
    assert tables.exchange.settings.api_key == "the-key"
    assert tables.real is None
    assert tables.paper is not None
    assert tables.paper.settings.taker_fee_bps == 7


def problems_of_key(mode: str) -> set[str]:
    with pytest.raises(ConfigError) as caught:
        load(table(mode))
    return {one.key for one in caught.value.problems}


def test_market_data_and_source_of_the_same_name_share_the_venues_settings() -> None:
    config = load(table("paper")).config
    assert config.exchanges["a"].market.settings == MarketSettings(rest_url="https://here")
    assert config.source.settings == SourceSettings(rest_url="https://here")
    own = venue(market={"silent": 5, "rest_url": "https://there"})
    config = load(table("paper", own)).config
    assert config.exchanges["a"].market.plugin == "bourse"
    assert config.exchanges["a"].market.settings == MarketSettings(rest_url="https://there", silent=5)
    other = venue(market={"plugin": "dummy"})
    assert load(table("paper", other)).config.exchanges["a"].market.plugin == "dummy"


@pytest.mark.parametrize(
    ("mode", "a", "key", "said"),
    [
        ("paper", venue(paper=None), "exchanges.a.paper", "something has to stand in for it"),
        ("shadow", venue(paper=None), "exchanges.a.paper", "something has to stand in for it"),
        ("paper", venue(paper={"plugin": "bourse"}), "exchanges.a.paper.plugin", "a real venue can't stand in"),
        ("live", {"plugin": "paper", "market": {"plugin": "bourse"}}, "exchanges.a.plugin", "needs a real venue"),
        (
            "paper",
            {"plugin": "paper", "market": {"plugin": "bourse"}, "paper": {}},
            "exchanges.a.paper",
            "the venue is simulated itself",
        ),
        ("live", venue(paper={"taker_fee_bps": "much"}), "exchanges.a.paper.taker_fee_bps", "wrong value"),
    ],
)
def test_what_does_not_fit_the_mode(mode: str, a: Mapping[str, Any], key: str, said: str) -> None:
    assert said in problems(table(mode, a))[key]


def test_live_mode_needs_to_be_told_what_it_may_risk_and_real_time() -> None:
    found = problems(table("live", live={}))
    assert "may risk at most" in found["live.capital_cap_usd"]
    hurried = table("live")
    hurried["session"]["clock"] = "virtual"
    assert "can't be hurried" in problems(hurried)["session.mode"]


def test_a_secret_that_stands_in_the_file_is_refused_in_live_mode() -> None:
    assert "live trading refuses" in problems(table("live", venue(api_key="open")))["exchanges.a.api_key"]


def test_a_replay_of_a_live_configuration_is_on_paper(tmp_path: Any) -> None:
    quotes = Quotes(paths=[tmp_path])
    config = load_table(table("live"), PLUGINS, environment={}, quotes=quotes).config
    assert config.session.mode is Mode.PAPER
    assert config.exchanges["a"].exchange.plugin == "paper"
