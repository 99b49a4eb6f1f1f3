"""Keep one symbol running; quarantine it when it fails, and retire it when it fails too often."""

from __future__ import annotations

import structlog

from trioarb.clock.service import seconds_to_ns
from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.closing import close_symbol
from trioarb.engine.symbol import SymbolTask
from trioarb.model.event import SymbolQuarantined, SymbolRestarted, SymbolRetired
from trioarb.model.trade import ExitReason

__all__ = ["supervise"]


async def supervise(campaign: Campaign, task: SymbolTask) -> None:
    """Run a symbol; with isolation quarantine and restart it when it fails, at last close what it holds."""
    settings, time = campaign.config.engine, campaign.parts.time
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
                campaign.fail(task.symbol, error)
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
                    symbol=task.symbol, error=describe(error), failures=failures, restart_at_ns=restart_ns
                )
            )
            if retired:
                task.stop()
                await close_symbol(campaign, task, ExitReason.QUARANTINE)
                record(SymbolRetired(symbol=task.symbol, failures=failures))
                task.retired = True
                campaign.end_if_all_done()
                return
