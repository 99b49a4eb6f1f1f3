"""Run a campaign: a scope, and everything it starts ends with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TypeVar

import attrs
import structlog
import trio

from trioarb.config.schema import ClockKind, Config, Mode
from trioarb.course.course import Course
from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.charging import charge_periodically
from trioarb.engine.clocks import watch_clocks
from trioarb.engine.closing import close, drain
from trioarb.engine.following import follow_course
from trioarb.engine.keeping import Keeping
from trioarb.engine.live import begin_live, count_capital, end_live, warm_up
from trioarb.engine.market import start_market
from trioarb.engine.markouts import mark_out_periodically
from trioarb.engine.opening import open_campaign, record_opening
from trioarb.engine.reach import Reach, be_reached
from trioarb.engine.recording import written
from trioarb.engine.recovery import recover, require_known_orders, resume
from trioarb.engine.services import (
    announce_end,
    ask_for_late_orders,
    count_periodically,
    limit_runtime,
    look_periodically,
    pace,
    rate_periodically,
    reconcile_periodically,
    serve,
    watch_of,
)
from trioarb.engine.shadow import shadow_orders
from trioarb.engine.signals import Signals
from trioarb.engine.stating import state_equity_periodically
from trioarb.engine.supervisor import start_arrivals, supervise
from trioarb.engine.transfers import transfer_periodically
from trioarb.engine.universe import refresh_periodically
from trioarb.engine.updates import follow_updates
from trioarb.engine.working import work_periodically
from trioarb.errors import JournalError, MarketDataError, TrioarbError
from trioarb.journal.writer import JournalWriter
from trioarb.model.event import Decided, Record
from trioarb.model.trade import Answer, EndedBy, Phase
from trioarb.plugin.registry import Plugins
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.time.campaign_time import Turn
from trioarb.time.virtual import VirtualClock

__all__ = ["RECORDING_SECONDS", "run_campaign"]

SeenT = TypeVar("SeenT")

#: How long market data may take to begin before a recovery goes on without it.
_BEGIN_SECONDS = 60
#: How long the last events may take to reach the disk.
_CLOSE_JOURNAL_SECONDS = 30
#: How long the last parts of a recording may take to become Parquet files.
RECORDING_SECONDS = 30


@attrs.frozen
class _Start:
    """What comes before market data, and what comes between it and the symbols."""

    opening: Callable[[], Awaitable[None]]
    recovery: Callable[[], Awaitable[None]] | None


async def run_campaign(
    config: Config,
    plugins: Plugins,
    *,
    clock: VirtualClock | None = None,
    observers: Sequence[Callable[[Record], None]] = (),
    on_open: Callable[[Campaign], None] = lambda campaign: None,
    signals: Signals | None = None,
    warnings: Sequence[str] = (),
    keeping: Keeping | None = None,
    copy: Callable[[bytes], None] | None = None,
    recorder: QuoteRecorder | None = None,
    reach: Reach | None = None,
    course: Course | None = None,
    hand: Callable[[Campaign], Awaitable[None]] | None = None,
) -> Campaign:
    """Run a whole campaign and return it, ended.

    ``observers`` see every record; one that raises (for a full disk, say) ends the campaign with an error.
    ``on_open`` is called once everything is open. ``signals``, who listen around this, are told
    which campaign SIGINT and SIGTERM end, as its runtime limit does, and SIGUSR1 stops. ``keeping``
    says where the campaign is kept, and what it goes on with; ``copy`` is shown each line of the journal, one step at
    a time, and fails as observers do. ``recorder`` is given every quote as it comes; if it fails, the campaign goes on
    without it. ``reach`` says where it can be told what to do while it runs: nowhere in virtual time, in which sockets
    don't go. ``course`` stands between it and the outside. ``hand`` runs beside it, from before its first event until
    its journal is closed, and is cancelled then: it may tell it something. The rest is as in `open_campaign`.

    When cancelled, pairs in flight are still brought to their end and positions closed, within their deadlines.

    Raises:
        TrioarbError: something can't be opened; nothing was traded.
    """
    past = keeping.past if keeping is not None else None
    state_of = keeping.state_of if keeping is not None else None
    async with open_campaign(
        config, plugins, clock=clock, warnings=warnings, past=past, state_of=state_of, course=course
    ) as campaign:
        campaign.recorder = recorder
        if config.session.mode is Mode.LIVE:
            journal = "" if keeping is None else str(keeping.journal.absolute())
            await begin_live(campaign, journal=journal, is_resumed=past is not None)
        if past is None:
            earlier = keeping.earlier if keeping is not None else None
            start = _Start(partial(record_opening, campaign, earlier), None)
        else:
            await require_known_orders(campaign, past)
            start = _Start(partial(resume, campaign, past), partial(recover, campaign, past))
        writer = None if keeping is None else keeping.open_writer(campaign.campaign_id)
        campaign.parts.journal.attach(
            observers=[_stop_observer(campaign), *(_guarded(campaign, observe) for observe in observers)]
        )
        on_open(campaign)
        if signals is not None:
            signals.campaign = campaign
        async with _recording(campaign, handle_signals=signals is not None):
            if writer is not None:
                _rely_on(writer, campaign, copy)
            await _run(campaign, start, writer, None if clock is not None else reach, hand)
        end_live(campaign)
    opener = campaign.world.opener
    if wrong := [*opener.calls.beside, *opener.errors]:
        campaign.end(EndedBy.ERROR)
        campaign.error = config.redactor.text("; ".join(filter(None, (campaign.error, *wrong))))
    return campaign


def _recording(campaign: Campaign, *, handle_signals: bool) -> AbstractAsyncContextManager[None]:
    """Write what the campaign records, from before its first quote until its journal is closed."""
    if campaign.recorder is None:
        return nullcontext()

    def tell(error: MarketDataError) -> None:
        log = structlog.get_logger("trioarb.recording")
        log.warning("recording has ended; the campaign goes on", because=str(error))

    return written(
        campaign.recorder,
        on_failure=tell,
        handle_signals=handle_signals,
        speed=float(campaign.config.session.speed),
        close_seconds=RECORDING_SECONDS,
        recovers=True,
    )


async def _run(
    campaign: Campaign,
    start: _Start,
    writer: JournalWriter | None,
    reach: Reach | None,
    hand: Callable[[Campaign], Awaitable[None]] | None,
) -> None:
    """Go through the phases, from the first event to the last, and close the journal.

    Cancellation from outside ends the campaign like any other cause: what runs here is shielded from it, and a task
    beside it passes it on. Once the campaign ends, everything in the shield has a deadline.
    """
    async with trio.open_nursery() as beside:
        beside.start_soon(_end_when_cancelled, campaign)
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as keeping:
                if writer is not None and campaign.config.session.clock is ClockKind.REAL:
                    keeping.start_soon(writer.watch)
                if hand is not None:
                    keeping.start_soon(serve, campaign, "the keys", hand)
                if reach is not None:
                    await keeping.start(be_reached, campaign, reach)
                if campaign.config.universe.refresh_minutes is not None:
                    # Here, since strategies that it opens are closed after the journal.
                    keeping.start_soon(serve, campaign, "the universe", refresh_periodically)
                try:
                    await _run_phases(campaign, start)
                finally:
                    if writer is not None:
                        await _close_journal(campaign, writer)
                    keeping.cancel_scope.cancel()
        beside.cancel_scope.cancel()


async def _run_phases(campaign: Campaign, start: _Start) -> None:
    try:
        async with trio.open_nursery() as services:
            services.start_soon(serve, campaign, "the announcement of the end", announce_end)
            if campaign.course.is_told:
                services.start_soon(serve, campaign, "what the course tells", follow_course)
            try:
                await _trade(campaign, start, services)
            except Exception as error:
                campaign.fail("the engine", error)
            finally:
                await drain(campaign)
                services.cancel_scope.cancel()
    finally:
        await close(campaign)


async def _trade(campaign: Campaign, start: _Start, services: trio.Nursery) -> None:
    """Run market data (which outlives this call) and the symbols, until the campaign's scope is cancelled.

    Raises:
        TrioarbError: a venue doesn't say its balances; nothing was traded.
    """
    services.start_soon(serve, campaign, "the runtime limit", limit_runtime)
    if start.recovery is not None:
        # Whatever ends the campaign meanwhile: what was in flight is finished first, and that takes market data.
        with trio.move_on_after(_BEGIN_SECONDS):
            await _begin(campaign, start, services)
        await start.recovery()
    with campaign.scope:
        if start.recovery is None:
            await _begin(campaign, start, services)
        if campaign.ended_by is not None:
            return
        if campaign.config.session.mode is Mode.LIVE:
            services.start_soon(serve, campaign, "the warming up", warm_up)
            services.start_soon(serve, campaign, "what is at risk", count_capital)
        services.start_soon(serve, campaign, "the counters", count_periodically)
        if campaign.world.rates.sourced:
            services.start_soon(serve, campaign, "the rates of quote assets", rate_periodically)
        services.start_soon(serve, campaign, "asking for orders", ask_for_late_orders)
        services.start_soon(serve, campaign, "comparing balances", reconcile_periodically)
        services.start_soon(serve, campaign, "working off residuals", work_periodically)
        services.start_soon(serve, campaign, "marking out fills", mark_out_periodically)
        if campaign.shadowing is not None:
            services.start_soon(serve, campaign, "comparing orders", shadow_orders)
        services.start_soon(serve, campaign, "stating equity", state_equity_periodically)
        services.start_soon(serve, campaign, "what venues charge", charge_periodically)
        services.start_soon(serve, campaign, "the watch over the clocks", watch_clocks)
        if campaign.config.transfers.simulate:
            services.start_soon(serve, campaign, "transfers between venues", transfer_periodically)
        await campaign.parts.time.pick_up(Turn.SERVICE.order(number=30))
        campaign.enter(Phase.RUNNING)
        async with trio.open_nursery() as symbols:
            for task in campaign.symbols.values():
                symbols.start_soon(supervise, campaign, task)
            symbols.start_soon(partial(start_arrivals, campaign, nursery=symbols))
            if campaign.parts.limits.interval_ns:
                symbols.start_soon(serve, campaign, "the symbols' loop", pace)


async def _begin(campaign: Campaign, start: _Start, services: trio.Nursery) -> None:
    """Record what the campaign begins with, and start market data, which outlives this call."""
    await start.opening()
    campaign.parts.journal.begin()
    campaign.has_begun = True
    campaign.world.changes.begin(campaign.parts.journal.record)
    campaign.world.pleas.begin(campaign.parts.journal.record)
    watch = watch_of(campaign)
    await follow_updates(campaign, services)
    await start_market(campaign, services, watch)
    services.start_soon(serve, campaign, "the market watch", look_periodically, watch)


def _rely_on(writer: JournalWriter, campaign: Campaign, copy: Callable[[bytes], None] | None) -> None:
    """Keep the journal in the writer; once it can't write, enter nothing more."""

    def fail(error: JournalError) -> None:
        campaign.end(EndedBy.ERROR, str(error))

    writer.rely(fail, (lambda lines: None) if copy is None else _guarded(campaign, copy))
    campaign.parts.journal.keep(writer)


async def _close_journal(campaign: Campaign, writer: JournalWriter) -> None:
    with trio.move_on_after(_CLOSE_JOURNAL_SECONDS) as closing:
        try:
            await writer.close()
        except JournalError as error:
            missing = str(error)  # says why, too, if that is what ended the campaign
            campaign.error = missing if campaign.error in missing else f"{campaign.error}; {missing}"
        campaign.head = writer.head
    if closing.cancelled_caught:
        campaign.error = campaign.error or (
            f"the journal could not be closed within {_CLOSE_JOURNAL_SECONDS} s; its last events may be missing"
        )


async def _end_when_cancelled(campaign: Campaign) -> None:
    try:
        await trio.sleep_forever()
    finally:
        campaign.end(EndedBy.ERROR, "" if campaign.ended_by else "the campaign was cancelled")


def _stop_observer(campaign: Campaign) -> Callable[[Record], None]:
    def observe(record: Record) -> None:
        if isinstance(record.event, Decided) and record.event.answer is Answer.STOP:
            campaign.end(EndedBy.EMERGENCY_STOP)

    return observe


def _guarded(campaign: Campaign, observe: Callable[[SeenT], None]) -> Callable[[SeenT], None]:
    """An observer that fails (a full disk, say) ends the campaign, which still closes what is open."""
    failed = False

    def guarded(record: SeenT) -> None:
        nonlocal failed
        if failed:
            return
        try:
            observe(record)
        except Exception as error:
            failed = True
            campaign.end(EndedBy.ERROR, str(error) if isinstance(error, TrioarbError) else describe(error))

    return guarded
