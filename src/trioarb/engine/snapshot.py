"""Take what readers beside the engine get. Called between two steps of the campaign, in its thread."""

from __future__ import annotations

from collections import Counter
from copy import copy

from trioarb.engine.campaign import Campaign
from trioarb.engine.watch import newest_quote_ns
from trioarb.state.snapshot import Snapshot, SymbolSnapshot
from trioarb.state.state import State
from trioarb.state.statistics import SymbolStatistics

__all__ = ["snapshot_of", "state_now"]


def snapshot_of(campaign: Campaign) -> Snapshot:
    """Return the campaign as it is now."""
    state, world = campaign.state, campaign.world
    now_ns = campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns
    return Snapshot(
        phase=campaign.phase,
        ended_by=campaign.ended_by,
        elapsed_ns=now_ns - world.start_ns,
        silent_ns={
            venue: now_ns - max(newest_quote_ns(world.boards.values(), venue), world.start_ns)
            for venue in world.markets
        },
        symbols=tuple(_symbol(campaign, symbol) for symbol in campaign.symbols),
        pnl_usd=state.statistics.pnl_usd,
        fees_usd=state.statistics.fees_usd,
        equity=state.equity.at_present().figures(),
    )


def state_now(campaign: Campaign) -> State:
    """Return what is folded from the journal, with the counters and prices of this moment: the journal has older ones.

    Nothing is recorded by it, so that the campaign goes on as if nobody had looked.
    """
    state, statistics = copy(campaign.state), copy(campaign.state.statistics)
    state.statistics, state.equity = statistics, campaign.state.equity.at_present()
    statistics.symbols = {symbol: copy(one) for symbol, one in statistics.symbols.items()}
    statistics.by_rule, statistics.decisions = Counter(statistics.by_rule), Counter(statistics.decisions)
    for symbol, task in campaign.symbols.items():
        counted = task.funnel.counted(symbol, final=False, highest_edge_bps=task.highest_edge_bps)
        statistics.of(symbol).funnel = counted
    for decided, count in campaign.parts.guards.unrecorded:
        statistics.of(decided.symbol).rejected += count
        statistics.by_rule[f"{decided.tier}.{decided.rule}"] += count
        statistics.decisions[decided.answer] += count
    return state


def _symbol(campaign: Campaign, symbol: str) -> SymbolSnapshot:
    task = campaign.symbols[symbol]
    # Never `Statistics.of`: it would add the symbol.
    booked = campaign.state.statistics.symbols.get(symbol) or SymbolStatistics()
    funnel = task.funnel
    return SymbolSnapshot(
        symbol=symbol,
        edge_bps=task.best_edge_bps,
        highest_edge_bps=task.highest_edge_bps,
        iterations=funnel.iterations,
        over_threshold=funnel.over_threshold,
        # Whatever was sized was allowed or denied; repeated denials are booked late.
        denied=max(booked.rejected, funnel.sized - booked.allowed),
        sent=booked.sent,
        opened=booked.filled,
        closed=booked.closed,
        pnl_usd=booked.pnl_usd,
        fees_usd=booked.fees_usd,
        positions=campaign.state.trades.positions(symbol),
        quarantines=booked.quarantines,
        retired=booked.retired,
    )
