"""The core's own tables of a configuration. Tables with a ``plugin`` belong to the plugin that they name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs

from trioarb.config.types import (
    Count,
    Milliseconds,
    Money,
    NonNegativeBps,
    PositiveCount,
    PositiveDecimal,
    PositiveMilliseconds,
    PositiveSeconds,
    Seconds,
    setting,
)

__all__ = [
    "ClockKind",
    "Config",
    "Engine",
    "EngineMode",
    "Execution",
    "Mode",
    "PluginTable",
    "Session",
    "Universe",
    "UniverseMode",
]


class Mode(Enum):
    PAPER = "paper"


class ClockKind(Enum):
    REAL = "real"
    VIRTUAL = "virtual"


class UniverseMode(Enum):
    SINGLE = "SINGLE"
    FIXED_LIST = "FIXED_LIST"
    TOP_N = "TOP_N"
    FULL_MARKET = "FULL_MARKET"


class EngineMode(Enum):
    SINGLE = "single"
    MULTI = "multi"


@attrs.frozen(kw_only=True)
class Session:
    """How long the campaign runs, and in which time."""

    mode: Mode = setting(Mode.PAPER, doc="what stands behind the venues")
    max_runtime_seconds: PositiveSeconds | None = setting(
        None, doc="end after this much campaign time; absent: no limit"
    )
    max_iterations: PositiveCount | None = setting(
        None, doc="evaluations per symbol, then no more entries; absent: no limit"
    )
    loop_interval_ms: Milliseconds = setting(
        Decimal(500), doc="pause between a symbol's evaluations; 0: act on every quote"
    )
    clock: ClockKind = setting(ClockKind.REAL, doc="virtual: as fast as the machine can")
    speed: PositiveDecimal = setting(
        Decimal(1), doc='campaign seconds per real second; needs clock = "real" and no live market'
    )
    seed: int = setting(7, doc="of the dummy market and of simulated rejections")
    close_positions_at_end: bool = setting(True, doc="close what is open when the campaign ends; false: keep it")


@attrs.frozen(kw_only=True)
class Universe:
    """Which symbols are watched."""

    source: str = setting("dummy", doc="plugin that lists the symbols")
    mode: UniverseMode = setting(UniverseMode.TOP_N, doc="how symbols are chosen")
    symbol: str | None = setting(None, doc="the symbol of SINGLE")
    top_n: PositiveCount | None = setting(None, doc="how many symbols TOP_N takes")
    base_quote: str = setting("USDT", doc="quote asset of TOP_N and FULL_MARKET")
    whitelist: tuple[str, ...] = setting((), doc="symbols of FIXED_LIST; keeps only these in TOP_N and FULL_MARKET")
    blacklist: tuple[str, ...] = setting((), doc="symbols that are never taken")
    min_24h_quote_volume: Money | None = setting(
        None, doc="least 24 h volume in quote asset; unknown volume is dropped if set"
    )
    settings: Mapping[str, Any] = setting(factory=dict, doc="settings of the source plugin")


@attrs.frozen(kw_only=True)
class Engine:
    """How symbols run beside each other."""

    mode: EngineMode = setting(EngineMode.MULTI, doc='"single": the universe must have exactly one symbol')
    per_symbol_isolation: bool = setting(
        True, doc="quarantine and restart a failing symbol; false: the campaign ends with the error"
    )
    max_concurrent_pairs: PositiveCount = setting(10, doc="entries in flight at the same time, over all symbols")
    restart_backoff_seconds: PositiveSeconds = setting(
        Decimal(1), doc="pause before a failed symbol's first restart; doubles each time"
    )
    restart_backoff_max_seconds: PositiveSeconds = setting(Decimal(60), doc="longest pause before a restart")
    max_restarts: Count = setting(5, doc="restarts of a symbol; after one failure more its positions are closed")


@attrs.frozen(kw_only=True)
class Execution:
    """How the two legs of a trade become one transaction."""

    leg_timeout_seconds: PositiveSeconds = setting(
        Decimal(5), doc="wait for a venue's answer to an order; then the venue is asked what became of it"
    )
    hedge_deadline_seconds: PositiveSeconds = setting(
        Decimal(5), doc="how long an unequal pair is hedged, unwound or completed before it is a residual"
    )
    hedge_retry_ms: PositiveMilliseconds = setting(Decimal(100), doc="pause between two tries that filled nothing")
    unwind_slippage_bps: NonNegativeBps = setting(
        Decimal(20), doc="how far beyond the touch a hedge, an unwind or a forced exit may trade"
    )
    close_deadline_seconds: PositiveSeconds = setting(
        Decimal(15), doc="how long closing positions at the campaign's end may take"
    )
    hurry_seconds: Seconds = setting(Decimal(1), doc="what a second Ctrl-C leaves of the deadlines")


@attrs.frozen(kw_only=True)
class PluginTable:
    """A table that belongs to a plugin: which one, where it stands in the file, and its settings."""

    plugin: str
    key: str
    settings: Any


@attrs.frozen(kw_only=True)
class Config:
    """A whole, checked configuration."""

    env: str
    session: Session
    universe: Universe
    engine: Engine
    execution: Execution
    fx: Mapping[str, PositiveDecimal]
    exchanges: Mapping[str, ExchangeTables]
    source: PluginTable
    strategy: PluginTable
    guards: tuple[PluginTable, ...]
    log_level: str
    digest: str


@attrs.frozen(kw_only=True)
class ExchangeTables:
    """One venue: its exchange plugin and its market data plugin."""

    exchange: PluginTable
    market: PluginTable
