"""One limit of a venue: so much in any so many seconds. A pure machine; times are seconds of any steady clock.

A bucket of tokens, each of which comes back when its own window has passed since the answer to what it was used for:
the venue counted it somewhere between sending and answering. So no window of that length, wherever it begins, sees
more than the limit, whether the venue counts in a sliding window, in a fixed one, or lets tokens flow back steadily.

What the venue says of its own count goes first where that leaves less: somebody else uses the limit, or it was lowered.
"""

from __future__ import annotations

from collections import deque
from math import inf

import attrs

__all__ = ["Limit", "Spent", "Window", "portion"]

#: Into so many steps a window is cut: what was answered within one of them comes back together, at its end.
_STEPS = 128
_LATELY = 64
#: After a refusal that nothing explains, so much of what was used then is tried for, but never less than such a part of
#: the limit; and each time nothing was refused for so long, such a part more.
_KEPT, _PART, _PART_SECONDS = 0.5, 4, 300.0


@attrs.frozen(kw_only=True)
class Limit:
    """At most so much in any so many seconds.

    Attributes:
        count: So much.
        seconds: In so many seconds.
        aligned: The venue's windows begin at multiples of that by its own clock (a minute, a day of UTC); when its
            count begins anew is then known from the time in its answers.
    """

    count: int = attrs.field(validator=attrs.validators.ge(1))
    seconds: float = attrs.field(validator=attrs.validators.gt(0))
    aligned: bool = False

    def __str__(self) -> str:
        return f"{self.count:,} in {self.seconds:g} s"


@attrs.define(kw_only=True)
class Spent:
    """What one request took of a window; `Window` changes it."""

    weight: int
    #: How much had been taken, and how much answered, when it was sent, and how much answered before it was.
    taken_before: int
    answered_before: int
    answered_as: int = 0
    answered_at: float | None = None
    #: How much was left then, if its answer said so.
    left: int | None = None


@attrs.define
class _News:
    """What the venue said last: how much was left for what is sent now, and until when that is sure to be so."""

    left: int
    until: float
    asked_by: Spent


@attrs.define
class _Step:
    began: float
    back_at: float
    weight: int


class Window:
    """How much of a limit is used.

    ``limit`` is what the venue allows; ``count`` how much of it is there for us, by its answers: less, where others use
    it, or it was lowered.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit: Limit = limit
        self.count: int = limit.count
        self._steps = deque[_Step]()
        #: The latest answers.
        self._lately = deque[Spent](maxlen=_LATELY)
        self._answered = 0
        self._in_flight = 0
        self._taken_ever = 0
        self._answered_ever = 0
        self._news: _News | None = None
        #: What the venue seems to allow, since when, and how much had been taken by then.
        self._ceiling: int | None = None
        self._lowered_at = 0.0
        self._taken_when_lowered = -1

    def most(self, now: float) -> int:
        """Return how much may be used: the limit, or less for a time after the venue has refused that much."""
        if self._ceiling is None:
            return self.limit.count
        parts = int((now - self._lowered_at) / max(_PART_SECONDS, self.limit.seconds))
        most = self._ceiling + parts * max(1, self.limit.count // _PART)
        if most < self.limit.count:
            return most
        self._ceiling = None
        return self.limit.count

    def used(self, now: float) -> int:
        """Return how much is used: what waits for an answer, and what was answered within the window."""
        steps = self._steps
        while steps and steps[0].back_at <= now:
            self._answered -= steps.popleft().weight
        return self._answered + self._in_flight

    def fits(self, now: float, weight: int, share: float = 1.0) -> bool:
        """Say whether so much may be used now by whom this share of the limit is for.

        No more than half of that is ever on its way unanswered: by the answer to the first half it is known whether the
        second still fits. What weighs more than its share fits when nothing is used.
        """
        used, ours = self.used(now), portion(self.count, share)
        if self._in_flight and self._in_flight + weight > max(1, ours // 2):
            return False
        if self._news is not None and now < self._news.until:
            kept = self.count - ours if weight <= ours else 0
            if weight > self._news.left - kept:
                return False
        return weight <= portion(self.most(now), share) - used or not used

    def fits_at(self, now: float, weight: int, share: float = 1.0) -> float:
        """Return the earliest time at which so much might fit if no answer comes; infinity: not without one."""
        if self.fits(now, weight, share):
            return now
        if self._in_flight and self._in_flight + weight > max(1, portion(self.count, share) // 2):
            return inf
        at = now
        if self._news is not None and now < self._news.until:
            at = self._news.until
        wanted = self.used(now) - max(0, portion(self.most(now), share) - weight)
        for step in self._steps:
            if wanted <= 0:
                break
            wanted -= step.weight
            at = max(at, step.back_at)
        return at if wanted <= 0 else inf

    def take(self, weight: int) -> Spent:
        """Use so much, for a request that is sent now."""
        spent = Spent(weight=weight, taken_before=self._taken_ever, answered_before=self._answered_ever)
        self._in_flight += weight
        self._taken_ever += weight
        if self._news is not None:
            self._news.left -= weight
        return spent

    def answer(self, now: float, spent: Spent) -> None:
        """Take note that a request was answered, or given up: from now on its window runs."""
        if spent.answered_at is not None:
            return
        spent.answered_at, spent.answered_as = now, self._answered_ever
        self._lately.append(spent)
        self._in_flight -= spent.weight
        self._answered_ever += spent.weight
        self._add(now, spent.weight)

    def charge(self, spent: Spent, weight: int) -> None:
        """Take note of what the venue charged for a request that isn't answered yet, where that is another weight."""
        if spent.answered_at is None:
            self._in_flight += weight - spent.weight
            if self._news is not None:
                self._news.left += spent.weight - weight
            spent.weight = weight

    def give_back(self, now: float, spent: Spent) -> None:
        """Take note that the venue counts a request no more, though its window hasn't passed."""
        used = self.used(now)
        if spent.answered_at is None or spent.answered_at + self.limit.seconds <= now or not used:
            return
        # The oldest goes: what is left then counts for longer, not shorter, than the venue's.
        weight = spent.weight
        spent.weight = 0
        while weight and self._steps:
            step = self._steps[0]
            part = min(weight, step.weight)
            step.weight -= part
            weight -= part
            self._answered -= part
            if not step.weight:
                self._steps.popleft()
            if self._news is not None:
                self._news.left = min(self._news.left + part, self.count)

    def hear(
        self,
        now: float,
        spent: Spent,
        *,
        left: int | None = None,
        used: int | None = None,
        count: int | None = None,
        resets_seconds: float | None = None,
    ) -> None:
        """Take note of what the answer to a request says of this limit.

        ``left`` of it or ``used``; ``count``: what it is from now on. ``resets_seconds``: when the venue's own count
        begins anew, at the latest after a whole window.
        """
        if count is not None:
            self.allow(count)
        if left is None:
            if used is None:
                return
            left = self.limit.count - used
        left = max(0, left)
        # As much as was left, and what we used, is the most that can be allowed to us; as much as was left the least.
        self.count = max(1, min(self.count, left + self.used(now)))
        self.count = max(self.count, min(self.limit.count, left + spent.weight))
        spent.left = left
        if self._news is not None and spent.taken_before < self._news.asked_by.taken_before:
            return  # what was said of a later request counts
        seconds = self.limit.seconds if resets_seconds is None else min(resets_seconds, self.limit.seconds)
        self._news = _News(left - self._uncounted(spent, left), now + seconds, spent)

    def allow(self, count: int) -> None:
        """Take note that the venue says what this limit is from now on."""
        self._ceiling = None
        if count != self.limit.count:
            self.limit = attrs.evolve(self.limit, count=max(1, count))
            self.count = self.limit.count

    def refuse(self, now: float, spent: Spent) -> None:
        """Take note that the venue refused a request though there was room: it allows less than it is known to.

        Requests that were sent before that was known say nothing new.
        """
        if spent.taken_before >= self._taken_when_lowered:
            tried = int(min(self.most(now), self.used(now)) * _KEPT)
            self._ceiling = max(1, self.limit.count // _PART, tried)
            self._lowered_at, self._taken_when_lowered = now, self._taken_ever

    def _uncounted(self, spent: Spent, left: int) -> int:
        """Return how much the venue may not have counted yet when it answered that so much is left."""
        uncounted = self._in_flight + self._answered_ever - spent.answered_before - spent.weight
        # What was answered meanwhile with more left, the venue had counted before.
        for one in reversed(self._lately):
            if one.answered_as < spent.answered_before:
                break
            if one is not spent and one.left is not None and one.left >= left:
                uncounted -= one.weight
        return uncounted

    def _add(self, now: float, weight: int) -> None:
        if not weight:
            return
        self._answered += weight
        seconds = self.limit.seconds
        last = self._steps[-1] if self._steps else None
        if last is not None and now - last.began < seconds / _STEPS:
            last.weight += weight
            last.back_at = now + seconds
        else:
            self._steps.append(_Step(now, now + seconds, weight))


def portion(count: int, share: float) -> int:
    """Return how much of a limit a share of it is; never nothing."""
    return max(1, int(count * share))
