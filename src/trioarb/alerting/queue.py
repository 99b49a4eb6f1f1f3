"""What a channel has still to send: bounded, and who of it may go when."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import attrs
import trio

from trioarb.config.alerts import ChannelHead, QuietHours
from trioarb.model.alert import Alert, Severity
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["AlertQueue", "quiet_seconds"]

#: So many alerts wait at most for one channel; of more, the oldest of the least severity is dropped.
CAPACITY = 256
#: So many alerts go into one message; what is left goes into the next.
PER_MESSAGE = 32
#: Quiet hours are those of the wall clock, which may be set: it is looked at again after so long.
_LOOK_SECONDS = 300.0


@attrs.define(eq=False)
class AlertQueue:
    """``now_ns`` is campaign time, by which hours are quiet; waiting is Trio's. ``dropped`` counts what had no room."""

    head: ChannelHead
    now_ns: Callable[[], int]
    dropped: int = 0
    ending: trio.Event = attrs.field(factory=trio.Event)
    _quiet: QuietHours | None = attrs.field(init=False)
    _waiting: list[tuple[float, Alert]] = attrs.field(factory=list, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._quiet = self.head.quiet

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, alert: Alert) -> None:
        """Take an alert. It never waits and never fails."""
        self._waiting.append((trio.current_time(), alert))
        if len(self._waiting) > CAPACITY:
            least = min(range(len(self._waiting)), key=lambda place: (self._waiting[place][1].severity.rank, place))
            del self._waiting[least]
            self.dropped += 1
        self._changed.set()

    def end(self) -> None:
        """Let everything go at once from now on; once all is gone, `take` returns nothing."""
        self.ending.set()
        self._changed.set()

    def rest(self) -> tuple[Alert, ...]:
        """Take out all that is left."""
        left, self._waiting = self._waiting, []
        return tuple(alert for _, alert in left)

    async def take(self) -> tuple[Alert, ...]:
        """Wait until something is to be sent, and return it, the oldest first; nothing at the end.

        When cancelled, nothing is lost.
        """
        while True:
            ready, seconds = self._ready()
            if ready or (self.ending.is_set() and not self._waiting):
                taken = ready[:PER_MESSAGE]
                self._waiting = [one for one in self._waiting if not any(one is other for other in taken)]
                return tuple(alert for _, alert in taken)
            self._changed = trio.Event()
            with trio.move_on_after(seconds):
                await self._changed.wait()

    def _ready(self) -> tuple[list[tuple[float, Alert]], float]:
        """Return what may go now, or in how many seconds to look again."""
        if self.ending.is_set() or not self._waiting:
            return list(self._waiting), math.inf
        critical = [one for one in self._waiting if one[1].severity is Severity.CRITICAL]
        quiet = 0.0 if self._quiet is None else quiet_seconds(self._quiet, self.now_ns())
        if quiet:
            return critical, min(quiet, _LOOK_SECONDS)
        grouped_until = self._waiting[0][0] + float(self.head.group_seconds)
        if critical or trio.current_time() >= grouped_until:
            return list(self._waiting), math.inf
        return [], grouped_until - trio.current_time()


def quiet_seconds(quiet: QuietHours, now_ns: int) -> float:
    """Return how many seconds are left of the quiet hours; 0 outside of them. Hours that a clock change skips, too."""
    seconds, ns = divmod(now_ns, SECOND_NS)
    local = datetime.fromtimestamp(seconds, quiet.zone)
    minute = 60 * local.hour + local.minute
    if quiet.start < quiet.end:
        is_quiet = quiet.start <= minute < quiet.end
    else:
        is_quiet = minute >= quiet.start or minute < quiet.end
    if not is_quiet:
        return 0.0
    day = local.date() if minute < quiet.end else local.date() + timedelta(days=1)
    end = datetime(day.year, day.month, day.day, *divmod(quiet.end, 60), tzinfo=quiet.zone)
    return max(end.timestamp() - seconds - ns / SECOND_NS, 1e-3)
