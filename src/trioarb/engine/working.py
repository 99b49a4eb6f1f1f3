"""Residuals are worked off: traded away once a venue can, within the slippage bound."""

from __future__ import annotations

from collections import Counter

from trioarb.config.schema import ResidualPolicy
from trioarb.engine.campaign import Campaign
from trioarb.execution.netting import to_net
from trioarb.execution.offering import is_offered
from trioarb.execution.working import enlarge, is_workable, side_of, work_off
from trioarb.model.event import Record, ResidualLeft
from trioarb.model.trade import Account
from trioarb.strategy.market import Market
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["work_at_end", "work_periodically", "works_off"]

#: Pause before a residual is tried, and the longest between two tries that filled nothing; each is twice the last.
_FIRST_NS, _LONGEST_NS = SECOND_NS, 64 * SECOND_NS
_ORDER = Turn.SERVICE.order(number=9)
#: How often a residual is made larger.
_MOST_ENLARGED = 3
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
    if not works_off(campaign):
        return
    time = campaign.parts.time
    until_ns = time.now_ns() + seconds_to_ns(campaign.config.execution.close_deadline_seconds)
    enlarged = Counter[str]()
    while _is_at_work(campaign) and time.now_ns() < until_ns:
        if not campaign.parts.executor.has_time:
            return
        if not await _work(campaign, enlarged):
            await time.sleep(_HURRY_NS, _ORDER)


def works_off(campaign: Campaign) -> bool:
    """Return whether what is left is traded away at the end."""
    resumed = campaign.state.statistics.resumed
    is_asked = resumed is not None and resumed.close_only
    return is_asked or campaign.config.execution.residual_policy is ResidualPolicy.WORK


def _is_at_work(campaign: Campaign) -> bool:
    """Return whether a residual can be worked off, or an order that is to do so is on its way, which may not."""
    parts = campaign.parts
    return any(
        is_workable(one) or parts.executor.is_sending(one.client_order_id or "")
        for one in parts.trades.residuals.values()
    )


async def _work(campaign: Campaign, enlarged: Counter[str] | None = None) -> bool:
    """Net what hedges each other, and try each residual once; return whether something was traded or netted.

    ``enlarged``, at the end: no other pair takes along what is too small. It is made larger, if that costs next to
    nothing, and counted there: where the venue can't be paid for all of it, a crumb would be left again and again.
    """
    parts, config, has_changed = campaign.parts, campaign.config.execution, _net(campaign)
    for residual_id in tuple(parts.trades.residuals):
        residual = parts.trades.residuals.get(residual_id)
        if residual is None or not _is_free(campaign, residual):
            continue
        market, side = campaign.symbols[residual.symbol].market, side_of(residual)
        legs = [market.leg(venue, side) for venue in market.instruments if _is_fresh(campaign, market, venue)]
        order = work_off(residual, legs, slippage_bps=config.unwind_slippage_bps)
        own = next((leg for leg in legs if leg.venue == residual.venue), None)
        root = residual_id.partition(".w")[0]
        if order is None and own is not None and enlarged is not None and enlarged[root] < _MOST_ENLARGED:
            order = enlarge(residual, own, slippage_bps=config.unwind_slippage_bps, dust_usd=config.dust_usd)
            enlarged[root] += order is not None
        if order is not None and parts.executor.has_time:
            has_changed |= await parts.executor.work(market, residual, order)
    return has_changed


def _net(campaign: Campaign) -> bool:
    """Net residuals that hedge each other: at one venue, or at two spot venues that take neither of them alone."""
    trades, has_netted = campaign.parts.trades, False
    while True:
        free = [one for one in trades.residuals.values() if _is_free(campaign, one)]
        small = frozenset(one.residual_id for one in free if len(free) > 1 and _is_too_small(campaign, one))
        found = to_net(free, small)
        if found is None:
            return has_netted
        campaign.parts.executor.net(campaign.symbols[found[0].symbol].market, *found)
        has_netted = True


def _is_free(campaign: Campaign, residual: ResidualLeft) -> bool:
    """Return whether it is known, and nobody trades it away already."""
    return is_workable(residual) and not is_offered(campaign.parts.trades, residual)


def _is_fresh(campaign: Campaign, market: Market, venue: str) -> bool:
    age_ns = seconds_to_ns(campaign.config.execution.max_exit_quote_age_ms / 1000)
    return market.board.newest_ns(venue) >= campaign.parts.time.now_ns() - age_ns


def _is_too_small(campaign: Campaign, residual: ResidualLeft) -> bool:
    """Return whether its own venue, a spot venue, shows a price and would not take an order of it."""
    market = campaign.symbols[residual.symbol].market
    leg = market.leg(residual.venue, side_of(residual))
    if leg.account is not Account.SPOT or not leg.is_priced or not _is_fresh(campaign, market, residual.venue):
        return False
    return not leg.takes(leg.lots(abs(residual.quantity)), leg.price)
