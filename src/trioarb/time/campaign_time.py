"""The time service: everything in a campaign that waits, waits here.

Campaign time is integer nanoseconds since the Unix epoch. Under the real clock it is the wall clock of the
campaign's start plus Trio's monotonic time; in a replay it is the time of the data.
"""

from __future__ import annotations

import time as wall
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum

import trio

__all__ = ["SECOND_NS", "Bell", "CampaignTime", "RealTime", "Turn", "WakeOrder", "seconds_to_ns"]

#: So many nanoseconds are a second.
SECOND_NS = 1_000_000_000

#: Who goes first among those that are due at the same nanosecond: (turn, symbol, venue, number); made by `Turn.order`.
WakeOrder = tuple[int, str, str, int]


class Turn(IntEnum):
    """Whose turn comes first among all that are due at the same nanosecond.

    Quotes are there before an order reaches its venue, an order is answered before a symbol decides, every symbol
    decides before the services look, and what ends the campaign comes last.
    """

    MARKET = 0
    VENUE = 1
    SYMBOL = 2
    PACE = 3
    SERVICE = 4
    LAST = 5

    def order(self, *, symbol: str = "", venue: str = "", number: int = 0) -> WakeOrder:
        """Return the place among those of the same turn: by symbol, then venue, then number.

        Args:
            symbol: Whose symbol it is about.
            venue: Which venue.
            number: What tells several of both apart.

        Returns:
            What `CampaignTime.sleep`, `sleep_until`, `turn` and `bell` take.
        """
        return (int(self), symbol, venue, number)


def seconds_to_ns(seconds: object) -> int:
    """Return a number of seconds as whole nanoseconds, rounded towards zero.

    Args:
        seconds: A Decimal, an int or a float.
    """
    return int(seconds * SECOND_NS)  # type: ignore[operator]


class Bell(ABC):
    """What one task waits at until it is rung or a time has come. Rings while nobody waits are kept (once)."""

    @abstractmethod
    def ring(self) -> None:
        """Wake the waiter, or let the next wait return at once."""

    @abstractmethod
    async def wait(self, until_ns: int | None) -> None:
        """Return when rung, or at a time.

        Args:
            until_ns: Campaign time in nanoseconds; ``None``: only when rung.

        Cancellation:
            Can be cancelled; a ring isn't lost.
        """


class CampaignTime(ABC):
    """The one place where a campaign reads the time and waits. All times are Unix nanoseconds.

    Attributes:
        jumps: Whether time is virtual: it goes on as soon as nothing is due.
    """

    jumps = False

    @abstractmethod
    def now_ns(self) -> int:
        """Return the campaign's time."""

    @abstractmethod
    def reach(self, at_ns: int) -> bool:
        """Say whether it is a time already; virtual time steps there if nothing else is due before.

        Args:
            at_ns: Campaign time in nanoseconds.
        """

    def pass_to(self, at_ns: int, order: WakeOrder) -> bool:
        """Do what `sleep_until` does, if that takes no waiting, and say whether it did.

        In virtual time it takes none where nobody else is due before.

        Args:
            at_ns: Campaign time in nanoseconds.
            order: Whose turn is first at that time, made by `Turn.order`.
        """
        return False

    @abstractmethod
    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        """Wait for a time. Sleepers due at the same time wake one after the other, in ``order``.

        Args:
            at_ns: Campaign time in nanoseconds.
            order: Whose turn is first at that time, made by `Turn.order`.

        Cancellation:
            Can be cancelled; nothing is left of it.
        """

    @abstractmethod
    async def turn(self, order: WakeOrder) -> None:
        """Wait until it is this task's turn among those that go on now.

        In virtual time these go on one after the other, in ``order``, but for the one that goes on already; in real
        time all do at once.

        Args:
            order: Whose turn is first, made by `Turn.order`.
        """

    async def pick_up(self, order: WakeOrder) -> None:  # noqa: B027
        """Go on after something was waited for that isn't waited for here: a task of one's own, or a thread, say.

        Where the course of a run is kept or told, that is a turn of its own; otherwise this does nothing.

        Args:
            order: Whose turn is first, made by `Turn.order`.
        """

    @abstractmethod
    def bell(self, order: WakeOrder, at_once: Callable[[], bool] | None = None) -> Bell:
        """Make a bell whose waiter wakes in its turn among others that are due.

        Args:
            order: Whose turn is first, made by `Turn.order`.
            at_once: Does what the bell is rung for without the waiter, and says whether that may sleep on. In virtual
                time it is called in the waiter's turn, where that saves waking it; it must not raise.

        Returns:
            A bell for one task to wait at.
        """

    @abstractmethod
    def deadline(self, at_ns: int) -> float:
        """Return a time on Trio's clock, for the deadline of a cancel scope.

        Args:
            at_ns: Campaign time in nanoseconds.
        """

    @abstractmethod
    def yield_soon(self) -> None:
        """Make the next `reach` say no, so that tasks that were just woken get their turn."""

    async def sleep(self, duration_ns: int, order: WakeOrder) -> None:
        """Wait for a while, as `sleep_until`.

        Args:
            duration_ns: Nanoseconds of campaign time; none or less: nobody waits, but others may have their turn.
            order: Whose turn is first at that time, made by `Turn.order`.

        Cancellation:
            Can be cancelled; nothing is left of it.
        """
        await self.sleep_until(self.now_ns() + duration_ns, order)


class RealTime(CampaignTime):
    """Campaign time that passes with Trio's clock; ``start_ns`` is what it shows when this is made.

    Without that it shows the machine's time of when it is first used, which has to be in Trio's run.
    """

    def __init__(self, start_ns: int | None = None) -> None:
        self._start_ns = 0
        self._start: float | None = None
        self._now: Callable[[], float] = trio.current_time
        if start_ns is not None:
            self.begin(start_ns)

    def begin(self, start_ns: int) -> float:
        """Let it be ``start_ns`` now, whatever it was before; return when that is, by Trio's clock."""
        self._start_ns, self._start = start_ns, self._now()
        return self._start

    def _begin_now(self) -> float:
        return self.begin(wall.time_ns())  # noqa: TID251  there is no other time

    def now_ns(self) -> int:
        start = self._begin_now() if self._start is None else self._start
        return self._start_ns + round((self._now() - start) * SECOND_NS)

    def reach(self, at_ns: int) -> bool:
        return self.now_ns() >= at_ns

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        await trio.sleep_until(self.deadline(at_ns))

    async def turn(self, order: WakeOrder) -> None:
        pass

    def bell(self, order: WakeOrder, at_once: Callable[[], bool] | None = None) -> Bell:
        return _RealBell(self)

    def deadline(self, at_ns: int) -> float:
        start = self._begin_now() if self._start is None else self._start
        return start + (at_ns - self._start_ns) / SECOND_NS

    def yield_soon(self) -> None:
        pass  # whoever reads a tape in real time lets the others run every few rows anyway


class _RealBell(Bell):
    def __init__(self, time: RealTime) -> None:
        self._time = time
        self._rung = trio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, until_ns: int | None) -> None:
        deadline = float("inf") if until_ns is None else self._time.deadline(until_ns)
        with trio.CancelScope(deadline=deadline):
            await self._rung.wait()
        if self._rung.is_set():
            self._rung = trio.Event()
