"""What plugins are tested with: whole campaigns in virtual time, scripted markets, and stand-ins for the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import attrs
import tomli
import trio

from trioarb.api import (
    SECOND_NS,
    ZERO,
    ExchangeSpec,
    GuardTierSpec,
    Listing,
    MarketContext,
    MarketData,
    MarketDataError,
    MarketDataSpec,
    NoSettings,
    Opportunity,
    Record,
    RiskView,
    Route,
    RowBatch,
    SourceContext,
    StrategySpec,
    SymbolSource,
    SymbolSourceSpec,
    Tape,
    TapeRow,
    TradingRules,
    hookimpl,
)
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.wire import to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.plugin.spec import PluginSpec
from trioarb.time.virtual import VirtualClock

__all__ = [
    "CampaignResult",
    "FixedRisk",
    "ScriptedRow",
    "ScriptedTape",
    "batches_of",
    "listing",
    "opportunity",
    "plugin_of",
    "run_virtual",
    "scripted_market",
    "two_venues",
    "utc_ns",
]

SpecT = TypeVar("SpecT", bound=PluginSpec[Any, Any])

#: (seconds since the tape's start, symbol, bid, bid_size, ask, ask_size)
ScriptedRow = tuple[float, str, float, float, float, float]

_LONGEST_SECONDS = Decimal(3600)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class CampaignResult:
    """A campaign that has ended. ``events`` are the JSON objects that ``--events`` would have written, in order."""

    campaign: Campaign
    events: tuple[Mapping[str, Any], ...]

    @property
    def exit_code(self) -> int:
        return self.campaign.exit_code

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.campaign.warnings

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often entries were refused, by ``tier.rule``."""
        return dict(self.campaign.statistics.by_rule)

    def of_type(self, name: str) -> list[Mapping[str, Any]]:
        """Return the events of one type, such as ``decided`` or ``position_closed``."""
        return [event for event in self.events if event["type"] == name]


def run_virtual(
    config: str | Mapping[str, Any],
    *,
    plugins: Mapping[str, object] | None = None,
    overrides: Sequence[str] = (),
    screened: bool = True,
    audited: bool = False,
) -> CampaignResult:
    """Run a whole campaign in virtual time, and return it once it has ended.

    ``config`` is TOML text, or a table; ``plugins`` are modules or objects, by a name for errors, that are registered
    beside the installed ones; ``overrides`` are ``table.key=value`` as for ``--set``. The clock is virtual whatever
    the configuration says, and without ``max_runtime_seconds`` the campaign ends after an hour of its time.
    ``screened`` and ``audited`` are as in `run_campaign`: a strategy whose ``screen`` and ``asked_from_bps`` are right
    leads to the same events with each.

    Calls `trio.run`: use it in plain functions, not in ``async`` tests.

    Raises:
        TrioarbError: the configuration or a plugin is wrong, or something can't be opened.
    """
    table = tomli.loads(config, parse_float=Decimal) if isinstance(config, str) else config
    registered = load_plugins(plugins)
    overrides = [*overrides, 'session.clock="virtual"', "session.speed=1"]
    loaded = load_table(table, registered, overrides=overrides)
    if loaded.config.session.max_runtime_seconds is None:
        loaded = load_table(table, registered, overrides=overrides, runtime_seconds=_LONGEST_SECONDS)
    records: list[Record] = []
    clock = VirtualClock()
    run = partial(
        run_campaign,
        clock=clock,
        observers=[records.append],
        warnings=loaded.warnings,
        screened=screened,
        audited=audited,
    )
    campaign = trio.run(run, loaded.config, registered, clock=clock)
    return CampaignResult(campaign=campaign, events=tuple(to_json_object(record) for record in records))


_BATCH_ROWS = 1_000
_NUMBERS = ("bid", "bid_size", "ask", "ask_size")


class ScriptedTape(Tape):
    """Market data from a list of rows.

    Rows are passed on as they are, also those that the engine refuses. Several rows of one time are played in the
    order of the list. ``rules`` hold for every symbol; without them the venue's own do. Without ``columns`` the engine
    can't pass over rows that change nothing.

    Raises:
        ValueError: times fall, or a row's symbol is not among ``listings``.
    """

    def __init__(
        self,
        rows: Sequence[ScriptedRow],
        *,
        listings: Sequence[Listing],
        rules: TradingRules | None = None,
        start_ns: int | None = None,
        columns: bool = True,
    ) -> None:
        known = {one.symbol for one in listings}
        for number, row in enumerate(rows):
            if row[1] not in known:
                raise ValueError(f"row {number}: {row[1]!r} is not among the listings {sorted(known)}")
            if number and row[0] < rows[number - 1][0]:
                raise ValueError(f"row {number}: at {row[0]} s, but the row before it is at {rows[number - 1][0]} s")
        self._rows = tuple(rows)
        self._listings = tuple(listings)
        self._rules = rules
        self._start_ns = start_ns
        self._has_columns = columns

    @property
    def start_ns(self) -> int | None:
        return self._start_ns

    def listings(self) -> Sequence[Listing]:
        return self._listings

    def rules(self, symbol: str) -> TradingRules | None:
        return self._rules

    def rows(self, symbols: Sequence[str], start_ns: int) -> Iterator[TapeRow]:
        first_ns = start_ns if self._start_ns is None else self._start_ns
        for order, (seconds, symbol, bid, bid_size, ask, ask_size) in enumerate(self._rows):
            if symbol in symbols:
                yield first_ns + round(seconds * SECOND_NS), order, symbol, bid, bid_size, ask, ask_size

    def batches(self, symbols: Sequence[str], start_ns: int) -> Iterator[RowBatch] | None:
        return batches_of(self.rows(symbols, start_ns), tuple(symbols)) if self._has_columns else None


def batches_of(rows: Iterator[TapeRow], names: Sequence[str]) -> Iterator[RowBatch]:
    """Return rows of the symbols ``names`` as columns: what `Tape.batches` of a tape that has an end may return."""
    import numpy as np

    while some := list(islice(rows, _BATCH_ROWS)):
        ts_ns, order, symbol, *numbers = zip(*some, strict=True)
        prices = {name: np.array(column, dtype=float) for name, column in zip(_NUMBERS, numbers, strict=True)}
        yield RowBatch(
            ts_ns=np.array(ts_ns, dtype=np.int64),
            order=np.array(order, dtype=np.int64),
            symbol=np.array([names.index(one) for one in symbol]),
            names=names,
            **prices,
        )


def plugin_of(*specs: PluginSpec[Any, Any]) -> object:
    """Return a plugin whose hooks return these specs."""
    return _SpecPlugin(specs)


def scripted_market(markets: Mapping[str, MarketData]) -> object:
    """Return a plugin with market data ``scripted``, ``markets`` by venue, and a source ``scripted`` of its symbols."""

    @asynccontextmanager
    async def open_market(settings: NoSettings, context: MarketContext) -> AsyncIterator[MarketData]:
        if context.venue not in markets:
            raise MarketDataError(f"nothing is scripted for the venue {context.venue!r}, only for {sorted(markets)}")
        yield markets[context.venue]

    @asynccontextmanager
    async def open_source(settings: NoSettings, context: SourceContext) -> AsyncIterator[SymbolSource]:
        yield _MarketSource(context.markets)

    return plugin_of(
        MarketDataSpec(name="scripted", doc="rows from a list", open=open_market),
        SymbolSourceSpec(name="scripted", doc="the symbols of the venues' markets", open=open_source),
    )


def two_venues(plugin: str = "scripted") -> dict[str, Any]:
    """Return a fresh table of a small campaign, to be changed at will.

    Paper venues ``a`` and ``b`` with funds and inventory trade every USDT symbol of the source ``plugin`` on quotes
    of the market data ``plugin``, evaluated at every quote.
    """
    return {
        "session": {"clock": "virtual", "loop_interval_ms": 0},
        "universe": {"source": plugin, "mode": "FULL_MARKET"},
        "exchanges": {
            venue: {
                "market": {"plugin": plugin},
                "balances": {"USDT": "100000"},
                "inventory_usd_per_symbol": 5_000,
            }
            for venue in ("a", "b")
        },
        "strategy": {},
        "guards": {},
    }


def listing(base: str, quote: str = "USDT", *, volume_24h_quote: Decimal | None = None) -> Listing:
    """Return a listing whose symbol is the two assets' names in a row."""
    return Listing(symbol=base + quote, base=base, quote=quote, volume_24h_quote=volume_24h_quote)


def opportunity(
    symbol: str = "BTCUSDT",
    *,
    buy_venue: str = "a",
    sell_venue: str = "b",
    quantity: Decimal = Decimal("0.01"),
    buy_limit: Decimal = Decimal(50_000),
    sell_limit: Decimal = Decimal(50_100),
    edge_bps: Decimal = Decimal(12),
    usd_per_quote: Decimal = Decimal(1),
) -> Opportunity:
    """Return an opportunity to ask a guard tier about."""
    return Opportunity(
        route=Route(symbol=symbol, buy_venue=buy_venue, sell_venue=sell_venue),
        quantity=quantity,
        buy_limit=buy_limit,
        sell_limit=sell_limit,
        edge_bps=edge_bps,
        notional_usd=quantity * max(buy_limit, sell_limit) * usd_per_quote,
    )


def utc_ns(text: str) -> int:
    """Return an ISO 8601 time, UTC unless it says otherwise, as nanoseconds since the Unix epoch."""
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1) * 1_000


class FixedRisk(RiskView):
    """Figures that don't change, the same for every symbol and for all of them."""

    def __init__(
        self, *, exposure_usd: Decimal = ZERO, daily_loss_usd: Decimal = ZERO, open_positions: int = 0
    ) -> None:
        self._exposure_usd = exposure_usd
        self._daily_loss_usd = daily_loss_usd
        self._open_positions = open_positions

    def exposure_usd(self, symbol: str | None = None) -> Decimal:
        return self._exposure_usd

    def daily_loss_usd(self, now_ns: int, symbol: str | None = None) -> Decimal:
        return self._daily_loss_usd

    def open_positions(self, symbol: str | None = None) -> int:
        return self._open_positions


class _MarketSource(SymbolSource):
    def __init__(self, markets: Mapping[str, MarketData]) -> None:
        self._markets = markets

    async def listings(self) -> Sequence[Listing]:
        found: dict[str, Listing] = {}
        for market in self._markets.values():
            for one in market.listings():
                found.setdefault(one.symbol, one)
        return list(found.values())


@attrs.define(eq=False)
class _SpecPlugin:
    _specs: Sequence[PluginSpec[Any, Any]]

    @hookimpl
    def trioarb_symbol_sources(self) -> list[SymbolSourceSpec]:
        return self._of(SymbolSourceSpec)

    @hookimpl
    def trioarb_market_data(self) -> list[MarketDataSpec]:
        return self._of(MarketDataSpec)

    @hookimpl
    def trioarb_exchanges(self) -> list[ExchangeSpec]:
        return self._of(ExchangeSpec)

    @hookimpl
    def trioarb_guard_tiers(self) -> list[GuardTierSpec]:
        return self._of(GuardTierSpec)

    @hookimpl
    def trioarb_strategies(self) -> list[StrategySpec]:
        return self._of(StrategySpec)

    def _of(self, kind: type[SpecT]) -> list[SpecT]:
        return [spec for spec in self._specs if isinstance(spec, kind)]
