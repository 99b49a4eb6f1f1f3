"""A campaign whose universe was chosen anew, resumed."""

from __future__ import annotations

import json

from command import CommandLine

RANKED = """
from contextlib import asynccontextmanager
from decimal import Decimal

from trioarb.api import Listing, NoSettings, SymbolSource, SymbolSourceSpec, hookimpl

#: The symbols at each time they are asked for, while one process runs.
RANKS = ["BTC ETH", "BTC SOL", "SOL XRP", "XRP ETH"]


class Ranked(SymbolSource):
    def __init__(self):
        self.asked = -1

    async def listings(self):
        self.asked += 1
        first = RANKS[self.asked % len(RANKS)].split()
        bases = [*first, *(base for base in ("BTC", "ETH", "SOL", "XRP") if base not in first)]
        return [
            Listing(symbol=f"{base}USDT", base=base, quote="USDT", volume_24h_quote=Decimal(100 - rank))
            for rank, base in enumerate(bases)
        ]


@asynccontextmanager
async def open_source(settings, context):
    yield Ranked()


@hookimpl
def trioarb_symbol_sources():
    return [SymbolSourceSpec(name="ranked", doc="ranks that change", open=open_source)]
"""
CONFIG = """
[session]
clock = "virtual"
max_runtime_seconds = 150
close_positions_at_end = false
[universe]
source = "ranked"
top_n = 2
refresh_minutes = 1
[exchanges.a]
market = { plugin = "dummy", basis_half_life_seconds = 20 }
inventory_usd_per_symbol = 5000
balances = { USDT = "100000" }
[exchanges.b]
market = { plugin = "dummy", basis_half_life_seconds = 20 }
inventory_usd_per_symbol = 5000
balances = { USDT = "100000" }
[guards.portfolio]
max_symbol_allocation_pct = 1
"""


def test_a_resumed_campaign_goes_on_with_the_symbols_that_it_had_last(trioarb: CommandLine) -> None:
    ranked = trioarb.install("ranked", "ranked_source", RANKED)
    (trioarb.folder / "c.toml").write_text(CONFIG)

    first = ranked("run", "c.toml", "--journal=c.journal", "--events=events.jsonl", "--summary=summary.json")
    assert first.code == 0
    assert [one["symbols"] for one in first.of_type("universe_refreshed")] == [
        ["BTCUSDT", "SOLUSDT"],
        ["SOLUSDT", "XRPUSDT"],
    ]
    assert first.summary["symbols"] == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert first.summary["universe"] == {"requested": 2, "listed": 4, "loaded": 2, "evaluated": 2}

    again = ranked("resume", "c.journal", "--events=more.jsonl", "--summary=summary.json", "--runtime=300")
    events = [json.loads(line) for line in ranked("events", "c.journal").out.splitlines()]
    later = [one for one in events if one["seq"] > first.events[-1]["seq"]]

    assert again.code == 0
    refreshed = [one for one in later if one["type"] == "universe_refreshed"]
    assert refreshed[0]["symbols"] == ["BTCUSDT", "SOLUSDT"]
    assert (refreshed[0]["added"], refreshed[0]["dropped"]) == (["BTCUSDT"], ["XRPUSDT"])
    entered = {one["symbol"] for one in later if one["type"] == "pair_opened" and one["seq"] < refreshed[0]["seq"]}
    assert entered <= {"SOLUSDT", "XRPUSDT"}
    assert ranked("verify", "c.journal").code == 0
