"""A time that stands still."""

from __future__ import annotations

from trioarb.time.campaign_time import RealTime

__all__ = ["StoppedTime"]


class StoppedTime(RealTime):
    """Shows the same whenever it is read; waits take real time."""

    def now_ns(self) -> int:
        return self._start_ns

    def __init__(self, at_ns: int) -> None:
        super().__init__()
        self._start_ns = at_ns
