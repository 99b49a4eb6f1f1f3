"""Simulated venues as stages of the conformance kit: what the kit shows there, and how it makes them misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs

from trioarb.api import Listing
from trioarb.testing.conformance import Stage, Trouble
from trioarb_sim.faults import Fault
from trioarb_sim.listing import OF_QUOTE, PRICES
from trioarb_sim.market import MarketState
from trioarb_sim.simulator import Simulator, open_simulator
from trioarb_sim.upbit.dialect import BITHUMB, UPBIT

__all__ = [
    "SimulatedMarket",
    "SimulatedStage",
    "binance",
    "binance_market",
    "binance_usdm_market",
    "bithumb",
    "bithumb_market",
    "upbit",
    "upbit_market",
]

_FAULTS: Mapping[Trouble, Fault] = {
    Trouble.LOST_ANSWER: Fault.LOST_ACKNOWLEDGEMENT,
    Trouble.SERVER_ERROR: Fault.SERVER_ERROR,
    Trouble.TOO_MANY: Fault.TOO_MANY_REQUESTS,
    Trouble.MALFORMED: Fault.MALFORMED,
    Trouble.CUT: Fault.CUT_PRIVATE,
    Trouble.LATE: Fault.LATE_FILL,
    Trouble.REPEATED: Fault.DUPLICATE,
    Trouble.UNKNOWN: Fault.UNKNOWN,
}
#: What market data can be told of.
_MARKET_FAULTS: Mapping[Trouble, Fault] = {
    Trouble.SERVER_ERROR: Fault.SERVER_ERROR,
    Trouble.MALFORMED: Fault.MALFORMED,
    Trouble.CUT: Fault.CUT,
    Trouble.SILENT: Fault.SILENT,
    Trouble.GAP: Fault.GAP,
    Trouble.UNKNOWN: Fault.UNKNOWN,
}
_ACCOUNT = "main"
#: How long a market of which nothing comes is believed.
_SILENT_SECONDS = 2


class SimulatedStage(Stage):
    """A simulated venue, at which nothing happens but what the kit wants."""

    troubles = frozenset(_FAULTS)

    def __init__(self, simulator: Simulator, quote: str, names: Mapping[str, str], **settings: Any) -> None:
        """``names``: what the venue calls each market, by base asset; the first one is traded."""
        self.simulator = simulator
        self._names = {f"{base}{quote}": name for base, name in names.items()}
        self.listings = tuple(Listing(symbol=f"{base}{quote}", base=base, quote=quote) for base in names)
        self.prices = {f"{base}{quote}": PRICES[base] * OF_QUOTE.get(quote, Decimal(1)) for base in names}
        self.settings = {
            "rest_url": simulator.rest_url,
            "api_key": simulator.key.api_key,
            "api_secret": simulator.key.secret,
            **settings,
        }

    async def show(
        self, symbol: str, bids: Sequence[tuple[Decimal, Decimal]], asks: Sequence[tuple[Decimal, Decimal]]
    ) -> None:
        self.simulator.venue.show(self._names[symbol], tuple(bids), tuple(asks))

    async def halt(self, symbol: str) -> None:
        venue = self.simulator.venue
        venue.change(attrs.evolve(venue.rules(self._names[symbol]), state=MarketState.HALTED))

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        self.simulator.faults.switch_on(_FAULTS[trouble], times=times)

    async def calm(self) -> None:
        self.simulator.faults.clear()

    def orders(self, symbol: str) -> int:
        return len(self.simulator.venue.orders(_ACCOUNT, self._names[symbol]))


class SimulatedMarket(SimulatedStage):
    """A simulated venue behind market data, or a source: without an account."""

    troubles = frozenset(_MARKET_FAULTS)

    def __init__(self, simulator: Simulator, quote: str, name: str, path: str = "") -> None:
        """``name``: what the venue calls a market, ``{}`` being its base asset; ``path``: of the stream."""
        super().__init__(simulator, quote, {base: name.format(base) for base in ("BTC", "ETH")})
        self.settings = {
            "rest_url": simulator.rest_url,
            "stream_url": simulator.socket_url + path,
            "silent_seconds": _SILENT_SECONDS,
        }
        for symbol, market in self._names.items():  # what has no price has no volume in money either
            price = self.prices[symbol]
            simulator.venue.show(market, [(price, Decimal(1))], [(price * 2, Decimal(1))])

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        self.simulator.faults.switch_on(_MARKET_FAULTS[trouble], times=times)


@asynccontextmanager
async def binance() -> AsyncIterator[SimulatedStage]:
    """Open a simulated Binance, as a stage."""
    async with open_simulator("binance", every_seconds=0) as simulator:
        api_url = f"{simulator.socket_url}/ws-api/v3"
        yield SimulatedStage(simulator, "USDT", {base: f"{base}USDT" for base in ("BTC", "ETH")}, api_url=api_url)


@asynccontextmanager
async def upbit() -> AsyncIterator[SimulatedStage]:
    """Open a simulated Upbit, as a stage."""
    async with open_simulator("upbit", every_seconds=0) as simulator:
        yield _korean(simulator, UPBIT.private_socket)


@asynccontextmanager
async def bithumb() -> AsyncIterator[SimulatedStage]:
    """Open a simulated Bithumb, as a stage."""
    async with open_simulator("bithumb", every_seconds=0) as simulator:
        yield _korean(simulator, BITHUMB.private_socket)


def _korean(simulator: Simulator, socket: str) -> SimulatedStage:
    names = {base: f"KRW-{base}" for base in ("BTC", "ETH")}
    return SimulatedStage(simulator, "KRW", names, private_stream_url=f"{simulator.socket_url}{socket}")


@asynccontextmanager
async def binance_market() -> AsyncIterator[SimulatedMarket]:
    """Open a simulated Binance, as a stage of market data or of a source."""
    async with open_simulator("binance", every_seconds=0) as simulator:
        yield SimulatedMarket(simulator, "USDT", "{}USDT")


@asynccontextmanager
async def binance_usdm_market() -> AsyncIterator[SimulatedMarket]:
    """Open simulated futures of Binance, as a stage of market data or of a source."""
    async with open_simulator("binance_usdm", every_seconds=0) as simulator:
        yield SimulatedMarket(simulator, "USDT", "{}USDT", path="/public")


@asynccontextmanager
async def upbit_market() -> AsyncIterator[SimulatedMarket]:
    """Open a simulated Upbit, as a stage of market data or of a source."""
    async with open_simulator("upbit", every_seconds=0) as simulator:
        yield SimulatedMarket(simulator, "KRW", "KRW-{}")


@asynccontextmanager
async def bithumb_market() -> AsyncIterator[SimulatedMarket]:
    """Open a simulated Bithumb, as a stage of market data or of a source."""
    async with open_simulator("bithumb", every_seconds=0) as simulator:
        yield SimulatedMarket(simulator, "KRW", "KRW-{}")
