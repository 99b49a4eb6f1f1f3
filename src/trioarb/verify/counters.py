"""The counters of symbols and their routes, held against each other and against the decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignResumed, FunnelCounted, Record, RouteCounted
from trioarb.model.funnel import FUNNEL_COUNTERS
from trioarb.verify.entries import Answers, Venues, answers
from trioarb.verify.findings import Check, Findings

__all__ = ["Counters"]

#: Of each two, the second counts a part of the first. A threshold below zero makes edges pass that aren't positive.
_PARTS = (
    ("iterations", "evaluated"),
    ("evaluated", "fresh"),
    ("fresh", "edge_positive"),
    ("over_threshold", "sized"),
)


@attrs.define
class _Counted:
    """The last counters of a symbol or a route, and what of them is decided on as they were when the present stretch
    began: under '' what was sized, under its rule what was doubted.

    ``decided_before``: how many decisions there were then.
    """

    last: FunnelCounted | RouteCounted | None = None
    counted_before: Counter[str] = attrs.field(factory=Counter)
    decided_before: Counter[str] = attrs.field(factory=Counter)
    is_new_stretch: bool = False

    def count(self, event: FunnelCounted | RouteCounted, names: tuple[str, ...], decided: Counter[str]) -> list[str]:
        """Take the counters, and return what is wrong with them."""
        wrong, not_sized = [], sum(event.not_sized.values())
        if event.sized + not_sized > event.over_threshold:
            wrong.append(f"sized {event.sized} and not {not_sized} of over_threshold {event.over_threshold}")
        if self.last is not None:
            fallen = [name for name in names if getattr(event, name) < getattr(self.last, name)]
            if fallen and self.is_new_stretch:
                self.counted_before.clear()
            else:
                wrong += [f"{name} falls from {getattr(self.last, name)} to {getattr(event, name)}" for name in fallen]
        counted = _decidable(event)
        for rule, count in decided.items():
            here, of_these = counted[rule] - self.counted_before[rule], count - self.decided_before[rule]
            if here < of_these:
                what = f"{rule} {here}" if rule else f"sized {here}"
                wrong.append(f"{what} of this stretch, but {of_these} were decided on")
        self.last, self.is_new_stretch = event, False
        return wrong

    def resume(self, decided: Counter[str]) -> None:
        """Begin a stretch: what was counted after the last counters is lost."""
        self.counted_before = _decidable(self.last) if self.last is not None else Counter()
        self.decided_before = decided.copy()
        self.is_new_stretch = True


class Counters(Folding):
    """Folds counters. ``decided`` is shared: how often each route's opportunities were answered so far."""

    def __init__(self, findings: Findings, decided: Answers) -> None:
        self._findings = findings
        self._decided = decided
        self._symbols: dict[str, _Counted] = {}
        self._routes: defaultdict[str, dict[Venues, _Counted]] = defaultdict(dict)
        self._decided_before: Answers = answers()

    def _count(self, event: FunnelCounted, record: Record) -> None:
        one = self._symbols.get(event.symbol)
        if one is None:
            before = _over_all(self._decided_before[event.symbol])
            one = self._symbols[event.symbol] = _Counted(decided_before=before)
        wrong = [
            f"{part} {getattr(event, part)} of {whole} {getattr(event, whole)}"
            for whole, part in _PARTS
            if getattr(event, part) > getattr(event, whole)
        ]
        if event.refused + event.conflated > event.seen:
            wrong.append(f"refused {event.refused} and conflated {event.conflated} of seen {event.seen}")
        if event.refused + event.withdrawn > event.seen:
            wrong.append(f"refused {event.refused} and withdrawn {event.withdrawn} of seen {event.seen}")
        wrong += one.count(event, FUNNEL_COUNTERS, _over_all(self._decided[event.symbol]))
        self._report(record, wrong)

    def _count_route(self, event: RouteCounted, record: Record) -> None:
        venues, routes = (event.buy_venue, event.sell_venue), self._routes[event.symbol]
        one = routes.get(venues)
        if one is None:
            one = routes[venues] = _Counted(decided_before=self._decided_before[event.symbol][venues])
        wrong = one.count(event, ("over_threshold", "sized"), self._decided[event.symbol][venues])
        symbol = self._symbols.get(event.symbol)
        if symbol is None or not isinstance(symbol.last, FunnelCounted):
            wrong.append("a route before its symbol")
        elif event.over_threshold > symbol.last.fresh:  # an evaluation tries a route once
            wrong.append(f"over_threshold {event.over_threshold} of fresh {symbol.last.fresh}")
        self._report(record, wrong)

    def _report(self, record: Record, wrong: list[str]) -> None:
        for what in wrong:
            self._findings.add(Check.COUNTERS, record, f"counts {what}")

    def _resume(self, event: CampaignResumed, record: Record) -> None:
        self._decided_before = answers()
        for symbol, by_route in self._decided.items():
            for venues, count in by_route.items():
                self._decided_before[symbol][venues] = count.copy()
        for symbol, one in self._symbols.items():
            one.resume(_over_all(self._decided[symbol]))
        for symbol, routes in self._routes.items():
            for venues, route in routes.items():
                route.resume(self._decided[symbol][venues])

    def finish(self, last: Record) -> None:
        """Check that what was counted of a symbol's routes in the end is what was counted of the symbol."""
        for symbol, one in self._symbols.items():
            if one.last is None or not one.last.final:
                continue
            routes = [route.last for route in self._routes[symbol].values() if route.last is not None]
            total = sum(map(_tries, routes), Counter[str]())
            if total != _tries(one.last):
                self._findings.add(Check.COUNTERS, last, f"the routes of {symbol} don't sum to what it counts")


def _decidable(event: FunnelCounted | RouteCounted) -> Counter[str]:
    return Counter({**event.not_sized, "": event.sized})


def _over_all(by_route: Mapping[Venues, Counter[str]]) -> Counter[str]:
    return sum(by_route.values(), Counter[str]())


def _tries(event: FunnelCounted | RouteCounted) -> Counter[str]:
    return Counter({**event.not_sized, "over_threshold": event.over_threshold, "sized": event.sized})
