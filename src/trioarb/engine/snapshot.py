"""Take what readers beside the engine get. Called between two steps of the campaign, in its thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from decimal import Decimal
from typing import Any

import structlog

from trioarb.engine.campaign import Campaign
from trioarb.engine.watch import newest_quote_ns
from trioarb.plugin.border import CheckedGuard
from trioarb.plugin.contract import GuardTier
from trioarb.state.equity import EquityFigures
from trioarb.state.snapshot import HeadRoom, Snapshot, SymbolSnapshot, VenueHealth, total_of
from trioarb.state.state import State
from trioarb.state.statistics import SymbolStatistics

__all__ = [
    "assembled",
    "figures_of",
    "newest_in_pieces",
    "snapshot_in_pieces",
    "snapshot_of",
    "state_now",
    "symbol_of",
    "time_of",
]

#: So many symbols, and holdings, are looked at in a piece: about a millisecond of them.
_SYMBOLS_AT_ONCE, _HOLDINGS_AT_ONCE = 24, 64
#: What is shown of a tier's figures.
_SHOWN = ("venues", "head_room")
#: And so many boards whose newest quotes are looked for.
_BOARDS_AT_ONCE = 500


def snapshot_of(campaign: Campaign) -> Snapshot:
    """Return the campaign as it is now, all in one piece."""
    taking = snapshot_in_pieces(campaign)
    while True:
        try:
            next(taking)
        except StopIteration as taken:
            snapshot: Snapshot = taken.value
            return snapshot


def snapshot_in_pieces(campaign: Campaign) -> Generator[None, None, Snapshot]:
    """Return the campaign, taken in pieces of a millisecond or two: it may go on at each yield.

    So symbols, guard tiers and prices are of slightly different moments; each symbol is of one, and what is held, and
    the totals, are of the last.
    """
    now_ns, marks = time_of(campaign), campaign.state.marks
    figures = {}
    for name, tier in campaign.tiers.items():
        with marks.left_alone():
            figures[name] = figures_of(name, tier, now_ns)
        yield
    equity = yield from campaign.state.equity.at_present().figures_in_pieces(_HOLDINGS_AT_ONCE)
    yield
    names, symbols, positions = list(campaign.symbols), list[SymbolSnapshot](), campaign.state.trades.positions
    for first in range(0, len(names), _SYMBOLS_AT_ONCE):
        piece = [name for name in names[first : first + _SYMBOLS_AT_ONCE] if name in campaign.symbols]
        # Prices are asked for of what is held only.
        with marks.left_alone() if any(map(positions, piece)) else nullcontext():
            now_ns = time_of(campaign)
            symbols += [symbol_of(campaign, name, now_ns) for name in piece]
        yield
    newest_ns = yield from newest_in_pieces(campaign)
    with marks.left_alone():
        return assembled(campaign, time_of(campaign), figures, newest_ns, symbols, equity)


def newest_in_pieces(campaign: Campaign) -> Generator[None, None, Mapping[str, int]]:
    """Return when each venue's newest quote came; -1 before the first. The campaign may go on at each yield."""
    boards = list(campaign.world.boards.values())
    found = dict.fromkeys(campaign.world.markets, -1)
    for first in range(0, len(boards), _BOARDS_AT_ONCE):
        piece = boards[first : first + _BOARDS_AT_ONCE]
        found = {venue: max(newest_ns, newest_quote_ns(piece, venue)) for venue, newest_ns in found.items()}
        yield
    return found


def time_of(campaign: Campaign) -> int:
    """Return the time of which a snapshot is."""
    return campaign.parts.time.now_ns() if campaign.ended_ns is None else campaign.ended_ns


def assembled(
    campaign: Campaign,
    now_ns: int,
    figures: Mapping[str, Mapping[str, Any]],
    newest_ns: Mapping[str, int],
    symbols: Sequence[SymbolSnapshot],
    equity: EquityFigures,
) -> Snapshot:
    """Return a snapshot of what takes time, and was taken already, and of the rest.

    ``figures`` are what guard tiers say of themselves, ``newest_ns`` when each venue's newest quote came.
    """
    state, world = campaign.state, campaign.world
    paused = state.control.paused
    return Snapshot(
        phase=campaign.phase,
        ended_by=campaign.ended_by,
        elapsed_ns=now_ns - world.start_ns,
        paused=None if paused is None else f"by {paused.who}" + (f": {paused.why}" if paused.why else ""),
        holds=tuple(f"{one.rule}: {one.refusal.value}" for one in campaign.parts.guards.holds),
        silent_ns={venue: now_ns - max(quote_ns, world.start_ns) for venue, quote_ns in newest_ns.items()},
        health=_health(figures),
        head_room=_head_room(figures),
        exposure_usd=state.exposure.exposure_usd(),
        pairs_in_flight=len(state.trades.pairs),
        open_orders=len(state.trades.orders),
        residuals=len(state.trades.residuals),
        symbols=tuple(symbols),
        pnl_usd=state.statistics.pnl_usd,
        fees_usd=state.statistics.fees_usd,
        equity=equity,
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


def figures_of(name: str, tier: GuardTier, now_ns: int) -> Mapping[str, Any]:
    """Return what a tier says of venues and limits; nothing, if it fails at it: that costs a view and no campaign."""
    try:
        return tier.stats_of(now_ns, _SHOWN) if isinstance(tier, CheckedGuard) else tier.stats(now_ns)
    except Exception as error:
        structlog.get_logger("trioarb.engine").debug("a guard tier's figures can't be had", tier=name, error=str(error))
        return {}


def _health(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, VenueHealth]:
    found = dict[str, VenueHealth]()
    for told in figures.values():
        for venue, one in _named(told, "venues"):
            if "health" in one:
                found[venue] = VenueHealth(health=str(one["health"]), reason=str(one.get("reason", "")))
    return found


def _head_room(figures: Mapping[str, Mapping[str, Any]]) -> tuple[HeadRoom, ...]:
    return tuple(
        HeadRoom(tier=tier, rule=rule, name=str(one.get("name", rule)), used=one["used_usd"], limit=limit)
        for tier, told in figures.items()
        for rule, one in _named(told, "head_room")
        if isinstance(one.get("used_usd"), Decimal)
        and ((limit := one.get("limit_usd")) is None or isinstance(limit, Decimal))
    )


def _named(told: Mapping[str, Any], what: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what a tier says of each of some, by their names; a stranger's may say anything."""
    found = told.get(what)
    return (
        [(str(name), one) for name, one in found.items() if isinstance(one, Mapping)]
        if isinstance(found, Mapping)
        else []
    )


def symbol_of(campaign: Campaign, symbol: str, now_ns: int) -> SymbolSnapshot:
    """Return one symbol as it is now."""
    task = campaign.symbols[symbol]
    # Never `Statistics.of`: it would add the symbol.
    booked = campaign.state.statistics.symbols.get(symbol) or SymbolStatistics()
    funnel, positions = task.funnel, campaign.state.trades.positions(symbol)
    oldest_ns = min(task.board.received_ns)
    worth = [campaign.state.marks.position_usd(one) for one in positions]
    sized = funnel.sized
    return SymbolSnapshot(
        symbol=symbol,
        edge_bps=task.best_edge_bps,
        highest_edge_bps=task.highest_edge_bps,
        quote_age_ns=None if oldest_ns < 0 else max(0, now_ns - oldest_ns),
        seen=funnel.seen,
        iterations=funnel.iterations,
        fresh=funnel.fresh,
        edge_positive=funnel.edge_positive,
        over_threshold=funnel.over_threshold,
        sized=sized,
        allowed=booked.allowed,
        # Whatever was sized was allowed or denied; repeated denials are booked late.
        denied=max(booked.rejected, sized - booked.allowed),
        sent=booked.sent,
        opened=booked.filled,
        closed=booked.closed,
        pnl_usd=booked.pnl_usd,
        fees_usd=booked.fees_usd,
        unrealised_usd=total_of(worth),
        positions=positions,
        quarantines=booked.quarantines,
        retired=booked.retired,
    )
