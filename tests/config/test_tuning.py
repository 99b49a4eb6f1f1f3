"""Tables of single symbols and of liquidity tiers: checked like the plugins' own, and what holds for a symbol."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from trioarb.config.load import load_table
from trioarb.config.schema import Config
from trioarb.config.stored import differences
from trioarb.config.tuning import Tuning
from trioarb.errors import ConfigError
from trioarb.model.market import Listing
from trioarb.plugin.registry import load_plugins
from trioarb.testing import run_virtual, two_venues

PLUGINS = load_plugins()


def table(**more: Any) -> dict[str, Any]:
    return two_venues("dummy") | {"strategy": {"plugin": "spread", "entry_bps": 12, "exit_bps": -8}} | more


def load(**more: Any) -> Config:
    return load_table(table(**more), PLUGINS).config


def problems(**more: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(**more)
    return [str(problem) for problem in error.value.problems]


def listing(symbol: str, volume: str | None) -> Listing:
    base = symbol.removesuffix("USDT")
    return Listing(symbol=symbol, base=base, quote="USDT", volume_24h_quote=None if volume is None else Decimal(volume))


TIERS: Mapping[str, Any] = {
    "low": {"below_24h_quote_volume": 50_000_000, "strategy": {"entry_bps": 30, "order_size_usd": 50}},
    "middle": {"below_24h_quote_volume": 500_000_000, "guards": {"symbol": {"cooldown_seconds": 60}}},
}


def test_a_symbols_own_value_wins_over_that_of_its_tier_and_that_over_the_plugins() -> None:
    config = load(tiers=TIERS, symbols={"AAAUSDT": {"strategy": {"entry_bps": 99}}})
    tuning = Tuning(config)
    tuning.take_in([listing("AAAUSDT", "1000"), listing("BBBUSDT", "2e8"), listing("CCCUSDT", "1e9")])
    tuning.take_in([listing("DDDUSDT", None), listing("AAAUSDT", "1e12")])

    def strategy(symbol: str) -> tuple[Decimal, Decimal, Decimal | None]:
        settings = tuning.table(config.strategy, symbol).settings
        return settings.entry_bps, settings.exit_bps, settings.order_size_usd

    assert strategy("AAAUSDT") == (99, -8, 50)
    assert strategy("BBBUSDT") == strategy("CCCUSDT") == (12, -8, None)
    assert strategy("DDDUSDT") == (30, -8, 50)
    (guard,) = [one for one in config.guards if one.key == "guards.symbol"]
    settings_of = tuning.settings_of(guard)
    assert settings_of is not None
    assert [settings_of(symbol).cooldown_seconds for symbol in ("AAAUSDT", "BBBUSDT", "CCCUSDT")] == [30, 60, 30]
    assert tuning.origins("AAAUSDT")["strategy.entry_bps"] == (99, "symbols.AAAUSDT.strategy.entry_bps")
    assert tuning.origins("AAAUSDT")["strategy.order_size_usd"] == (50, "tiers.low.strategy.order_size_usd")
    assert tuning.origins("CCCUSDT") == {}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"symbols": {"X": {"strategy": {"entry_bp": 1}}}}, "did you mean 'entry_bps'?"),
        ({"symbols": {"X": {"strategy": {"entry_bps": "much"}}}}, "symbols.X.strategy.entry_bps: wrong"),
        ({"symbols": {"X": {"stratgy": {}}}}, "did you mean 'strategy'?"),
        ({"symbols": {"X": {"guards": {"symbl": {"cooldown_seconds": 1}}}}}, "there is no [guards.symbl]"),
        ({"symbols": {"X": {"guards": {"global": {"max_daily_loss_usd": 1}}}}}, "has no settings of single symbols"),
        ({"tiers": {"low": {"strategy": {"entry_bps": 1}}}}, "tiers.low.below_24h_quote_volume: missing"),
        ({"tiers": {"low": {"below_24h_quote_volume": 0}}}, "tiers.low.below_24h_quote_volume: wrong value: 0"),
    ],
)
def test_such_tables_are_checked_like_the_plugins_own(more: dict[str, Any], said: str) -> None:
    found = problems(**more)

    assert len(found) == 1
    assert said in found[0]
    assert f"{next(iter(more))}." in found[0]


def test_they_are_part_of_the_digest_and_can_be_changed_when_a_campaign_goes_on() -> None:
    plain, tuned = load(), load(tiers=TIERS)

    assert plain.digest != tuned.digest
    found = differences(plain, tuned)
    assert {one.key for one in found} >= {"tiers.low.strategy.entry_bps", "tiers.low.below_24h_quote_volume"}
    assert all(one.harmless for one in found)


def test_a_campaign_trades_each_symbol_by_its_own_settings() -> None:
    config = table(
        universe={"top_n": 4, "blacklist": ["BUSDUSDT", "USDCUSDT"]},
        symbols={
            "ETHUSDT": {"strategy": {"entry_bps": 100_000}},
            "BTCUSDT": {"guards": {"symbol": {"max_position_size_usd": 1}}},
        },
    )
    config["session"]["max_runtime_seconds"] = 120
    result = run_virtual(config)

    entered = {one["symbol"] for one in result.of_type("pair_opened")}
    assert entered == {"BNBUSDT", "SOLUSDT"}
    denied = [one for one in result.of_type("decided") if one.get("rule") == "position_size"]
    assert {(one["symbol"], one["limit"]) for one in denied} == {("BTCUSDT", "1")}


def test_a_symbol_that_nobody_lists_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"symbols\.BTCUSD: there is no such symbol.*did you mean 'BTCUSDT'"):
        run_virtual(table(symbols={"BTCUSD": {"strategy": {"entry_bps": 1}}}))
