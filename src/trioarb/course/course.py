"""What stands between a campaign and the outside: nothing, unless its course is kept or told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio

from trioarb.model.event import ClockJumped
from trioarb.model.market import VenuePart
from trioarb.plugin.contract import Exchange, MarketData, QuoteSink, SymbolSource
from trioarb.time.campaign_time import CampaignTime

__all__ = ["Course"]

T = TypeVar("T")


class Course:
    """What a campaign without a course has: everything passes as it is. `KeptCourse` and `ToldCourse` do otherwise."""

    #: The campaign whose course is told; empty: it gets an id of its own.
    campaign_id: str = ""
    #: What the campaign's time begins with, where that is told.
    start_ns: int | None = None
    #: What the configuration was made from, where the course is told.
    table: Mapping[str, Any] | None = None
    #: Whether nothing outside is opened.
    is_told: bool = False

    def time(self, time: CampaignTime) -> CampaignTime:
        """Return the time that the campaign goes by, where ``time`` is that of its clock."""
        return time

    def begin(self, campaign_id: str, start_ns: int, after_seq: int) -> None:
        """Take note of the campaign whose course it is, and after which event of its journal it goes on."""

    async def market(self, venue: str, opened: MarketData) -> MarketData:
        """Return what stands for a venue's market data."""
        return opened

    def told_market(self, venue: str) -> MarketData | None:
        """Return what is opened instead of a venue's market data."""
        return None

    async def source(self, opened: SymbolSource) -> SymbolSource:
        """Return what stands for the source of symbols."""
        return opened

    def told_source(self) -> SymbolSource | None:
        """Return what is opened instead of the source of symbols."""
        return None

    async def exchange(self, venue: str, opened: Exchange) -> Exchange:
        """Return what stands for an exchange."""
        return opened

    def told_exchange(self, venue: str) -> Exchange | None:
        """Return what is opened instead of an exchange."""
        return None

    async def asked(self, venue: str, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what a venue answers, which ``ask`` asks while the campaign runs, and waits for."""
        return await ask()

    def seen(self, what: str, look: Callable[[], T]) -> T:
        """Return what is outside of the campaign, at which ``look`` looks without waiting."""
        return look()

    def call(
        self, venue: str, what: str, call: Callable[[T], None], part: VenuePart | None = None
    ) -> Callable[[T], None]:
        """Return what a venue's plugin calls to say something by itself, where ``call`` is to hear of it."""
        return call

    async def calls(self) -> None:
        """Call what plugins called, as it is told, until cancelled."""
        await trio.sleep_forever()

    def sink(self, venue: str, sink: QuoteSink) -> QuoteSink:
        """Return the sink that market data calls, where ``sink`` is to be called."""
        return sink

    def came(self, what: str, value: object) -> None:
        """Take note of what somebody wants of the campaign, by a signal or a command."""

    async def coming(self, what: str, react: Callable[[Any], None]) -> None:
        """React to what is told that somebody wanted, until cancelled."""
        await trio.sleep_forever()

    def ended(self, venue: str) -> None:
        """Take note that a venue's data, which was known ahead, is over; without a venue: that of all of them."""

    async def ends(self, react: Callable[[str], None]) -> None:
        """React to each such end that is told; return after that of all."""
        await trio.sleep_forever()

    def jump(self, jump: ClockJumped) -> None:
        """Take note that the machine's clocks jumped."""

    async def jumps(self) -> ClockJumped:
        """Return the next jump of the clocks that is told."""
        await trio.sleep_forever()
        raise AssertionError
