"""What a faulty venue tells of an order by its stream of updates, and when."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import msgspec
import trio

from trioarb.api import Bell, CampaignTime, OrderReport, OrderSink, OrderStatus, OrderUpdate, Turn, VenueError
from trioarb_faults.fault import Fault

__all__ = ["Told", "messages"]

#: A message, and which share of the longest delay it waits.
Message = tuple[float, OrderUpdate]


def messages(report: OrderReport, faults: Mapping[Fault, tuple[float, float]]) -> Sequence[Message]:
    """Return what is told of an order whose whole report this is, in the order in which it is told."""
    parts = _as_they_happen(report)
    last = parts[-1]
    if Fault.EARLY_DONE in faults:
        late = faults[Fault.EARLY_DONE][0]
        done = msgspec.structs.replace(last, fills=())
        told: list[Message] = [(0.0, done), *((late, _opened(part)) for part in reversed(parts))]
    elif Fault.LATE_FILL in faults and report.fills:
        late, fill = faults[Fault.LATE_FILL][0], report.fills[-1]
        known = report.filled - fill.quantity
        cancelled = msgspec.structs.replace(last, status=OrderStatus.CANCELLED, fills=(), filled=known)
        before = [part for part in parts[:-1] if fill not in part.fills]
        told = [*((0.0, part) for part in before), (0.0, cancelled)]
        told.append((late, msgspec.structs.replace(last, fills=(fill,), filled=report.filled)))
    else:
        told = [(0.0, part) for part in parts]
    if Fault.REPLAY_UPDATES in faults:
        told += [(faults[Fault.REPLAY_UPDATES][0], update) for _, update in told]
    return told


def _as_they_happen(report: OrderReport) -> Sequence[OrderUpdate]:
    """Return an acknowledgement, each fill, and the last word, which a full fill is."""
    whole = OrderUpdate.from_report(report)
    told = [msgspec.structs.replace(whole, status=OrderStatus.OPEN, fills=(), filled=None, reason="")]
    filled = report.filled - report.filled
    for fill in report.fills:
        filled += fill.quantity
        told.append(msgspec.structs.replace(whole, status=OrderStatus.OPEN, fills=(fill,), filled=filled, reason=""))
    if report.status is OrderStatus.FILLED:
        told[-1] = msgspec.structs.replace(told[-1], status=report.status)
    else:
        told.append(msgspec.structs.replace(whole, fills=()))
    return told


def _opened(update: OrderUpdate) -> OrderUpdate:
    """Return a message as if the order were open still."""
    return msgspec.structs.replace(update, status=OrderStatus.OPEN, reason="")


class Told:
    """Messages that are on their way. While the stream is cut they are lost."""

    def __init__(self, time: CampaignTime, venue: str) -> None:
        self._time = time
        self._venue = venue
        self._turn = Turn.VENUE.order(venue=venue, number=3)
        self._due: list[tuple[int, int, OrderUpdate]] = []
        self._count = 0
        self._bell: Bell | None = None
        self._cut_until_ns = 0

    def tell(self, told: Sequence[Message], delay_ns: int) -> None:
        for share, update in told:
            self._count += 1
            heapq.heappush(self._due, (self._time.now_ns() + int(share * delay_ns), self._count, update))
        self._ring()

    def cut(self, until_ns: int) -> None:
        """Cut the stream, if it isn't cut already."""
        if not self.is_cut:
            self._cut_until_ns = until_ns
            self._ring()

    @property
    def is_cut(self) -> bool:
        return self._time.now_ns() < self._cut_until_ns

    def require(self) -> None:
        """Raise while the stream is cut."""
        if self.is_cut:
            raise VenueError(f"{self._venue}: the stream of updates was cut")

    async def run(self, sink: OrderSink, task_status: trio.TaskStatus[None]) -> None:
        """Tell it all, until the stream is cut."""
        self.require()
        bell = self._bell = self._time.bell(self._turn)
        self._due = [due for due in self._due if due[0] >= self._cut_until_ns]
        heapq.heapify(self._due)
        task_status.started()
        while True:
            self.require()
            while self._due and self._due[0][0] <= self._time.now_ns():
                sink(heapq.heappop(self._due)[2])
            await bell.wait(self._due[0][0] if self._due else None)

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.ring()
