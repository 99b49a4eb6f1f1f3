"""What a paper venue tells of its orders by itself, each message at its time."""

from __future__ import annotations

import heapq

import trio

from trioarb.api import Bell, CampaignTime, OrderSink, OrderUpdate, Turn

__all__ = ["Updates"]


class Updates:
    """Messages that are on their way. What is told while nobody listens is told once somebody does."""

    def __init__(self, time: CampaignTime, venue: str) -> None:
        self._time = time
        self._venue = venue
        self._bell: Bell | None = None
        self._due: list[tuple[int, int, OrderUpdate]] = []
        self._count = 0

    def tell(self, update: OrderUpdate, after_ns: int) -> None:
        """Tell something after so long; messages never overtake each other."""
        at_ns = max(self._time.now_ns() + after_ns, max((due[0] for due in self._due), default=0))
        self._count += 1
        heapq.heappush(self._due, (at_ns, self._count, update))
        if self._bell is not None:
            self._bell.ring()

    async def run(self, sink: OrderSink, task_status: trio.TaskStatus[None]) -> None:
        """Tell it all, until cancelled."""
        bell = self._bell = self._time.bell(Turn.VENUE.order(venue=self._venue, number=3))
        task_status.started()
        while True:
            while self._due and self._due[0][0] <= self._time.now_ns():
                sink(heapq.heappop(self._due)[2])
            await bell.wait(self._due[0][0] if self._due else None)
