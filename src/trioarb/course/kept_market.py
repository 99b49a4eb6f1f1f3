"""Market data and a source of symbols, of which is kept what they say beside quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio

from trioarb.course.kept_exchange import Started
from trioarb.model.market import Listing, TradingRules
from trioarb.plugin.contract import Feed, QuoteSink, SymbolSource

if TYPE_CHECKING:
    from trioarb.course.kept import KeptCourse

__all__ = ["KeptFeed", "KeptSource"]


class KeptFeed(Feed):
    """A feed, of which is kept when it has subscribed, and why it failed. Its quotes are kept on their way."""

    def __init__(self, course: KeptCourse, venue: str, inner: Feed) -> None:
        self._course = course
        self._key = venue, "market", ""
        self._inner = inner

    async def listings(self) -> Sequence[Listing]:
        return await self._inner.listings()

    def rules(self, symbol: str) -> TradingRules | None:
        return self._inner.rules(symbol)

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            await self._inner.run(sinks, task_status=Started(self._course, self._key, task_status))
        except Exception as error:
            self._course.said(self._key, error=error)
            raise


class KeptSource(SymbolSource):
    """A source, whose listings are kept."""

    def __init__(self, course: KeptCourse, inner: SymbolSource) -> None:
        self._course = course
        self._inner = inner

    async def listings(self) -> Sequence[Listing]:
        return await self._course.answered(("", "listings", ""), self._inner.listings())
