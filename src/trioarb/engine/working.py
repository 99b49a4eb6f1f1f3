"""Residuals are worked off: traded away once a venue can, within the slippage bound."""

from __future__ import annotations

import trio

from trioarb.config.schema import ResidualPolicy
from trioarb.engine.campaign import Campaign
from trioarb.execution.working import is_workable, side_of, work_off
from trioarb.model.event import Record, ResidualLeft
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["work_at_end", "work_periodically"]

#: Pause before a residual is tried, and the longest between two tries that filled nothing; each is twice the last.
_FIRST_NS, _LONGEST_NS = SECOND_NS, 64 * SECOND_NS
_ORDER = Turn.SERVICE.order(number=4)
#: Pause between two tries at the end, where time is short.
_HURRY_NS = SECOND_NS // 5


async def work_periodically(campaign: Campaign) -> None:
    """Try to trade away what is left, again and again while something is."""
    if campaign.config.execution.residual_policy is not ResidualPolicy.WORK:
        return
    time, trades = campaign.parts.time, campaign.parts.trades
    bell, pause_ns = time.bell(_ORDER), _FIRST_NS

    def observe(record: Record) -> None:
        if isinstance(record.event, ResidualLeft):
            bell.ring()

    campaign.parts.journal.attach(observers=[observe])
    while True:
        if not trades.residuals:
            pause_ns = _FIRST_NS
            await bell.wait(None)
        await time.sleep(pause_ns, _ORDER)
        count = len(trades.residuals)
        has_traded = await _work(campaign)
        pause_ns = _FIRST_NS if has_traded or len(trades.residuals) > count else min(2 * pause_ns, _LONGEST_NS)


async def work_at_end(campaign: Campaign) -> None:
    """Trade away what is left before the campaign ends, within the time that closing may take."""
    resumed = campaign.state.statistics.resumed
    is_asked = resumed is not None and resumed.close_only
    if not is_asked and campaign.config.execution.residual_policy is not ResidualPolicy.WORK:
        return
    time = campaign.parts.time
    until_ns = time.now_ns() + seconds_to_ns(campaign.config.execution.close_deadline_seconds)
    while any(is_workable(one) for one in campaign.parts.trades.residuals.values()) and time.now_ns() < until_ns:
        if trio.current_time() >= campaign.parts.executor.hurry_until:
            return
        if not await _work(campaign):
            await time.sleep(_HURRY_NS, _ORDER)


async def _work(campaign: Campaign) -> bool:
    """Try each residual once; return whether something was traded."""
    parts, config, has_traded = campaign.parts, campaign.config.execution, False
    for residual in tuple(parts.trades.residuals.values()):
        market, now_ns = campaign.symbols[residual.symbol].market, parts.time.now_ns()
        if not is_workable(residual) or residual.residual_id not in parts.trades.residuals:
            continue
        oldest_ns = now_ns - seconds_to_ns(config.max_exit_quote_age_ms / 1000)
        fresh = [venue for venue in market.instruments if market.board.newest_ns(venue) >= oldest_ns]
        legs = [market.leg(venue, side_of(residual)) for venue in fresh]
        order = work_off(residual, legs, slippage_bps=config.unwind_slippage_bps)
        if order is not None:
            has_traded |= await parts.executor.work(market, residual, order)
    return has_traded
