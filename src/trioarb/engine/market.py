"""Run the venues' market data into the symbols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from contextlib import closing
from functools import partial

import trio

from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.watch import MarketWatch
from trioarb.errors import TrioarbError
from trioarb.model.market import Listing
from trioarb.model.trade import EndedBy
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.contract import Feed, QuoteSink
from trioarb.plugin.tap import StartedOnce
from trioarb.quotes.deliver import deliver
from trioarb.quotes.merge import TapeFailed
from trioarb.quotes.player import Player
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.quotes.stream import open_windows
from trioarb.quotes.watched import Watched
from trioarb.time.campaign_time import Turn
from trioarb.time.virtual import VirtualTime

__all__ = ["is_played", "start_market"]


async def start_market(campaign: Campaign, services: trio.Nursery, watch: MarketWatch) -> None:
    """Start the market data of all venues in ``services``; return when feeds are subscribed.

    The end of the last tape ends the campaign, if there is no feed; a failure ends it with an error. ``watch`` is told
    of every end and failure. When the universe gets further symbols, all of it is ended and opened again with them.
    """
    await services.start(_run_market, campaign, watch)


async def _run_market(
    campaign: Campaign, watch: MarketWatch, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    status, after_ns = StartedOnce(task_status), -1
    while True:
        with trio.CancelScope() as campaign.market_scope:
            async with trio.open_nursery() as nursery:
                await _open_all(campaign, nursery, watch, after_ns)
                status.started()
        if not campaign.market_scope.cancelled_caught:
            return
        after_ns = campaign.world.time.now_ns()


async def _open_all(campaign: Campaign, nursery: trio.Nursery, watch: MarketWatch, after_ns: int) -> None:
    """Start market data of all symbols that somebody runs; of tapes the rows after ``after_ns``."""
    world = campaign.world
    tapes = {name: market for name, market in world.markets.items() if isinstance(market, CheckedTape)}
    feeds = {name: market for name, market in world.markets.items() if isinstance(market, Feed)}
    tasks = [task for task in campaign.symbols.values() if task.supervised or not task.dropped]
    if is_played(campaign):
        play = partial(_play, campaign, tasks, tapes, watch, after_ns)
        nursery.start_soon(_serve, campaign, "market data", play)
        return
    sinks: dict[str, dict[str, QuoteSink]] = {venue: {} for venue in world.markets}
    followers: Sequence[SymbolTask | Watched] = (*world.rates.watched, *tasks)
    for task in followers:
        for venue, sink in task.sinks().items():
            sinks[venue][task.symbol] = sink
    if campaign.recorder is not None:
        for venue, own in sinks.items():
            for symbol, sink in own.items():
                own[symbol] = campaign.course.sink(venue, sink)
        _record(campaign.recorder, world.listed, sinks)
    if campaign.course.is_told:
        nursery.start_soon(_serve, campaign, "market data", partial(_follow_ends, campaign, watch))
    if tapes:
        deliver_all = partial(_deliver, campaign, tapes, sinks, watch, after_ns, is_all=not feeds)
        nursery.start_soon(_serve, campaign, "market data", deliver_all)
    for name, feed in feeds.items():
        await nursery.start(_serve_feed, campaign, name, feed, sinks[name], watch)


def is_played(campaign: Campaign) -> bool:
    """Return whether quotes are played in windows: all are known ahead, in virtual time, and nobody needs every one."""
    world = campaign.world
    all_tapes = all(isinstance(market, CheckedTape) for market in world.markets.values())
    return all_tapes and isinstance(world.time, VirtualTime) and campaign.recorder is None


async def _play(
    campaign: Campaign,
    tasks: Sequence[SymbolTask],
    tapes: Mapping[str, CheckedTape],
    watch: MarketWatch,
    after_ns: int,
) -> None:
    """Show every symbol the rows of all tapes that can matter to it."""
    world, venues = campaign.world, tuple(tapes)
    followers: Sequence[SymbolTask | Watched] = (*tasks, *world.rates.watched)
    symbols = tuple(follower.symbol for follower in followers)
    listed: dict[str, Container[str]] = {task.symbol: world.instruments[task.symbol] for task in tasks}
    listed.update((one.symbol, one.venues) for one in world.rates.watched)
    traded = {venue: [symbol for symbol in symbols if venue in listed[symbol]] for venue in venues}
    assert isinstance(world.time, VirtualTime)
    silent = list(venues)

    def end(venue: int) -> None:
        silent.remove(venues[venue])
        watch.end(venues[venue])

    is_paced, before = campaign.parts.limits.interval_ns > 0, campaign.player
    player = Player(
        followers,
        len(venues),
        time=world.time,
        on_end=end,
        takers=tasks if is_paced else None,
        after=before.rounds if before else None,
    )
    campaign.player = player if is_paced else None
    try:
        found = await open_windows(tapes, symbols, traded, world.start_ns, after_ns=after_ns)
        with closing(found) as windows:
            await player.play(windows)
    except TapeFailed as failed:
        watch.fail(failed.venue, str(failed.error))
        raise failed.error from failed.__cause__
    for venue in silent:  # of whom there was no row at all
        watch.end(venue)
    await _end_of_data(campaign)


async def _deliver(
    campaign: Campaign,
    tapes: Mapping[str, CheckedTape],
    sinks: Mapping[str, Mapping[str, QuoteSink]],
    watch: MarketWatch,
    after_ns: int,
    *,
    is_all: bool,
) -> None:
    """Call the sinks with every row of the tapes, at its time."""

    def end(venue: str) -> None:
        campaign.course.ended(venue)
        watch.end(venue)

    await deliver(
        tapes,
        sinks,
        time=campaign.world.plugin_time,
        start_ns=campaign.world.start_ns,
        after_ns=after_ns,
        on_end=end,
        on_failure=lambda venue, error: watch.fail(venue, str(error)),
    )
    if is_all:
        await _end_of_data(campaign)


async def _follow_ends(campaign: Campaign, watch: MarketWatch) -> None:
    """Do what the ends of tapes did when the course of the run was kept."""
    all_over = trio.Event()

    def end(venue: str) -> None:
        if venue:
            watch.end(venue)
        else:
            all_over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(campaign.course.ends, end)
        await all_over.wait()
        await _end_of_data(campaign)


async def _end_of_data(campaign: Campaign) -> None:
    campaign.course.ended("")
    await campaign.world.time.sleep_until(campaign.world.time.now_ns(), Turn.LAST.order())
    campaign.data_is_over = True
    campaign.end(EndedBy.END_OF_DATA)


def _record(
    recorder: QuoteRecorder, listed: Mapping[str, Mapping[str, Listing]], sinks: Mapping[str, dict[str, QuoteSink]]
) -> None:
    """Let every quote be recorded on its way to its sink."""
    for venue, own in sinks.items():
        for listing in listed[venue].values():
            if (sink := own.get(listing.symbol)) is not None:
                own[listing.symbol] = recorder.tap(venue, listing, sink)


async def _serve(campaign: Campaign, what: str, service: Callable[[], Awaitable[None]]) -> None:
    """Run a service; if it fails, the campaign ends with its error."""
    try:
        await service()
    except Exception as error:
        campaign.fail(what, error)


async def _serve_feed(
    campaign: Campaign,
    venue: str,
    feed: Feed,
    sinks: Mapping[str, QuoteSink],
    watch: MarketWatch,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    status = StartedOnce(task_status)

    async def run_feed() -> None:
        try:
            await feed.run(sinks, task_status=status)
        except Exception as error:
            watch.fail(venue, _reason(error))
            raise

    await _serve(campaign, f"[exchanges.{venue}.market]", run_feed)
    status.started()


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TrioarbError) else describe(error)
