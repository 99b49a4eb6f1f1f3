"""One symbol: its quotes are evaluated synchronously, and its task executes what was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from math import inf, nextafter
from sys import maxsize
from time import perf_counter_ns
from typing import Any

import trio

from trioarb.engine.parts import Parts
from trioarb.execution.executor import Rest
from trioarb.execution.quoter import Quoted
from trioarb.model.event import Deposited, FunnelCounted, Intent, RouteCounted
from trioarb.model.market import Route
from trioarb.model.number import ZERO
from trioarb.model.order import Side
from trioarb.model.trade import Answer, ExitReason, Opportunity, OrderSize, Position
from trioarb.plugin.contract import QuoteSink, Strategy
from trioarb.quotes.band import Path
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.rounds import Passed
from trioarb.quotes.sinks import Fees, Skipped, Source, sinks_of
from trioarb.state.funnel import Funnel
from trioarb.strategy.decide import Decider, Exit, Plan, paths_of
from trioarb.strategy.leg import Leg
from trioarb.strategy.loops import Loop, LoopDecider
from trioarb.strategy.market import Market
from trioarb.strategy.sizing import NotSized
from trioarb.time.campaign_time import Turn

__all__ = ["SymbolTask"]

#: Of so many evaluations, one is timed.
_TIME_EVERY = 64

#: Pause after an exit that closed nothing.
_RETRY_CLOSE_NS = 200_000_000
#: Nothing comes after that a position could go along with.
_AT_END = frozenset({ExitReason.CAMPAIGN_END, ExitReason.EMERGENCY_STOP, ExitReason.FLATTENED})


class SymbolTask:
    """State of one symbol. Its quotes come by `show`, from whatever `Source` it follows; `run` is its task.

    At most one pair is in flight: a decided one waits in ``_work`` until the task takes it, and nothing else is
    decided meanwhile. ``fenced``: the campaign ends, and an entry that was not begun never will be.

    ``dropped``: the universe has it no more; it takes no entries. ``supervised``: somebody runs it.

    ``highest_edge_bps`` is the most that was ever seen: nothing is decided by it.
    """

    __slots__ = (
        "_active",
        "_bell",
        "_board",
        "_decided_seq",
        "_decider",
        "_declared",
        "_entries_open",
        "_every_quote",
        "_failure",
        "_funnel",
        "_has_news",
        "_is_seeded",
        "_leaves",
        "_most_iterations",
        "_on_done",
        "_parts",
        "_paused",
        "_quoted",
        "_quoted_ns",
        "_rest",
        "_source",
        "_timed_at",
        "_unpriced",
        "_unread",
        "_work",
        "dropped",
        "fenced",
        "highest_edge_bps",
        "market",
        "retired",
        "strategy",
        "supervised",
        "symbol",
    )

    def __init__(
        self,
        *,
        market: Market,
        strategy: Strategy,
        parts: Parts,
        on_done: Callable[[], None],
        loops: Sequence[Loop] | None = None,
    ) -> None:
        self.symbol = market.symbol
        self.market = market
        self.strategy = strategy
        self._source: Source = _NoQuotes()
        self._funnel = Funnel()
        self.fenced = False
        self.dropped = False
        self.supervised = False
        self._entries_open = True
        self.highest_edge_bps: float | None = None
        self._parts = parts
        self._on_done = on_done
        self._board = market.board
        self._board.followed.on_change = lambda: self._source.ask_again()
        decider = Decider if loops is None else partial(LoopDecider, **_loop_views(parts), loops=loops)
        #: Its routes by fees alone: what comes of rates is another at each of their quotes.
        self._unpriced = paths_of(market.symbol, market.board.venues, market.instruments)
        self._decider: Decider = decider(
            paths=market.priced(self._unpriced) if market.rates else self._unpriced,
            instruments=market.instruments,
            board=market.board,
            strategy=strategy,
            leg=market.leg,
            slippage_bps=parts.limits.slippage_bps,
            exit_age_ns=parts.limits.exit_age_ns,
            dust_usd=parts.limits.dust_usd,
        )
        self._every_quote = parts.limits.interval_ns == 0
        self._most_iterations = maxsize if parts.limits.max_iterations is None else parts.limits.max_iterations
        self._has_news = True
        #: The positions of which the strategy declared its bands last.
        self._declared: Sequence[Position] = ()
        self._timed_at = 0
        self._is_seeded = [False] * len(market.board.venues)
        self._unread = [False] * len(market.board.venues)
        self._work: Intent | Quoted | Exit | None = None
        #: The entry that is quoted, and when one was last.
        self._quoted: Quoted | None = None
        self._quoted_ns = -maxsize
        self._decided_seq = 0
        self._rest: Rest | None = None
        self._paused: dict[str, int] = {}
        self._failure: Exception | None = None
        self._leaves: ExitReason | None = None
        self._active = True
        self.retired = False
        self._bell = parts.time.bell(Turn.SYMBOL.order(symbol=market.symbol), self._execute_at_once)

    @property
    def paths(self) -> Sequence[Path]:
        """Its routes; where rates are in them, by fees alone."""
        return self._unpriced if self.market.rates else self._decider.paths

    @property
    def board(self) -> QuoteBoard:
        return self._board

    @property
    def max_quote_age_ns(self) -> int:
        return self.strategy.max_quote_age_ns

    @property
    def funnel(self) -> Funnel:
        """Where its quotes went, up to now."""
        self._source.count()
        return self._funnel

    @property
    def limit_reached(self) -> bool:
        return self._funnel.iterations >= self._most_iterations

    @property
    def is_evaluating(self) -> bool:
        """Whether every quote is evaluated for an entry."""
        enters = self._entries_open and not self.fenced and self._decider.enters
        return self._active and self._every_quote and enters and not self.limit_reached

    @property
    def iterations_left(self) -> int:
        """After how many evaluations entries end."""
        return self._most_iterations - self._funnel.iterations

    @property
    def done(self) -> bool:
        """Whether no entry will come any more, and no pair is in flight."""
        is_through = self.limit_reached or not self._decider.enters
        return self.retired or self.dropped or (is_through and self._work is None and self._rest is None)

    @property
    def best_edge_bps(self) -> float | None:
        """The best edge between the quotes that were fresh when the newest came."""
        self._source.put()
        return self._decider.look(max(self._board.received_ns))[0]

    def edges_bps(self) -> Iterator[tuple[Route, float | None]]:
        """Yield every route and its edge, between the quotes that were fresh when the newest came."""
        self._source.put()
        return self._decider.edges(max(self._board.received_ns))

    def why_open(self, position: Position) -> str:
        """Return what is in the way of closing a position now, to follow in a sentence; empty if that isn't known."""
        return self._decider.why_open(position, self._parts.time.now_ns())

    def follow(self, source: Source) -> None:
        """Take quotes from a source, which is told when it has to show others."""
        self._source.count()
        self._source = self._board.source = source

    def sinks(self) -> Mapping[str, QuoteSink]:
        """Return, by venue, what market data calls with every quote of this symbol; they are its source from now on.

        A price or size that is NaN or 0 withdraws its side. What is negative, infinite or crossed is refused, and the
        venue's quote leaves the board; what is older than the quote before is refused.
        """
        fees = {
            path.sell: Fees(path.keep_sell, other.cost_buy)
            for path in self.paths
            for other in self.paths
            if path.sell == other.buy
        }
        sinks = sinks_of(
            self._board, fees, self.max_quote_age_ns, show=self.show, skip=self.skip, skippable=self.skippable
        )
        self.follow(sinks)
        return {self._board.venues[venue]: sink for venue, sink in sinks.of.items()}

    def show(self, venue: int, received_ns: int) -> None:
        """Do what a quote asks for that is on the board already."""
        self._funnel.seen += 1
        if self._board.followed:
            self._board.followed.tell(venue)
        if self._quoted is not None:
            self._quoted.look()
        is_first = not self._is_seeded[venue] and self._board.is_whole(venue)
        if not self._every_quote:
            self._keep(venue)
            if not is_first:
                return
        try:
            if is_first:
                self._is_seeded[venue] = True
                self._seed_inventory(venue)
            if self._active and self._every_quote:
                self.evaluate(received_ns, received_ns)
        except Exception as error:  # the symbol's fault, not the feed's
            self._fail(error)

    @property
    def wants_all(self) -> bool:
        """Whether every quote has to be shown: an order rests, or rates are in it."""
        return bool(self._board.followed) or bool(self.market.rates)

    def reprice(self) -> None:
        """Take the rates as they are now."""
        self._decider.price(self.market.priced(self._unpriced))

    def reconsider(self, now_ns: int) -> None:
        """Look again, since a rate is another; not where quotes are looked at in rounds of a loop."""
        self._source.ask_again()
        if self._active and self._every_quote:
            try:
                self.evaluate(now_ns)
            except Exception as error:  # the symbol's fault, not that of the rate
                self._fail(error)

    def awaits_first(self, venue: int) -> bool:
        """Return whether a venue's first whole quote has to be shown, even if no band asks for it."""
        return not self._every_quote or self._parts.venues[self._board.venues[venue]].grants_inventory

    def look_around(self) -> None:
        """Evaluate because of a quote of another symbol, through which a loop of this one goes."""
        if self._active and self._every_quote:
            try:
                self.evaluate(self._parts.time.now_ns())
            except Exception as error:  # this symbol's fault, not that of the other
                self._fail(error)

    def _keep(self, venue: int) -> None:
        """Take note of a quote that waits to be read in the next round of the loop; of several the last one is."""
        if self._active and not self._source.is_in_rounds:
            self._funnel.conflated += self._unread[venue]
            self._unread[venue] = True

    @property
    def is_reading(self) -> bool:
        """Whether quotes wait to be read in the next round of the loop."""
        return self._active

    def round_bars(self, now_ns: int) -> Sequence[float] | None:
        """Return from which edge of each path on it has to look; ``None``: it has to, whatever the edges."""
        # Asked of every symbol in every round: so nothing is called before it has to be.
        if self._has_news or self._work is not None or self._rest is not None or self._quoted is not None:
            return None
        decider = self._decider
        if self.fenced or not (self._active and self._entries_open and decider.enters) or self.market.rates:
            return None
        if self._leaves is not None and decider.held:
            return None
        if decider.held:
            self._source.put()
        return decider.round_bars(now_ns)

    def pass_rounds(self, passed: Passed) -> None:
        """Count rounds of the loop in which there was nothing to decide."""
        funnel, highest = self._funnel, passed.highest_edge_bps
        funnel.iterations += passed.rounds
        funnel.stale += passed.stale
        funnel.edge_positive += passed.edge_positive
        funnel.conflated += passed.conflated
        if highest is not None and (self.highest_edge_bps is None or highest > self.highest_edge_bps):
            self.highest_edge_bps = highest

    def skip(self, skipped: Skipped) -> None:
        """Count quotes that no evaluation could act upon."""
        funnel, accepted = self._funnel, skipped.seen - skipped.refused
        funnel.seen += skipped.seen
        funnel.refused += skipped.refused
        funnel.withdrawn += skipped.withdrawn
        if accepted and self.is_evaluating:
            funnel.iterations += accepted
            funnel.stale += skipped.stale
            funnel.edge_positive += skipped.edge_positive
            highest = skipped.highest_edge_bps
            if highest is not None and (self.highest_edge_bps is None or highest > self.highest_edge_bps):
                self.highest_edge_bps = highest

    def skippable(self) -> tuple[float, int] | None:
        """Return up to which edge quotes need not be shown, being the highest so far or in no band, and how many."""
        highest_bps, decider = self.highest_edge_bps, self._decider
        if self._has_news or highest_bps is None or decider.held or not self.is_evaluating or self.wants_all:
            return None
        if not all(self._board.is_whole(path.sell) for path in self.paths):
            return None
        count = min(self._timed_at, self._most_iterations - 1) - self._funnel.iterations
        return (min(highest_bps, nextafter(min(decider.entry_from.values()), -inf)), count) if count > 0 else None

    def note_event(self) -> None:
        """Let the strategy declare its bands anew before it is asked again: at once, if its positions are others."""
        self._has_news = True
        if self._parts.trades.positions(self.symbol) is not self._declared:
            self._source.ask_again()

    def bands(self) -> Decider | None:
        """Return what declares the strategy's bands as they are now; ``None`` if the strategy failed at it."""
        try:
            self._declare()
        except Exception as error:  # the symbol's fault, not that of the player
            self._fail(error)
            return None
        return self._decider

    def _declare(self) -> None:
        if self._has_news:
            self._declared = self._parts.trades.positions(self.symbol)
            self._decider.declare(self._declared)
            self._has_news = False

    def tick(self) -> bool:
        """Evaluate the latest quotes, unless a pair is in flight; say whether that was done."""
        if not self._active or self._is_busy:
            return False
        is_unread = any(self._unread)
        self._unread[:] = [False] * len(self._unread)
        self._source.put()
        newest_ns = max(self._board.received_ns) if is_unread else None
        try:
            self.evaluate(self._parts.time.now_ns(), newest_ns)
        except Exception as error:  # the symbol's fault, not that of the others
            self._fail(error)
        return True

    def _fail(self, error: Exception) -> None:
        """Evaluate no more, and let `run` raise it."""
        self._source.count()
        self._failure = error
        self._active = False
        self._withdraw()
        self._bell.ring()

    def fence(self) -> None:
        """Let no entry be decided or begun any more."""
        self._source.count()
        self.fenced = True
        self._withdraw()

    def drop(self) -> None:
        """Decide on no entry any more, and let `run` return once nothing is in flight."""
        self._source.count()
        self.dropped = True
        self._entries_open = False
        self._withdraw()
        self._source.ask_again()
        self._bell.ring()

    def leave(self, reason: ExitReason | None) -> None:
        """Close what is held, now and later, as soon as it can be, whatever the strategy wants; ``None``: no more."""
        if reason is not self._leaves:
            self._source.count()
            if isinstance(self._work, Exit) and self._work.reason is self._leaves:
                self._work = None  # which nobody wants any more
            self._leaves = reason
            self._source.ask_again()
            self._bell.ring()

    def retune(self, settings: Any) -> None:
        """Give the strategy other settings; what rests by the old ones is withdrawn."""
        self._source.count()
        try:
            self.strategy.retune(settings)
        except Exception as error:  # the symbol's fault, not that of who set them
            self._fail(error)
            return
        self._withdraw()
        self._has_news = True
        self._source.ask_again()

    @property
    def _due_ns(self) -> int | None:
        """When an exit has to be decided on next, even if no quote comes."""
        return 0 if self._leaves is not None and self._declared else self._decider.due_ns

    def _withdraw(self) -> None:
        """Let nothing rest any more."""
        if self._quoted is not None:
            self._quoted.withdraw()

    async def run(self, *, entries: bool, until_ns: int | None = None) -> None:
        """Execute what is decided until ``until_ns``, or until cancelled; without ``entries`` only exits.

        A symbol that is dropped returns.

        Raises:
            Exception: whatever strategy or evaluation raised, a pair in flight being finished before.
        """
        self._source.count()
        self._entries_open, self._active = entries and not self.dropped, True
        self._source.ask_again()
        if entries and self.done:
            self._on_done()
        try:
            await self._run(until_ns)
        except Exception:
            self._source.count()
            self._active, self._failure = False, None
            raise

    async def _run(self, until_ns: int | None) -> None:
        time = self._parts.time
        while until_ns is None or time.now_ns() < until_ns:
            if self._work is not None:
                if self.fenced and not isinstance(self._work, Exit):
                    await trio.sleep_forever()  # the scope around this task is cancelled already
                self._begin()
                await self._finish()
                # A pair is shielded: without this, one after the other could keep the campaign from its end.
                await trio.lowlevel.checkpoint_if_cancelled()
                continue
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self.dropped:
                return
            now_ns = time.now_ns()
            self._declare()
            wake_ns = self._due_ns
            if wake_ns is not None and now_ns >= wake_ns:
                self._decide_exit(now_ns)
                wake_ns = now_ns + _RETRY_CLOSE_NS
                if self._work is not None:
                    continue
            try:
                await self._bell.wait(min((at_ns for at_ns in (wake_ns, until_ns) if at_ns is not None), default=None))
            finally:
                if self._rest is not None:  # begun at once, which may have ended the campaign
                    await self._finish()

    def take_up(self, counted: FunnelCounted | None, routes: Iterable[RouteCounted]) -> None:
        """Go on with the counters that the journal holds; act on no quote before `run`."""
        self._active = False
        if counted is not None:
            self._funnel = Funnel.of(counted, routes)
            self.highest_edge_bps = counted.highest_edge_bps

    def stop(self) -> Intent | None:
        """Evaluate no more. Return an entry that was decided but not begun; it is the caller's to end."""
        self._source.count()
        self._active = False
        work, self._work = self._work, None
        if isinstance(work, Quoted):
            return work.opened
        return None if isinstance(work, Exit) else work

    async def close_positions(self, reason: ExitReason) -> None:
        """Close everything, trying until it is closed or the caller is cancelled (between two pairs)."""
        await self.take_turn()
        while positions := self._parts.trades.positions(self.symbol):
            for position in positions:
                if not self._decider.can_close(position, self._parts.time.now_ns()):
                    continue
                found = self._decider.plan_exit(position, reason)
                if found.is_tradable:
                    rest = self._parts.executor.exit(self.market, position, found.plan, reason)
                    if rest is not None:
                        await rest()
                elif found.is_dust:
                    self._parts.executor.write_off(self.market, position, found.plan, reason)
                elif found.is_crumb and reason in _AT_END:
                    self._parts.executor.give_up(self.market, position, found.plan, reason)
                await trio.lowlevel.checkpoint_if_cancelled()
            if self._parts.trades.positions(self.symbol):
                await self.take_turn(at_ns=self._parts.time.now_ns() + _RETRY_CLOSE_NS)

    async def take_turn(self, *, at_ns: int = 0) -> None:
        """Wait until it is this symbol's turn among all that are due at ``at_ns``, or now if that is past."""
        time = self._parts.time
        await time.sleep_until(max(at_ns, time.now_ns()), Turn.SYMBOL.order(symbol=self.symbol))

    def evaluate(self, now_ns: int, quote_ns: int | None = None) -> None:
        """Decide on exits and on an entry, because of a quote that was received at ``quote_ns``, or of something else.

        Synchronous: between the check of a guard and its reservation, no await.
        """
        iterations = self._funnel.iterations
        is_timed = iterations >= self._timed_at
        if is_timed:
            self._timed_at = iterations + _TIME_EVERY
        started_ns = perf_counter_ns() if is_timed else 0
        if self.market.rates:
            self.market.look(now_ns)
        self._declare()
        if self._decider.held and not self._is_busy:
            self._decide_exit(now_ns)
        if self._entries_open and not self.fenced and iterations < self._most_iterations and self._decider.enters:
            self._decide_entry(now_ns)
            if iterations + 1 >= self._most_iterations and self.done:
                self._on_done()
        if is_timed:
            self._parts.latency.add(perf_counter_ns() - started_ns)
            if quote_ns is not None and self._parts.stages is not None:
                self._parts.stages.decided(self._parts.time.now_ns() - quote_ns)

    @property
    def _is_busy(self) -> bool:
        return self._work is not None or self._rest is not None

    def _decide_entry(self, now_ns: int) -> None:
        funnel = self._funnel
        funnel.iterations += 1
        best_edge, asked = self._decider.look(now_ns)
        if best_edge is None:
            funnel.stale += 1
            return
        if self.highest_edge_bps is None or best_edge > self.highest_edge_bps:
            self.highest_edge_bps = best_edge
        if best_edge > 0:
            funnel.edge_positive += 1
        # The best route may lack stock or be denied: then the next best one is tried, until one is entered.
        for path, edge in asked:
            if self._try_path(path, edge, now_ns):
                return

    def _try_path(self, path: Path, edge: float, now_ns: int) -> bool:
        """Enter on a route if it is wanted, not doubted, can be sized and is allowed; say whether no other needs to be
        tried."""
        wanted = self.strategy.entry(path.route, edge, now_ns)
        if wanted is None:
            return False
        self._has_news = True  # a strategy that wanted an entry may want the next one from another edge on
        is_busy, decider, market, guards = self._is_busy, self._decider, self.market, self._parts.guards
        funnel = self._funnel.of_route(path.route)
        funnel.over_threshold += 1
        rule = guards.doubt(
            path.route,
            edge,
            now_ns,
            sight=lambda: market.with_rates(decider.sight(path, edge), now_ns),
            rates=market.doubt(path.route, now_ns) if market.rates else None,
        )
        if rule is not None:
            funnel.not_sized[rule] += 1
            if self._quoted is not None and self._quoted.is_on(path.route):
                self._quoted.withdraw()
            return False
        found = decider.entry(path, wanted, is_busy=is_busy)
        if wanted.quoting is not None and now_ns < self._quoted_ns + wanted.quoting.least_ns and not is_busy:
            found = NotSized("quoted_lately")
        if isinstance(found, NotSized):
            funnel.not_sized[found.reason] += 1
            return is_busy
        funnel.sized += 1
        executor = self._parts.executor
        if market.rates:
            found = market.with_rates(found, now_ns)

        def resize(largest: OrderSize) -> Opportunity | NotSized:
            smaller = decider.size(path, wanted.no_more_than(largest))
            return smaller if isinstance(smaller, NotSized) else market.with_rates(smaller, now_ns)

        decision, allowed = guards.decide(found, now_ns, pair_id=executor.next_pair_id, resize=resize)
        if decision.answer is Answer.ALLOW:
            if allowed.quoting is None:
                self._work = executor.open_entry(allowed, holds=self.strategy.holds)
            else:
                self._work = self._open_quote(allowed)
            self._bell.ring()
        return decision.answer is not Answer.DENY

    def _open_quote(self, allowed: Opportunity) -> Quoted:
        time = self._parts.time

        def stays(placed_ns: int) -> tuple[bool, int]:
            return self._decider.rests(allowed, placed_ns, time.now_ns())

        bell = time.bell(Turn.SYMBOL.order(symbol=self.symbol))
        return Quoted(self._parts.executor.open_quote(allowed), stays, bell)

    async def _quote(self, quoted: Quoted, rest: Rest) -> None:
        """Have every quote shown as long as one of ours rests."""
        self._board.followed.hold(True)
        try:
            await rest()
        finally:
            self._quoted_ns, self._quoted = quoted.placed_ns, None
            self._board.followed.hold(False)

    def _decide_exit(self, now_ns: int) -> None:
        found = self._decider.exit(now_ns, self._paused, self._leaves)
        if found is not None:
            self._work, self._decided_seq = found, self._parts.journal.seq
            self._bell.ring()
        elif self._leaves is not None:
            self._write_off(self._leaves, now_ns)

    def _write_off(self, reason: ExitReason, now_ns: int) -> None:
        """Close what is too small for any venue, and worth next to nothing, as dust."""
        for position in self._parts.trades.positions(self.symbol):
            if self._decider.can_close(position, now_ns):
                found = self._decider.plan_exit(position, reason)
                if found.is_dust:
                    self._parts.executor.write_off(self.market, position, found.plan, reason)

    async def _finish(self) -> None:
        """Bring to its end what was begun. Not ended by cancellation."""
        try:
            if self._rest is not None:
                await self._rest()
        finally:
            self._rest = None
        if self.done:
            self._on_done()

    def _execute_at_once(self) -> bool:
        """Execute in this symbol's turn what was decided, without waking the task; say whether that may sleep on."""
        if self._work is None or self.fenced or self._failure is not None:
            return False
        try:
            self._begin()
            self._parts.journal.end_step()
            if self._rest is not None:
                return False
            if self.done:
                self._on_done()
            self._declare()
        except Exception as error:  # the symbol's fault, not that of whoever waits for its turn
            self._fail(error)
            return False
        return self._due_ns is None

    def _begin(self) -> None:
        """Execute what was decided, as far as nothing has to be waited for."""
        work, self._work = self._work, None
        if isinstance(work, Intent):
            self._rest = self._parts.executor.enter(self.market, work)
        elif isinstance(work, Quoted):
            self._quoted = work
            self._rest = partial(self._quote, work, self._parts.executor.quote(self.market, work))
        elif work is not None:
            self._rest = self._exit(work)

    def _exit(self, work: Exit) -> Rest | None:
        """Execute an exit; one that closed nothing is not tried again at once."""
        position, found = work.position, self._still_planned(work)
        if found is not None and found.is_tradable:
            rest = self._parts.executor.exit(self.market, position, found.plan, work.reason)
            if rest is not None:
                return partial(self._exit_later, rest, position)
        self._pause(position)
        return None

    def _still_planned(self, work: Exit) -> Plan | None:
        """Return how to close a position now: since the decision, another symbol may have spent what it needs."""
        decider, found = self._decider, work.found
        if self._decided_seq == self._parts.journal.seq and decider.has_same_quotes(found.plan, found.touches):
            return found
        can_close = decider.can_close(work.position, self._parts.time.now_ns())
        return decider.plan_exit(work.position, work.reason) if can_close else None

    async def _exit_later(self, rest: Rest, position: Position) -> None:
        await rest()
        self._pause(position)

    def _pause(self, position: Position) -> None:
        """Let an exit that was executed rest for a while, if it closed nothing."""
        self._paused.pop(position.trade_id, None)
        if position in self._parts.trades.positions(self.symbol):
            self._paused[position.trade_id] = self._parts.time.now_ns() + _RETRY_CLOSE_NS

    def _seed_inventory(self, index: int) -> None:
        venue = self._board.venues[index]
        quote, instrument = self._board.quote(index), self.market.instruments.get(venue)
        if quote is None or instrument is None:
            return
        if (rate := self.market.rates.get(venue)) is not None and rate.said is None:
            self._is_seeded[index] = False  # what it is worth isn't known before there is a rate
            return
        granted = self._parts.venues[venue].seed_inventory(instrument, quote)
        if granted:
            self._parts.journal.record(
                Deposited(venue=venue, asset=instrument.base, amount=granted, reason="inventory", symbol=self.symbol)
            )


def _loop_views(parts: Parts) -> dict[str, Any]:
    """Return what loops see of other symbols than their home."""

    def dust_of(symbol: str, venue: str) -> Decimal:
        dust = parts.trades.dust.get((symbol, venue))
        return ZERO if dust is None else dust.quantity

    def is_in_flight(symbol: str, venue: str) -> bool:
        opened = (flows.opened for flows in parts.trades.pairs.values())
        return any((leg.symbol, leg.venue) == (symbol, venue) for one in opened for leg in one.legs)

    def leg_of(symbol: str, venue: str, side: Side) -> Leg:
        return parts.markets[symbol].leg(venue, side)

    return {"dust_of": dust_of, "is_in_flight": is_in_flight, "leg_of": leg_of}


class _NoQuotes(Source):
    """Before its market data is opened."""

    def ask_again(self) -> None:
        pass

    def count(self) -> None:
        pass

    def look_back(self, venue: int) -> None:
        pass

    def put(self) -> None:
        pass
