"""How equity went while somebody watched, in bounded memory."""

from __future__ import annotations

from decimal import Decimal

from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Past"]

#: So many points are kept, as many as the widest sparkline has cells twice.
_MOST = 240


class Past:
    """Changes of equity, one for each ``step_ns`` of campaign time; the step doubles each time that there are too many.

    So the whole time that was watched is seen, the longer the coarser.
    """

    def __init__(self) -> None:
        self.step_ns = SECOND_NS // 4
        self.points: list[Decimal] = []
        self.highest = self.lowest = Decimal(0)
        self._times: list[int] = []

    def see(self, at_ns: int, change: Decimal) -> None:
        """Take note of how equity stands; within one step, of how it stood last."""
        self.highest, self.lowest = max(self.highest, change), min(self.lowest, change)
        if self._times and at_ns // self.step_ns <= self._times[-1] // self.step_ns:
            self.points[-1] = change
            return
        self._times.append(at_ns)
        self.points.append(change)
        if len(self.points) > _MOST:
            self._thin_out()

    def sampled(self, count: int) -> list[Decimal]:
        """Return at most so many points, evenly chosen, the last one among them."""
        points = self.points
        if len(points) <= count or count <= 0:
            return points if count > 0 else []
        step = len(points) / count
        return [points[min(len(points) - 1, int((number + 1) * step) - 1)] for number in range(count)]

    @property
    def span_ns(self) -> int:
        """For how long it was watched."""
        return self._times[-1] - self._times[0] if self._times else 0

    def _thin_out(self) -> None:
        """Keep the last point of each two steps."""
        self.step_ns *= 2
        kept: dict[int, tuple[int, Decimal]] = {}
        for at_ns, change in zip(self._times, self.points, strict=True):
            kept[at_ns // self.step_ns] = at_ns, change
        self._times = [at_ns for at_ns, _ in kept.values()]
        self.points = [change for _, change in kept.values()]
