"""How a campaign stands, for those who ask."""

from __future__ import annotations

from trioarb.control.message import Denial, Held, Status
from trioarb.engine.campaign import Campaign
from trioarb.state.state import State

__all__ = ["denials_of", "positions_of", "standing_of"]


def standing_of(campaign: Campaign) -> Status:
    """Return how it stands now. Called between two of its steps, in its thread."""
    state, control = campaign.state, campaign.state.control
    return Status(
        campaign_id=campaign.campaign_id,
        phase=campaign.phase.value,
        ended_by=None if campaign.ended_by is None else campaign.ended_by.value,
        paused=control.paused is not None,
        flattening=control.flattens,
        denials=denials_of(campaign),
        blacklisted=tuple(control.blacklisted),
        positions=positions_of(state),
        residuals=len(state.trades.residuals),
        pairs_in_flight=len(state.trades.pairs),
        open_orders=len(state.trades.orders),
        settings=dict(control.settings),
        pnl_usd=state.statistics.pnl_usd,
    )


def denials_of(campaign: Campaign) -> tuple[Denial, ...]:
    """Return what denies entries now."""
    return tuple(
        Denial(rule=held.rule, reason=held.value, venue=held.venue, symbol=held.symbol)
        for held in campaign.parts.guards.holds
    )


def positions_of(state: State) -> tuple[Held, ...]:
    """Return what a campaign holds."""
    return tuple(
        Held(
            trade_id=one.trade_id,
            symbol=one.route.symbol,
            quantity=one.quantity,
            long_at=one.route.buy_venue,
            short_at=one.route.sell_venue,
            opened_ns=one.opened_ns,
            unrealised_usd=state.marks.position_usd(one),
        )
        for one in state.trades.positions()
    )
