"""Virtual time: a Trio clock with an ordered agenda, which jumps to what is due next when nothing can run."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import trio

from trioarb.time.campaign_time import SECOND_NS, Bell, CampaignTime, WakeOrder

__all__ = ["VirtualClock", "VirtualTime"]

_NEVER = 2**63 - 1

#: An agenda of more entries is cleared of those that were woken before their time; many never would have been.
_ENTRIES = 256


@attrs.define(eq=False)
class _Entry:
    """A task that waits on the agenda; ``None`` once it was woken or cancelled."""

    task: trio.lowlevel.Task | None


class VirtualClock(trio.abc.Clock):
    """A clock for `trio.run`: time stands still while any task can run.

    When none can, the clock takes the least (time, order) of its agenda, or the next deadline of a cancel scope if
    that comes first, sets the time and wakes exactly that one. So what happens does not depend on the order in
    which Trio runs tasks that are runnable together. Work in threads is not seen: time would jump past it.
    """

    def __init__(self) -> None:
        self.elapsed_ns = 0
        #: Until then nobody has to be woken; ``None``: not looked for since the clock woke somebody.
        self.horizon_ns: int | None = 0
        #: Called before anybody wakes, with the time up to which everything of order class 0 has had its turn.
        self.lead: Callable[[int], None] | None = None
        #: The task that was woken last, if the agenda says for certain that it was its turn.
        self.awake: trio.lowlevel.Task | None = None
        self._woke_for: tuple[int, WakeOrder] | None = None
        self._agenda: list[tuple[int, WakeOrder, int, _Entry]] = []
        self._most_entries = _ENTRIES
        self._count = itertools.count()

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.elapsed_ns / SECOND_NS

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Called by Trio when nothing is runnable, with the earliest deadline of all cancel scopes."""
        due = self._first()
        if due is not None and due[0] < _NEVER and due[0] / SECOND_NS < deadline:
            at_ns, order, _, entry = heapq.heappop(self._agenda)
            self.elapsed_ns = max(self.elapsed_ns, at_ns)
            if self.lead is not None:
                self.lead(self.elapsed_ns if order[0] else self.elapsed_ns - 1)
            task, entry.task = entry.task, None
            self._note(task, (at_ns, order))
            if task is not None:
                trio.lowlevel.reschedule(task)
            return 0
        if deadline == math.inf:
            return math.inf
        self.awake = None
        if deadline > self.current_time():
            self.elapsed_ns = max(self.elapsed_ns, round(deadline * SECOND_NS))
        while self.current_time() < deadline:
            self.elapsed_ns += 1
        if self.lead is not None:
            self.lead(self.elapsed_ns - 1)
        return 0

    def _first(self) -> tuple[int, WakeOrder, int, _Entry] | None:
        agenda = self._agenda
        while agenda and agenda[0][3].task is None:
            heapq.heappop(agenda)
        return agenda[0] if agenda else None

    def _note(self, task: trio.lowlevel.Task | None, woke_for: tuple[int, WakeOrder]) -> None:
        """Note whose turn it is. Of several that wait for the same, Trio's order would say who is first."""
        following = self._first()
        is_alone = woke_for != self._woke_for and (following is None or following[:2] != woke_for)
        self.awake = task if is_alone else None
        self._woke_for = woke_for

    def park(self, at_ns: int, order: WakeOrder) -> _Entry:
        """Put the current task on the agenda."""
        entry = _Entry(trio.lowlevel.current_task())
        self._push(at_ns, order, entry)
        return entry

    def move(self, entry: _Entry, order: WakeOrder) -> _Entry:
        """Let the entry's task wake now instead of when it wanted to."""
        moved = _Entry(entry.task)
        entry.task = None
        self._push(self.elapsed_ns, order, moved)
        return moved

    def look_ahead(self) -> int:
        """Return until when time may run on without waking anybody; it is kept in ``horizon_ns``."""
        first = self._first()
        horizon = _NEVER if first is None else first[0]
        to_deadline = trio.lowlevel.current_statistics().seconds_to_next_deadline
        if not math.isinf(to_deadline):
            horizon = min(horizon, self.elapsed_ns + math.floor(to_deadline * SECOND_NS))
        self.horizon_ns = horizon
        return horizon

    def is_free_until(self, elapsed_ns: int, order: WakeOrder) -> bool:
        """Return whether nobody has to be woken before ``order`` at that time."""
        first = self._first()
        if first is not None and first[:2] <= (elapsed_ns, order):
            return False
        if elapsed_ns == self.elapsed_ns:
            return True
        now = trio.lowlevel.current_statistics()
        return not now.tasks_runnable and elapsed_ns < self.elapsed_ns + now.seconds_to_next_deadline * SECOND_NS

    def _push(self, at_ns: int, order: WakeOrder, entry: _Entry) -> None:
        if len(self._agenda) > self._most_entries:
            self._agenda = [waiting for waiting in self._agenda if waiting[3].task is not None]
            heapq.heapify(self._agenda)
            self._most_entries = max(_ENTRIES, 2 * len(self._agenda))
        heapq.heappush(self._agenda, (at_ns, order, next(self._count), entry))
        if self.horizon_ns is not None and at_ns < self.horizon_ns:
            self.horizon_ns = at_ns


class VirtualTime(CampaignTime):
    """Campaign time on a `VirtualClock`, which must be the clock of the running `trio.run`."""

    jumps = True

    def __init__(self, clock: VirtualClock, start_ns: int) -> None:
        self._clock = clock
        self._start_ns = start_ns - clock.elapsed_ns

    def now_ns(self) -> int:
        return self._start_ns + self._clock.elapsed_ns

    @contextmanager
    def led_by(self, lead: Callable[[int], None]) -> Iterator[None]:
        """Call ``lead`` before anybody wakes, so that what it keeps is up to date: with the time up to which (that
        included) everything of `Turn.MARKET` has had its turn. It must not raise, and wakes nobody.
        """
        self._clock.lead = lambda elapsed_ns: lead(self._start_ns + elapsed_ns)
        try:
            yield
        finally:
            self._clock.lead = None

    def reach(self, at_ns: int) -> bool:
        clock, elapsed_ns = self._clock, at_ns - self._start_ns
        horizon_ns = clock.horizon_ns
        if horizon_ns is None:
            horizon_ns = clock.look_ahead()
        if elapsed_ns >= horizon_ns:
            return False
        if elapsed_ns > clock.elapsed_ns:
            clock.elapsed_ns = elapsed_ns
        return True

    def pass_to(self, at_ns: int, order: WakeOrder) -> bool:
        clock = self._clock
        if clock.horizon_ns == -1:
            return False
        elapsed_ns = max(at_ns - self._start_ns, clock.elapsed_ns)
        if not clock.is_free_until(elapsed_ns, order):
            return False
        clock.elapsed_ns = elapsed_ns
        if clock.lead is not None:
            clock.lead(elapsed_ns if order[0] else elapsed_ns - 1)
        clock.horizon_ns = None
        return True

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        entry = self._clock.park(max(at_ns - self._start_ns, self._clock.elapsed_ns), order)

        def abort(_: Any) -> trio.lowlevel.Abort:
            entry.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        self._clock.horizon_ns = None

    async def turn(self, order: WakeOrder) -> None:
        if self._clock.awake is not trio.lowlevel.current_task():
            await self.sleep_until(self.now_ns(), order)

    def bell(self, order: WakeOrder) -> Bell:
        return _VirtualBell(self._clock, self._start_ns, order)

    def deadline(self, at_ns: int) -> float:
        return (at_ns - self._start_ns) / SECOND_NS

    def yield_soon(self) -> None:
        self._clock.horizon_ns = -1


class _VirtualBell(Bell):
    def __init__(self, clock: VirtualClock, start_ns: int, order: WakeOrder) -> None:
        self._clock = clock
        self._start_ns = start_ns
        self._order = order
        self._waiting: _Entry | None = None
        self._rung = False

    def ring(self) -> None:
        if self._waiting is not None and self._waiting.task is not None and not self._rung:
            self._waiting = self._clock.move(self._waiting, self._order)
        self._rung = True

    async def wait(self, until_ns: int | None) -> None:
        if self._rung:
            at_ns = self._clock.elapsed_ns
        else:
            at_ns = _NEVER if until_ns is None else max(until_ns - self._start_ns, self._clock.elapsed_ns)
        self._waiting = self._clock.park(at_ns, self._order)

        def abort(_: Any) -> trio.lowlevel.Abort:
            if self._waiting is not None:
                self._waiting.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        try:
            await trio.lowlevel.wait_task_rescheduled(abort)
        finally:
            self._waiting = None
        self._rung = False
        self._clock.horizon_ns = None
