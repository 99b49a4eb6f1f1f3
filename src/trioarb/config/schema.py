"""The core's own tables of a configuration. Tables with a ``plugin`` belong to the plugin that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from trioarb.config.alerts import AlertRule, AlertTable, ChannelHead
from trioarb.settings.redact import Redactor
from trioarb.settings.types import (
    Amount,
    Count,
    Depth,
    Loosens,
    Milliseconds,
    Money,
    NonNegativeBps,
    Port,
    PositiveCount,
    PositiveDecimal,
    PositiveMilliseconds,
    PositiveMinutes,
    PositiveMoney,
    PositiveSeconds,
    Seconds,
    Share,
    setting,
)

__all__ = [
    "ChannelHead",
    "ChannelTable",
    "ClockKind",
    "Config",
    "DashboardTable",
    "Durability",
    "Engine",
    "EngineMode",
    "ExchangeHead",
    "ExchangeTables",
    "Execution",
    "FeeAssetTable",
    "FxTable",
    "GuardHead",
    "LiquidityTier",
    "Live",
    "Log",
    "LogLevel",
    "LossBasis",
    "Mode",
    "Override",
    "PaperHead",
    "PluginHead",
    "PluginTable",
    "PluginsTable",
    "ResidualPolicy",
    "Session",
    "StrategyHead",
    "SymbolTable",
    "Tables",
    "TierTable",
    "Universe",
    "UniverseMode",
    "WrapperHead",
]


class Mode(Enum):
    """What becomes of orders."""

    PAPER = "paper"
    """Simulated venues fill them."""
    SHADOW = "shadow"
    """As on paper; and each is compared with what the venue's book showed afterwards. Real venues are only read."""
    LIVE = "live"
    """They are sent, and cost money."""


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


class Durability(Enum):
    """When an order may be sent: once its intent is on disk, or once it is written down."""

    ORDER = "order"
    BATCH = "batch"


class ResidualPolicy(Enum):
    """What becomes of a one-sided quantity that a pair left."""

    WORK = "work"
    HOLD = "hold"


class LossBasis(Enum):
    """What losses count: also what is open, at its marks, or only what was realised."""

    MARKED = "marked"
    REALISED = "realised"


class LogLevel(Enum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@attrs.frozen(kw_only=True)
class Session:
    """How long the campaign runs, and in which time."""

    mode: Mode = setting(
        Mode.PAPER,
        doc="paper: simulated venues fill orders; shadow: the same, compared with what the real books showed "
        "afterwards; live: orders are sent to real venues, which takes the flag --live",
    )
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
    latency_factor: Amount = setting(
        Decimal(1), doc="simulated venues take so many times as long as they are configured to; see --sensitivity"
    )
    shadow_after_ms: tuple[Milliseconds, ...] = setting(
        (Decimal(10), Decimal(100), Decimal(1_000)),
        doc="in shadow mode: how long after each order its venue's book is looked at, beside multiples of the "
        "configured latency and the measured way to the venue",
    )
    close_positions_at_end: bool = setting(
        True, doc="close what is open when the campaign ends; false: keep it", loosens=Loosens.NOTHING
    )
    journal: Path | None = setting(
        None, doc="file that every event is kept in; absent: a new one under journals/; the flag --journal wins"
    )
    durability: Durability = setting(
        Durability.BATCH,
        doc="order: no order is sent before its intent is safely on disk; batch: many events are written at once",
    )


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
    min_24h_quote_volume: Amount | None = setting(
        None, doc="least 24 h volume in quote asset; unknown volume is dropped if set"
    )
    refresh_minutes: PositiveMinutes | None = setting(
        None,
        doc="choose the symbols of TOP_N and FULL_MARKET anew this often: new ones start, those dropped are closed; "
        "absent: once, at the start",
    )
    settings: Mapping[str, Any] = setting(factory=dict, doc="settings of the source plugin")


@attrs.frozen(kw_only=True)
class Engine:
    """How symbols run beside each other."""

    mode: EngineMode = setting(EngineMode.MULTI, doc='"single": the universe must have exactly one symbol')
    per_symbol_isolation: bool = setting(
        True, doc="quarantine and restart a failing symbol; false: the campaign ends with the error"
    )
    max_concurrent_pairs: PositiveCount = setting(
        10, doc="entries in flight at the same time, over all symbols", loosens=Loosens.MORE
    )
    restart_backoff_seconds: PositiveSeconds = setting(
        Decimal(1), doc="pause before a failed symbol's first restart; doubles each time"
    )
    restart_backoff_max_seconds: PositiveSeconds = setting(Decimal(60), doc="longest pause before a restart")
    max_restarts: Count = setting(5, doc="restarts of a symbol; after one failure more its positions are closed")
    open_seconds: PositiveSeconds = setting(
        Decimal(30), doc="how long a plugin may take to open, to list symbols or instruments, or to say balances"
    )
    close_seconds: PositiveSeconds = setting(Decimal(10), doc="how long a plugin may take to close")
    blocked_warning_seconds: PositiveSeconds = setting(
        Decimal(2), doc="a plugin that holds the thread for this long is named in the log"
    )
    blocked_seconds: PositiveSeconds = setting(
        Decimal(30), doc="a plugin may hold the thread for this long; then the process leaves, its journal closed"
    )
    max_rows_of_one_time: PositiveCount = setting(
        1_000_000, doc="a venue's recording may have so many rows in a row without time going on; one more is an error"
    )
    depth: Depth = setting(
        1, doc="how many price levels a side are taken of market data that brings them; 1: best bid and ask alone"
    )
    loss_basis: LossBasis = setting(
        LossBasis.MARKED,
        doc="marked: losses count what is open at executable prices, each second; realised: they don't",
    )
    markouts: bool = setting(
        False, doc="record where the market stood 1, 10 and 60 s after each fill; the summary says what that comes to"
    )
    equity_each_minute: bool = setting(
        False, doc="record equity with all prices each minute, not at the end only: the summary says how far it fell"
    )
    market_stale_seconds: PositiveSeconds = setting(
        Decimal(10), doc="a venue without an accepted quote of any symbol for this long is reported as stale"
    )


@attrs.frozen(kw_only=True)
class Execution:
    """How the two legs of a trade become one transaction."""

    leg_timeout_seconds: PositiveSeconds = setting(
        Decimal(5), doc="wait for a venue's answer to an order; then the venue is asked what became of it"
    )
    hedge_deadline_seconds: PositiveSeconds = setting(
        Decimal(10), doc="how long an unequal pair is hedged, unwound or completed before it is a residual"
    )
    hedge_retry_ms: PositiveMilliseconds = setting(Decimal(100), doc="pause between two tries that filled nothing")
    unwind_slippage_bps: NonNegativeBps = setting(
        Decimal(20), doc="how far beyond the touch a hedge, an unwind or a forced exit may trade"
    )
    residual_policy: ResidualPolicy = setting(
        ResidualPolicy.WORK,
        doc="work: what a pair left is traded away as soon as a venue can, within the slippage; hold: only reported",
    )
    max_exit_quote_age_ms: PositiveMilliseconds = setting(
        Decimal(10_000), doc="no position is closed at quotes older than this, whatever the reason: it waits"
    )
    dust_usd: Money = setting(
        Decimal(1), doc="what no venue takes is dust if it is worth less than this, and stays open if it is worth more"
    )
    close_deadline_seconds: PositiveSeconds = setting(
        Decimal(15), doc="how long closing positions at the campaign's end may take"
    )
    hurry_seconds: Seconds = setting(Decimal(1), doc="what a second Ctrl-C leaves of the deadlines")


@attrs.frozen(kw_only=True)
class Withdrawal:
    """What it takes to move an asset away from a venue, as the venue says it. For plans, and simulated transfers."""

    fee: Amount = setting(doc="what the venue keeps of every withdrawal, in that asset")
    minutes: Amount = setting(doc="how long it usually takes until the other venue has it")
    least: Amount = setting(Decimal(0), doc="the venue lets no less than this go")


@attrs.frozen(kw_only=True)
class Transfers:
    """Whether what `trioarb plan` would print is carried out by the campaign itself. Simulated venues only."""

    simulate: bool = setting(
        False,
        doc="move stock that has drifted from venue to venue, for what [withdrawals] says; refused with any venue that "
        "isn't simulated: nothing is ever withdrawn from a real one",
    )
    check_seconds: PositiveSeconds = setting(Decimal(60), doc="how often it is looked at what every venue holds")
    tolerance: Share = setting(
        Decimal("0.5"), doc="an asset is left alone while every venue is within this share of what all hold on average"
    )
    most_fee_bps: NonNegativeBps = setting(Decimal(10), doc="nothing is moved whose fee is more than this of it")
    least_gain_bps: NonNegativeBps = setting(
        Decimal(0),
        doc="stock is moved only where trading it back at the present prices would cost so much more than the fee",
    )
    spread: Amount = setting(
        Decimal(0),
        doc="how much longer than [withdrawals] says one may be under way, as a share of that; each is drawn "
        "evenly in between, from session.seed",
    )


@attrs.frozen(kw_only=True)
class Live:
    """What holds in live mode only."""

    capital_cap_usd: PositiveMoney | None = setting(
        None,
        doc="what all campaigns of a key on this machine may have at risk together: positions, residuals and orders "
        "under way, one leg counted; live mode needs it",
    )
    warm_seconds: Seconds = setting(
        Decimal(10), doc="nothing is entered before every venue has quoted for so long, when it starts or is resumed"
    )


@attrs.frozen(kw_only=True)
class DashboardTable:
    """The web page of the campaign, served by a process of its own beside it."""

    enabled: bool = setting(
        False, doc="serve the page while the campaign runs in real time; needs the extra `dashboard`"
    )
    host: str = setting(
        "127.0.0.1", doc="address to listen at; others than loopback take `token_file`, `certfile` and `keyfile`"
    )
    port: Port = setting(8642, doc="0: any that is free, told in the log")
    token_file: Path | None = setting(
        None,
        doc="holds the token that actions take, readable by its owner only, made if it isn't there; absent: one "
        "in the runtime folder, or TRIOARB_DASHBOARD_TOKEN",
    )
    certfile: Path | None = setting(None, doc="certificate of TLS, in PEM")
    keyfile: Path | None = setting(None, doc="the certificate's key, in PEM, without a password")


@attrs.frozen(kw_only=True)
class Log:
    """What is written to the console and to the log file."""

    level: LogLevel = setting(LogLevel.INFO, doc="least level that is written; the flag --log-level wins")


@attrs.frozen(kw_only=True)
class PluginsTable:
    """Plugins that are files, beside the installed ones. The flag ``--plugin`` names more."""

    paths: tuple[Path, ...] = setting((), doc="files NAME.py with hooks; a relative path starts at this file's folder")
    sha256: Mapping[str, str] = setting(
        factory=dict,
        doc="what such a file has to be, by NAME.py: its SHA-256 in hex, as journals keep it; absent: whatever it is",
    )


@attrs.frozen(kw_only=True)
class ExchangeHead:
    """The core's keys of ``[exchanges.NAME]``; all others belong to the exchange plugin."""

    plugin: str = setting("paper", doc="exchange plugin; the table's other keys are its settings")
    market: Mapping[str, Any] | None = setting(
        None,
        doc='market data of the venue: { plugin = "…", that plugin\'s settings }; absent: that of the same name. What '
        "both have settings for, such as an address, it has from the venue's table unless told otherwise",
    )
    paper: Mapping[str, Any] | None = setting(
        None,
        doc='what stands in for a real venue in the modes paper and shadow: { plugin = "paper", settings of that '
        "exchange, a simulated one }",
    )
    aliases: Mapping[str, str] = setting(
        factory=dict, doc='what assets are called here that the venue calls otherwise, such as { XBT = "BTC" }'
    )
    same_as: Mapping[str, str] = setting(
        factory=dict,
        doc='quote assets whose symbols are the same as those in another one: { KRW = "USDT" } makes its BTCKRW the '
        "BTCUSDT of the others, at the rate of [fx]",
    )


@attrs.frozen(kw_only=True)
class PaperHead:
    """The core's key of ``paper``; all others belong to the exchange plugin."""

    plugin: str = setting("paper", doc="exchange plugin, a simulated one; the table's other keys are its settings")


@attrs.frozen(kw_only=True)
class PluginHead:
    """The core's key of ``market``, and of ``wraps``; all others belong to the plugin."""

    plugin: str = setting(doc="which plugin; the table's other keys are its settings")


@attrs.frozen(kw_only=True)
class WrapperHead:
    """The core's key beside those of an exchange or market data plugin that wraps another of its kind."""

    wraps: Mapping[str, Any] = setting(doc='what it wraps: { plugin = "…", that plugin\'s settings }')


@attrs.frozen(kw_only=True)
class StrategyHead:
    """The core's key of ``[strategy]``; all others belong to the strategy plugin."""

    plugin: str = setting("spread", doc="strategy plugin; the table's other keys are its settings")


@attrs.frozen(kw_only=True)
class GuardHead:
    """The core's keys of ``[guards.NAME]``; all others belong to the guard tier plugin."""

    plugin: str | None = setting(None, doc="guard tier plugin, NAME if absent; the table's other keys are its settings")
    enabled: bool = setting(True, doc="false: this tier is not asked")


@attrs.frozen(kw_only=True)
class FeeAssetTable:
    """What a unit of an asset is worth in which fees are taken: as it is set, or at its own market."""

    usd: PositiveDecimal | None = setting(None, doc="USD for one unit, as it is set")
    symbol: str | None = setting(None, doc="a symbol that is traded, whose price it is; instead of usd")

    def __attrs_post_init__(self) -> None:
        if (self.usd is None) == (self.symbol is None):
            raise ValueError("either usd or symbol says what it is worth")


@attrs.frozen(kw_only=True)
class FxTable:
    """What a quote asset is worth: at markets of its own, or as it is set."""

    rate: PositiveDecimal | None = setting(
        None, doc="USD for one unit, as it is set; used for what is traded, it is warned of: it doesn't move"
    )
    symbol: str | None = setting(
        None, doc="the symbol whose price it is, such as USDTKRW, quoted in the asset or of it; instead of rate"
    )
    markets: tuple[str, ...] = setting(
        (), doc="the venues that list this symbol: their books are the sources", concerns="fx_away"
    )
    max_age_ms: PositiveMilliseconds = setting(
        Decimal(10_000),
        doc="a source whose quote is older doesn't count; without any that does, nothing is entered",
        concerns="fx_age",
    )
    outlier_bps: NonNegativeBps = setting(
        Decimal(100),
        doc="a source that is further from the median of all doesn't count; if it can't be said which is right, "
        "nothing is entered",
        concerns="fx_disputed",
    )
    least_sources: PositiveCount = setting(
        1, doc="how many sources have to count; with less, nothing is entered", concerns="fx_sources"
    )

    def __attrs_post_init__(self) -> None:
        if (self.rate is None) == (self.symbol is None):
            raise ValueError("either rate or symbol says what it is worth")
        if (self.symbol is None) == bool(self.markets):
            raise ValueError("symbol and markets belong together: whose books of that symbol are the sources")
        if self.markets and self.least_sources > len(self.markets):
            raise ValueError(f"least_sources asks for {self.least_sources}, and there are {len(self.markets)} markets")
        if len(set(self.markets)) < len(self.markets):
            raise ValueError("markets names a venue twice")


@attrs.frozen(kw_only=True)
class SymbolTable:
    """Keys that hold for one symbol instead of those of the plugins' own tables."""

    strategy: Mapping[str, Any] = setting(factory=dict, doc="keys of [strategy]")
    guards: Mapping[str, Mapping[str, Any]] = setting(
        factory=dict, doc="keys of [guards.NAME], by NAME; of tiers whose plugin has settings of single symbols"
    )


@attrs.frozen(kw_only=True)
class TierTable(SymbolTable):
    """Keys that hold for the symbols that are traded little."""

    below_24h_quote_volume: PositiveDecimal | None = setting(
        None,
        doc="symbols with a lower 24 h volume in quote asset are of this tier, of the lowest that fits; those whose "
        "volume is unknown are of the lowest of all; it has to be given",
    )


@attrs.frozen(kw_only=True)
class Tables:
    """The tables of a file. What belongs to plugins is kept as it was read."""

    env: str = setting("development", doc="a label, carried into log and summary")
    session: Session = setting(factory=Session, doc="how long, and in which time")
    universe: Universe = setting(factory=Universe, doc="which symbols")
    engine: Engine = setting(factory=Engine, doc="how symbols run beside each other")
    execution: Execution = setting(factory=Execution, doc="how two legs become one transaction")
    fx: Mapping[str, PositiveDecimal | FxTable] = setting(
        factory=dict,
        doc="USD for one unit of a quote asset, or a table [fx.ASSET] of the markets that say it; USD and USDT are 1 "
        "unless told otherwise",
    )
    fee_assets: Mapping[str, FeeAssetTable] = setting(
        factory=dict,
        doc="what assets are worth in which fees are taken, beside base and quote; absent: the market of a symbol with "
        "that base asset, if one is traded",
    )
    live: Live = setting(factory=Live, doc="what holds in live mode only")
    log: Log = setting(factory=Log, doc="what is written")
    dashboard: DashboardTable = setting(factory=DashboardTable, doc="the web page of the campaign")
    plugins: PluginsTable = setting(factory=PluginsTable, doc="plugins that are files")
    exchanges: Mapping[str, Mapping[str, Any]] = setting(factory=dict, doc="the venues, two or more")
    withdrawals: Mapping[str, Mapping[str, Withdrawal]] = setting(
        factory=dict,
        doc="what moving assets away from a venue takes, by venue and asset: for plans and transfers",
    )
    transfers: Transfers = setting(factory=Transfers, doc="what is moved between simulated venues")
    strategy: Mapping[str, Any] = setting(factory=dict, doc="when to enter and when to leave")
    guards: Mapping[str, Mapping[str, Any]] = setting(factory=dict, doc="the tiers of risk guards")
    tiers: Mapping[str, TierTable] = setting(factory=dict, doc="what is other for symbols that are traded little")
    symbols: Mapping[str, SymbolTable] = setting(factory=dict, doc="what is other for single symbols")
    channels: Mapping[str, Mapping[str, Any]] = setting(
        factory=dict, doc="how people are told; absent, and rules there are: the log"
    )
    alerts: tuple[AlertTable, ...] = setting((), doc="what people are told of, one table [[alerts]] a rule")


@attrs.frozen(kw_only=True)
class PluginTable:
    """A table that belongs to a plugin: which one, where it stands in the file, and its settings.

    ``wraps`` is the table of the plugin that it wraps.
    """

    plugin: str
    key: str
    settings: Any
    wraps: PluginTable | None = None


@attrs.frozen(kw_only=True)
class ChannelTable:
    """One channel ``[channels.NAME]``: the core's keys of it, and its plugin's table."""

    name: str
    head: ChannelHead
    table: PluginTable


@attrs.frozen(kw_only=True)
class Override:
    """Settings that hold for some symbols: where they stand (``key``), whose they are instead of, and the values."""

    key: str
    instead_of: str
    values: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class LiquidityTier:
    """What is other for symbols whose 24 h volume is ``below`` this, in quote asset."""

    name: str
    below: Decimal
    overrides: tuple[Override, ...]


@attrs.frozen(kw_only=True)
class ExchangeTables:
    """One venue: its exchange plugin and its market data plugin.

    ``exchange`` is what orders go to; ``real``: the one that it stands in for, in modes that send no orders;
    ``paper``: what would stand in for it, in live mode.
    """

    exchange: PluginTable
    real: PluginTable | None = None
    paper: PluginTable | None = None
    market: PluginTable
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    same_as: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Config:
    """A whole, checked configuration. Venues are in the order of their names, guards in the order they are asked.

    ``fx``: USD for one unit, of assets with a constant rate; ``fx_markets``: where the others have theirs from.
    ``plugin_files``: the SHA-256 of the files that plugins were loaded from, by their names.
    ``tiers`` begin with that of the least volume; ``symbols`` are what is other for single symbols, and wins.
    """

    env: str
    session: Session
    universe: Universe
    engine: Engine
    execution: Execution
    fx: Mapping[str, Decimal]
    fx_markets: Mapping[str, FxTable] = attrs.field(factory=dict)
    fee_assets: Mapping[str, FeeAssetTable] = attrs.field(factory=dict)
    exchanges: Mapping[str, ExchangeTables]
    withdrawals: Mapping[str, Mapping[str, Withdrawal]] = attrs.field(factory=dict)
    transfers: Transfers = attrs.field(factory=Transfers)
    live: Live = attrs.field(factory=Live)
    dashboard: DashboardTable = attrs.field(factory=DashboardTable)
    plugin_files: Mapping[str, str] = attrs.field(factory=dict)
    source: PluginTable
    strategy: PluginTable
    guards: tuple[PluginTable, ...]
    tiers: tuple[LiquidityTier, ...] = ()
    symbols: Mapping[str, tuple[Override, ...]] = attrs.field(factory=dict)
    channels: tuple[ChannelTable, ...] = ()
    alerts: tuple[AlertRule, ...] = ()
    log_level: LogLevel
    digest: str
    #: Takes the secrets of the configuration out of texts.
    redactor: Redactor = attrs.field(default=Redactor(), repr=False, eq=False)

    def plugin_tables(self) -> Iterator[PluginTable]:
        """Yield the tables of all plugins, those included that others wrap."""
        venues = (table for venue in self.exchanges.values() for table in (venue.exchange, venue.real, venue.market))
        channels = (channel.table for channel in self.channels)
        for table in (self.source, self.strategy, *self.guards, *venues, *channels):
            wrapped: PluginTable | None = table
            while wrapped is not None:
                yield wrapped
                wrapped = wrapped.wraps
