"""Mark what is open each second, and record the prices that a campaign's equity begins with."""

from __future__ import annotations

from collections.abc import Callable

from trioarb.engine.campaign import Campaign
from trioarb.model.event import DustLeft, PositionOpened, Record, ResidualLeft
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Marking"]

#: For how long first quotes are waited for; later ones are marked when somebody looks anyway.
_WAIT_NS = 10 * SECOND_NS


class Marking:
    """Looked at each second while something is open, and at the start; ``ring`` is called once something is."""

    def __init__(self, campaign: Campaign, ring: Callable[[], None]) -> None:
        self._parts, self._marks, self._boards = campaign.parts, campaign.state.marks, campaign.world.boards
        self._until_ns = campaign.parts.time.now_ns() + _WAIT_NS
        #: Symbols and venues whose first price was not recorded yet.
        self._awaited = [
            (symbol, venue)
            for symbol, by_venue in campaign.parts.instruments.items()
            for venue in by_venue
            if symbol in campaign.symbols and (symbol, venue) not in self._marks.prices
        ]
        self._is_waiting = bool(self._awaited) or bool(self._marks.awaited_rates)

        def observe(record: Record) -> None:
            if isinstance(record.event, PositionOpened | ResidualLeft | DustLeft):
                ring()

        campaign.parts.journal.attach(observers=[observe])

    @property
    def is_due(self) -> bool:
        """Whether something is to be marked at the next second."""
        return self._is_waiting or self._marks.is_needed

    def look(self, now_ns: int) -> None:
        """Mark what is open, and what shows its first price."""
        if self._awaited or self._marks.awaited_rates:
            found = [place for place in self._awaited if self._boards[place[0]].touch(place[1]) is not None]
            if found or any(self._marks.awaited_rates.values()):
                gone = set(found)
                self._awaited = [place for place in self._awaited if place not in gone]
                self._parts.journal.record(self._marks.mark("start", found))
            is_awaited = bool(self._awaited) or bool(self._marks.awaited_rates)
            self._is_waiting = is_awaited and now_ns < self._until_ns
        if self._marks.is_needed:
            for marked in self._marks.take(now_ns):
                self._parts.journal.record(marked)
