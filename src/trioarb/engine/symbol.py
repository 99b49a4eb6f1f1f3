"""One symbol: from its quotes to a decision, synchronously; and the task that executes what was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from math import inf
from sys import maxsize
from time import perf_counter_ns

import attrs
import trio

from trioarb.engine.parts import Parts
from trioarb.model.event import Deposited, FunnelCounted, PairOpened
from trioarb.model.market import Route
from trioarb.model.number import BPS, EXACT
from trioarb.model.order import Side
from trioarb.model.trade import Answer, ExitReason, Opportunity, Position
from trioarb.plugin.contract import QuoteSink, Strategy
from trioarb.state.funnel import Funnel, Passed
from trioarb.strategy.edge import edge_bps
from trioarb.strategy.market import Market
from trioarb.strategy.sizing import NotSized, both_take, size_entry, size_exit
from trioarb.time.campaign_time import Turn

__all__ = ["Path", "SymbolTask"]

#: Of so many evaluations, one is timed.
_TIME_EVERY = 64

#: What rounding could add to an edge.
_SLACK_BPS = 1e-7

#: Pause after an exit that closed nothing.
_RETRY_CLOSE_NS = 200_000_000


@attrs.frozen
class _Exit:
    position: Position
    reason: ExitReason


@attrs.frozen
class Path:
    """A route and what its edge is made of: indices of the venues, fees as factors."""

    route: Route
    buy: int
    sell: int
    cost_buy: float
    keep_sell: float


class SymbolTask:
    """State of one symbol. Quotes come in through `sink`; `run` is its task.

    At most one pair is in flight: a decided one waits in ``_work`` until the task takes it, and nothing else is
    decided meanwhile. ``fenced``: the campaign ends, and an entry that was not begun never will be.

    ``highest_edge_bps`` is the most that was ever seen: nothing is decided by it.

    Most quotes change nothing. Up to the evaluation ``_closer_at``, as long as both quotes of each route are fresh and
    no ratio of what is received to what is paid exceeds ``_bar``, no edge is the highest so far or one that the
    strategy wants to be asked about: such a quote is counted, and that is all.

    ``on_change`` is called when it begins or ends to evaluate quotes, or begins anew: whoever passes quotes over has
    to think again.
    """

    __slots__ = (
        "_active",
        "_asked_from_bps",
        "_bar",
        "_bell",
        "_board",
        "_closer_at",
        "_entries_open",
        "_every_quote",
        "_executing",
        "_failure",
        "_funnel",
        "_held",
        "_legs",
        "_max_age_ns",
        "_most_iterations",
        "_on_done",
        "_parts",
        "_path_of",
        "_paused",
        "_timed_at",
        "_unread",
        "_work",
        "fenced",
        "highest_edge_bps",
        "market",
        "on_change",
        "paths",
        "retired",
        "strategy",
        "symbol",
    )

    def __init__(self, *, market: Market, strategy: Strategy, parts: Parts, on_done: Callable[[], None]) -> None:
        self.symbol = market.symbol
        self.market = market
        self.strategy = strategy
        self.on_change: Callable[[], None] = _nothing
        self._funnel = Funnel()
        self.fenced = False
        self._entries_open = True
        self.highest_edge_bps: float | None = None
        self._parts = parts
        self._on_done = on_done
        self._board = market.board
        self.paths = _paths(market)
        self._legs = tuple((path, path.buy, path.sell, path.keep_sell, path.cost_buy) for path in self.paths)
        self._path_of = {path.route: path for path in self.paths}
        self._every_quote = parts.limits.interval_ns == 0
        self._most_iterations = maxsize if parts.limits.max_iterations is None else parts.limits.max_iterations
        self._max_age_ns = strategy.max_quote_age_ns
        self._asked_from_bps = strategy.asked_from_bps
        self._bar = 0.0
        self._closer_at = self._timed_at = 0
        self._held = parts.trades.held
        self._unread = [False] * len(market.board.venues)
        self._work: PairOpened | _Exit | None = None
        self._executing = False
        self._paused: dict[str, int] = {}
        self._failure: Exception | None = None
        self._active = True
        self.retired = False
        self._bell = parts.time.bell(Turn.SYMBOL.order(symbol=market.symbol))

    @property
    def funnel(self) -> Funnel:
        self._board.catch_up()
        return self._funnel

    @property
    def limit_reached(self) -> bool:
        return self._funnel.iterations >= self._most_iterations

    @property
    def is_evaluating(self) -> bool:
        """Whether every quote is evaluated for an entry."""
        return self._active and self._every_quote and self._entries_open and not self.fenced and not self.limit_reached

    @property
    def iterations_left(self) -> int:
        """After how many evaluations entries end."""
        return self._most_iterations - self._funnel.iterations

    @property
    def done(self) -> bool:
        """Whether no entry will come any more, and no pair is in flight."""
        return self.retired or (self.limit_reached and self._work is None and not self._executing)

    @property
    def best_edge_bps(self) -> float | None:
        """The best edge between the quotes that were fresh when the newest came."""
        self._board.catch_up()
        found = self._best_path(max(self._board.received_ns))
        return None if found is None else found[1]

    def sink(self, venue: str) -> QuoteSink:
        """Return what a venue's market data calls with every quote of this symbol.

        A quote that is no number, not positive, crossed, or older than the one before is refused.
        """
        index, symbol, held, max_age_ns = self._board.venues.index(venue), self.symbol, self._held, self._max_age_ns
        bids, bid_sizes, asks, ask_sizes = self._board.bid, self._board.bid_size, self._board.ask, self._board.ask_size
        times_ns, serials = self._board.received_ns, self._board.serial
        keeps, costs = (
            {path.sell: path.keep_sell for path in self.paths},
            {path.buy: path.cost_buy for path in self.paths},
        )
        keep_sell, cost_buy = keeps[index], costs[index]
        paced, unread = not self._every_quote, self._unread
        others = tuple((other, keeps[other], costs[other]) for other in keeps if other != index)
        elsewhere = tuple(
            (path.sell, path.keep_sell, path.buy, path.cost_buy)
            for path in self.paths
            if index not in (path.buy, path.sell)
        )

        def on_quote(
            bid: float,
            bid_size: float,
            ask: float,
            ask_size: float,
            received_ns: int,
            venue_ts_ns: int | None = None,
            /,
        ) -> None:
            funnel = self._funnel
            funnel.seen += 1
            if not (
                0.0 < bid <= ask < inf
                and 0.0 < bid_size < inf
                and 0.0 < ask_size < inf
                and received_ns >= times_ns[index]
            ):
                funnel.refused += 1
                return
            bids[index] = bid
            bid_sizes[index] = bid_size
            asks[index] = ask
            ask_sizes[index] = ask_size
            times_ns[index] = received_ns
            serials[index] += 1
            if paced and serials[index] > 1:
                if self._active:
                    funnel.conflated += unread[index]
                    unread[index] = True
                return
            if funnel.iterations < self._closer_at and symbol not in held:
                oldest_ns, bar, has_edge = received_ns - max_age_ns, self._bar, False
                for other, keep, cost in others:
                    sold, bought = bid * keep_sell / (asks[other] * cost), bids[other] * keep / (ask * cost_buy)
                    if sold > bar or bought > bar or times_ns[other] < oldest_ns:
                        break
                    if sold > 1.0 or bought > 1.0:
                        has_edge = True
                else:
                    for sell, keep, buy, cost in elsewhere:
                        ratio = bids[sell] * keep / (asks[buy] * cost)
                        if ratio > bar:
                            break
                        if ratio > 1.0:
                            has_edge = True
                    else:
                        funnel.iterations += 1
                        if has_edge:
                            funnel.edge_positive += 1
                        return
            self._take_in(venue, index, received_ns)

        return on_quote

    def _take_in(self, venue: str, index: int, received_ns: int) -> None:
        """Do what a quote asks for that is on the board already."""
        try:
            if self._board.serial[index] == 1:
                self._seed_inventory(venue, index)
            if self._active and self._every_quote:
                self.evaluate(received_ns)
                self._set_bar()
        except Exception as error:  # the symbol's fault, not the feed's
            self._fail(error)
        self._unread[index] = self._active and not self._every_quote

    def tick(self) -> None:
        """Evaluate the latest quotes, unless a pair is in flight."""
        if self._active and self._work is None and not self._executing:
            self._unread[:] = [False] * len(self._unread)
            try:
                self.evaluate(self._parts.time.now_ns())
            except Exception as error:  # the symbol's fault, not that of the others
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Evaluate no more, and let `run` raise it."""
        self._failure = error
        self._active, self._closer_at = False, 0
        self._bell.ring()

    def _set_bar(self) -> None:
        """Work out again up to which ratio of prices nothing has to be done, and for how many evaluations."""
        highest_bps, asked_from_bps, received_ns = self.highest_edge_bps, self._asked_from_bps, self._board.received_ns
        if (
            highest_bps is None
            or asked_from_bps is None
            or not self.is_evaluating
            or any(received_ns[leg[1]] < 0 for leg in self._legs)
        ):
            self._closer_at = 0
        else:
            self._closer_at = min(self._timed_at, self._most_iterations - 1)
            self._bar = 1 + (min(highest_bps, asked_from_bps) - _SLACK_BPS) / 1e4

    def pass_over(self, passed: Passed) -> None:
        """Count quotes that no evaluation could act upon."""
        funnel, accepted = self._funnel, passed.seen - passed.refused
        funnel.seen += passed.seen
        funnel.refused += passed.refused
        if accepted and self.is_evaluating:
            funnel.iterations += accepted
            funnel.stale += accepted - passed.fresh
            funnel.edge_positive += passed.edge_positive
            highest = passed.highest_edge_bps
            if highest is not None and (self.highest_edge_bps is None or highest > self.highest_edge_bps):
                self.highest_edge_bps = highest

    def fence(self) -> None:
        """Let no entry be decided or begun any more."""
        self._board.catch_up()
        self.fenced = True
        self._closer_at = 0

    def ask_always(self) -> None:
        """Ask the strategy at every evaluation, also where it says that it would not enter."""
        self._asked_from_bps = None

    async def run(self, *, entries: bool, until_ns: int | None = None) -> None:
        """Execute what is decided until ``until_ns``, or until cancelled; without ``entries`` only exits.

        Raises:
            Exception: whatever strategy or evaluation raised, a pair in flight being finished before.
        """
        self._board.catch_up()
        self._entries_open, self._active, self._closer_at = entries, True, 0
        self.on_change()
        if entries and self.done:
            self._on_done()
        try:
            await self._run(until_ns)
        except Exception:
            self._active, self._closer_at, self._failure = False, 0, None
            raise

    async def _run(self, until_ns: int | None) -> None:
        time = self._parts.time
        while until_ns is None or time.now_ns() < until_ns:
            if self._work is not None:
                if self.fenced and isinstance(self._work, PairOpened):
                    await trio.sleep_forever()  # the scope around this task is cancelled already
                await self._execute()
                if self.done:
                    self._on_done()
                # A pair is shielded: without this, one after the other could keep the campaign from its end.
                await trio.lowlevel.checkpoint_if_cancelled()
                continue
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            now_ns = time.now_ns()
            self._board.catch_up()
            wake_ns = self._exit_due_ns()
            if wake_ns is not None and now_ns >= wake_ns:
                self._decide_exit(now_ns)
                wake_ns = now_ns + _RETRY_CLOSE_NS
                if self._work is not None:
                    continue
            await self._bell.wait(min((at_ns for at_ns in (wake_ns, until_ns) if at_ns is not None), default=None))

    def take_up(self, counted: FunnelCounted | None) -> None:
        """Go on with the counters that the journal holds; act on no quote before `run`."""
        self._active, self._closer_at = False, 0
        if counted is not None:
            self._funnel = Funnel.of(counted)
            self.highest_edge_bps = counted.highest_edge_bps

    def stop(self) -> PairOpened | None:
        """Evaluate no more. Return an entry that was decided but not begun; it is the caller's to end."""
        self._board.catch_up()
        self._active, self._closer_at = False, 0
        work, self._work = self._work, None
        return work if isinstance(work, PairOpened) else None

    async def close_positions(self, reason: ExitReason) -> None:
        """Close everything, trying until it is closed or the caller is cancelled (between two pairs)."""
        await self.take_turn()
        while positions := self._parts.trades.positions(self.symbol):
            for position in filter(self._is_quoted, positions):
                plan, is_tradable = self._plan_exit(position, reason)
                if is_tradable:
                    await self._parts.executor.exit(self.market, position, plan, reason)
                elif self._is_too_small(position, plan):
                    self._parts.executor.write_off(self.market, position, plan, reason)
                await trio.lowlevel.checkpoint_if_cancelled()
            if self._parts.trades.positions(self.symbol):
                await self.take_turn(at_ns=self._parts.time.now_ns() + _RETRY_CLOSE_NS)

    async def take_turn(self, *, at_ns: int = 0) -> None:
        """Wait until it is this symbol's turn among all that are due at ``at_ns``, or now if that is past."""
        time = self._parts.time
        await time.sleep_until(max(at_ns, time.now_ns()), Turn.SYMBOL.order(symbol=self.symbol))

    def evaluate(self, now_ns: int) -> None:
        """Decide on exits and on an entry. Synchronous: between the check of a guard and its reservation, no await."""
        iterations = self._funnel.iterations
        is_timed = iterations >= self._timed_at
        if is_timed:
            self._timed_at = iterations + _TIME_EVERY
        started_ns = perf_counter_ns() if is_timed else 0
        if self.symbol in self._held and self._work is None and not self._executing:
            self._decide_exit(now_ns)
        if self._entries_open and not self.fenced and iterations < self._most_iterations:
            self._decide_entry(now_ns)
            if iterations + 1 >= self._most_iterations and self.done:
                self._on_done()
        if is_timed:
            self._parts.latency.add(perf_counter_ns() - started_ns)

    def _decide_entry(self, now_ns: int) -> None:
        funnel = self._funnel
        funnel.iterations += 1
        found = self._best_path(now_ns)
        if found is None:
            funnel.stale += 1
            return
        best, best_edge = found
        if self.highest_edge_bps is None or best_edge > self.highest_edge_bps:
            self.highest_edge_bps = best_edge
        if best_edge > 0:
            funnel.edge_positive += 1
        if self._asked_from_bps is not None and best_edge < self._asked_from_bps:
            return
        wanted = self.strategy.entry(best.route, best_edge, now_ns)
        if wanted is None:
            return
        funnel.over_threshold += 1
        if self._work is not None or self._executing:
            funnel.not_sized["pair_in_flight"] += 1
            return
        opportunity = size_entry(
            best.route,
            wanted,
            self.market.leg(best.route.buy_venue, Side.BUY),
            self.market.leg(best.route.sell_venue, Side.SELL),
            entry_bps=self.strategy.entry_bps,
        )
        if isinstance(opportunity, NotSized):
            funnel.not_sized[opportunity.reason] += 1
            return
        funnel.sized += 1
        executor = self._parts.executor
        decision = self._parts.guards.decide(opportunity, now_ns, pair_id=executor.next_pair_id)
        if decision.answer is Answer.ALLOW:
            self._work = executor.open_entry(opportunity)
            self._bell.ring()

    def _best_path(self, now_ns: int) -> tuple[Path, float] | None:
        """Return the route of the highest edge between quotes that are fresh, and that edge."""
        board = self._board
        oldest_ns = now_ns - self._max_age_ns
        if oldest_ns < 0:
            oldest_ns = 0  # before the first quote a time is -1
        best: Path | None = None
        best_edge = 0.0
        bids, asks, received_ns = board.bid, board.ask, board.received_ns
        for path, buy, sell, keep_sell, cost_buy in self._legs:
            if received_ns[buy] < oldest_ns or received_ns[sell] < oldest_ns:
                continue
            edge = edge_bps(bids[sell], keep_sell, asks[buy], cost_buy)
            if best is None or edge > best_edge:
                best, best_edge = path, edge
        return None if best is None else (best, best_edge)

    def _decide_exit(self, now_ns: int) -> None:
        for position in self._parts.trades.positions(self.symbol):
            if now_ns < self._paused.get(position.trade_id, 0) or not self._is_quoted(position):
                continue
            reason = self._exit_reason(position, now_ns)
            if reason is None:
                continue
            if self._plan_exit(position, reason)[1]:
                self._work = _Exit(position, reason)
                self._bell.ring()
                return

    def _is_quoted(self, position: Position) -> bool:
        """Return whether both venues had a quote; after a crash, positions are there before the first."""
        return self.market.is_quoted(position.route.buy_venue, position.route.sell_venue)

    def _exit_reason(self, position: Position, now_ns: int) -> ExitReason | None:
        board, path = self._board, self._path_of[position.route.reversed]
        long, short = path.sell, path.buy
        edge = edge_bps(board.bid[long], path.keep_sell, board.ask[short], path.cost_buy)
        reason = self.strategy.exit(position, edge, self._net_bps(position), now_ns)
        oldest_ns = now_ns - self.strategy.max_quote_age_ns
        fresh = board.received_ns[long] >= oldest_ns and board.received_ns[short] >= oldest_ns
        return reason if fresh or reason is ExitReason.MAX_HOLDING else None

    def _net_bps(self, position: Position) -> float:
        """Return PnL if closed at the touch, fees paid, of quantity × entry buy price."""
        board, path = self._board, self._path_of[position.route.reversed]
        quantity = float(position.quantity)
        mark = board.bid[path.sell] * path.keep_sell - board.ask[path.buy] * path.cost_buy
        return 1e4 * (float(position.cash - position.fees) + quantity * mark) / (quantity * float(position.buy_price))

    def unrealised_usd(self, position: Position) -> Decimal | None:
        """Return PnL if closed at the touch, fees paid, to the last digit; ``None`` without quotes."""
        long, short = self._board.touch(position.route.buy_venue), self._board.touch(position.route.sell_venue)
        if long is None or short is None:
            return None
        instruments = self.market.instruments
        with localcontext(EXACT):
            received = long.bid * (BPS - instruments[position.route.buy_venue].taker_fee_bps)
            paid = short.ask * (BPS + instruments[position.route.sell_venue].taker_fee_bps)
            mark = position.quantity * (received - paid) / BPS
            return (mark + position.cash - position.fees) * self.market.usd_per_quote

    def _plan_exit(self, position: Position, reason: ExitReason) -> tuple[Opportunity, bool]:
        """Return how to close the position, and whether both venues would take it."""
        route = position.route.reversed
        buy, sell = self.market.leg(route.buy_venue, Side.BUY), self.market.leg(route.sell_venue, Side.SELL)
        slippage_bps = self._parts.limits.slippage_bps if reason.forced else None
        plan = size_exit(position.quantity, buy, sell, slippage_bps=slippage_bps)
        return plan, both_take(plan, buy, sell)

    def _is_too_small(self, position: Position, plan: Opportunity) -> bool:
        """Return whether the venues would not take the whole position either."""
        route = plan.route
        buy, sell = self.market.leg(route.buy_venue, Side.BUY), self.market.leg(route.sell_venue, Side.SELL)
        return not both_take(attrs.evolve(plan, quantity=position.quantity), buy, sell)

    def _exit_due_ns(self) -> int | None:
        due = (self.strategy.wake_at_ns(position) for position in self._parts.trades.positions(self.symbol))
        return min((at_ns for at_ns in due if at_ns is not None), default=None)

    async def _execute(self) -> None:
        work, self._work, self._executing = self._work, None, True
        try:
            if isinstance(work, PairOpened):
                await self._parts.executor.enter(self.market, work)
            elif work is not None:
                await self._exit(work)
        finally:
            self._executing = False

    async def _exit(self, work: _Exit) -> None:
        """Execute an exit; one that closed nothing is not tried again at once."""
        position = work.position
        # Planned again: since the decision, another symbol may have spent what it needs.
        plan, is_tradable = self._plan_exit(position, work.reason)
        if is_tradable:
            await self._parts.executor.exit(self.market, position, plan, work.reason)
        self._paused.pop(position.trade_id, None)
        if position in self._parts.trades.positions(self.symbol):
            self._paused[position.trade_id] = self._parts.time.now_ns() + _RETRY_CLOSE_NS

    def _seed_inventory(self, venue: str, index: int) -> None:
        quote, instrument = self._board.quote(index), self.market.instruments.get(venue)
        if quote is None or instrument is None:
            return
        granted = self._parts.venues[venue].seed_inventory(instrument, quote)
        if granted:
            self._parts.journal.record(
                Deposited(venue=venue, asset=instrument.base, amount=granted, reason="inventory", symbol=self.symbol)
            )


def _nothing() -> None:
    pass


def _paths(market: Market) -> Sequence[Path]:
    """Return every ordered pair of venues that list the symbol."""
    venues = market.board.venues
    listed = [venue for venue in venues if venue in market.instruments]
    return tuple(
        Path(
            route=Route(symbol=market.symbol, buy_venue=buy, sell_venue=sell),
            buy=venues.index(buy),
            sell=venues.index(sell),
            cost_buy=float(1 + market.instruments[buy].taker_fee_bps / BPS),
            keep_sell=float(1 - market.instruments[sell].taker_fee_bps / BPS),
        )
        for buy in listed
        for sell in listed
        if buy != sell
    )
