"""Record quotes: those of a configuration's markets without trading, or beside a campaign."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
import trio

from trioarb.config.schema import Config
from trioarb.engine.fx import rate_listings
from trioarb.engine.world import Quoted, open_markets
from trioarb.errors import MarketDataError, TrioarbError
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.contract import Feed, QuoteSink
from trioarb.plugin.registry import Plugins
from trioarb.quotes.deliver import deliver
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.time.campaign_time import SECOND_NS, Turn
from trioarb.time.virtual import VirtualClock

__all__ = ["record_quotes", "recover_recordings", "written"]

_FLUSH_SECONDS = 1
#: How long the last parts may take to become Parquet files, where nothing else waits for them.
_CLOSE_SECONDS = 600
#: How long a thread that was told to hurry may go on.
_HURRY_SECONDS = 2
_SAY_EVERY_SECONDS = 10


async def record_quotes(
    config: Config,
    plugins: Plugins,
    recorder: QuoteRecorder,
    *,
    clock: VirtualClock | None,
    hours: float | None,
    on_open: Callable[[Quoted, QuoteRecorder], None],
    on_progress: Callable[[QuoteRecorder], None],
    handle_signals: bool,
) -> None:
    """Record every quote of the chosen symbols at all venues, and of the rates at their markets.

    It ends once ``hours`` are over, or the data has ended.

    ``on_open`` is called once recording begins, ``on_progress`` every ten seconds of real time. With
    ``handle_signals`` SIGINT and SIGTERM end it in order; another one leaves the last parts for the next recording.
    What was recorded is in its files when this returns, also when it is cancelled.

    Raises:
        TrioarbError: a market can't be opened or fails, or the files can't be written.
    """
    async with open_markets(config, plugins, clock) as quoted:
        sinks: dict[str, dict[str, QuoteSink]] = {}
        rates = rate_listings(config, quoted.markets, quoted.listed).values()
        for venue, listed in quoted.listed.items():
            wanted = {listing.symbol for listing in quoted.selection.symbols}
            wanted.update(at[venue].symbol for at in rates if venue in at)
            sinks[venue] = {
                listing.symbol: recorder.tap(venue, listing) for listing in listed.values() if listing.symbol in wanted
            }
        on_open(quoted, recorder)
        errors: list[TrioarbError] = []
        ending = trio.CancelScope()

        def fail(error: TrioarbError) -> None:
            errors.append(error)
            ending.cancel()

        async def serve(service: Callable[..., Awaitable[None]], *args: Any) -> None:
            try:
                await service(*args)
            except TrioarbError as error:
                fail(error)

        speed = float(config.session.speed)
        async with written(
            recorder, on_failure=fail, handle_signals=handle_signals, speed=speed, close_seconds=_CLOSE_SECONDS
        ):
            with ending:
                async with trio.open_nursery() as nursery:
                    if handle_signals:
                        await nursery.start(_on_signal, ending.cancel)
                    nursery.start_soon(serve, _say, recorder, quoted, on_progress)
                    if hours is not None:
                        nursery.start_soon(_end_after, quoted, hours, ending)
                    async with trio.open_nursery() as markets:
                        for venue, market in quoted.markets.items():
                            if isinstance(market, Feed):
                                markets.start_soon(serve, market.run, sinks[venue])
                        tapes = {
                            venue: market for venue, market in quoted.markets.items() if isinstance(market, CheckedTape)
                        }
                        if tapes:
                            markets.start_soon(
                                serve, partial(deliver, tapes, sinks, time=quoted.time, start_ns=quoted.start_ns)
                            )
                    ending.cancel()
    errors += [MarketDataError(what) for what in quoted.opener.errors]
    if errors:
        raise errors[0]


@asynccontextmanager
async def written(
    recorder: QuoteRecorder,
    *,
    on_failure: Callable[[MarketDataError], None],
    handle_signals: bool = False,
    speed: float = 1,
    close_seconds: float,
    recovers: bool = False,
) -> AsyncIterator[None]:
    """Write what the recorder is given as long as this is open, in threads; at the end make Parquet files of it.

    An inline recorder writes by itself, and here only at the end. ``on_failure`` is told once why recording has
    ended before. Making the last Parquet files is given up after ``close_seconds``, and with ``handle_signals`` at
    SIGINT and SIGTERM: every quote is written then, and the next recording makes them. ``speed`` is that of Trio's
    clock. With ``recovers`` what recorders left that were killed is seen to first, beside the recording.
    """
    recorder.on_failure = on_failure
    if recorder.inline:
        if recovers:
            recover_recordings(recorder)
        try:
            yield
        finally:
            try:
                recorder.close()
            except MarketDataError as error:
                on_failure(error)
        return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_flush, recorder, on_failure, speed)
        nursery.start_soon(_convert, recorder, on_failure, speed, recovers)
        try:
            yield
        finally:
            with trio.CancelScope(shield=True) as closing:
                await _close(recorder, closing, on_failure, handle_signals, speed, close_seconds)
            if closing.cancelled_caught and not recorder.complete:
                recorder.error = MarketDataError(f"{recorder.folder}: can't be written: the disk does not answer")
                on_failure(recorder.error)
            nursery.cancel_scope.cancel()


async def _say(recorder: QuoteRecorder, quoted: Quoted, on_progress: Callable[[QuoteRecorder], None]) -> None:
    while not quoted.time.jumps:
        await trio.sleep(_SAY_EVERY_SECONDS)
        on_progress(recorder)


async def _flush(recorder: QuoteRecorder, on_failure: Callable[[MarketDataError], None], speed: float) -> None:
    log, lost = structlog.get_logger("trioarb.recording"), 0
    while recorder.error is None:
        await trio.sleep(_FLUSH_SECONDS * speed)
        if recorder.lost and not lost:
            lost = recorder.lost
            log.warning("the disk can't keep up; quotes are missing in the recording", lost=lost)
        await _in_thread(recorder.flush, on_failure)


async def _convert(
    recorder: QuoteRecorder, on_failure: Callable[[MarketDataError], None], speed: float, recovers: bool
) -> None:
    if recovers:
        await trio.to_thread.run_sync(recover_recordings, recorder, abandon_on_cancel=True)
    while recorder.error is None:
        await trio.sleep(_FLUSH_SECONDS * speed)
        if recorder.unconverted:
            await _in_thread(recorder.convert, on_failure)


async def _close(
    recorder: QuoteRecorder,
    closing: trio.CancelScope,
    on_failure: Callable[[MarketDataError], None],
    handle_signals: bool,
    speed: float,
    seconds: float,
) -> None:
    """Close the recorder in a thread; ``closing`` is the scope around this."""
    log = structlog.get_logger("trioarb.recording")

    def hurry() -> None:
        recorder.hurry()
        closing.deadline = min(closing.deadline, trio.current_time() + _HURRY_SECONDS * speed)
        log.warning("leaving the last parts of the recording; the next one into the folder makes Parquet files of them")

    async def hurry_later(seconds: float) -> None:
        await trio.sleep(seconds * speed)
        hurry()

    async with trio.open_nursery() as nursery:
        if handle_signals:
            await nursery.start(_on_signal, hurry)
            log.info("closing the recording; Ctrl-C leaves its last parts for the next one")
        nursery.start_soon(hurry_later, seconds)
        await _in_thread(recorder.close, on_failure)
        nursery.cancel_scope.cancel()


async def _in_thread(work: Callable[[], None], on_failure: Callable[[MarketDataError], None]) -> None:
    """Work in a thread, which is abandoned when this is cancelled; the recorder's locks keep it from the next one."""
    try:
        await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except MarketDataError as error:
        on_failure(error)


def recover_recordings(recorder: QuoteRecorder) -> None:
    """Make Parquet files of what recorders in its folder left that were killed; say so, or that it can't be done."""
    log = structlog.get_logger("trioarb.recording")
    try:
        for path, rows in recorder.recover():
            log.warning("recovered what was left of a recording that was cut off", rows=rows, file=str(path))
    except MarketDataError as error:
        log.warning("what was left of a recording can't be recovered", because=str(error))


async def _end_after(quoted: Quoted, hours: float, scope: trio.CancelScope) -> None:
    await quoted.time.sleep_until(quoted.start_ns + round(hours * 3_600 * SECOND_NS), Turn.LAST.order())
    scope.cancel()


async def _on_signal(
    react: Callable[[], None], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            react()
