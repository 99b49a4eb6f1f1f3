"""From a symbol's quotes to a decision: enter, leave, or why not. Nothing here waits, records, or counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf, isfinite, nan

import attrs
import msgspec

from trioarb.model.market import Instrument, InstrumentStatus, Route
from trioarb.model.number import BPS
from trioarb.model.order import Side
from trioarb.model.trade import ExitReason, Opportunity, OrderSize, Position, Sighting
from trioarb.plugin.contract import Strategy
from trioarb.quotes.band import Held, Path, edge_bps, exit_asked, net_bps
from trioarb.quotes.board import QuoteBoard, Touch
from trioarb.strategy.leg import Leg, least
from trioarb.strategy.quoting import has_moved, quote_price, size_quote
from trioarb.strategy.sizing import NotSized, both_take, size_entry, size_exit
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Asked", "Decider", "Exit", "Plan", "paths_of", "written"]

#: A route that the strategy wants to be asked about, and its edge.
Asked = tuple[Path, float]


class Plan(msgspec.Struct, frozen=True):
    """How to close a position. ``is_tradable``: both venues would take it; ``is_dust``: it never will be one;
    ``is_crumb``: neither venue would have taken so little at the position's own prices either.

    ``touches``: those of the two venues, buying and selling, that it was made with.
    """

    plan: Opportunity
    is_tradable: bool
    is_dust: bool
    is_crumb: bool
    touches: tuple[Touch | None, Touch | None]


class Exit(msgspec.Struct, frozen=True):
    """A position that is to be closed, why, and how."""

    position: Position
    reason: ExitReason
    found: Plan


class Decider:
    """What one symbol's board, positions and strategy lead to.

    ``leg`` says of a venue what can be traded there now. The strategy's bands are those of the last `declare`.
    """

    __slots__ = (
        "_bars",
        "_board",
        "_dust_usd",
        "_exit_age_ns",
        "_leg",
        "_legs",
        "_path_of",
        "_slippage_bps",
        "enters",
        "entry_from",
        "held",
        "instruments",
        "paths",
        "strategy",
    )

    def __init__(
        self,
        *,
        paths: Sequence[Path],
        instruments: Mapping[str, Instrument],
        board: QuoteBoard,
        strategy: Strategy,
        leg: Callable[[str, Side], Leg],
        slippage_bps: Decimal,
        exit_age_ns: int,
        dust_usd: Decimal,
    ) -> None:
        self.instruments = instruments
        self.strategy = strategy
        #: From which edge on the strategy wants to be asked of each path; none before the first `declare`.
        self.entry_from: Mapping[Route, float] = {}
        #: Whether there is anything to decide on entries of.
        self.enters = True
        #: The open positions and their bands.
        self.held: Sequence[Held] = ()
        self._board = board
        self._leg = leg
        self.price(paths)
        self._bars: Sequence[float] = (inf,) * len(self.paths)
        self._slippage_bps = slippage_bps
        self._exit_age_ns = exit_age_ns
        self._dust_usd = dust_usd

    def price(self, paths: Sequence[Path]) -> None:
        """Take other factors for the same routes, in the same order: rates have changed."""
        self.paths = tuple(paths)
        self._legs = tuple((path, path.buy, path.sell, path.keep_sell, path.cost_buy) for path in self.paths)
        self._path_of = {path.route: path for path in self.paths}
        self.held = tuple(attrs.evolve(one, out=self._path_of[one.out.route]) for one in self.held)

    def declare(self, positions: Iterable[Position]) -> None:
        """Let the strategy say anew when it wants to be asked."""
        strategy = self.strategy
        self.entry_from = {path.route: float(strategy.entry_from_bps(path.route)) for path in self.paths}
        self._bars = tuple(self.entry_from.values())
        self.held = tuple(
            Held.of(position, strategy.exit_band(position), self._path_of[position.route.reversed])
            for position in positions
        )

    @property
    def entry_from_bps(self) -> Sequence[float]:
        """From which edge on the strategy wants to be asked, by path."""
        return self._bars

    @property
    def due_ns(self) -> int | None:
        """When the strategy has to be asked next about an exit, even if no quote comes."""
        due = [one.band.from_ns for one in self.held if one.band.from_ns is not None]
        return min(due) if due else None

    def round_bars(self, now_ns: int) -> Sequence[float] | None:
        """Return `entry_from_bps` if nothing but edges from there on would have anything decided now."""
        board = self._board
        for held in self.held:
            due_ns, bid, ask = held.band.from_ns, board.bid[held.out.sell], board.ask[held.out.buy]
            if (due_ns is not None and now_ns >= due_ns) or exit_asked(held, bid, ask):
                return None
        return self._bars

    def look(self, now_ns: int) -> tuple[float | None, Sequence[Asked]]:
        """Return the best edge of a route between fresh quotes, and all routes that the strategy wants to be asked of.

        Those are in order of their edges, of equal ones in the order of `paths`. There is no best edge if no two
        quotes are fresh and whole.
        """
        board = self._board
        oldest_ns = max(now_ns - self.strategy.max_quote_age_ns, 0)  # before its first quote a venue's time is -1
        best_edge, asked = -inf, list[Asked]()
        bids, asks, received_ns = board.bid, board.ask, board.received_ns
        for (path, buy, sell, keep_sell, cost_buy), bar in zip(self._legs, self._bars, strict=True):
            if received_ns[buy] < oldest_ns or received_ns[sell] < oldest_ns:
                continue
            edge = edge_bps(bids[sell], keep_sell, asks[buy], cost_buy)
            # Both are false where a side is missing: its price is NaN.
            if edge > best_edge:
                best_edge = edge
            if edge >= bar:
                asked.append((path, edge))
        if len(asked) > 1:
            asked.sort(key=_by_edge)
        return (None if best_edge == -inf else best_edge), asked

    def edges(self, now_ns: int) -> Iterator[tuple[Route, float | None]]:
        """Yield every route and what it would earn, in bps; ``None`` where a quote is old, or a side is missing."""
        board = self._board
        oldest_ns = max(now_ns - self.strategy.max_quote_age_ns, 0)
        for path, buy, sell, keep_sell, cost_buy in self._legs:
            edge = nan
            if board.received_ns[buy] >= oldest_ns and board.received_ns[sell] >= oldest_ns:
                edge = edge_bps(board.bid[sell], keep_sell, board.ask[buy], cost_buy)
            yield path.route, edge if isfinite(edge) else None

    def entry(self, path: Path, wanted: OrderSize, *, is_busy: bool) -> Opportunity | NotSized:
        """Return what to enter on a path, or why that can't be. ``is_busy``: a pair of the symbol is in flight."""
        route = path.route
        if is_busy:
            return NotSized("pair_in_flight")
        if halted := self._halted(route):
            return NotSized(f"halted.{halted}")
        return self.size(path, wanted)

    def size(self, path: Path, wanted: OrderSize) -> Opportunity | NotSized:
        """Return an entry of no more than is wanted, at the present prices."""
        route = path.route
        buy, sell = self._leg(route.buy_venue, Side.BUY), self._leg(route.sell_venue, Side.SELL)
        if wanted.quoting is not None:
            return size_quote(route, wanted, wanted.quoting, buy, sell, slippage_bps=self._slippage_bps)
        return size_entry(
            route,
            wanted,
            buy,
            sell,
            entry_bps=self.strategy.entry_bps if wanted.entry_bps is None else wanted.entry_bps,
            slippage_bps=self._slippage_bps if self.strategy.holds else None,
        )

    def sight(self, path: Path, edge_bps: float) -> Sighting:
        """Return a route as it is seen now, in exact decimals."""
        route, edge = path.route, written(edge_bps)
        buy, sell = self._board.touch(route.buy_venue), self._board.touch(route.sell_venue)
        if buy is None or sell is None:
            return Sighting(route=route, edge_bps=edge)
        return Sighting(
            route=route, edge_bps=edge, ask=buy.ask, ask_size=buy.ask_size, bid=sell.bid, bid_size=sell.bid_size
        )

    def rests(self, found: Opportunity, placed_ns: int, now_ns: int) -> tuple[bool, int]:
        """Return whether an entry that is quoted should rest on, and when to look again if no quote comes before."""
        route, quoting, board = found.route, found.quoting, self._board
        assert quoting is not None
        path = self._path_of[route]
        stale_ns = min(board.received_ns[path.buy], board.received_ns[path.sell]) + self.strategy.max_quote_age_ns + 1
        if now_ns >= stale_ns or self._halted(route):
            return False, now_ns
        buy, sell = self._leg(route.buy_venue, Side.BUY), self._leg(route.sell_venue, Side.SELL)
        price = quote_price(quoting, buy, sell)
        if isinstance(price, NotSized):
            return False, now_ns
        if not has_moved(quoting, price, found.buy_limit if quoting.venue == buy.venue else found.sell_limit):
            return True, stale_ns
        due_ns = placed_ns + quoting.least_ns
        return now_ns < due_ns, min(due_ns, stale_ns)

    def exit(self, now_ns: int, paused: Mapping[str, int], leaves: ExitReason | None = None) -> Exit | None:
        """Return the first position that is to be closed and can be; those ``paused`` not before their time.

        ``leaves``: why all of them are, whatever the strategy wants.
        """
        for held in self.held:
            if now_ns < paused.get(held.position.trade_id, 0) or not self.can_close(held.position, now_ns):
                continue
            reason = leaves or self._exit_reason(held, now_ns)
            if reason is not None and (found := self.plan_exit(held.position, reason)).is_tradable:
                return Exit(held.position, reason, found)
        return None

    def _exit_reason(self, held: Held, now_ns: int) -> ExitReason | None:
        """Ask the strategy, if prices or time are within the position's band."""
        board, out = self._board, held.out
        bid, ask = board.bid[out.sell], board.ask[out.buy]
        oldest_ns = now_ns - self.strategy.max_quote_age_ns
        is_fresh = board.received_ns[out.sell] >= oldest_ns and board.received_ns[out.buy] >= oldest_ns
        is_due = held.band.from_ns is not None and now_ns >= held.band.from_ns
        if not is_due and not (is_fresh and exit_asked(held, bid, ask)):
            return None
        edge = edge_bps(bid, out.keep_sell, ask, out.cost_buy)
        reason = self.strategy.exit(held.position, edge, net_bps(held, bid, ask), now_ns)
        return reason if is_fresh or reason is ExitReason.MAX_HOLDING else None

    def can_close(self, position: Position, now_ns: int) -> bool:
        """Return whether there is a bid where the position is long, and an ask where it is short, neither too old."""
        out, board, oldest_ns = self._path_of[position.route.reversed], self._board, now_ns - self._exit_age_ns
        return (
            board.bid[out.sell] > 0.0
            and board.ask[out.buy] > 0.0
            and board.received_ns[out.sell] >= oldest_ns
            and board.received_ns[out.buy] >= oldest_ns
            and not self._halted(out.route)
        )

    def _halted(self, route: Route) -> str:
        """Return a venue of a route where the symbol is halted, or ''."""
        instruments = self.instruments
        for venue in (route.buy_venue, route.sell_venue):
            if instruments[venue].status is InstrumentStatus.HALTED:
                return venue
        return ""

    def why_open(self, position: Position, now_ns: int) -> str:
        """Return what is in the way of closing a position now, to follow in a sentence; empty if that isn't known."""
        out, board = self._path_of[position.route.reversed], self._board
        if halted := self._halted(out.route):
            return f"; the symbol is halted at {halted}"
        for venue, prices in ((out.sell, board.bid), (out.buy, board.ask)):
            if not prices[venue] > 0.0:
                return f"; {board.venues[venue]} shows no price to close it at"
        plan = self.plan_exit(position, ExitReason.CAMPAIGN_END).plan
        small = [
            leg.venue
            for leg, limit in (
                (self._leg(plan.route.buy_venue, Side.BUY), plan.buy_limit),
                (self._leg(plan.route.sell_venue, Side.SELL), plan.sell_limit),
            )
            if not leg.takes(leg.lots(position.quantity), limit)
        ]
        if small:
            return f"; it is too small for {' and '.join(sorted(small))} at the present prices"
        age_ns, silent = max((now_ns - board.received_ns[venue], board.venues[venue]) for venue in (out.buy, out.sell))
        return f"; the last quote of {silent} is {age_ns / SECOND_NS:.0f} s old" if age_ns > self._exit_age_ns else ""

    def plan_exit(self, position: Position, reason: ExitReason) -> Plan:
        """Return how to close a position that can be closed."""
        route = position.route.reversed
        buy, sell = self._leg(route.buy_venue, Side.BUY), self._leg(route.sell_venue, Side.SELL)
        plan = size_exit(
            position.quantity,
            buy,
            sell,
            slippage_bps=self._slippage_bps if reason.forced else None,
            least_bps=self.strategy.exit_bps if reason is ExitReason.EDGE else None,
        )
        is_tradable = both_take(plan.quantity, plan, buy, sell)
        is_dust = not is_tradable and self._is_dust(position, plan, buy, sell)
        is_crumb = not is_tradable and self._is_crumb(position, buy, sell)
        return Plan(plan, is_tradable, is_dust, is_crumb, (buy.touch, sell.touch))

    def _is_dust(self, position: Position, plan: Opportunity, buy: Leg, sell: Leg) -> bool:
        """Return whether no venue would take a position, and it is worth next to nothing."""
        quantity = position.quantity
        higher_usd = max(plan.buy_limit * buy.usd_per_quote, plan.sell_limit * sell.usd_per_quote)
        return quantity * higher_usd < self._dust_usd and all(
            quantity < least(leg.instrument, limit)
            for leg, limit in ((buy, plan.buy_limit), (sell, plan.sell_limit))
            if limit
        )

    @staticmethod
    def _is_crumb(position: Position, buy: Leg, sell: Leg) -> bool:
        """Return whether a position was never large enough to be closed: what an entry or an exit in part left.

        One that was, and fell in value, may be so again.
        """
        own = (buy, position.sell_price), (sell, position.buy_price)
        return all(leg.fx_rate is None and position.quantity < least(leg.instrument, price) for leg, price in own)

    def has_same_quotes(self, plan: Opportunity, touches: tuple[Touch | None, Touch | None]) -> bool:
        """Return whether the quotes of a plan's venues are still those that it was made with."""
        touch, route = self._board.touch, plan.route
        return touch(route.buy_venue) is touches[0] and touch(route.sell_venue) is touches[1]


def _by_edge(asked: Asked) -> float:
    return -asked[1]


def written(edge_bps: float) -> Decimal | None:
    """Return an edge as events have it; ``None``: it is beyond all numbers."""
    return Decimal(f"{edge_bps:.6f}") if isfinite(edge_bps) else None


def paths_of(symbol: str, venues: Sequence[str], instruments: Mapping[str, Instrument]) -> tuple[Path, ...]:
    """Return every ordered pair of venues that list a symbol; ``venues`` are those of its board."""
    listed = [venue for venue in venues if venue in instruments]
    return tuple(
        Path(
            route=Route(symbol=symbol, buy_venue=buy, sell_venue=sell),
            buy=venues.index(buy),
            sell=venues.index(sell),
            cost_buy=float(1 + instruments[buy].taker_fee_bps / BPS),
            keep_sell=float(1 - instruments[sell].taker_fee_bps / BPS),
        )
        for buy in listed
        for sell in listed
        if buy != sell
    )
