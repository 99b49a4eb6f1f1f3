"""Edges that were decided upon and not earned: entries that filled short, and what guards denied or reduced."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    Decided,
    DecisionsRepeated,
    PairEnded,
    PairOpened,
    PositionOpened,
    Record,
    ResidualsPaired,
)
from trioarb.model.market import Route
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.trade import Answer, PairKind, PairOutcome

__all__ = ["NOT_FILLED", "Missed", "MissedEdge"]

#: What is missed where no rule denied it.
NOT_FILLED = "not_filled"
_BP = Decimal("0.0001")


@attrs.define
class MissedEdge:
    """``count`` entries or refusals, and what they would have earned at their decisions: net edge × notional.

    Of one that was reduced, what was taken off.

    A denial that was repeated is one chance, and counts once; ``repeated`` says how often it was given again.
    """

    count: int = 0
    repeated: int = 0
    edge_usd: Decimal = ZERO

    def add(self, earned_usd: Decimal) -> None:
        self.count += 1
        self.edge_usd = EXACT.add(self.edge_usd, earned_usd)


class Missed(Folding):
    """Folds what was missed, ``edges``: by route and by what kept it, a rule (``tier.rule``) or `NOT_FILLED`."""

    def __init__(self) -> None:
        self.edges: defaultdict[tuple[Route, str], MissedEdge] = defaultdict(MissedEdge)
        #: The latest entry of each symbol that was allowed, and entries in flight with what of them opened a position.
        self._allowed: dict[str, Decided] = {}
        self._entries: dict[str, tuple[PairOpened, Decimal, Decimal]] = {}
        #: Those that left residuals, which may turn out to be a position.
        self._left: dict[str, tuple[PairOpened, Decimal, Decimal]] = {}
        #: What a rule has taken off is known once the rest is decided upon: what it was worth before, by symbol.
        self._reduced: dict[str, tuple[MissedEdge, Decimal]] = {}
        #: The last denial of each symbol's routes, to which repetitions refer.
        self._denied: defaultdict[str, dict[Route, tuple[int, MissedEdge]]] = defaultdict(dict)

    def by_reason(self) -> dict[str, MissedEdge]:
        """Return what was missed over all routes, by what kept it."""
        found: dict[str, MissedEdge] = {}
        for (_, reason), one in sorted(self.edges.items()):
            total = found.setdefault(reason, MissedEdge())
            total.count += one.count
            total.repeated += one.repeated
            total.edge_usd = EXACT.add(total.edge_usd, one.edge_usd)
        return found

    def _decide(self, decided: Decided, record: Record) -> None:
        before = self._reduced.pop(decided.symbol, None)
        if before is not None:  # what is left of it follows in the same step
            missed, worth = before
            missed.add(EXACT.subtract(worth, _worth(decided)))
        buy, sell = decided.buy_venue, decided.sell_venue
        if decided.answer is Answer.ALLOW:
            self._allowed[decided.symbol] = decided
        elif buy is not None and sell is not None and decided.edge_bps is not None and decided.quantity is not None:
            route = Route(symbol=decided.symbol, buy_venue=buy, sell_venue=sell)
            missed = self.edges[route, f"{decided.tier}.{decided.rule}"]
            if decided.answer is Answer.REDUCE:
                self._reduced[decided.symbol] = missed, _worth(decided)
                return
            missed.add(_worth(decided))
            self._denied[decided.symbol][route] = record.seq, missed

    def _repeat(self, repeated: DecisionsRepeated, _: Record) -> None:
        for seq, missed in self._denied[repeated.symbol].values():
            if seq == repeated.decision_seq:
                missed.repeated += repeated.count

    def _open_pair(self, opened: PairOpened, _: Record) -> None:
        decided = self._allowed.get(opened.symbol)
        if opened.kind is PairKind.ENTRY and decided is not None and decided.pair_id == opened.pair_id:
            edge = decided.edge_bps
            if edge is not None and decided.notional_usd is not None:
                self._entries[opened.trade_id] = opened, _earned(decided.notional_usd, edge), ZERO

    def _open_position(self, position: PositionOpened, _: Record) -> None:
        if position.trade_id in self._entries:
            opened, earned, _quantity = self._entries[position.trade_id]
            self._entries[position.trade_id] = opened, earned, position.quantity

    def _end_pair(self, ended: PairEnded, _: Record) -> None:
        entry = self._entries.pop(ended.trade_id, None)
        if entry is None:
            return
        self._miss(*entry)
        if ended.outcome is PairOutcome.RESIDUAL:
            self._left[ended.trade_id] = entry

    def _pair_up(self, paired: ResidualsPaired, _: Record) -> None:
        """More of an entry was filled than was known when it ended."""
        entry = self._left.pop(paired.trade_id, None)
        if entry is not None:
            opened, earned, held = entry
            self._miss(opened, earned, held, -1)
            self._miss(opened, earned, EXACT.add(held, paired.quantity))

    def _miss(self, opened: PairOpened, earned: Decimal, held: Decimal, sign: int = 1) -> None:
        """Count what of an entry was not filled; or, below zero, take that back."""
        short = EXACT.subtract(opened.quantity, held)
        if short <= 0:
            return
        key = Route(symbol=opened.symbol, buy_venue=opened.buy_venue, sell_venue=opened.sell_venue), NOT_FILLED
        missed = self.edges[key]
        missed.count += sign
        missed.edge_usd = EXACT.add(missed.edge_usd, sign * share(earned, short, opened.quantity))
        if not missed.count:
            del self.edges[key]


def _worth(decided: Decided) -> Decimal:
    """Return what an opportunity would have earned; 0 where nothing is known of it."""
    if decided.notional_usd is None or decided.edge_bps is None:
        return ZERO
    return _earned(decided.notional_usd, decided.edge_bps)


def _earned(notional_usd: Decimal, edge_bps: Decimal) -> Decimal:
    return EXACT.multiply(EXACT.multiply(notional_usd, edge_bps), _BP)
