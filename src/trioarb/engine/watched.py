"""What a campaign shows of itself to whoever watches it from another process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf
from typing import TypeVar

import attrs
import trio

from trioarb.control.message import RouteEdge, Watched
from trioarb.engine.campaign import Campaign
from trioarb.engine.snapshot import assembled, figures_of, newest_in_pieces, symbol_of, time_of
from trioarb.engine.standing import denials_of, positions_of
from trioarb.engine.telemetry import telemetry_of
from trioarb.state.equity import EquityFigures
from trioarb.state.funnel_total import FunnelTotal

__all__ = ["MOST_SYMBOLS", "Watching"]

Result = TypeVar("Result")

#: Of so many symbols it tells.
MOST_SYMBOLS = 200
#: Quotes are looked at between so many symbols.
_AT_ONCE, _HOLDINGS_AT_ONCE = 8, 32
#: And between so many whose funnels are added up.
_COUNTED_AT_ONCE = 32
#: Equity, which looks at all prices, is told as it was at most so long ago.
_EQUITY_SECONDS = 2.0
#: The funnel of a thousand symbols is told as it was at most so long ago, of more as many times so long: so adding it
#: up takes about a hundredth of the time.
_FUNNEL_SECONDS = 1.0


@attrs.define(eq=False)
class Watching:
    """Takes what is shown in small pieces, so that no quote waits for long; between them the campaign goes on.

    Whoever asks often gets equity anew every few seconds only, and the funnel of very many symbols.
    """

    _campaign: Campaign
    _equity: EquityFigures | None = attrs.field(default=None, init=False)
    _equity_at: float = attrs.field(default=-inf, init=False)
    _funnel: FunnelTotal | None = attrs.field(default=None, init=False)
    _funnel_at: float = attrs.field(default=-inf, init=False)

    async def now(self) -> Watched:
        """Return the campaign as it is now."""
        campaign = self._campaign
        telemetry, now_ns = telemetry_of(campaign), time_of(campaign)
        await trio.lowlevel.checkpoint()
        equity = await self._equity_now()
        figures = {}
        for name, tier in campaign.tiers.items():
            with campaign.state.marks.left_alone():
                figures[name] = figures_of(name, tier, now_ns)
            await trio.lowlevel.checkpoint()
        names, symbols, edges = self._symbols(), [], list[RouteEdge]()
        for first in range(0, len(names), _AT_ONCE):
            with campaign.state.marks.left_alone():
                for name in names[first : first + _AT_ONCE]:
                    if name in campaign.symbols:  # the universe may be another since
                        symbols.append(symbol_of(campaign, name, now_ns))
                        found = campaign.symbols[name].edges_bps()
                        edges += (RouteEdge(name, route.buy_venue, route.sell_venue, edge) for route, edge in found)
            await trio.lowlevel.checkpoint()
        funnel, newest_ns = await self._funnel_now(), await _all_of(newest_in_pieces(campaign))
        with campaign.state.marks.left_alone():
            positions = positions_of(campaign.state)
            return Watched(
                snapshot=assembled(campaign, time_of(campaign), figures, newest_ns, symbols, equity),
                telemetry=telemetry,
                edges=tuple(edges),
                denials=denials_of(campaign),
                positions=positions,
                funnel=funnel,
            )

    async def _equity_now(self) -> EquityFigures:
        now = trio.current_time()
        if self._equity is not None and now - self._equity_at < _EQUITY_SECONDS and self._campaign.ended_by is None:
            return self._equity
        self._equity = await _all_of(self._campaign.state.equity.at_present().figures_in_pieces(_HOLDINGS_AT_ONCE))
        self._equity_at = now
        return self._equity

    async def _funnel_now(self) -> FunnelTotal:
        """Return the funnel of all symbols: of each, all its steps are of one moment."""
        campaign, now = self._campaign, trio.current_time()
        statistics = campaign.state.statistics
        names = list(dict.fromkeys((*campaign.symbols, *statistics.symbols)))
        longest = _FUNNEL_SECONDS * len(names) / 1_000
        if self._funnel is not None and now - self._funnel_at < longest and campaign.ended_by is None:
            return self._funnel
        total = FunnelTotal()
        for first in range(0, len(names), _COUNTED_AT_ONCE):
            for name in names[first : first + _COUNTED_AT_ONCE]:
                task, traded = campaign.symbols.get(name), statistics.symbols.get(name)
                counted = task.funnel if task is not None else None if traded is None else traded.funnel
                total.add(counted, traded)
            await trio.lowlevel.checkpoint()
        self._funnel, self._funnel_at = total, now
        return total

    def _symbols(self) -> Sequence[str]:
        """Return those that are told of: with a position first, then those that traded most, then by name."""
        campaign = self._campaign
        names = list(campaign.symbols)
        if len(names) <= MOST_SYMBOLS:
            return names
        state = campaign.state

        def rank(name: str) -> tuple[bool, int, str]:
            one = state.statistics.symbols.get(name)
            return not state.trades.positions(name), 0 if one is None else -one.sent, name

        return sorted(names, key=rank)[:MOST_SYMBOLS]


async def _all_of(pieces: Generator[None, None, Result]) -> Result:
    """Return what is made in pieces, letting others run after each."""
    try:
        while True:
            next(pieces)
            await trio.lowlevel.checkpoint()
    except StopIteration as made:
        result: Result = made.value
        return result
    finally:
        pieces.close()
