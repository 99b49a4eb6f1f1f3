"""State equity: what is held, at prices that are recorded with it."""

from __future__ import annotations

from trioarb.engine.campaign import Campaign
from trioarb.model.event import EquityStated, MarketsMarked, PositionMarked
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["mark_all", "mark_positions", "state_equity", "state_equity_periodically"]

_EVERY_NS = 60 * SECOND_NS
_ORDER = Turn.SERVICE.order(number=7)


async def state_equity_periodically(campaign: Campaign) -> None:
    """State it each minute of the campaign, if the configuration wants it."""
    if not campaign.config.engine.equity_each_minute:
        return
    while True:
        await campaign.parts.time.sleep(_EVERY_NS, _ORDER)
        mark_all(campaign, "minute")
        state_equity(campaign)


def mark_all(campaign: Campaign, reason: str) -> None:
    """Record what every venue shows of every symbol."""
    campaign.parts.journal.record(_look_at_all(campaign, reason))


def mark_positions(campaign: Campaign, reason: str) -> None:
    """Record what each open position is worth, and the prices of every venue and symbol: it is worth that at them."""
    marked = _look_at_all(campaign, reason)
    for position in campaign.parts.trades.positions():
        campaign.parts.journal.record(
            PositionMarked(
                trade_id=position.trade_id,
                symbol=position.route.symbol,
                quantity=position.quantity,
                unrealised_usd=campaign.state.marks.position_usd(position),
            )
        )
    campaign.parts.journal.record(marked)


def state_equity(campaign: Campaign) -> None:
    """Record equity at the prices that were recorded last."""
    figures = campaign.state.equity.figures()
    campaign.parts.journal.record(
        EquityStated(
            start_usd=figures.start,
            now_usd=figures.now,
            arbitrage_usd=figures.arbitrage,
            inventory_usd=figures.inventory,
            fees_usd=figures.fees,
            funding_usd=figures.funding,
            residuals_usd=figures.residuals,
            fx_usd=figures.fx,
            unpriced=figures.unpriced,
        )
    )


def _look_at_all(campaign: Campaign, reason: str) -> MarketsMarked:
    places = campaign.parts.instruments.items()
    return campaign.state.marks.mark(reason, ((symbol, venue) for symbol, by_venue in places for venue in by_venue))
