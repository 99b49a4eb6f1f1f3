"""Hold rules against what happens: what has begun, is over, is throttled, or has not lasted long enough yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from trioarb.alerting.incident import Seen, as_it_is, seen_in
from trioarb.config.alerts import AlertRule
from trioarb.errors import clean
from trioarb.model.alert import Alert, Incident
from trioarb.model.event import Event, Record
from trioarb.model.wire import event_types
from trioarb.time.campaign_time import seconds_to_ns

__all__ = ["Evaluation"]

_NEVER = 2**63 - 1
#: So many of them are kept before those are forgotten that nothing depends on any more.
_KEPT = 1_000


@attrs.define(eq=False)
class _Standing:
    """How one incident stands with one rule. ``count``: how often it was seen since the last message.

    ``is_told``: the last message said that it had begun, and none that it is over. ``due_ns``: when it is to be told
    of, if it still holds; ``until_ns``: when it is over by itself.
    """

    latest: Seen
    seq: int | None
    since_ns: int
    lasts: bool = False
    is_told: bool = False
    told_ns: int | None = None
    count: int = 0
    due_ns: int = _NEVER
    until_ns: int = _NEVER


class Evaluation:
    """Tells (``tell``) what rules ask for. It is shown records in their order, and times that never fall.

    All of it is a function of the records and the times that it is shown; it changes nothing but itself.
    """

    def __init__(self, rules: Sequence[AlertRule], tell: Callable[[AlertRule, Alert], None]) -> None:
        self._rules = tuple(enumerate(rules))
        self._tell = tell
        self._standing: dict[tuple[int, str], _Standing] = {}
        self._due_ns = _NEVER
        names = {rule.on for rule in rules}
        incidents = {one.value for one in Incident}
        self._has_incidents = bool(names & incidents)
        plain = (cls for name, cls in event_types().items() if name in names - incidents)
        self._plain: frozenset[type[Event]] = frozenset(plain)

    def observe(self, record: Record) -> None:
        """Look at an event, and first at what its time has made due."""
        if record.ts_ns >= self._due_ns:
            self.look(record.ts_ns)
        if self._has_incidents:
            for seen in seen_in(record):
                self.note(seen, record.ts_ns, record.seq)
        if type(record.event) in self._plain:
            self.note(as_it_is(record), record.ts_ns, record.seq)

    def note(self, seen: Seen, at_ns: int, seq: int | None = None, *, of: Iterable[int] | None = None) -> None:
        """Take note of an incident; ``of`` the rules with these numbers only."""
        for number, rule in self._rules:
            if rule.on == seen.on and (of is None or number in of) and _concerns(rule, seen):
                if seen.is_over:
                    self._end(number, rule, seen, at_ns, seq)
                else:
                    self._begin(number, rule, seen, at_ns, seq)

    def look(self, now_ns: int) -> None:
        """Tell of what has become due."""
        if now_ns < self._due_ns:
            return
        for (number, _), standing in list(self._standing.items()):
            rule = self._rules[number][1]
            if standing.until_ns <= now_ns:
                over = attrs.evolve(standing.latest, is_over=True, text=f"{standing.latest.text}; its time is over")
                self._end(number, rule, over, standing.until_ns, None)
            elif standing.due_ns <= now_ns:
                self._say(rule, standing, standing.latest, now_ns)
        self._forget(now_ns)
        self._due_ns = min((min(one.due_ns, one.until_ns) for one in self._standing.values()), default=_NEVER)

    def finish(self, now_ns: int) -> None:
        """Tell of what was held back, since nothing more will come. What has not lasted long enough is not told of."""
        for (number, _), standing in self._standing.items():
            if standing.due_ns < _NEVER and (standing.told_ns is not None or not standing.lasts):
                self._say(self._rules[number][1], standing, standing.latest, now_ns)

    def _begin(self, number: int, rule: AlertRule, seen: Seen, at_ns: int, seq: int | None) -> None:
        standing = self._standing.get((number, seen.key))
        if standing is None:
            standing = self._standing[number, seen.key] = _Standing(latest=seen, seq=seq, since_ns=at_ns)
        elif not standing.lasts:
            standing.since_ns = at_ns
        standing.latest, standing.seq, standing.lasts = seen, seq, seen.lasts
        standing.until_ns = _NEVER if seen.until_ns is None else seen.until_ns
        if seen.lasts and standing.is_told:  # it goes on
            self._due_ns = min(self._due_ns, standing.until_ns)
            return
        standing.count += 1
        due_ns = standing.since_ns + seconds_to_ns(rule.table.for_seconds) if seen.lasts else at_ns
        if standing.told_ns is not None:
            due_ns = max(due_ns, standing.told_ns + seconds_to_ns(rule.table.throttle_seconds))
        if due_ns <= at_ns:
            self._say(rule, standing, seen, at_ns)
        else:
            standing.due_ns = due_ns
        self._due_ns = min(self._due_ns, standing.due_ns, standing.until_ns)

    def _end(self, number: int, rule: AlertRule, seen: Seen, at_ns: int, seq: int | None) -> None:
        standing = self._standing.get((number, seen.key))
        if standing is None or not standing.lasts:
            return
        standing.lasts, standing.due_ns, standing.until_ns, standing.seq = False, _NEVER, _NEVER, seq
        if standing.is_told:
            standing.is_told = False
            if rule.table.recovery:
                # Whoever reads it knows it by what the first message was about.
                over = attrs.evolve(seen, about=standing.latest.about, details=seen.details or standing.latest.details)
                self._tell(rule, _alert(rule, over, at_ns, seq, standing.count))
                standing.count = 0

    def _say(self, rule: AlertRule, standing: _Standing, seen: Seen, at_ns: int) -> None:
        held_back = max(0, standing.count - 1)
        standing.count, standing.due_ns = 0, _NEVER
        standing.told_ns, standing.is_told = at_ns, standing.lasts
        self._tell(rule, _alert(rule, seen, at_ns, standing.seq, held_back))

    def _forget(self, now_ns: int) -> None:
        """Drop what says nothing that a first time wouldn't."""
        if len(self._standing) < _KEPT:
            return
        for place, one in list(self._standing.items()):
            throttle_ns = seconds_to_ns(self._rules[place[0]][1].table.throttle_seconds)
            is_old = one.told_ns is None or one.told_ns + throttle_ns <= now_ns
            if is_old and not one.lasts and one.due_ns == _NEVER:
                del self._standing[place]


def _concerns(rule: AlertRule, seen: Seen) -> bool:
    table = rule.table
    return (
        (not table.symbols or seen.symbol in table.symbols)
        and (not table.venues or seen.venue in table.venues)
        and (not table.guards or _is_of(seen.guard, table.guards))
    )


def _is_of(guard: str | None, wanted: Sequence[str]) -> bool:
    return guard is not None and (guard in wanted or guard.partition(".")[0] in wanted)


def _alert(rule: AlertRule, seen: Seen, at_ns: int, seq: int | None, held_back: int) -> Alert:
    return Alert(
        rule=rule.name,
        incident=rule.on,
        severity=rule.severity,
        about=_in_line(seen.about),
        text=_in_line(seen.text),
        at_ns=at_ns,
        seq=seq,
        is_over=seen.is_over,
        held_back=held_back,
        details=seen.details,
    )


def _in_line(text: str) -> str:
    """Return what people read as one line: venues' words must not look like another alert."""
    return clean(text).replace("\n", " ")
