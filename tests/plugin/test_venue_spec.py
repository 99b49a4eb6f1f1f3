"""A venue of one spec: what it gives is known by its name, and what is wrong with it is said when it is loaded."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from house import House, HouseAccount, HouseSettings

from trioarb.api import (
    ExchangeSpec,
    MarketDataSpec,
    SourceContext,
    SymbolSource,
    SymbolSourceSpec,
    VenueSpec,
    setting,
)
from trioarb.cli import plugins as listing
from trioarb.errors import PluginError
from trioarb.plugin.registry import load_plugins
from trioarb.testing import plugin_of


def spec(**changes: Any) -> VenueSpec:
    house = House()
    given: dict[str, Any] = {
        "name": "house",
        "doc": "a venue",
        "settings": HouseSettings,
        "account": HouseAccount,
        "open": house.open,
        "source": house.source,
        "market": house.market,
        "exchange": house.exchange,
    }
    return VenueSpec(**given | changes)


def test_its_parts_are_plugins_of_their_kinds() -> None:
    plugins = load_plugins({"house": plugin_of(spec(live=True, real=True, warnings=lambda settings: ["far"]))})
    parts = [plugins.get(kind, "house") for kind in (SymbolSourceSpec, MarketDataSpec, ExchangeSpec)]
    assert [part.settings for part in parts] == [HouseSettings, HouseSettings, HouseAccount]
    assert all(part.live for part in parts)
    assert plugins.get(ExchangeSpec, "house").real
    # What is questionable of settings is said of what reads all of them.
    assert [list(part.warnings(None)) for part in parts] == [[], ["far"], ["far"]]


def test_it_may_give_less() -> None:
    plugins = load_plugins({"house": plugin_of(spec(exchange=None, account=None, source=None))})
    assert "house" in plugins.names(MarketDataSpec)
    assert "house" not in plugins.names(ExchangeSpec)
    assert "house" not in plugins.names(SymbolSourceSpec)


@attrs.frozen(kw_only=True)
class Apart:
    key: str = setting("", doc="a key")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": None, "market": None, "exchange": None, "account": None}, "neither source, market nor exchange"),
        ({"exchange": None}, "has an account, and no exchange"),
        ({"account": Apart}, "must be derived from its settings"),
        ({"real": True}, "with real=True goes live=True"),
        ({"wraps": True}, "can't wrap another"),
    ],
)
def test_what_contradicts_itself_is_no_venue(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec(**changes)


async def late_source(session: object, context: SourceContext) -> SymbolSource:
    raise AssertionError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": late_source}, "`source` of 'house' must be a plain function, or a class; where there is something"),
        ({"market": 7}, "`market` of 'house' must be a plain function, or a class"),
        ({"open": late_source}, "`open` of 'house' must return an async context manager"),
    ],
)
def test_what_cant_be_opened_is_named_when_it_is_loaded(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        load_plugins({"house": plugin_of(spec(**changes))})


def test_two_of_one_name_are_said_once_and_a_part_that_is_taken_too() -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins({"one": plugin_of(spec()), "two": plugin_of(spec())})
    assert str(caught.value) == (
        "two plugins claim the venue 'house': one and two; uninstall one of them, leave it out, or rename its plugin"
    )
    with pytest.raises(PluginError, match="two plugins claim the market data 'dummy': "):
        load_plugins({"house": plugin_of(spec(name="dummy", source=None, exchange=None, account=None))})


def test_it_is_listed_as_one_with_what_it_gives(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(listing, "plugins_named", lambda files: load_plugins({"house": plugin_of(spec())}))
    assert listing.list_plugins(as_json=True) == 0
    (row,) = (one for one in json.loads(capsys.readouterr().out) if one["name"] == "house")
    assert (row["kind"], row["gives"]) == ("venue", ["symbol source", "market data", "exchange"])
    assert [key["name"] for key in row["settings"]] == ["url", "api_key", "balances"]
