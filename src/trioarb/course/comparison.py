"""Hold what a replay recorded against the journal of the run: the same decisions, or the first that differs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

import attrs

from trioarb.model.event import (
    CampaignOpened,
    CampaignResumed,
    Decided,
    DecisionsRepeated,
    Event,
    GuardTripped,
    PairOpened,
    Record,
    ResidualOffered,
    ResidualWorked,
    TransactionOpened,
)
from trioarb.model.event import OrderSubmitted as Submitted

__all__ = ["Comparison", "Difference", "compare", "is_decision"]

#: What guards answered, what was entered, left and sent, in which sizes and at which limits.
_DECISIONS = (
    Decided,
    DecisionsRepeated,
    GuardTripped,
    PairOpened,
    TransactionOpened,
    Submitted,
    ResidualOffered,
    ResidualWorked,
)
#: They name versions, and what was warned of.
_NOT_COMPARED = (CampaignOpened, CampaignResumed)


def is_decision(event: Event) -> bool:
    """Return whether an event is something that the campaign decided, and not what it was told or counted."""
    return isinstance(event, _DECISIONS)


@attrs.frozen
class Difference:
    """Where two journals part: ``None`` where one of them has nothing any more."""

    run: Record | None
    replay: Record | None


@attrs.frozen(kw_only=True)
class Comparison:
    """``decisions`` and ``events``: so many were the same. ``decision`` and ``event``: the first that weren't.

    ``latest_ns``: by how much the times of the same events differ at most. ``beyond``: so many events of the run come
    after the end of its recording, and were not compared.
    """

    decisions: int
    events: int
    decision: Difference | None
    event: Difference | None
    latest_ns: int
    beyond: int

    @property
    def is_same(self) -> bool:
        return self.event is None and self.decision is None


def compare(run: Iterable[Record], replay: Iterable[Record], *, is_cut: bool = False) -> Comparison:
    """Compare two journals, or the same stretch of both. ``is_cut``: where the replay has no more, it could not."""
    events = latest_ns = beyond = 0
    event: Difference | None = None
    of_run, of_replay = list[Record](), list[Record]()
    for ours, theirs in zip_longest(run, replay):
        if theirs is None and is_cut:
            beyond += 1
            continue
        of_run += [ours] if ours is not None and is_decision(ours.event) else []
        of_replay += [theirs] if theirs is not None and is_decision(theirs.event) else []
        if event is not None:
            continue
        if ours is None or theirs is None or not _is_same(ours, theirs):
            event = Difference(ours, theirs)
        else:
            events += 1
            latest_ns = max(latest_ns, abs(ours.ts_ns - theirs.ts_ns))
    decisions = 0
    decision: Difference | None = None
    for one, other in zip_longest(of_run, of_replay):
        if one is None or other is None or one.event != other.event:
            # What a recording that was cut off doesn't hold differs from nothing, as long as all before it is the same.
            if not (other is None and is_cut and event is None):
                decision = Difference(one, other)
            break
        decisions += 1
    return Comparison(
        decisions=decisions, events=events, decision=decision, event=event, latest_ns=latest_ns, beyond=beyond
    )


def _is_same(run: Record, replay: Record) -> bool:
    if isinstance(run.event, _NOT_COMPARED):
        return type(run.event) is type(replay.event)
    return run.event == replay.event
