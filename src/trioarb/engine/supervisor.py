"""Keep one symbol running; quarantine it when it fails, and retire it when it fails too often."""

from __future__ import annotations

import structlog
import trio

from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.closing import close_symbol
from trioarb.engine.symbol import SymbolTask
from trioarb.model.event import SymbolQuarantined, SymbolRestarted, SymbolRetired
from trioarb.model.trade import ExitReason
from trioarb.time.campaign_time import seconds_to_ns

__all__ = ["start_arrivals", "supervise"]


async def supervise(campaign: Campaign, task: SymbolTask) -> None:
    """Run a symbol; with isolation quarantine and restart it when it fails, at last close what it holds.

    Return when it has failed too often, or was dropped and holds nothing more.
    """
    task.supervised = True
    try:
        await _supervise(campaign, task)
    finally:
        task.supervised = False


async def start_arrivals(campaign: Campaign, *, nursery: trio.Nursery) -> None:
    """Run the symbols that the universe gets."""
    while True:
        await campaign.arrived.wait(None)
        while campaign.arrivals:
            task = campaign.symbols[campaign.arrivals.pop(0)]
            if not task.supervised and not task.retired:
                nursery.start_soon(supervise, campaign, task)


async def _supervise(campaign: Campaign, task: SymbolTask) -> None:
    settings, time = campaign.config.engine, campaign.parts.time
    record = campaign.parts.journal.record
    failures = 0
    await task.take_turn()
    while True:
        error = await _failure(task, entries=campaign.ended_by is None)
        if error is None:
            task.stop()
            await close_symbol(campaign, task, ExitReason.DROPPED)
            if task.dropped:
                return
            continue  # chosen again meanwhile
        if not settings.per_symbol_isolation:
            campaign.fail(task.symbol, error)
            return
        await campaign.parts.reconciler.finish_pairs(task.symbol)
        failures += 1
        restart_ns = None
        if failures <= settings.max_restarts:
            backoff = settings.restart_backoff_seconds * 2 ** (failures - 1)
            restart_ns = time.now_ns() + seconds_to_ns(min(backoff, settings.restart_backoff_max_seconds))
        record(
            SymbolQuarantined(symbol=task.symbol, error=describe(error), failures=failures, restart_at_ns=restart_ns)
        )
        if restart_ns is None:
            await _retire(campaign, task, failures)
            return
        await _sit_out(task, restart_ns)
        record(SymbolRestarted(symbol=task.symbol, failures=failures))


async def _failure(task: SymbolTask, *, entries: bool) -> Exception | None:
    """Run a symbol until it fails, and return with what; ``None``: it was dropped."""
    try:
        await task.run(entries=entries)
    except Exception as error:
        _log(task, error)
        return error
    return None


async def _sit_out(task: SymbolTask, restart_ns: int) -> None:
    """Let a quarantined symbol do nothing but close what it holds; not even that, if that fails too."""
    try:
        await task.run(entries=False, until_ns=restart_ns)
    except Exception as error:
        _log(task, error)
        await task.take_turn(at_ns=restart_ns)


async def _retire(campaign: Campaign, task: SymbolTask, failures: int) -> None:
    """Close what the symbol holds, within the time that the campaign's end would have for it."""
    task.stop()
    until_ns = campaign.parts.time.now_ns() + seconds_to_ns(campaign.config.execution.close_deadline_seconds)
    with trio.CancelScope(deadline=campaign.parts.time.deadline(until_ns)):
        await close_symbol(campaign, task, ExitReason.QUARANTINE)
    campaign.parts.journal.record(SymbolRetired(symbol=task.symbol, failures=failures))
    task.retired = True
    campaign.end_if_all_done()


def _log(task: SymbolTask, error: Exception) -> None:
    structlog.get_logger("trioarb.engine").error("symbol failed", symbol=task.symbol, exc_info=error)
