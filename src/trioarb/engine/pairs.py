"""Pairs and orders that no symbol task takes care of (any more): bring them to their end."""

from __future__ import annotations

import trio

from trioarb.engine.campaign import Campaign
from trioarb.model.event import PairEnded, PairOpened
from trioarb.model.number import ZERO
from trioarb.model.trade import PairOutcome
from trioarb.state.trades import PairFlows

__all__ = ["finish_pairs", "learn_late_orders"]


async def finish_pairs(campaign: Campaign, symbol: str | None = None) -> None:
    """Bring the pairs in flight to their end; no task may be executing them.

    With a ``symbol`` only its own, and not one that is still to be sent: the symbol's task will.
    """
    trades = campaign.parts.trades
    flying = [flows for flows in trades.pairs.values() if symbol is None or flows.opened.symbol == symbol]
    unsent = {opened.pair_id for opened in trades.unsent}
    async with trio.open_nursery() as nursery:
        for flows in flying:
            if flows.opened.pair_id not in unsent:
                nursery.start_soon(_finish, campaign, flows)
            elif symbol is None:
                campaign.parts.journal.record(_never_sent(flows.opened))


async def learn_late_orders(campaign: Campaign) -> None:
    """Ask once about every order whose pair ended without its last word. Cancellation leaves the rest as they are."""
    async with trio.open_nursery() as nursery:
        for turn, order in enumerate(campaign.parts.trades.late_orders):
            market = campaign.symbols[order.submitted.symbol].market
            nursery.start_soon(campaign.parts.executor.learn, market, order, turn)


async def _finish(campaign: Campaign, flows: PairFlows) -> None:
    task = campaign.symbols[flows.opened.symbol]
    await task.take_turn()
    await campaign.parts.executor.recover(task.market, flows)


def _never_sent(opened: PairOpened) -> PairEnded:
    return PairEnded(
        pair_id=opened.pair_id,
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        kind=opened.kind,
        outcome=PairOutcome.FLAT,
        bought=ZERO,
        sold=ZERO,
        pnl_usd=ZERO,
        fees_usd=ZERO,
    )
