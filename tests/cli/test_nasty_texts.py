"""Names and texts from outside that a terminal, or markup, would take for something else."""

from __future__ import annotations

import json

import pytest
from command import CommandLine

#: As a symbol; the border lets no control character into one.
NASTY = "X[/no]"
REASON = "no [/nope] \x1b[31m \udcff \u202e \x07"

PLUGINS = f"""
from contextlib import asynccontextmanager
from decimal import Decimal

from trioarb.api import (
    ExchangeSpec, Instrument, Listing, NoSettings, Exchange, OrderRejected, TradingRules, hookimpl
)
from trioarb.testing import ScriptedTape, plugin_of, scripted_market

ONE = Listing(symbol={NASTY!r} + "USDT", base={NASTY!r}, quote="USDT")


class Rude(Exchange):
    def __init__(self, venue):
        self._venue = venue

    async def instruments(self, listings):
        rules = TradingRules(tick_size=Decimal("0.1"), lot_size=Decimal("0.01"), min_notional=Decimal(5))
        return {{
            one.symbol: Instrument(
                symbol=one.symbol, venue=self._venue, native_id=one.symbol, base=one.base, quote=one.quote,
                rules=rules, maker_fee_bps=Decimal(1), taker_fee_bps=Decimal(1),
            )
            for one in listings
        }}

    async def balances(self):
        return {{"USDT": Decimal(100_000), {NASTY!r}: Decimal(100)}}

    async def place(self, order):
        raise OrderRejected({REASON!r})

    async def order(self, client_order_id):
        return None


@asynccontextmanager
async def open_exchange(settings, context):
    yield Rude(context.venue)


def tape(price):
    rows = [(second, ONE.symbol, price, 50.0, price + 0.1, 50.0) for second in range(30)]
    return ScriptedTape(rows, listings=[ONE])


market = scripted_market({{"a": tape(100.0), "b": tape(102.0)}})
rude = plugin_of(ExchangeSpec(name="rude", doc={NASTY!r}, open=open_exchange))


@hookimpl
def trioarb_market_data():
    return market.trioarb_market_data()


@hookimpl
def trioarb_symbol_sources():
    return market.trioarb_symbol_sources()


@hookimpl
def trioarb_exchanges():
    return rude.trioarb_exchanges()
"""

CONFIG = """
[session]
clock = "virtual"
loop_interval_ms = 0
[universe]
source = "scripted"
mode = "FULL_MARKET"
[exchanges.a]
plugin = "rude"
market = { plugin = "scripted" }
[exchanges.b]
plugin = "rude"
market = { plugin = "scripted" }
"""


@pytest.fixture
def rude(trioarb: CommandLine) -> CommandLine:
    (trioarb.folder / "rude.toml").write_text(CONFIG)
    return trioarb.install("rude", "rude_plugins", PLUGINS)


def test_they_are_shown_and_end_nothing(rude: CommandLine) -> None:
    ran = rude.run("rude.toml", "--journal=c.journal")

    assert ran.code == 0, ran.err
    assert all("no [/nope]" in one["reason"] for one in ran.of_type("order_rejected"))
    assert len(ran.of_type("order_rejected")) > 1
    commands = [
        *(("check", "rude.toml"), ("symbols", "rude.toml"), ("plugins",), ("explain", "c.journal")),
        *(("explain", "c.journal", "--trade", "t1"), ("verify", "c.journal"), ("summary", "c.journal")),
    ]
    for one in [ran, *(rude(*command) for command in commands)]:
        assert one.code == 0, one.err
        assert not {"\x1b", "\u202e", "\x07"} & {*one.out, *one.err}
    for command in ("check", "symbols", "explain", "summary"):
        shown = rude(command, "c.journal" if command in ("explain", "summary") else "rude.toml").out
        assert NASTY in shown, command
    assert json.loads(rude("symbols", "rude.toml", "--json").out)[0]["symbol"] == f"{NASTY}USDT"
