"""Binance's clock: how far it is from this machine's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
import trio

from trioarb.api import VenueError
from trioarb.venue import Response
from trioarb_binance.wire.body import decode
from trioarb_binance.wire.listing_body import ServerTime

__all__ = ["VenueClock"]

_EVERY_SECONDS = 600.0
_MS = 1_000_000

log = structlog.get_logger(__name__)


class VenueClock:
    """Says what time it is at Binance, as measured now and then; ``now_ns`` is this machine's clock."""

    def __init__(self, ask: Callable[[], Awaitable[Response]], now_ns: Callable[[], int]) -> None:
        self._ask = ask
        self._now_ns = now_ns
        self._offset_ms = 0
        self._wanted = trio.Event()

    @property
    def now_ms(self) -> int:
        """Unix milliseconds, by Binance's clock."""
        return self._now_ns() // _MS + self._offset_ms

    @property
    def offset_ms(self) -> int:
        """By how much Binance's clock is ahead."""
        return self._offset_ms

    async def measure(self) -> None:
        """Measure the offset. The answer's time is taken for that of the middle of its way.

        Raises:
            VenueError: there is no answer.
        """
        before = self._now_ns() // _MS
        answer = await self._ask()
        after = self._now_ns() // _MS
        self._offset_ms = decode(ServerTime, answer.body).server_time - (before + after) // 2

    def doubt(self) -> None:
        """Have it measured soon: Binance refused something for its time."""
        self._wanted.set()

    async def run(self) -> None:
        """Measure every ten minutes, and when it is doubted, until cancelled."""
        while True:
            with trio.move_on_after(_EVERY_SECONDS):
                await self._wanted.wait()
            self._wanted = trio.Event()
            try:
                await self.measure()
            except VenueError as error:
                log.warning("the clock of Binance could not be measured", why=str(error))
                await trio.sleep(1.0)
