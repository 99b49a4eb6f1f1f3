"""Ask the guard tiers in order, and record what they decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter_ns
from typing import Any, TypeVar

import attrs
import structlog

from trioarb.errors import PluginFault
from trioarb.journal.fold import Fold
from trioarb.journal.journal import Journal
from trioarb.model.event import Decided, DecisionsRepeated, Event, GuardTripped, Record
from trioarb.model.market import Route
from trioarb.model.trade import Answer, FxUsed, Opportunity, OrderSize, Refusal, Sighting
from trioarb.plugin.border import CheckedGuard
from trioarb.risk.capital import Capital
from trioarb.risk.holds import Holds
from trioarb.state.marks import Marks
from trioarb.state.trades import Trades
from trioarb.strategy.sizing import NotSized
from trioarb.time.latency import LatencyHistogram

__all__ = ["Guards"]

T = TypeVar("T")

_ENGINE = "engine"

#: How deep guards may answer to each other's events, and how often within one step; more has no end.
_DEEPEST, _MOST_ANSWERS = 8, 1_000
#: How often an opportunity may be reduced; who leaves less and less of it each time means no.
_MOST_REDUCTIONS = 8
#: So many failures of tiers are told; a text may be another one each time.
_MOST_TOLD = 100


@attrs.define
class _Streak:
    """A DENY of a route that was recorded once, and how often it was given since."""

    decision: Decided
    seq: int
    count: int = 0


class Guards:
    """The tiers of one campaign, in order. They decide; what they allow, execution opens in the same step.

    ``holds`` are why no tier is asked for now. ``asking`` and ``doubting``: how long it takes to ask all tiers once,
    of an opportunity or whether they doubt prices.
    """

    asking: LatencyHistogram
    doubting: LatencyHistogram

    def __init__(
        self,
        *,
        journal: Journal,
        trades: Trades,
        marks: Marks,
        tiers: Mapping[str, CheckedGuard],
        holds: Holds,
        max_concurrent_pairs: int,
    ) -> None:
        self._journal = journal
        self._marks = marks
        self._trades = trades
        self._tiers = tiers
        self._doubting = tuple((name, tier) for name, tier in tiers.items() if tier.doubts)
        self._reacting: dict[type[Event], tuple[tuple[str, CheckedGuard], ...]] = {}
        self.max_concurrent_pairs = max_concurrent_pairs
        #: By symbol, of each of its routes.
        self._streaks: defaultdict[str, dict[Route, _Streak]] = defaultdict(dict)
        self._broken: dict[str, str] = {}
        #: What failed in which tier: told once, and counted each time by its refusal.
        self._told: set[tuple[str, str]] = set()
        self._endless: set[str] = set()
        self._depth = self._answered = 0
        self.holds = holds
        self.asking, self.doubting = LatencyHistogram(), LatencyHistogram()
        #: What all campaigns of an account may have at risk together; asked last, since it takes what it allows.
        self.capital: Capital | None = None
        self._log = structlog.get_logger("trioarb.guards")

    def decide(
        self,
        opportunity: Opportunity,
        now_ns: int,
        *,
        pair_id: str,
        resize: Callable[[OrderSize], Opportunity | NotSized],
    ) -> tuple[Decided, Opportunity]:
        """Return the answer, recorded, and what it is about. An ALLOW names the pair to be opened before anything else.

        ``resize`` sizes the opportunity again, up to what a REDUCE leaves of it. What comes of that all tiers are asked
        about. Reductions are recorded if something is allowed in the end.
        """
        self._marks.forget()
        reductions = list[Decided]()
        tier, refusal = self._ask(opportunity, now_ns)
        while refusal is not None and refusal.largest is not None:
            smaller = resize(refusal.largest)
            if isinstance(smaller, NotSized) or len(reductions) == _MOST_REDUCTIONS:
                refusal = _nothing_left(refusal, smaller)
                break
            reductions.append(_decided(opportunity, tier, refusal))
            opportunity = smaller
            tier, refusal = self._ask(opportunity, now_ns)
        decision = _decided(opportunity, tier, refusal, pair_id)
        self._record(opportunity.route, decision, reductions)
        return decision, opportunity

    def doubt(
        self, route: Route, edge_bps: float, now_ns: int, *, sight: Callable[[], Sighting], rates: Refusal | None
    ) -> str | None:
        """Return by which rule (``TIER.RULE``) the prices of a route are doubted, if they are; recorded as a DENY.

        ``rates``: why those by which its prices are compared can't be relied on; no tier is asked then. ``sight``
        returns the route as it is seen now.
        """
        tier, refusal = _ENGINE, rates
        if rates is None:
            started_ns = perf_counter_ns()
            tier, refusal = self._doubt(route, edge_bps, now_ns)
            self.doubting.add(perf_counter_ns() - started_ns)
        if refusal is None:
            return None
        if not self._repeats(route, tier, refusal.rule):
            self._marks.forget()
            self._record(route, _doubted(sight(), tier, refusal), ())
        return f"{tier}.{refusal.rule}"

    def _doubt(self, route: Route, edge_bps: float, now_ns: int) -> tuple[str, Refusal | None]:
        for name, tier in self._doubting:
            if name in self._broken:
                continue  # it denies whatever is sized
            try:
                refusal = tier.doubt(route, edge_bps, now_ns)
            except PluginFault as error:
                self._tell(name, error)
                refusal = _no_answer(str(error))
            if refusal is not None:
                return name, refusal
        return _ENGINE, None

    @property
    def folds(self) -> Mapping[type[Event], Fold]:
        """What some tier folds: all events, if one doesn't say."""
        return {kind: partial(self._fold, tiers) for kind in Event.__subclasses__() if (tiers := self._folding(kind))}

    def _folding(self, kind: type[Event]) -> tuple[tuple[str, CheckedGuard], ...]:
        return tuple((name, tier) for name, tier in self._tiers.items() if tier.folds is None or kind in tier.folds)

    def _fold(self, tiers: Iterable[tuple[str, CheckedGuard]], _: Event, record: Record) -> None:
        """Let the tiers fold an event. One that raises has lost its state, and denies from then on."""
        for name, tier in tiers:
            try:
                tier.apply(record)
            except PluginFault as error:
                self._break(name, error)

    def react(self, record: Record) -> Iterable[Event]:
        """Let the tiers trip because of an event. What stops the campaign is a decision too."""
        kind = type(record.event)
        reacting = self._reacting.get(kind)
        if reacting is None:
            wanted = [(name, tier) for name, tier in self._tiers.items() if tier.reacts is None or kind in tier.reacts]
            reacting = self._reacting[kind] = tuple(wanted)
        return self._reactions(reacting, record) if reacting else ()

    def _reactions(self, tiers: Iterable[tuple[str, CheckedGuard]], record: Record) -> Iterator[Event]:
        self._answered = self._answered if self._depth else 0
        self._depth += 1
        try:
            for name, tier in tiers:
                if name in self._endless:
                    continue
                for event in self._tripped(name, tier.react, record, str(getattr(record.event, "symbol", ""))):
                    self._answered += 1
                    if self._depth > _DEEPEST or self._answered > _MOST_ANSWERS:
                        self._endless.add(name)
                        self._break(name, tier.endless())
                        break
                    yield event
        finally:
            self._depth -= 1

    @property
    def polled(self) -> bool:
        """Whether some tier wants to be asked without an event."""
        return any(tier.polls for tier in self._tiers.values())

    def poll(self, now_ns: int, *, is_marked: bool = False) -> None:
        """Let the tiers trip without an event, and record it like what they answer to one.

        ``is_marked``: something is open and was marked just now, which some want to be asked for only.
        """
        for name, tier in self._tiers.items():
            if tier.polls_marks and not is_marked:
                continue
            for event in self._tripped(name, tier.poll, now_ns):
                self._journal.record(event)

    def _tripped(
        self, name: str, ask: Callable[[T], Sequence[GuardTripped]], about: T, symbol: str = ""
    ) -> Iterator[Event]:
        """Yield what a tier trips, and a STOP as a decision. A tier that raises denies from then on."""
        try:
            tripping = ask(about)
        except PluginFault as error:
            self._break(name, error)
            return
        for tripped in tripping:
            yield from self._marks.said()
            yield tripped
            if tripped.answer is Answer.DENY:
                self.holds.on_hold(tripped.venue, tripped.symbol)
            if tripped.answer is Answer.STOP:
                yield _stop(tripped, symbol)

    def flush(self, symbols: Sequence[str]) -> None:
        """Record how often the current refusals of ``symbols`` were repeated."""
        for symbol in symbols:
            for streak in self._streaks[symbol].values():
                if streak.count:
                    self._record_repeats(streak)

    @property
    def unrecorded(self) -> Iterator[tuple[Decided, int]]:
        """The refusals that were repeated since their repeats were recorded last, and how often."""
        streaks = (streak for by_route in self._streaks.values() for streak in by_route.values())
        return ((streak.decision, streak.count) for streak in streaks if streak.count)

    def _ask(self, opportunity: Opportunity, now_ns: int) -> tuple[str, Refusal | None]:
        started_ns = perf_counter_ns()
        answer = self._ask_tiers(opportunity, now_ns)
        self.asking.add(perf_counter_ns() - started_ns)
        return answer

    def _ask_tiers(self, opportunity: Opportunity, now_ns: int) -> tuple[str, Refusal | None]:
        if (held := self.holds.refusal(opportunity.route)) is not None:
            return _ENGINE, held
        in_flight = self._trades.entries_in_flight
        if in_flight >= self.max_concurrent_pairs:
            return _ENGINE, Refusal(
                answer=Answer.DENY,
                rule="max_concurrent_pairs",
                value=str(in_flight),
                limit=str(self.max_concurrent_pairs),
            )
        for name, tier in self._tiers.items():
            if name in self._broken:
                return name, _no_answer(self._broken[name])
            try:
                refusal = tier.check(opportunity, now_ns)
            except PluginFault as error:
                self._tell(name, error)
                return name, _no_answer(str(error))
            if refusal is not None:
                return name, refusal
        if self.capital is not None:
            return _ENGINE, self.capital.claim(self._marks.exposure_usd(), opportunity.notional_usd)
        return "", None

    def _tell(self, name: str, error: PluginFault) -> None:
        if (name, str(error)) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((name, str(error)))
            self._log.error("guard tier failed; denied", tier=name, exc_info=error)

    def retunes(self, name: str) -> bool:
        """Return whether a tier takes other settings."""
        return self._tiers[name].retunes

    def retune(self, name: str, settings: Any, settings_of: Callable[[str], Any] | None) -> None:
        """Give a tier other settings; one that raises denies from then on."""
        try:
            self._tiers[name].retune(settings, settings_of)
        except PluginFault as error:
            self._break(name, error)

    def _break(self, name: str, error: PluginFault) -> None:
        if name not in self._broken:
            self._broken[name] = str(error)
            self._log.error("guard tier lost its state; it denies from now on", tier=name, exc_info=error)

    def _record(self, route: Route, decision: Decided, reductions: Iterable[Decided]) -> None:
        """Record a decision; a DENY that repeats the one before of the same route is only counted.

        What is allowed or stopped ends the streaks of all routes of the symbol. An ALLOW stands behind its reductions.
        """
        streaks = self._streaks[route.symbol]
        streak = streaks.get(route)
        if decision.answer is not Answer.DENY:
            self.flush((route.symbol,))
            streaks.clear()
        elif streak is not None:
            if self._repeats(route, decision.tier, decision.rule):
                return
            del streaks[route]
            if streak.count:
                self._record_repeats(streak)
        for marked in self._marks.said():
            self._journal.record(marked)
        if decision.answer is Answer.ALLOW:
            for reduction in reductions:
                self._journal.record(reduction)
        seq = self._journal.record(decision).seq
        if decision.answer is Answer.DENY:
            streaks[route] = _Streak(decision, seq)

    def _repeats(self, route: Route, tier: str | None, rule: str | None) -> bool:
        """Count a DENY that repeats the one before of the same route; say whether it does."""
        streak = self._streaks[route.symbol].get(route)
        if streak is None or (streak.decision.tier, streak.decision.rule) != (tier, rule):
            return False
        streak.count += 1
        return True

    def _record_repeats(self, streak: _Streak) -> None:
        decision = streak.decision
        count, streak.count = streak.count, 0
        self._journal.record(
            DecisionsRepeated(
                symbol=decision.symbol,
                answer=decision.answer,
                tier=decision.tier or "",
                rule=decision.rule or "",
                decision_seq=streak.seq,
                count=count,
            )
        )


def _decided(opportunity: Opportunity, tier: str, refusal: Refusal | None, pair_id: str | None = None) -> Decided:
    """Return an answer to an opportunity. Without a refusal it is an ALLOW of that pair."""
    route, fx, largest = opportunity.route, opportunity.fx, None if refusal is None else refusal.largest
    return Decided(
        symbol=route.symbol,
        buy_venue=route.buy_venue,
        sell_venue=route.sell_venue,
        quantity=opportunity.quantity,
        notional_usd=opportunity.notional_usd,
        edge_bps=opportunity.edge_bps,
        ask=opportunity.ask,
        ask_size=opportunity.ask_size,
        bid=opportunity.bid,
        bid_size=opportunity.bid_size,
        asks=opportunity.asks,
        bids=opportunity.bids,
        answer=Answer.ALLOW if refusal is None else refusal.answer,
        tier=None if refusal is None else tier,
        rule=None if refusal is None else refusal.rule,
        value=None if refusal is None else refusal.value,
        limit=None if refusal is None else refusal.limit,
        pair_id=pair_id if refusal is None else None,
        largest_usd=None if largest is None else largest.usd,
        largest_base=None if largest is None else largest.base,
        **_rates(fx),
    )


def _doubted(seen: Sighting, tier: str, refusal: Refusal) -> Decided:
    """Return the DENY of a route whose prices a tier doubts."""
    route, fx = seen.route, seen.fx
    return Decided(
        symbol=route.symbol,
        buy_venue=route.buy_venue,
        sell_venue=route.sell_venue,
        edge_bps=seen.edge_bps,
        ask=seen.ask,
        ask_size=seen.ask_size,
        bid=seen.bid,
        bid_size=seen.bid_size,
        answer=refusal.answer,
        tier=tier,
        rule=refusal.rule,
        value=refusal.value,
        limit=refusal.limit,
        **_rates(fx),
    )


def _rates(fx: FxUsed | None) -> dict[str, Any]:
    """Return by which rates prices were compared, as a decision has them."""
    if fx is None:
        return {}
    return {"buy_fx": fx.buy, "sell_fx": fx.sell, "fx_age_ns": fx.age_ns, "fx_sources": fx.sources}


def _nothing_left(reduce: Refusal, smaller: Opportunity | NotSized) -> Refusal:
    """Return the DENY that a REDUCE comes to, of which no entry can be made."""
    why = smaller.reason if isinstance(smaller, NotSized) else f"reduced {_MOST_REDUCTIONS} times"
    return Refusal(answer=Answer.DENY, rule=reduce.rule, value=f"{reduce.value} ({why})", limit=reduce.limit)


def _no_answer(problem: str) -> Refusal:
    return Refusal(answer=Answer.DENY, rule="error", value=problem, limit="an answer")


def _stop(tripped: GuardTripped, symbol: str) -> Decided:
    return Decided(
        symbol=tripped.symbol or symbol,
        answer=Answer.STOP,
        tier=tripped.tier,
        rule=tripped.rule,
        value=tripped.value,
        limit=tripped.limit,
    )
