"""Real time whose course is kept: who went on when, and between two entries it stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from trioarb.time.campaign_time import Bell, CampaignTime, WakeOrder

__all__ = ["KeptTime"]


class KeptTime(CampaignTime):
    """Campaign time by a real clock, which shows the time of the newest entry of the course.

    So whatever is done of what came shows one time, however long the machine took for it: when the course is told
    again, it is done at the same times. ``keep`` is told who goes on, right before, and whether they were cancelled.
    """

    def __init__(self, real: CampaignTime, keep: Callable[[int, WakeOrder, int, bool], None]) -> None:
        self._real = real
        self._keep = keep
        self._shown_ns = real.now_ns()
        self._waits = Counter[WakeOrder]()

    def now_ns(self) -> int:
        return self._shown_ns

    def go_on(self) -> int:
        """Show the time of the clock; return it."""
        self._shown_ns = now_ns = max(self._shown_ns, self._real.now_ns())
        return now_ns

    def reach(self, at_ns: int) -> bool:
        return self.go_on() >= at_ns

    async def sleep_until(self, at_ns: int, order: WakeOrder) -> None:
        with self._woken(order):
            await self._real.sleep_until(at_ns, order)

    async def turn(self, order: WakeOrder) -> None:
        with self._woken(order):
            await self._real.turn(order)

    async def pick_up(self, order: WakeOrder) -> None:
        with self._woken(order):
            pass

    def bell(self, order: WakeOrder, at_once: Callable[[], bool] | None = None) -> Bell:
        return _KeptBell(self._real.bell(order), self._woken, order)

    def deadline(self, at_ns: int) -> float:
        return self._real.deadline(at_ns)

    def yield_soon(self) -> None:
        self._real.yield_soon()

    @contextmanager
    def _woken(self, order: WakeOrder) -> Iterator[None]:
        self._waits[order] += 1
        number = self._waits[order]
        try:
            yield
        except BaseException:
            self._keep(self.go_on(), order, number, True)
            raise
        self._keep(self.go_on(), order, number, False)


class _KeptBell(Bell):
    def __init__(
        self, real: Bell, woken: Callable[[WakeOrder], AbstractContextManager[None]], order: WakeOrder
    ) -> None:
        self._real = real
        self._woken = woken
        self._order = order

    def ring(self) -> None:
        self._real.ring()

    async def wait(self, until_ns: int | None) -> None:
        with self._woken(self._order):
            await self._real.wait(until_ns)
