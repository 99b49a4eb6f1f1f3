"""Go on with a campaign that a crash cut off, or that had ended: learn what happened meanwhile, and finish it."""

from __future__ import annotations

import structlog
import trio

from trioarb import __version__
from trioarb.engine.campaign import Campaign
from trioarb.engine.charging import learn_what_was_missed
from trioarb.engine.opening import record_instruments
from trioarb.engine.past import Past
from trioarb.engine.reconciling import reconcile_resumed, unknown_orders
from trioarb.engine.transfers import take_up_transfers
from trioarb.errors import CampaignError
from trioarb.execution.reconcile import LOOK_BACK_NS
from trioarb.model.event import (
    CampaignResumed,
    Deposited,
    StopCleared,
)
from trioarb.model.trade import EndedBy
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["recover", "require_known_orders", "resume"]

#: How long venues may take to say what became of orders whose pair had ended; they are asked again later.
_LEARNING_SECONDS = 60
_ASK_AGAIN_NS = 2 * SECOND_NS
_ASK_ORDER = Turn.SERVICE.order(number=40)


async def require_known_orders(campaign: Campaign, past: Past) -> None:
    """See that venues know no order of ours that the journal doesn't. Nothing is recorded or sent.

    Raises:
        CampaignError: they do; names the orders.
    """
    unknown = list[str]()
    for venue in campaign.world.exchanges:
        if ids := await unknown_orders(campaign, venue, past.last_ts_ns - LOOK_BACK_NS):
            unknown.append(f"{venue} knows {', '.join(ids)}")
    if unknown:
        raise CampaignError(
            f"{'; '.join(unknown)}, which the journal doesn't: its end is missing, or it is an old copy; nothing was "
            "traded: resume the journal that has them, or close them by hand"
        )


async def resume(campaign: Campaign, past: Past) -> None:
    """Record that the campaign goes on. Orders get ids that no earlier order can have had."""
    journal, before = campaign.parts.journal, campaign.state.statistics.resumed
    number = 1 if before is None else before.number + 1
    journal.record(
        CampaignResumed(
            number=number,
            version=__version__,
            config_digest=campaign.config.digest,
            last_seq=journal.seq,
            last_ts_ns=journal.last_ns,
            close_only=past.close_only,
            warnings=campaign.warnings,
            durability=past.durability,
            config=past.config,
        )
    )
    if past.torn:
        finding = f"{past.torn} bytes after event {journal.seq - 1} were no whole step, and were cut off the journal"
        campaign.findings.append(finding)
        _log().warning(finding)
    campaign.parts.executor.order_prefix = f"{campaign.campaign_id}-r{number}-"
    if past.clear_stop:
        journal.record(StopCleared())
    record_instruments(campaign)
    campaign.world.rates.state(campaign.parts.time.now_ns(), "start")
    _book_lost_grants(campaign)
    # Virtual time has moved already; without this, market data would not let it stand while the others begin.
    campaign.parts.time.yield_soon()


def _book_lost_grants(campaign: Campaign) -> None:
    """Record inventory that a simulated venue granted, and the journal lost."""
    parts = campaign.parts
    for symbol, by_venue in parts.instruments.items():
        for venue, instrument in by_venue.items():
            if (venue, symbol) not in parts.ledger.granted:
                amount = parts.venues[venue].seed_inventory(instrument, None)
                if amount:
                    deposited = Deposited(
                        venue=venue, asset=instrument.base, amount=amount, reason="inventory", symbol=symbol
                    )
                    parts.journal.record(deposited)


async def recover(campaign: Campaign, past: Past) -> None:
    """Bring everything that was in flight to its end, and compare the books with the venues. Market data runs.

    Also when the campaign ends meanwhile: without it the books would be wrong.
    """
    # Every step has a deadline of its own: one for all of them would leave pairs in flight, or orders unknown.
    campaign.parts.executor.settle_learnt()
    await campaign.parts.reconciler.finish_pairs()
    with trio.move_on_after(_LEARNING_SECONDS):
        await campaign.parts.reconciler.learn_late_orders()
        # A venue can't say what became of an order for as long as it may still arrive. Who only closes waits for it,
        # as the end would come first.
        while past.close_only and campaign.state.trades.late_orders and not campaign.parts.time.jumps:
            await campaign.parts.time.sleep(_ASK_AGAIN_NS, _ASK_ORDER)
            await campaign.parts.reconciler.learn_late_orders()
    await learn_what_was_missed(campaign, past.last_ts_ns)
    await take_up_transfers(campaign)
    await reconcile_resumed(campaign)
    if campaign.state.statistics.is_stopped:
        campaign.end(EndedBy.EMERGENCY_STOP)
    elif past.close_only:
        campaign.end(EndedBy.CLOSE_ONLY)


def _log() -> structlog.stdlib.BoundLogger:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("trioarb.recovery")
    return log
