"""Compare the ledger with what the venues say they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import trio

from trioarb.engine.campaign import Campaign, describe
from trioarb.errors import CampaignError, VenueError
from trioarb.model.number import ZERO
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["Difference", "differing_balances"]

#: How long a venue may take to say its balances, and how long after a hurry has run out.
_BALANCES_NS = 30 * SECOND_NS
_HURRY_SECONDS = 1


@attrs.frozen(kw_only=True)
class Difference:
    """An asset of which a venue holds something else than the ledger says."""

    asset: str
    held: Decimal
    booked: Decimal


async def differing_balances(campaign: Campaign, venue: str) -> Sequence[Difference]:
    """Ask a venue for its balances until it says them; return where the ledger differs, by asset.

    Raises:
        VenueError: it does not say them in time.
        CampaignError: its plugin failed.
    """
    held = await _held(campaign, venue)
    booked = {asset: balance.final for asset, balance in campaign.parts.ledger.balances().get(venue, {}).items()}
    return [
        Difference(asset=asset, held=held.get(asset, ZERO), booked=booked.get(asset, ZERO))
        for asset in sorted(set(held) | set(booked))
        if held.get(asset, ZERO) != booked.get(asset, ZERO)
    ]


async def _held(campaign: Campaign, venue: str) -> Mapping[str, Decimal]:
    time, problem = campaign.parts.time, "no answer"
    hurry_until = campaign.parts.executor.hurry_until + _HURRY_SECONDS
    with trio.CancelScope(deadline=min(time.deadline(time.now_ns() + _BALANCES_NS), hurry_until)):
        while True:
            try:
                return await campaign.world.exchanges[venue].balances()
            except VenueError as error:
                problem = str(error)
            except Exception as error:
                raise CampaignError(f"{venue}: balances can't be read: {describe(error)}") from error
            await time.sleep(SECOND_NS, Turn.VENUE.order(venue=venue, number=5))
    raise VenueError(f"{venue} did not say its balances, so the ledger could not be compared: {problem}")
