"""A venue's clock, as far as it can be known from here.

Requests are signed with the venue's own time: the clock of this machine may be wrong, and may be set while a campaign
runs. So the venue's time is measured against Trio's clock, which nobody sets, and goes on with that.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from math import inf

import attrs
import trio

from trioarb.errors import VenueError, describe

__all__ = ["ClockRules", "VenueClock"]

_SAMPLES = 5
#: What a clock that nobody corrects may gain or lose.
_DRIFT = 1e-4
_SOON_SECONDS = 2.0
_MS = 1_000.0


@attrs.frozen(kw_only=True)
class ClockRules:
    """When the venue's time is known well enough.

    Args:
        tolerance_ms: by how much a request's time may be wrong: what the venue takes of times ahead of its own, and
            behind, whichever is less.
        most_offset_ms: by how much the clock of this machine may differ from the venue's. It is corrected for; but a
            clock that is wrong by more isn't looked after.
        jump_ms: a difference to what was expected, beyond what can't be known, from which on the clock has jumped.
        every_seconds: how long a measurement stands.
    """

    tolerance_ms: float = attrs.field(default=500.0, validator=attrs.validators.gt(0))
    most_offset_ms: float = attrs.field(default=60_000.0, validator=attrs.validators.gt(0))
    jump_ms: float = attrs.field(default=250.0, validator=attrs.validators.gt(0))
    every_seconds: float = attrs.field(default=180.0, validator=attrs.validators.gt(0))


@attrs.frozen
class _Measured:
    """The venue's time was ``venue_ms`` at ``at`` of Trio's clock, when this machine's clock said ``wall_ms``."""

    venue_ms: float
    at: float
    wall_ms: float
    half_round_trip_ms: float

    def venue_ms_at(self, now: float) -> float:
        return self.venue_ms + (now - self.at) * _MS

    def uncertainty_ms(self, now: float) -> float:
        return self.half_round_trip_ms + (now - self.at) * _MS * _DRIFT


def _wall_ms() -> float:
    return time.time_ns() / 1e6


class VenueClock:
    """What time it is at a venue. Belongs to one Trio thread.

    Args:
        venue: The name that errors have.
        server_time: Asks the venue, and returns milliseconds since the Unix epoch; raises `VenueError`.
        rules: How far it may be off.
        wall_ms: The machine's clock, in milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        venue: str,
        server_time: Callable[[], Awaitable[float]],
        rules: ClockRules | None = None,
        *,
        wall_ms: Callable[[], float] = _wall_ms,
    ) -> None:
        self._venue = venue
        self._server_time = server_time
        self._rules = rules or ClockRules()
        self._wall_ms = wall_ms
        self._measured: _Measured | None = None
        self._refusal = "hasn't been measured yet"
        self._doubted = trio.Event()

    @property
    def offset_ms(self) -> float:
        """How far the venue's clock is ahead of this machine's; as measured, not a number before."""
        return self._measured.venue_ms - self._measured.wall_ms if self._measured is not None else float("nan")

    @property
    def uncertainty_ms(self) -> float:
        """By how much the venue's time may be another, either way."""
        return self._measured.uncertainty_ms(trio.current_time()) if self._measured is not None else inf

    def now_ms(self) -> int:
        """Return the venue's time, in milliseconds since the Unix epoch.

        Raises:
            VenueError: it isn't known well enough to sign a request with it.
        """
        measured, now = self._measured, trio.current_time()
        if measured is None or self._refusal:
            raise self._error(self._refusal)
        uncertainty = measured.uncertainty_ms(now)
        if uncertainty > self._rules.tolerance_ms:
            self.doubt()
            raise self._error(
                f"is known to within {uncertainty:,.0f} ms only, {self._rules.tolerance_ms:,.0f} ms are needed; the "
                "way there is too slow, or it hasn't answered for long"
            )
        passed = self._wall_ms() - measured.wall_ms
        if abs(passed - (now - measured.at) * _MS) > self._rules.jump_ms + uncertainty:
            self._refusal = "isn't known: this machine slept, or its clock was set; it is being measured anew"
            self.doubt()
            raise self._error(self._refusal)
        return int(measured.venue_ms_at(now))

    def doubt(self) -> None:
        """Have it measured anew soon: the venue refused a request for its time."""
        self._doubted.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Measure it, and go on measuring every few minutes, until cancelled.

        Args:
            task_status: Says ``started()`` once it was measured for the first time.

        Raises:
            VenueError: The first measurement failed, or what it found can't be used. Later ones raise nothing: `now_ms`
                does, as long as the time isn't known.
        """
        await self.measure()
        if self._refusal:
            raise self._error(self._refusal)
        task_status.started()
        while True:
            soon = trio.current_time() + _SOON_SECONDS
            with trio.move_on_after(_SOON_SECONDS if self._refusal else self._rules.every_seconds):
                await self._doubted.wait()
            # However often it is doubted, the venue isn't asked all the time.
            await trio.sleep_until(soon)
            self._doubted = trio.Event()
            try:
                await self.measure()
            except VenueError:
                self.doubt()  # what was measured last stands, ever less certain

    async def measure(self) -> None:
        """Ask the venue several times, and go by the answer that came fastest.

        What it finds may be refused: then `now_ms` says why.

        Raises:
            VenueError: no answer; what was measured before stands.
        """
        samples = list[_Measured]()
        failure: VenueError | None = None
        for _ in range(_SAMPLES):
            began = trio.current_time()
            try:
                venue_ms = await self._server_time()
            except VenueError as error:
                failure = error
                continue
            ended = trio.current_time()
            # The wall clock is read for the same moment as the other one.
            wall_ms = self._wall_ms() - (ended - began) / 2 * _MS
            half = (ended - began) / 2
            samples.append(_Measured(float(venue_ms), began + half, wall_ms, half * _MS))
        if not samples:
            raise self._error(f"can't be asked for: {describe(failure) if failure else 'no answer'}") from failure
        self._judge(min(samples, key=lambda one: one.half_round_trip_ms))

    def _judge(self, new: _Measured) -> None:
        rules, before, now = self._rules, self._measured, trio.current_time()
        self._measured, self._refusal = new, ""
        offset = new.venue_ms - new.wall_ms
        if abs(offset) - new.half_round_trip_ms > rules.most_offset_ms:
            way = "behind" if offset > 0 else "ahead of"
            self._refusal = (
                f"differs too much: the clock of this machine is {abs(offset):,.0f} ms {way} it, at most "
                f"{rules.most_offset_ms:,.0f} ms are taken; have the machine's clock set by NTP"
            )
        elif new.half_round_trip_ms > rules.tolerance_ms:
            self._refusal = (
                f"is known to within {new.half_round_trip_ms:,.0f} ms only, {rules.tolerance_ms:,.0f} ms are needed; "
                "the way there is too slow"
            )
        elif before is not None:
            expected = before.venue_ms_at(new.at)
            unknown = before.uncertainty_ms(now) + new.half_round_trip_ms
            if abs(new.venue_ms - expected) > rules.jump_ms + unknown:
                self._refusal = (
                    f"jumped by {new.venue_ms - expected:+,.0f} ms; it is used again once another measurement agrees"
                )

    def _error(self, what: str) -> VenueError:
        return VenueError(f"{self._venue}: the venue's time {what}")
