"""Brings snapshots to books that wait for one."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import structlog
import trio

from trioarb.api import QuoteSink, VenueError
from trioarb.venue import Backoff, BookOutcome, OrderBook
from trioarb_binance.asking import Ask
from trioarb_binance.dialect import Dialect
from trioarb_binance.wire.market_message import decode_snapshot

__all__ = ["Snapshots", "Waiting"]

_WORKERS = 4
#: After so many in a row that don't fit, people are told.
_MANY = 5

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Waiting:
    """A book, whom it is told to, and how often in a row no snapshot fitted."""

    native_id: str
    book: OrderBook
    sink: QuoteSink
    is_wanted: bool = False
    failures: int = 0


class Snapshots:
    """Asks for snapshots of the books that are given to `want`, as long as it runs.

    A book that no snapshot fits is asked for again, later each time, up to half a minute.
    """

    def __init__(
        self, ask: Ask, dialect: Dialect, *, now_ns: Callable[[], int], backoff: Backoff | None = None
    ) -> None:
        self._ask, self._dialect, self._now_ns = ask, dialect, now_ns
        self._backoff = backoff or Backoff()
        self._send, self._receive = trio.open_memory_channel[Waiting](math.inf)

    def want(self, waiting: Waiting) -> None:
        """Ask for a snapshot, unless one is on its way."""
        if not waiting.is_wanted:
            waiting.is_wanted = True
            self._send.send_nowait(waiting)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(_WORKERS):
                nursery.start_soon(self._work, nursery)

    async def _work(self, nursery: trio.Nursery) -> None:
        async for waiting in self._receive:
            waiting.is_wanted = False
            if waiting.book.is_valid:
                continue
            why = await self._bring(waiting)
            if not why:
                waiting.failures = 0
                continue
            waiting.failures += 1
            if waiting.failures == _MANY:
                log.warning("no snapshot of a book", symbol=waiting.native_id, times=_MANY, why=why)
            waiting.is_wanted = True
            nursery.start_soon(self._later, waiting, self._backoff.wait_seconds(waiting.failures))

    async def _bring(self, waiting: Waiting) -> str:
        """Bring a snapshot; return why there is none that fits, or ''."""
        try:
            answer = await self._ask(self._dialect.snapshot(waiting.native_id, self._dialect.levels))
            snapshot = decode_snapshot(answer.body)
            outcome = waiting.book.snapshot(
                snapshot.bids, snapshot.asks, received_ns=self._now_ns(), last=snapshot.last_update_id
            )
        except VenueError as error:
            return str(error)
        waiting.book.tell(waiting.sink)
        return waiting.book.why if outcome is BookOutcome.GAP else ""

    async def _later(self, waiting: Waiting, seconds: float) -> None:
        await trio.sleep(seconds)
        self._send.send_nowait(waiting)
