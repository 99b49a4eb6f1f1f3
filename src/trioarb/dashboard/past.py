"""What happened before: events by their numbers, and the story of a trade, read from the journal when asked for."""

from __future__ import annotations

import time

import attrs
import trio

from trioarb.dashboard.figures import event_row
from trioarb.dashboard.follower import Follower
from trioarb.dashboard.message import EventRow, LogPage, TradeStory
from trioarb.model.event import Record
from trioarb.model.wire import event_type
from trioarb.report.trade_timeline import TradeTimeline

__all__ = ["Wanted", "log_page", "story_of"]

_MOST = 500
#: So many events are looked through for one page: whoever wants more asks on.
_LOOKED_THROUGH = 50_000
_BLOCK = 2_048
#: How long reading holds the thread at a time.
_SLICE_SECONDS = 0.02
_LONGEST_STORY = 5_000


@attrs.frozen(kw_only=True)
class Wanted:
    """Which events: of a type, of a symbol, with a text in their words; empty: any."""

    type: str = ""
    symbol: str = ""
    text: str = ""

    def row(self, record: Record) -> EventRow | None:
        """Return an event in words, if it is wanted."""
        event = record.event
        if self.type and event_type(type(event)) != self.type:
            return None
        if self.symbol and getattr(event, "symbol", None) != self.symbol:
            return None
        row = event_row(record)
        return row if self.text.lower() in row.text.lower() or self.text == row.trade_id else None


async def log_page(
    follower: Follower, wanted: Wanted, *, before: int | None = None, after: int | None = None, limit: int = 100
) -> LogPage:
    """Return the last events before one, or the first after one; without either, the last of all.

    Raises:
        JournalError: they can't be read any more.
    """
    limit = min(max(limit, 1), _MOST)
    rows = list[EventRow]()
    if after is not None:
        first = seen = max(after, 0) + 1
        for records in follower.records(first):
            for record in records:
                if len(rows) < limit:
                    seen = record.seq + 1
                    if (row := wanted.row(record)) is not None:
                        rows.append(row)
            if len(rows) >= limit or seen - first >= _LOOKED_THROUGH:
                break
            await trio.lowlevel.checkpoint()
        return LogPage(
            events=tuple(rows), first_seq=first, last_seq=seen - 1, older=first > 1, newer=seen <= follower.seq
        )
    last = follower.seq if before is None else min(before - 1, follower.seq)
    first = last + 1
    while first > 1 and len(rows) < limit and last - first < _LOOKED_THROUGH:
        since, until = max(1, first - _BLOCK), first
        found = [record for records in follower.records(since, until) for record in records]
        for record in reversed(found):
            if len(rows) < limit:
                first = record.seq
                if (row := wanted.row(record)) is not None:
                    rows.append(row)
        if not found:
            break
        await trio.lowlevel.checkpoint()
    rows.reverse()
    return LogPage(events=tuple(rows), first_seq=first, last_seq=last, older=first > 1, newer=last < follower.seq)


async def story_of(follower: Follower, trade_id: str) -> TradeStory | None:
    """Return the timeline of a trade; ``None``: there is no such trade.

    Raises:
        JournalError: its events can't be read any more.
    """
    number = follower.trades.get(trade_id)
    if number is None:
        return None
    timeline, until = TradeTimeline(trade_id), time.perf_counter() + _SLICE_SECONDS
    for records in follower.records(1):
        for record in records:
            timeline.apply(record)
        if time.perf_counter() > until:
            await trio.lowlevel.checkpoint()
            until = time.perf_counter() + _SLICE_SECONDS
    ids = list(follower.trades)
    return TradeStory(
        trade_id=trade_id,
        lines=tuple(timeline.lines())[:_LONGEST_STORY],
        before=ids[number - 1] if number else None,
        after=ids[number + 1] if number + 1 < len(ids) else None,
    )
