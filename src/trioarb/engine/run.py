"""Run a campaign: a scope, and everything it starts ends with it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

import structlog
import trio

from trioarb.clock.service import SECOND_NS, seconds_to_ns
from trioarb.clock.virtual import VirtualClock
from trioarb.config.schema import Config
from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.closing import close, drain
from trioarb.engine.market import LAST, start_market
from trioarb.engine.opening import open_campaign, record_opening
from trioarb.engine.supervisor import supervise
from trioarb.errors import TrioarbError
from trioarb.model.event import Decided, Record
from trioarb.model.trade import Answer, EndedBy, Phase
from trioarb.plugin.registry import Plugins

__all__ = ["run_campaign"]

_COUNT_EVERY_NS = 60 * SECOND_NS


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
        await _run(campaign, handle_signals=handle_signals)
    if campaign.world.opener.errors:
        campaign.end(EndedBy.ERROR, "; ".join(campaign.world.opener.errors))
    return campaign


async def _run(campaign: Campaign, *, handle_signals: bool) -> None:
    """Go through the phases, from the first event to the last.

    Cancellation from outside ends the campaign like any other cause: what runs here is shielded from it, and a task
    beside it passes it on. Once the campaign ends, everything in the shield has a deadline.
    """
    async with trio.open_nursery() as beside:
        beside.start_soon(_end_when_cancelled, campaign)
        with trio.CancelScope(shield=True):
            try:
                async with trio.open_nursery() as services:
                    if handle_signals:
                        await services.start(_watch_signals, campaign)
                    try:
                        await _trade(campaign, services)
                    except Exception as error:
                        campaign.fail("the engine", error)
                    finally:
                        await drain(campaign)
                        services.cancel_scope.cancel()
            finally:
                await close(campaign)
        beside.cancel_scope.cancel()


async def _trade(campaign: Campaign, services: trio.Nursery) -> None:
    """Run market data (which outlives this call) and the symbols, until the campaign's scope is cancelled.

    Raises:
        TrioarbError: a venue doesn't say its balances; nothing was traded.
    """
    services.start_soon(_limit_runtime, campaign)
    with campaign.scope:
        await record_opening(campaign)
        await start_market(campaign, services)
        services.start_soon(_count_periodically, campaign)
        campaign.enter(Phase.RUNNING)
        async with trio.open_nursery() as symbols:
            for task in campaign.symbols.values():
                symbols.start_soon(supervise, campaign, task)


async def _limit_runtime(campaign: Campaign) -> None:
    """End the campaign at its runtime limit. No deadline of the scope: entries are fenced before it is cancelled."""
    runtime_seconds = campaign.config.session.max_runtime_seconds
    if runtime_seconds is not None:
        at_ns = campaign.world.start_ns + seconds_to_ns(runtime_seconds)
        await campaign.parts.time.sleep_until(at_ns, LAST)
        campaign.end(EndedBy.RUNTIME)


async def _end_when_cancelled(campaign: Campaign) -> None:
    try:
        await trio.sleep_forever()
    finally:
        campaign.end(EndedBy.ERROR, "" if campaign.ended_by else "the campaign was cancelled")


async def _count_periodically(campaign: Campaign) -> None:
    time = campaign.parts.time
    while True:
        await time.sleep(_COUNT_EVERY_NS, LAST)
        campaign.count(final=False)


async def _watch_signals(campaign: Campaign, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    log = structlog.get_logger("trioarb.engine")
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
            campaign.end(EndedBy.ERROR, str(error) if isinstance(error, TrioarbError) else describe(error))

    return guarded
