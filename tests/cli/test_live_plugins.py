"""Plugins that talk to the outside: opened in real time only, and only by commands that need them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import wired_plugins
from command import CommandLine

from trioarb.api import ExchangeSpec, Offer, Order, OrderRejected, Side
from trioarb.cli.opened import without_orders
from trioarb.plugin.registry import load_plugins


@attrs.frozen(kw_only=True)
class OfVenue:
    """What of a context is looked at here."""

    venue: str
    can_trade: bool = True


CONFIG = """
[session]
max_runtime_seconds = 1
loop_interval_ms = 0
[universe]
source = "wire"
mode = "FULL_MARKET"
[exchanges.a]
plugin = "wire"
balances = { USDT = "100000" }
market = { plugin = "wire" }
[exchanges.b]
balances = { USDT = "100000" }
inventory_usd_per_symbol = 5_000
market = { plugin = "wire" }
"""

NAMED = (
    'the symbol source plugin "wire" of [universe.settings], the exchange plugin "wire" of [exchanges.a], '
    'the market data plugin "wire" of [exchanges.a.market], the market data plugin "wire" of [exchanges.b.market]'
)


@pytest.fixture
def wired(trioarb: CommandLine) -> CommandLine:
    (trioarb.folder / "wire.toml").write_text(CONFIG)
    return trioarb.install("acme-wire", "wired_plugins")


def noted(trioarb: CommandLine) -> list[str]:
    path = trioarb.folder / "outside.txt"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("command", ["run", "check", "symbols"])
@pytest.mark.parametrize(
    ("override", "key", "value", "allowed"),
    [("session.clock=virtual", "session.clock", '"virtual"', '"real"'), ("session.speed=5", "session.speed", "5", "1")],
)
def test_time_that_is_not_real_is_refused(
    wired: CommandLine, command: str, override: str, key: str, value: str, allowed: str
) -> None:
    ran = wired(command, "wire.toml", "--set", override)

    assert ran.code == 2
    assert ran.error.startswith(
        f"wire.toml: {key}: {NAMED} talks to the outside, where time can't be hurried: {value} (allowed: {allowed}); "
    ) or ran.error.startswith(
        f"--set: {key}: {NAMED} talks to the outside, where time can't be hurried: {value} (allowed: {allowed}); "
    )
    assert noted(wired) == []


def test_check_opens_nothing_and_says_so(wired: CommandLine) -> None:
    ran, plan = wired("check", "wire.toml"), json.loads(wired("check", "wire.toml", "--json").out)

    assert ran.code == 0
    assert "Not looked at, for it talks to the outside: universe.settings (symbol source" in ran.out
    assert "exchanges.a (exchange plugin" in ran.out
    assert "--online" in ran.out
    assert "valid" in ran.out
    assert plan["ok"]
    assert plan["symbols"] is None
    assert len(plan["not_looked_at"]) == 4
    assert noted(wired) == []


def test_check_still_finds_wrong_settings(wired: CommandLine) -> None:
    ran = wired("check", "wire.toml", "--set", "exchanges.a.taker_fee_bps=many")

    assert ran.code == 2
    assert "exchanges.a.taker_fee_bps" in ran.error


def test_check_online_opens_everything_and_sends_nothing(wired: CommandLine) -> None:
    ran = wired("check", "wire.toml", "--online", "--json")

    assert ran.code == 0
    plan = json.loads(ran.out)
    assert plan["symbols"]["BTCUSDT"].keys() == {"a", "b"}
    assert plan["not_looked_at"] == []
    assert sorted(noted(wired)) == ["exchange a", "market of a", "market of b", "source"]


def test_check_online_knows_what_a_venue_takes(wired: CommandLine) -> None:
    """A strategy that needs more than immediate orders is no error where the venue has them."""
    quoted = ("--set", "strategy.plugin=maker_taker", "--set", "strategy.maker=a")

    ran = wired("check", "wire.toml", "--online", *quoted)

    assert ran.code == 0, ran.err


def test_symbols_opens_everything(wired: CommandLine) -> None:
    ran = wired("symbols", "wire.toml")

    assert ran.code == 0
    assert "BTCUSDT" in ran.out
    assert "source" in noted(wired)


def test_a_run_sends_orders(wired: CommandLine) -> None:
    ran = wired.run("wire.toml", "--set", "strategy.entry_bps=10")

    assert ran.of_type("order_rejected", reason="closed for today")
    assert "order at a" in noted(wired)


def test_a_replay_puts_simulated_venues_in_their_place(wired: CommandLine) -> None:
    recorded = wired("record", "wire.toml", "--out", "quotes", "--hours", "0.0001")
    assert recorded.code == 0, recorded.err
    (wired.folder / "outside.txt").unlink()

    ran = wired("replay", "wire.toml", "--quotes", "quotes", "--events", "events.jsonl")

    assert ran.code == 0, ran.err
    assert noted(wired) == []
    said = " ".join(ran.err.split())
    assert "exchanges.a: 'wire' talks to the outside; 'paper' stands in for it (keys that it knows: balances)" in said
    for venue in ("a", "b"):
        assert f"exchanges.{venue}.market: 'wire' talks to the outside; its venue plays the recorded quotes" in said
    assert ran.of_type("deposited", venue="a", asset="USDT", amount="100000")


def test_inside_of_a_wrapper_it_is_replaced_too(wired: CommandLine, tmp_path: Path) -> None:
    pytest.importorskip("trioarb_faults")
    wired("record", "wire.toml", "--out", "quotes", "--hours", "0.0001")
    wrapped = CONFIG.replace(
        'plugin = "wire"\nbalances = { USDT = "100000" }\nmarket = { plugin = "wire" }',
        'plugin = "faulty"\nreject = 0.5\nwraps = { plugin = "wire", balances = { USDT = "70000" } }\n'
        'market = { plugin = "wire" }',
        1,
    )
    (tmp_path / "wrapped.toml").write_text(wrapped)

    ran = wired("replay", "wrapped.toml", "--quotes", "quotes", "--events", "events.jsonl")

    assert ran.code == 0, ran.err
    assert "exchanges.a.wraps: 'wire' talks to the outside" in " ".join(ran.err.split())
    assert ran.of_type("deposited", venue="a", asset="USDT", amount="70000")


async def test_an_exchange_that_is_looked_at_refuses_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugins = load_plugins({"wire": wired_plugins})
    order = Order(
        client_order_id="o1",
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        limit_price=Decimal(100),
    )
    for found in (plugins, without_orders(plugins)):
        spec = found.get(ExchangeSpec, "wire")
        context: Any = OfVenue(venue="a")
        async with spec.open(spec.settings(), context) as exchange:
            with pytest.raises(OrderRejected):
                await exchange.place(order)
            assert await exchange.balances() == {"BTC": Decimal(50)}
            assert exchange.offers == {Offer.GTC, Offer.POST_ONLY}
            assert not exchange.grants_inventory
    assert noted(CommandLine(folder=tmp_path)) == ["exchange a", "order at a", "exchange a"]
