"""Plugins of venues, opened as the engine does, on simulated venues. Needs trioarb-sim and the venue's package."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, TypeVar

import attrs

from trioarb.api import Exchange, ExchangeContext, ExchangeSpec, Feed, Levels, MarketContext, MarketDataSpec
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import PluginSpec
from trioarb_sim.account import Key
from trioarb_sim.listing import binance_markets, upbit_markets
from trioarb_sim.market import MarketRules
from trioarb_sim.simulator import Simulator
from trioarb_sim.upbit.dialect import BITHUMB, UPBIT

SpecT = TypeVar("SpecT", bound=PluginSpec[Any, Any])

KEY = Key(api_key="a-key", secret="a-secret-that-is-long-enough-for-anybody")
_PRIVATE = {"upbit": UPBIT.private_socket, "bithumb": BITHUMB.private_socket}


def many(venue: str, count: int) -> list[MarketRules]:
    """Return so many markets, all of them like one that there is."""
    if venue == "binance":
        like, name = binance_markets()[0], "{}USDT"
    else:
        like, name = upbit_markets(UPBIT if venue == "upbit" else BITHUMB)[0], "KRW-{}"
    bases = [f"C{number}" for number in range(count)]
    return [attrs.evolve(like, name=name.format(base), base=base, volume=Decimal(1000)) for base in bases]


@attrs.define
class Board:
    """What each symbol is quoted at: bid and ask with their sizes, absent where it isn't; and how often it changed."""

    quoted: dict[str, tuple[float, float, float, float]] = attrs.field(factory=dict)
    told: dict[str, int] = attrs.field(factory=dict)

    def sink(self, symbol: str) -> Callable[..., None]:
        def take(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            levels: Levels | None = None,
        ) -> None:
            self.told[symbol] = self.told.get(symbol, 0) + 1
            if math.isnan(bid) or math.isnan(ask):
                self.quoted.pop(symbol, None)
            else:
                self.quoted[symbol] = (bid, bid_size, ask, ask_size)

        return take

    def has_all(self, symbols: Iterable[str]) -> bool:
        return all(symbol in self.quoted for symbol in symbols)


def spec_of(kind: type[SpecT], venue: str) -> SpecT:
    """Return what a venue's package has of a kind."""
    return load_plugins().get(kind, venue)


@asynccontextmanager
async def opened_market(simulator: Simulator, *, depth: int = 1, **settings: Any) -> AsyncIterator[Feed]:
    spec = spec_of(MarketDataSpec, simulator.name)
    url = simulator.socket_url + ("/public" if simulator.name == "binance_usdm" else "")
    found = spec.settings(rest_url=simulator.rest_url, stream_url=url, **settings)
    async with spec.open(found, MarketContext(venue="a", seed=1, depth=depth)) as market:
        assert isinstance(market, Feed)
        yield market


@asynccontextmanager
async def opened_account(simulator: Simulator, *, can_trade: bool = False) -> AsyncIterator[Exchange]:
    """Open the account of `KEY`, which the simulator has to know."""
    spec = spec_of(ExchangeSpec, simulator.name)
    url = simulator.socket_url
    addresses = (
        {"api_url": f"{url}/ws-api/v3"}
        if simulator.name == "binance"
        else {"private_stream_url": f"{url}{_PRIVATE[simulator.name]}"}
    )
    settings = spec.settings(rest_url=simulator.rest_url, api_key=KEY.api_key, api_secret=KEY.secret, **addresses)
    clock: Any = SimpleNamespace(now_ns=time.time_ns)
    context = ExchangeContext(
        venue="a",
        seed=1,
        time=clock,
        touch=lambda symbol: None,
        book=lambda symbol: None,
        watch=lambda symbol, see: None,
        market_rules=lambda symbol: None,
        fx={},
        can_trade=can_trade,
    )
    async with spec.open(settings, context) as exchange:
        yield exchange
