"""Choose the symbols anew while a campaign runs: new ones start, those that were dropped are closed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal

import attrs
import structlog
import trio

from trioarb.engine.campaign import Campaign
from trioarb.engine.opener import Opener
from trioarb.engine.opening import open_symbol, record_instruments
from trioarb.engine.world import add_symbols
from trioarb.errors import TrioarbError
from trioarb.model.event import UniverseRefreshed
from trioarb.model.trade import Phase
from trioarb.time.campaign_time import Turn, seconds_to_ns
from trioarb.universe.select import Selection, select

__all__ = ["refresh_periodically"]

#: After the other services that are due at the same nanosecond.
_REFRESH_ORDER = Turn.SERVICE.order(number=4)


async def refresh_periodically(campaign: Campaign) -> None:
    """Choose the symbols every ``universe.refresh_minutes``, until cancelled; then close what was opened for them."""
    every_ns = seconds_to_ns((campaign.config.universe.refresh_minutes or Decimal(0)) * 60)
    async with AsyncExitStack() as stack:
        opener = attrs.evolve(campaign.world.opener, stack=stack)
        while campaign.ended_by is None:
            await campaign.parts.time.sleep(every_ns, _REFRESH_ORDER)
            if campaign.phase is Phase.RUNNING:
                await _refresh(campaign, opener)
        await trio.sleep_forever()


async def _refresh(campaign: Campaign, opener: Opener) -> None:
    """Ask the source, and change over. Nothing changes if it gives no answer, or leaves no symbol."""
    before = [symbol for symbol, task in campaign.symbols.items() if not task.dropped]
    try:
        selection = select(await campaign.world.source.listings(), campaign.config.universe)
        await _open_new(campaign, selection, opener)
    except TrioarbError as error:
        if campaign.ended_by is None:
            campaign.parts.journal.record(UniverseRefreshed(symbols=tuple(before), error=str(error)))
        return
    if campaign.ended_by is None:
        _change_over(campaign, before, selection)


async def _open_new(campaign: Campaign, selection: Selection, opener: Opener) -> None:
    """Open the symbols that never were in the universe; they take no part before `_change_over`."""
    new = [listing for listing in selection.symbols if listing.symbol not in campaign.symbols]
    known = {listing.symbol for listing in campaign.world.symbols}  # opening one of them may have failed before
    _, warnings = await add_symbols(
        campaign.world, campaign.course, [listing for listing in new if listing.symbol not in known]
    )
    for warning in warnings:
        structlog.get_logger("trioarb.universe").warning(warning)
    for listing in new:
        if listing.symbol in campaign.world.instruments:
            task = await open_symbol(campaign, listing, opener)
            task.dropped = True
            campaign.symbols[listing.symbol] = task


def _change_over(campaign: Campaign, before: Sequence[str], selection: Selection) -> None:
    """Record which symbols are traded from now on, and start and end what differs. Synchronous."""
    symbols = [listing.symbol for listing in selection.symbols if listing.symbol in campaign.symbols]
    added = [symbol for symbol in symbols if symbol not in before]
    dropped = [symbol for symbol in before if symbol not in symbols]
    listed_before = campaign.state.statistics.instruments
    campaign.parts.journal.record(
        UniverseRefreshed(symbols=tuple(symbols), added=tuple(added), dropped=tuple(dropped), listed=selection.listed)
    )
    record_instruments(campaign, [symbol for symbol in added if symbol not in listed_before])
    for symbol in dropped:
        campaign.symbols[symbol].drop()
    for symbol in added:
        campaign.symbols[symbol].dropped = False
        campaign.arrivals.append(symbol)
    if added:
        campaign.arrived.ring()
        if campaign.market_scope is not None:
            campaign.market_scope.cancel()
    campaign.end_if_all_done()
