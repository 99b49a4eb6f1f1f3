"""Watch the venues' market data: whether it has begun, fallen silent, or ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum

import attrs

from trioarb.model.event import Event, MarketDown, MarketStale, MarketUp
from trioarb.quotes.board import QuoteBoard
from trioarb.quotes.merge import NEVER

__all__ = ["MarketWatch", "newest_quote_ns"]


class _State(Enum):
    UNSEEN = "unseen"
    UP = "up"
    STALE = "stale"
    DOWN = "down"


@attrs.define
class _Venue:
    """``newest_ns`` is the time of the newest quote at the last look, ``ended`` why no more will come."""

    state: _State = _State.UNSEEN
    newest_ns: int = -1
    ended: str = ""


class MarketWatch:
    """Records `MarketUp`, `MarketStale` and `MarketDown`, from the accepted quotes of all symbols of a venue.

    A quote costs nothing: `look` reads the times of the newest ones off the boards. So what it records comes with the
    first look after it happened, be it the first quote, the return of quotes, or their absence for ``stale_ns``; where
    none ever came, that counts from ``started_ns``. What `fail` records comes at once.
    """

    def __init__(
        self,
        *,
        venues: Sequence[str],
        boards: Collection[QuoteBoard],
        stale_ns: int,
        started_ns: int,
        record: Callable[[Event], object],
    ) -> None:
        self.on_end: Callable[[], None] = _nothing
        self._venues = {venue: _Venue() for venue in venues}
        self._boards = boards  # the universe may get more
        self.stale_ns = stale_ns
        self._started_ns = started_ns
        self._record = record

    def look(self, now_ns: int) -> None:
        """Record what has changed since the last look."""
        all_ended = all(one.ended for one in self._venues.values())
        for venue, one in self._venues.items():
            newest_ns = newest_quote_ns(self._boards, venue)
            has_come, one.newest_ns = newest_ns > one.newest_ns, newest_ns
            last_ns = max(newest_ns, self._started_ns)
            if one.ended:
                if not all_ended:
                    self._down(venue, one)
            elif now_ns - last_ns >= self.stale_ns:
                if one.state is not _State.STALE:
                    one.state = _State.STALE
                    self._record(MarketStale(venue=venue, last_quote_ns=last_ns))
            elif has_come and one.state is not _State.UP:
                one.state = _State.UP
                self._record(MarketUp(venue=venue))

    @property
    def quiet_until_ns(self) -> int:
        """Return before when a look would record nothing, unless a venue's data ends; ``on_end`` is called then."""
        quiet_ns = NEVER
        for one in self._venues.values():
            if one.state is not (_State.DOWN if one.ended else _State.UP):
                return 0
            if not one.ended:
                quiet_ns = min(quiet_ns, one.newest_ns + self.stale_ns)
        return quiet_ns

    def end(self, venue: str) -> None:
        """Note that a venue's data is over. It is down, unless that of all venues ends before the next look."""
        self._venues[venue].ended = "its data has ended"
        self.on_end()

    def fail(self, venue: str, reason: str) -> None:
        """Record at once that a venue's data is down."""
        one = self._venues[venue]
        one.ended = reason
        self._down(venue, one)

    def _down(self, venue: str, one: _Venue) -> None:
        if one.state is not _State.DOWN:
            one.state = _State.DOWN
            self._record(MarketDown(venue=venue, reason=one.ended))


def _nothing() -> None:
    pass


def newest_quote_ns(boards: Iterable[QuoteBoard], venue: str) -> int:
    """Return when a venue's newest accepted quote of any symbol was received; -1 before the first."""
    return max((board.newest_ns(venue) for board in boards), default=-1)
