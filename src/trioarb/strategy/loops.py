"""From the quotes of three symbols at one venue to a decision to go around them, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Any

import attrs

from trioarb.model.market import Instrument, InstrumentStatus, Route, Triangle
from trioarb.model.number import BPS
from trioarb.model.order import Side
from trioarb.model.trade import Opportunity, OrderSize, Position, Sighting
from trioarb.quotes.band import Path
from trioarb.quotes.board import QuoteBoard
from trioarb.strategy.decide import Decider, written
from trioarb.strategy.leg import Leg
from trioarb.strategy.sizing import NotSized
from trioarb.strategy.triangle import LoopLegs, loop_edge_bps, size_loop

__all__ = ["Loop", "LoopDecider", "loops_of"]


@attrs.frozen(eq=False)
class Loop(Path):
    """A way around a triangle at one venue: a path that buys and sells its home symbol there, once through the others.

    ``instruments`` and ``boards`` of home, cross and other symbol; ``kept`` is what fees leave of going around.
    """

    triangle: Triangle
    instruments: tuple[Instrument, Instrument, Instrument]
    boards: tuple[QuoteBoard, QuoteBoard, QuoteBoard]
    buys_home: bool
    kept: float

    def edge_bps(self, oldest_ns: int) -> float | None:
        """Return what it earns at the touches; ``None``: one is older, or has no such side."""
        venue, buys_home = self.buy, self.buys_home
        home, cross, other = self.boards
        if min(home.received_ns[venue], cross.received_ns[venue], other.received_ns[venue]) < oldest_ns:
            return None
        first = home.ask[venue] if buys_home else home.bid[venue]
        second = cross.bid[venue] if buys_home else cross.ask[venue]
        third = other.bid[venue] if buys_home else other.ask[venue]
        if not (first > 0.0 and second > 0.0 and third > 0.0):  # NaN where a side is missing
            return None
        return loop_edge_bps(first, second, third, self.kept, buys_home=buys_home)


class LoopDecider(Decider):
    """Decides on loops that begin and end at one home symbol; routes between venues are none to it.

    ``leg_of`` says of a symbol, venue and side what can be traded there now; ``dust_of`` how much of a symbol's base
    asset earlier trades left there; ``is_in_flight`` whether a pair trades it there now.
    """

    __slots__ = ("_bar_of", "_dust_of", "_is_in_flight", "_leg_of", "_loops")

    def __init__(
        self,
        *,
        loops: Sequence[Loop],
        leg_of: Callable[[str, str, Side], Leg],
        dust_of: Callable[[str, str], Decimal],
        is_in_flight: Callable[[str, str], bool],
        **decider: Any,
    ) -> None:
        super().__init__(**decider)
        self._loops = tuple(loops)
        self.enters = bool(self._loops)
        self._leg_of = leg_of
        self._dust_of = dust_of
        self._is_in_flight = is_in_flight
        self._bar_of: Mapping[Route, float] = {}

    def declare(self, positions: Iterable[Position]) -> None:
        """Let the strategy say anew when it wants to be asked: of loops, never of a route between venues."""
        self._bar_of = {loop.route: float(self.strategy.entry_from_bps(loop.route)) for loop in self._loops}
        self._bars = (inf,) * len(self.paths)
        self.entry_from = {path.route: inf for path in self.paths}

    def round_bars(self, now_ns: int) -> None:
        """Loops are looked at one by one."""

    def look(self, now_ns: int) -> tuple[float | None, Sequence[tuple[Path, float]]]:
        """Return the best edge of a loop between fresh quotes, and those to be asked of, in order of their edges.

        Of loops that begin and end at the same symbol of a venue, that is the best one.
        """
        oldest_ns = max(now_ns - self.strategy.max_quote_age_ns, 0)
        best: float | None = None
        asked = dict[Route, tuple[Path, float]]()
        for loop in self._loops:
            edge = loop.edge_bps(oldest_ns)
            if edge is None:
                continue
            if best is None or edge > best:
                best = edge
            route = loop.route
            if edge >= self._bar_of[route] and (route not in asked or edge > asked[route][1]):
                asked[route] = loop, edge
        return best, sorted(asked.values(), key=lambda one: -one[1])

    def edges(self, now_ns: int) -> Iterator[tuple[Route, float | None]]:
        """Yield every loop's route and what going around it would earn, in bps; ``None`` where a quote is old."""
        oldest_ns = max(now_ns - self.strategy.max_quote_age_ns, 0)
        for loop in self._loops:
            yield loop.route, loop.edge_bps(oldest_ns)

    def entry(self, path: Path, wanted: OrderSize, *, is_busy: bool) -> Opportunity | NotSized:
        """Return the loop to go around, or why that can't be. ``is_busy``: a pair of its home is in flight."""
        assert isinstance(path, Loop)
        if is_busy or any(self._is_in_flight(one.symbol, one.venue) for one in path.instruments):
            return NotSized("pair_in_flight")
        return self.size(path, wanted)

    def sight(self, path: Path, edge_bps: float) -> Sighting:
        """Return a loop as it is seen now; what two prices make its edge can't be said."""
        return Sighting(route=path.route, edge_bps=written(edge_bps))

    def size(self, path: Path, wanted: OrderSize) -> Opportunity | NotSized:
        """Return a loop of no more than is wanted, at the present prices."""
        assert isinstance(path, Loop)
        first, then = (Side.BUY, Side.SELL) if path.buys_home else (Side.SELL, Side.BUY)
        venue = path.route.buy_venue
        home, cross, other = (
            self._leg_of(symbol, venue, side)
            for symbol, side in zip(path.triangle.symbols, (first, then, then), strict=True)
        )
        for leg in (home, cross, other):
            if leg.instrument.status is InstrumentStatus.HALTED:
                return NotSized(f"halted.{leg.instrument.symbol}")
        return size_loop(
            LoopLegs(home=home, cross=cross, other=other),
            wanted,
            entry_bps=self.strategy.entry_bps if wanted.entry_bps is None else wanted.entry_bps,
            dust={leg.instrument.base: self._dust_of(leg.instrument.symbol, venue) for leg in (home, other)},
        )


def loops_of(
    triangles: Iterable[Triangle],
    venues: Sequence[str],
    instruments: Mapping[str, Mapping[str, Instrument]],
    boards: Mapping[str, QuoteBoard],
) -> tuple[Loop, ...]:
    """Return both ways around each triangle at each of the venues that lists all of it. ``instruments`` by symbol."""
    found = []
    for triangle in triangles:
        for index, venue in enumerate(venues):
            if not all(venue in instruments.get(symbol, {}) for symbol in triangle.symbols):
                continue
            home, cross, other = (instruments[symbol][venue] for symbol in triangle.symbols)
            keep = [float(1 - one.taker_fee_bps / BPS) for one in (home, cross, other)]
            cost = [float(1 + one.taker_fee_bps / BPS) for one in (home, cross, other)]
            for buys_home in (True, False):
                kept = keep[1] * keep[2] / cost[0] if buys_home else keep[0] / (cost[1] * cost[2])
                found.append(
                    Loop(
                        route=Route(symbol=triangle.home, buy_venue=venue, sell_venue=venue),
                        buy=index,
                        sell=index,
                        cost_buy=cost[0],
                        keep_sell=keep[0],
                        triangle=triangle,
                        instruments=(home, cross, other),
                        boards=(boards[triangle.home], boards[triangle.cross], boards[triangle.other]),
                        buys_home=buys_home,
                        kept=kept,
                    )
                )
    return tuple(found)
