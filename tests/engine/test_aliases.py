"""Venues that have names of their own for assets."""

from __future__ import annotations

from typing import Any

import pytest

from trioarb.api import Listing
from trioarb.engine.aliases import aliased
from trioarb.errors import ConfigError
from trioarb.testing import CampaignResult, ScriptedTape, listing, run_virtual, scripted_market, two_venues


def run(aliases: Any, *, bases: tuple[str, ...] = ("XBT",), **strategy: Any) -> CampaignResult:
    """Venue a calls XBT what venue b calls BTC, and b pays 30 bps more for it."""
    config = two_venues()
    config["session"]["max_runtime_seconds"] = 20
    config["guards"]["portfolio"] = {"max_symbol_allocation_pct": 1}
    config["exchanges"]["a"]["aliases"] = aliases

    def tape(price: float, listings: list[Listing]) -> ScriptedTape:
        rows = [
            (float(second), one.symbol, price, 50.0, price + 0.01, 50.0) for second in range(20) for one in listings
        ]
        return ScriptedTape(rows, listings=listings)

    a = tape(100.0, [listing(base) for base in (*bases, "ETH")])
    b = tape(100.3, [listing("BTC"), listing("ETH")])
    return run_virtual(config, plugins={"market": scripted_market({"a": a, "b": b})})


def test_a_venue_with_a_name_of_its_own_is_traded_with_the_others() -> None:
    without, result = run({}), run({"XBT": "BTC"})

    assert without.campaign.symbols.keys() == {"ETHUSDT"}
    assert result.campaign.symbols.keys() == {"BTCUSDT", "ETHUSDT"}
    assert {one["symbol"] for one in result.of_type("position_opened")} == {"BTCUSDT", "ETHUSDT"}
    assert {(one["venue"], one["base"]) for one in result.of_type("instrument_listed")} == {
        ("a", "BTC"),
        ("b", "BTC"),
        ("a", "ETH"),
        ("b", "ETH"),
    }


async def test_an_alias_that_is_wrong_in_many_symbols_is_one_problem() -> None:
    listings = [
        Listing(symbol=base + quote, base=base, quote=quote)
        for quote in ("USDT", "EUR", "BNB")
        for base in ("XBT", "BTC")
    ]
    with pytest.raises(ConfigError) as error:
        await aliased(ScriptedTape([], listings=listings), "a", {"XBT": "BTC"})

    (problem,) = error.value.problems
    assert problem.message == (
        "XBTUSDT and BTCUSDT would both be BTCUSDT, and so in 2 more symbols: an alias is for one coin"
    )


@pytest.mark.parametrize(
    ("aliases", "bases", "said"),
    [
        ({"XBT": "BTC"}, ("XBT", "BTC"), "XBTUSDT and BTCUSDT would both be BTCUSDT: an alias is for one coin"),
        ({"XBT": "ETH"}, ("XBT",), "XBTUSDT and ETHUSDT would both be ETHUSDT"),
        ({"XBTT": "BTC"}, ("XBT",), r"exchanges\.a\.aliases\.XBTT: a lists no such asset; did you mean 'XBT'"),
        ({"XBT": ["BTC", "BCH"]}, ("XBT",), r"exchanges\.a\.aliases\.XBT: wrong value: a list \(allowed: text\)"),
    ],
)
def test_an_alias_stands_for_one_coin_that_the_venue_lists(aliases: Any, bases: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(aliases, bases=bases)
