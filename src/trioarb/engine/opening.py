"""Put a campaign together, and record what it starts with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import trio

from trioarb import __version__
from trioarb.config.schema import Config, Mode, PluginTable
from trioarb.config.tuning import Tuning
from trioarb.course.course import Course
from trioarb.engine.campaign import Campaign
from trioarb.engine.carrying import carried_loss
from trioarb.engine.desk import take_up_commands
from trioarb.engine.opener import Opener
from trioarb.engine.parts import Limits, Parts
from trioarb.engine.past import Past
from trioarb.engine.shadowing import Shadowing, moments_of
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.transfers import require_simulation
from trioarb.engine.world import World, open_world
from trioarb.errors import JournalError, PluginError, PluginFault
from trioarb.execution.executor import Executor
from trioarb.execution.reconcile import Reconciler
from trioarb.execution.stages import Stages
from trioarb.journal.journal import Journal
from trioarb.model.event import CampaignOpened, Deposited, InstrumentListed, Record, terms_of
from trioarb.model.market import Instrument, Listing
from trioarb.model.number import ZERO, text
from trioarb.model.order import Offer
from trioarb.model.trade import Account
from trioarb.plugin.border import CheckedGuard
from trioarb.plugin.contract import GuardContext, GuardTier, RiskView, Strategy, StrategyContext
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import GuardTierSpec, StrategySpec
from trioarb.quotes.rate import Sourced
from trioarb.risk.guards import Guards
from trioarb.state.funds import Funds
from trioarb.state.state import State
from trioarb.strategy.loops import loops_of
from trioarb.strategy.market import Market
from trioarb.strategy.triangle import triangles_in
from trioarb.time.campaign_time import CampaignTime, Turn, seconds_to_ns
from trioarb.time.latency import LatencyHistogram
from trioarb.time.virtual import VirtualClock

__all__ = ["open_campaign", "open_symbol", "open_tiers", "record_instruments", "record_opening"]

#: No venue's prices have more.
_MOST_DECIMALS = 12


@asynccontextmanager
async def open_campaign(
    config: Config,
    plugins: Plugins,
    *,
    clock: VirtualClock | None = None,
    warnings: Sequence[str] = (),
    past: Past | None = None,
    state_of: Callable[[str], Path] | None = None,
    course: Course | None = None,
) -> AsyncIterator[Campaign]:
    """Open everything that a campaign needs, without starting it; with a ``past``, as it was at its end.

    ``clock`` is the clock of the running Trio loop if it is virtual; ``warnings`` are kept for the reports;
    ``state_of`` is as in `open_world`; ``course`` stands between it and the outside.

    Raises:
        TrioarbError: something can't be opened, or there is nothing to trade.
    """
    course = course or Course()
    async with open_world(config, plugins, clock, past=past, state_of=state_of, course=course) as world:
        if config.transfers.simulate:
            require_simulation(config, world.exchanges)
        campaign = await _assemble(config, world, warnings, past, course)
        if past is not None:
            _take_up(campaign, past)
        course.begin(campaign.campaign_id, world.start_ns, campaign.parts.journal.seq)
        yield campaign


async def record_opening(campaign: Campaign, earlier: State | None = None) -> None:
    """Record what the campaign starts with; with an ``earlier`` one, what that lost on this day.

    Raises:
        TrioarbError: a venue doesn't say its balances.
    """
    config, world = campaign.config, campaign.world
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
            margin=tuple(venue for venue, exchange in world.exchanges.items() if exchange.account is Account.MARGIN),
            interest=_interest(world) or None,
            loss_basis=config.engine.loss_basis.value,
            warnings=campaign.warnings,
            listed=world.selection.listed,
        )
    )
    if earlier is not None:
        record(carried_loss(earlier, world.time.now_ns()))
    record_instruments(campaign)
    world.rates.state(world.time.now_ns(), "start")
    for venue, exchange in world.exchanges.items():
        for asset, amount in sorted((await exchange.holdings()).items()):
            if amount:
                record(Deposited(venue=venue, asset=asset, amount=amount, reason="configured"))


def _interest(world: World) -> dict[str, Decimal]:
    """Return the interest that venues charge of what is borrowed, in basis points a day."""
    rates = ((venue, exchange.borrow_bps_per_day) for venue, exchange in world.exchanges.items())
    return {venue: rate for venue, rate in rates if rate is not None}


def record_instruments(campaign: Campaign, symbols: Iterable[str] | None = None) -> None:
    """Record what the venues list of ``symbols``, or of all, and by which rules."""
    for symbol in campaign.symbols if symbols is None else symbols:
        for instrument in campaign.world.instruments[symbol].values():
            campaign.parts.journal.record(InstrumentListed(**terms_of(instrument)))


def _take_up(campaign: Campaign, past: Past) -> None:
    """Fold what the journal holds.

    Raises:
        JournalError: it can't be read, or holds what the configuration can't go on with.
    """
    try:
        campaign.parts.journal.fold(past.records())
    except (LookupError, ArithmeticError) as error:
        raise JournalError(
            f"event {campaign.parts.journal.seq + 1} of the journal contradicts what is before it "
            f"({type(error).__name__}: {error}); `trioarb verify` says more"
        ) from error
    if gone := sorted({one.route.symbol for one in campaign.state.trades.positions()} - set(campaign.symbols)):
        raise JournalError(f"the campaign holds a position in {', '.join(gone)}, which the source lists no more")
    campaign.world.rates.resume(campaign.state.fx)
    take_up_commands(campaign)
    traded = frozenset(campaign.state.statistics.traded)
    for symbol, task in campaign.symbols.items():
        task.dropped = symbol not in traded
        booked = campaign.state.statistics.of(symbol)
        counted = (one.counted for one in booked.routes.values() if one.counted is not None)
        task.take_up(booked.funnel, counted)


async def open_tiers(
    opener: Opener,
    tables: Iterable[PluginTable],
    symbols: Sequence[str],
    risk: RiskView,
    tuning: Tuning,
    time: CampaignTime,
) -> dict[str, CheckedGuard]:
    """Open the guard tiers, in the order in which they are asked."""
    tiers: dict[str, CheckedGuard] = {}
    for table in tables:
        name = table.key.removeprefix("guards.")
        settings_of = tuning.settings_of(table)
        context = GuardContext(name=name, symbols=symbols, risk=risk, settings_of=settings_of, time=time)
        tiers[name] = await opener.open(GuardTierSpec, table, context)
    return tiers


async def _assemble(
    config: Config, world: World, warnings: Sequence[str], past: Past | None, course: Course
) -> Campaign:
    campaign_id = course.campaign_id or f"{world.start_ns:x}-{config.digest[:6]}"
    if past is not None:
        campaign_id = past.opened.campaign_id
    journal = Journal(world.time.now_ns, config.redactor)
    state = State()
    world.submitted.trades = state.trades
    symbols = tuple(listing.symbol for listing in world.symbols) if past is None else past.opened.symbols
    tiers = await open_tiers(world.opener, config.guards, symbols, state.marks, world.tuning, world.time)
    guards = Guards(
        journal=journal,
        trades=state.trades,
        marks=state.marks,
        tiers=tiers,
        holds=world.pleas.holds,
        max_concurrent_pairs=config.engine.max_concurrent_pairs,
    )
    funds = Funds(state.ledger, state.margins, world.instruments, config.execution.unwind_slippage_bps)
    state.marks.watch(world.boards, world.rates.sourced)
    shadowing = _shadowing(config, world)
    more = [] if shadowing is None else [shadowing]
    journal.attach(projections=[*state.projections, funds, guards, *more], reactors=[guards])
    markets: dict[str, Market] = {}
    stages = None if world.time.jumps else Stages(float(config.session.speed))
    executor = Executor(
        campaign_id=campaign_id,
        journal=journal,
        trades=state.trades,
        venues=world.exchanges,
        instruments=world.instruments,
        markets=markets,
        time=world.time,
        settings=config.execution,
        fee_value_of=world.fee_prices.valued,
        stages=stages,
    )
    guards.holds.on_hold = lambda venue, symbol: executor.withdraw(venue=venue, symbol=symbol)
    parts = Parts(
        journal=journal,
        ledger=state.ledger,
        trades=state.trades,
        guards=guards,
        funds=funds,
        executor=executor,
        reconciler=Reconciler(
            journal=journal,
            ledger=state.ledger,
            trades=state.trades,
            executor=executor,
            venues=world.exchanges,
            markets=markets,
            time=world.time,
        ),
        venues=world.exchanges,
        instruments=world.instruments,
        markets=markets,
        time=world.time,
        limits=Limits(
            interval_ns=seconds_to_ns(config.session.loop_interval_ms / 1000),
            max_iterations=config.session.max_iterations,
            slippage_bps=config.execution.unwind_slippage_bps,
            exit_age_ns=seconds_to_ns(config.execution.max_exit_quote_age_ms / 1000),
            dust_usd=config.execution.dust_usd,
        ),
        latency=LatencyHistogram(),
        stages=stages,
    )
    campaign = Campaign(
        config=config,
        world=world,
        campaign_id=campaign_id,
        parts=parts,
        state=state,
        tiers=tiers,
        shadowing=shadowing,
        symbols={},
        course=course,
        ending=world.time.bell(Turn.MARKET.order(number=1)),
        arrived=world.time.bell(Turn.SERVICE.order(number=5)),
        warnings=tuple(
            map(
                config.redactor.text,
                (*warnings, *world.warnings, *_tick_warnings(world), *_guard_warnings(config, tiers, world)),
            )
        ),
    )
    strategies = world.opener.scope()
    for listing in world.symbols:
        campaign.symbols[listing.symbol] = await open_symbol(campaign, listing, world.opener, scope=strategies)
    journal.attach(observers=[partial(_note, campaign.symbols)])
    if stages is not None:
        journal.attach(observers=[stages.observe])
    world.rates.begin(journal.record, world.time.now_ns, world.boards, world.instruments)
    return campaign


def _shadowing(config: Config, world: World) -> Shadowing | None:
    """Return what compares orders, in shadow mode."""
    if config.session.mode is not Mode.SHADOW:
        return None
    moments = {
        venue: moments_of(
            exchange.arrival_ns,
            world.real[venue].round_trip_ns if venue in world.real else None,
            config.session.shadow_after_ms,
        )
        for venue, exchange in world.exchanges.items()
    }
    return Shadowing(world, moments, stale_ns=seconds_to_ns(config.engine.market_stale_seconds))


async def open_symbol(
    campaign: Campaign, listing: Listing, opener: Opener, *, scope: trio.CancelScope | None = None
) -> SymbolTask:
    """Open a symbol's strategy, and return what is to be run; ``scope`` is as in `Opener.open`."""
    config, world, parts, symbol = campaign.config, campaign.world, campaign.parts, listing.symbol
    board, instruments = world.boards[symbol], world.instruments[symbol]
    context = StrategyContext(
        time=world.time,
        symbol=symbol,
        venues=tuple(instruments),
        touch=board.quote_at,
        stock=partial(campaign.state.ledger.stock, listing.base),
        triangles=triangles_in(world.symbols) if world.loops else (),
        instruments=instruments,
        rests_at=frozenset(venue for venue in instruments if Offer.POST_ONLY in world.exchanges[venue].offers),
    )
    table = world.tuning.table(config.strategy, symbol)
    strategy: Strategy = await opener.open(StrategySpec, table, context, about=symbol, scope=scope)
    _check_needs(strategy, config, world, instruments)
    if odd := [one for one in strategy.triangles if one not in context.triangles or one.home != symbol]:
        raise PluginFault(
            f"[{table.key}] (plugin {table.plugin}) of {symbol}: it goes around {'/'.join(odd[0].symbols)}, no "
            f"triangle of its context with the home {symbol}, or its spec doesn't say loops=True"
        )
    market = parts.markets[symbol] = Market(
        symbol=symbol,
        instruments=instruments,
        board=board,
        exchanges=world.exchanges,
        funds=parts.funds,
        # What loops only go through needs none: they are counted in the money that they begin and end with.
        usd_per_quote=config.fx.get(listing.quote, ZERO) if world.loops else config.fx[listing.quote],
        exit_bps=strategy.exit_bps,
        rates=world.rates.of(instruments),
    )
    open_task = partial(SymbolTask, market=market, strategy=strategy, parts=parts, on_done=campaign.end_if_all_done)
    if not world.loops:
        task = open_task()
        for rate in dict.fromkeys(market.rates.values()):
            if isinstance(rate, Sourced):
                rate.on_rate.append(task.reprice)
                rate.on_quote.append(task.reconsider)
        return task
    loops = loops_of(strategy.triangles, board.venues, world.instruments, world.boards)
    task = open_task(loops=loops)
    if parts.limits.interval_ns == 0:
        for loop in loops:
            for number, along in enumerate(loop.boards):
                along.followed.follow(loop.buy, task.look_around if number else _nothing, who=f"loops of {symbol}")
    return task


def _nothing() -> None:
    """The home symbol of a loop is shown its own quotes anyway, all of them as long as somebody follows it."""


def _check_needs(strategy: Strategy, config: Config, world: World, instruments: Mapping[str, Instrument]) -> None:
    """Refuse a strategy that sends orders which a venue doesn't take: each of them would be refused there."""
    for venue in instruments:
        lacking = strategy.needs(venue) - world.exchanges[venue].offers
        if lacking:
            raise PluginError(
                f"[strategy]: plugin {config.strategy.plugin!r} sends orders to {venue} that it doesn't take "
                f"({', '.join(sorted(offer.value for offer in lacking))}); "
                f"name another strategy, or another plugin in [exchanges.{venue}]"
            )
    converted = sorted(venue for venue, one in instruments.items() if one.counts_as is not None)
    if converted and (world.loops or any(strategy.needs(venue) for venue in instruments)):
        raise PluginError(
            f"[strategy]: plugin {config.strategy.plugin!r} trades otherwise than by a purchase and a sale at once; "
            f"exchanges.{converted[0]}.same_as has prices converted, with which only that can be done: name another "
            "strategy, or take same_as out"
        )
    contracts = sorted(venue for venue in instruments if world.exchanges[venue].account is Account.PERPETUAL)
    for venue in contracts:
        if venue in converted:
            raise PluginError(
                f"exchanges.{venue}.same_as: margin and funding of contracts are not converted; "
                "take same_as out, or name another account than 'perpetual'"
            )
    if contracts and world.loops:
        raise PluginError(
            f"[strategy]: plugin {config.strategy.plugin!r} goes around what is held, and {contracts[0]} holds "
            f"contracts; name another strategy, or another account in [exchanges.{contracts[0]}]"
        )


def _note(symbols: Mapping[str, SymbolTask], record: Record) -> None:
    """Tell a symbol of its events."""
    task = symbols.get(getattr(record.event, "symbol", ""))
    if task is not None:
        task.note_event()


def _tick_warnings(world: World) -> list[str]:
    """Warn of recorded prices that lie between the steps in which a venue takes orders."""
    warnings: list[str] = []
    for venue, listed in world.listed.items():
        steps = {symbol: listing.price_step for symbol, listing in listed.items()}
        for symbol, by_venue in world.instruments.items():
            step, instrument = steps.get(symbol), by_venue.get(venue)
            if step is None or instrument is None:
                continue
            tick = instrument.rules.tick_size
            if tick is None:
                continue  # a table of steps is the venue's own, and no rule is none that prices could break
            if _decimals(step) > _decimals(tick):
                remedy = (
                    f'exchanges.{venue}.instruments.{symbol}.tick_size = "{text(step)}" would fit'
                    if _decimals(step) <= _MOST_DECIMALS
                    else "so many come of reckoning with floats: round the prices to the tick before they are played"
                )
                warnings.append(
                    f"{symbol} at {venue}: its prices have {_decimals(step)} decimals and don't lie on the tick size "
                    f"{text(tick)}: orders at them are rounded in our favour, and may never fill; {remedy}"
                )
    return warnings


def _decimals(number: Decimal) -> int:
    return max(0, -int(number.normalize().as_tuple().exponent))


def _guard_warnings(config: Config, tiers: Mapping[str, GuardTier], world: World) -> list[str]:
    instruments = [one for by_venue in world.instruments.values() for one in by_venue.values()]
    warnings: list[str] = []
    for table, tier in zip(config.guards, tiers.values(), strict=True):
        warnings += [f"{table.key}: {text}" for text in tier.warnings(instruments)]
    return warnings
