from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import Listing, MarketContext, MarketData, MarketDataSpec, NoSettings, Tape, TapeRow, hookimpl
from trioarb.cli.running import report_of
from trioarb.config.load import load_config
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.event import Record
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.report.report import Report
from trioarb.time.virtual import VirtualClock

SPREAD = Path(__file__).parents[2] / "configs" / "spread.toml"


@attrs.frozen
class Ran:
    campaign: Campaign
    events: list[dict[str, Any]]

    @property
    def report(self) -> Report:
        return report_of(self.campaign)

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in types]


def run_spread(
    *overrides: str,
    plugins: Mapping[str, object] | None = None,
    on_open: Callable[[Campaign], None] = lambda campaign: None,
    observer: Callable[[Record], None] = lambda record: None,
) -> Ran:
    """Run the campaign of configs/spread.toml in virtual time."""
    loaded_plugins = load_plugins(plugins)
    loaded = load_config(SPREAD, loaded_plugins, overrides=("session.clock=virtual", *overrides))
    events: list[dict[str, Any]] = []
    clock = VirtualClock()

    async def main() -> Campaign:
        return await run_campaign(
            loaded.config,
            loaded_plugins,
            clock=clock,
            observers=[lambda record: events.append(to_json_object(record)), observer],
            on_open=on_open,
            warnings=loaded.warnings,
        )

    return Ran(trio.run(main, clock=clock), events)


Rows = Sequence[tuple[float, float, float]]


class ScriptedMarket:
    """A market data plugin for BTCUSDT, ``script``, whose venues quote (seconds, bid, ask)."""

    def __init__(self, **rows_of_venue: Rows) -> None:
        self._rows_of_venue = rows_of_venue

    @hookimpl
    def trioarb_market_data(self) -> list[MarketDataSpec]:
        return [MarketDataSpec(name="script", doc="", open=self._open, settings=NoSettings)]

    @asynccontextmanager
    async def _open(self, settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        yield _ScriptedTape(self._rows_of_venue.get(context.venue, ()))


class _ScriptedTape(Tape):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def listings(self) -> Sequence[Listing]:
        return [Listing(symbol="BTCUSDT", base="BTC", quote="USDT", volume_24h_quote=None)]

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        for seconds, bid, ask in self._rows:
            yield start_ns + round(seconds * 10**9), 0, "BTCUSDT", bid, 1.0, ask, 1.0


def run_script(*overrides: str, **rows_of_venue: Rows) -> Ran:
    """Run a campaign on the quotes of a script."""
    return run_spread(
        "exchanges.a.market.plugin=script",
        "exchanges.b.market.plugin=script",
        "universe.source=recorded",
        "universe.mode=SINGLE",
        "universe.symbol=BTCUSDT",
        *overrides,
        plugins={"script": ScriptedMarket(**rows_of_venue)},
    )


@pytest.fixture(scope="session")
def scripted() -> Callable[..., Ran]:
    return run_script


@pytest.fixture(scope="session")
def silent() -> Ran:
    """A campaign that acts on every quote, and gets none."""
    return run_script("session.loop_interval_ms=0")


@pytest.fixture(scope="session")
def run() -> Callable[..., Ran]:
    return run_spread


@pytest.fixture(scope="session")
def ran() -> Ran:
    return run_spread()
