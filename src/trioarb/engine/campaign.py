"""A campaign is a scope: everything it starts ends with it, in a fixed order, whatever the cause."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import structlog
import trio

from trioarb import __version__
from trioarb.clock.service import SECOND_NS, WakeOrder, seconds_to_ns
from trioarb.clock.virtual import VirtualClock
from trioarb.config.schema import Config
from trioarb.engine.latency import LatencyHistogram
from trioarb.engine.parts import Limits, Parts
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.world import World, blamed, open_world
from trioarb.errors import TrioarbError
from trioarb.execution.executor import Executor, Market
from trioarb.journal.journal import Journal
from trioarb.journal.ledger import Ledger
from trioarb.journal.statistics import Statistics
from trioarb.journal.trades import Trades
from trioarb.market.player import play
from trioarb.model.event import (
    CampaignEnded,
    CampaignOpened,
    Decided,
    Deposited,
    InstrumentListed,
    PairEnded,
    PairOpened,
    PhaseEntered,
    PositionMarked,
    Record,
    SymbolQuarantined,
    SymbolRestarted,
    SymbolRetired,
)
from trioarb.model.number import ZERO
from trioarb.model.trade import Answer, EndedBy, ExitReason, PairOutcome, Phase
from trioarb.plugin.contract import Feed, GuardContext, GuardTier, QuoteSink, StrategyContext, Tape
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import GuardTierSpec, StrategySpec
from trioarb.risk.exposure import Exposure
from trioarb.risk.guards import Guards

__all__ = ["Campaign", "open_campaign", "run_campaign"]

_LAST: WakeOrder = (9, "", "", 0)
_COUNT_EVERY_NS = 60 * SECOND_NS
_MARGIN_SECONDS = 30


@attrs.define(eq=False)
class Campaign:
    """A campaign that runs or has run. Observers and reports read it; only the engine changes it."""

    config: Config
    world: World
    campaign_id: str
    parts: Parts
    exposure: Exposure
    statistics: Statistics
    tiers: Mapping[str, GuardTier]
    symbols: dict[str, SymbolTask]
    warnings: tuple[str, ...]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    phase: Phase = Phase.STARTING
    ended_by: EndedBy | None = None
    error: str = ""
    problems: list[str] = attrs.field(factory=list)
    signals: int = 0
    ended_ns: int | None = None
    closing: trio.CancelScope | None = None

    @property
    def exit_code(self) -> int:
        """0: ended as planned; 1: an error of ours; 3: emergency stop, residual, or a position that couldn't close."""
        if self.error:
            return 1
        if self.statistics.decisions[Answer.STOP] or self.statistics.residuals or self.problems:
            return 3
        return 0

    @property
    def runtime_seconds(self) -> Decimal:
        """Campaign time since the start."""
        end_ns = self.parts.time.now_ns() if self.ended_ns is None else self.ended_ns
        return Decimal(end_ns - self.world.start_ns) / SECOND_NS

    def end(self, by: EndedBy, error: str = "") -> None:
        """Fence new entries and let the campaign end. The first cause is kept; the first error too."""
        if error and not self.error:
            self.error = error
        if self.ended_by is None:
            self.ended_by = by
            for task in self.symbols.values():
                task.entries_open = False
            self.scope.cancel()
            self.parts.time.yield_soon()


@asynccontextmanager
async def open_campaign(
    config: Config, plugins: Plugins, *, clock: VirtualClock | None = None, warnings: Sequence[str] = ()
) -> AsyncIterator[Campaign]:
    """Open everything that a campaign needs, without starting it.

    ``clock`` is the clock of the running Trio loop if it is virtual; ``warnings`` are kept for the reports.

    Raises:
        TrioarbError: something can't be opened, or there is nothing to trade.
    """
    async with open_world(config, plugins, clock) as world:
        yield await _assemble(config, world, warnings)


async def run_campaign(
    config: Config,
    plugins: Plugins,
    *,
    clock: VirtualClock | None = None,
    observers: Sequence[Callable[[Record], None]] = (),
    on_open: Callable[[Campaign], None] = lambda campaign: None,
    handle_signals: bool = False,
    warnings: Sequence[str] = (),
) -> Campaign:
    """Run a whole campaign and return it, ended.

    ``observers`` see every record; one that raises (for a full disk, say) ends the campaign with an error.
    ``on_open`` is called once everything is open. With ``handle_signals`` (main thread only) SIGINT and SIGTERM end
    the campaign as its runtime limit does. The rest is as in `open_campaign`.

    When cancelled, pairs in flight are still brought to their end and positions closed, within their deadlines.

    Raises:
        TrioarbError: something can't be opened; nothing was traded.
    """
    async with open_campaign(config, plugins, clock=clock, warnings=warnings) as campaign:
        campaign.parts.journal.attach(
            observers=[_stop_observer(campaign), *(_guarded(campaign, observe) for observe in observers)]
        )
        on_open(campaign)
        await _Run(campaign, handle_signals).run()
    if campaign.world.opener.errors:
        campaign.end(EndedBy.ERROR, "; ".join(campaign.world.opener.errors))
    return campaign


async def _assemble(config: Config, world: World, warnings: Sequence[str]) -> Campaign:
    campaign_id = f"{world.start_ns // SECOND_NS:x}-{config.digest[:6]}"
    journal = Journal(world.time.now_ns)
    ledger, trades, exposure, statistics = Ledger(), Trades(), Exposure(), Statistics()
    symbols = tuple(listing.symbol for listing in world.symbols)
    tiers: dict[str, GuardTier] = {}
    for table in config.guards:
        name = table.key.removeprefix("guards.")
        context = GuardContext(name=name, symbols=symbols, risk=exposure)
        tiers[name] = await world.opener.open(GuardTierSpec, table, context)
    guards = Guards(
        journal=journal, trades=trades, tiers=tiers, max_concurrent_pairs=config.engine.max_concurrent_pairs
    )
    journal.attach(projections=[ledger, trades, exposure, statistics, guards], reactors=[guards])
    parts = Parts(
        journal=journal,
        ledger=ledger,
        trades=trades,
        guards=guards,
        executor=Executor(
            campaign_id=campaign_id,
            journal=journal,
            trades=trades,
            venues=world.exchanges,
            time=world.time,
            settings=config.execution,
        ),
        venues=world.exchanges,
        time=world.time,
        limits=Limits(
            interval_ns=seconds_to_ns(config.session.loop_interval_ms / 1000),
            max_iterations=config.session.max_iterations,
            slippage_bps=config.execution.unwind_slippage_bps,
        ),
        latency=LatencyHistogram(),
    )
    campaign = Campaign(
        config=config,
        world=world,
        campaign_id=campaign_id,
        parts=parts,
        exposure=exposure,
        statistics=statistics,
        tiers=tiers,
        symbols={},
        warnings=(
            *warnings,
            *world.warnings,
            *_guard_warnings(config, tiers, world),
        ),
    )
    for listing in world.symbols:
        board, instruments = world.boards[listing.symbol], world.instruments[listing.symbol]
        strategy_context = StrategyContext(symbol=listing.symbol, venues=tuple(instruments), touch=board.quote_at)
        strategy = await world.opener.open(StrategySpec, config.strategy, strategy_context)
        campaign.symbols[listing.symbol] = SymbolTask(
            market=Market(
                symbol=listing.symbol,
                instruments=instruments,
                board=board,
                usd_per_quote=config.fx[listing.quote],
                exit_bps=strategy.exit_bps,
            ),
            strategy=strategy,
            parts=parts,
            on_done=lambda: _end_if_all_done(campaign),
        )
    return campaign


@attrs.define
class _Run:
    """The phases of a campaign, from its first event to its last."""

    campaign: Campaign
    handle_signals: bool

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as services:
                if self.handle_signals:
                    await services.start(self._watch_signals)
                try:
                    await self._open()
                    await self._trade(services)
                except TrioarbError as error:
                    self.campaign.end(EndedBy.ERROR, str(error))
                finally:
                    await self._drain()
                    services.cancel_scope.cancel()
        finally:
            await self._close()

    async def _trade(self, services: trio.Nursery) -> None:
        """Run market data (which outlives this call) and the symbols, until the campaign's scope is cancelled."""
        campaign = self.campaign
        runtime_seconds = campaign.config.session.max_runtime_seconds
        if runtime_seconds is not None:
            at_ns = campaign.world.start_ns + seconds_to_ns(runtime_seconds)
            campaign.scope.deadline = campaign.parts.time.deadline(at_ns)
        with campaign.scope:
            await self._start_market(services)
            services.start_soon(self._count_periodically)
            self._enter(Phase.RUNNING)
            async with trio.open_nursery() as symbols:
                for task in campaign.symbols.values():
                    symbols.start_soon(self._supervise, task)
        if campaign.scope.cancelled_caught:
            campaign.end(EndedBy.RUNTIME)

    async def _open(self) -> None:
        campaign, config, world = self.campaign, self.campaign.config, self.campaign.world
        record = campaign.parts.journal.record
        record(
            CampaignOpened(
                campaign_id=campaign.campaign_id,
                version=__version__,
                config_digest=config.digest,
                env=config.env,
                mode=config.session.mode.value,
                clock=config.session.clock.value,
                seed=config.session.seed,
                universe_mode=config.universe.mode.value,
                symbols=tuple(campaign.symbols),
                venues=tuple(world.exchanges),
                fx={asset: config.fx[asset] for asset in sorted(config.fx)},
            )
        )
        for symbol in campaign.symbols:
            for venue, instrument in world.instruments[symbol].items():
                record(
                    InstrumentListed(
                        symbol=symbol,
                        venue=venue,
                        native_id=instrument.native_id,
                        base=instrument.base,
                        quote=instrument.quote,
                        tick_size=instrument.rules.tick_size,
                        lot_size=instrument.rules.lot_size,
                        min_notional=instrument.rules.min_notional,
                        taker_fee_bps=instrument.taker_fee_bps,
                    )
                )
        for venue, exchange in world.exchanges.items():
            with blamed(config.exchanges[venue].exchange):
                balances = await exchange.balances()
            for asset, amount in sorted(balances.items()):
                if amount:
                    record(Deposited(venue=venue, asset=asset, amount=amount, reason="configured"))

    async def _start_market(self, services: trio.Nursery) -> None:
        campaign, world = self.campaign, self.campaign.world
        sinks: dict[str, dict[str, QuoteSink]] = {
            venue: {
                symbol: task.sink(venue)
                for symbol, task in campaign.symbols.items()
                if venue in world.instruments[symbol]
            }
            for venue in world.markets
        }
        tapes = {name: market for name, market in world.markets.items() if isinstance(market, Tape)}
        feeds = {name: market for name, market in world.markets.items() if isinstance(market, Feed)}

        async def play_tapes() -> None:
            await play(tapes, sinks, time=world.time, start_ns=world.start_ns)
            if not feeds:
                await world.time.sleep_until(world.time.now_ns(), _LAST)
                campaign.end(EndedBy.END_OF_DATA)

        if tapes:
            services.start_soon(self._serve, "recorded market data", play_tapes)
        for name, feed in feeds.items():
            await services.start(self._serve_feed, name, feed, sinks[name])

    async def _serve(self, what: str, service: Callable[[], Awaitable[None]]) -> None:
        """Run a service; if it fails, the campaign ends with its error."""
        try:
            await service()
        except Exception as error:
            self._fail(what, error)

    async def _serve_feed(
        self,
        venue: str,
        feed: Feed,
        sinks: Mapping[str, QuoteSink],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        status = _StartedOnce(task_status)

        async def run_feed() -> None:
            await feed.run(sinks, task_status=status)
            raise EOFError("it ended by itself")

        await self._serve(f"market data of {venue}", run_feed)
        status.started()

    def _fail(self, what: str, error: Exception) -> None:
        structlog.get_logger("trioarb.engine").error("campaign fails", what=what, exc_info=error)
        self.campaign.end(EndedBy.ERROR, f"{what}: {_describe(error)}")

    async def _watch_signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        campaign, log = self.campaign, structlog.get_logger("trioarb.engine")
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            task_status.started()
            async for number in received:
                campaign.signals += 1
                name = signal.Signals(number).name
                if campaign.signals == 1:
                    log.warning("ending the campaign; once more to hurry", signal=name)
                    campaign.end(EndedBy.SIGNAL)
                else:
                    log.warning("hurrying", signal=name)
                    campaign.parts.executor.hurry()
                    if campaign.closing is not None:
                        hurry = float(campaign.config.execution.hurry_seconds)
                        campaign.closing.deadline = min(campaign.closing.deadline, trio.current_time() + hurry)

    async def _count_periodically(self) -> None:
        time = self.campaign.parts.time
        while True:
            await time.sleep(_COUNT_EVERY_NS, _LAST)
            self._count(final=False)

    def _count(self, *, final: bool) -> None:
        self.campaign.parts.guards.flush(tuple(self.campaign.symbols))
        for symbol, task in self.campaign.symbols.items():
            self.campaign.parts.journal.record(task.funnel.event(symbol, final=final))

    async def _supervise(self, task: SymbolTask) -> None:
        """Run a symbol; with isolation quarantine and restart it when it fails, at last close what it holds."""
        campaign, settings, time = self.campaign, self.campaign.config.engine, self.campaign.parts.time
        record = campaign.parts.journal.record
        failures, restart_ns = 0, None
        await task.take_turn()
        while True:
            try:
                if restart_ns is not None:
                    await task.run(entries=False, until_ns=restart_ns)
                    record(SymbolRestarted(symbol=task.symbol, failures=failures))
                    restart_ns = None
                await task.run(entries=campaign.ended_by is None)
            except Exception as error:
                structlog.get_logger("trioarb.engine").error("symbol failed", symbol=task.symbol, exc_info=error)
                if not settings.per_symbol_isolation:
                    self._fail(task.symbol, error)
                    return
                failures += 1
                retired = failures > settings.max_restarts
                if not retired:
                    backoff = min(
                        settings.restart_backoff_seconds * 2 ** (failures - 1), settings.restart_backoff_max_seconds
                    )
                    restart_ns = time.now_ns() + seconds_to_ns(backoff)
                record(
                    SymbolQuarantined(
                        symbol=task.symbol, error=_describe(error), failures=failures, restart_at_ns=restart_ns
                    )
                )
                if retired:
                    task.stop()
                    await self._close_symbol(task, ExitReason.QUARANTINE)
                    record(SymbolRetired(symbol=task.symbol, failures=failures))
                    task.retired = True
                    _end_if_all_done(campaign)
                    return

    async def _drain(self) -> None:
        """Steps 1 to 3 of the end: nothing new, pairs ended, positions closed or kept."""
        campaign = self.campaign
        campaign.end(campaign.ended_by or EndedBy.ERROR, "" if campaign.ended_by else "the campaign was cancelled")
        for task in campaign.symbols.values():
            abandoned = task.stop()
            if abandoned is not None:
                campaign.parts.journal.record(_never_sent(abandoned))
        self._enter(Phase.DRAINING)
        stopped = campaign.ended_by is EndedBy.EMERGENCY_STOP
        if stopped or campaign.config.session.close_positions_at_end:
            await self._close_positions(ExitReason.EMERGENCY_STOP if stopped else ExitReason.CAMPAIGN_END)
        for position in campaign.parts.trades.positions():
            if stopped or campaign.config.session.close_positions_at_end:
                campaign.problems.append(
                    f"{position.route.symbol}: {position.quantity:f} could not be closed in time; still long at "
                    f"{position.route.buy_venue} and short at {position.route.sell_venue}"
                )

    async def _close_positions(self, reason: ExitReason) -> None:
        campaign = self.campaign
        closing_ns = seconds_to_ns(campaign.config.execution.close_deadline_seconds)
        deadline = campaign.parts.time.deadline(campaign.parts.time.now_ns() + closing_ns)
        if campaign.signals > 1:
            deadline = min(deadline, trio.current_time() + float(campaign.config.execution.hurry_seconds))
        with trio.CancelScope(shield=True, deadline=deadline) as campaign.closing:
            async with trio.open_nursery() as nursery:
                for task in campaign.symbols.values():
                    if campaign.parts.trades.positions(task.symbol):
                        nursery.start_soon(self._close_symbol, task, reason)

    async def _close_symbol(self, task: SymbolTask, reason: ExitReason) -> None:
        """Close a symbol's positions; a failure here must not keep the others from closing theirs."""
        try:
            await task.close_positions(reason)
        except Exception as error:
            self._fail(task.symbol, error)

    async def _close(self) -> None:
        """Step 4: market data has ended. Mark what stays open, compare with the venues, write the last event."""
        campaign, journal = self.campaign, self.campaign.parts.journal
        for position in campaign.parts.trades.positions():
            journal.record(
                PositionMarked(
                    trade_id=position.trade_id,
                    symbol=position.route.symbol,
                    quantity=position.quantity,
                    unrealised_usd=campaign.symbols[position.route.symbol].unrealised_usd(position),
                )
            )
        self._count(final=True)
        with trio.move_on_after(_MARGIN_SECONDS, shield=True) as comparing:
            await self._compare_balances()
        if comparing.cancelled_caught:
            campaign.end(EndedBy.ERROR, "the venues did not say their balances in time")
        campaign.ended_ns = campaign.parts.time.now_ns()
        self._enter(Phase.CLOSED)
        assert campaign.ended_by is not None
        journal.record(CampaignEnded(ended_by=campaign.ended_by, error=campaign.error))

    async def _compare_balances(self) -> None:
        """Hold the ledger against what the venues say they hold."""
        campaign, ledger = self.campaign, self.campaign.parts.ledger
        problems = list(ledger.imbalances())
        for venue, exchange in campaign.world.exchanges.items():
            try:
                held = await exchange.balances()
            except Exception as error:
                problems.append(f"{venue}: balances can't be read: {_describe(error)}")
                continue
            booked = {asset: balance.final for asset, balance in ledger.balances().get(venue, {}).items()}
            for asset in sorted(set(held) | set(booked)):
                if held.get(asset, ZERO) != booked.get(asset, ZERO):
                    problems.append(
                        f"{venue} holds {held.get(asset, ZERO)} {asset}, the ledger says {booked.get(asset, ZERO)}"
                    )
        if problems and not ledger.open_orders:
            campaign.end(EndedBy.ERROR, "; ".join(problems))
        else:
            campaign.problems += problems

    def _enter(self, phase: Phase) -> None:
        self.campaign.phase = phase
        ended_by = self.campaign.ended_by
        self.campaign.parts.journal.record(PhaseEntered(phase=phase, reason=ended_by.value if ended_by else ""))


class _StartedOnce(trio.TaskStatus[None]):
    """Passes ``started`` on once, so that a feed that failed before it can still let its caller go on."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._status.started()


def _end_if_all_done(campaign: Campaign) -> None:
    tasks = campaign.symbols.values()
    if all(task.retired for task in tasks):
        campaign.end(EndedBy.ERROR, "every symbol failed too often")
    elif all(task.done for task in tasks):
        campaign.end(EndedBy.ITERATIONS)


def _never_sent(opened: PairOpened) -> PairEnded:
    return PairEnded(
        pair_id=opened.pair_id,
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        kind=opened.kind,
        outcome=PairOutcome.FLAT,
        bought=ZERO,
        sold=ZERO,
        pnl_usd=ZERO,
        fees_usd=ZERO,
        dust=ZERO,
    )


def _stop_observer(campaign: Campaign) -> Callable[[Record], None]:
    def observe(record: Record) -> None:
        if isinstance(record.event, Decided) and record.event.answer is Answer.STOP:
            campaign.end(EndedBy.EMERGENCY_STOP)

    return observe


def _guarded(campaign: Campaign, observe: Callable[[Record], None]) -> Callable[[Record], None]:
    """An observer that fails (a full disk, say) ends the campaign, which still closes what is open."""
    failed = False

    def guarded(record: Record) -> None:
        nonlocal failed
        if failed:
            return
        try:
            observe(record)
        except Exception as error:
            failed = True
            campaign.end(EndedBy.ERROR, f"events can't be observed any more: {_describe(error)}")

    return guarded


def _guard_warnings(config: Config, tiers: Mapping[str, GuardTier], world: World) -> list[str]:
    instruments = [one for by_venue in world.instruments.values() for one in by_venue.values()]
    warnings: list[str] = []
    for table, tier in zip(config.guards, tiers.values(), strict=True):
        with blamed(table):
            warnings += [f"{table.key}: {text}" for text in tier.warnings(instruments)]
    return warnings


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
