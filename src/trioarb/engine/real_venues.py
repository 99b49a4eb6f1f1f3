"""Shadow mode reads real venues at its start: what they list, charge and hold, and how far away they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal

import attrs
import trio

from trioarb.config.schema import PluginTable
from trioarb.engine.opener import Opener
from trioarb.errors import TrioarbError, VenueError
from trioarb.model.market import Instrument
from trioarb.plugin.contract import ExchangeContext
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.plugin.spec import ExchangeSpec
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["RealVenue", "ask_real_venue"]

#: Of so many questions the one that was answered fastest says how far away the venue is: others waited for something.
_QUESTIONS = 3


@attrs.frozen(kw_only=True)
class RealVenue:
    """What a real venue said of the account: its instruments with its own fees, by symbol, and what it holds.

    ``round_trip_ns``: how long a question and its answer took, at least.
    """

    instruments: Mapping[str, Instrument]
    balances: Mapping[str, Decimal]
    round_trip_ns: int


async def ask_real_venue(
    opener: Opener,
    table: PluginTable,
    context: ExchangeContext,
    list_at: Callable[[CheckedExchange], Awaitable[Mapping[str, Instrument]]],
) -> RealVenue:
    """Open a real venue to be read only, ask it, and close it again: nothing is left that an order could be sent by.

    Raises:
        VenueError: it can't be read.
    """
    async with AsyncExitStack() as stack:
        own = attrs.evolve(opener, stack=stack, errors=opener.errors)
        try:
            exchange: CheckedExchange = await own.open(ExchangeSpec, table, _to_read(context), venue=context.venue)
            instruments = await list_at(exchange)
            balances, trips = dict[str, Decimal](), list[float]()
            for _ in range(_QUESTIONS):
                asked = trio.current_time()
                balances = dict(await exchange.balances())
                trips.append(trio.current_time() - asked)
        except TrioarbError as error:
            raise VenueError(
                f'{error}\nsession.mode = "shadow" reads the account that [{table.key}] names: mend its keys, which '
                'need no more than the right to read, or set session.mode = "paper", which needs none'
            ) from error
    return RealVenue(instruments=instruments, balances=balances, round_trip_ns=round(min(trips) * SECOND_NS))


def _to_read(context: ExchangeContext) -> ExchangeContext:
    """Return what a plugin is opened with that is asked only: what it says of itself meanwhile concerns nobody."""
    return attrs.evolve(
        context,
        can_trade=False,
        state=None,
        changed=lambda instrument: None,
        hold=lambda reason: None,
        release=lambda reason: None,
    )
