"""Books that are kept from the streams of changes, on snapshots."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import structlog

from trioarb.api import QuoteSink
from trioarb.venue import Backoff, BookOutcome, Key, OrderBook, Resync
from trioarb_binance.asking import Ask
from trioarb_binance.dialect import Dialect
from trioarb_binance.wire.market_message import DepthUpdate, decode_snapshot

__all__ = ["Books"]

_MS = 1_000_000

log = structlog.get_logger(__name__)


@attrs.frozen(eq=False)
class _Kept:
    native_id: str
    book: OrderBook
    sink: QuoteSink


class Books:
    """The books of one connection, by the streams of their changes. Snapshots are asked for as long as it runs."""

    def __init__(
        self, dialect: Dialect, ask: Ask, depth: int, *, now_ns: Callable[[], int], backoff: Backoff | None = None
    ) -> None:
        self._dialect, self._ask, self._depth, self._now_ns = dialect, ask, depth, now_ns
        self._kept: dict[Key, _Kept] = {}
        self._resync = Resync(
            fetch=self._fetch,
            is_valid=lambda stream: self._kept[stream].book.is_valid,
            on_given_up=self._give_up,
            backoff=backoff or Backoff(first_seconds=0.5),
        )

    def add(self, stream: str, native_id: str, sink: QuoteSink) -> None:
        """Keep a book of a symbol, and tell it to a sink."""
        self._kept[stream] = _Kept(native_id, OrderBook(self._dialect.rule, depth=self._depth), sink)

    async def run(self) -> None:
        """Ask for snapshots until cancelled."""
        await self._resync.run()

    def need(self, stream: str) -> None:
        """Have a book that lacks something asked for."""
        self._resync.need(stream)

    def take(self, stream: str, told: DepthUpdate, received_ns: int) -> None:
        """Take what changed.

        Raises:
            WireError: it can't be; the book waits for a snapshot then.
        """
        kept = self._kept[stream]
        outcome = kept.book.change(
            told.bids,
            told.asks,
            received_ns=received_ns,
            first=told.first_id,
            last=told.last_id,
            previous=told.previous_id if isinstance(told.previous_id, int) else None,
            venue_ts_ns=told.event_ms * _MS,
        )
        if outcome is BookOutcome.APPLIED:
            kept.book.tell(kept.sink)
        else:
            self._follow(stream, outcome)

    def withdraw(self, stream: str, why: str, now_ns: int) -> None:
        """Forget a book, and withdraw its quote."""
        kept = self._kept[stream]
        kept.book.reset(why, received_ns=now_ns)
        kept.book.tell(kept.sink)

    def cut(self, why: str, now_ns: int) -> None:
        """Forget all of them: what comes next need not follow. Snapshots that are under way are too old for it."""
        self._resync.stop()
        for stream in self._kept:
            self.withdraw(str(stream), why, now_ns)

    def _follow(self, stream: Key, outcome: BookOutcome) -> None:
        kept = self._kept[stream]
        if outcome in (BookOutcome.WAITING, BookOutcome.GAP):
            self._resync.need(stream)
        if outcome in (BookOutcome.APPLIED, BookOutcome.GAP):
            kept.book.tell(kept.sink)

    async def _fetch(self, stream: Key) -> None:
        kept = self._kept[stream]
        answer = await self._ask(self._dialect.snapshot(kept.native_id, self._dialect.levels))
        snapshot = decode_snapshot(answer.body)
        outcome = kept.book.snapshot(
            snapshot.bids, snapshot.asks, received_ns=self._now_ns(), last=snapshot.last_update_id
        )
        self._follow(stream, outcome)

    def _give_up(self, stream: Key, why: str) -> None:
        log.warning("a book of Binance's is given up until the next connection", stream=stream, why=why)
