"""Market data and a source of symbols that say what they said when their course was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio

from trioarb.course.entry import Shown, value_of
from trioarb.course.told_time import Over
from trioarb.errors import UniverseError
from trioarb.model.market import Listing
from trioarb.plugin.contract import Feed, QuoteSink, SymbolSource

if TYPE_CHECKING:
    from trioarb.course.told import ToldCourse

__all__ = ["ToldFeed", "ToldSource"]


class ToldFeed(Feed):
    """The recorded quotes of a venue, in the order of the course over all venues."""

    def __init__(self, course: ToldCourse, venue: str) -> None:
        self._course = course
        self._venue = venue
        #: What it lists; more once the campaign asked anew.
        self.listed: Sequence[Listing] = course.noted((venue, "listings", ""))

    async def listings(self) -> Sequence[Listing]:
        return self.listed

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        course, key = self._course, (self._venue, "market", "")
        course.listen(self._venue, self.listed, sinks)
        try:
            if not course.is_feed(self._venue):
                task_status.started()
            while True:
                entry: Any = await course.clock.wait_for(key)
                if isinstance(entry, Shown):
                    course.show(entry)
                else:
                    value_of(entry)
                    task_status.started()
        except Over:
            await trio.sleep_forever()


class ToldSource(SymbolSource):
    """A source that lists what it listed."""

    def __init__(self, course: ToldCourse) -> None:
        self._course = course

    async def listings(self) -> Sequence[Listing]:
        try:
            found: Sequence[Listing] = await self._course.said(("", "listings", ""))
        except Over:
            raise UniverseError("the recording of the run doesn't go on") from None
        return found
