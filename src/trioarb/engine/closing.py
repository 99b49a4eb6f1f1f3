"""The end of a campaign, in its fixed order, whatever the cause. Called inside the campaign's shield."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import trio

from trioarb.engine.campaign import Campaign
from trioarb.engine.charging import learn_all_charges
from trioarb.engine.reconciling import reconcile_at_end
from trioarb.engine.stating import mark_positions, state_equity
from trioarb.engine.symbol import SymbolTask
from trioarb.engine.working import work_at_end, works_off
from trioarb.model.event import CampaignEnded
from trioarb.model.number import text
from trioarb.model.trade import EndedBy, ExitReason, Phase
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["close", "close_symbol", "drain"]


async def drain(campaign: Campaign) -> None:
    """Steps 1 to 3 of the end: nothing new, pairs ended, positions closed or kept."""
    await campaign.parts.time.pick_up(Turn.SERVICE.order(number=31))
    campaign.end(campaign.ended_by or EndedBy.ERROR, "" if campaign.ended_by else "the campaign was cancelled")
    for task in campaign.symbols.values():
        task.stop()
    campaign.drain()
    campaign.parts.executor.end_within(float(campaign.config.execution.close_deadline_seconds))
    await campaign.parts.reconciler.finish_pairs()
    await _learn_late_orders(campaign)
    stopped, resumed = campaign.state.statistics.is_stopped, campaign.state.statistics.resumed
    flattens = campaign.state.control.flattens
    is_asked = flattens or (resumed is not None and resumed.close_only)
    closes = stopped or is_asked or campaign.config.session.close_positions_at_end
    reason = ExitReason.FLATTENED if flattens else ExitReason.CAMPAIGN_END
    while True:
        if closes:
            await _close_positions(campaign, ExitReason.EMERGENCY_STOP if stopped else reason)
        await work_at_end(campaign)
        # What is learnt now has to be closed or traded away in turn, by orders that may end short as well.
        if not (await _learn_missed_fills(campaign) and campaign.parts.executor.has_time):
            break
    for position in campaign.parts.trades.positions() if closes else ():
        campaign.problems.append(
            f"{position.route.symbol}: {text(position.quantity)} could not be closed in time; still long at "
            f"{position.route.buy_venue} and short at {position.route.sell_venue}"
            f"{campaign.symbols[position.route.symbol].why_open(position)}"
        )
    campaign.problems.extend(_left_by_data(campaign, closes=closes))


def _left_by_data(campaign: Campaign, *, closes: bool) -> Iterator[str]:
    """Say of what should have been closed that there are no further quotes to close it by, if that is so."""
    trades, resumed = campaign.parts.trades, campaign.state.statistics.resumed
    symbols = [one.symbol for one in trades.residuals.values() if works_off(campaign)]
    symbols += [one.route.symbol for one in trades.positions() if closes]
    if not campaign.data_is_over or not symbols:
        return
    boards = campaign.world.boards.values()
    last_ns = max((board.newest_ns(venue) for board in boards for venue in board.venues), default=-1)
    if last_ns >= 0:
        end = f"the recorded data ended at {_utc(last_ns)}, and orders take no more than its last quotes displayed"
    elif resumed is not None:
        end = f"the recorded data has no quotes after {_utc(resumed.last_ts_ns)}, where the campaign was resumed"
    else:
        end = "the recorded data has no quotes"
    yield f"{end}; what could not be closed by then is left: {', '.join(dict.fromkeys(symbols))}"


def _utc(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


async def _learn_late_orders(campaign: Campaign) -> None:
    """Ask once more about the orders that never got an answer."""
    with _time_to_ask(campaign) as campaign.closing:
        await campaign.parts.reconciler.learn_late_orders()
    await _go_on(campaign, 36)


async def _learn_missed_fills(campaign: Campaign) -> bool:
    """Ask about what venues did beyond what they told; return whether it was anything."""
    has_learnt = False
    with _time_to_ask(campaign) as campaign.closing:
        has_learnt = await campaign.parts.reconciler.learn_missed_fills()
    await _go_on(campaign, 37)
    return has_learnt


async def _go_on(campaign: Campaign, number: int) -> None:
    """Say that the end goes on, whether what was waited for came or time was up: told again, it does so then."""
    await campaign.parts.time.pick_up(Turn.SERVICE.order(number=number))


def _time_to_ask(campaign: Campaign) -> trio.CancelScope:
    timeout_ns = seconds_to_ns(campaign.config.execution.leg_timeout_seconds)
    deadline = campaign.parts.time.deadline(campaign.parts.time.now_ns() + timeout_ns)
    return trio.CancelScope(deadline=min(deadline, campaign.parts.executor.hurry_until))


async def _close_positions(campaign: Campaign, reason: ExitReason) -> None:
    closing_ns = seconds_to_ns(campaign.config.execution.close_deadline_seconds)
    deadline = campaign.parts.time.deadline(campaign.parts.time.now_ns() + closing_ns)
    hurry_until = campaign.parts.executor.hurry_until
    with trio.CancelScope(deadline=min(deadline, hurry_until)) as campaign.closing:
        async with trio.open_nursery() as nursery:
            for task in campaign.symbols.values():
                if campaign.parts.trades.positions(task.symbol):
                    nursery.start_soon(close_symbol, campaign, task, reason)
    await _go_on(campaign, 35)


async def close_symbol(campaign: Campaign, task: SymbolTask, reason: ExitReason) -> None:
    """Close a symbol's positions; a failure here must not keep the others from closing theirs."""
    try:
        await task.close_positions(reason)
    except Exception as error:
        campaign.fail(task.symbol, error)


async def close(campaign: Campaign) -> None:
    """Step 4: market data has ended. Mark what stays open, compare with the venues, write the last event."""
    await campaign.parts.time.pick_up(Turn.SERVICE.order(number=32))
    journal = campaign.parts.journal
    await learn_all_charges(campaign)
    mark_positions(campaign, "end")
    for asset, fee in sorted(campaign.state.statistics.unvalued_fees.items()):
        campaign.problems.append(
            f"fees of {text(fee)} {asset} are in no figure but the balances: the asset had no price when they were "
            f"taken; fee_assets.{asset} gives it one"
        )
    state_equity(campaign)
    campaign.count(final=True)
    await reconcile_at_end(campaign)
    campaign.world.pleas.end()
    campaign.enter(Phase.CLOSED)
    assert campaign.ended_by is not None
    ended = CampaignEnded(
        ended_by=campaign.ended_by,
        error=campaign.error,
        problems=tuple(campaign.problems),
        recovered=tuple(campaign.findings),
    )
    campaign.ended_ns = journal.record(ended).ts_ns
