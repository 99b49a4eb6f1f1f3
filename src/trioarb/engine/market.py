"""Run the venues' market data into the symbols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import trio

from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.screening import can_be_screened, columns_of, play_screened
from trioarb.engine.watch import MarketWatch
from trioarb.errors import TrioarbError
from trioarb.model.trade import EndedBy
from trioarb.plugin.contract import Feed, QuoteSink, Tape
from trioarb.quotes.player import play
from trioarb.time.campaign_time import Turn

__all__ = ["start_market"]


async def start_market(campaign: Campaign, services: trio.Nursery, watch: MarketWatch) -> None:
    """Start the market data of all venues in ``services``; return when feeds are subscribed.

    The end of the last tape ends the campaign, if there is no feed; a failure ends it with an error. ``watch`` is told
    of every end and failure.
    """
    world = campaign.world
    sinks: dict[str, dict[str, QuoteSink]] = {
        venue: {
            symbol: _recorded(campaign, venue, symbol, task.sink(venue))
            for symbol, task in campaign.symbols.items()
            if venue in world.instruments[symbol]
        }
        for venue in world.markets
    }
    tapes = {name: market for name, market in world.markets.items() if isinstance(market, Tape)}
    feeds = {name: market for name, market in world.markets.items() if isinstance(market, Feed)}

    async def play_tapes() -> None:
        columns = None if feeds or not can_be_screened(campaign) else await columns_of(campaign)
        if columns is not None:
            await play_screened(campaign, columns, watch)
        else:
            await play(
                tapes,
                sinks,
                time=world.time,
                start_ns=world.start_ns,
                on_end=watch.end,
                on_failure=lambda venue, error: watch.fail(venue, _reason(error)),
            )
        if not feeds:
            await world.time.sleep_until(world.time.now_ns(), Turn.LAST.order())
            campaign.end(EndedBy.END_OF_DATA)

    if tapes:
        services.start_soon(_serve, campaign, "market data", play_tapes)
    for name, feed in feeds.items():
        await services.start(_serve_feed, campaign, name, feed, sinks[name], watch)


def _recorded(campaign: Campaign, venue: str, symbol: str, sink: QuoteSink) -> QuoteSink:
    if campaign.recorder is None:
        return sink
    (listing,) = (listing for listing in campaign.world.symbols if listing.symbol == symbol)
    return campaign.recorder.tap(venue, listing, sink)


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
    status = _StartedOnce(task_status)

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


class _StartedOnce(trio.TaskStatus[None]):
    """Passes ``started`` on once, so that a feed that failed before it can still let its caller go on."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._status.started()
