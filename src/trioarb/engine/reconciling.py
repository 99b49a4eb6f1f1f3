"""Hold a campaign against what its venues say: when it is resumed, while it runs, and at its end. Name what differs."""

from __future__ import annotations

import logging

import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.errors import CampaignError, PluginFault, VenueError
from trioarb.execution.reconcile import Difference
from trioarb.model.number import text
from trioarb.model.trade import EndedBy

__all__ = ["reconcile", "reconcile_at_end", "reconcile_resumed", "unknown_orders"]

#: So many orders of others are named at a time; of more it is said how many.
_NAMED = 5
#: How long the end waits for a venue's orders.
_ORDERS_SECONDS = 5


async def reconcile(campaign: Campaign) -> None:
    """Compare balances and orders while orders go out. A difference that stood for a while is booked."""
    for one in await campaign.parts.reconciler.look():
        campaign.problems.append(f"{_held(one, 'while the campaign ran')}; the difference is booked as a deposit")
    for venue in campaign.world.exchanges:
        await _compare_orders(campaign, venue)


async def reconcile_resumed(campaign: Campaign) -> None:
    """Compare balances before anything new is traded; what differs is booked.

    Orders of unknown fate may explain a difference: then it is only named, since it is booked when their fate is known.
    """
    reconciler = campaign.parts.reconciler
    for venue in campaign.world.exchanges:
        try:
            found = await reconciler.differences(venue)
        except (CampaignError, VenueError) as error:
            campaign.end(EndedBy.ERROR, str(error))
            continue
        for one in found:
            says = _held(one, "when the campaign was resumed")
            if reconciler.is_uncertain(venue):
                campaign.problems.append(f"{says}; an order there had no last word yet")
                continue
            reconciler.book(one)
            campaign.problems.append(f"{says}; the difference is booked as a deposit")


async def reconcile_at_end(campaign: Campaign) -> None:
    """Compare balances and orders once more. Nothing is booked; what differs is an error, or a problem."""
    ledger = campaign.parts.ledger
    wrong = list(ledger.imbalances())
    until = campaign.parts.executor.hurry_until + float(campaign.config.execution.hurry_seconds)
    for venue in campaign.world.exchanges:
        with trio.CancelScope(deadline=until) as campaign.closing:
            try:
                found = await campaign.parts.reconciler.differences(venue)
            except VenueError as error:
                campaign.problems.append(str(error))
            except CampaignError as error:
                wrong.append(str(error))
            else:
                wrong += (
                    f"{venue} holds {text(one.held)} {one.asset}, the ledger says {text(one.booked)}" for one in found
                )
        if campaign.closing.cancelled_caught:
            campaign.problems.append(f"{venue} did not say its balances before the campaign had to end")
        with trio.CancelScope(deadline=min(until, trio.current_time() + _ORDERS_SECONDS)) as campaign.closing:
            await _compare_orders(campaign, venue)
    if wrong and not ledger.open_orders:
        campaign.end(EndedBy.ERROR, "; ".join(wrong))
    else:
        campaign.problems += wrong


async def _compare_orders(campaign: Campaign, venue: str) -> None:
    """Name the orders that the journal doesn't know. In virtual time nobody but the campaign can send any."""
    if campaign.parts.time.jumps:
        return
    unknown = await unknown_orders(campaign, venue)
    if unknown:
        what = "another process trades this campaign, or a plugin sends orders of its own"
        campaign.end(EndedBy.ERROR, f"{venue} knows {', '.join(unknown)}, which the journal doesn't: {what}")


async def unknown_orders(campaign: Campaign, venue: str, since_ns: int | None = None) -> list[str]:
    """Return the ids of orders of ours that a venue knows and the journal doesn't; name those of others.

    A venue that doesn't say its orders is believed to have no other: its balances will tell.
    """
    try:
        found = await campaign.parts.reconciler.foreign_orders(venue, since_ns)
    except PluginFault as error:
        if str(error) not in campaign.problems:
            campaign.problems.append(str(error))
        return []
    except VenueError as error:
        log = structlog.get_logger("trioarb.engine")
        level = logging.DEBUG if venue in campaign.parts.reconciler.silent else logging.WARNING
        log.log(level, "a venue does not say its orders", venue=venue, error=str(error))
        campaign.parts.reconciler.silent.add(venue)
        return []
    ours = [one.client_order_id for one in found if one.client_order_id.startswith(f"{campaign.campaign_id}-")]
    others = [one for one in found if one.client_order_id not in ours]
    if others:
        named = [
            f"{one.client_order_id} ({one.side.value} {text(one.quantity)} {one.symbol})" for one in others[:_NAMED]
        ]
        more = [f"{len(others) - _NAMED} more"] * (len(others) > _NAMED)
        campaign.problems.append(f"{venue} knows orders that are not of this campaign: {', '.join(named + more)}")
    return sorted(ours)


def _held(one: Difference, when: str) -> str:
    return f"{one.venue} held {text(one.held)} {one.asset} {when}, the ledger said {text(one.booked)}"
