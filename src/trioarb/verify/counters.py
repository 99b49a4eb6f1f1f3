"""The counters of symbols, held against each other and against the decisions."""

from __future__ import annotations

from collections import Counter

import attrs

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignResumed, FunnelCounted, Record
from trioarb.model.funnel import FUNNEL_COUNTERS
from trioarb.verify.findings import Check, Findings

__all__ = ["Counters"]

#: Of each two, the second counts a part of the first. A threshold below zero makes edges pass that aren't positive.
_PARTS = (
    ("iterations", "evaluated"),
    ("evaluated", "fresh"),
    ("fresh", "edge_positive"),
    ("fresh", "over_threshold"),
    ("over_threshold", "sized"),
)


@attrs.define
class _Symbol:
    """The last counters, and how many decisions and sizes there were when the present stretch began."""

    last: FunnelCounted | None = None
    sized_before: int = 0
    decided_before: int = 0
    is_new_stretch: bool = False


class Counters(Folding):
    """Folds counters. ``decided`` is shared: how often each symbol's opportunities were answered so far."""

    def __init__(self, findings: Findings, decided: Counter[str]) -> None:
        self._findings = findings
        self._decided = decided
        self._symbols: dict[str, _Symbol] = {}
        self._decided_before: Counter[str] = Counter()

    def _count(self, event: FunnelCounted, record: Record) -> None:
        one = self._symbols.get(event.symbol)
        if one is None:
            one = self._symbols[event.symbol] = _Symbol(decided_before=self._decided_before[event.symbol])
        not_sized = sum(event.not_sized.values())
        wrong = [
            f"{part} {getattr(event, part)} of {whole} {getattr(event, whole)}"
            for whole, part in _PARTS
            if getattr(event, part) > getattr(event, whole)
        ]
        if event.refused + event.conflated > event.seen:
            wrong.append(f"refused {event.refused} and conflated {event.conflated} of seen {event.seen}")
        if event.refused + event.withdrawn > event.seen:
            wrong.append(f"refused {event.refused} and withdrawn {event.withdrawn} of seen {event.seen}")
        if event.sized + not_sized > event.over_threshold:
            wrong.append(f"sized {event.sized} and not {not_sized} of over_threshold {event.over_threshold}")
        if one.last is not None:
            fallen = [name for name in FUNNEL_COUNTERS if getattr(event, name) < getattr(one.last, name)]
            if fallen and one.is_new_stretch:
                one.sized_before = 0
            else:
                wrong += [f"{name} falls from {getattr(one.last, name)} to {getattr(event, name)}" for name in fallen]
        decided = self._decided[event.symbol] - one.decided_before
        if event.sized - one.sized_before < decided:
            wrong.append(f"sized {event.sized - one.sized_before} of this stretch, but {decided} were decided on")
        for what in wrong:
            self._findings.add(Check.COUNTERS, record, f"counts {what}")
        one.last, one.is_new_stretch = event, False

    def _resume(self, event: CampaignResumed, record: Record) -> None:
        """Begin a stretch: what was counted after the last counters is lost."""
        self._decided_before = self._decided.copy()
        for symbol, one in self._symbols.items():
            one.sized_before = one.last.sized if one.last is not None else 0
            one.decided_before = self._decided[symbol]
            one.is_new_stretch = True
