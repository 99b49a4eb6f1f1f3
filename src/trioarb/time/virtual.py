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

from trioarb.time.campaign_time import SECOND_NS, Bell, CampaignTime, Turn, WakeOrder

__all__ = ["VirtualClock", "VirtualTime"]

_NEVER = 2**63 - 1

#: An agenda of more entries is cleared of those that were woken before their time; many never would have been.
_ENTRIES = 256

#: So many turns may pass without Trio running, which hears signals and threads in between.
_MOST_PASSED = 64


@attrs.define(eq=False)
class _Entry:
    """A task that waits on the agenda; ``None`` once it was woken or cancelled.

    ``at_once`` does what the task would be woken for, and says whether it may wait on: until ``until_ns``.
    """

    task: trio.lowlevel.Task | None
    at_once: Callable[[], bool] | None = None
    until_ns: int = _NEVER


class VirtualClock(trio.abc.Clock):
    """A clock for `trio.run`: time stands still while any task can run.

    When none can, the clock takes the least (time, order) of its agenda, or the next deadline of a cancel scope if
    that comes first, sets the time and wakes exactly that one. So what happens does not depend on the order in
    which Trio runs tasks that are runnable together. Work in threads is not seen: time would jump past it.
    """

    def __init__(self) -> None:
        self.elapsed_ns: int = 0
        #: Until then nobody has to be woken; ``None``: not looked for since the clock woke somebody.
        self.horizon_ns: int | None = 0
        #: Called before anybody wakes, with the time up to which everything of order class 0 has had its turn.
        self.lead: Callable[[int, int], None] | None = None
        #: The task that was woken last, if the agenda says for certain that it was its turn.
        self.awake: trio.lowlevel.Task | None = None
        self._woke_for: tuple[int, WakeOrder] | None = None
        self._agenda: list[tuple[int, WakeOrder, int, _Entry]] = []
        self._most_entries = _ENTRIES
        self._count = itertools.count()
        self._passed = 0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self.elapsed_ns / SECOND_NS

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Called by Trio when nothing is runnable, with the earliest deadline of all cancel scopes."""
        self._passed = 0
        due = self._first()
        if due is not None and due[0] < _NEVER and due[0] / SECOND_NS < deadline:
            self._wake(self._next_turn())
            return 0
        if deadline == math.inf:
            return math.inf
        self.awake = None
        if deadline > self.current_time():
            self.elapsed_ns = max(self.elapsed_ns, round(deadline * SECOND_NS))
        while self.current_time() < deadline:
            self.elapsed_ns += 1
        if self.lead is not None:
            self.lead(self.elapsed_ns - 1, Turn.LAST)
        return 0

    def _first(self) -> tuple[int, WakeOrder, int, _Entry] | None:
        agenda = self._agenda
        while agenda and agenda[0][3].task is None:
            heapq.heappop(agenda)
        return agenda[0] if agenda else None

    def _next_turn(self) -> _Entry:
        """Take the first entry off the agenda, whose turn begins."""
        at_ns, order, _, entry = heapq.heappop(self._agenda)
        self.elapsed_ns = max(self.elapsed_ns, at_ns)
        if self.lead is not None:
            self.lead(self.elapsed_ns if order[0] else self.elapsed_ns - 1, order[0])
        self._note(entry.task, (at_ns, order))
        return entry

    def _wake(self, entry: _Entry) -> None:
        task, entry.task = entry.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

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

    def move(self, entry: _Entry, at_ns: int, order: WakeOrder, at_once: Callable[[], bool] | None) -> _Entry:
        """Let the entry's task, which wanted to wake at ``at_ns``, wake now, unless ``at_once`` does for it."""
        moved = _Entry(entry.task, at_once, at_ns)
        entry.task = None
        self._push(self.elapsed_ns, order, moved)
        return moved

    def pass_turns(self) -> bool:
        """Do at once what is due before the running task, which is on the agenda; say whether its turn has come then.

        Where it hasn't, or nothing could be done at once, the task has to wait as any other.
        """
        task, is_passed = trio.lowlevel.current_task(), False
        while (first := self._first()) is not None and self._passed < _MOST_PASSED and self.horizon_ns != -1:
            at_ns, order, _, entry = first
            is_own = entry.task is task
            if not is_passed if is_own else entry.at_once is None or at_ns > self.elapsed_ns:
                break
            now = trio.lowlevel.current_statistics()
            if now.tasks_runnable:
                break
            if is_own:
                deadline_ns = self._deadline_ns(now)
                if at_ns >= deadline_ns or trio.current_effective_deadline() == -math.inf:
                    break
                self._next_turn().task = None
                self.horizon_ns = min(self._next_ns(), deadline_ns)
                return True
            self._next_turn()
            if entry.at_once is None or not entry.at_once():
                self._wake(entry)
                break
            self._push(entry.until_ns, order, entry)
            is_passed = True
            self._passed += 1
        return False

    def look_ahead(self) -> int:
        """Return until when time may run on without waking anybody; it is kept in ``horizon_ns``."""
        horizon = self.horizon_ns = min(self._next_ns(), self._deadline_ns(trio.lowlevel.current_statistics()))
        return horizon

    def _next_ns(self) -> int:
        first = self._first()
        return _NEVER if first is None else first[0]

    def _deadline_ns(self, now: trio.lowlevel.RunStatistics) -> int:
        """Return when the next deadline of a cancel scope is."""
        seconds = now.seconds_to_next_deadline
        return _NEVER if math.isinf(seconds) else self.elapsed_ns + math.floor(seconds * SECOND_NS)

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
        #: What it shows at the clock's zero.
        self.zero_ns: int = start_ns - clock.elapsed_ns

    def begin(self, start_ns: int) -> None:
        """Let it be ``start_ns`` now, whatever it was before. Who waits goes on waiting for as long as before."""
        self.zero_ns = start_ns - self._clock.elapsed_ns

    def now_ns(self) -> int:
        return self.zero_ns + self._clock.elapsed_ns

    @contextmanager
    def led_by(self, lead: Callable[[int, int], None]) -> Iterator[None]:
        """Call ``lead`` before anybody wakes, so that what it keeps is up to date: with the time up to which (that
        included) everything of `Turn.MARKET` has had its turn, and which `Turn` begins. It must not raise, and wakes
        nobody.
        """
        self._clock.lead = lambda elapsed_ns, turn: lead(self.zero_ns + elapsed_ns, turn)
        try:
            yield
        finally:
            self._clock.lead = None

    def reach(self, at_ns: int) -> bool:
        clock, elapsed_ns = self._clock, at_ns - self.zero_ns
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
        elapsed_ns = max(at_ns - self.zero_ns, clock.elapsed_ns)
        if not clock.is_free_until(elapsed_ns, order):
            return False
        clock.elapsed_ns = elapsed_ns
        if clock.lead is not None:
            clock.lead(elapsed_ns if order[0] else elapsed_ns - 1, order[0])
        clock.horizon_ns = None
        return True

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        entry = self._clock.park(max(at_ns - self.zero_ns, self._clock.elapsed_ns), order)

        def abort(_: Any) -> trio.lowlevel.Abort:
            entry.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        self._clock.horizon_ns = None

    async def turn(self, order: WakeOrder) -> None:
        if self._clock.awake is not trio.lowlevel.current_task():
            await self.sleep_until(self.now_ns(), order)

    def bell(self, order: WakeOrder, at_once: Callable[[], bool] | None = None) -> Bell:
        return _VirtualBell(self, self._clock, order, at_once)

    def deadline(self, at_ns: int) -> float:
        return (at_ns - self.zero_ns) / SECOND_NS

    def yield_soon(self) -> None:
        self._clock.horizon_ns = -1


class _VirtualBell(Bell):
    def __init__(
        self, time: VirtualTime, clock: VirtualClock, order: WakeOrder, at_once: Callable[[], bool] | None
    ) -> None:
        self._time = time
        self._clock = clock
        self._order = order
        self._at_once = at_once
        self._waiting: _Entry | None = None
        self._until_ns = _NEVER
        self._rung = False

    def ring(self) -> None:
        if self._waiting is not None and self._waiting.task is not None and not self._rung:
            at_once = None if self._at_once is None else self._do
            self._waiting = self._clock.move(self._waiting, self._until_ns, self._order, at_once)
        self._rung = True

    def _do(self) -> bool:
        assert self._at_once is not None
        self._rung = not self._at_once()
        return not self._rung

    async def wait(self, until_ns: int | None) -> None:
        at_ns = _NEVER if until_ns is None else max(until_ns - self._time.zero_ns, self._clock.elapsed_ns)
        self._until_ns = at_ns
        self._waiting = self._clock.park(self._clock.elapsed_ns if self._rung else at_ns, self._order)

        def abort(_: Any) -> trio.lowlevel.Abort:
            if self._waiting is not None:
                self._waiting.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        try:
            if not self._clock.pass_turns():
                await trio.lowlevel.wait_task_rescheduled(abort)
                self._clock.horizon_ns = None
        finally:
            self._waiting = None
        self._rung = False
