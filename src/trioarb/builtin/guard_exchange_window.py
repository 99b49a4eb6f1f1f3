"""A venue's last orders, counted as they come and go."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

__all__ = ["Answered", "OrderWindow"]


class Answered(NamedTuple):
    """An order that has its answer, or never will (``failed``, as one that was rejected)."""

    at_ns: int
    latency_ns: int
    failed: bool


class OrderWindow:
    """No more than ``most`` orders, none older than ``window_ns``, in the order of their times, which never go back.

    ``count``, ``failed`` and ``slow`` (those that took longer than ``slow_ns``) are kept with each order that enters or
    leaves. Old orders leave when `leave` is called: until then the counts may be too high, never too low.
    """

    __slots__ = ("_most", "_orders", "_slow_ns", "_window_ns", "failed", "slow")

    def __init__(self, *, most: int, window_ns: int, slow_ns: int) -> None:
        self._most = most
        self._window_ns = window_ns
        self._slow_ns = slow_ns
        self._orders: deque[Answered] = deque()
        self.failed = self.slow = 0

    @property
    def count(self) -> int:
        return len(self._orders)

    @property
    def is_slow(self) -> bool:
        """Whether the 90th percentile of the orders' latencies is above ``slow_ns``."""
        count = len(self._orders)
        return self.slow > count - _rank(count)

    @property
    def latency_ns(self) -> int:
        """The 90th percentile, by nearest rank; 0 without an order."""
        latencies = sorted(order.latency_ns for order in self._orders)
        return latencies[_rank(len(latencies)) - 1] if latencies else 0

    def enter(self, order: Answered) -> None:
        if len(self._orders) == self._most:
            self._drop()
        self._orders.append(order)
        self.failed += order.failed
        self.slow += order.latency_ns > self._slow_ns

    def leave(self, now_ns: int) -> None:
        """Let go of what is too old by now."""
        while self._orders and now_ns - self._orders[0].at_ns >= self._window_ns:
            self._drop()

    def clear(self) -> None:
        self._orders.clear()
        self.failed = self.slow = 0

    def _drop(self) -> None:
        order = self._orders.popleft()
        self.failed -= order.failed
        self.slow -= order.latency_ns > self._slow_ns


def _rank(count: int) -> int:
    """Return which of so many, the least first, nine tenths don't exceed."""
    return (9 * count + 9) // 10
