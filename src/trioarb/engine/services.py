"""What runs beside the symbols: limits, periodic counters and looks, and questions that were left open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from trioarb.engine.campaign import Campaign
from trioarb.engine.marking import Marking
from trioarb.engine.reconciling import reconcile
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.watch import MarketWatch
from trioarb.model.event import OrderReopened, PairEnded, Record
from trioarb.model.trade import EndedBy, PairOutcome
from trioarb.quotes.merge import NEVER
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = [
    "announce_end",
    "ask_for_late_orders",
    "count_periodically",
    "limit_runtime",
    "look_periodically",
    "pace",
    "rate_periodically",
    "reconcile_periodically",
    "serve",
    "watch_of",
]

_ASK_EVERY_NS = 5 * SECOND_NS
_COUNT_EVERY_NS = 60 * SECOND_NS
_LOOK_EVERY_NS = SECOND_NS
_RECONCILE_EVERY_NS = 60 * SECOND_NS

#: Loops go on after the symbols' own timers that are due at the same nanosecond.
_PACE_ORDER = Turn.PACE.order()
#: What is done periodically comes after everything that is due at the same nanosecond but the campaign's end.
_LOOK_ORDER = Turn.SERVICE.order(number=0)
_COUNT_ORDER = Turn.SERVICE.order(number=1)
_RATE_ORDER = Turn.SERVICE.order(number=8)
_ASK_ORDER = Turn.SERVICE.order(number=2)
_RECONCILE_ORDER = Turn.SERVICE.order(number=3)


async def limit_runtime(campaign: Campaign) -> None:
    """End the campaign at its runtime limit. No deadline of the scope: entries are fenced before it is cancelled."""
    runtime_seconds = campaign.config.session.max_runtime_seconds
    if runtime_seconds is not None:
        at_ns = campaign.started_ns + seconds_to_ns(runtime_seconds)
        await campaign.parts.time.sleep_until(at_ns, Turn.LAST.order())
        campaign.end(EndedBy.RUNTIME)


async def serve(campaign: Campaign, what: str, service: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run a service; if it fails, the campaign ends with its error, in order."""
    try:
        await service(campaign, *args)
    except Exception as error:
        campaign.fail(what, error)


async def announce_end(campaign: Campaign) -> None:
    """Record at once that the campaign drains, though pairs are still in flight."""
    await campaign.ending.wait(None)
    campaign.drain()


async def count_periodically(campaign: Campaign) -> None:
    time = campaign.parts.time
    while True:
        await time.sleep(_COUNT_EVERY_NS, _COUNT_ORDER)
        campaign.count(final=False)


async def rate_periodically(campaign: Campaign) -> None:
    """Record each minute what quote assets are worth whose rates are at markets."""
    while True:
        await campaign.parts.time.sleep(_COUNT_EVERY_NS, _RATE_ORDER)
        campaign.world.rates.state(campaign.parts.time.now_ns(), "minute")


async def pace(campaign: Campaign) -> None:
    """Evaluate all symbols at every interval of the loop, one after the other; there is one, if this is called.

    Symbols' own tasks sleep until something has to be executed. An interval that could not be kept is left out.
    """
    time, interval_ns = campaign.parts.time, campaign.parts.limits.interval_ns
    await time.pick_up(_PACE_ORDER)
    tasks, next_ns = list[SymbolTask](), time.now_ns()
    while True:
        await time.sleep_until(next_ns, _PACE_ORDER)
        if len(tasks) != len(campaign.symbols):  # the universe may get more
            tasks = [campaign.symbols[symbol] for symbol in sorted(campaign.symbols)]
        if campaign.player is None:
            for task in tasks:
                task.tick()
        else:
            campaign.player.look(tasks, time.now_ns())
        next_ns += interval_ns * max(1, (time.now_ns() - next_ns) // interval_ns + 1)


async def look_periodically(campaign: Campaign, watch: MarketWatch) -> None:
    """Look at the markets, mark what is open, and let the guards look at what no event tells them; at whole seconds of
    the campaign.

    Seconds at which nothing could be found are left out.
    """
    time, guards, start_ns = campaign.parts.time, campaign.parts.guards, campaign.world.start_ns
    await time.pick_up(_LOOK_ORDER)
    bell, looked_ns = time.bell(_LOOK_ORDER), time.now_ns()
    watch.on_end = bell.ring
    marking = Marking(campaign, bell.ring)
    while True:
        due_ns = max(time.now_ns(), looked_ns + 1)
        if not guards.polled and not marking.is_due:
            due_ns = max(due_ns, watch.quiet_until_ns)
        at_ns = start_ns - (start_ns - due_ns) // _LOOK_EVERY_NS * _LOOK_EVERY_NS
        await bell.wait(at_ns if due_ns < NEVER else None)
        if time.now_ns() >= at_ns:
            looked_ns = time.now_ns()
            if looked_ns >= watch.quiet_until_ns:
                watch.look(looked_ns)
            marking.look(looked_ns)
            guards.poll(looked_ns, is_marked=campaign.state.marks.is_needed)


async def ask_for_late_orders(campaign: Campaign) -> None:
    """Go on asking what became of orders whose pair ended without their last word."""
    time, trades = campaign.parts.time, campaign.parts.trades
    bell = time.bell(_ASK_ORDER)

    def observe(record: Record) -> None:
        event = record.event
        if isinstance(event, OrderReopened) or (isinstance(event, PairEnded) and event.outcome is PairOutcome.RESIDUAL):
            bell.ring()

    campaign.parts.journal.attach(observers=[observe])
    while True:
        if not trades.late_orders:
            await bell.wait(None)
        await time.sleep(_ASK_EVERY_NS, _ASK_ORDER)
        await campaign.parts.reconciler.learn_late_orders()


async def reconcile_periodically(campaign: Campaign) -> None:
    """Hold the campaign against what the venues say, each minute."""
    while True:
        await campaign.parts.time.sleep(_RECONCILE_EVERY_NS, _RECONCILE_ORDER)
        await reconcile(campaign)


def watch_of(campaign: Campaign) -> MarketWatch:
    """Make the watch over the campaign's markets, which begins now."""
    world = campaign.world
    return MarketWatch(
        venues=tuple(world.markets),
        boards=world.boards.values(),
        stale_ns=seconds_to_ns(campaign.config.engine.market_stale_seconds),
        started_ns=world.time.now_ns(),
        record=campaign.parts.journal.record,
    )
