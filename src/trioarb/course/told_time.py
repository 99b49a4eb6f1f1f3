"""The clock and the time of a campaign whose course is told again: who waits goes on when the course says so."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import attrs
import trio

from trioarb.course.entry import Entry, Key, Said, Shown, Woken
from trioarb.time.campaign_time import SECOND_NS, Bell, CampaignTime, WakeOrder

__all__ = ["Over", "Teller", "ToldClock", "ToldTime"]


class Over(Exception):
    """Nothing more is told."""


class Teller(Protocol):
    """What a told clock goes by. ``head`` is the entry that comes next, ``None`` after the last; `take` goes on."""

    head: Entry | None

    def take(self) -> None: ...


@attrs.define(eq=False)
class _Waiter:
    """A task that waits; ``None`` once it went on, for an ``entry`` or because there will be none.

    ``due_ns`` is when it would go on once nothing is told any more. ``is_cancelled``: it is to give up, when the course
    says so.
    """

    task: trio.lowlevel.Task | None
    due_ns: int | None
    entry: Entry | None = None
    is_cancelled: bool = False


class ToldClock(trio.abc.Clock):
    """A clock for `trio.run`: whenever no task can run, the next entry of a course says who goes on, and at what time.

    ``now_ns`` is the time of the entry that was taken last. Deadlines of cancel scopes that lie before the next entry
    pass before it. An entry that nobody waits for yet is kept for who will, if it says something; a wake is not, and
    is counted as ``missed``. Once nothing more is told, ``on_over`` is called, and time goes on by itself: who waits
    for a time goes on when that has come, and who waits for something to be said gets `Over`.
    """

    def __init__(self, teller: Teller) -> None:
        self.now_ns = 0
        self.start_ns = 0
        self.missed = 0
        self.first_missed: Woken | None = None
        self.is_over = False
        self.on_over: Callable[[], None] = lambda: None
        self._teller = teller
        self._elapsed_ns = 0
        self._waits = Counter[Hashable]()
        self._waiting = defaultdict[Hashable, deque[_Waiter]](deque)
        self._unclaimed = defaultdict[Hashable, deque[Entry]](deque)

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self._elapsed_ns / SECOND_NS

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Called by Trio when nothing is runnable, with the earliest deadline of all cancel scopes."""
        while (entry := self._teller.head) is not None:
            if self._passes_to(deadline, self.elapsed_of(entry)):
                return 0
            self._teller.take()
            if self._go_on(entry):
                return 0
        if not self.is_over:
            self.is_over = True
            self.on_over()
            for key, waiters in self._waiting.items():
                for waiter in waiters:
                    if waiter.is_cancelled or not isinstance(key, _Turn):
                        self._wake(waiter, None)
            return 0
        due = [one for waiters in self._waiting.values() for one in waiters if one.task is not None]
        first = min((one for one in due if one.due_ns is not None), key=lambda one: one.due_ns or 0, default=None)
        if first is None or first.due_ns is None:
            return 0 if self._passes_to(deadline, None) else math.inf
        if self._passes_to(deadline, max(0, first.due_ns - self.start_ns)):
            return 0
        self.show(max(first.due_ns, self.now_ns))
        self._wake(first, None)
        return 0

    def elapsed_of(self, entry: Entry) -> int:
        at_ns = entry.at_ns if isinstance(entry, Woken | Shown | Said) else 0
        return max(self._elapsed_ns, at_ns - self.start_ns) if at_ns else self._elapsed_ns

    def show(self, at_ns: int) -> None:
        """Let it be this time, if that isn't past."""
        self.now_ns = max(self.now_ns, at_ns)
        self._elapsed_ns = max(self._elapsed_ns, at_ns - self.start_ns)

    def is_free_until(self, entry: Entry) -> bool:
        """Return whether nobody has to go on before an entry."""
        now = trio.lowlevel.current_statistics()
        seconds = (self.elapsed_of(entry) - self._elapsed_ns) / SECOND_NS
        return not now.tasks_runnable and seconds < now.seconds_to_next_deadline

    async def wait_for(self, key: Key) -> Entry:
        """Return the next entry of a key that comes without being asked for, which the course tells in its turn.

        Raises:
            Over: none will come.
        """
        return await self._claimed((key, 0), is_kept=False)

    async def answer_to(self, key: Key) -> Entry:
        """Return what the course says is the answer to a question; or be cancelled, once that was.

        Raises:
            Over: nothing is told any more.
        """
        self._waits[key] += 1
        entry = await self._claimed((key, self._waits[key]), is_kept=True)
        if isinstance(entry, Said) and entry.is_cancelled:
            await trio.sleep_forever()
        return entry

    async def wait_turn(self, order: WakeOrder, due_ns: int | None) -> None:
        """Return when the course says that it is this one's turn; or be cancelled, once it was.

        ``due_ns`` is for when nothing is told any more.
        """
        self._waits[order] += 1
        entry = await self._parked(_Turn(order, self._waits[order]), due_ns, is_kept=True)
        if isinstance(entry, Woken) and entry.is_cancelled:
            await trio.sleep_forever()

    async def _claimed(self, key: Hashable, *, is_kept: bool) -> Entry:
        unclaimed = self._unclaimed.get(key)
        if unclaimed:
            await trio.lowlevel.cancel_shielded_checkpoint()
        entry = unclaimed.popleft() if unclaimed else await self._parked(key, None, is_kept=is_kept)
        if entry is None:
            raise Over
        return entry

    async def _parked(self, key: Hashable, due_ns: int | None, *, is_kept: bool) -> Entry | None:
        """Return the entry that this task was woken for; ``None``: nothing is told any more."""
        if self.is_over and not isinstance(key, _Turn):
            await trio.lowlevel.checkpoint()
            return None
        waiter = _Waiter(trio.lowlevel.current_task(), due_ns)
        self._waiting[key].append(waiter)

        def abort(_: Any) -> trio.lowlevel.Abort:
            if is_kept and not self.is_over:
                waiter.is_cancelled = True
                return trio.lowlevel.Abort.FAILED
            waiter.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        if waiter.entry is None and waiter.is_cancelled:
            await trio.sleep_forever()
        return waiter.entry

    def ring(self, order: WakeOrder) -> None:
        """Take note that who waits at this place may go on once nothing is told any more."""
        for waiter in self._waiting.get(_Turn(order, self._waits[order]), ()):
            waiter.due_ns = self.now_ns

    def _passes_to(self, deadline: float, elapsed_ns: int | None) -> bool:
        """Go on to a deadline, if that comes before."""
        if deadline == math.inf or (elapsed_ns is not None and elapsed_ns / SECOND_NS < deadline):
            return False
        self._elapsed_ns = max(self._elapsed_ns, round(deadline * SECOND_NS))
        while self.current_time() < deadline:
            self._elapsed_ns += 1
        return True

    def _go_on(self, entry: Entry) -> bool:
        """Wake who waits for an entry; say whether somebody does."""
        match entry:
            case Woken():
                key: Hashable = _Turn(entry.order, entry.number)
            case Said():
                key = entry.key, entry.number
            case Shown():
                key = entry.key, 0
            case _:
                return False
        self.show(entry.at_ns)
        waiter = self._first(key)
        if waiter is not None:
            self._wake(waiter, entry)
        elif isinstance(entry, Woken):
            self.missed += 1
            self.first_missed = self.first_missed or entry
        else:
            self._unclaimed[key].append(entry)
        return waiter is not None

    def _first(self, key: Hashable) -> _Waiter | None:
        waiting = self._waiting.get(key)
        while waiting:
            waiter = waiting.popleft()
            if not waiting:
                del self._waiting[key]
            if waiter.task is not None:
                return waiter
        return None

    def _wake(self, waiter: _Waiter, entry: Entry | None) -> None:
        task, waiter.task, waiter.entry = waiter.task, None, entry
        if task is not None:
            trio.lowlevel.reschedule(task)


@attrs.frozen
class _Turn:
    """A task that waits for a time or a bell: at which place, and as which that ever did."""

    order: WakeOrder
    number: int


class ToldTime(CampaignTime):
    """Campaign time as a course tells it."""

    def __init__(self, clock: ToldClock, start_ns: int) -> None:
        self._clock = clock
        clock.start_ns = start_ns
        clock.show(start_ns)

    def now_ns(self) -> int:
        return self._clock.now_ns

    def reach(self, at_ns: int) -> bool:
        return self.now_ns() >= at_ns

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        await self._clock.wait_turn(order, at_ns)

    async def turn(self, order: WakeOrder) -> None:
        await self._clock.wait_turn(order, self.now_ns())

    async def pick_up(self, order: WakeOrder) -> None:
        await self.turn(order)

    def bell(self, order: WakeOrder, at_once: Callable[[], bool] | None = None) -> Bell:
        return _ToldBell(self._clock, order)

    def deadline(self, at_ns: int) -> float:
        return (at_ns - self._clock.start_ns) / SECOND_NS

    def yield_soon(self) -> None:
        pass


class _ToldBell(Bell):
    def __init__(self, clock: ToldClock, order: WakeOrder) -> None:
        self._clock = clock
        self._order = order
        self._rung = False

    def ring(self) -> None:
        self._rung = True
        self._clock.ring(self._order)

    async def wait(self, until_ns: int | None) -> None:
        await self._clock.wait_turn(self._order, self._clock.now_ns if self._rung else until_ns)
        self._rung = False
