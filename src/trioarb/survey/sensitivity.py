"""What a campaign would have earned had its venues been faster or slower: the same campaign, played again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import attrs
import trio

from trioarb.config.schema import ClockKind, Config
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.errors import CampaignError
from trioarb.plugin.border import CheckedTape
from trioarb.plugin.registry import Plugins
from trioarb.time.virtual import VirtualClock

__all__ = ["FACTORS", "Sensitivity", "sensitivity_of"]

#: How many times as long as configured everything takes: nothing at all, as it is, twice, five times.
FACTORS = (Decimal(0), Decimal(1), Decimal(2), Decimal(5))


@attrs.frozen(kw_only=True)
class Sensitivity:
    """What came of one factor. ``pnl_usd`` is realised PnL, positions closed at the end included."""

    latency_factor: Decimal
    pnl_usd: Decimal
    trades: int
    entries_unwound: int


def sensitivity_of(
    config: Config, plugins: Plugins, *, on_progress: Callable[[Decimal], None] = lambda factor: None
) -> Sequence[Sensitivity]:
    """Run the campaign again for each of `FACTORS`, in virtual time and without a journal.

    Each is a whole campaign of its own: with other latencies other trades follow. Calls `trio.run`.

    Raises:
        CampaignError: a campaign ended with an error, or its market can't be played again.
        TrioarbError: something can't be opened.
    """
    found = []
    for factor in FACTORS:
        on_progress(factor)
        session = attrs.evolve(
            config.session, clock=ClockKind.VIRTUAL, speed=Decimal(1), latency_factor=factor, journal=None
        )
        found.append(_played(attrs.evolve(config, session=session), plugins, factor))
    return found


def _played(config: Config, plugins: Plugins, factor: Decimal) -> Sensitivity:
    clock = VirtualClock()
    campaign = trio.run(partial(run_campaign, config, plugins, clock=clock, on_open=_require_tapes), clock=clock)
    if campaign.error:
        raise CampaignError(f"with a latency_factor of {factor} the campaign ended with an error: {campaign.error}")
    statistics = campaign.state.statistics
    return Sensitivity(
        latency_factor=factor,
        pnl_usd=statistics.pnl_usd,
        trades=statistics.closed,
        entries_unwound=statistics.pairs["entry", "flat"],
    )


def _require_tapes(campaign: Campaign) -> None:
    for venue, market in campaign.world.markets.items():
        if not isinstance(market, CheckedTape):
            raise CampaignError(
                f"[exchanges.{venue}.market]: its quotes come when they come, and can't be played again; record them "
                "(--record) and ask for the sensitivity of a replay"
            )
