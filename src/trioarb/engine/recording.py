"""Record the quotes of a configuration's markets, without trading."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trioarb.clock.service import SECOND_NS
from trioarb.clock.virtual import VirtualClock
from trioarb.config.schema import Config
from trioarb.engine.campaign import describe
from trioarb.engine.world import Quoted, blamed, open_markets
from trioarb.errors import MarketDataError, TrioarbError
from trioarb.market.player import play
from trioarb.market.recording import QuoteRecorder
from trioarb.plugin.contract import Feed, QuoteSink, Tape
from trioarb.plugin.registry import Plugins

__all__ = ["record_quotes"]

_FLUSH_SECONDS = 1
_SAY_EVERY_SECONDS = 10
_LAST = (9, "", "", 0)


async def record_quotes(
    config: Config,
    plugins: Plugins,
    folder: Path,
    *,
    clock: VirtualClock | None,
    hours: float | None,
    on_open: Callable[[Quoted, QuoteRecorder], None],
    on_progress: Callable[[QuoteRecorder], None],
    handle_signals: bool,
) -> QuoteRecorder:
    """Record every quote of the chosen symbols at all venues, until ``hours`` are over or the data has ended.

    ``on_open`` is called once recording begins, ``on_progress`` every ten seconds of real time. With
    ``handle_signals`` SIGINT and SIGTERM end it in order. What was recorded is in its files when this returns, also
    when it is cancelled.

    Raises:
        TrioarbError: a market can't be opened or fails, or the files can't be written.
    """
    recorder = QuoteRecorder(folder)
    async with open_markets(config, plugins, clock) as quoted:
        sinks: dict[str, dict[str, QuoteSink]] = {}
        for venue, market in quoted.markets.items():
            with blamed(config.exchanges[venue].market):
                known = {listing.symbol for listing in market.listings()}
            sinks[venue] = {
                listing.symbol: recorder.tap(venue, listing)
                for listing in quoted.selection.symbols
                if listing.symbol in known
            }
        on_open(quoted, recorder)
        errors: list[TrioarbError] = []
        try:
            async with trio.open_nursery() as nursery:

                async def serve(service: Callable[..., Awaitable[None]], *args: Any) -> None:
                    try:
                        await service(*args)
                    except TrioarbError as error:
                        errors.append(error)
                        nursery.cancel_scope.cancel()

                if handle_signals:
                    await nursery.start(_end_on_signal, nursery.cancel_scope)
                nursery.start_soon(serve, _flush, recorder, quoted)
                nursery.start_soon(serve, _say, recorder, quoted, on_progress)
                if hours is not None:
                    nursery.start_soon(_end_after, quoted, hours, nursery.cancel_scope)
                async with trio.open_nursery() as markets:
                    for venue, market in quoted.markets.items():
                        if isinstance(market, Feed):
                            markets.start_soon(serve, _run_feed, venue, market, sinks[venue])
                    tapes = {venue: market for venue, market in quoted.markets.items() if isinstance(market, Tape)}
                    if tapes:
                        markets.start_soon(
                            serve, partial(play, tapes, sinks, time=quoted.time, start_ns=quoted.start_ns)
                        )
                nursery.cancel_scope.cancel()
        finally:
            recorder.close()
    errors += [MarketDataError(what) for what in quoted.opener.errors]
    if errors:
        raise errors[0]
    return recorder


async def _run_feed(venue: str, feed: Feed, sinks: dict[str, QuoteSink]) -> None:
    try:
        await feed.run(sinks)
    except Exception as error:
        what = str(error) if isinstance(error, TrioarbError) else describe(error)
        raise MarketDataError(f"[exchanges.{venue}.market]: {what}") from error
    raise MarketDataError(f"[exchanges.{venue}.market]: it ended by itself")


async def _say(recorder: QuoteRecorder, quoted: Quoted, on_progress: Callable[[QuoteRecorder], None]) -> None:
    while not quoted.time.jumps:
        await trio.sleep(_SAY_EVERY_SECONDS)
        on_progress(recorder)


async def _flush(recorder: QuoteRecorder, quoted: Quoted) -> None:
    """Write what has come: in a thread, or in virtual time, which must not go on meanwhile, here."""
    while True:
        if quoted.time.jumps:
            await quoted.time.sleep(60 * SECOND_NS, _LAST)
            recorder.flush()
        else:
            await trio.sleep(_FLUSH_SECONDS)
            await trio.to_thread.run_sync(recorder.flush)


async def _end_after(quoted: Quoted, hours: float, scope: trio.CancelScope) -> None:
    await quoted.time.sleep_until(quoted.start_ns + round(hours * 3_600 * SECOND_NS), _LAST)
    scope.cancel()


async def _end_on_signal(
    scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            scope.cancel()
